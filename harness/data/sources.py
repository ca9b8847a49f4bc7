"""Where a competition's raw files come from: sources are tried in the order declared, and the one used is printed."""

import inspect
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

from harness import paths
from harness.data import downloads
from harness.errors import UnreachableError, UserError, listed
from harness.files import TEMPORARY, locked, read_json, sha256_of, short_hash, sync_folder, write_json

RECORD = ".source.json"  # beside downloaded files: where they came from


class Found(NamedTuple):
    """kind: "files", "kaggle", "url" or "sample"; folder: where the raw files lie."""

    kind: str
    folder: Path


class Source(Protocol):
    @property
    def names(self) -> Sequence[str]:
        """The files by which a person's own folder (DATA=) is known; none where it cannot be."""

    def find(self, competition: str) -> Found | None:
        """The raw files, fetched or made where needed; None where this source is not for this machine.

        Raise `UnreachableError` where the next source may do instead, `UserError` where a person must decide.
        """


def locate(competition: str, sources: Sequence[Source], given: Path | None = None) -> Found:
    """The first source that has the files; `given` (DATA=) allows no other than its own files.

    Raise `UserError` naming what is missing.
    """
    if given is not None:
        return _given(given, [source.names for source in sources if source.names])
    unreachable: list[UnreachableError] = []
    for source in sources:
        try:
            found = source.find(competition)
        except UnreachableError as error:
            unreachable.append(error)
            continue
        if found:
            for reason in unreachable:
                print(f"{reason}; going on with the {found.kind}", file=sys.stderr)
            return found
    if unreachable:
        raise unreachable[0]
    raw = paths.shown(paths.data(competition) / "raw")
    raise UserError(f"no data for {competition}: put its files into {raw}, or name their folder with DATA=")


def _given(folder: Path, expected: Sequence[Sequence[str]]) -> Found:
    if not expected:
        raise UserError(f"DATA={folder} cannot be used: this competition declares no files that could lie in it")
    if not folder.is_dir():
        raise UserError(f"DATA={folder} is not a folder")
    missing = min((_missing(names, folder) for names in expected), key=len)
    if missing:
        choices = "; or ".join(listed(names, between=" and ") for names in expected)
        raise UserError(f"DATA={folder} lacks {listed(missing)}; it should hold {choices}")
    return Found("files", folder)


def _missing(names: Sequence[str], folder: Path) -> list[str]:
    return [name for name in names if not (folder / name).exists()]


class File:
    """Files that are already there, in data/<name>/raw/ or in the folder given as DATA=."""

    def __init__(self, *names: str):
        self.names = names

    def find(self, competition: str) -> Found | None:
        raw = paths.data(competition) / "raw"
        return None if _missing(self.names, raw) else Found(_record(raw).get("kind", "files"), raw)


@dataclass(frozen=True)
class Kaggle:
    """A Kaggle competition's files, through the official client, where credentials are there.

    With credentials it must work: who has them wants the real data, and would not notice a sample.
    """

    slug: str
    names: ClassVar[tuple[str, ...]] = ()

    def find(self, competition: str) -> Found | None:
        raw = paths.data(competition) / "raw"
        if _record(raw) == {"kind": "kaggle", "from": self.slug}:
            return Found("kaggle", raw)
        if not kaggle_credentials():
            return None
        return _fetch(competition, "kaggle", self.slug, partial(downloads.from_kaggle, self.slug))


def kaggle_credentials() -> bool:
    """Where the official client looks for them."""
    if os.environ.get("KAGGLE_API_TOKEN") or {"KAGGLE_USERNAME", "KAGGLE_KEY"} <= os.environ.keys():
        return True
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kaggle"
    own = Path(os.environ.get("KAGGLE_CONFIG_DIR") or Path.home() / ".kaggle")
    files = ("kaggle.json", "access_token", "access_token.txt", "credentials.json")
    return any((folder / name).exists() for folder in (own, settings) for name in files)


@dataclass(frozen=True)
class Url:
    """One file at a web address, checked against its sha256. Without a connection the next source may do."""

    address: str
    sha256: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.address.rsplit("/", 1)[1],)

    def find(self, competition: str) -> Found | None:
        raw = paths.data(competition) / "raw"
        file = raw / self.names[0]
        if not file.exists():
            return _fetch(competition, "url", self.address, partial(downloads.from_url, self.address, self.sha256))
        if (actual := sha256_of(file)) != self.sha256:
            raise UserError(
                f"{paths.shown(file)} has the sha256 {actual}, but {self.sha256} is declared; "
                "delete it to download it again, or give your own folder with DATA="
            )
        return Found("url", raw)


def _fetch(competition: str, kind: str, origin: str, download: Callable[[Path], None]) -> Found:
    """Download into a folder beside raw/, which takes its place when everything is there.

    What was received stays when the download is interrupted, so that the next one can go on.
    """
    raw = paths.data(competition) / "raw"
    if raw.exists() and (own := sorted(path.name for path in raw.iterdir())):
        raise UserError(
            f"{paths.shown(raw)} holds {own[0]}, but not all that {competition} needs; add the rest, "
            f"or empty the folder to have {origin} downloaded"
        )
    waiting = paths.data(competition) / ".download"
    with locked(waiting):
        files = waiting / "files"
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        download(files)
        write_json(files / RECORD, {"kind": kind, "from": origin})
        os.replace(files, raw)
        sync_folder(raw.parent)
    shutil.rmtree(waiting)
    return Found(kind, raw)


def _record(raw: Path) -> dict[str, str]:
    file = raw / RECORD
    return read_json(file) if file.exists() else {}


@dataclass(frozen=True)
class MadeSample:
    """Synthetic data, so that every competition runs on a machine with no data and no network.

    make: writes the raw files into the folder given; a function of nothing else, so all machines agree. The files are
    made again when the code of its module or of `synthetic` changes.
    """

    make: Callable[[Path], None]
    names: ClassVar[tuple[str, ...]] = ()

    def find(self, competition: str) -> Found | None:
        folder = paths.data(competition) / "sample"
        sources = (Path(inspect.getfile(self.make)), Path(__file__).with_name("synthetic.py"))
        made_by = short_hash(self.make.__qualname__, *(file.read_bytes() for file in sources))
        record = {"kind": "sample", "from": made_by}
        if _record(folder) != record:
            partial = folder.with_name(f".sample.{os.getpid()}{TEMPORARY}")
            partial.mkdir(parents=True)
            try:
                self.make(partial)
                write_json(partial / RECORD, record)
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(partial, folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        return Found("sample", folder)
