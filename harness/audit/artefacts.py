"""What no camera took: one mask or one set of boxes under many pictures, one motif laid over many."""

from collections.abc import Sequence

import numpy as np

from harness.audit.checks import Check, first
from harness.audit.copies import same
from harness.audit.looks import Look, are_pictures, digest
from harness.audit.motifs import motifs
from harness.data.samples import Ragged, Samples

SHARED = 3  # pictures with one and the same mask that make it an artefact
USUAL = 0.5  # share of all pictures from which on one label is how they are laid out, and no artefact
COVERED = 0.9  # share of one class that makes a mask plain: many pictures have it (on real tiles, 0.98 and more)


def shared_labels(labelled: Samples, seen: Look, void: int | None) -> list[list[int]]:
    """Rows of different pictures under one mask or one set of boxes that is not plain.

    Found by the labels: the pictures look like any other. Copies of one picture rightly share theirs and count once.
    """
    targets = labelled.targets
    if not isinstance(targets, Ragged) and targets.ndim < 3:
        return []
    return [
        rows
        for rows in same(digest(target) for target in targets)
        if not _is_plain(labelled, rows[0], seen, void)
        and len({seen.digests[row] for row in rows}) >= SHARED
        and len(rows) <= USUAL * len(labelled)
    ]


def _is_plain(labelled: Samples, row: int, seen: Look, void: int | None) -> bool:
    """What chance gives to many pictures: one class nearly all over, no box, or one round nearly everything."""
    target = labelled.targets[row]
    if isinstance(labelled.targets, Ragged):
        return len(target) == 0 or (len(target) == 1 and _covers(target[0], seen, row))
    classes, counts = np.unique(target, return_counts=True)
    shares = counts[classes != void] / target.size
    return len(shares) == 0 or (len(shares) == 1 and shares[0] >= COVERED)


def _covers(box: np.ndarray, seen: Look, row: int) -> bool:
    """box: label x1 y1 x2 y2."""
    assert seen.sizes is not None  # boxes are of pictures
    return float((box[3] - box[1]) * (box[4] - box[2])) >= COVERED * float(np.prod(seen.sizes[row]))


def under_motifs(labelled: Samples) -> list[list[int]]:
    """The rows under each motif; only where pictures have one label each."""
    targets = labelled.targets
    if isinstance(targets, Ragged) or targets.ndim > 1 or targets.dtype.kind not in "ui":
        return []
    if not are_pictures(labelled.inputs):
        return []
    return [rows.tolist() for rows in motifs(labelled.inputs, targets)]


def check_artefacts(name: str, labelled: Samples, artefacts: Sequence[Sequence[int]], none: str, some: str) -> Check:
    """artefacts: the rows of each; some: a sentence with places for how many {rows} and {artefacts} there are."""
    ids = [str(labelled.ids[row]) for rows in artefacts for row in rows]
    if not ids:
        return Check(name, "pass", f"no artefact: {none}")
    return Check(
        name,
        "warn",
        f"{some.format(rows=len(ids), artefacts=len(artefacts))}: {first(ids)}",
        "they are artefacts and leave training; look at one, and keep them by editing the exclusions if they are real",
    )
