"""The raw files: pictures from two aquariums with boxes around seven kinds of animals, laid out as COCO does."""

from pathlib import Path

from harness.data.formats.box_annotations import coco_parts
from harness.data.samples import Dataset

CLASSES = ("fish", "jellyfish", "penguin", "puffin", "shark", "starfish", "stingray")
OFFICIAL = ("test_a", "test_b")


def load(raw: Path) -> Dataset:
    """train/ with its boxes, and the official parts without."""
    return coco_parts(raw, CLASSES, OFFICIAL)
