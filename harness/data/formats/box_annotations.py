"""Images with boxes as YOLO and Pascal VOC lay them out: a file of annotations for every image, of the same name.

Targets are rows of boxes, label x1 y1 x2 y2 in pixels. A box is clipped to its image, and left out where nothing is
left of it. `FoundBoxes` says how many, warns where they look like something else, and refuses where hardly one is left.
"""

import codecs
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.formats.found_boxes import SHARES, FoundBoxes, frame_of, is_set, numbers_of
from harness.data.formats.image_files import files_below, is_hidden
from harness.data.images import EncodedImages
from harness.data.samples import Samples
from harness.errors import UserError, nearest
from harness.paths import shown

DIFFICULT = ("keep", "drop")
NO_LABELS = ("classes.txt", "labels.txt", "notes.txt", "README.txt")  # that tools write beside the labels


def yolo(folder: Path, classes: Sequence[str], images: str = "images", labels: str = "labels") -> Samples:
    """A text file for every image, `class x y w h` a line: the middle and the size of a box as shares of the image.

    An image without a file shows nothing. Ids are the names of the images. Where `folder` has no images, its train/ is
    read, as exports have it. Classes go by their numbers, or by their names where a classes.txt lists them.
    """
    folder = _part(folder, images)
    files, notes = files_below(folder / images), folder / labels
    if not notes.is_dir():
        raise UserError(f"{shown(notes)} does not exist; it should hold a text file for every image{_other(notes)}")
    of_image = _beside(files, folder / images, notes, ".txt")
    used = set(of_image) & set(_notes_below(notes, ".txt"))
    without = len(files) - sum(file in used for file in of_image)
    remedy = f"{without} of {len(files)} images have no text file there{_first(of_image, notes)}"
    inputs, boxes = EncodedImages.read(files), FoundBoxes(shown(notes), "cx cy w h", SHARES, remedy=remedy)
    _say_orphans(notes, ".txt", used)
    if without and used:
        logging.getLogger(__name__).warning(
            "%s: %d of %d images have no text file and show nothing", boxes.source, without, len(files)
        )
    label_of = _labels_of_numbers(notes, classes)
    for row, file in enumerate(of_image):
        for number, line in enumerate(text_of(file).splitlines() if file in used else [], 1):
            if line.strip():
                where = f"{shown(file)}, line {number}"
                label, *numbers = numbers_of(line.split(), 5, where)
                if label not in range(len(classes)):
                    raise UserError(f"{where}: class {label:g} is not one of 0 to {len(classes) - 1}")
                boxes.add(row, label_of[int(label)], numbers, where)
    return Samples(names_of_images(files, folder / images), inputs, boxes.in_images(inputs.sizes))


def voc(
    folder: Path,
    classes: Sequence[str],
    images: str = "JPEGImages",
    annotations: str = "Annotations",
    difficult: str = "keep",
) -> Samples:
    """An XML file for every image, of the same name. Corners are taken as they stand. Ids are the names.

    difficult: "keep" or "drop" the boxes that are marked so. Where an image has another size than its file says, its
    boxes are scaled. Where `folder` has no such folders, the images and files are beside each other, as exports have
    them, in it or in its train/.
    """
    if difficult not in DIFFICULT:
        raise UserError(f"difficult is {difficult!r}, but should be {' or '.join(map(repr, DIFFICULT))}")
    folder = _part(folder, images)
    if not (folder / images).exists() and any(folder.glob("*.xml")):
        images = annotations = "."
    files, notes = files_below(folder / images), folder / annotations
    if not notes.is_dir():
        raise UserError(f"{shown(notes)} does not exist; it should hold an XML file for every image{_other(notes)}")
    of_image = _beside(files, folder / images, notes, ".xml")
    inputs, boxes, frames, marked = EncodedImages.read(files), FoundBoxes(shown(notes), "x1 y1 x2 y2"), [], 0
    _say_orphans(notes, ".xml", set(of_image))
    for row, file in enumerate(of_image):
        root = _xml(file)
        frames.append(frame_of(root.findtext("size/width"), root.findtext("size/height")))
        for number, thing in enumerate(root.iter("object"), 1):
            where, name = f"{shown(file)}, object {number}", (thing.findtext("name") or "").strip()
            if name not in classes:
                raise UserError(
                    f"{where} is a {name!r}{nearest(name, classes)}, but the classes are {', '.join(classes)}"
                )
            corners = [thing.findtext(f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax")]
            numbers = numbers_of(corners, 4, f"{where}, bndbox")
            is_marked = is_set(thing.findtext("difficult"), f"{where}: difficult")
            marked += is_marked
            if is_marked and difficult == "drop":
                boxes.left_out["marked difficult"] += 1
            else:
                boxes.add(row, list(classes).index(name), numbers, where)
    if marked and difficult == "keep":
        said = f'{marked} boxes are marked difficult, and kept; difficult="drop" leaves them out'
        logging.getLogger(__name__).warning("%s: %s", boxes.source, said)
    targets = boxes.in_images(inputs.sizes, np.array(frames), [shown(file) for file in files])
    return Samples(names_of_images(files, folder / images), inputs, targets)


def _labels_of_numbers(notes: Path, classes: Sequence[str]) -> list[int]:
    """The label of every number in YOLO's files: itself, or that of its name in a classes.txt, as tools write it."""
    for file in (notes / "classes.txt", notes.parent / "classes.txt"):
        if file.exists():
            names = [line.strip() for line in text_of(file).splitlines() if line.strip()]
            if sorted(names) != sorted(classes):
                raise UserError(f"{shown(file)} lists {', '.join(names)}, but the classes are {', '.join(classes)}")
            return [list(classes).index(name) for name in names]
    return list(range(len(classes)))


# -- folders -----------------------------------------------------------------------------------------------------------


def _part(folder: Path, images: str) -> Path:
    """The folder, or its train/ where that has the images and the folder has none."""
    train = folder / "train"
    alone = not (folder / images).exists() and not any(folder.glob("*.xml"))
    if alone and ((train / images).is_dir() or any(train.glob("*.xml"))):
        logging.getLogger(__name__).warning(
            "%s has no %s; its train is read alone, other parts by calls of their own", shown(folder), images
        )
        return train
    return folder


def _beside(files: Sequence[Path], images: Path, notes: Path, suffix: str) -> list[Path]:
    """The annotations of every image: in the folder below `notes` as the image is below `images`, else in `notes`."""
    mirrored = [notes / file.relative_to(images).with_suffix(suffix) for file in files]
    return [file if file.exists() else notes / file.name for file in mirrored]


def names_of_images(files: Sequence[Path], folder: Path) -> np.ndarray:
    """(n,) ids: the names without suffix; where two have one name, their paths; where they still do, with suffix."""
    paths = [file.relative_to(folder) for file in files]
    for names in ([path.stem for path in paths], [path.with_suffix("").as_posix() for path in paths]):
        if len(set(names)) == len(names):
            return np.array(names)
    return np.array([path.as_posix() for path in paths])


def _other(notes: Path) -> str:
    """Which folder beside `notes`, which is not there, has files as it should have."""
    counts = {path.name: len(list(path.glob("*.txt")) + list(path.glob("*.xml"))) for path in _folders(notes.parent)}
    best = max(counts, key=lambda name: counts[name], default="")
    return f"; there is {best}, with {counts[best]} such files" if counts.get(best) else ""


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _first(of_image: Sequence[Path], notes: Path) -> str:
    there = _notes_below(notes, ".txt")
    return f", as {of_image[0].name}; there is {there[0].name}" if there and of_image else ""


def _say_orphans(notes: Path, suffix: str, used: set[Path]) -> None:
    """Say which files of annotations belong to no image."""
    every = _notes_below(notes, suffix)
    if orphans := [file for file in every if file not in used]:
        named = ", ".join(file.name for file in orphans[:3]) + ", ..." * (len(orphans) > 3)
        said = f"{len(orphans)} of {len(every)} files belong to no image, and are not read: {named}"
        logging.getLogger(__name__).warning("%s: %s", shown(notes), said)


def _notes_below(notes: Path, suffix: str) -> list[Path]:
    found = notes.rglob(f"*{suffix}")
    return sorted(file for file in found if file.name not in NO_LABELS and not is_hidden(file, notes))


# -- files -------------------------------------------------------------------------------------------------------------


def text_of(file: Path) -> str:
    """The text of a file in UTF-8 or UTF-16; raise `UserError` where it is neither."""
    content = file.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"{shown(file)}, line {line} is not UTF-8 text: {error.reason}; save the file as UTF-8"
        ) from None


def _xml(file: Path) -> Any:
    """The root of an XML file, in any encoding that Python knows; raise `UserError` where it is not readable."""
    from xml.etree import ElementTree

    encoding = "utf-8"
    try:
        content = file.read_bytes()
        declared = re.match(rb"""\s*<\?xml[^>]*?encoding=["']([\w.:-]+)["'][^>]*\?>""", content)
        if declared:  # expat knows four encodings, and Python a hundred
            encoding = declared[1].decode("ascii")
            return ElementTree.fromstring(content[declared.end() :].decode(encoding))  # noqa: S314 - as below
        return ElementTree.fromstring(content)  # noqa: S314 - the expat of Python 3.11 refuses entity bombs
    except LookupError:
        raise UserError(
            f"{shown(file)}, line 1: the encoding {encoding!r} is not known; write the one that the file is in, as "
            'encoding="utf-8"'
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{shown(file)} is declared as {encoding}, but is not: {error.reason}; correct line 1"
        ) from None
    except (OSError, ElementTree.ParseError) as error:
        raise UserError(f"{shown(file)} is not readable as XML: {getattr(error, 'strerror', None) or error}") from None
