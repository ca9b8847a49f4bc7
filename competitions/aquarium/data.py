"""The raw files: pictures from two aquariums with boxes around seven kinds of animals, laid out as COCO does."""

from pathlib import Path

from harness.layouts.boxes import coco_parts
from harness.samples import Dataset

CLASSES = ("fish", "jellyfish", "penguin", "puffin", "shark", "starfish", "stingray")
OFFICIAL = ("test_a", "test_b")


def load(raw: Path) -> Dataset:
    """train/ with its boxes, and the official parts without."""
    return coco_parts(raw, CLASSES, OFFICIAL)
