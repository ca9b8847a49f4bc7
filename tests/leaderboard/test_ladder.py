"""What is told of the public score: a player who tries often learns little, and an honest one sees what is better."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import json
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from harness.bootstrap import Interval
from harness.competition import Rules, find
from harness.rules import Exact, Ladder, Rounded
from leaderboard import table
from leaderboard.answers import prepared
from leaderboard.database import open_database, reading
from leaderboard.finals import read_choice, reveal_board
from leaderboard.judge import judge
from leaderboard.rebuild import rebuild
from leaderboard.tables import scores
from tests.leaderboard.test_leaderboard import home, printed, shown  # noqa: F401
from tests.support.tiny_board import entry

ROWS, TRIES, PLAYERS = 4000, 300, 20


def boosted(feedback, seed, knows_the_ladder=False):
    """By how much a player fits the public rows who guesses 300 times and lets the guesses vote that were told better.

    The guesses are random, so the true score of every one, and of the vote, is 0.5 (Blum and Hardt 2015, section 4).
    Better than 0.5, that is; who knows the ladder takes those that raised what was shown.
    """
    chance = np.random.default_rng(seed)
    right = chance.integers(0, 2, (TRIES, ROWS), dtype=np.int8) * np.int8(2) - np.int8(1)  # 1: right, -1: wrong
    best, kept = None, []
    for k, score in enumerate((right == 1).mean(1)):
        error = 1.96 * np.sqrt(score * (1 - score) / ROWS)
        told = feedback.shown(Interval(score, score - error, score + error), best, True)
        above = told.score > (best.score if best and knows_the_ladder else 0.5)
        if best is None or told.score > best.score:
            best = told
        if above:
            kept.append(k)
    vote = right[kept].sum(0, dtype=np.int32) + chance.choice([-0.5, 0.5], ROWS)
    return (vote > 0).mean() - 0.5


def test_the_ladder_keeps_three_hundred_tries_from_fitting_the_public_rows():
    exact, rounded, ladder, at_best = (
        np.mean([boosted(feedback, seed, knows) for seed in range(PLAYERS)])
        for feedback, knows in ((Exact(), False), (Rounded(0.001), False), (Ladder(), False), (Ladder(), True))
    )
    assert exact > 0.06 and rounded > 0.06  # rounding does not help
    assert ladder <= 0.015
    assert at_best <= 0.02  # the luckiest of 300 guesses is as far above 0.5, and no ladder can hide that one


a_score = st.tuples(st.floats(0.05, 0.9), st.floats(0.001, 0.05)).map(
    lambda of: Interval(of[0], of[0] - of[1], of[0] + of[1])
)


@given(st.lists(a_score, min_size=1, max_size=20), st.booleans(), st.sampled_from([None, 0.01]))
def test_what_a_ladder_shows_never_falls_and_rises_with_every_gain_of_a_standard_error(scored, higher, step):
    sign, best = 1 if higher else -1, None
    for score in scored:
        told = Ladder(step).shown(score, best, higher)
        margin = (score.high - score.low) / 3.92 if step is None else step
        assert abs(told.score - score.score) <= margin / 2 + 1e-9 or told == best
        if best is not None:
            assert sign * (told.score - best.score) >= 0
            assert (told != best) == (sign * (score.score - best.score) > margin)
        best = told


@pytest.mark.parametrize("score", [Interval(1.0, 1.0, 1.0), Interval(0.0, 0.0, 0.0)])
def test_a_score_without_any_error_is_shown_as_it_is(score):
    assert Ladder().shown(score, None, True) == score


# -- on the board ------------------------------------------------------------------------------------------------------


def declare(monkeypatch, feedback):
    declared = replace(find("tiny"), rules=Rules(feedback=feedback))
    monkeypatch.setattr(sys.modules["competitions.tiny.competition"], "competition", declared)
    return declared


def test_a_small_gain_is_not_told_anywhere_before_the_reveal(home, monkeypatch):
    declared, data = declare(monkeypatch, Ladder()), prepared("tiny")
    first = judge("tiny", entry(home, wrong="abc"), "red")  # 3 of 6, and 2 of 3 standard errors to the next
    second = judge("tiny", entry(home, wrong="ab"), "red")  # 4 of 6
    third = judge("tiny", entry(home), "red")
    assert (first.public, second.public, third.public) == (0.5, 0.5, 1.0)
    assert second.interval == first.interval and "only where it beats your best one" in second.message
    told = [json.dumps(asdict(second)), json.dumps(table.as_json(shown())), printed()]
    told.append(str(asdict(read_choice(open_database(), declared, data, "red"))))
    assert not any("0.66" in text or "0.67" in text for text in told)
    with reading(open_database()) as connection:
        exact = connection.scalars(select(scores.c.value).where(scores.c.part == "public")).all()
    assert exact == [3 / 6, 4 / 6, 1.0]

    reveal_board(open_database(), data)
    assert [entry.public.score for entry in shown().book.entries] == [3 / 6, 4 / 6, 1.0]


def test_of_equal_shown_scores_the_earlier_entry_is_ahead_and_counts(home, monkeypatch):
    declare(monkeypatch, Rounded(0.5))
    judge("tiny", entry(home, wrong="abc"), "red")  # 0.5
    judge("tiny", entry(home, wrong="ab"), "blue")  # 0.67, which is shown as 0.5
    assert [(row.team, row.score) for row in shown().rows] == [("red", 0.5), ("blue", 0.5)]


def test_what_was_shown_is_shown_again_by_a_rebuilt_board(home, monkeypatch):
    declare(monkeypatch, Ladder())
    for wrong in ("abcd", "abc", "ab", "a", ""):
        judge("tiny", entry(home, wrong), "red")
    before = [entry.public for entry in shown().book.entries]
    for file in home.glob("leaderboard.db*"):
        file.unlink()
    declare(monkeypatch, Exact())  # the rule of today does not change what was said
    rebuild("tiny")
    assert [entry.public for entry in shown().book.entries] == before
