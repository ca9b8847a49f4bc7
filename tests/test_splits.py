"""Splits: no part cuts a group, every part has its share of every stratum, and the key alone decides the draw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.splits import Folds, divide, stratified_grouped

SHARES = st.sampled_from([[0.2, 0.8], [0.4, 0.6], [1 / 3] * 3, [0.2] * 5])


@st.composite
def rows(draw) -> tuple[np.ndarray, np.ndarray]:
    """(strata, groups) of rows in groups of one to four, whose rows may be of different strata."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=30, max_size=60))
    groups = np.repeat(draw(st.permutations(range(len(sizes)))), sizes)
    strata = draw(st.lists(st.sampled_from([0, 0, 0, 1, 1, 5]), min_size=len(groups), max_size=len(groups)))
    return np.array(strata), groups


def divided(strata: np.ndarray, groups: np.ndarray, shares: list[float], key: bytes = b"key") -> np.ndarray | None:
    """None where a stratum is too rare for so many parts, which is an error of its own."""
    try:
        return divide(strata, groups, shares, key)
    except UserError:
        return None


@given(rows(), SHARES)
@settings(max_examples=60, deadline=None)
def test_no_part_cuts_a_group_and_every_stratum_is_in_every_part(drawn: tuple, shares: list[float]) -> None:
    strata, groups = drawn
    parts = divided(strata, groups, shares)
    if parts is None:
        return
    assert parts.shape == groups.shape
    assert all(len(set(parts[groups == group])) == 1 for group in groups)
    for stratum in set(strata):
        assert set(parts[strata == stratum]) == set(range(len(shares)))


@given(rows(), SHARES)
@settings(max_examples=60, deadline=None)
def test_a_stratum_that_misses_a_part_is_refused_and_only_then(drawn: tuple, shares: list[float]) -> None:
    """At least as many groups as parts hold the stratum, or there is an error; with five times as many, never one."""
    strata, groups = drawn
    holders = [len(set(groups[strata == stratum])) for stratum in set(strata)]
    parts = divided(strata, groups, shares)
    if min(holders) < len(shares):
        assert parts is None
    if min(holders) >= 5 * len(shares):
        assert parts is not None


@given(rows(), SHARES)
@settings(max_examples=60, deadline=None)
def test_parts_keep_their_shares_within_two_groups(drawn: tuple, shares: list[float]) -> None:
    strata, groups = drawn
    parts = divided(strata, groups, shares)
    if parts is None:
        return
    for stratum in set(strata):
        inside = strata == stratum
        largest = max(np.unique(groups[inside], return_counts=True)[1])
        for part, share in enumerate(shares):
            assert abs((parts[inside] == part).sum() - share * inside.sum()) <= 2 * largest + 1


def test_rows_that_are_their_own_groups_are_shared_exactly() -> None:
    strata = np.repeat([0, 1], [80, 20])
    parts = divide(strata, np.arange(100), [0.2, 0.8], b"key")
    assert (parts[:80] == 0).sum() == 16
    assert (parts[80:] == 0).sum() == 4
    folds = divide(strata, np.arange(100), [0.2] * 5, b"key")
    assert np.bincount(folds[:80]).tolist() == [16] * 5
    assert np.bincount(folds[80:]).tolist() == [4] * 5


def test_the_same_key_is_the_same_draw_and_another_key_another() -> None:
    strata, groups = np.repeat([0, 1], [80, 20]), np.arange(100) // 2
    one, same, other = (divide(strata, groups, [0.4, 0.6], key) for key in (b"a", b"a", b"b"))
    assert (one == same).all()
    assert (one != other).any()
    assert abs((one == 0).sum() - (other == 0).sum()) <= 2


def test_the_draw_does_not_depend_on_the_order_of_the_rows() -> None:
    strata, groups = np.repeat([0, 1], [80, 20]), np.arange(100) // 2
    order = np.random.default_rng(0).permutation(100)
    assert (
        divide(strata[order], groups[order], [0.2] * 5, b"a") == divide(strata, groups, [0.2] * 5, b"a")[order]
    ).all()


def test_a_group_that_is_larger_than_its_share_stays_whole() -> None:
    groups = np.array([0] * 50 + list(range(1, 51)))
    parts = divide(np.zeros(100, int), groups, [0.2, 0.8], b"a")
    assert len(set(parts[:50])) == 1
    assert set(parts) == {0, 1}


@pytest.mark.parametrize("holders", [1, 2, 4, 5])
def test_a_rare_stratum_is_in_every_part_or_there_is_an_error(holders: int) -> None:
    strata = np.zeros(100, int)
    strata[: 2 * holders] = 1
    groups = np.arange(100) // 2
    if holders < 5:
        with pytest.raises(UserError, match=rf"{holders} groups.*5 parts.*FOLDS"):
            divide(strata, groups, [0.2] * 5, b"a")
    else:
        assert sorted(divide(strata, groups, [0.2] * 5, b"a")[:10:2]) == [0, 1, 2, 3, 4]


def test_a_declaration_is_a_value() -> None:
    assert stratified_grouped(by=len, folds=3) == Folds(len, 3, seed=0)
