"""TRUST=1: what the board advises about CV against its own scores, on entries whose truth is known."""

import json

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from harness.bootstrap import Interval
from leaderboard import trust
from leaderboard.answers import prepared
from leaderboard.database import open_database
from leaderboard.entries import ScoredEntry
from leaderboard.host import reveal_board
from leaderboard.judge import judge
from leaderboard.trust import Gap, Kendall, Spearman, gap_advice, rank_advice
from tests.support.tiny_board import IDS, call, entry, shown


def submit(home, wrong, cv, low=None, high=None, team="red"):
    interval = {"score": cv} | ({} if low is None else {"low": low, "high": high})
    return judge("tiny", entry(home, wrong, manifest={"cv": interval}), team)


def trusted():
    return trust.read_trust(shown())


@pytest.mark.parametrize(("ours", "theirs"), [(Spearman(), spearmanr), (Kendall(), kendalltau)])
def test_rank_correlations_are_scipys_with_ties_and_in_every_resample(ours, theirs) -> None:
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 6, (12, 2)).astype(float)
    counts = rng.multinomial(12, np.full(12, 1 / 12), size=5)
    assert ours.score(pairs) == pytest.approx(theirs(*pairs.T).statistic)
    repeated = [theirs(*np.repeat(pairs, count, axis=0).T).statistic for count in counts]
    assert ours.score(pairs, counts) == pytest.approx(repeated)
    assert np.isnan(ours.score(pairs[:3], np.array([[3, 0, 0]]))).all()  # all entries are one


# -- advice ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slope", "rho", "advice"), [(-0.1, 1, "CV and the board rank alike"), (0.1, -1, "do not rank alike")]
)
def test_whether_cv_ranks_as_the_board_does_is_said(home, slope, rho, advice) -> None:
    for k in range(7):  # the first six ids are public: one more is wrong every time
        submit(home, IDS[:k], 0.9 + slope * k)
    found = trusted()
    assert (found.entries, found.public.spearman.score, found.public.kendall.score) == (7, rho, rho)
    assert advice in found.advice
    assert (found.private, found.board, found.gap) == (None, None, None)


def test_of_fewer_than_five_files_with_a_cv_score_nothing_is_said_of_ranks(home) -> None:
    assert (trusted().entries, trusted().public, trusted().gap) == (0, None, None)
    for k in range(4):
        submit(home, IDS[:k], 0.9 - 0.1 * k)
    judge("tiny", entry(home, "abcdef", manifest={}), "red")
    submit(home, "", 0.9, team="blue")  # the same file is no second opinion
    found = trusted()
    assert (found.entries, found.public) == (4, None)
    assert "5 different files with a CV score are needed, and there are 4" in found.advice


@pytest.mark.parametrize(
    ("wrong", "cv", "is_shift", "advice"),
    [
        ("abcde", (0.976, 0.95, 0.99), True, "CV promises 0.809 more than the board gives"),
        ("abc", (0.7, 0.6, 0.8), False, "the sampling of rows explains"),
    ],
)
def test_a_shifted_hold_out_is_said_with_the_first_entry(home, capsys, monkeypatch, wrong, cv, is_shift, advice):
    submit(home, wrong, *cv)
    plain = json.loads(call(capsys, monkeypatch, "board", "tiny", "--json")[1])
    found = json.loads(call(capsys, monkeypatch, "board", "tiny", "--trust", "--json")[1])
    gap = found.pop("trust")["gap"]
    assert found == plain and gap["is_shift"] is is_shift
    assert gap["mean"] == pytest.approx(cv[0] - (6 - len(wrong)) / 6)
    printed = " ".join(call(capsys, monkeypatch, "board", "tiny", "--trust")[1].split())
    assert advice in printed and ("promises" in printed) is is_shift


def test_the_noise_of_the_gap_is_that_of_both_sides_and_does_not_fall_with_more_entries() -> None:
    one = ScoredEntry(1, "red", "a" * 64, "2026", 0.8, Interval(0.7, 0.66, 0.74), cv_noise=0.03)
    assert trust.mean_gap([one]) == trust.mean_gap([one, one._replace(id=2)]) == pytest.approx((0.1, 0.05))


def test_where_lower_scores_win_a_lower_cv_is_the_promise() -> None:
    assert "CV promises 0.500 more" in gap_advice(Gap(-0.5, 0.1), higher_is_better=False)
    assert "The board gives 0.500 more" in gap_advice(Gap(0.5, 0.1), higher_is_better=False)


def test_a_board_that_disagrees_is_trusted_only_where_the_hold_out_is_another() -> None:
    rho = Interval(-0.3, -0.7, 0.2)
    agreed = trust.Agreement(rho, rho)
    assert "trust CV." in rank_advice(agreed, 9, Gap(0.01, 0.05))
    assert "trust the board" in rank_advice(agreed, 9, Gap(0.3, 0.05))
    assert rank_advice(trust.Agreement(Interval(0.3, -0.4, 0.8), rho), 9, None).startswith("Cannot tell")


def test_private_scores_are_looked_at_only_after_the_reveal_and_then_name_the_better_guide(home) -> None:
    """The private rows are g to j. CV follows them exactly, and the public rows go the other way."""
    for k, private in enumerate(("", "g", "gh", "ghi", "ghij")):
        for extra in range(2):
            submit(home, private + "abcdef"[: 5 - k + extra], 0.9 - 0.1 * k)
    before = trusted()
    assert before.private is None and before.board is None and "private" not in before.advice
    reveal_board(open_database(), prepared("tiny"))
    after = trusted()
    assert after.private.spearman.score == pytest.approx(1)
    assert after.board.spearman.score < -0.9
    assert "In the end CV was the better guide to the private score." in after.advice
