"""Every view of every task: apply it, predict with a toy that moves as its input does, undo it, and nothing changed."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from harness.data.columns import parts_of
from harness.data.images import EncodedImages, encode
from harness.data.samples import Ragged
from harness.tasks.classification import Classification
from harness.tasks.detection import Detection
from harness.tasks.segmentation import Segmentation

CLASSES = ("background", "gland", "debris")


class Case(NamedTuple):
    """toy: inputs -> prediction, equivariant. loose: view -> by how much it may be off. moves: the prediction does."""

    task: Any
    inputs: Any
    toy: Any
    loose: dict[str, float] = {}  # noqa: RUF012 - never changed
    moves: bool = True


# -- masks: every pixel says what its own brightness is ----------------------------------------------------------------


def smooth(height: int, width: int, colour: bool) -> np.ndarray:
    """(2, h, w[, 3]) uint8, different in every corner."""
    rows, columns = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    first = 40 + 150 * rows**2 * (1 - 0.5 * columns) + 60 * columns
    images = np.stack([first, 255 - 0.8 * first[::-1]])
    return (np.stack([images, images[::-1], 255 - images], -1) if colour else images).astype(np.uint8)


def by_brightness(images: np.ndarray) -> np.ndarray:
    """(n, 3, h, w) float16, the first class never."""
    grey = np.asarray(images, np.float32).reshape(*images.shape[:3], -1)[..., 0] / 255
    return np.stack([np.zeros_like(grey), 1 - grey, grey], 1).astype(np.float16)


# -- whole pictures: dark or bright all over ---------------------------------------------------------------------------


def dark_and_bright(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(
        [[[[0]]], [[[160]]]], [[[[90]]], [[[256]]]], (2, height, width, 3), np.uint8
    )


def dark_or_bright(images: Any) -> np.ndarray:
    return np.array([[np.mean(image) < 127, np.mean(image) > 127, 0] for image in images], np.float16)


# -- boxes: one bright rectangle in every picture, of any size ---------------------------------------------------------


def rectangles() -> EncodedImages:
    pictures = [np.zeros((40, 60, 3), np.uint8), np.zeros((80, 20, 3), np.uint8)]
    pictures[0][8:24, 4:20] = pictures[1][48:64, 4:12] = 255
    return EncodedImages.of([encode(picture) for picture in pictures])


def corners(pictures: EncodedImages) -> Ragged:
    found = []
    for picture in pictures:
        rows, columns = (np.flatnonzero((picture[..., 0] > 127).any(axis)) for axis in (1, 0))
        box = (1, 0.9, columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        found.append(np.array([box], np.float32))
    return Ragged.of(found)


CASES = {
    "masks, square, colour": Case(Segmentation(CLASSES, (64, 64), 0), smooth(64, 64, True), by_brightness),
    "masks, wide, grey": Case(Segmentation(CLASSES, (64, 128), 0), smooth(64, 128, False), by_brightness),
    "labels": Case(Classification(CLASSES), dark_and_bright(32, 32), dark_or_bright, moves=False),
    "labels of pictures of any size": Case(
        Classification(CLASSES),
        EncodedImages.of([encode(image[: 20 + 5 * row]) for row, image in enumerate(dark_and_bright(32, 24))]),
        dark_or_bright,
        moves=False,
    ),
    "boxes": Case(Detection(CLASSES), rectangles(), corners, {"scale_up": 1.0}),  # a pixel
}
EVERY_VIEW = [
    pytest.param(case, name, id=f"{title}: {name}") for title, case in CASES.items() for name in case.task.views
]


@pytest.mark.parametrize(("case", "name"), EVERY_VIEW)
def test_a_view_is_undone(case: Case, name: str) -> None:
    view = case.task.views[name]
    seen = view.apply(case.inputs)
    assert differ(parts_of(case.inputs), parts_of(seen)), "a view that changes nothing is none"
    plain = case.task.pack(case.toy(case.inputs))
    assert not case.moves or differ(case.task.pack(case.toy(seen)), plain), "a toy that is blind shows nothing"
    undone = case.task.pack(view.undo(case.toy(seen), case.inputs))
    assert undone.keys() == plain.keys()
    for part, values in plain.items():
        assert (undone[part].shape, undone[part].dtype) == (values.shape, values.dtype)
        np.testing.assert_allclose(undone[part], values, rtol=0, atol=case.loose.get(name, 0))


def differ(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return any(a[part].shape != b[part].shape or bool((a[part] != b[part]).any()) for part in a)


# -- by hand -----------------------------------------------------------------------------------------------------------


def test_flips_and_turns_and_only_square_masks_are_turned_by_a_quarter() -> None:
    """Of another shape they would make images of a shape that no network has seen."""
    views, image = Segmentation(CLASSES, (2, 2)).views, np.array([[[1, 2], [3, 4]]])
    turned = {name: views[name].apply(image)[0].tolist() for name in views}
    assert turned == {
        "hflip": [[2, 1], [4, 3]],
        "vflip": [[3, 4], [1, 2]],
        "rot90": [[2, 4], [1, 3]],
        "rot180": [[4, 3], [2, 1]],
        "rot270": [[3, 1], [4, 2]],
        "transpose": [[1, 3], [2, 4]],
        "antitranspose": [[4, 2], [3, 1]],
    }
    assert set(Segmentation(CLASSES, (4, 8)).views) == {"hflip", "vflip", "rot180"}
