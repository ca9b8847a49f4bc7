"""Who is ahead, what is tied, and what the board shows. Expected values are by hand, see `tiny_board`."""

import json
import random

import numpy as np
import pytest
from sqlalchemy import event

from harness.bootstrap import Interval
from harness.competition import find
from harness.errors import UserError
from leaderboard import board
from leaderboard.answers import prepared
from leaderboard.cli import text
from leaderboard.database import open_database
from leaderboard.entries import ScoredEntry, rank, rank_finals
from leaderboard.host import act, read_choice, reveal_board, select_finals
from leaderboard.judge import judge
from leaderboard.scoring import resampled_scores
from tests.support import tiny_board
from tests.support.tiny_board import entry, printed, shown


def some_entry(number, team, public, private=None, received_at="2026-01-01"):
    score = Interval(public, public, public)
    return ScoredEntry(number, team, f"{number:064}", received_at, None, score, private and Interval(private, 0, 0))


def beats(a, b, higher):
    """The rule of the board, for two entries."""
    if a.public.score != b.public.score:
        return (a.public.score > b.public.score) == higher
    return a.id < b.id


@pytest.mark.parametrize("higher", [True, False])
def test_the_best_entry_of_a_team_counts_and_the_earlier_of_equal_ones_is_ahead(higher):
    chance = random.Random(0)
    for _ in range(300):
        entries = [
            some_entry(k, chance.choice("rgb"), chance.choice([0.1, 0.5, 0.9])) for k in range(chance.randrange(9))
        ]
        chance.shuffle(entries)
        best = [e for e in entries if not any(beats(o, e, higher) for o in entries if o.team == e.team)]
        places = {sum(beats(o, e, higher) for o in best): e for e in best}
        assert rank(entries, "public", higher) == [places[k] for k in range(len(best))]


def test_in_the_end_the_selected_finals_count_and_the_best_public_one_of_a_team_without():
    entries = [
        some_entry(1, "red", public=0.9, private=0.5),
        some_entry(2, "red", public=0.7, private=0.8),
        some_entry(3, "blue", public=0.6, private=0.7),
        some_entry(4, "blue", public=0.5, private=0.95),
    ]
    without = rank_finals(entries, {}, "2026-02-01", higher_is_better=True)
    chosen = rank_finals(entries, {"red": {1, 2}, "blue": {4}}, "2026-02-01", higher_is_better=True)
    assert [e.id for e in without] == [3, 1]
    assert [e.id for e in chosen] == [4, 2]


def test_an_entry_after_the_reveal_does_not_replace_one_that_came_before():
    entries = [
        some_entry(1, "red", public=0.5, private=0.5),
        some_entry(2, "red", public=0.9, private=0.9, received_at="2026-03-01"),
        some_entry(3, "blue", public=0.4, private=0.4, received_at="2026-03-01"),
    ]
    assert [e.id for e in rank_finals(entries, {}, "2026-02-01", higher_is_better=True)] == [1, 3]


# -- ties --------------------------------------------------------------------------------------------------------------


def test_where_lower_scores_win_the_lower_one_is_ahead(home):
    judge("darts", entry(home, wrong="abc", by=6), "far")  # 3 of 6 public rows off by 6
    judge("darts", entry(home, wrong="abc", by=2), "near")
    assert [(row.team, row.score) for row in shown("darts").rows] == [("near", 1.0), ("far", 3.0)]


def test_a_lead_that_the_choice_of_rows_could_have_made_is_a_tie(home):
    # One of six rows: a resample leaves it out with probability (5/6)^6 = 0.33, so the lower bound is 0.
    judge("tiny", entry(home), "red")
    judge("tiny", entry(home, wrong="a"), "blue")
    assert [(row.team, row.tied) for row in shown().rows] == [("red", False), ("blue", True)]
    assert text.standing(shown()).startswith("red and blue cannot be told apart")


def test_a_lead_on_every_row_is_more_than_noise(home):
    judge("tiny", entry(home), "red")
    judge("tiny", entry(home, wrong="abcdef"), "blue")
    assert [row.tied for row in shown().rows] == [False, False]
    assert "red leads blue by 1.000 (95 %: 1.000 to 1.000)" in text.standing(shown())


def test_a_chain_of_ties_does_not_make_its_ends_equal(home):
    # 6, 4 and 2 hits: neighbours differ in 2 rows, which (4/6)^6 = 0.09 of the resamples leave out; the ends in 4,
    # which (2/6)^6 = 0.001 leave out.
    for team, wrong in (("red", ""), ("green", "ab"), ("blue", "abcd")):
        judge("tiny", entry(home, wrong), team)
    assert [row.tied for row in shown().rows] == [False, True, True]
    assert shown().leaders == 2


def test_the_rank_interval_says_between_which_ranks_a_team_lies(home):
    for team, wrong in (("red", ""), ("green", "a"), ("blue", "abcdef")):
        judge("tiny", entry(home, wrong), team)
    assert [(row.rank_low, row.rank_high) for row in shown().rows] == [(1, 1), (1, 2), (3, 3)]
    numbers, engine = [row.number for row in shown().rows], open_database()
    scores = resampled_scores(engine, find("tiny"), prepared("tiny"), "public", numbers)
    assert board.rank_intervals(-scores, higher_is_better=False) == [(1, 1), (1, 2), (3, 3)]
    tiny_board.prepare(home, "tiny", "aaaa1111", ids=list("xyz"))  # kept: the answers are not asked again
    again = resampled_scores(open_database(), find("tiny"), prepared("tiny"), "public", numbers)
    assert np.array_equal(scores, again)


# -- private until the reveal ------------------------------------------------------------------------------------------


def test_exact_and_private_scores_are_not_even_read_before_the_reveal(home):
    judge("tiny", entry(home), "red")
    judge("tiny", entry(home, wrong="g"), "blue")
    engine, asked = open_database(), []
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append(str(call[3])))
    assert [row.private for row in board.read(engine, find("tiny"), prepared("tiny")).rows] == [None, None]
    assert any("shown" in values for values in asked) and not any("private" in values for values in asked)


def test_after_the_reveal_the_private_score_ranks_and_is_tied_by_private_rows(home):
    judge("tiny", entry(home, wrong="ghij"), "lucky")  # public 1, private 0
    judge("tiny", entry(home, wrong="abcdef"), "solid")  # public 0, private 1
    assert [row.team for row in shown().rows] == ["lucky", "solid"]
    reveal_board(open_database(), prepared("tiny"))
    rows = [(row.team, row.private, row.tied, row.moved) for row in shown().rows]
    assert rows == [("solid", 1.0, False, 1), ("lucky", 0.0, False, -1)]


def test_a_team_names_its_finals_until_the_reveal_and_the_last_choice_counts(home):
    engine, declared, data = open_database(), find("tiny"), prepared("tiny")
    first = judge("tiny", entry(home), "red").submission
    second = judge("tiny", entry(home, wrong="a"), "red").submission
    select_finals(engine, declared, data, "red", [first, second])
    select_finals(engine, declared, data, "red", [second[:6]])
    choice = read_choice(engine, declared, data, "red")
    assert choice.finals == [second] and [candidate.private for candidate in choice.entries] == [None, None]
    reveal_board(engine, data)
    assert [(row.submission, row.private) for row in shown().rows] == [(second, 1.0)]
    with pytest.raises(UserError, match="finals can no longer be chosen"):
        select_finals(engine, declared, data, "red", [first])


def test_finals_of_another_team_or_too_many_of_them_are_refused(home):
    engine, declared, data = open_database(), find("tiny"), prepared("tiny")
    names = [judge("tiny", entry(home, wrong), "red").submission for wrong in ("a", "b", "c")]
    with pytest.raises(UserError, match="3 finals are too many; the rules of tiny allow 2"):
        select_finals(engine, declared, data, "red", names)
    with pytest.raises(UserError, match="names 0 entries of blue"):
        select_finals(engine, declared, data, "blue", names[:1])


def test_a_late_entry_is_marked_and_replaces_nothing(home):
    judge("tiny", entry(home, wrong="abghij"), "red")
    reveal_board(open_database(), prepared("tiny"))
    assert "late" in judge("tiny", entry(home), "red").message
    judge("tiny", entry(home, wrong="a"), "tom")
    assert [(row.team, row.late, row.private) for row in shown().rows] == [("tom", True, 1), ("red", False, 0)]
    assert ("late", "came after the private scores were revealed") in shown().rows[0].badges


# -- the host ----------------------------------------------------------------------------------------------------------


def test_a_disqualified_team_is_in_no_row_until_that_is_undone(home):
    engine, data = open_database(), prepared("tiny")
    for team, wrong in (("red", ""), ("blue", "a")):
        judge("tiny", entry(home, wrong), team)
    act(engine, data, "disqualify", "two accounts", "eva", "red")
    assert [row.team for row in shown().rows] == ["blue"] and shown().host.disqualified["red"].text == "two accounts"
    assert any("red is disqualified: two accounts" in note for note in text.notes(shown()))
    act(engine, data, "reinstate", "one account", "eva", "red")
    act(engine, data, "baseline", "", "eva", "red")
    act(engine, data, "reference", "", "eva", "blue")
    assert [(row.team, row.baseline, row.reference) for row in shown().rows] == [
        ("red", True, False),
        ("blue", False, True),
    ]


@pytest.mark.parametrize(
    ("kind", "reason", "team", "sentence"),
    [
        ("deadline", "tomorrow", None, "'tomorrow' is not a time"),
        ("disqualify", "", "red", "needs a text"),
        ("disqualify", "why", None, "needs a team"),
        ("close", "", "red", "does not take a team"),
        ("disqualify", "why", "green", "green has no entry"),
        ("dance", "", None, "is not an action"),
    ],
)
def test_a_host_action_that_makes_no_sense_is_refused(home, kind, reason, team, sentence):
    with pytest.raises(UserError, match=sentence):
        act(open_database(), prepared("tiny"), kind, reason, "eva", team)


# -- shown -------------------------------------------------------------------------------------------------------------


def test_scores_that_differ_look_different():
    assert text.decimals_for([0.5, 0.5]) == 3
    assert text.decimals_for([0.50001, 0.50002]) == 5
    assert text.decimals_for([-0.0004, 0.0]) == 4


def test_an_empty_board_says_how_to_make_an_entry(home):
    assert "`make submit COMP=tiny` makes the first one" in printed()


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_shows_ties_and_team_names_as_they_are(home, width):
    judge("tiny", entry(home), "[bold]x[/]")
    judge("tiny", entry(home, wrong="a"), "blue")
    lines = printed(width)
    assert "[bold]x[/]" in lines and "=2" in lines and "higher is better" in lines and "aaaa1111 from sample" in lines
    assert max(map(len, lines.splitlines())) <= width


def test_a_board_of_few_groups_says_that_its_intervals_are_too_narrow(home, monkeypatch):
    assert not text.notes(shown())  # nobody is on it
    judge("tiny", entry(home, wrong="a"), "red")
    assert any("public scores rest on 6 independent groups" in note for note in text.notes(shown()))
    assert "rest on 6 independent groups" in " ".join(printed().split())
    reveal_board(open_database(), prepared("tiny"))
    assert any("private scores rest on 4" in note for note in text.notes(shown()))
    monkeypatch.setattr(text, "FEW_GROUPS", 4)
    assert not text.notes(shown())


def test_json_csv_and_terminal_show_the_same_rows_and_no_formula(home):
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "red"]
    for k, team in enumerate(names):
        judge("tiny", entry(home, wrong="abcdef"[:k]), team)
    rows = json.loads(json.dumps(text.as_json(shown()), allow_nan=False))["rows"]
    header, *lines = (line.split(",") for line in text.as_csv(shown()).splitlines())
    assert [row["team"] for row in rows] == names
    assert [line[2] for line in lines] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "red"]
    assert [float(line[header.index("score")]) for line in lines] == [row["score"] for row in rows]
    assert all(line[header.index("private")] == "" for line in lines)
    assert all(f"{row['score']:.3f}" in printed() for row in rows)
