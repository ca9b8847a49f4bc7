"""Do the arrays fit together, are the labels what the task declares, and are all numbers numbers?"""

from typing import Any

import numpy as np

from harness.audit.checks import Check, Verdict
from harness.audit.looks import are_pictures
from harness.data.images import EncodedImages
from harness.data.samples import Dataset, Ragged, Samples
from harness.errors import UserError
from harness.tasks import Task


def check_shapes(dataset: Dataset) -> Check:
    labelled, wrong = dataset.labelled, []
    for part, samples in {"labelled": labelled, **dataset.official}.items():
        lengths = {
            name: len(column)
            for name in ("inputs", "targets", "groups", "stratify")
            if (column := getattr(samples, name)) is not None and len(column) != len(samples)
        }
        wrong += [f"{part}: {count} {name} for {len(samples)} ids" for name, count in lengths.items()]
        if not len(samples):
            wrong.append(f"{part}: no samples")
        if len(np.unique(samples.ids)) < len(samples):
            wrong.append(f"{part}: an id stands for several samples")
        if kind(samples.inputs) != kind(labelled.inputs):
            wrong.append(f"{part}: inputs are {kind(samples.inputs)}, the labelled ones {kind(labelled.inputs)}")
    sizes = ", ".join(f"{part} {len(samples)}" for part, samples in dataset.official.items())
    if wrong:
        return Check("shapes", "fail", "; ".join(wrong), "mend the files or the competition's load")
    return Check(
        "shapes", "pass", f"{len(labelled)} labelled samples of {kind(labelled.inputs)}; official: {sizes or 'none'}"
    )


def check_labels(labelled: Samples, task: Task) -> Check:
    try:
        task.check_targets(labelled.targets)
    except UserError as error:
        return Check("labels", "fail", str(error), "mend the labels, or the classes in the declaration")
    return Check("labels", "pass", f"{len(labelled)} labels are what the task declares")


def check_finite(dataset: Dataset) -> Check:
    """A picture without a value is broken; in a table, a missing value is common and the model's matter."""
    labelled = dataset.labelled
    if holes := not_finite(labelled.targets):
        return Check("finite", "fail", f"{holes} targets hold NaN or infinities", "remove these samples, or mend them")
    holes = sum(not_finite(samples.inputs) for samples in (labelled, *dataset.official.values()))
    if not holes:
        return Check("finite", "pass", "no NaN and no infinity")
    verdict: Verdict = "fail" if are_pictures(labelled.inputs) else "warn"
    return Check(
        "finite", verdict, f"{holes} inputs hold NaN or infinities", "fill or drop them in the competition's load"
    )


def kind(inputs: Any) -> str:
    """What one input is."""
    if isinstance(inputs, EncodedImages):
        return "pictures of any size"
    if inputs.dtype.names:
        return f"a table with the columns {', '.join(inputs.dtype.names)}"
    return f"{inputs.dtype} " + "x".join(map(str, inputs.shape[1:]))


def not_finite(column: Any) -> int:
    """How many rows hold a NaN or an infinity; in a table, how many values are."""
    if isinstance(column, EncodedImages):
        return 0
    if isinstance(column, Ragged):
        return not_finite(column.flat)
    if column.dtype.names:
        return sum(not_finite(column[name]) for name in column.dtype.names)
    if column.dtype.kind != "f":
        return 0
    return sum(1 for row in column if not np.isfinite(row).all())
