"""The raw files of digits: `train.npz` (images, labels) and `test.npz`, of which only the images are read."""

from pathlib import Path

import numpy as np

from harness.data.formats import npz
from harness.data.samples import Dataset

CLASSES = tuple("0123456789")
SIDE = 28
LABELLED = 1500  # of scikit-learn's 1,797 images; the others are the official part


def load(raw: Path) -> Dataset:
    return npz(raw / "train.npz", test=raw / "test.npz")


def small_sample(folder: Path) -> None:
    """Scikit-learn's 8x8 images with 17 grey levels (UCI, Alpaydin and Kaynak 1998), enlarged to MNIST's frame."""
    import cv2
    from sklearn.datasets import load_digits

    small = load_digits()
    images = np.zeros((len(small.images), SIDE, SIDE), np.uint8)
    for image, eight in zip(images, small.images, strict=True):
        inside = cv2.resize((eight * (255 / 16)).astype(np.uint8), (20, 20), interpolation=cv2.INTER_CUBIC)
        image[4:24, 4:24] = inside
    labels = small.target.astype(np.uint8)
    np.savez_compressed(folder / "train.npz", images=images[:LABELLED], labels=labels[:LABELLED])
    np.savez_compressed(folder / "test.npz", images=images[LABELLED:])
