"""How a host's files belong together: which table is the sample, which train and test, and what each column is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.data.formats.image_files import SUFFIXES, composed, files_matched, files_named, is_hidden, names_of
from harness.data.tables.cell_values import numbers_in
from harness.data.tables.csv_files import read_csv
from harness.data.tables.json_rows import json_rows
from harness.data.tables.table import UNNAMED
from harness.data.tables.table_inputs import counts_rows
from harness.errors import UserError, listed, nearest

TABLES = (".csv", ".tsv", ".json")
UNREAD = {".7z": "unpack it with 7z", ".rar": "unpack it with unrar", ".parquet": "save it as CSV with pandas"}
MASKS = re.compile(r".*(mask|annotation|ground.?truth).*", re.IGNORECASE)
PARTS = re.compile(r"images?|imgs?|.*(mask|annotation|ground.?truth).*", re.IGNORECASE)


@dataclass(frozen=True)
class Options:
    """What a person may say: columns and tables of the host's, the kind of task, the order of pixels in run lengths."""

    metric: str
    target: str | None = None
    group: str | None = None
    task: str | None = None
    sample: str | None = None
    pixels: str | None = None  # "columns" or "rows"
    class_: str | None = None  # of two, whose probability is asked


@dataclass
class Host:
    """tables: path in raw -> cells as text. images: folder in raw with images, as `folder_of` has it -> their files.

    sample, train, test: paths of tables; None where there is none. answers: the table of the target, where it is
    another than train, whose rows have it beside then. assumed: whether the sample is only in memory, as the host hands
    out none. template: as in `files_matched`, where parts of paths are ids. said: what was taken and why, a line each.
    """

    raw: Path
    options: Options
    tables: dict[str, pd.DataFrame]
    images: dict[str, list[Path]]
    sample: str | None = None
    train: str | None = None
    test: str | None = None
    answers: str | None = None
    template: tuple[str, str] | None = None
    assumed: bool = False
    said: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, raw: Path, options: Options) -> "Host":
        files = [file for file in sorted(raw.rglob("*")) if file.is_file() and not is_hidden(file, raw)]
        images: dict[str, list[Path]] = {}
        for file in files:
            if file.suffix.lower() in SUFFIXES:
                images.setdefault(folder_of(file.relative_to(raw)), []).append(file)
        tables = {}
        for file in files:
            if file.suffix.lower() in TABLES and (file.suffix.lower() != ".json" or json_rows(file)):
                tables[file.relative_to(raw).as_posix()] = plain(read_csv(file))
        host = cls(raw, options, tables, images)
        for file in (file for file in files if file.suffix.lower() in UNREAD):
            host.say(f"not read: {file.relative_to(raw)}; {UNREAD[file.suffix.lower()]} and give the folder as FROM=")
        host.sample = host._sample()
        host.test = host._named("test", "train")
        if host.test:  # an answer column that is empty there is what is asked for
            test = tables[host.test]
            tables[host.test] = test.loc[:, (test != "").any()]
        host.train = host._train()
        host._add_answers()
        return host

    def say(self, line: str) -> None:
        self.said.append(line)

    # -- which table is which --------------------------------------------------------------------------------------

    def _sample(self) -> str | None:
        """Named like one; of several the one that asks for all that the others ask for."""
        given = self.options.sample
        if given:
            if given not in self.tables:
                raise UserError(f"SAMPLE={given} is not a table there{nearest(given, self.tables)}")
            return given
        named = [path for path in self.tables if self._is_sample(path)]
        rows = {path: set(self.tables[path].iloc[:, 0]) for path in named}
        most = max(named, key=lambda path: len(rows[path]), default=None)
        if most and any(not rows[path] <= rows[most] for path in named):
            raise UserError(f"which is the sample submission? Say SAMPLE={' or SAMPLE='.join(named)}")
        if most:
            other = (
                f"; it asks for all that {', '.join(path for path in named if path != most)} does" if named[1:] else ""
            )
            self.say(f"sample submission: {most}, {len(self.tables[most])} rows{other}")
        return most

    def _named(self, word: str, other: str) -> str | None:
        """The table whose name holds the word and not the other one; the one with most rows of several."""
        names = [
            path for path in self.tables if word in Path(path).stem.lower() and other not in Path(path).stem.lower()
        ]
        return max(
            (path for path in names if path != self.sample), key=lambda path: len(self.tables[path]), default=None
        )

    def _train(self) -> str | None:
        """The table named so, else the only one that shares a column with the sample or holds the target."""
        shared = {name.casefold() for name in self.frame(self.sample).columns} | {
            (self.options.target or "").casefold()
        }
        rest = [path for path in self.tables if path not in (self.sample, self.test) and not self._is_sample(path)]
        fitting = [path for path in rest if shared & {name.casefold() for name in self.tables[path].columns}]
        named = [path for path in rest if "train" in Path(path).stem.lower()]
        both = [path for path in named if path in fitting]
        rest = rest if self.sample is None and not self.options.target else []
        for choice in (both, named, fitting, rest):
            if len(choice) == 1 or (choice and choice is both):
                return max(choice, key=lambda path: len(self.tables[path].columns))
        return None

    def _add_answers(self) -> None:
        """Look for a target that train lacks in a table with the same ids, and put it beside train's columns."""
        asked = [self.options.target] if self.options.target else list(self.frame(self.sample).columns[1:])
        missing = [name for name in asked if self.column(self.train, name) is None]
        if not missing or self.train is None:
            return
        train = self.frame(self.train)
        for path in self.tables:
            columns = [name for each in missing if (name := self.column(path, each))]
            if path in (self.sample, self.test, self.train) or len(columns) < len(missing):
                continue
            for id in [name for name in train.columns if name in self.frame(path).columns]:
                known = self.frame(path).set_index(id)
                if train[id].is_unique and known.index.is_unique and set(train[id]) <= set(known.index):
                    self.tables[self.train] = train.assign(
                        **{name: known[name][train[id]].to_numpy() for name in columns}
                    )
                    self.answers = path
                    self.say(f"answers: {listed(columns)} of {path}, by {id} for the rows of {self.train}")
                    return

    def _is_sample(self, path: str) -> bool:
        return bool(re.search(r"sample|submission", Path(path).name, re.IGNORECASE))

    def frame(self, path: str | None) -> pd.DataFrame:
        return pd.DataFrame() if path is None else self.tables[path]

    def column(self, path: str | None, name: str) -> str | None:
        """The column of this name, in whatever case."""
        return next((each for each in self.frame(path).columns if each.casefold() == name.casefold()), None)

    def require_column(self, name: str) -> str:
        column = self.column(self.train, name)
        if column is None:
            known = list(self.frame(self.train).columns)
            raise UserError(f"{self.train} has no column {name!r}{nearest(name, known)}; there are {listed(known)}")
        return column

    # -- images --------------------------------------------------------------------------------------------------------

    def folders_of(self, ids: Sequence[str]) -> list[str]:
        """The fewest folders in which every id names an image; [] where some name none."""
        wanted, chosen = set(map(composed, ids)), list[str]()
        known = dict(self.image_names)
        while wanted and known:
            best = max(known, key=lambda folder: len(wanted & known[folder]))
            if not wanted & known[best]:
                return []
            chosen.append(best)
            wanted -= known.pop(best)
        return sorted(chosen) if not wanted else []

    @cached_property
    def image_names(self) -> dict[str, set[str]]:
        """How the images of every folder may be named."""
        return {
            folder: {composed(name) for file in files for name in self.names_of(file, self.raw / folder)}
            for folder, files in self.images.items()
        }

    def names_of(self, file: Path, folder: Path) -> set[str]:
        if self.template is None:
            return names_of(file, folder)
        match = re.search(self.template[0], file.relative_to(folder).with_suffix("").as_posix())
        return {match.expand(self.template[1])} if match else set()

    def files_of(self, ids: Sequence[str], folders: Sequence[str]) -> dict[str, Any]:
        """id -> image, or images; raise `UserError` for an id without one."""
        if self.template is None:
            return dict(files_named(ids, *(self.raw / folder for folder in folders)))
        found = dict[str, Any]()
        for folder in folders:
            found |= files_matched(self.raw / folder, *self.template)
        return {name: found[name] for name in ids}

    def use_template(self, template: tuple[str, str] | None) -> None:
        self.template = template
        self.__dict__.pop("image_names", None)

    def naming_column(self, path: str | None, but: Sequence[str] = ()) -> str | None:
        """The column whose cells all name images."""
        table = self.frame(path)
        return next(
            (name for name in table.columns if name not in but and self.folders_of(table[name].unique().tolist())), None
        )


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """The cells as `csv_table` understands them: numbers with a point, "" where they are missing; no pandas index."""
    table.columns = [name.strip() or f"{UNNAMED}{k}" for k, name in enumerate(table.columns)]
    table = table.map(str.strip)
    for name in table.columns[~table.columns.duplicated()]:
        cells = table[name].to_numpy(object)
        if name.startswith(UNNAMED) and counts_rows(numbers_in(cells).values):
            table = table.drop(columns=name)
            continue
        read = numbers_in(cells)
        if not read.wrong.any() and read.commas:
            table[name] = ["" if value != value else f"{value:.15g}" for value in read.values.tolist()]
        elif not read.wrong.any() and not np.isnan(read.values).all():
            table[name] = np.where(np.isnan(read.values), "", cells)
    return table


def folder_of(file: Path) -> str:
    """The folder to which an image belongs: the topmost one, or train/images and train/masks where there are these."""
    *folders, _ = file.parts
    kinds = 2 if len(folders) > 1 and PARTS.fullmatch(folders[1]) else 1
    return "/".join(folders[:kinds]) or "."
