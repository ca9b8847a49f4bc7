"""The raw files of the Mars competition: grey rover tiles of 64x128 pixels, a class under every pixel.

Two layouts are read: `train.npz` with `test_images.npz`, and the course's own `mars_for_students.npz`.
"""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.data.samples import Dataset, Samples, numbered
from harness.errors import UserError
from harness.paths import shown

CLASSES = ("background", "soil", "bedrock", "sand", "big rock")
VOID = 0
BIG_ROCK = 4
TILE = (64, 128)

TILES = ("train.npz", "test_images.npz")
COURSE = "mars_for_students.npz"


def load(raw: Path) -> Dataset:
    """The labelled tiles and the official part "test"; raise `UserError` naming the file and the key that is wrong."""
    if (raw / TILES[0]).exists():
        return _load_tiles(raw / TILES[0], raw / TILES[1])
    if (raw / COURSE).exists():
        return _load_course(raw / COURSE)
    raise UserError(f"{shown(raw)} holds neither {TILES[0]} (with {TILES[1]}) nor {COURSE}")


def has_big_rock(targets: np.ndarray) -> np.ndarray:
    """(n,) bool: the tiles in which at least one pixel is a big rock."""
    return (targets == BIG_ROCK).any((1, 2))


def rarest_class_present(targets: np.ndarray) -> np.ndarray:
    """(n,) int: the class of each tile that occurs in the fewest of these tiles.

    A tile without any label says nothing about classes and stands with the most common one.
    """
    present = np.stack([(targets == label).any((1, 2)) for label in range(len(CLASSES))], axis=1)
    present[:, VOID] = False
    rarest_first = np.argsort(present.sum(0), kind="stable")
    rarest_first = rarest_first[rarest_first != VOID]
    rank = np.where(present.any(1), present[:, rarest_first].argmax(1), len(rarest_first) - 1)
    return rarest_first[rank]


# -- the two layouts ---------------------------------------------------------------------------------------------------


def _load_tiles(train: Path, test: Path) -> Dataset:
    labelled = _read_npz(train, ["images", "masks"], optional=["group", "frame"])
    official = _read_npz(test, ["images"], optional=["id"])
    images = _grey(labelled["images"], f"{shown(train)}, images")
    masks = _labels(labelled["masks"], f"{shown(train)}, masks")
    if len(images) != len(masks):
        raise UserError(f"{shown(train)} holds {len(images)} images but {len(masks)} masks; each image needs one mask")
    units = next((key for key in ("group", "frame") if key in labelled), None)
    groups = _integers(labelled[units], f"{shown(train)}, {units}", len(images)) if units else np.arange(len(images))
    asked = _grey(official["images"], f"{shown(test)}, images")
    ids = _ids(official["id"], f"{shown(test)}, id", len(asked)) if "id" in official else numbered(len(asked))
    return Dataset(Samples(numbered(len(images)), images, masks, groups), {"test": Samples(ids, asked)})


def _load_course(file: Path) -> Dataset:
    """`training_set` (n, 2, 64, 128) holds the image and the mask, `test_set` (n, 64, 128) images; no positions."""
    arrays = _read_npz(file, ["training_set", "test_set"])
    pairs, where = arrays["training_set"], f"{shown(file)}, training_set"
    if pairs.ndim != 4 or pairs.shape[1:] != (2, *TILE):
        raise UserError(f"{where} has shape {pairs.shape}, but (n, 2, 64, 128) is right: an image and its mask")
    images, masks = _grey(pairs[:, 0], f"{where}[:, 0]"), _labels(pairs[:, 1], f"{where}[:, 1]")
    asked = _grey(arrays["test_set"], f"{shown(file)}, test_set")
    labelled = Samples(numbered(len(images)), images, masks, np.arange(len(images)))
    return Dataset(labelled, {"test": Samples(numbered(len(asked)), asked)})


# -- what a person may have got wrong ----------------------------------------------------------------------------------


def _read_npz(file: Path, keys: Sequence[str], optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """The arrays `keys`, and those of `optional` that are there; nothing is unpickled."""
    try:
        with open(file, "rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise UserError(
                    f"{shown(file)} is no complete npz archive (cut off, or another kind of file); get it again"
                )
        with np.load(file, allow_pickle=False) as archive:
            absent = [key for key in keys if key not in archive]
            if absent:
                raise UserError(
                    f"{shown(file)} lacks the array {absent[0]!r}; it needs {', '.join(keys)} and holds "
                    f"{', '.join(archive) or 'nothing'}"
                )
            return {key: _read_array(archive, key, file) for key in (*keys, *optional) if key in archive}
    except zipfile.BadZipFile as error:
        raise UserError(f"{shown(file)} is damaged ({error}); get it again") from error
    except OSError as error:
        raise UserError(f"{shown(file)} cannot be read: {error.strerror or error}") from error


def _read_array(archive: "np.lib.npyio.NpzFile", key: str, file: Path) -> np.ndarray:
    try:
        array = archive[key]
    except (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        if "Object arrays" in str(error):
            raise UserError(
                f"{shown(file)}, {key} holds pickled objects, which are never opened; save plain numbers"
            ) from error
        raise UserError(f"{shown(file)}, {key} is damaged ({error}); get the file again") from error
    if not isinstance(array, np.ndarray):  # numpy hands over raw bytes where the member is no array
        raise UserError(f"{shown(file)}, {key} is no numpy array; get the file again")
    return array


def _grey(array: np.ndarray, where: str) -> np.ndarray:
    return _bytes(array, where, 255, "grey values are whole numbers from 0 to 255")


def _labels(array: np.ndarray, where: str) -> np.ndarray:
    top = len(CLASSES) - 1
    masks = _bytes(array, where, top, f"the classes are 0 to {top} ({', '.join(CLASSES)})")
    if not masks.any():
        raise UserError(f"{where} has no labelled pixel: every class is 0 (background)")
    return masks


def _bytes(array: np.ndarray, where: str, top: int, right: str) -> np.ndarray:
    """(n, 64, 128) uint8, n > 0, of an array that holds whole numbers from 0 to `top`, whatever its dtype."""
    if array.ndim != 3 or array.shape[1:] != TILE:
        raise UserError(f"{where} has shape {array.shape}, but (n, 64, 128) is right")
    if not len(array):
        raise UserError(f"{where} is empty: there is no tile in it")
    if array.dtype.kind not in "uif":
        raise UserError(f"{where} is of type {array.dtype}, but numbers are needed (uint8)")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UserError(f"{where}, row {_first(~np.isfinite(array))} holds NaN or an infinity, but {right}")
    wrong = (array < 0) | (array > top)
    if array.dtype.kind == "f":
        wrong |= array != np.floor(array)
    if wrong.any():
        row = _first(wrong)
        raise UserError(f"{where}, row {row} holds {array[row][wrong[row]][0]}, but {right}")
    return np.ascontiguousarray(array, dtype=np.uint8)


def _integers(array: np.ndarray, where: str, rows: int) -> np.ndarray:
    if array.shape != (rows,) or array.dtype.kind not in "ui":
        raise UserError(
            f"{where} is {array.dtype} of shape {array.shape}, but one integer for each of {rows} tiles is right"
        )
    return array.astype(np.int64)


def _ids(array: np.ndarray, where: str, rows: int) -> np.ndarray:
    ids = _integers(array, where, rows).astype(str)
    names, counts = np.unique(ids, return_counts=True)
    if counts.max() > 1:
        raise UserError(f"{where} holds {names[counts.argmax()]} {counts.max()} times, but an id names one tile")
    return ids


def _first(wrong: np.ndarray) -> int:
    """The first row with a wrong pixel."""
    return int(np.flatnonzero(wrong.any((1, 2)))[0])
