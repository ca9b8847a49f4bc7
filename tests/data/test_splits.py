"""Splits: no part cuts a group, every part has its share of every stratum, and the key alone decides the draw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.samples import Ragged, Samples
from harness.data.splits import (
    Blocks,
    Folds,
    Holdout,
    divide,
    in_time,
    labels_in_masks,
    labels_of_boxes,
    quantile_bins,
    stratified_grouped,
    time_ordered,
)
from harness.errors import UserError

SHARES = st.sampled_from([[0.2, 0.8], [0.4, 0.6], [1 / 3] * 3, [0.2] * 5])


@st.composite
def rows(draw) -> tuple[np.ndarray, np.ndarray]:
    """(strata, groups) of rows in groups of one to four, whose rows may be of different strata."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=30, max_size=60))
    groups = np.repeat(draw(st.permutations(range(len(sizes)))), sizes)
    stratify = draw(st.lists(st.sampled_from([0, 0, 0, 1, 1, 5]), min_size=len(groups), max_size=len(groups)))
    return np.array(stratify), groups


def divided(stratify: np.ndarray, groups: np.ndarray, shares: list[float], key: bytes = b"key") -> np.ndarray | None:
    """None where a stratum is too rare for so many parts, which is an error of its own."""
    try:
        return divide(stratify, groups, shares, key)
    except UserError:
        return None


@given(rows(), SHARES)
@settings(max_examples=60, deadline=None)
def test_no_part_cuts_a_group_and_every_stratum_is_in_every_part(drawn: tuple, shares: list[float]) -> None:
    stratify, groups = drawn
    parts = divided(stratify, groups, shares)
    if parts is None:
        return
    assert parts.shape == groups.shape
    assert all(len(set(parts[groups == group])) == 1 for group in groups)
    for stratum in set(stratify):
        assert set(parts[stratify == stratum]) == set(range(len(shares)))


@given(rows(), SHARES)
@settings(max_examples=60, deadline=None)
def test_a_stratum_that_misses_a_part_is_refused_and_only_then(drawn: tuple, shares: list[float]) -> None:
    """At least as many groups as parts hold the stratum, or there is an error; with five times as many, never one."""
    stratify, groups = drawn
    holders = [len(set(groups[stratify == stratum])) for stratum in set(stratify)]
    parts = divided(stratify, groups, shares)
    if min(holders) < len(shares):
        assert parts is None
    if min(holders) >= 5 * len(shares):
        assert parts is not None


@given(rows(), SHARES)
@settings(max_examples=60, deadline=None)
def test_parts_keep_their_shares_within_two_groups(drawn: tuple, shares: list[float]) -> None:
    stratify, groups = drawn
    parts = divided(stratify, groups, shares)
    if parts is None:
        return
    for stratum in set(stratify):
        inside = stratify == stratum
        largest = max(np.unique(groups[inside], return_counts=True)[1])
        for part, share in enumerate(shares):
            assert abs((parts[inside] == part).sum() - share * inside.sum()) <= 2 * largest + 1


def test_rows_that_are_their_own_groups_are_shared_exactly() -> None:
    stratify = np.repeat([0, 1], [80, 20])
    parts = divide(stratify, np.arange(100), [0.2, 0.8], b"key")
    assert (parts[:80] == 0).sum() == 16
    assert (parts[80:] == 0).sum() == 4
    folds = divide(stratify, np.arange(100), [0.2] * 5, b"key")
    assert np.bincount(folds[:80]).tolist() == [16] * 5
    assert np.bincount(folds[80:]).tolist() == [4] * 5


def test_the_same_key_is_the_same_draw_and_another_key_another() -> None:
    stratify, groups = np.repeat([0, 1], [80, 20]), np.arange(100) // 2
    one, same, other = (divide(stratify, groups, [0.4, 0.6], key) for key in (b"a", b"a", b"b"))
    assert (one == same).all()
    assert (one != other).any()
    assert abs((one == 0).sum() - (other == 0).sum()) <= 2


def test_the_draw_does_not_depend_on_the_order_of_the_rows() -> None:
    stratify, groups = np.repeat([0, 1], [80, 20]), np.arange(100) // 2
    order = np.random.default_rng(0).permutation(100)
    assert (
        divide(stratify[order], groups[order], [0.2] * 5, b"a") == divide(stratify, groups, [0.2] * 5, b"a")[order]
    ).all()


def test_a_group_that_is_larger_than_its_share_stays_whole() -> None:
    groups = np.array([0] * 50 + list(range(1, 51)))
    parts = divide(np.zeros(100, int), groups, [0.2, 0.8], b"a")
    assert len(set(parts[:50])) == 1
    assert set(parts) == {0, 1}


@pytest.mark.parametrize("holders", [1, 2, 4, 5])
def test_a_rare_stratum_is_in_every_part_or_there_is_an_error(holders: int) -> None:
    stratify = np.zeros(100, int)
    stratify[: 2 * holders] = 1
    groups = np.arange(100) // 2
    if holders < 5:
        with pytest.raises(UserError, match=rf"{holders} groups.*5 parts.*FOLDS"):
            divide(stratify, groups, [0.2] * 5, b"a")
    else:
        assert sorted(divide(stratify, groups, [0.2] * 5, b"a")[:10:2]) == [0, 1, 2, 3, 4]


def test_a_declaration_is_a_value() -> None:
    assert stratified_grouped(by=len, folds=3) == Folds(len, 3, seed=0)


# -- several labels a row ----------------------------------------------------------------------------------------------


def test_rows_with_several_labels_keep_the_shares_of_every_label() -> None:
    """Labels that come together are drawn together, and each part still has its share of all."""
    rng = np.random.default_rng(0)
    common, rare = rng.random(300) < 0.5, rng.random(300) < 0.1
    shown = np.stack([common, rare, common & (rng.random(300) < 0.5)], axis=1)
    folds = divide(shown, np.arange(300), [0.2] * 5, b"a")
    assert np.bincount(folds).tolist() == pytest.approx([60] * 5, abs=3)
    for label in range(3):
        inside = np.bincount(folds[shown[:, label]], minlength=5)
        assert inside.tolist() == pytest.approx([shown[:, label].sum() / 5] * 5, abs=2)


def test_one_label_a_row_is_shared_as_well_when_it_stands_in_a_matrix() -> None:
    stratify = np.repeat([0, 1, 2], [60, 30, 10])
    folds = divide(np.eye(3, dtype=int)[stratify], np.arange(100), [0.2] * 5, b"a")
    assert [np.bincount(folds[stratify == label]).tolist() for label in range(3)] == [[12] * 5, [6] * 5, [2] * 5]


def test_a_label_in_fewer_groups_than_parts_is_spread_as_far_as_it_goes() -> None:
    shown = np.zeros((50, 2), int)
    shown[[3, 40], 1] = 1
    folds = divide(shown, np.arange(50), [0.2] * 5, b"a")
    assert len(set(folds[[3, 40]])) == 2
    assert np.bincount(folds).tolist() == [10] * 5


def test_what_a_row_shows_is_read_from_masks_and_boxes() -> None:
    masks = np.zeros((2, 2, 3), np.uint8)
    masks[1] = 2
    assert labels_in_masks(masks).astype(int).tolist() == [[1, 0, 0], [0, 0, 1]]
    boxes = Ragged(np.array([[1.0, 0, 0, 5, 5], [0, 0, 0, 5, 5], [1, 0, 0, 5, 5]]), np.array([0, 2, 2, 3]))
    assert labels_of_boxes(boxes).astype(int).tolist() == [[1, 1], [0, 0], [0, 1]]
    assert quantile_bins(np.array([1.0, 50, 2, 3, 4, 5, 6, 7])).tolist() == [0, 3, 0, 1, 1, 2, 2, 3]


# -- time --------------------------------------------------------------------------------------------------------------

DAYS = np.array([5, 1, 3, 2, 4, 0, 7, 6, 9, 8])


def dated(days: np.ndarray, groups: np.ndarray | None = None) -> Samples:
    inputs = np.array([(day,) for day in days], [("day", float)])
    return Samples(np.arange(len(days)).astype(str), inputs, groups=np.arange(len(days)) if groups is None else groups)


def day(samples: Samples) -> np.ndarray:
    return samples.inputs["day"]


def test_the_hold_out_is_the_latest_part() -> None:
    judged = time_ordered(by=day).held_out(dated(DAYS), Holdout(fraction=0.2))
    assert sorted(DAYS[judged]) == [8, 9]


def test_folds_are_blocks_in_time_and_the_earliest_rows_have_none() -> None:
    folds = time_ordered(by=day).assign_folds(dated(DAYS), 4)
    assert folds.tolist() == [1, -1, 0, 0, 1, -1, 2, 2, 3, 3]


def test_a_model_learns_from_earlier_rows_alone() -> None:
    split, rng = time_ordered(by=day), np.random.default_rng(0)
    samples = dated(rng.integers(0, 40, 200).astype(float))
    folds = split.assign_folds(samples, 5)
    for fold in range(5):
        learned = split.training_rows(folds, fold)
        assert day(samples)[learned].max() < day(samples)[folds == fold].min()
    assert stratified_grouped(by=len).training_rows(np.array([0, 1, 2, 1]), 1).tolist() == [True, False, True, False]


def test_a_group_stands_at_its_last_moment_and_is_never_cut() -> None:
    groups = np.array([0, 0, 1, 2, 3, 4])  # the first group begins on day 0 and ends on day 9
    parts = in_time(np.array([0, 9, 1, 2, 3, 4]), groups, [0.5, 0.5])
    assert parts.tolist() == [1, 1, 0, 0, 0, 1]


def test_dates_and_text_are_times_too() -> None:
    for times in (np.array(["2024-05-01", "2023-01-01"], "datetime64[D]"), np.array(["2024-05-01", "2023-01-01"])):
        assert in_time(times, np.arange(2), [0.5, 0.5]).tolist() == [1, 0]


@pytest.mark.parametrize(
    "times", [np.array([1, np.nan]), np.array(["1", ""]), np.array(["2024", "NaT"], "datetime64[Y]")]
)
def test_a_row_without_a_time_is_named(times: np.ndarray) -> None:
    with pytest.raises(UserError, match="row 1 has no time"):
        in_time(times, np.arange(2), [0.5, 0.5])


def test_too_few_moments_are_refused() -> None:
    with pytest.raises(UserError, match=r"2 different times and cannot make 4 parts.*FOLDS"):
        time_ordered(by=day).assign_folds(dated(np.array([1, 1, 2, 2, 2, 2])), 3)


def test_a_split_in_time_is_a_value() -> None:
    assert time_ordered(by=day, folds=3) == Blocks(day, 3)
