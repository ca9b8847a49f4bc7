"""Images with boxes as COCO lays them out: one JSON file, with the images in a folder beside it.

An export of Roboflow is read too: `_annotations.coco.json` with the images beside it, in the folder or in its train/.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from harness.data.formats.found_boxes import FoundBoxes, frame_of, is_set, numbers_of
from harness.data.formats.image_files import files_below
from harness.data.images import EncodedImages
from harness.data.samples import Dataset, Samples
from harness.errors import UserError, nearest
from harness.paths import shown

ROBOFLOW = "_annotations.coco.json"


def coco(
    folder: Path,
    classes: Sequence[str],
    images: str = "images",
    annotations: str = "annotations.json",
    fields: str = "x y w h",
) -> Samples:
    """`annotations` with images, categories and annotations (bbox: x y w h); categories go by their names.

    Ids are those of the images. fields: what a bbox holds where it is not as COCO's are, as "x1 y1 x2 y2". Where an
    image has another size than the file says, its boxes are scaled. Raise `UserError` where no box is left.
    Official COCO results get the ids and the categories' numbers of this file.
    """
    file = _file(folder / annotations, [folder / ROBOFLOW, folder / "train" / ROBOFLOW, folder / "train" / annotations])
    listed = _read_json(file, ("images", "categories", "annotations"))
    ids, files = _files(listed, file.parent / images, file)
    inputs = EncodedImages.read(files)
    frames = np.array([frame_of(image.get("width"), image.get("height")) for image in listed["images"]])
    boxes = _boxes(listed, classes, ids, file, fields)
    targets = boxes.in_images(inputs.sizes, frames, [shown(path) for path in files])
    return Samples(ids, inputs, targets, host=_ids_as_text(listed) | _categories(listed, classes))


def coco_images(folder: Path, images: str = "images", listed: str = "images.json") -> Samples:
    """Images without boxes, as `listed` names them."""
    file = _file(folder / listed, [folder / ROBOFLOW])
    content = _read_json(file, ("images",))
    ids, files = _files(content, file.parent / images, file)
    return Samples(ids, EncodedImages.read(files), host=_ids_as_text(content))


def coco_parts(raw: Path, classes: Sequence[str], official: Sequence[str]) -> Dataset:
    """The labelled part train/ and the official ones, each a folder as `coco` and `coco_images` read it."""
    return Dataset(coco(raw / "train", classes), {part: coco_images(raw / part) for part in official})


def _file(file: Path, others: Sequence[Path]) -> Path:
    """The file, or where it is not there the first of the others that is."""
    found = next((each for each in (file, *others) if each.exists()), file)
    if found != file:
        logging.getLogger(__name__).warning("%s is not there; %s is read", shown(file), shown(found))
    return found


def _read_json(file: Path, keys: Sequence[str]) -> dict[str, list[Any]]:
    try:
        listed = json.loads(file.read_bytes())  # in UTF-8, UTF-16 or UTF-32, with a byte order mark or without
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{shown(file)} is not readable as JSON: {getattr(error, 'strerror', None) or error}") from None
    for key in keys:
        if not isinstance(listed, dict) or not isinstance(listed.get(key), list):
            raise UserError(f"{shown(file)} holds no list {key!r}, as COCO files do")
    return listed


# -- images ------------------------------------------------------------------------------------------------------------


def _files(listed: Mapping[str, list[Any]], folder: Path, file: Path) -> tuple[np.ndarray, list[Path]]:
    """(n,) ids, each once, and the files of the images."""
    files: dict[str, Path] = {}
    found = ImagesBeside(folder, file)
    for k, image in enumerate(listed["images"]):
        where = f"{shown(file)}, image {k}"
        name, path = _name(image, "id", where), found.file(_name(image, "file_name", where), where)
        if name in files:
            raise UserError(f"{where} has the id {name}, which another image has too")
        files[name] = path
    if not files:
        raise UserError(f"{shown(file)} lists no image")
    found.say_others(list(files.values()))
    return np.array(list(files)), list(files.values())


class ImagesBeside:
    """The images of an annotation file, in a folder or beside the file, by what the file calls them."""

    def __init__(self, folder: Path, file: Path):
        self.folder, self.source = folder if folder.is_dir() else file.parent, file
        self.named: dict[str, list[Path]] | None = None
        self.renamed = 0

    def file(self, name: str, where: str) -> Path:
        """The path in the folder or beside the annotations; else the one image that has this name, in any folder.

        Paths of Windows are taken. Raise `UserError` where there is no such image, or two.
        """
        plain = name.replace("\\", "/")
        for path in (self.folder / name, self.folder / plain, self.source.parent / plain):
            if path.is_file():
                break
        else:
            if self.named is None:
                self.named = {}
                for each in files_below(self.folder):
                    self.named.setdefault(each.name, []).append(each)
            last = PureWindowsPath(name).name
            same = self.named.get(last, [])
            if len(same) != 1:
                why = f"two images, as {shown(same[0])}" if same else f"no image{nearest(last, self.named)}"
                raise UserError(f"{where}: the file_name {name!r} is {why} in {shown(self.folder)}")
            (path,) = same
        if path != self.folder / name:
            self.renamed += 1
            if self.renamed == 1:
                logging.getLogger(__name__).warning(
                    "%s: the file_name %r is read as %s, and others like it", where, name, shown(path)
                )
        return path

    def say_others(self, listed: Sequence[Path]) -> None:
        """Say how many images are not listed: they are not read."""
        others = sorted({each.resolve() for each in files_below(self.folder)} - {each.resolve() for each in listed})
        if others:
            said = f"{len(others)} images in {shown(self.folder)} are not listed, and not read: {others[0].name}"
            logging.getLogger(__name__).warning("%s: %s%s", shown(self.source), said, ", ..." * (len(others) > 1))


# -- boxes -------------------------------------------------------------------------------------------------------------


def _boxes(
    listed: Mapping[str, list[Any]], classes: Sequence[str], ids: np.ndarray, file: Path, fields: str
) -> FoundBoxes:
    label_of = _labels(listed, classes, file)
    row_of = {name: row for row, name in enumerate(ids.tolist())}
    boxes = FoundBoxes(shown(file), fields, remedy=f"its list 'annotations' has {len(listed['annotations'])} entries")
    for k, each in enumerate(listed["annotations"]):
        where = f"{shown(file)}, annotation {k}"
        image, category, box = _name(each, "image_id", where), _name(each, "category_id", where), each.get("bbox")
        if image not in row_of:
            raise UserError(f"{where} belongs to image {image}, which is not listed")
        if category not in label_of:
            raise UserError(f"{where} is of category {category}, which is not listed, or is not a class")
        numbers = numbers_of(box if isinstance(box, list) else [box], 4, f"{where}, bbox")
        if is_set(each.get("iscrowd"), f"{where}: iscrowd"):
            boxes.left_out["of crowds"] += 1
        else:
            boxes.add(row_of[image], label_of[category], numbers, f"annotation {k}")
    return boxes


def _labels(listed: Mapping[str, list[Any]], classes: Sequence[str], file: Path) -> dict[str, int]:
    """Id -> label of the categories. One that is not a class may stand beside all classes where no box is of it, as the
    root of Roboflow's categories."""
    name_of: dict[str, str] = {}
    for k, category in enumerate(listed["categories"]):
        where = f"{shown(file)}, category {k}"
        number, name = _name(category, "id", where), _name(category, "name", where)
        if name_of.setdefault(number, name) != name:
            raise UserError(f"{where} has the id {number}, which the category {name_of[number]!r} has too")
    used = {str(each.get("category_id")) for each in listed["annotations"] if isinstance(each, dict)}
    strange = {number: name for number, name in name_of.items() if name not in classes}
    missing = set(classes) - set(name_of.values())
    for number, name in strange.items():
        if number in used or missing:
            boxes = "with boxes" if number in used else "without boxes"
            raise UserError(
                f"{shown(file)} has a category {name!r} {boxes}{nearest(name, classes)}, "
                f"but the classes are {', '.join(classes)}"
            )
        logging.getLogger(__name__).warning(
            "%s: the category %r is not a class and has no box; it is left out", shown(file), name
        )
    return {number: list(classes).index(name) for number, name in name_of.items() if number not in strange}


def _ids_as_text(listed: Mapping[str, list[Any]]) -> dict[str, Any]:
    return {"text_ids": any(isinstance(image["id"], str) for image in listed["images"])}


def _categories(listed: Mapping[str, list[Any]], classes: Sequence[str]) -> dict[str, Any]:
    """The number of every class, where all have one."""
    number_of = {category["name"]: str(category["id"]) for category in listed["categories"][::-1]}
    numbers = [number_of.get(name, "") for name in classes]
    return {"categories": [int(number) for number in numbers]} if all(map(str.isdecimal, numbers)) else {}


def _name(entry: Any, key: str, where: str) -> str:
    """A number or a text of an entry, as text: 3, 3.0 and "3" are one name. Raise `UserError` where it is neither."""
    if not isinstance(entry, dict) or key not in entry:
        raise UserError(f"{where} has no {key!r}")
    value = entry[key]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise UserError(f"{where}: the {key} is {value!r}, but should be a number or a text")
    return str(value)
