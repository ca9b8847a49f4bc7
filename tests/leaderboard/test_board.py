"""Who is ahead, what is tied, and what the board shows. Expected values are by hand, see `tiny_board`."""

import json

import numpy as np
import pytest
from sqlalchemy import event

from harness.competition import find
from harness.errors import UserError
from leaderboard import board
from leaderboard.answers import prepared
from leaderboard.cli import text
from leaderboard.database import open_database
from leaderboard.host import act, read_choice, reveal_board, select_finals
from leaderboard.judge import judge
from leaderboard.scoring import resampled_scores
from tests.support import tiny_board
from tests.support.board_histories import History, Home
from tests.support.frozen import Clock, hold
from tests.support.tiny_board import enter, entry, printed, shown


def test_a_short_history_leaves_the_board_of_the_model(home, monkeypatch):
    clock, homes = hold(monkeypatch, Clock()), [Home(home)]
    models = [History(homes, clock, seed).go_on(20) for seed in (0, 3)]
    assert {model.higher for model in models} == {True, False}
    assert any(model.finals and model.revealed and any(entry.late for entry in model.entries) for model in models)


# -- ties --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "tied", "leaders", "standing"),
    [
        # One of six rows: a resample leaves it out with probability (5/6)^6 = 0.33, so the lower bound is 0.
        ([("red", ""), ("blue", "a")], [False, True], 2, "red and blue cannot be told apart"),
        ([("red", ""), ("blue", "abcdef")], [False, False], 1, "red leads blue by 1.000 (95 %: 1.000 to 1.000)"),
        # 6, 4 and 2 hits: neighbours differ in 2 rows, which (4/6)^6 = 0.09 of the resamples leave out; the ends in 4,
        # which (2/6)^6 = 0.001 leave out.
        ([("red", ""), ("green", "ab"), ("blue", "abcd")], [False, True, True], 2, "red and green cannot be told"),
        ([("red", ""), ("green", "a"), ("blue", "b")], [False, True, True], 3, "The first 3 cannot be told apart"),
        ([("red", "")], [False], 1, "red is alone"),
    ],
)
def test_a_lead_that_the_choice_of_rows_could_have_made_is_a_tie(home, entries, tied, leaders, standing):
    enter(home, *entries)
    assert [(row.team, row.tied) for row in shown().rows] == [
        (team, t) for (team, _), t in zip(entries, tied, strict=True)
    ]
    assert shown().leaders == leaders and text.standing(shown()).startswith(standing)


def test_the_rank_interval_says_between_which_ranks_a_team_lies(home):
    enter(home, ("red", ""), ("green", "a"), ("blue", "abcdef"))
    assert [(row.rank_low, row.rank_high) for row in shown().rows] == [(1, 1), (1, 2), (3, 3)]
    numbers = [row.number for row in shown().rows]
    scores = resampled_scores(open_database(), find("tiny"), prepared("tiny"), "public", numbers)
    assert board.rank_intervals(-scores, higher_is_better=False) == [(1, 1), (1, 2), (3, 3)]
    tiny_board.prepare(home, "tiny", "aaaa1111", ids=list("xyz"))  # kept: the answers are not asked again
    again = resampled_scores(open_database(), find("tiny"), prepared("tiny"), "public", numbers)
    assert np.array_equal(scores, again)


# -- private until the reveal ------------------------------------------------------------------------------------------


def test_exact_and_private_scores_are_not_even_read_before_the_reveal(home):
    enter(home, ("red", ""), ("blue", "g"))
    engine, asked = open_database(), []
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append(str(call[3])))
    assert [row.private for row in board.read(engine, find("tiny"), prepared("tiny")).rows] == [None, None]
    assert any("shown" in values for values in asked) and not any("private" in values for values in asked)


def test_after_the_reveal_the_private_score_ranks_and_a_late_entry_replaces_nothing(home):
    enter(home, ("lucky", "ghij"), ("solid", "abcdef"))  # public 1 and private 0; public 0 and private 1
    assert [row.team for row in shown().rows] == ["lucky", "solid"]
    reveal_board(open_database(), prepared("tiny"))
    rows = [(row.team, row.private, row.tied, row.moved) for row in shown().rows]
    assert rows == [("solid", 1.0, False, 1), ("lucky", 0.0, False, -1)]
    late, _ = enter(home, ("solid", "ghij"), ("tom", "a"))
    assert "late" in late.message
    assert [(row.team, row.late, row.private) for row in shown().rows] == [
        ("solid", False, 1),
        ("tom", True, 1),
        ("lucky", False, 0),
    ]
    assert ("late", "came after the private scores were revealed") in shown().rows[1].badges


def test_a_team_names_its_finals_until_the_reveal_and_the_last_choice_counts(home):
    engine, declared, data = open_database(), find("tiny"), prepared("tiny")
    first, second, third = [result.submission for result in enter(home, ("red", ""), ("red", "a"), ("red", "b"))]
    select_finals(engine, declared, data, "red", [first, second])
    select_finals(engine, declared, data, "red", [second[:6]])
    with pytest.raises(UserError, match="3 finals are too many; the rules of tiny allow 2"):
        select_finals(engine, declared, data, "red", [first, second, third])
    with pytest.raises(UserError, match="names 0 entries of blue"):
        select_finals(engine, declared, data, "blue", [first])
    choice = read_choice(engine, declared, data, "red")
    assert choice.finals == [second] and [candidate.private for candidate in choice.entries] == [None] * 3
    reveal_board(engine, data)
    assert [(row.submission, row.private) for row in shown().rows] == [(second, 1.0)]
    with pytest.raises(UserError, match="finals can no longer be chosen"):
        select_finals(engine, declared, data, "red", [first])


# -- the host ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "team", "sentence"),
    [
        ("disqualify", None, "needs a team"),
        ("close", "red", "does not take a team"),
        ("dance", None, "is not an action"),
    ],
)
def test_a_host_action_that_makes_no_sense_is_refused(home, kind, team, sentence):
    """What the command line can get wrong besides is tried there."""
    with pytest.raises(UserError, match=sentence):
        act(open_database(), prepared("tiny"), kind, "why", "eva", team)


# -- shown -------------------------------------------------------------------------------------------------------------


def test_scores_that_differ_look_different():
    assert [text.decimals_for(pair) for pair in ([0.5, 0.5], [0.50001, 0.50002], [-0.0004, 0.0])] == [3, 5, 4]


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_shows_ties_and_team_names_as_they_are(home, width):
    assert "`make submit COMP=tiny` makes the first one" in " ".join(printed(width).split())
    enter(home, ("[bold]x[/]", ""), ("blue", "a"))
    lines = printed(width)
    assert "[bold]x[/]" in lines and "=2" in lines and "higher is better" in lines and "aaaa1111 from sample" in lines
    assert max(map(len, lines.splitlines())) <= width


def test_a_board_of_few_groups_says_that_its_intervals_are_too_narrow(home, monkeypatch):
    enter(home, ("red", "a"))
    assert "public scores rest on 6 independent groups" in " ".join(printed().split())
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
