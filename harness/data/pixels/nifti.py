"""NIfTI volumes, whose slices are images: `<folder>/<name>.nii.gz/<name>_<k>` stands for slice k, from below.

Volumes are turned to the nearest axes of the patient (RAS+) by their affine, and their values rescaled; a slice is seen
from above, with the front of the patient at the top.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from harness.errors import UserError
from harness.paths import shown

SUFFIXES = (".nii", ".nii.gz")


def is_nifti(file: Path) -> bool:
    return file.name.lower().endswith(SUFFIXES)


def is_slice(file: Path) -> bool:
    return is_nifti(file.parent)


def slices_of(file: Path) -> list[Path]:
    """Raise `UserError` where it is not a volume of three axes."""
    stem = file.name[: -len(".nii.gz" if file.suffix.lower() == ".gz" else ".nii")]
    return [file / f"{stem}_{k}" for k in range(volume(file).shape[2])]


def slice_pixels(file: Path) -> np.ndarray:
    """(h, w) whole numbers as they are stored, or float32 where they are rescaled."""
    return np.ascontiguousarray(np.rot90(volume(file.parent)[:, :, int(file.name.rpartition("_")[2])]))


@lru_cache(maxsize=2)  # an image's and its mask's, slice by slice in turn
def volume(file: Path) -> np.ndarray:
    """(right, front, top)"""
    import nibabel

    try:
        values = np.asanyarray(nibabel.as_closest_canonical(nibabel.load(file)).dataobj)
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        raise UserError(
            f"{shown(file)} is not readable as a NIfTI volume ({error}); get it again, or remove it"
        ) from error
    if values.ndim != 3:
        raise UserError(f"{shown(file)} has the shape {values.shape}, and volumes have three axes; save them apart")
    return values.astype(np.float32) if values.dtype.kind == "f" else values
