"""The entry audit: what is wrong with a data set before a model learns it. `audit(dataset, task)`, `make audit COMP=`.

Duplicates are put into one group, so that no split can separate them. Artefacts leave training but stay in the
hold-out, as in a real test. Everything else is reported with its remedy. A check fails for what the split does not fix
(docs/audit.md).
"""

from dataclasses import replace

import numpy as np

from harness.audit.checks import (
    HELD_OUT,
    Audit,
    Check,
    check_finite,
    check_folds,
    check_labels,
    check_shapes,
    parts_of_split,
)
from harness.audit.duplicates import (
    check_conflicts,
    check_duplicates,
    check_groups,
    check_test_duplicates,
    exact_duplicates,
    merge,
    near_duplicates,
    pairs_of,
)
from harness.audit.inspection import inspect
from harness.audit.leaks import check_labels_in_files, check_leaks, file_facts
from harness.audit.outliers import check_artefacts, check_odd_inputs, contaminated, shared_labels
from harness.audit.shift import check_holdout_shift, check_shift
from harness.data.samples import Dataset, Samples
from harness.data.splits import Holdout, Split
from harness.errors import UserError
from harness.tasks import Task

__all__ = ["Audit", "Check", "audit"]

FEWEST = 3  # groups: for the hold-out and two folds


def audit(dataset: Dataset, task: Task, split: Split | None = None, holdout: Holdout | None = None) -> Audit:
    """Run every check; where the arrays do not even fit together, only the basic ones.

    split, holdout: as declared; without them, folds and hold-out are not checked.
    """
    labelled, official = dataset.labelled, dataset.official
    parts = {"labelled": labelled, **official}
    declared = np.arange(len(labelled)) if labelled.groups is None else labelled.groups
    basic = [check_shapes(dataset), check_labels(labelled, task), check_finite(dataset)]
    if any(check.verdict == "fail" for check in basic):
        return Audit(basic, {}, declared)
    try:
        inspections = {part: inspect(samples) for part, samples in parts.items()}
    except UserError as error:
        return Audit([*basic, Check("odd inputs", "fail", str(error), "remove it, or get it again")], {}, declared)
    inspection = inspections["labelled"]

    artefacts, motifs = shared_labels(labelled, inspection, task.void), contaminated(labelled)
    # images under one motif are alike because of it, and one group of them all could not be split
    clean = np.setdiff1d(np.arange(len(labelled)), np.concatenate([*motifs, np.zeros(0, int)]))
    rest, inspection_rest = (labelled[clean], inspection.at(clean)) if motifs else (labelled, inspection)
    clusters, near = exact_duplicates(inspection_rest.digests), near_duplicates(inspection_rest, inspection_rest)
    groups = merge(declared, clean[np.array([*pairs_of(clusters), *near], int).reshape(-1, 2)])
    if too_few := len(np.unique(groups)) < FEWEST <= len(np.unique(declared)):
        groups = declared
    part, impossible = planned(replace(labelled, groups=groups), split, holdout)
    held_out = None if part is None else part == HELD_OUT
    files = {name: file_facts(samples) for name, samples in parts.items()}
    checks = [
        *basic,
        check_odd_inputs(parts, inspections),
        check_duplicates(rest, clusters, near, declared[clean], None if part is None else part[clean], too_few),
        check_test_duplicates(rest, inspection_rest, official, inspections),
        check_artefacts(
            "shared masks",
            labelled,
            artefacts,
            none="different inputs have different masks and boxes",
            some="{rows} samples share {artefacts} identical labels",
        ),
        check_artefacts(
            "contamination",
            labelled,
            motifs,
            none="no motif lies over many pictures with random labels",
            some="{rows} pictures lie under {artefacts} motifs, and their labels are random",
        ),
        check_conflicts(rest, clusters),
        check_groups(groups),
        *([] if part is None else [check_folds(labelled, inspection, task, part)]),
        *impossible,
        check_labels_in_files(labelled, official, files, task),
        *check_leaks(labelled, inspection, task, groups, files["labelled"], held_out),
        *check_shift(labelled, inspection, groups, official, inspections),
        *([] if held_out is None else [check_holdout_shift(labelled, inspection, groups, held_out)]),
    ]
    reasons = [(rows, f"one mask under {len(rows)} pictures") for rows in artefacts]
    reasons += [(rows, f"one of {len(rows)} pictures under one motif") for rows in motifs]
    return Audit(checks, {str(labelled.ids[row]): reason for rows, reason in reasons for row in rows}, groups)


def planned(samples: Samples, split: Split | None, holdout: Holdout | None) -> tuple[np.ndarray | None, list[Check]]:
    """The part of every row under the declared split; a check instead where the split is impossible."""
    if split is None:
        return None, []
    try:
        return parts_of_split(samples, split, holdout or Holdout()), []
    except UserError as error:  # the split itself will raise the same, and stop
        return None, [Check("folds", "warn", str(error), "the split will refuse for the same reason")]
