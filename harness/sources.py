"""Where a competition's raw files come from: tried in the order declared, and what was used is said."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from harness import folders
from harness.errors import UserError
from harness.files import read_json, write_json


class Found(NamedTuple):
    """kind: "files", "kaggle", "url" or "sample"; folder: where the raw files lie."""

    kind: str
    folder: Path


class Source(Protocol):
    def find(self, competition: str) -> Found | None:
        """The raw files, fetched or made where needed; None where this source is not for this machine."""


def locate(competition: str, sources: Sequence[Source], given: Path | None = None) -> Found:
    """The first source that has the files; `given` (DATA=) allows no other than its own files.

    Raise `UserError` naming what is missing.
    """
    if given is not None:
        return _given(given, sources)
    for source in sources:
        if found := source.find(competition):
            return found
    raise UserError(
        f"no data for {competition}: put its files into {folders.shown(folders.data(competition) / 'raw')}, or name their folder with DATA="
    )


def _given(folder: Path, sources: Sequence[Source]) -> Found:
    if not folder.is_dir():
        raise UserError(f"DATA={folder} is not a folder")
    layouts = [source for source in sources if isinstance(source, File)]
    for layout in layouts:
        if layout.in_folder(folder):
            return Found("files", folder)
    closest = min(layouts, key=lambda layout: len(layout.missing(folder)))
    choices = "; or ".join(" and ".join(layout.names) for layout in layouts)
    raise UserError(f"DATA={folder} lacks {', '.join(closest.missing(folder))}; it should hold {choices}")


class File(tuple[str, ...]):
    """Files that are already there, in data/<name>/raw/ or in the folder given as DATA=."""

    def __new__(cls, *names: str) -> "File":
        return super().__new__(cls, names)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self)

    def missing(self, folder: Path) -> list[str]:
        return [name for name in self if not (folder / name).exists()]

    def in_folder(self, folder: Path) -> bool:
        return not self.missing(folder)

    def find(self, competition: str) -> Found | None:
        raw = folders.data(competition) / "raw"
        return Found("files", raw) if self.in_folder(raw) else None


@dataclass(frozen=True)
class Kaggle:
    """A Kaggle competition's files, through the official client, where credentials are there."""

    slug: str

    def find(self, competition: str) -> Found | None:
        if not _kaggle_credentials():
            return None
        raw = folders.data(competition) / "raw"
        done = raw / ".kaggle.json"
        if not done.exists():
            _kaggle_download(self.slug, raw)
            write_json(done, {"slug": self.slug})
        return Found("kaggle", raw)


def _kaggle_credentials() -> bool:
    home = Path(os.environ.get("KAGGLE_CONFIG_DIR") or Path.home() / ".kaggle")
    tokens = {"KAGGLE_API_TOKEN", "KAGGLE_KEY"} & os.environ.keys()
    return bool(tokens) or (home / "kaggle.json").exists() or (home / "access_token").exists()


def _kaggle_download(slug: str, raw: Path) -> None:
    """Download and unpack into a folder beside `raw`, which takes its place when everything is there."""
    raise NotImplementedError


@dataclass(frozen=True)
class Url:
    """One file at a web address, checked against its sha256 (pooch)."""

    address: str
    sha256: str

    def find(self, competition: str) -> Found | None:
        raise NotImplementedError


@dataclass(frozen=True)
class Sample:
    """Data made on the spot, so that every competition runs on a machine with no data and no network.

    make: writes the raw files into the folder given; a function of nothing else, so all machines agree.
    """

    make: Callable[[Path], None]

    def find(self, competition: str) -> Found | None:
        folder = folders.data(competition) / "sample"
        done = folder / ".made.json"
        if not done.exists() or read_json(done)["maker"] != self.make.__qualname__:
            folder.mkdir(parents=True, exist_ok=True)
            self.make(folder)
            write_json(done, {"maker": self.make.__qualname__})
        return Found("sample", folder)
