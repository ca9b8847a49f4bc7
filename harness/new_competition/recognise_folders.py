"""Labels that no table holds: a folder for every class, or the class at the beginning of every image's name."""

import re
from collections.abc import Callable, Sequence

from harness.errors import UserError, listed
from harness.new_competition.host_files import Host, folder_of
from harness.new_competition.reading import Reading, as_source, in_order, metric_for
from harness.new_competition.recognise_inputs import common_shape, finish
from harness.new_competition.sample_keys import SampleKeys

FEWEST = 3  # images a class, on average, from which on beginnings of names are taken for classes
WORD = r"^([A-Za-z]+)[ ._-]?\d+"  # cat.12, dog_7

Cells = Callable[[Host, SampleKeys, tuple[str, ...], Reading], str]  # how a label of these classes is written


def classes_without_a_table(host: Host, keys: SampleKeys, cells: Cells) -> Reading | None:
    """None where neither folders nor names tell a class of the images that are not asked for."""
    if not host.images:
        return None
    asked = set(host.files_of(keys.ids, host.folders_of(keys.ids)).values())
    inside: dict[str, set[str]] = {}
    for file in (file for files in host.images.values() for file in files):
        inside.setdefault(file.parent.parent.relative_to(host.raw).as_posix(), set()).add(file.parent.name)
    of_asked = {(file.parent.parent.relative_to(host.raw).as_posix(), file.parent.name) for file in asked}
    places = {
        place: names
        for place, names in inside.items()
        if len(names) > 1 and not any((place, name) in of_asked for name in names)
    }
    if len(keys.predicted) > 1:
        places = {place: names for place, names in places.items() if names == set(keys.predicted)}
    if len(places) > 1:
        raise UserError(
            f"{listed(places)} all hold folders of images, of which each may be a class; leave out what is not learned "
            "from, or write the folder with TASK=classification"
        )
    for place, names in places.items():
        return of_folders(host, keys, cells, place, sorted(names, key=in_order))
    rest = [file for files in host.images.values() for file in files if file not in asked]
    words = [re.match(WORD, file.stem) for file in rest]
    classes = sorted({match[1] for match in words if match})
    if rest and None not in words and 1 < len(classes) <= len(rest) / FEWEST and len(keys.predicted) == 1:
        folders = sorted({folder_of(file.relative_to(host.raw)) for file in rest})
        return of_names(host, keys, cells, folders, classes, [file.stem for file in rest])
    return None


def of_folders(host: Host, keys: SampleKeys, cells: Cells, folder: str, names: Sequence[str]) -> Reading:
    classes = tuple(keys.predicted if len(keys.predicted) > 1 else names)
    files = [file for files in host.images.values() for file in files if file.parent.parent == host.raw / folder]
    host.say(f"target: {len(classes)} classes, a folder for each in {folder}: {listed(classes)}")
    reading = Reading("classification", "what an image shows", metric_for(host, "classification"), classes)
    return completed_images(host, keys, reading, cells, "class_folders", [folder], [file.stem for file in files])


def of_names(
    host: Host, keys: SampleKeys, cells: Cells, folders: Sequence[str], classes: Sequence[str], stems: Sequence[str]
) -> Reading:
    host.say(f"target: {len(classes)} classes, with which the names of the images begin: {listed(classes)}")
    reading = Reading("classification", "what an image shows", metric_for(host, "classification"), tuple(classes))
    return completed_images(host, keys, reading, cells, "classes_in_names", folders, stems)


def completed_images(
    host: Host,
    keys: SampleKeys,
    reading: Reading,
    cells: Cells,
    reader: str,
    folders: Sequence[str],
    stems: Sequence[str],
) -> Reading:
    cells_shown = host.frame(host.sample)[keys.predicted].to_numpy().ravel()
    shown = {word for cell in cells_shown for word in (cell, *cell.split())}
    asked = reading.metric.needs == "labels" or "k=" in reading.metric.expression
    if asked and not host.assumed and not shown & set(reading.classes):
        raise UserError(
            f"the labels in {host.sample} are such as {listed(sorted(shown), 3)}, but the classes of images would be "
            f"{listed(reading.classes, 3)}, and no table has others; write the folder with TASK=classification"
        )
    reading.cells = "Probabilities()" if len(keys.predicted) > 1 else cells(host, keys, reading.classes, reading)
    reading.rows = len(stems)
    reading.shape, size = common_shape(host)
    host.say(f"inputs: {len(stems)} images{f', resized to {size[0]} x {size[1]}' if size else ''}")
    arguments = ["classes=CLASSES", *([f"label=part_of_id({as_source(WORD)})"] if reader == "classes_in_names" else [])]
    arguments += [f"size={size}"] if size else []
    return finish(host, keys, reading, reader, folders, arguments, stems)
