"""The guards of the leaderboard, how each is taken away in memory, and the tests that must then turn red.

A pytest plugin: `GUARD="the quota" python -m pytest -p guards TEST` runs a test without that guard.
"""

import importlib
import os
from functools import cache, reduce
from typing import Any, NamedTuple

SERVER, SCORER, HOSTILE = (
    "tests/leaderboard/web/test_server.py",
    "tests/leaderboard/web/test_server_scorer.py",
    "tests/leaderboard/web/test_server_hostile.py",
)
SPLIT, DOOR = "tests/leaderboard/test_non_interference.py", "leaderboard.web"


class Guard(NamedTuple):
    """where: module:attribute; without: what stands there instead; test: pytest's name of the one that turns red."""

    where: str
    without: Any
    test: str


def unescaped() -> Any:
    """The templates, which no longer escape what people wrote."""
    from leaderboard.web import render

    made = render.templates.__wrapped__()
    made.autoescape = False
    return made


def last_first(entries: Any, value: Any, higher_is_better: bool) -> list[Any]:
    """The ranking, with the later of two equal ones ahead."""
    sign = -1 if higher_is_better else 1
    best: dict[str, Any] = {}
    for entry in sorted(entries, key=lambda entry: (sign * value(entry), -entry.id)):
        best.setdefault(entry.team, entry)
    return list(best.values())


def not_alone(engine: Any) -> Any:
    """A transaction that writes, and does not wait for its turn."""
    from leaderboard.database import reading

    return reading(engine)


def any_score(competition: Any, rows: Any, groups: Any) -> Any:
    """Whatever the metric says is a score."""
    from leaderboard import scoring

    return scoring.Scored(*scoring.interval(competition.metric, rows, groups), rows)


GUARDS = {
    "the name in the Host header": Guard(
        f"{DOOR}.guard:is_our_name", lambda *_: True, f"{SERVER}::test_another_host_name_is_refused"
    ),
    "requests that other sites forge": Guard(
        f"{DOOR}.guard:is_forged", lambda _: False, f"{SERVER}::test_no_other_site_changes_anything"
    ),
    "who may see what": Guard(
        f"{DOOR}.api:may_see", lambda *_: True, f"{SERVER}::test_a_player_sees_messages_and_cards_of_its_own_team_only"
    ),
    "the team of a token": Guard(
        f"{DOOR}.upload:known_team",
        lambda _, given: given or "red",
        f"{HOSTILE}::test_a_hostile_file_is_refused_in_words_and_costs_nothing",
    ),
    "where a login leads": Guard(
        f"{DOOR}.forms:asked_next",
        lambda request: request.query_params.get("next", "/"),
        f"{SERVER}::test_a_login_leads_to_no_other_site",
    ),
    "the size of a file": Guard(
        f"{DOOR}.settings:Settings.most_bytes",
        lambda *_: 1 << 40,
        f"{HOSTILE}::test_s2_a_body_without_a_length_is_cut_off_at_the_limit",
    ),
    "other kinds of files": Guard(
        f"{DOOR}.upload:refuse_other_kinds",
        lambda *_: None,
        f"{HOSTILE}::test_a_hostile_file_is_refused_in_words_and_costs_nothing",
    ),
    "names of files": Guard(
        "leaderboard.queue:plain_name", lambda given: given, f"{HOSTILE}::test_s9_a_file_name_writes_nowhere_else"
    ),
    "the quota": Guard(
        "leaderboard.queue:Quota.left", 5, f"{SCORER}::test_the_sixth_of_a_day_is_told_when_the_next_one_is_free"
    ),
    "the quota's transaction": Guard(
        "leaderboard.queue:writing", not_alone, f"{SCORER}::test_of_sixteen_at_once_exactly_five_are_accepted"
    ),
    "how often a scorer may die": Guard(
        "leaderboard.queue:MOST_ATTEMPTS", 1000, f"{SCORER}::test_a_lease_that_ran_out_three_times_is_our_failure"
    ),
    "whose lease it is": Guard(
        "leaderboard.queue:is_ours",
        lambda *_: (),
        f"{SCORER}::test_a_lease_that_ran_out_is_taken_over_and_its_old_holder_writes_nothing_more",
    ),
    "a score that is no number": Guard(
        "leaderboard.scoring:_score_part",
        any_score,
        "tests/leaderboard/test_leaderboard.py::test_a_score_that_is_no_number_is_refused",
    ),
    "the spreadsheet's formulas": Guard(
        "leaderboard.export:FORMULA",
        (),
        f"{HOSTILE}::test_s12_an_exported_name_is_text_and_the_numbers_beside_it_are_exact",
    ),
    "what the OpenAPI page promises": Guard(
        f"{DOOR}.api:summary",
        lambda job: {"id": job.id},
        "tests/leaderboard/web/test_openapi.py",
    ),
    "what people write on a page": Guard(
        f"{DOOR}.render:templates", cache(unescaped), f"{SERVER}::test_what_people_write_is_shown_and_never_run"
    ),
    "names that look alike": Guard(
        "leaderboard.teams:looks",
        lambda name: name,
        f"{SCORER}::test_a_name_that_looks_like_another_one_is_refused",
    ),
    "the first of two equal ones": Guard(
        "leaderboard.board:rank",
        last_first,
        "tests/leaderboard/test_complaints.py::test_06_of_equal_scores_the_one_that_came_first_is_ahead_whatever_the_clock_says",
    ),
    "private scores before the reveal": Guard("leaderboard.board:reveal_time", lambda *_: "2026-01-01", SPLIT),
}


def pytest_configure() -> None:
    if name := os.environ.get("GUARD"):
        where, without, _ = GUARDS[name]
        module, _, path = where.partition(":")
        *outer, last = path.split(".")
        holder = reduce(getattr, outer, importlib.import_module(module))
        assert hasattr(holder, last), f"{where} is no longer there: say anew how this guard is taken away"
        setattr(holder, last, without)
