"""The raw files: blood smears under the microscope with boxes around three kinds of cells, laid out as COCO does."""

from pathlib import Path

from harness.data.formats.box_annotations import coco_parts
from harness.data.samples import Dataset

CLASSES = ("RBC", "WBC", "Platelets")
OFFICIAL = ("test",)


def load(raw: Path) -> Dataset:
    """train/ with its boxes, and the official part without."""
    return coco_parts(raw, CLASSES, OFFICIAL)
