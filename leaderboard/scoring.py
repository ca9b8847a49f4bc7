"""One file, scored on the public and on the private rows by the declared metric, with intervals."""

import io
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.bootstrap import interval
from harness.competition import Competition
from harness.errors import InvalidSubmission
from leaderboard.answers import Answers
from leaderboard.tables import PARTS


class Scored(NamedTuple):
    """The score of one part, its 95 % bounds, and the metric's statistics of its rows."""

    value: float
    low: float
    high: float
    statistics: np.ndarray


def score_file(competition: Competition, file: Path, answers: Answers) -> dict[str, Scored]:
    """Public and private score; raise `InvalidSubmission` where the file, or its score, is none."""
    try:
        decided = competition.task.read(file, answers.ids)
    except InvalidSubmission as refusal:
        raise _explained(refusal, file, answers.ids, competition.name) from refusal
    statistics = competition.metric.statistics(answers.targets, decided)
    parts = {part: answers.rows(part) for part in PARTS}
    return {part: _score_part(competition, statistics[rows], answers.groups[rows]) for part, rows in parts.items()}


def _score_part(competition: Competition, rows: np.ndarray, groups: np.ndarray) -> Scored:
    scored = Scored(*interval(competition.metric, rows, groups), rows)
    # Says nothing about which part it was, or why: that would be a word about the answers.
    if not all(math.isfinite(bound) and abs(bound) < 1e300 for bound in scored[:3]):
        raise InvalidSubmission(f"the {competition.metric.name} of this file is not a finite number: it is refused")
    return scored


def _explained(refusal: InvalidSubmission, file: Path, ids: np.ndarray, competition: str) -> InvalidSubmission:
    """Where no id of a table is asked for, that is what to say, rather than which column came first."""
    asked = set(map(str, ids))
    if {name in asked for name in _first_column(file)} != {False}:
        return refusal
    return InvalidSubmission(
        f"{file.name}: none of the ids is one of the {len(asked)} asked for in {competition}: "
        f"the file was made for another competition or for other data ({refusal})"
    )


def _first_column(file: Path) -> Iterator[str]:
    """Of a CSV table, without its header; nothing for other formats. A file may be long: none of it is kept."""
    if file.suffix != ".csv":
        return
    with file.open(encoding="utf-8", errors="replace") as lines:
        next(lines, "")
        for line in lines:
            yield line.split(",", 1)[0].strip().strip('"')


def pack(rows: np.ndarray) -> bytes:
    """Statistics as the database keeps them: the bytes of an npy file without pickle, compressed."""
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    return zlib.compress(buffer.getvalue())


def unpack(packed: bytes) -> np.ndarray:
    return np.load(io.BytesIO(zlib.decompress(packed)), allow_pickle=False)
