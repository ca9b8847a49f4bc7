"""Artefacts, broken inputs, and the basic checks of shapes and labels, on data with one fault at a time."""

from dataclasses import replace

import numpy as np
import pytest

from harness.audit import audit
from harness.data.images import EncodedImages, encode
from harness.data.samples import Dataset, Ragged, Samples, numbered
from harness.data.sized_masks import Masks
from harness.tasks.classification import Classification
from harness.tasks.detection import Detection
from harness.tasks.mask_cells import RUN_LENGTH
from harness.tasks.regression import Regression
from harness.tasks.segmentation import Segmentation
from tests.support.audited import (
    SIDE,
    blood_cells,
    evidence,
    in_files,
    jpeg,
    masked,
    noise,
    problems,
    under_motifs,
)

MASKS = Segmentation(("void", "soil", "bedrock", "sand", "rock"), (SIDE, SIDE), void=0)
SEVERAL = Segmentation(MASKS.classes, void=0, layout=RUN_LENGTH)
LABELS = Classification(("ant", "bee"))
CELLS = Classification(tuple("abcdefgh"))


def test_clean_data_pass_with_their_groups_as_declared() -> None:
    found = audit(Dataset(masked(), {"test": Samples(numbered(4), noise(4, seed=1))}), MASKS)
    assert (found.verdict, found.exclusions) == ("pass", {})
    assert found.groups.tolist() == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]


# -- one label under many pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("around", [1, 0])
def test_pictures_with_one_mask_are_artefacts_and_leave_training(around: int) -> None:
    """Also where the mask is alone in the void."""
    samples = masked()
    samples.targets[[2, 5, 8]] = around
    samples.targets[[2, 5, 8], 4:9, 4:9] = 4
    found = audit(Dataset(samples), MASKS)
    assert problems(found)["shared masks"] == "warn"
    assert found.exclusions == dict.fromkeys(("2", "5", "8"), "one mask under 3 pictures")


def test_masks_of_several_sizes_are_looked_at_as_others_are_and_have_the_size_of_their_image() -> None:
    samples = masked()
    samples.targets[[2, 5, 8]] = 1
    samples.targets[[2, 5, 8], 4:9, 4:9] = 4
    images = EncodedImages.of(
        [encode(np.repeat(image[row % 3 :, :, None], 3, 2)) for row, image in enumerate(samples.inputs)]
    )
    targets = Masks([samples.targets[row][row % 3 :] for row in range(len(samples))])
    several = replace(samples, inputs=images, targets=targets)
    found = audit(Dataset(several), SEVERAL)
    assert found.exclusions == dict.fromkeys(("2", "5", "8"), "one mask under 3 pictures")
    targets = Masks([*several.targets[:9], targets[9][:20]])
    found = audit(Dataset(replace(several, targets=targets)), SEVERAL)
    assert problems(found)["shapes"] == "fail"
    assert "the mask of 9 is 20 x 32, its image 32 x 32" in evidence(found, "shapes")


def test_a_plain_mask_is_not_an_artefact_although_many_tiles_share_it() -> None:
    samples = masked()
    samples.targets[:] = 1
    samples.targets[:, :, -1] = 0  # the label ends a pixel before the frame does, as in the real tiles
    assert audit(Dataset(samples), MASKS).verdict == "pass"


def test_two_pictures_with_one_mask_and_copies_of_one_picture_are_not_artefacts() -> None:
    samples = masked()
    samples.targets[1] = samples.targets[0]
    for copy in (7, 8):
        samples.inputs[copy], samples.targets[copy] = samples.inputs[6], samples.targets[6]
    assert audit(Dataset(samples), MASKS).exclusions == {}


def test_one_set_of_boxes_under_many_pictures_is_an_artefact() -> None:
    rows = [np.array([[0, 1, 1, 20, 12 + row]], np.float32) for row in range(40)]
    for row in (3, 7, 9):
        rows[row] = np.array([[0, 1, 1, 20, 20], [1, 4, 4, 9, 9]], np.float32)
    samples = in_files([jpeg(picture) for picture in noise(40)])
    found = audit(Dataset(replace(samples, targets=Ragged.of(rows))), Detection(("ant", "bee")))
    assert sorted(found.exclusions) == ["3", "7", "9"]


# -- one motif over many pictures --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cells() -> Samples:
    return blood_cells()


def test_pictures_under_two_motifs_leave_training_and_join_no_large_group(cells: Samples) -> None:
    samples, planted = under_motifs(cells, each=25, classes=8)
    samples.inputs[planted[2::2]] = samples.inputs[planted[0]]  # one of them is the same picture 25 times
    found = audit(Dataset(samples), CELLS)
    assert problems(found) == {"contamination": "warn"}
    assert "lie under 2 motifs" in evidence(found, "contamination")
    assert set(found.exclusions) <= set(planted.astype(str))
    assert len(found.exclusions) >= 0.9 * len(planted)
    assert (found.groups[planted[::2]] == planted[::2]).all()


def test_alike_pictures_whose_labels_agree_and_cells_with_random_labels_are_no_artefacts(cells: Samples) -> None:
    samples, planted = under_motifs(cells, each=25, classes=8)
    samples.targets[planted] = planted % 2  # a motif whose labels agree is a class of its own
    mixed = replace(cells, targets=np.random.default_rng(0).permutation(cells.targets))
    for harmless in (samples, mixed):
        assert audit(Dataset(harmless), CELLS).exclusions == {}


# -- broken and odd inputs ---------------------------------------------------------------------------------------------


def test_constant_torn_tiny_and_odd_pictures_are_named() -> None:
    contents = [jpeg(picture) for picture in noise()]
    contents[3] = jpeg(np.full((SIDE, SIDE), 90, np.uint8))
    contents[4] = jpeg(np.where(np.arange(SIDE)[:, None] < 20, noise(1, seed=9)[0], 128).astype(np.uint8))
    contents[5] = jpeg(noise(1, seed=9)[0][:8])
    contents[6] = jpeg(np.tile(noise(1, seed=8)[0], (1, 5)))
    found = audit(Dataset(in_files(contents)), LABELS)
    assert problems(found)["odd inputs"] == "warn"
    for named in ("1 constant: 3", "1 torn off: 4", "1 tiny: 5", "1 of an odd size: 6"):
        assert named in evidence(found, "odd inputs")


def test_a_picture_that_cannot_be_decoded_fails_and_is_named() -> None:
    contents = [jpeg(picture) for picture in noise(20)]
    contents[3] = contents[3][:-20]
    found = audit(Dataset(in_files(contents)), LABELS)
    assert problems(found) == {"odd inputs": "fail"}
    assert evidence(found, "odd inputs").endswith(": 3")


def test_a_constant_column_is_named_and_a_missing_value_of_a_table_warns() -> None:
    table = np.zeros(60, [("same", "f8"), ("other", "f8")])
    table["other"] = np.random.default_rng(0).normal(size=60)
    samples = Samples(numbered(60), table, table["other"] ** 2)
    table["other"][3] = np.nan
    found = audit(Dataset(samples), Regression("square"))
    assert "1 constant columns: same" in evidence(found, "odd inputs")
    assert problems(found)["finite"] == "warn"


# -- shapes and labels -------------------------------------------------------------------------------------------------


def test_an_undeclared_class_fails_and_the_row_is_named() -> None:
    samples = masked()
    samples.targets[4, 0, 0] = 7
    found = audit(Dataset(samples), MASKS)
    assert (found.verdict, problems(found)) == ("fail", {"labels": "fail"})
    assert "mask 4" in evidence(found, "labels")


def test_nan_in_a_picture_fails() -> None:
    samples = masked()
    floats = samples.inputs.astype(np.float32)
    floats[3, 0, 0] = np.nan
    assert problems(audit(Dataset(replace(samples, inputs=floats)), MASKS)) == {"finite": "fail"}


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"groups": np.arange(4)}, "4 groups for 10 ids"),
        ({"inputs": noise(9)}, "9 inputs for 10 ids"),
        ({"ids": np.array(["0"] * 10)}, "same id"),
        ({"inputs": noise(10)[:, :30]}, "uint8 30x32"),
    ],
)
def test_arrays_that_do_not_fit_together_fail(broken: dict, named: str) -> None:
    test = Samples(numbered(4), noise(4, seed=1))
    found = audit(Dataset(replace(masked(), **broken), {"test": test}), MASKS)
    assert problems(found) == {"shapes": "fail"}
    assert named in evidence(found, "shapes")
