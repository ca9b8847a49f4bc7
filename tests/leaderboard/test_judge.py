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
from harness.metrics import RMSE
from harness.tasks.cells import Numbers
from harness.tasks.layout import Layout
from harness.tasks.regression import Regression
from leaderboard import scoring
from leaderboard.answers import prepared, read_answers
from leaderboard.cli import text
from leaderboard.database import open_database, reading, scores
from leaderboard.host import read_choice, reveal_board
from leaderboard.judge import judge, rank_changes, rescore
from tests.support import tiny_board
from tests.support.tiny_board import enter, entry, printed, shown


def test_public_and_private_score_are_the_metric_of_their_rows(home):
    result = judge("tiny", entry(home, wrong="ag"), "red")  # a is public, g is private
    with reading(open_database()) as connection:
        stored = dict(connection.execute(select(scores.c.part, scores.c.value)).all())
    assert stored == {"public": 5 / 6, "shown": 5 / 6, "private": 3 / 4}
    assert (result.public, result.rank, result.teams, result.entries_today) == (5 / 6, 1, 1, 1)
    assert scoring.stored_file(result.sha256).read_bytes() == entry(home, wrong="ag").read_bytes()


def test_the_same_file_is_one_entry_of_a_team_and_two_teams_that_have_it_are_told(home):
    judge("tiny", entry(home), "red")
    again = judge("tiny", entry(home, name="copy"), "red")
    assert again.accepted and again.entries_today == 1 and "counts once" in again.message
    assert "the same file is there from red" in judge("tiny", entry(home), "blue").message
    assert [(row.entries, row.same_file_as) for row in shown().rows] == [(1, None), (1, "red")]


def test_the_best_file_stands_on_the_board_and_the_sixth_of_a_day_is_told_and_not_refused(home):
    results = enter(home, *(("red", wrong) for wrong in ("abcd", "a", "abc", "b", "c", "d")))
    assert [(row.score, row.entries) for row in shown().rows] == [(5 / 6, 6)]
    assert "stays with its entry" in results[2].message and results[2].rank == 1
    assert "entry 5 of 5 today" in results[4].message and "over" not in results[4].message
    assert results[5].accepted and "entry 6 of 5 today: over the limit" in results[5].message


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("name", "old", "new", "sentence"),
    [
        ("tiny", "b,1", "a,1", "line 3: id 'a'"),
        ("tiny", "", None, "none of the ids is one of the 10 asked for in tiny"),
        *(("darts", ",9.0", f",{value}", "not a finite number") for value in ("nan", "inf", "-inf", "1e400")),
    ],
)
def test_a_file_that_cannot_be_scored_is_refused_and_costs_no_entry(home, name, old, new, sentence):
    file = entry(home)
    file.write_text("id,value\n7,0\n8,1\n" if new is None else file.read_text().replace(old, new))
    with pytest.raises(InvalidSubmission, match=sentence):
        judge(name, file, "red")
    assert judge(name, entry(home), "red").entries_today == 1


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("1,z_x.png_b\n0,y.png_b\n", r"none of the ids is one of the 10 .*column Image_Class, such as a\.png_b\)"),
        ("1,a.png_b\n1,a.png_b\n", "^it.csv, line 3: Image_Class 'a.png_b' is given a second time"),
        ("1,a.png_c\n1,b.png_b\n", "^it.csv, line 2: Image_Class 'a.png_c' is not one of the 10 asked for"),
    ],
    ids=["none", "all", "one"],
)
def test_ids_are_looked_up_in_their_own_column_and_form(home, rows, sentence):
    file, judged = home / "it.csv", read_answers(prepared("tiny"))
    layout = Layout(Numbers(("value",)), {"Image_Class": "{id}.png_b"}, ("value", "Image_Class"))
    competition = replace(find("tiny"), task=Regression("value", layout), metric=RMSE(), reported=())
    file.write_text(f"value,Image_Class\n{rows}")
    with pytest.raises(InvalidSubmission, match=sentence):
        scoring.score_file(competition, file, judged)


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
    with pytest.raises(UserError, match="changed while it was being scored"):
        scoring.store_file(entry(home), "0" * 64)
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


def overfit(feedback, knows_the_ladder, seed):
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
        if found.score > (best.score if best and knows_the_ladder else 0.5):
            kept.append(k)
        if best is None or found.score > best.score:
            best = found
    vote = right[kept].sum(0, dtype=np.int32) + chance.choice([-0.5, 0.5], ROWS)
    return (vote > 0).mean() - 0.5


@pytest.mark.parametrize(
    ("feedback", "knows_the_ladder", "low", "high"),
    [
        (Exact(), False, 0.06, 1),
        (Rounded(0.001), False, 0.06, 1),  # rounding does not help
        (Ladder(), False, -1, 0.015),
        (Ladder(), True, -1, 0.02),  # the luckiest of 300 guesses is as far above 0.5: no ladder can hide that one
    ],
)
def test_a_ladder_keeps_three_hundred_tries_from_fitting_the_public_rows(feedback, knows_the_ladder, low, high):
    assert low < np.mean([overfit(feedback, knows_the_ladder, seed) for seed in range(PLAYERS)]) <= high


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
    assert all(Ladder().shown(sure, None, higher) == sure for sure in (Interval(1, 1, 1), Interval(0, 0, 0)))


def declare(monkeypatch, feedback):
    declared = replace(find("tiny"), rules=Rules(feedback=feedback))
    monkeypatch.setattr(sys.modules["competitions.tiny.competition"], "competition", declared)
    return declared


def test_a_small_gain_is_shown_nowhere_before_the_reveal(home, monkeypatch):
    declared, data = declare(monkeypatch, Ladder()), prepared("tiny")
    # 3 of 6 right, and 2 of 3 standard errors to the next; 4 of 6; 6 of 6
    first, second, third = enter(home, ("red", "abc"), ("red", "ab"), ("red", ""))
    assert (first.public, second.public, third.public) == (0.5, 0.5, 1.0)
    assert second.interval == first.interval and "only where it beats your best one" in second.message
    outputs = [json.dumps(asdict(second)), json.dumps(text.as_json(shown())), printed()]
    outputs.append(str(asdict(read_choice(open_database(), declared, data, "red"))))
    assert not any("0.66" in output or "0.67" in output for output in outputs)
    reveal_board(open_database(), data)
    assert [entry.public.score for entry in shown().entries.all] == [3 / 6, 4 / 6, 1.0]


def test_of_equal_shown_scores_the_earlier_entry_is_ahead_and_what_was_shown_stays_shown(home, monkeypatch):
    declare(monkeypatch, Rounded(0.5))
    enter(home, ("red", "abc"), ("blue", "ab"))  # 0.5; 0.67, which is shown as 0.5
    expected = [("red", 0.5, 1, 2), ("blue", 0.5, 1, 2)]
    assert [(row.team, row.score, row.rank_low, row.rank_high) for row in shown().rows] == expected
    declare(monkeypatch, Exact())  # the rule of today
    assert [(row.team, row.score) for row in shown().rows] == [("red", 0.5), ("blue", 0.5)]


# -- a new version of the metric ---------------------------------------------------------------------------------------

OLD = {"red": 5 / 6, "blue": 4 / 6, "green": 2 / 6}
NEW = {"blue": 5 / 6, "green": 4 / 6, "red": 3 / 6}  # of other entries: those with the most misses


@pytest.fixture
def metric(home, monkeypatch):
    """Five entries of three teams, and a declaration that has gone ahead: version 2 counts the misses."""
    enter(home, ("red", "a"), ("red", "abc"), ("blue", "ab"), ("green", "abcd"), ("blue", "abcde"))
    metric = type(find("tiny").metric)
    monkeypatch.setattr(metric, "version", 2)
    monkeypatch.setattr(metric, "statistics", lambda self, truth, predicted: (truth != predicted).astype(float))
    return metric


def by_team():
    return {row.team: row.score for row in shown().rows}


def test_all_entries_are_scored_beside_the_old_ones_and_the_ranks_change_at_once(metric, home):
    assert by_team() == OLD and "scored by share of hits, version 1" in " ".join(printed().split())
    with pytest.raises(UserError, match="once the host has run `make rescore COMP=tiny`"):
        enter(home, ("red", "f"))
    result = rescore("tiny", reason="it counted hits")
    assert by_team() == NEW and result.entries == 5
    assert [(m.team, m.old_rank, m.new_rank) for m in result.moved] == [("blue", 2, 1), ("green", 3, 2), ("red", 1, 3)]
    assert [(m.old_score, m.new_score) for m in result.moved] == [(OLD[team], NEW[team]) for team in NEW]
    assert (result.was.version, result.now.version, result.now.reason) == (1, 2, "it counted hits")
    with reading(open_database()) as connection:
        assert sorted(connection.scalars(select(scores.c.version)).all()) == [1] * 15 + [2] * 15
    assert rank_changes(open_database(), find("tiny"), prepared("tiny")) == result.moved
    with pytest.raises(UserError, match="version 2, as declared"):
        rescore("tiny")
    assert enter(home, ("red", "abcdef"))[0].public == 1.0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_file_that_the_new_metric_cannot_score_leaves_the_board_as_it_was(metric, monkeypatch):
    misses = metric.statistics

    def without_one(self, truth, predicted):
        rows = misses(self, truth, predicted)
        return np.full_like(rows, np.nan) if rows.sum() == 5 else rows

    monkeypatch.setattr(metric, "statistics", without_one)
    with pytest.raises(UserError, match=r"cannot be scored by version 2.*; the board stays as it was"):
        rescore("tiny")
    assert by_team() == OLD
