"""What travels between the parent and the actors of a Ray cluster: folders in chunks, paths, and our own code."""

import importlib
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness import paths

CHUNK = 64 * 2**20  # bytes of one object in the store: no file is ever in memory as a whole
HARNESS = Path(__file__).parents[2]


class Parcel(NamedTuple):
    """A shared folder. files: name in it -> references to its chunks, in order."""

    number: int
    folder: str  # below `folders.root()`
    files: Mapping[str, list[Any]]


class Outcome(NamedTuple):
    """What a job left. files: name below the home -> size in bytes, new or changed; gone: names it removed."""

    result: Any
    files: Mapping[str, int]
    gone: Collection[str]


def listing(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Name of every file below -> (size, time, inode), which no rewriting leaves alike; without temporary files."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.name.startswith("."):
            facts = file.stat()
            found[file.relative_to(folder).as_posix()] = (facts.st_size, facts.st_mtime_ns, facts.st_ino)
    return found


def chunk(file: Path, offset: int) -> np.ndarray:
    """uint8, at most `CHUNK` of them."""
    return np.fromfile(file, np.uint8, CHUNK, offset=offset)


def pack(folder: Path, put: Callable[[np.ndarray], Any]) -> dict[str, list[Any]]:
    """The files of a `Parcel`; `put` gives a reference for a chunk."""
    return {
        name: [put(chunk(folder / name, offset)) for offset in range(0, size, CHUNK)]
        for name, (size, *_) in listing(folder).items()
    }


def unpack(files: Mapping[str, list[Any]], folder: Path, get: Callable[[Any], Any]) -> None:
    """The inverse of `pack`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, references in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with open(folder / name, "wb") as file:
            for reference in references:
                file.write(get(reference))


def in_order(names: Iterable[str]) -> list[str]:
    """As they are safely written: a JSON says that what it stands beside is there, and fold.json says it of all.

    >>> in_order(["a/fold.json", "a/finished.json", "a/oof-plain.flat.npy"])
    ['a/oof-plain.flat.npy', 'a/finished.json', 'a/fold.json']
    """
    return sorted(names, key=lambda name: (name.endswith(".json"), name.endswith("/fold.json"), name))


def carry_paths() -> None:
    """From now on a path below `folders.root()` arrives as that path below the root of whoever receives it."""
    from ray.util import register_serializer

    register_serializer(type(Path()), serializer=_leave_root, deserializer=_enter_root)


def _leave_root(path: Path) -> tuple[bool, str]:
    below = path.is_relative_to(paths.root())
    return below, str(path.relative_to(paths.root()) if below else path)


def _enter_root(carried: tuple[bool, str]) -> Path:
    below, name = carried
    return paths.root() / name if below else Path(name)


def write_code(folder: Path) -> None:
    """The harness and all competitions, wherever they lie here, so that a node needs nothing but the environment."""
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(HARNESS, folder / HARNESS.name, ignore=ignored)
    package, places = importlib.import_module("competitions"), []
    for number, path in enumerate(map(Path, package.__path__)):
        beside = path.resolve() == HARNESS.parent / "competitions"  # the hash of the code looks there
        places.append("competitions" if beside else f"competitions_{number}")
        shutil.copytree(path, folder / places[-1], ignore=ignored)
    (folder / "competitions").mkdir(exist_ok=True)
    lines = f"from pathlib import Path\n\n__path__ = [str(Path(__file__).parents[1] / name) for name in {places}]\n"
    (folder / "competitions" / "__init__.py").write_text(lines)
