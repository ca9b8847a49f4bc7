"""The two layouts of masks in a submission file: wide rows of pixels, or run lengths."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from harness.errors import InvalidSubmission
from harness.files import atomic
from harness.tasks.submission_tables import RequiredIds, read_table

_NUMBERS = re.compile(r"[0-9\s]*")


class MaskTask(Protocol):
    """What a layout must know of its task."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def shape(self) -> tuple[int, int]: ...


class MaskLayout(NamedTuple):
    """How a task's masks are written and read back: `WIDE` or `RUN_LENGTH`."""

    write: Callable[[MaskTask, np.ndarray, np.ndarray, Path], None]
    read: Callable[[MaskTask, Path, np.ndarray], np.ndarray]


# -- wide: id,0,1,...,8191, row-major ----------------------------------------------------------------------------------


def _write_wide(task: MaskTask, ids: np.ndarray, masks: np.ndarray, file: Path) -> None:
    text = [str(c) for c in range(len(task.classes))]
    with atomic(file) as out:
        out.write((",".join(_wide_header(task)) + "\n").encode())
        for name, mask in zip(ids, masks, strict=True):
            out.write((f"{name}," + ",".join([text[label] for label in mask.ravel().tolist()]) + "\n").encode())


def _read_wide(task: MaskTask, file: Path, ids: np.ndarray) -> np.ndarray:
    label_of = {str(c): c for c in range(len(task.classes))}
    masks = np.zeros((len(ids), task.shape[0] * task.shape[1]), np.uint8)
    required = RequiredIds(file, ids)
    for line, (name, *fields) in read_table(file, _wide_header(task)):
        row = required.row(name, line)
        figures = _one_figure_each(fields)
        if figures is not None and figures.max(initial=0) < len(label_of):
            masks[row] = figures
            continue
        try:
            masks[row] = [label_of[field] for field in fields]
        except KeyError as unknown:
            column = next(k for k, field in enumerate(fields) if field not in label_of)
            raise InvalidSubmission(
                f"{file.name}, line {line} (id {name}), column {column}: {unknown.args[0]!r} is not a class "
                f"from 0 to {len(label_of) - 1}"
            ) from None
    required.require_all()
    return masks.reshape(-1, *task.shape)


def _one_figure_each(fields: list[str]) -> np.ndarray | None:
    """The fields as uint8 where each of them is one figure, as in all but very many classes; else None."""
    text = np.frombuffer(",".join(fields).encode(), np.uint8)
    figures = text[::2] - ord("0")  # below "0" wraps to above 9
    plain = len(text) == 2 * len(fields) - 1 and (text[1::2] == ord(",")).all() and (figures <= 9).all()
    return figures if plain else None


def _wide_header(task: MaskTask) -> list[str]:
    return ["id", *map(str, range(task.shape[0] * task.shape[1]))]


# -- run lengths: id,class,rle (id,rle where there are two classes) ----------------------------------------------------


def _write_run_length(task: MaskTask, ids: np.ndarray, masks: np.ndarray, file: Path) -> None:
    header = _run_length_header(task)
    with atomic(file) as out:
        out.write((",".join(header) + "\n").encode())
        for name, mask in zip(ids, masks, strict=True):
            present = [c for c in np.unique(mask).tolist() if c != 0] or [1]  # an id without runs keeps one empty row
            for c in present:
                middle = [str(c)] if len(header) == 3 else []
                out.write((",".join([str(name), *middle, encode_runs(mask == c)]) + "\n").encode())


def _read_run_length(task: MaskTask, file: Path, ids: np.ndarray) -> np.ndarray:
    header = _run_length_header(task)
    masks = np.zeros((len(ids), task.shape[0] * task.shape[1]), np.uint8)
    required, pairs = RequiredIds(file, ids), set()
    for line, (name, *middle, runs) in read_table(file, header):
        where = f"{file.name}, line {line} (id {name})"
        row = required.row(name, line, repeated=len(header) == 3)
        label = middle[0] if middle else "1"
        if label not in map(str, range(1, len(task.classes))):
            raise InvalidSubmission(
                f"{where}, column class: {label!r} is not a class from 1 to {len(task.classes) - 1}"
            )
        if (row, label) in pairs:
            raise InvalidSubmission(f"{where}: class {label} is given a second time")
        pairs.add((row, label))
        pixels = decode_runs(runs, masks.shape[1], where)
        if masks[row][pixels].any():
            raise InvalidSubmission(f"{where}, column rle: a pixel is given to two classes")
        masks[row][pixels] = int(label)
    required.require_all()
    return masks.reshape(-1, *task.shape)


def _run_length_header(task: MaskTask) -> list[str]:
    return ["id", "rle"] if len(task.classes) == 2 else ["id", "class", "rle"]


def encode_runs(mask: np.ndarray) -> str:
    """`start length` pairs of the true pixels, 1-based, row-major.

    >>> encode_runs(np.array([[0, 1, 1], [1, 0, 1]], bool))
    '2 3 6 1'
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.ravel(), [0]]).astype(np.int8)))
    return " ".join(f"{start + 1} {stop - start}" for start, stop in edges.reshape(-1, 2).tolist())


def decode_runs(runs: str, size: int, where: str = "rle") -> np.ndarray:
    """(size,) bool; raise `InvalidSubmission` unless the runs are positive, ordered, disjoint and inside.

    >>> decode_runs("2 3 6 1", 6).astype(int).tolist()
    [0, 1, 1, 1, 0, 1]
    """
    numbers = runs.split()
    if len(numbers) % 2 or not _NUMBERS.fullmatch(runs) or max(map(len, numbers), default=0) > 9:
        raise InvalidSubmission(f"{where}, column rle: {runs[:40]!r} is not made of `start length` pairs")
    starts, lengths = np.array(list(map(int, numbers)), np.int64).reshape(-1, 2).T
    stops = starts + lengths - 1  # the last pixel of a run, 1-based
    wrong = (starts <= np.concatenate([[0], stops[:-1]])) | (lengths < 1) | (stops > size)
    if wrong.any():
        run = f"{starts[wrong.argmax()]} {lengths[wrong.argmax()]}"
        raise InvalidSubmission(
            f"{where}, column rle: the run {run} overlaps, is out of order or leaves the {size} pixels"
        )
    steps = np.zeros(size + 1, np.int8)
    steps[starts - 1] += 1
    steps[stops] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)


WIDE = MaskLayout(_write_wide, _read_wide)
RUN_LENGTH = MaskLayout(_write_run_length, _read_run_length)
