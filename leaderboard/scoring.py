"""Score one file by the declared metric on the public and the private rows, and store what the board needs of it.

Stored are the file by its sha256, the metric's statistics of every row, and the score of every bootstrap resample: from
these come ties and rank intervals.
"""

import csv
import hashlib
import io
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Engine, Table, insert, select

from harness import paths
from harness.bootstrap import RESAMPLES, interval
from harness.bootstrap import resamples as draw_resamples
from harness.competition import Competition
from harness.errors import InvalidSubmission, UserError
from harness.files import atomic, read_json
from harness.metrics import Metric
from harness.tasks.layout import Asked
from leaderboard.answers import Answers, JudgedData, read_answers
from leaderboard.database import PARTS, reading, resamples, scored_by, scores, statistics, submissions, writing

BLOCK = 1 << 20
MAX_REMEMBERED = 6000  # resampled scores of submissions in memory, 8 kB each
AT_ONCE = 500  # submissions whose statistics are in memory


class PartScore(NamedTuple):
    """The score of one part, its 95 % bounds, and the metric's statistics of its rows."""

    value: float
    low: float
    high: float
    statistics: np.ndarray


def score_file(competition: Competition, file: Path, answers: Answers) -> dict[str, PartScore]:
    """Public and private score; raise `InvalidSubmission` if the file breaks the format or a score is not finite."""
    try:
        predicted = competition.task.read(file, answers.asked)
    except InvalidSubmission as refusal:
        raise _explained(refusal, file, competition, answers.asked) from refusal
    metric, scored = competition.metric, dict[str, PartScore]()
    rows = metric.statistics(answers.targets, predicted)
    for part in PARTS:
        of_part = answers.rows(part)
        bounds = interval(metric, rows[of_part], answers.groups[of_part])
        # The message does not tell which part it was: that would reveal something about the answers.
        if not all(map(is_storable, bounds)):
            raise InvalidSubmission(f"the {metric.name} of this file is not a finite number: it is refused")
        scored[part] = PartScore(*bounds, rows[of_part])
    return scored


def is_storable(value: float) -> bool:
    """Whether the database takes this number as a score."""
    return math.isfinite(value) and abs(value) < 1e300


def _explained(refusal: InvalidSubmission, file: Path, competition: Competition, asked: Asked) -> InvalidSubmission:
    """If no id of a table is known, that is what to say, rather than which column came first."""
    layout = competition.task.table
    if file.suffix != ".csv" or layout.id_column is None:
        return refusal
    known, at = layout.id_cells(competition.task, asked), layout.header(competition.task).index(layout.id_column)
    cells = set(known)
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as content:
            rows = islice(csv.reader(content), 1, None)
            is_known = {row[at].strip() in cells for row in rows if len(row) > at}
    except csv.Error:
        return refusal
    if is_known != {False}:
        return refusal
    return InvalidSubmission(
        f"{file.name}: none of the ids is one of the {len(known)} asked for in {competition.name} (column "
        f"{layout.id_column}, such as {known[0]}): the file was made for another competition or other data ({refusal})"
    )


# -- the manifest that a run writes beside its submission --------------------------------------------------------------


def read_manifest(file: Path, data: JudgedData) -> dict[str, Any] | None:
    """The manifest of `file`, or None; raise `InvalidSubmission` if it is malformed or names another board."""
    path = file.with_suffix(".json")
    if path == file or not path.is_file():
        return None
    manifest = read_json(path)
    if not is_manifest(manifest):
        raise InvalidSubmission(
            f"{path} is not a submission manifest (a JSON object without NaN); delete it, or write it again"
        )
    check_manifest(manifest, data, file.name)
    return manifest


def check_manifest(manifest: dict[str, Any] | None, data: JudgedData, name: str) -> None:
    """Raise `InvalidSubmission` if the manifest of the file `name` was made for another board than `data`."""
    manifest = manifest or {}
    if manifest.get("competition", data.competition) != data.competition:
        raise InvalidSubmission(f"{name} was made for {manifest['competition']}, and this is {data.competition}")
    made_on = manifest.get("data_hash", data.data_hash)
    if made_on != data.data_hash:
        raise InvalidSubmission(
            f"{name} was made on the data {made_on}, but this board is for the data {data.data_hash}; "
            f"add --data {made_on} to score it there"
        )


def is_manifest(value: Any) -> bool:
    """A JSON object, of numbers and text that every database takes: PostgreSQL refuses NaN, U+0000 and half pairs.

    An integer beyond all floats is infinite for SQLite, which would then write what nobody can read.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        json.dumps(json.loads(text, parse_int=float), allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and b"\\u0000" not in text


# -- stored files ------------------------------------------------------------------------------------------------------


def stored_file(sha256: str) -> Path:
    return paths.root() / "boards" / sha256[:2] / sha256


def store_file(file: Path, sha256: str) -> None:
    """Copy `file` to the disk before the database names it; raise `UserError` if its content is no longer `sha256`."""
    if stored_file(sha256).exists():
        return
    digest = hashlib.sha256()
    try:
        with file.open("rb") as source, atomic(stored_file(sha256)) as copy:
            while block := source.read(BLOCK):
                digest.update(block)
                copy.write(block)
            if digest.hexdigest() != sha256:
                raise UserError(f"{file} changed while it was being scored; score it again when it is finished")
    except OSError as error:
        raise UserError(
            f"{paths.shown(paths.root() / 'boards')} cannot be written ({error.strerror}), and nothing was counted; "
            "free some space, or make it writable, and run the same command again"
        ) from error


# -- arrays in the database --------------------------------------------------------------------------------------------


def pack(array: np.ndarray) -> bytes:
    """The bytes of an npy file without pickle, compressed."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return zlib.compress(buffer.getvalue())


def unpack(packed: bytes) -> np.ndarray:
    return np.load(io.BytesIO(zlib.decompress(packed)), allow_pickle=False)


def store_arrays(
    connection: Connection, table: Table, metric: Metric, part: str, arrays: Mapping[int, np.ndarray]
) -> None:
    """Add the arrays that the database lacks, by the id of the submission."""
    known = (table.c.part == part, table.c.submission.in_(arrays), *scored_by(table, metric))
    stored = set(connection.scalars(select(table.c.submission).where(*known)))
    key = {"metric": metric.name, "version": metric.version, "part": part}
    for number, array in arrays.items():
        if number not in stored:
            connection.execute(insert(table).values(submission=number, packed=pack(array), **key))


def _read_arrays(
    engine: Engine, table: Table, metric: Metric, part: str, numbers: Sequence[int]
) -> dict[int, np.ndarray]:
    query = select(table.c.submission, table.c.packed).where(table.c.part == part, *scored_by(table, metric))
    with reading(engine) as connection:
        rows = connection.execute(query.where(table.c.submission.in_(numbers)))
        return {number: unpack(packed) for number, packed in rows}


def read_statistics(
    engine: Engine, competition: Competition, data: JudgedData, part: str, numbers: Sequence[int]
) -> dict[int, np.ndarray]:
    """Submission -> the metric's statistics of the rows of `part`; the stored file gives what the database lacks.

    Raise `UserError` if a stored file no longer has its public score: the answers, or the code, have changed.
    """
    metric = competition.metric
    arrays = _read_arrays(engine, statistics, metric, part, numbers)
    for number in [number for number in numbers if number not in arrays]:
        of_entry = (scores.c.submission == number, scores.c.part == "public", *scored_by(scores, metric))
        query = select(submissions.c.sha256, scores.c.value).join(scores).where(*of_entry)
        with reading(engine) as connection:
            sha256, public = connection.execute(query).one()
        if not stored_file(sha256).exists():
            raise UserError(f"the stored file {sha256[:12]} is missing; restore it from a backup")
        scored = score_file(competition, stored_file(sha256), read_answers(data))
        if not is_close(scored["public"].value, public):
            raise UserError(
                f"{sha256[:12]} no longer has the score that it had: the answers, or the code, have changed"
            )
        arrays[number] = scored[part].statistics
        with writing(engine) as connection:
            for name, score in scored.items():
                store_arrays(connection, statistics, metric, name, {number: score.statistics})
    return arrays


def is_close(a: float, b: float) -> bool:
    """Equal but for the rounding of another machine's arithmetic."""
    return abs(a - b) <= 1e-9 * max(1.0, abs(b))


def resampled_scores(
    engine: Engine, competition: Competition, data: JudgedData, part: str, numbers: Sequence[int], most: int = RESAMPLES
) -> np.ndarray:
    """(submissions, resamples) float32, in the order of `numbers`: the score on each of the first `most` resamples.

    Computed once for each submission, then cached in memory and stored in the database.
    """
    metric = competition.metric
    remembered = _remembered(engine, data, metric.name, metric.version, part)
    known = {number: remembered[number] for number in numbers if number in remembered}
    if missing := [number for number in numbers if number not in known]:
        stored = _read_arrays(engine, resamples, metric, part, missing)
        new = [number for number in missing if number not in stored]
        for chunk in (new[k : k + AT_ONCE] for k in range(0, len(new), AT_ONCE)):
            computed = _resample(engine, competition, data, part, chunk)
            with writing(engine) as connection:
                store_arrays(connection, resamples, metric, part, computed)
            stored |= computed
        known |= stored
        if len(remembered) + len(stored) > MAX_REMEMBERED:
            remembered.clear()
        remembered.update(stored)
    return np.stack([known[number][:most] for number in numbers])


@lru_cache(maxsize=32)
def _remembered(engine: Engine, data: JudgedData, metric: str, version: int, part: str) -> dict[int, np.ndarray]:
    return {}


def _resample(
    engine: Engine, competition: Competition, data: JudgedData, part: str, numbers: Sequence[int]
) -> dict[int, np.ndarray]:
    answers, metric = read_answers(data), competition.metric
    groups = answers.groups[answers.rows(part)]
    rows = read_statistics(engine, competition, data, part, numbers)
    batches: dict[int, list[np.ndarray]] = {number: [] for number in rows}
    for counts in draw_resamples(groups, len(groups)):
        for number, of_submission in rows.items():
            batches[number].append(np.asarray(metric.score(of_submission, counts)))
    return {number: np.concatenate(parts).astype(np.float32) for number, parts in batches.items()}
