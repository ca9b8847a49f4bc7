"""Image files: those below a folder, those that ids name, their sizes and their pixels."""

import logging
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.images import EncodedImages, coloured, resized
from harness.data.large_arrays import new_array
from harness.data.pixels import Size
from harness.data.pixels.depth import Form, ValueRange, scaled
from harness.data.pixels.dicom import SUFFIXES as DICOM
from harness.data.pixels.nifti import is_nifti, slices_of
from harness.data.pixels.picture_file import PictureHead, form_of, heads_of, read_pixels
from harness.errors import UserError, nearest
from harness.paths import shown

log = logging.getLogger(__name__)

JPEG = (".jfif", ".jpe", ".jpeg", ".jpg", ".mpo")
SUFFIXES = (".bmp", ".gif", *JPEG, ".npy", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp", *DICOM)
BESIDES = (".csv", ".db", ".html", ".ini", ".json", ".md", ".pdf", ".tsv", ".txt", ".xml", ".yaml", ".yml")
NUMBERED = re.compile(r"0*(?=\d)")  # zeros before a number


# -- names -------------------------------------------------------------------------------------------------------------


def files_below(*folders: Path) -> list[Path]:
    """Every image in the folders and in the folders there, sorted, but no hidden one; says which files are no images.

    Raise `UserError` where there is no folder, or no image in it.
    """
    files = []
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{shown(folder)} does not exist; it should be a folder of images")
        there = [file for file in sorted(folder.rglob("*")) if not is_hidden(file, folder)]
        found = [file for file in there if file.suffix.lower() in SUFFIXES]
        found += [each for volume in filter(is_nifti, there) for each in slices_of(volume)]
        if not found:
            raise UserError(f"{shown(folder)} holds no images ({', '.join(SUFFIXES)})")
        others = [file for file in there if file.suffix.lower() not in (*SUFFIXES, *BESIDES) and file.is_file()]
        if left := [file for file in others if not is_nifti(file)]:
            first, suffixes = left[0].relative_to(folder), ", ".join(SUFFIXES)
            log.warning(
                "%s: %d files are not read, %s first; images end in %s", shown(folder), len(left), first, suffixes
            )
        files += found
    return sorted(files)


def is_hidden(file: Path, folder: Path) -> bool:
    """Litter of archives and file managers: .DS_Store, ._a.png, __MACOSX/."""
    return any(part.startswith(".") or part == "__MACOSX" for part in file.relative_to(folder).parts)


def names_of(file: Path, folder: Path) -> set[str]:
    """How an id may name it: with or without the suffix, by name or by path, also with the folder's own name before."""
    inside, beside = file.relative_to(folder), file.relative_to(folder.parent)
    return {str(path) for full in (Path(file.name), inside, beside) for path in (full, full.with_suffix(""))}


def composed(name: str) -> str:
    """With one code point for a letter and its accent (Unicode's normal form NFC)."""
    return unicodedata.normalize("NFC", name)


def files_by_name(files: Sequence[Path], with_suffix: bool = False) -> dict[str, Path]:
    """id -> file: by stem, with the suffix where two have one stem, and with the folder where two have one name."""
    names = [file.name if with_suffix else file.stem for file in files]
    for longer in (lambda file: file.name, lambda file: f"{file.parent.name}/{file.name}", str):
        if len(set(names)) < len(names):
            names = [longer(file) for file in files]
    return dict(zip(names, files, strict=True))


class ImageFiles:
    """The images below some folders, by every name that an id may give them.

    Letters may be composed or not ("é" in one or two code points, as macOS writes it), and a number may have lost the
    zeros before it, as spreadsheets and pandas write it: 7 for 007.png; that is said once.
    """

    def __init__(self, *folders: Path):
        self.folders, self.files = folders, list[Path]()
        self.named: dict[str, list[Path]] = {}
        for folder in folders:
            found = files_below(folder)
            self.files += found
            for file in found:
                for name in names_of(file, folder):
                    self.named.setdefault(composed(name), []).append(file)
        self.without_zeros: dict[str, list[Path]] | None = None

    def find(self, name: str) -> Path:
        """Raise `UserError` for a name of no image, or of two."""
        where = " and ".join(map(shown, self.folders))
        path = composed(name).replace("\\", "/").removeprefix("./")  # of Windows, of a shell
        found = self.named.get(composed(name)) or self.named.get(path) or self.numbered(name)
        if not found:
            raise UserError(f"{name!r} is not an image of {where}{nearest(name, self.named)}")
        if len(found) > 1:
            two = " and ".join(map(shown, found[:2]))
            raise UserError(f"{name!r} names {two}; rename one, or give the path in the id")
        return found[0]

    def others(self, named: Mapping[str, Path], tested: set[Path], with_suffix: bool) -> dict[str, Path]:
        """id -> image, of those that are neither named nor of the test."""
        return files_by_name(sorted(set(self.files) - set(named.values()) - tested), with_suffix)

    def numbered(self, name: str) -> list[Path]:
        """The images whose names are this number with zeros before it."""
        if not NUMBERED.match(name):
            return []
        first = self.without_zeros is None
        if self.without_zeros is None:
            self.without_zeros = {}
            for each, files in self.named.items():
                self.without_zeros.setdefault(NUMBERED.sub("", each), []).extend(files)
        found = self.without_zeros.get(NUMBERED.sub("", name), [])
        if found and first:
            logging.getLogger(__name__).warning(
                "%r is taken for %s: numbers have lost the zeros before them", name, shown(found[0])
            )
        return found


class MatchedFiles:
    """Images by ids that no file is named by: id -> its file, or several."""

    def __init__(self, file_of: Mapping[str, Any]):
        self.file_of = file_of

    def find(self, name: str) -> Any:
        if name not in self.file_of:
            raise UserError(f"{name!r} is the id of none of {len(self.file_of)} images{nearest(name, self.file_of)}")
        return self.file_of[name]

    def others(self, named: Mapping[str, Any], tested: set[Path], with_suffix: bool) -> dict[str, Any]:
        """As those of `ImageFiles`."""
        rest = {name: files for name, files in self.file_of.items() if name not in named}
        return {name: files for name, files in rest.items() if tested.isdisjoint(as_list(files))}


def as_list(paths: Path | Sequence[Path]) -> list[Path]:
    """One path or several as a list."""
    return [paths] if isinstance(paths, Path) else list(paths)


def files_matched(folder: Path, pattern: str, id: str = r"\1", ids: Sequence[str] | None = None) -> dict[str, Any]:
    r"""id -> image, where parts of its path make the id; id -> images, where some ids have several.

    pattern: a regular expression that is searched for in paths below the folder, without suffix. id: what is made of
    its parentheses: r"\1_\2" of r"(day\d+)/scans/(slice_\d+)_". ids: those that are wanted; raise `UserError` where
    one has no image.
    """
    found = dict[str, list[Path]]()
    for file in files_below(folder):
        if match := re.search(pattern, file.relative_to(folder).with_suffix("").as_posix()):
            found.setdefault(composed(match.expand(id)), []).append(file)
    if lost := [name for name in ids or () if name not in found]:
        raise UserError(f"{shown(folder)} holds no image of {len(lost)} ids, the first is {lost[0]!r}, by {pattern}")
    found = found if ids is None else {name: found[name] for name in ids}
    several = any(len(files) > 1 for files in found.values())
    return {name: files if several else files[0] for name, files in sorted(found.items())}


def files_named(ids: Sequence[str], *folders: Path) -> dict[str, Path]:
    """id -> file; raise `UserError` for an id that names no image, or two."""
    images = ImageFiles(*folders)
    return {name: images.find(name) for name in ids}


# -- pixels ------------------------------------------------------------------------------------------------------------


def read_images(
    files: Sequence[Path], size: Size | None = None, value_range: ValueRange | None = None, channels: int | None = None
) -> Any:
    """Read one array of images of one size, or resized; else `EncodedImages`. `UserError` names an unreadable one.

    value_range: of files with more than 8 bits, by default what they use. channels: as in `class_folders`.
    """
    heads = heads_of(files, channels)
    return images_of(files, heads, size, form_for(files, heads, size, value_range, channels))


def form_for(
    files: Sequence[Path],
    heads: Sequence[PictureHead],
    size: Size | None,
    value_range: ValueRange | None,
    channels: int | None,
    encoded: bool = False,
) -> Form:
    """As `form_of`; images that stay encoded have 8 bits and three channels.

    Raise `UserError` where they are declared to have others.
    """
    if encoded or stay_encoded(heads, size):
        if channels not in (None, 3):
            raise UserError(
                f"channels={channels}, but images of several sizes, and those with boxes, have three; resize images "
                "with size=(height, width)"
            )
        return form_of(files, heads, value_range, channels, most=np.uint8)
    return form_of(files, heads, value_range, channels)


def stay_encoded(heads: Sequence[PictureHead], size: Size | None) -> bool:
    return size is None and len({each.size for each in heads}) > 1


def images_of(
    files: Sequence[Path], heads: Sequence[PictureHead], size: Size | None, form: Form, encoded: bool = False
) -> Any:
    """As `read_images`, for files whose heads and form are known."""
    if encoded or stay_encoded(heads, size):
        return EncodedImages.stored(files, heads, form.value_range)
    images = new_array((len(files), *(size or heads[0].size), *form.shape), form.dtype)
    for row, file in enumerate(files):
        images[row] = decoded(file, form, size)
    return images


def decoded(file: Path, form: Form, size: Size | None) -> np.ndarray:
    """(h, w) or (h, w, channels), turned by its EXIF orientation, scaled from the range of values and resized."""
    import cv2

    pixels = scaled(read_pixels(file, form.channels), form.value_range, form.dtype)
    if form.channels == 1 and pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if size and pixels.shape[:2] != size:
        pixels = resized(pixels, size)
    return pixels if form.channels == 1 else coloured(pixels)
