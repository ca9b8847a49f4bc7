"""The private answers of prepared data: the only place in the project that opens them."""

import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness import paths
from harness.data.columns import column_of
from harness.errors import UserError, listed
from harness.files import read_json
from harness.tasks.layout import COPIED, Asked

TARGETS = "targets"  # the names of the arrays of the targets begin so


class JudgedData(NamedTuple):
    """Prepared data with private answers, which name a board. source: where they came from, None if not recorded."""

    competition: str
    data_hash: str
    source: str | None

    @property
    def key(self) -> dict[str, str]:
        """The columns of the database that name the board."""
        return {"competition": self.competition, "data_hash": self.data_hash}


class Answers(NamedTuple):
    """The judge's rows: groups (n,) int, public (n,) bool, targets as the task stores them.

    asked: their ids, and whatever else a file must name.
    """

    asked: Asked
    groups: np.ndarray
    public: np.ndarray
    targets: Any

    @property
    def ids(self) -> np.ndarray:
        return self.asked.ids

    def rows(self, part: str) -> np.ndarray:
        """(n,) bool: the rows of the "public" or the "private" part."""
        return self.public if part == "public" else ~self.public


def prepared(competition: str, data_hash: str | None = None) -> JudgedData:
    """The data whose hash begins with `data_hash`, else those prepared last; raise `UserError` if there are none.

    current.json names the data prepared last. Where it is missing (FAST=1 does not write it), the newest data count.
    """
    current = paths.data(competition) / "current.json"
    last = read_json(current) if current.exists() else {}
    files = sorted(paths.data(competition).glob("*/private/answers.npz"), key=lambda file: file.stat().st_mtime_ns)
    hashes = [file.parent.parent.name for file in files]
    wanted = data_hash or last.get("data_hash") or (hashes[-1] if hashes else "")
    matching = [known for known in hashes if wanted and known.startswith(wanted)]
    if len(matching) == 1:
        source = last.get("source") if matching[0] == last.get("data_hash") else None
        return JudgedData(competition, matching[0], source)
    if data_hash and hashes:
        raise UserError(f"--data {data_hash} names {len(matching)} of the data of {competition}: {listed(hashes)}")
    if server := last.get("server"):
        raise UserError(f"the answers of {competition} are on {server}, and the board too: add SERVER={server}")
    raise UserError(
        f"no data are prepared for {competition}; `make data COMP={competition}` prepares them, "
        f"and so does `make submit COMP={competition}`"
    )


def count_ids(data: JudgedData) -> int:
    """How many rows a submission must have."""
    return _counts(data, _file(data))["ids"]


def count_groups(data: JudgedData, part: str) -> int:
    """How many groups the bootstrap of "public" or "private" resamples."""
    return _counts(data, _file(data))[part]


@lru_cache(maxsize=64)
def _counts(data: JudgedData, _file: Path) -> dict[str, int]:
    answers = read_answers(data)
    groups = {part: len(np.unique(answers.groups[answers.rows(part)])) for part in ("public", "private")}
    return {"ids": len(answers.ids), **groups}


def read_answers(data: JudgedData) -> Answers:
    file = _file(data)
    try:
        with np.load(file, allow_pickle=False) as arrays:
            targets = column_of({name[len(TARGETS) :]: arrays[name] for name in arrays if name.startswith(TARGETS)})
            copied = {name.removeprefix(COPIED): arrays[name] for name in arrays if name.startswith(COPIED)}
            asked = Asked(arrays["ids"], arrays.get("sizes"), copied)
            return Answers(asked, arrays["groups"], arrays["public"], targets)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{paths.shown(file)} cannot be read ({type(error).__name__}); restore it, or delete the folder "
            f"{paths.shown(file.parents[1])} and run `make data COMP={data.competition}`"
        ) from error


def _file(data: JudgedData) -> Path:
    return paths.private(data.competition, data.data_hash) / "answers.npz"
