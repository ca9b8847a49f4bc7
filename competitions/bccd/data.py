"""The raw files: blood smears under the microscope with boxes around three kinds of cells, laid out as COCO does.

Without them smears are made: heaps of red discs, larger blue cells and specks.
"""

from pathlib import Path

from harness.data.formats import coco_parts
from harness.data.samples import Dataset
from harness.data.synthetic import SyntheticImages, write_coco

CLASSES = ("RBC", "WBC", "Platelets")
OFFICIAL = ("test",)


def load(raw: Path) -> Dataset:
    """train/ with its boxes, and the official part without."""
    return coco_parts(raw, CLASSES, OFFICIAL)


smear = SyntheticImages(
    size=(120, 160), seed=20_251_002, shapes=3, weights=(20, 2, 3), objects=(5, 15), inside=0.2,
    radius=((8, 12), (14, 18), (3, 4.5)), ground=(225, 210, 210), hue=0.7, clear=(0.5, 0.9), ragged=0.15, noise=14,
)  # fmt: skip


def make_sample(folder: Path) -> None:
    """Write 100 images with boxes, and 20 without."""
    scenes = smear.scenes(120)
    write_coco(folder / "train", scenes[:100], CLASSES)
    write_coco(folder / OFFICIAL[0], scenes[100:])
