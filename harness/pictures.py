"""Pictures from a folder, shaped like those of a competition."""

from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.samples import Samples

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


def read_pictures(folder: Path, like: Any) -> Samples:
    """Every picture of the folder, its name as its id. like: (n, h, w) or (n, h, w, 3) uint8, RGB.

    Raise `UserError` where there are none, or one cannot be read or has another size.
    """
    import cv2

    if not folder.is_dir():
        raise UserError(f"INPUT={folder} is not a folder of pictures")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"INPUT={folder} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    pictures = np.empty((len(files), *like.shape[1:]), np.uint8)
    for row, file in enumerate(files):
        picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE if like.ndim == 3 else cv2.IMREAD_COLOR)
        if picture is None:
            raise UserError(f"{file} is not readable as a picture")
        if picture.shape[:2] != like.shape[1:3]:
            height, width = like.shape[1:3]
            found = f"{picture.shape[0]} x {picture.shape[1]} (height x width)"
            raise UserError(f"{file} is {found}, but the models see {height} x {width}")
        pictures[row] = picture if like.ndim == 3 else picture[..., ::-1]
    return Samples(np.array([file.stem for file in files]), pictures)
