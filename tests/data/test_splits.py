"""Splits: no part cuts a group, every part has its share of every stratum, and the key alone decides the draw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.samples import Ragged, Samples
from harness.data.splits import (
    Holdout,
    divide,
    given_folds,
    in_time,
    labels,
    labels_in_masks,
    labels_of_boxes,
    quantile_bins,
    stratified_grouped,
    time_ordered,
)
from harness.errors import UserError


@st.composite
def rows(draw) -> tuple[np.ndarray, np.ndarray]:
    """(strata, groups) of rows in groups of one to four, whose rows may be of different strata."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=30, max_size=60))
    groups = np.repeat(draw(st.permutations(range(len(sizes)))), sizes)
    stratify = draw(st.lists(st.sampled_from([0, 0, 0, 1, 1, 5]), min_size=len(groups), max_size=len(groups)))
    return np.array(stratify), groups


@given(rows(), st.sampled_from([[0.2, 0.8], [0.4, 0.6], [1 / 3] * 3, [0.2] * 5]))
@settings(max_examples=100, deadline=None)
def test_no_part_cuts_a_group_and_every_stratum_has_its_share_of_every_part(drawn: tuple, shares: list[float]) -> None:
    """At least where it is in five times as many groups as there are parts."""
    stratify, groups = drawn
    parts = divide(stratify, groups, shares, b"key")
    assert set(parts) == set(range(len(shares)))
    assert all(len(set(parts[groups == group])) == 1 for group in groups)
    for stratum in set(stratify):
        inside = stratify == stratum
        holders, largest = len(set(groups[inside])), max(np.unique(groups[inside], return_counts=True)[1])
        if holders >= 5 * len(shares):
            assert set(parts[inside]) == set(range(len(shares)))
            for part, share in enumerate(shares):
                assert abs((parts[inside] == part).sum() - share * inside.sum()) <= 2 * largest + 1


@pytest.mark.parametrize("several", [False, True], ids=["a stratum a row", "a matrix of labels"])
def test_rows_that_are_their_own_groups_are_shared_exactly(several: bool) -> None:
    stratum = np.repeat([0, 1], [80, 20])
    stratify = np.eye(2, dtype=int)[stratum] if several else stratum
    for shares in ([0.2, 0.8], [0.2] * 5):
        parts = divide(stratify, np.arange(100), shares, b"key")
        assert np.bincount(parts[:80]).tolist() == [round(80 * share) for share in shares]
        assert np.bincount(parts[80:]).tolist() == [round(20 * share) for share in shares]


@pytest.mark.parametrize(("rows", "of_group"), [(8, 1), (12, 2)])
def test_the_odd_rows_of_many_small_classes_make_folds_of_one_size(rows: int, of_group: int) -> None:
    """99 classes, as leaves have on Kaggle: 8 rows of each make 158.4 rows a fold."""
    classes = np.repeat(np.arange(99), rows)
    folds = divide(classes, np.arange(len(classes)) // of_group, [0.2] * 5, b"key")
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= 2 * of_group
    assert {tuple(sorted(np.bincount(folds[classes == label]) // of_group)) for label in range(99)} == {
        tuple(sorted(len(part) for part in np.array_split(np.arange(rows // of_group), 5)))
    }


def test_the_key_alone_decides_the_draw_and_the_order_of_the_rows_does_not_matter() -> None:
    stratify, groups = np.repeat([0, 1], [80, 20]), np.arange(100) // 2
    order = np.random.default_rng(0).permutation(100)
    one, other = (divide(stratify, groups, [0.4, 0.6], key) for key in (b"a", b"b"))
    assert (divide(stratify[order], groups[order], [0.4, 0.6], b"a") == one[order]).all()
    assert (one != other).any()


def test_a_group_that_is_larger_than_its_share_stays_whole() -> None:
    parts = divide(np.zeros(100, int), np.array([0] * 50 + list(range(1, 51))), [0.2, 0.8], b"a")
    assert len(set(parts[:50])) == 1
    assert set(parts) == {0, 1}


def test_a_stratum_in_fewer_groups_than_parts_is_spread_as_far_as_it_goes() -> None:
    stratify, groups = (np.arange(100) < 8).astype(int), np.arange(100) // 2
    parts = divide(stratify, groups, [0.2] * 5, b"a")
    assert len(set(parts[:8])) == 4  # of four groups of two rows, each in a part of its own
    assert np.bincount(parts).tolist() == pytest.approx([20] * 5, abs=3)


def test_many_strata_of_one_row_are_merged_and_shared_as_one() -> None:
    stratify = np.concatenate([np.arange(50), np.full(150, 50)])
    parts = divide(stratify, np.arange(200), [0.2] * 5, b"a")
    assert np.bincount(parts[:50]).tolist() == [10] * 5
    assert np.bincount(parts[50:]).tolist() == [30] * 5


def test_the_only_row_of_a_class_is_learned_from() -> None:
    stratify = np.array([1, *[0] * 99])
    assert all(divide(stratify, np.arange(100), [0.2, 0.8], key)[0] == 1 for key in (b"a", b"b", b"c", b"d"))


def test_a_number_that_is_0_in_most_rows_is_divided() -> None:
    stratify = quantile_bins(np.array([0.0] * 91 + list(range(1, 10))))
    held = divide(stratify, np.arange(100), [0.2, 0.8], b"a") == 0
    assert (held[:91].sum(), held[91:].sum()) == (18, 2)


def test_every_part_has_a_group_where_there_are_no_more_groups_than_parts_and_fewer_are_refused() -> None:
    groups = np.repeat([0, 1], [10, 30])
    assert set(divide(np.zeros(40, int), groups, [0.2, 0.8], b"a")) == {0, 1}
    with pytest.raises(UserError, match=r"2 groups cannot make 3 parts"):
        divide(np.zeros(40, int), groups, [1 / 3] * 3, b"a")


def test_there_are_as_many_folds_as_groups_where_those_are_fewer_than_declared() -> None:
    samples = Samples(np.arange(90).astype(str), None, np.arange(90) % 2, np.arange(90) % 3)
    folds = stratified_grouped(by=labels, folds=5).assign_folds(samples, 5)
    assert sorted(np.bincount(folds).tolist()) == [30, 30, 30]
    assert all(len(set(folds[np.arange(90) % 3 == group])) == 1 for group in range(3))


def test_rows_with_several_labels_keep_the_shares_of_every_label() -> None:
    """Labels that come together are drawn together; a label in fewer groups than parts is spread as far as it goes."""
    rng = np.random.default_rng(0)
    common, rare = rng.random(300) < 0.5, rng.random(300) < 0.1
    shown = np.stack([common, rare, common & (rng.random(300) < 0.5), np.isin(np.arange(300), (3, 40))], axis=1)
    folds = divide(shown, np.arange(300), [0.2] * 5, b"a")
    assert np.bincount(folds).tolist() == pytest.approx([60] * 5, abs=3)
    for label in range(3):
        inside = np.bincount(folds[shown[:, label]], minlength=5)
        assert inside.tolist() == pytest.approx([shown[:, label].sum() / 5] * 5, abs=2)
    assert folds[3] != folds[40]


def test_what_a_row_shows_is_read_from_masks_boxes_and_numbers() -> None:
    masks = np.zeros((2, 2, 3), np.uint8)
    masks[1] = 2
    assert labels_in_masks(masks).astype(int).tolist() == [[1, 0, 0], [0, 0, 1]]
    boxes = Ragged(np.array([[1.0, 0, 0, 5, 5], [0, 0, 0, 5, 5], [1, 0, 0, 5, 5]]), np.array([0, 2, 2, 3]))
    assert labels_of_boxes(boxes).astype(int).tolist() == [[1, 1], [0, 0], [0, 1]]
    assert quantile_bins(np.array([1.0, 50, 2, 3, 4, 5, 6, 7])).tolist() == [0, 3, 0, 1, 1, 2, 2, 3]


# -- time --------------------------------------------------------------------------------------------------------------

DAYS = np.array([5, 1, 3, 2, 4, 0, 7, 6, 9, 8])


def dated(days: np.ndarray) -> Samples:
    inputs = np.array([(day,) for day in days], [("day", float)])
    return Samples(np.arange(len(days)).astype(str), inputs, groups=np.arange(len(days)))


def day(samples: Samples) -> np.ndarray:
    return samples.inputs["day"]


def test_the_hold_out_is_the_latest_part_and_folds_are_blocks_of_which_the_earliest_is_none() -> None:
    split = time_ordered(by=day)
    assert sorted(DAYS[split.held_out(dated(DAYS), Holdout(fraction=0.2))]) == [8, 9]
    assert split.assign_folds(dated(DAYS), 4).tolist() == [1, -1, 0, 0, 1, -1, 2, 2, 3, 3]


def test_a_model_learns_from_earlier_rows_alone() -> None:
    split = time_ordered(by=day)
    samples = dated(np.random.default_rng(0).integers(0, 40, 200).astype(float))
    folds = split.assign_folds(samples, 5)
    for fold in range(5):
        learned = split.training_rows(samples, folds, fold)
        assert day(samples)[learned].max() < day(samples)[folds == fold].min()
    assert stratified_grouped(by=len).training_rows(samples, np.array([0, 1, 2, 1]), 1).tolist() == [True, False] * 2


def test_a_group_stands_at_its_last_moment_and_is_never_cut() -> None:
    groups = np.array([0, 0, 1, 2, 3, 4])  # the first group begins on day 0 and ends on day 9
    parts = in_time(np.array([0, 9, 1, 2, 3, 4]), groups, [0.5, 0.5])
    assert parts.tolist() == [1, 1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("times", "missing"),
    [
        (np.array([2.0, 1.0]), np.nan),
        (np.array(["2024-05-01", "2023-01-01"]), ""),
        (np.array(["2024-05-01", "2023-01-01"], "datetime64[D]"), "NaT"),
    ],
    ids=["numbers", "text", "dates"],
)
def test_numbers_text_and_dates_are_times_and_a_row_without_is_named(times: np.ndarray, missing: object) -> None:
    assert in_time(times, np.arange(2), [0.5, 0.5]).tolist() == [1, 0]
    times[1] = missing
    with pytest.raises(UserError, match="row 1 has no time"):
        in_time(times, np.arange(2), [0.5, 0.5])


def test_too_few_moments_are_refused() -> None:
    with pytest.raises(UserError, match=r"2 different times and cannot make 4 parts.*FOLDS"):
        time_ordered(by=day).assign_folds(dated(np.array([1, 1, 2, 2, 2, 2])), 3)


def test_within_the_gap_before_a_block_nothing_is_learned() -> None:
    split, samples = time_ordered(by="day", gap=3), dated(np.arange(12.0))
    folds = split.assign_folds(samples, 3)
    assert folds.tolist() == [-1] * 3 + [0] * 3 + [1] * 3 + [2] * 3
    assert np.flatnonzero(split.training_rows(samples, folds, 1)).tolist() == [0, 1, 2]  # the block begins on day 6
    assert np.flatnonzero(split.training_rows(samples, folds, 2)).tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(UserError, match="gap=3 leaves no row to learn from before fold 0"):
        split.training_rows(samples, folds, 0)


@pytest.mark.parametrize(
    "dates",
    [
        ["2024-01-31", "2024-02-01", "2024-02-29", "2024-03-01"],
        ["31.1.2024", "1.2.2024", "29.2.2024", "1.3.2024"],
        ["2024-01-31 10:00:00", "2024-02-01 10:00:00", "2024-02-29 10:00:00", "2024-03-01 10:00:00"],
    ],
    ids=["year first", "day first", "with the time"],
)
def test_a_column_of_dates_is_a_time_in_days(dates: list[str]) -> None:
    ids = np.arange(4).astype(str)
    samples = Samples(ids, np.array([(date,) for date in dates], [("sold", "U19")]), groups=np.arange(4))
    split = time_ordered(by="sold", gap=1.5)
    assert split.held_out(samples, Holdout(fraction=0.25)).tolist() == [False, False, False, True]
    learned = split.training_rows(samples, np.array([-1, 0, 0, 1]), 1)
    assert learned.tolist() == [True, True, False, False]  # the 29th is one day before
    samples.inputs["sold"][1] = "NA"
    with pytest.raises(UserError, match="row 1 has no time"):
        split.held_out(samples, Holdout())


def test_a_gap_needs_times_that_can_be_subtracted_and_a_column_that_is_there() -> None:
    samples = Samples(np.array(["a", "b"]), np.array([("x",), ("y",)], [("term", "U1")]), groups=np.arange(2))
    with pytest.raises(UserError, match="gap=2 needs times that are numbers or dates, not such as 'x'"):
        time_ordered(by="term", gap=2).training_rows(samples, np.array([0, 1]), 1)
    with pytest.raises(UserError, match="column 'tern'; did you mean term"):
        time_ordered(by="tern").held_out(samples, Holdout())


def test_the_folds_of_the_host_are_kept_and_the_last_is_the_judge_s() -> None:
    fold = np.array([3, 0, 1, 2, 3, 0, 1, 2, 4, 4])
    inputs, details = np.zeros(10, [("x", float)]), np.array([(f,) for f in fold], [("kfold", float)])
    samples = Samples(np.arange(10).astype(str), inputs, groups=np.arange(10), details=details)
    split = given_folds("kfold")
    held_out = split.held_out(samples, Holdout(fraction=0.2))
    assert held_out.tolist() == (fold == 4).tolist()
    rest = samples[~held_out]
    assert split.assign_folds(rest, 5).tolist() == fold[:8].tolist()
    assert split.assign_folds(rest, 2).tolist() == (fold[:8] // 2).tolist()  # FOLDS=2: neighbours become one
    with pytest.raises(UserError, match="the host gave 2 folds"):
        split.held_out(samples[fold < 2], Holdout())
