"""The result of an audit, and its basic checks: shapes, labels, NaN, and the rows and classes of every fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from harness.audit.inspection import Inspection, are_images
from harness.data.bit_sets import pixels_of
from harness.data.images import EncodedImages
from harness.data.samples import Bags, Dataset, Joined, Ragged, Samples, bags_of, table_of
from harness.data.sized_masks import AT_ONCE, Masks, in_batches
from harness.data.splits import Holdout, Split
from harness.errors import UserError, listed
from harness.tasks import Task

Verdict = Literal["pass", "warn", "fail"]

HELD_OUT = -2  # the part of the hold-out's rows; -1 is a row without a fold, as in a split by time
NAMES = {HELD_OUT: "hold-out", -1: "no fold"}
NAMED = 5  # ids in the evidence


@dataclass(frozen=True)
class Check:
    """One question to the data. details: a table in plain JSON, where a sentence is too short for the numbers."""

    name: str
    verdict: Verdict
    evidence: str
    remedy: str = ""
    details: Sequence[Mapping[str, Any]] = ()

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "details": list(self.details)}


@dataclass(frozen=True)
class Audit:
    """exclusions: id -> reason, rows that leave training; groups: (n,) int, declared groups merged with duplicates."""

    checks: Sequence[Check]
    exclusions: dict[str, str]
    groups: np.ndarray

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all checks."""
        return max((check.verdict for check in self.checks), key=("pass", "warn", "fail").index)

    def to_json(self) -> dict[str, Any]:
        checks = [check.to_json() for check in self.checks]
        return {"verdict": self.verdict, "checks": checks, "exclusions": self.exclusions}


# -- shapes and labels -------------------------------------------------------------------------------------------------


def label_matrix(task: Task, targets: Any) -> np.ndarray:
    """(n, k) float: the targets as numbers, by their shape: how much of every class a row has, or the number itself.

    Boxes are counted, pixels give shares; without classes there is one column.
    """
    size = len(task.classes)
    if isinstance(targets, Ragged):
        counts = np.zeros((len(targets), size))
        rows = np.repeat(np.arange(len(targets)), np.diff(targets.offsets))
        np.add.at(counts, (rows, targets.flat[:, 0].astype(int)), 1)
        return counts
    if targets.ndim == 3:
        some = [
            np.stack([pixels_of(masks, label, task.multilabel).mean((1, 2)) for label in range(size)], 1)
            for (masks,) in in_batches(AT_ONCE, targets)
        ]
        return np.concatenate(some)
    targets = np.asarray(targets)
    if targets.ndim == 1:
        targets = np.eye(size)[targets] if size else targets[:, None]
    return np.asarray(targets, np.float64)


def check_shapes(dataset: Dataset) -> Check:
    labelled, wrong = dataset.labelled, []
    for part, samples in {"labelled": labelled, **dataset.official}.items():
        for name in ("inputs", "targets", "groups", "stratify", "details"):
            column = getattr(samples, name)
            if column is not None and len(column) != len(samples):
                wrong.append(f"{part}: {len(column)} {name} for {len(samples)} ids")
        if (bags := bags_of(samples.inputs)) is not None and (np.diff(bags.offsets) < 1).any():
            wrong.append(f"{part}: {samples.ids[np.diff(bags.offsets) < 1][0]} has no image")
        if not len(samples):
            wrong.append(f"{part}: no samples")
        if len(np.unique(samples.ids)) < len(samples):
            wrong.append(f"{part}: two samples have the same id")
        wrong += [f"{part}: {lines}" for lines in other_sizes(samples)]
        if difference(samples.inputs, labelled.inputs):
            wrong.append(f"{part}: {difference(samples.inputs, labelled.inputs)}")
    if wrong:
        return Check("shapes", "fail", listed(wrong, between="; "), "fix the files or the competition's load")
    sizes = listed(f"{part} {len(samples)}" for part, samples in dataset.official.items()) or "none"
    return Check("shapes", "pass", f"{len(labelled)} labelled samples of {kind_of(labelled.inputs)}; official: {sizes}")


def other_sizes(samples: Samples) -> list[str]:
    """Masks that have another size than their images, in words."""
    if not isinstance(samples.targets, Masks) or len(samples.targets) != len(samples.inputs):
        return []
    masks, images = samples.targets.shapes, samples.inputs.sizes
    return [
        "the mask of {} is {} x {}, its image {} x {}".format(samples.ids[row], *masks[row], *images[row])
        for row in np.flatnonzero((masks != images).any(1))
    ]


def kind_of(inputs: Any) -> str:
    """The shape and dtype of one input, in words."""
    if isinstance(inputs, Joined):
        return f"{kind_of(inputs.images)} and {kind_of(inputs.table)}"
    if isinstance(inputs, Bags):
        return f"several images each, {kind_of(inputs.flat)}"
    if isinstance(inputs, EncodedImages):
        return "pictures of any size"
    if inputs.dtype.names:
        return f"a table with {len(inputs.dtype.names)} columns: {listed(inputs.dtype.names)}"
    return f"{inputs.dtype} " + "x".join(map(str, inputs.shape[1:]))


def difference(inputs: Any, labelled: Any) -> str:
    """In which kind inputs differ from the labelled ones, of tables the columns; "" where they do not."""
    names, known = (() if table is None else table.dtype.names or () for table in map(table_of, (inputs, labelled)))
    if names and known and names != known:
        lacking, other = ([name for name in one if name not in two] for one, two in ((known, names), (names, known)))
        return f"the table lacks {listed(lacking) or 'no column'}, and has beside {listed(other) or 'no other one'}"
    kind, expected = kind_of(inputs), kind_of(labelled)
    return "" if kind == expected else f"inputs are {kind}, the labelled ones {expected}"


def check_labels(labelled: Samples, task: Task) -> Check:
    try:
        task.check_targets(labelled.targets)
    except UserError as error:
        return Check("labels", "fail", str(error), "fix the labels, or the classes in the declaration")
    if bags_of(labelled.inputs) is not None and (isinstance(labelled.targets, Ragged) or labelled.targets.ndim > 2):
        evidence = "masks and boxes belong to one image each, but here a row has several images"
        return Check("labels", "fail", evidence, "make every image a row of its own")
    return Check("labels", "pass", f"{len(labelled)} labels are as the task declares")


def check_finite(dataset: Dataset) -> Check:
    """A NaN in an image is broken; in a table, a missing value is common, and the model handles it."""
    labelled = dataset.labelled
    if holes := not_finite(labelled.targets):
        return Check("finite", "fail", f"{holes} targets have NaN or infinities", "remove or fix these samples")
    holes = sum(not_finite(samples.inputs) for samples in (labelled, *dataset.official.values()))
    if not holes:
        return Check("finite", "pass", "no NaN and no infinity")
    verdict: Verdict = "warn" if table_of(labelled.inputs) is not None or not are_images(labelled.inputs) else "fail"
    remedy = "fill or drop them in the competition's load"
    return Check("finite", verdict, f"{holes} inputs have NaN or infinities", remedy)


def not_finite(column: Any) -> int:
    """How many rows have a NaN or an infinity; in a table, how many values are one."""
    if isinstance(column, Joined):
        return not_finite(column.images) + not_finite(column.table)
    if isinstance(column, EncodedImages):
        return 0
    if isinstance(column, Ragged):
        return not_finite(column.flat)
    if column.dtype.names:
        return sum(not_finite(column[name]) for name in column.dtype.names)
    return sum(not np.isfinite(row).all() for row in column) if column.dtype.kind == "f" else 0


# -- folds -------------------------------------------------------------------------------------------------------------


def parts_of_split(samples: Samples, split: Split, holdout: Holdout) -> np.ndarray:
    """(n,) int: the fold of every row, or HELD_OUT. Raise `UserError` as the split does."""
    held_out = split.held_out(samples, holdout)
    part = np.full(len(samples), HELD_OUT)
    part[~held_out] = split.assign_folds(samples[~held_out], split.folds)
    return part


def check_folds(labelled: Samples, inspection: Inspection, task: Task, part: np.ndarray) -> Check:
    """Count rows and classes of every part; of the hold-out, rows only: its labels are private.

    The table gives the range of image sizes too. For numbers, "holds" is the least, the mean and the largest.
    """
    matrix, table, missing = label_matrix(task, labelled.targets), [], []
    in_training = (matrix[part != HELD_OUT] != 0).any(0)
    declared = [(label, name) for label, name in enumerate(task.classes) if label != task.void]
    for k in np.unique(part).tolist():
        inside = part == k
        row: dict[str, Any] = {"part": NAMES.get(k, f"fold {k}"), "rows": int(inside.sum())}
        if inspection.sizes is not None:
            heights, widths = inspection.sizes[inside].T.tolist()
            row |= {"height": [min(heights), max(heights)], "width": [min(widths), max(widths)]}
        values = matrix[inside]
        holds = {"min": float(values.min()), "mean": float(values.mean()), "max": float(values.max())}
        if task.classes:
            holds = dict(zip(task.classes, (values != 0).sum(0).tolist(), strict=True))
        table.append(row if k == HELD_OUT else {**row, "holds": holds})
        if k >= 0:
            lacking = [name for label, name in declared if in_training[label] and not holds[name]]
            missing += [f"{name} is in no row of fold {k}" for name in lacking]
    missing += [f"{name} is in no row to train on" for label, name in declared if not in_training[label]]
    counts = np.bincount(part[part >= 0])
    evidence = f"{len(counts)} folds of {counts.min()} to {counts.max()} rows, {(part == HELD_OUT).sum()} held out"
    if missing:
        remedy = "use fewer folds (FOLDS=n), get more of these classes, or stratify by what is rare"
        return Check("folds", "warn", f"{evidence}; {listed(missing, between='; ')}", remedy, table)
    whole = f"; each has all {len(declared)} classes" if declared else ""
    return Check("folds", "pass", evidence + whole, details=table)
