"""Images with boxes as COCO, YOLO and Pascal VOC lay them out, one call each.

Targets are rows of boxes, label x1 y1 x2 y2 in pixels. A box is clipped to its image. A box without area, or
that marks a crowd (COCO), is dropped, and the log says how many. An error names the file and the line.
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.formats.image_files import files_below
from harness.data.images import EncodedImages
from harness.data.samples import Dataset, Ragged, Samples
from harness.errors import UserError
from harness.paths import shown

Box = tuple[float, ...]  # label, x1, y1, x2, y2
Rows = list[list[Box]]


def coco(
    folder: Path, classes: Sequence[str], images: str = "images", annotations: str = "annotations.json"
) -> Samples:
    """`annotations` with images, categories and annotations (bbox: x y w h); categories go by their names.

    Ids are those of the images.
    """
    file = folder / annotations
    listed = _read_json(file, ("images", "categories", "annotations"))
    ids, files = _files(listed, folder / images, file)
    rows, crowds = _coco_boxes(listed, classes, file)
    return _samples(ids, EncodedImages.read(files), rows, file, crowds)


def coco_images(folder: Path, images: str = "images", listed: str = "images.json") -> Samples:
    """Images without boxes, as `listed` names them."""
    ids, files = _files(_read_json(folder / listed, ("images",)), folder / images, folder / listed)
    return Samples(ids, EncodedImages.read(files))


def coco_parts(raw: Path, classes: Sequence[str], official: Sequence[str]) -> Dataset:
    """The labelled part train/ and the official ones, each a folder as `coco` and `coco_images` read it."""
    return Dataset(coco(raw / "train", classes), {part: coco_images(raw / part) for part in official})


def yolo(folder: Path, classes: Sequence[str], images: str = "images", labels: str = "labels") -> Samples:
    """A text file for every image, `class x y w h` a line: the middle and the size of a box as shares of the image.

    An image without a file shows nothing. Ids are the names of the images.
    """
    files = files_below(folder / images)
    inputs = EncodedImages.read(files)
    sized = zip(files, inputs.sizes.tolist(), strict=True)
    rows = [
        _yolo_boxes(folder / labels / f"{file.stem}.txt", classes, height, width) for file, (height, width) in sized
    ]
    return _samples(np.array([file.stem for file in files]), inputs, rows, folder / labels)


def voc(folder: Path, classes: Sequence[str], images: str = "JPEGImages", annotations: str = "Annotations") -> Samples:
    """An XML file for every image, of the same name. Corners are taken as they stand. Ids are the names."""
    files = files_below(folder / images)
    rows = [_voc_boxes(folder / annotations / f"{image.stem}.xml", classes) for image in files]
    return _samples(np.array([file.stem for file in files]), EncodedImages.read(files), rows, folder / annotations)


# -- COCO --------------------------------------------------------------------------------------------------------------


def _read_json(file: Path, keys: Sequence[str]) -> dict[str, list[Any]]:
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{shown(file)} is not readable as JSON: {getattr(error, 'strerror', None) or error}") from None
    for key in keys:
        if not isinstance(listed, dict) or not isinstance(listed.get(key), list):
            raise UserError(f"{shown(file)} holds no list {key!r}, as COCO files do")
    return listed


def _coco_boxes(listed: Mapping[str, list[Any]], classes: Sequence[str], file: Path) -> tuple[Rows, int]:
    """The boxes of every image, and how many mark crowds instead."""
    label_of: dict[Any, int] = {}
    for k, category in enumerate(listed["categories"]):
        number, name = (_field(category, key, f"{shown(file)}, category {k}") for key in ("id", "name"))
        if name not in classes:
            raise UserError(f"{shown(file)} has a category {name!r}, but the classes are {', '.join(classes)}")
        label_of[number] = list(classes).index(name)
    rows: dict[Any, list[Box]] = {image["id"]: [] for image in listed["images"]}
    crowds = 0
    for k, each in enumerate(listed["annotations"]):
        where = f"{shown(file)}, annotation {k}"
        image, category, box = (_field(each, name, where) for name in ("image_id", "category_id", "bbox"))
        if image not in rows:
            raise UserError(f"{where} belongs to image {image!r}, which is not listed")
        if category not in label_of:
            raise UserError(f"{where} is of category {category!r}, which is not listed")
        x, y, w, h = _numbers(box if isinstance(box, list) else [box], 4, f"{where}, bbox")
        if each.get("iscrowd"):
            crowds += 1
        else:
            rows[image].append((label_of[category], x, y, x + w, y + h))
    return list(rows.values()), crowds


def _files(listed: Mapping[str, list[Any]], folder: Path, file: Path) -> tuple[np.ndarray, list[Path]]:
    """(n,) ids, each once, and the files of the images."""
    files: dict[str, Path] = {}
    for k, image in enumerate(listed["images"]):
        where = f"{shown(file)}, image {k}"
        name, path = str(_field(image, "id", where)), folder / str(_field(image, "file_name", where))
        if name in files:
            raise UserError(f"{where} has the id {name}, which another image has too")
        files[name] = path
    if not files:
        raise UserError(f"{shown(file)} lists no image")
    return np.array(list(files)), list(files.values())


def _field(entry: Any, name: str, where: str) -> Any:
    if not isinstance(entry, dict) or name not in entry:
        raise UserError(f"{where} has no {name!r}")
    return entry[name]


# -- YOLO, Pascal VOC --------------------------------------------------------------------------------------------------


def _yolo_boxes(file: Path, classes: Sequence[str], height: int, width: int) -> list[Box]:
    if not file.exists():
        return []
    boxes = list[Box]()
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            where = f"{shown(file)}, line {number}"
            label, x, y, w, h = _numbers(line.split(), 5, where)
            if label not in range(len(classes)):
                raise UserError(f"{where}: class {label:g} is not one of 0 to {len(classes) - 1}")
            x, y, w, h = x * width, y * height, w * width, h * height
            boxes.append((label, x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    return boxes


def _voc_boxes(file: Path, classes: Sequence[str]) -> list[Box]:
    from xml.etree import ElementTree

    try:
        root = ElementTree.parse(file).getroot()  # noqa: S314 - the expat of Python 3.11 refuses entity bombs
    except (OSError, ElementTree.ParseError) as error:
        raise UserError(f"{shown(file)} is not readable as XML: {getattr(error, 'strerror', None) or error}") from None
    boxes = list[Box]()
    for number, thing in enumerate(root.iter("object"), 1):
        where, name = f"{shown(file)}, object {number}", (thing.findtext("name") or "").strip()
        if name not in classes:
            raise UserError(f"{where} is a {name!r}, but the classes are {', '.join(classes)}")
        corners = [thing.findtext(f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax")]
        boxes.append((list(classes).index(name), *_numbers(corners, 4, f"{where}, bndbox")))
    return boxes


# -- samples -----------------------------------------------------------------------------------------------------------


def _samples(ids: np.ndarray, inputs: EncodedImages, rows: Rows, source: Path, crowds: int = 0) -> Samples:
    """Clip boxes to their images, and leave out those without area."""
    offsets = np.cumsum([0, *map(len, rows)])
    flat = np.array([box for boxes in rows for box in boxes], np.float64).reshape(-1, 5)
    image = np.repeat(np.arange(len(rows)), np.diff(offsets))
    flat[:, 1:] = np.clip(flat[:, 1:], 0, inputs.sizes[image][:, [1, 0, 1, 0]])
    with_area = (flat[:, 3:] > flat[:, 1:3]).all(1)
    if dropped := int((~with_area).sum()) + crowds:
        logging.getLogger(__name__).warning(
            "%s: %d boxes without area, or of crowds, are left out", shown(source), dropped
        )
    return Samples(ids, inputs, Ragged(flat[with_area], np.concatenate([[0], np.cumsum(with_area)])[offsets]))


def _numbers(fields: Sequence[Any], count: int, where: str) -> list[float]:
    """Convert text or JSON values to so many finite numbers."""
    try:
        values = [float(field) for field in fields]
    except (TypeError, ValueError):
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise UserError(f"{where}: {' '.join(map(str, fields))} are not {count} numbers")
    return values
