"""Masks that have the sizes of their images: combined, decided, written, read and stored as those of one size are."""

from pathlib import Path

import numpy as np
import pytest

from harness.data.columns import read_column, write_column
from harness.data.images import EncodedImages, encode
from harness.data.run_lengths import RunLengths
from harness.data.samples import Samples, numbered
from harness.data.sized_masks import Masks
from harness.data.splits import labels_in_masks
from harness.ensemble.recipe import Member, Recipe
from harness.ensemble.stacking import fit_stack
from harness.errors import InvalidSubmission, UserError
from harness.metrics import MeanDice, MeanIoU, ObjectPrecision
from harness.tasks import ClassSpecialist
from harness.tasks.layout import Layout
from harness.tasks.mask_cells import RUN_LENGTH, Runs
from harness.tasks.segmentation import Segmentation

CLASSES = ("background", "gland")
TASK = Segmentation(CLASSES, layout=RUN_LENGTH)
SIZES = ((2, 3), (4, 2), (1, 5))


def labels(*rows: list) -> Masks:
    return Masks([np.array(row, np.uint8) for row in rows])


def probabilities(seed: int) -> Masks:
    rng = np.random.default_rng(seed)
    drawn = [rng.random((2, *size)) + 0.05 for size in SIZES]
    return Masks([(each / each.sum(0)).astype(np.float16) for each in drawn])


def same(one: Masks, other: list[np.ndarray]) -> None:
    assert [row.shape for row in one] == [row.shape for row in other]
    for row, expected in zip(one, other, strict=True):
        np.testing.assert_allclose(row, expected, atol=2e-3)


# -- rows --------------------------------------------------------------------------------------------------------------


def test_rows_are_chosen_as_those_of_an_array_are_and_no_pixel_is_copied() -> None:
    masks = labels([[1, 0, 0]], [[0, 1], [2, 2]], [[5]])
    assert (len(masks), masks.ndim, masks.dtype) == (3, 3, np.uint8)
    assert [row.tolist() for row in masks[np.array([2, 0])]] == [[[5]], [[1, 0, 0]]]
    assert [row.tolist() for row in masks[np.array([False, True, False])]] == [[[0, 1], [2, 2]]]
    assert masks[1:][0] is masks[1]
    assert [row.tolist() for row in Masks.join([masks[1:2], masks[:1]])] == [[[0, 1], [2, 2]], [[1, 0, 0]]]
    assert len(masks[:0]) == 0
    assert labels_in_masks(masks).astype(int).tolist() == [[1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1]]


@pytest.mark.parametrize("masks", [probabilities(0), labels([[1, 0, 0]], [[0], [2]]), Masks([])])
def test_masks_are_stored_and_read_back(masks: Masks, tmp_path: Path) -> None:
    write_column(tmp_path, "targets", masks)
    read = read_column(tmp_path, "targets", "")
    assert read.dtype == masks.dtype
    assert [row.tolist() for row in read] == [row.tolist() for row in masks]
    stored = TASK.unpack(TASK.pack(masks))
    assert [row.tolist() for row in stored] == [row.tolist() for row in masks]


# -- combined ----------------------------------------------------------------------------------------------------------


def test_every_image_is_combined_and_decided_as_if_it_were_alone() -> None:
    one, two = probabilities(1), probabilities(2)
    alone = Segmentation(CLASSES, (1, 1))
    pairs = [(a[None], b[None]) for a, b in zip(one, two, strict=True)]
    same(TASK.average([one, two], [1, 3]), [alone.average(pair, [1, 3])[0] for pair in pairs])
    same(TASK.blend_class(one, two, 1, 0.5), [alone.blend_class(*pair, 1, 0.5)[0] for pair in pairs])
    specialist = ClassSpecialist("spy", 1, 0.5, 0.3)
    decided = TASK.decide(one, (0, 0.4), specialist)
    assert decided.dtype == np.uint8
    same(decided, [alone.decide(pair[0], (0, 0.4), specialist)[0] for pair in pairs])
    assert np.shares_memory(TASK.average([one], [0.3])[0], one[0])


def test_members_are_stacked_on_a_grid_and_at_the_images_own_sizes() -> None:
    members = {"a": probabilities(3), "b": probabilities(4)}
    truth = TASK.decide(members["a"])
    thinned = {name: TASK.subsample(member) for name, member in members.items()}
    assert thinned["a"].shape == (3, 2, 16, 16) and thinned["a"].dtype == np.float32
    assert TASK.subsample(truth).shape == (3, 16, 16)
    assert set(np.unique(TASK.subsample(truth)[0])) == set(np.unique(truth[0]))
    stack = fit_stack(thinned, TASK.subsample(truth), None)
    recipe = Recipe({"a": 0.5, "b": 0.5}, stack=stack)
    blended = recipe.blend(TASK, {name: Member(each, each) for name, each in members.items()})
    assert [row.shape for row in blended] == [(2, *size) for size in SIZES]
    assert [row.tolist() for row in TASK.decide(blended)] == [row.tolist() for row in truth]


@pytest.mark.parametrize("name", Segmentation(CLASSES, layout=RUN_LENGTH).views)
def test_every_view_is_undone_at_the_images_own_sizes(name: str) -> None:
    """A network whose probabilities are the image's channels."""
    pixels = [np.random.default_rng(k).integers(0, 256, (*size, 3), dtype=np.uint8) for k, size in enumerate(SIZES)]
    images, view = EncodedImages.of([encode(each) for each in pixels]), TASK.views[name]
    seen = Masks([np.moveaxis(image, -1, 0).astype(np.float16) for image in view.apply(images)])
    same(view.undo(seen, images), [np.moveaxis(image, -1, 0) for image in pixels])


# -- written and read --------------------------------------------------------------------------------------------------

SAMPLES = Samples(numbered(3), EncodedImages.of([encode(np.zeros((*size, 3), np.uint8)) for size in SIZES]))
ASKED = RUN_LENGTH.asked(SAMPLES)


@pytest.mark.parametrize("by_columns", [False, True])
def test_run_lengths_are_those_of_every_image_and_come_back(by_columns: bool, tmp_path: Path) -> None:
    task = Segmentation(CLASSES, layout=Layout(Runs("rle", RunLengths(by_columns))))
    decided = labels([[0, 1, 1], [1, 0, 0]], [[1, 0], [1, 0], [0, 0], [0, 1]], [[0, 0, 0, 0, 0]])
    task.write(ASKED, decided, tmp_path / "a.csv")
    runs = ("0,2 2 5 1", "1,1 2 8 1") if by_columns else ("0,2 3", "1,1 1 3 1 8 1")
    assert (tmp_path / "a.csv").read_text().splitlines() == ["id,rle", *runs, "2,"]
    back = task.read(tmp_path / "a.csv", ASKED)
    assert [row.tolist() for row in back] == [row.tolist() for row in decided]


def test_a_run_beyond_its_own_image_is_refused_and_the_sample_is_read(tmp_path: Path) -> None:
    TASK.sample_submission(ASKED, tmp_path / "sample.csv")
    assert [row.tolist() for row in TASK.read(tmp_path / "sample.csv", ASKED)] == [
        np.zeros(size, int).tolist() for size in SIZES
    ]
    (tmp_path / "b.csv").write_text("id,rle\n0,1 6\n1,1 8\n2,1 6\n")
    with pytest.raises(InvalidSubmission, match=r"line 4.*1 6 .*leaves the 5 pixels"):
        TASK.read(tmp_path / "b.csv", ASKED)


# -- metrics -----------------------------------------------------------------------------------------------------------


def test_metrics_count_image_by_image_or_all_pixels_together() -> None:
    """Of 4 pixels in one image 2 are glands, of which 1 is found; in the other, of 6, all 3 and one more."""
    truth = labels([[1, 1], [0, 0]], [[1, 1, 1], [0, 0, 0]])
    said = labels([[1, 0], [0, 0]], [[1, 1, 1], [1, 0, 0]])
    pooled = MeanIoU(CLASSES)
    rows = pooled.statistics(truth, said)
    assert rows.tolist() == [[[2, 0], [1, 1]], [[2, 1], [0, 3]]]
    assert pooled.score(rows) == pytest.approx((4 / 6 + 4 / 6) / 2)  # background 4 of 6, gland 4 of 6
    assert MeanDice(CLASSES).score(MeanDice(CLASSES).statistics(truth, said)) == pytest.approx((2 / 3 + 6 / 7) / 2)
    assert pooled.statistics(np.zeros((2, 1, 1), int), labels([[1]], [[0]])).tolist() == [
        [[0, 1], [0, 0]],
        [[1, 0], [0, 0]],
    ]
    objects = ObjectPrecision(CLASSES)  # IoU 1/2 passes no threshold; 3/4 passes .5 to .7 of ten
    assert objects.score(objects.statistics(truth, said)) == pytest.approx((0 + 0.5) / 2)


# -- refused -----------------------------------------------------------------------------------------------------------


def test_what_does_not_go_with_sizes_of_their_own_is_refused() -> None:
    with pytest.raises(UserError, match="layout=RUN_LENGTH"):
        Segmentation(CLASSES)
    with pytest.raises(UserError, match=r"several sizes .*2 x 2.*\(4, 6\) is declared"):
        Segmentation(CLASSES, (4, 6)).check_targets(labels([[1, 1], [0, 0]]))
    with pytest.raises(UserError, match=r"shape \(2, 4\), but \(n, h, w\)"):
        TASK.check_targets(np.zeros((2, 4), np.uint8))
    with pytest.raises(UserError, match="mask 1 holds the class 2"):
        TASK.check_targets(labels([[1, 1]], [[0], [2]]))
    TASK.check_targets(labels([[1, 1]], [[0], [1]]))
    TASK.check_targets(np.ones((2, 4, 6), np.uint8))  # of one size by chance
