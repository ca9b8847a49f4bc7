"""DICOM files: rescaled, in the file's own window, bright where the body is bright."""

from pathlib import Path
from typing import Any

import numpy as np

SUFFIXES = (".dcm", ".dicom")


def is_dicom(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES


def dicom(file: Path, pixels: bool) -> Any:
    """The data set of a DICOM file; raise ValueError where it is of another kind."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        return pydicom.dcmread(file, stop_before_pixels=not pixels)
    except InvalidDicomError as error:
        raise ValueError(error) from None


def is_windowed(dataset: Any) -> bool:
    return "VOILUTSequence" in dataset or ("WindowCenter" in dataset and "WindowWidth" in dataset)


def dicom_pixels(file: Path) -> np.ndarray:
    """(h, w) or (h, w, 3) of the first frame: uint8 in colour, in a window, or of at most 8 bits; else float32.

    Floats are the rescaled values, Hounsfield units say. Where MONOCHROME1 says that low values are bright, they are
    exchanged for high ones.
    """
    from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array

    dataset = dicom(file, pixels=True)
    stored = pixel_array(dataset, index=0)  # converted to RGB where it is stored as YBR
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
    if stored.ndim == 3:
        return np.asarray(stored >> 8 if stored.dtype == np.uint16 else stored, np.uint8)
    inverted, windowed = dataset.PhotometricInterpretation == "MONOCHROME1", is_windowed(dataset)
    if inverted and not windowed:
        stored = (-1 if dataset.PixelRepresentation else 2**dataset.BitsStored - 1) - stored.astype(np.int64)
    values = np.asarray(apply_modality_lut(stored, dataset), np.float32)
    if windowed:
        grey = in_window(values, dataset)
        return np.round(255 - grey if inverted else grey).astype(np.uint8)
    return np.round(np.clip(values, 0, 255)).astype(np.uint8) if dataset.BitsStored <= 8 else values


def in_window(values: np.ndarray, dataset: Any) -> np.ndarray:
    """(h, w) from 0 to 255: rescaled values by the file's first window or its table (DICOM PS3.3, C.11.2)."""
    from pydicom.pixels import apply_voi_lut

    function = dataset.get("VOILUTFunction", "LINEAR")
    if "VOILUTSequence" in dataset:
        bits = dataset.VOILUTSequence[0].LUTDescriptor[2]
        return np.asarray(apply_voi_lut(values.astype(np.int64), dataset), np.float32) * 255 / (2**bits - 1)
    center, width = (float(np.atleast_1d(dataset[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
    if function == "SIGMOID":
        return 255 / (1 + np.exp(-4 * (values - center) / width))
    if function == "LINEAR":  # C.11.2.1.2.1
        center, width = center - 0.5, max(width - 1, 1e-6)
    return np.clip((values - center) / width + 0.5, 0, 1) * 255
