"""The entry audit: what is wrong with a data set before a model learns it. `audit(dataset, task)`, `make audit COMP=`.

Duplicates are put into one group, so that no split can part them; artefacts leave training but stay in the hold-out,
as in a real test; the rest is said, with its remedy. What fails is what the split does not mend (docs/audit.md).
"""

from dataclasses import replace

import numpy as np

from harness.audit.artefacts import check_artefacts, shared_labels, under_motifs
from harness.audit.checks import Audit, Check, Verdict
from harness.audit.copies import (
    alike,
    check_conflicts,
    check_duplicates,
    check_groups,
    check_test_duplicates,
    merge,
    pairs_of,
    same,
)
from harness.audit.facts import written_of
from harness.audit.leaks import check_leaks
from harness.audit.looks import Look, at, look
from harness.audit.odd import check_odd
from harness.audit.parts import HELD_OUT, check_parts, impossible, parted
from harness.audit.shapes import check_finite, check_labels, check_shapes
from harness.audit.shift import check_holdout_shift, check_shift
from harness.audit.words import check_words
from harness.data.samples import Dataset, Samples
from harness.data.splits import Holdout, Split
from harness.errors import UserError
from harness.tasks import Task

__all__ = ["Audit", "Check", "Verdict", "audit", "merge"]


def audit(dataset: Dataset, task: Task, split: Split | None = None, holdout: Holdout | None = None) -> Audit:
    """Every check in turn; where the arrays do not even fit together, the others are not made.

    split, holdout: as declared, without which nothing is said of folds and hold-out.
    """
    labelled = dataset.labelled
    declared = np.arange(len(labelled)) if labelled.groups is None else labelled.groups
    basic = [check_shapes(dataset), check_labels(labelled, task), check_finite(dataset)]
    if any(check.verdict == "fail" for check in basic):
        return Audit(basic, {}, declared)
    try:
        seen, asked = look(labelled), {part: look(samples) for part, samples in dataset.official.items()}
    except UserError as error:
        return Audit([*basic, Check("odd inputs", "fail", str(error), "remove it, or get it again")], {}, declared)

    contaminated = under_motifs(labelled)
    # what lies under one motif is alike by it, and one group of it all could not be split
    clean = np.setdiff1d(np.arange(len(labelled)), np.concatenate([*contaminated, np.zeros(0, int)]))
    rest, seen_rest = (labelled[clean], at(seen, clean)) if contaminated else (labelled, seen)
    clusters, near = same(seen_rest.digests), alike(seen_rest, seen_rest)
    groups = merge(declared, clean[np.array([*pairs_of(clusters), *near], int).reshape(-1, 2)])
    artefacts = shared_labels(labelled, seen, task.void)
    part, folds = planned(replace(labelled, groups=groups), seen, task, split, holdout)
    files = {name: written_of(samples) for name, samples in {"labelled": labelled, **dataset.official}.items()}
    held_out = None if part is None else part == HELD_OUT
    checks = [
        *basic,
        check_odd({"labelled": labelled, **dataset.official}, {"labelled": seen, **asked}),
        check_duplicates(rest, clusters, near, declared[clean], None if part is None else part[clean]),
        check_test_duplicates(rest, seen_rest, dataset.official, asked),
        check_artefacts(
            "shared masks",
            labelled,
            artefacts,
            none="no mask and no set of boxes stands under several different inputs",
            some="{rows} samples share {artefacts} identical labels",
        ),
        check_artefacts(
            "contamination",
            labelled,
            contaminated,
            none="no motif lies over many pictures with labels at random",
            some="{rows} pictures lie under {artefacts} motifs, and their labels are at random",
        ),
        check_conflicts(rest, clusters),
        check_groups(groups),
        *folds,
        check_words(labelled, dataset.official, files, task),
        *check_leaks(labelled, seen, task, groups, files["labelled"], held_out),
        *check_shift(labelled, seen, groups, dataset.official, asked),
        *([] if held_out is None else [check_holdout_shift(labelled, seen, groups, held_out)]),
    ]
    reasons = [(rows, f"one mask under {len(rows)} pictures") for rows in artefacts]
    reasons += [(rows, f"one of {len(rows)} pictures under one motif") for rows in contaminated]
    return Audit(checks, {str(labelled.ids[row]): reason for rows, reason in reasons for row in rows}, groups)


def planned(
    samples: Samples, seen: Look, task: Task, split: Split | None, holdout: Holdout | None
) -> tuple[np.ndarray | None, list[Check]]:
    """The part of every row as the declared split will make it, and what is to be said of it."""
    if split is None:
        return None, []
    try:
        part = parted(samples, split, holdout or Holdout())
    except UserError as error:  # the split itself will say so, and stop
        return None, [impossible(error)]
    return part, [check_parts(samples, seen, task, part)]
