"""The raw files: images from two aquariums with boxes around seven kinds of animals, laid out as COCO does.

Without them shapes in water stand for the animals: faint, turned, cut off and hiding each other.
"""

from pathlib import Path

from harness.data.formats import coco_parts
from harness.data.samples import Dataset
from harness.data.synthetic import SyntheticImages, write_coco

CLASSES = ("fish", "jellyfish", "penguin", "puffin", "shark", "starfish", "stingray")
OFFICIAL = ("test_a", "test_b")


def load(raw: Path) -> Dataset:
    """train/ with its boxes, and the official parts without."""
    return coco_parts(raw, CLASSES, OFFICIAL)


reef = SyntheticImages(
    size=(120, 160), seed=20_251_001, shapes=7, weights=(12, 3, 2, 2, 2, 2, 2), objects=(1, 6), inside=0.3,
    radius=((7, 14), (9, 18), (9, 18), (8, 14), (14, 26), (8, 14), (9, 18)), ground=(50, 120, 160), hue=0.6,
    clear=(0.45, 0.95), ragged=0.2, noise=14,
)  # fmt: skip


def make_sample(folder: Path) -> None:
    """Write 120 images with boxes, and 15 without for each official part."""
    scenes = reef.scenes(150)
    write_coco(folder / "train", scenes[:120], CLASSES)
    write_coco(folder / OFFICIAL[0], scenes[120:135])
    write_coco(folder / OFFICIAL[1], scenes[135:])
