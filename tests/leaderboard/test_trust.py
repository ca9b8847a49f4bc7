"""TRUST=1: what the board advises about CV against its own scores, on entries whose truth is known."""

import json

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from harness.bootstrap import Interval
from harness.competition import find
from leaderboard import board, trust
from leaderboard.answers import prepared
from leaderboard.database import open_database
from leaderboard.entries import ScoredEntry
from leaderboard.host import reveal_board
from leaderboard.judge import judge
from leaderboard.trust import Gap, Kendall, Spearman, gap_advice, rank_advice
from tests.support.tiny_board import IDS, call, entry


def submit(home, wrong, cv, low=None, high=None, name="entry"):
    interval = {"score": cv} | ({} if low is None else {"low": low, "high": high})
    return judge("tiny", entry(home, wrong, name=name, manifest={"cv": interval}), "red")


def trusted():
    engine = open_database()
    return trust.read_trust(engine, board.read(engine, find("tiny"), prepared("tiny")))


# -- rank correlation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "theirs"), [(Spearman(), spearmanr), (Kendall(), kendalltau)])
def test_rank_correlations_are_scipys_with_ties_and_in_every_resample(ours, theirs) -> None:
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 6, (12, 2)).astype(float)
    counts = rng.multinomial(12, np.full(12, 1 / 12), size=5)
    assert ours.score(pairs) == pytest.approx(theirs(*pairs.T).statistic)
    repeated = [theirs(*np.repeat(pairs, count, axis=0).T).statistic for count in counts]
    assert ours.score(pairs, counts) == pytest.approx(repeated)


def test_a_resample_in_which_all_entries_are_one_has_no_correlation() -> None:
    pairs = np.arange(6.0).reshape(3, 2)
    assert np.isnan(Spearman().score(pairs, np.array([[3, 0, 0]]))).all()
    assert np.isnan(Kendall().score(pairs, np.array([[3, 0, 0]]))).all()


# -- advice ------------------------------------------------------------------------------------------------------------


def test_where_cv_ranks_as_the_board_does_it_is_the_guide(home) -> None:
    for k in range(7):  # the first six ids are public: one more is wrong every time
        submit(home, IDS[:k], 0.9 - 0.1 * k, 0.3 - 0.1 * k, 1.5 - 0.1 * k)
    found = trusted()
    assert found.entries == 7
    assert found.public.spearman.score == found.public.kendall.score == 1
    assert found.private is None and found.board is None
    assert found.advice.startswith("CV and the board rank alike (rank correlation 1.00")


def test_where_cv_ranks_against_the_board_it_is_said(home) -> None:
    for k in range(7):
        submit(home, IDS[:k], 0.2 + 0.1 * k)
    found = trusted()
    assert found.public.spearman.score == -1
    assert "do not rank alike" in found.advice and found.gap is None


def test_of_fewer_than_five_files_with_a_cv_score_nothing_is_said_of_ranks(home) -> None:
    for k in range(4):
        submit(home, IDS[:k], 0.9 - 0.1 * k)
    judge("tiny", entry(home, "abcdef", manifest={}), "red")
    judge("tiny", entry(home, "", manifest={"cv": {"score": 0.9}}), "blue")  # the same file is no second opinion
    found = trusted()
    assert (found.entries, found.public) == (4, None)
    assert found.advice == (
        "Cannot tell whether CV ranks as the board does: 5 different files with a CV score are needed, and there are 4."
    )


def test_a_shifted_hold_out_is_said_with_the_first_entry_before_the_end(home) -> None:
    """0.976 on the own test and 1 of 6 right on the platform."""
    submit(home, "abcde", 0.976, 0.95, 0.99)
    found = trusted()
    assert found.gap.mean == pytest.approx(0.976 - 1 / 6)
    assert found.gap.is_shift
    assert "CV promises 0.809 more than the board gives" in found.advice
    assert "Expect the board's level" in found.advice


def test_a_gap_that_the_rows_explain_is_no_shift(home) -> None:
    submit(home, "abc", 0.7, 0.6, 0.8)
    found = trusted()
    assert not found.gap.is_shift
    assert "the sampling of rows explains" in found.advice and "promises" not in found.advice


def test_the_noise_of_the_gap_is_that_of_both_sides_and_does_not_fall_with_more_entries() -> None:
    one = ScoredEntry(1, "red", "a" * 64, "2026", 0.8, Interval(0.7, 0.66, 0.74))
    assert trust.mean_gap([one], {1: 0.03}) == pytest.approx((0.1, 0.05))
    assert trust.mean_gap([one, one._replace(id=2)], {1: 0.03, 2: 0.03}) == pytest.approx((0.1, 0.05))
    assert trust.mean_gap([one], {}) is None


def test_where_lower_scores_win_a_lower_cv_is_the_promise() -> None:
    assert "CV promises 0.500 more" in gap_advice(Gap(-0.5, 0.1), higher_is_better=False)
    assert "The board gives 0.500 more" in gap_advice(Gap(0.5, 0.1), higher_is_better=False)


def test_a_board_that_disagrees_is_trusted_only_where_the_hold_out_is_another() -> None:
    rho = Interval(-0.3, -0.7, 0.2)
    agreed = trust.Agreement(rho, rho)
    assert "trust CV." in rank_advice(agreed, 9, Gap(0.01, 0.05))
    assert "trust the board" in rank_advice(agreed, 9, Gap(0.3, 0.05))
    assert rank_advice(trust.Agreement(Interval(0.3, -0.4, 0.8), rho), 9, None).startswith("Cannot tell")


# -- the reveal --------------------------------------------------------------------------------------------------------


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


# -- the command -------------------------------------------------------------------------------------------------------


def test_board_with_trust_prints_it_and_without_it_the_json_is_as_before(home, capsys, monkeypatch) -> None:
    submit(home, "abcde", 0.976, 0.95, 0.99)
    _, out, _ = call(capsys, monkeypatch, "board", "tiny", "--json")
    plain = json.loads(out)
    _, out, _ = call(capsys, monkeypatch, "board", "tiny", "--trust", "--json")
    found = json.loads(out)
    assert found.pop("trust")["gap"]["is_shift"] is True
    assert found == plain
    _, out, _ = call(capsys, monkeypatch, "board", "tiny", "--trust")
    assert "CV promises 0.809 more" in " ".join(out.split())


def test_an_empty_board_has_nothing_to_trust(home) -> None:
    found = trusted()
    assert (found.entries, found.public, found.gap) == (0, None, None)
