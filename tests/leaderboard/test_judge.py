"""What becomes of a file: scored, refused, counted once; what its team is shown; a new version of the metric."""

import json
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from harness.bootstrap import Interval
from harness.competition import Exact, Ladder, Rounded, Rules, find
from harness.errors import InvalidSubmission, UserError
from leaderboard import scoring
from leaderboard.answers import prepared
from leaderboard.cli import text
from leaderboard.database import open_database, reading, scores
from leaderboard.host import read_choice, reveal_board
from leaderboard.judge import judge, rank_changes, rescore
from tests.support import tiny_board
from tests.support.tiny_board import entry, printed, shown


def test_public_and_private_score_are_the_metric_of_their_rows(home):
    result = judge("tiny", entry(home, wrong="ag"), "red")  # a is public, g is private
    with reading(open_database()) as connection:
        stored = dict(connection.execute(select(scores.c.part, scores.c.value)).all())
    assert stored == {"public": 5 / 6, "shown": 5 / 6, "private": 3 / 4}
    assert (result.public, result.rank, result.teams, result.entries_today) == (5 / 6, 1, 1, 1)
    assert scoring.stored_file(result.sha256).read_bytes() == entry(home, wrong="ag").read_bytes()


def test_the_same_file_twice_is_one_entry(home):
    judge("tiny", entry(home), "red")
    again = judge("tiny", entry(home, name="copy"), "red")
    assert again.accepted and again.entries_today == 1 and "counts once" in again.message
    assert [row.entries for row in shown().rows] == [1]


def test_the_same_file_of_another_team_is_an_entry_and_both_are_told(home):
    judge("tiny", entry(home), "red")
    assert "the same file is there from red" in judge("tiny", entry(home), "blue").message
    assert [row.same_file_as for row in shown().rows] == [None, "red"]


def test_the_best_file_stands_on_the_board_and_not_the_latest(home):
    results = [judge("tiny", entry(home, wrong), "red") for wrong in ("abcd", "a", "abc")]
    assert [(row.score, row.entries) for row in shown().rows] == [(5 / 6, 3)]
    assert "stays with its entry" in results[-1].message and results[-1].rank == 1


def test_the_sixth_entry_of_a_day_is_told_and_not_refused(home):
    results = [judge("tiny", entry(home, wrong), "red") for wrong in ("a", "b", "c", "d", "e", "f")]
    assert results[-1].accepted and results[-1].entries_today == 6
    assert "entry 6 of 5 today: over the limit" in results[-1].message
    assert "entry 5 of 5 today" in results[4].message and "over" not in results[4].message


def test_a_refused_file_costs_no_entry(home):
    file = entry(home)
    file.write_text(file.read_text().replace("b,1", "a,1"))
    with pytest.raises(InvalidSubmission, match="line 3: id 'a'"):
        judge("tiny", file, "red")
    assert judge("tiny", entry(home), "red").entries_today == 1


def test_a_file_without_any_id_of_the_competition_is_of_another_one(home):
    file = entry(home)
    file.write_text("id,value\n7,0\n8,1\n")
    with pytest.raises(InvalidSubmission, match="none of the ids is one of the 10 asked for in tiny"):
        judge("tiny", file, "red")


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        ({"competition": "darts"}, "was made for darts, and this is tiny"),
        ({"data_hash": "bbbb2222"}, "was made on the data bbbb2222.*add --data bbbb2222"),
        (["not", "an object"], "is not a submission manifest"),
        ({"cv": {"score": float("nan")}}, "is not a submission manifest"),
    ],
)
def test_a_manifest_that_is_malformed_or_of_another_board_is_refused(home, manifest, sentence):
    with pytest.raises(InvalidSubmission, match=sentence):
        judge("tiny", entry(home, manifest=manifest), "red")


def test_the_cv_on_the_board_is_that_of_the_manifest(home):
    judge("tiny", entry(home, manifest={"cv": {"score": 0.75}}), "red")
    judge("tiny", entry(home, wrong="a", name="by_hand"), "blue")
    assert [(row.cv, row.gap) for row in shown().rows] == [(0.75, -0.25), (None, None)]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400"])
def test_a_score_that_is_not_a_finite_number_is_refused(home, value):
    file = entry(home)
    file.write_text(file.read_text().replace(",9.0", f",{value}"))
    with pytest.raises(InvalidSubmission, match="mean distance of this file is not a finite number"):
        judge("darts", file, "red")
    assert shown("darts").rows == []


def test_scores_on_other_data_stand_on_another_board(home):
    judge("tiny", entry(home), "red")
    tiny_board.prepare(home, "tiny", "bbbb2222", answers=np.zeros(10))
    judge("tiny", entry(home), "red")  # the data prepared last
    assert [(row.score, row.entries) for row in shown().rows] == [(1 / 6, 1)]
    assert [(row.score, row.entries) for row in shown(data_hash="aaaa").rows] == [(1.0, 1)]


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "a\nb", "\x1b[31mred", "a\u200bb", "\u202eder"])
def test_a_team_name_that_cannot_be_printed_is_refused(home, name):
    with pytest.raises(UserError, match="is not a team name"):
        judge("tiny", entry(home), name)


def test_a_file_that_grows_while_it_is_scored_is_not_taken(home):
    file = entry(home)
    with pytest.raises(UserError, match="changed while it was being scored"):
        scoring.store_file(file, "0" * 64)
    assert not scoring.stored_file("0" * 64).exists()


@pytest.mark.parametrize("content", ["id,value\na,0\n", "id,value\nz,0\n", "id,worth\n", "", "id,value,x\na,1,1\n"])
def test_no_message_contains_an_answer(home, content):
    tiny_board.prepare(home, "tiny", "aaaa1111", answers=[987654.0] * 10)
    file = home / "broken.csv"
    file.write_text(content)
    with pytest.raises(UserError) as refusal:
        judge("tiny", file, "red")
    assert "987654" not in str(refusal.value)


# -- feedback ----------------------------------------------------------------------------------------------------------

ROWS, TRIES, PLAYERS = 4000, 300, 10


def overfit(feedback, seed, knows_the_ladder=False):
    """By how much a player fits the public rows who guesses 300 times and lets the guesses shown as better vote.

    The guesses are random, so the true score of every one, and of the vote, is 0.5 (Blum and Hardt 2015, section 4).
    A player who knows the ladder takes those that raised what was shown.
    """
    chance = np.random.default_rng(seed)
    right = chance.integers(0, 2, (TRIES, ROWS), dtype=np.int8) * np.int8(2) - np.int8(1)  # 1: right, -1: wrong
    best, kept = None, []
    for k, score in enumerate((right == 1).mean(1)):
        error = 1.96 * np.sqrt(score * (1 - score) / ROWS)
        found = feedback.shown(Interval(score, score - error, score + error), best, True)
        above = found.score > (best.score if best and knows_the_ladder else 0.5)
        if best is None or found.score > best.score:
            best = found
        if above:
            kept.append(k)
    vote = right[kept].sum(0, dtype=np.int32) + chance.choice([-0.5, 0.5], ROWS)
    return (vote > 0).mean() - 0.5


def test_the_ladder_keeps_three_hundred_tries_from_fitting_the_public_rows():
    exact, rounded, ladder, at_best = (
        np.mean([overfit(feedback, seed, knows) for seed in range(PLAYERS)])
        for feedback, knows in ((Exact(), False), (Rounded(0.001), False), (Ladder(), False), (Ladder(), True))
    )
    assert exact > 0.06 and rounded > 0.06  # rounding does not help
    assert ladder <= 0.015
    assert at_best <= 0.02  # the luckiest of 300 guesses is as far above 0.5, and no ladder can hide that one


a_score = st.tuples(st.floats(0.05, 0.9), st.floats(0.001, 0.05)).map(
    lambda pair: Interval(pair[0], pair[0] - pair[1], pair[0] + pair[1])
)


@given(st.lists(a_score, min_size=1, max_size=20), st.booleans(), st.sampled_from([None, 0.01]))
def test_what_a_ladder_shows_never_falls_and_rises_with_every_gain_of_a_standard_error(found, higher, step):
    sign, best = 1 if higher else -1, None
    for score in found:
        feedback = Ladder(step).shown(score, best, higher)
        margin = (score.high - score.low) / 3.92 if step is None else step
        assert abs(feedback.score - score.score) <= margin / 2 + 1e-9 or feedback == best
        if best is not None:
            assert sign * (feedback.score - best.score) >= 0
            assert (feedback != best) == (sign * (score.score - best.score) > margin)
        best = feedback


@pytest.mark.parametrize("score", [Interval(1.0, 1.0, 1.0), Interval(0.0, 0.0, 0.0)])
def test_a_score_without_any_error_is_shown_as_it_is(score):
    assert Ladder().shown(score, None, True) == score


def declare(monkeypatch, feedback):
    declared = replace(find("tiny"), rules=Rules(feedback=feedback))
    monkeypatch.setattr(sys.modules["competitions.tiny.competition"], "competition", declared)
    return declared


def test_a_small_gain_is_shown_nowhere_before_the_reveal(home, monkeypatch):
    declared, data = declare(monkeypatch, Ladder()), prepared("tiny")
    first = judge("tiny", entry(home, wrong="abc"), "red")  # 3 of 6, and 2 of 3 standard errors to the next
    second = judge("tiny", entry(home, wrong="ab"), "red")  # 4 of 6
    third = judge("tiny", entry(home), "red")
    assert (first.public, second.public, third.public) == (0.5, 0.5, 1.0)
    assert second.interval == first.interval and "only where it beats your best one" in second.message
    outputs = [json.dumps(asdict(second)), json.dumps(text.as_json(shown())), printed()]
    outputs.append(str(asdict(read_choice(open_database(), declared, data, "red"))))
    assert not any("0.66" in output or "0.67" in output for output in outputs)
    reveal_board(open_database(), data)
    assert [entry.public.score for entry in shown().entries.all] == [3 / 6, 4 / 6, 1.0]


def test_of_equal_shown_scores_the_earlier_entry_is_ahead_and_what_was_shown_stays_shown(home, monkeypatch):
    declare(monkeypatch, Rounded(0.5))
    judge("tiny", entry(home, wrong="abc"), "red")  # 0.5
    judge("tiny", entry(home, wrong="ab"), "blue")  # 0.67, which is shown as 0.5
    expected = [("red", 0.5, 1, 2), ("blue", 0.5, 1, 2)]
    assert [(row.team, row.score, row.rank_low, row.rank_high) for row in shown().rows] == expected
    declare(monkeypatch, Exact())  # the rule of today
    assert [(row.team, row.score) for row in shown().rows] == [("red", 0.5), ("blue", 0.5)]


# -- a new version of the metric ---------------------------------------------------------------------------------------

OLD = {"red": 5 / 6, "blue": 4 / 6, "green": 2 / 6}
NEW = {"red": 3 / 6, "blue": 5 / 6, "green": 4 / 6}  # of other entries: those with the most misses


def change_metric(monkeypatch):
    """Version 2 counts the misses."""
    metric = type(find("tiny").metric)
    monkeypatch.setattr(metric, "version", 2)
    monkeypatch.setattr(metric, "statistics", lambda self, truth, predicted: (truth != predicted).astype(float))


def five_entries(home):
    for team, wrong in (("red", "a"), ("red", "abc"), ("blue", "ab"), ("green", "abcd"), ("blue", "abcde")):
        judge("tiny", entry(home, wrong), team)


@pytest.fixture
def changed(made_once, monkeypatch):
    """Five entries of three teams, and a declaration that has gone ahead."""
    home = made_once(five_entries)
    rows = shown().rows
    change_metric(monkeypatch)
    assert shown().rows == rows
    return home


def by_team():
    return {row.team: row.score for row in shown().rows}


def test_all_entries_are_scored_beside_the_old_ones_and_the_ranks_change_at_once(changed):
    result = rescore("tiny", reason="it counted hits")
    assert by_team() == NEW and result.entries == 5
    assert [(m.team, m.old_rank, m.new_rank) for m in result.moved] == [("blue", 2, 1), ("green", 3, 2), ("red", 1, 3)]
    assert [(m.old_score, m.new_score) for m in result.moved] == [(4 / 6, 5 / 6), (2 / 6, 4 / 6), (5 / 6, 3 / 6)]
    assert (result.was.version, result.now.version, result.now.reason) == (1, 2, "it counted hits")
    with reading(open_database()) as connection:
        assert sorted(connection.scalars(select(scores.c.version)).all()) == [1] * 15 + [2] * 15
    assert rank_changes(open_database(), find("tiny"), prepared("tiny")) == result.moved
    with pytest.raises(UserError, match="version 2, as declared"):
        rescore("tiny")


def test_until_then_the_board_says_so_and_takes_nothing(changed):
    assert by_team() == OLD
    assert "scored by share of hits, version 1" in " ".join(printed().split())
    with pytest.raises(UserError, match="once the host has run `make rescore COMP=tiny`"):
        judge("tiny", entry(changed, wrong="f"), "red")
    rescore("tiny")
    assert judge("tiny", entry(changed, wrong="abcdef"), "red").public == 1.0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_file_that_the_new_metric_cannot_score_leaves_the_board_as_it_was(changed, monkeypatch):
    metric = type(find("tiny").metric)
    misses = metric.statistics

    def without_red(self, truth, predicted):
        rows = misses(self, truth, predicted)
        return np.full_like(rows, np.nan) if rows.sum() == 5 else rows

    monkeypatch.setattr(metric, "statistics", without_red)
    with pytest.raises(UserError, match=r"cannot be scored by version 2.*; the board stays as it was"):
        rescore("tiny")
    assert by_team() == OLD
