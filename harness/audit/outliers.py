"""Inputs that do not belong: broken or odd ones, one label under many images, one foreign motif over many."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness.audit.checks import Check
from harness.audit.duplicates import exact_duplicates
from harness.audit.inspection import Inspection, are_images, digest, spectrum, unit
from harness.data.samples import Bags, Ragged, Samples, bags_of, images_of, table_of
from harness.errors import listed

TINY = 16  # pixels on the shorter side
ODD = 4  # times the median in area or in shape
TORN = 0.1  # of the height is the decoder's grey
SHARED = 3  # images with one and the same mask that make it an artefact
USUAL = 0.5  # share of all images from which on one label is their layout, and not an artefact
COVERED = 0.9  # share of one class that makes a mask plain: many images have it (on real tiles, 0.98 and more)

# -- broken and odd inputs ---------------------------------------------------------------------------------------------


def check_odd_inputs(parts: Mapping[str, Samples], inspections: Mapping[str, Inspection]) -> Check:
    """parts, inspections: of the labelled samples and of the official test, by name."""
    table = table_of(next(iter(parts.values())).inputs)
    columns = {} if table is None else {name: table[name] for name in table.dtype.names or ()}
    found = {"constant columns": [name for name, values in columns.items() if len(np.unique(values)) == 1]}
    for part, samples in parts.items():
        names = np.array([str(name) if part == "labelled" else f"{part} {name}" for name in samples.ids])
        for what, rows in odd_images(inspections[part]).items():
            found.setdefault(what, []).extend(names[rows].tolist())
    evidence = [f"{len(names)} {what}: {listed(names)}" for what, names in found.items() if names]
    if not evidence:
        return Check("odd inputs", "pass", "none is constant, tiny, torn off or of an odd size")
    remedy = "look at them; a broken one leaves training when public/exclusions.json names it"
    return Check("odd inputs", "warn", "; ".join(evidence), remedy)


def odd_images(inspection: Inspection) -> dict[str, np.ndarray]:
    """What is wrong -> (n,) bool, of several images a row with any; {} where the inputs are not images."""
    if inspection.images is not None and (bags := bags_of(inspection.inputs)) is not None:
        found = odd_images(inspection.images)
        return {what: np.logical_or.reduceat(odd, bags.offsets[:-1]) for what, odd in found.items()}
    if inspection.sizes is None:
        return {}
    constant, torn = inspection.statistic("contrast") == 0, inspection.statistic("torn") >= TORN
    area, shape = inspection.sizes.prod(1), inspection.sizes[:, 0] / inspection.sizes[:, 1]
    odd = [np.abs(np.log(value / np.median(value))) > np.log(ODD) for value in (area, shape)]
    tiny = inspection.sizes.min(1) < TINY
    return {
        "constant": constant,
        "torn off": torn & ~constant,
        "tiny": tiny,
        "of an odd size": (odd[0] | odd[1]) & ~tiny,
    }


# -- one label under many images -------------------------------------------------------------------------------------


def shared_labels(labelled: Samples, inspection: Inspection, void: int | None) -> list[list[int]]:
    """Rows of different images with the same mask or the same set of boxes, unless it is plain.

    Found by the labels: the images look like any other. Copies of one image rightly share theirs and count once.
    """
    targets = labelled.targets
    if not isinstance(targets, Ragged) and targets.ndim < 3:
        return []
    return [
        rows
        for rows in exact_duplicates(digest(target) for target in targets)
        if not _is_plain(labelled, rows[0], inspection, void)
        and len({inspection.digests[row] for row in rows}) >= SHARED
        and len(rows) <= USUAL * len(labelled)
    ]


def _is_plain(labelled: Samples, row: int, inspection: Inspection, void: int | None) -> bool:
    """Whether chance gives this label to many images: one class nearly everywhere, no box, or one large box."""
    target = labelled.targets[row]
    if isinstance(labelled.targets, Ragged):
        assert inspection.sizes is not None  # boxes are of images
        area = np.prod(target[:, 3:] - target[:, 1:3], axis=1)
        return len(target) == 0 or (len(target) == 1 and area[0] >= COVERED * np.prod(inspection.sizes[row]))
    classes, counts = np.unique(target, return_counts=True)
    shares = counts[classes != void] / target.size
    return len(shares) == 0 or (len(shares) == 1 and shares[0] >= COVERED)


# -- one motif over many images --------------------------------------------------------------------------------------

MANY = 20  # images that make a motif
# Measured on 1,000 blood cells of 96 pixels with two motifs of 60 copies each, blended in at 0.4 to 0.8 and shifted by
# up to 4 %: of 20 copies 19 point at least 0.55 in the direction of their mean, cells at most 0.40. At 28 pixels: 0.39.
MOTIF_FREQUENCIES = 8  # an axis; with 6, cells reach 0.6, with 12 copies as little as 0.4
ALIKE = 0.5  # cosine
DOUBTFUL = 0.35
GAP = 2  # times as many alike as doubtful
RANDOM = 0.85  # of the conflicts of random labels: alike cells reach 0.3 to 0.9, handwritten digits 0.71
CLIP = 9.0  # median distances: one strong frequency must not outweigh all others
ROUNDS = 3
BLOCK = 1024  # rows compared at once


def contaminated(labelled: Samples) -> list[list[int]]:
    """The rows under each foreign motif that was laid over many images; only where every image has one label.

    Each low frequency in colour is taken relative to its spread over the data set, so that what all images have in
    common says nothing. Images under one motif then point in the same direction, however strongly it was blended in.
    Real images do so too where they show the same thing, but then their labels agree, and there is no gap between
    those that do and those that do not.
    """
    labels = labelled.targets
    if isinstance(labels, Ragged) or labels.ndim > 1 or labels.dtype.kind not in "ui":
        return []
    images = images_of(labelled.inputs)
    if isinstance(images, Bags) or not are_images(images):
        return []
    rows, motifs = directions(images), []
    left = np.ones(len(rows), bool)
    for leader in leaders(rows, labels, left):
        members, doubtful = neighbours(rows, leader, left)
        random = conflict(labels[members]) >= RANDOM * conflict(labels)
        if len(members) >= max(MANY, GAP * doubtful) and random:
            motifs.append(members.tolist())
        left[members] = False
        left[leader] = False
    return motifs


def leaders(rows: np.ndarray, labels: np.ndarray, left: np.ndarray) -> Iterator[int]:
    """Rows with many neighbours of other labels, most first; `left` is read again for each."""
    expected = RANDOM * conflict(labels)
    alike, surplus = np.zeros(len(rows), int), np.zeros(len(rows))
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        near = rows[block] @ rows.T >= ALIKE
        alike[block] = near.sum(1) - 1
        surplus[block] = (near & (labels[block, None] != labels)).sum(1) - expected * alike[block]
    for leader in np.argsort(-surplus, kind="stable"):
        if left[leader] and surplus[leader] > 0 and alike[leader] >= MANY / 2:
            yield int(leader)


def neighbours(rows: np.ndarray, leader: int, left: np.ndarray) -> tuple[np.ndarray, int]:
    """The rows in the direction of the leader's neighbours, and how many are nearly in it."""
    members = np.flatnonzero(left & (rows @ rows[leader] >= ALIKE))
    for _ in range(ROUNDS):
        cosine = rows @ unit(rows[members].mean(0))
        members = np.flatnonzero(left & (cosine >= ALIKE))
        if not len(members):
            break
    return members, int((left & (cosine >= DOUBTFUL) & (cosine < ALIKE)).sum())


def conflict(labels: np.ndarray) -> float:
    """The chance that the labels of two rows differ."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return 1 - float((shares**2).sum())


def directions(inputs: Any) -> np.ndarray:
    """(n, d) float32, of length 1: the lowest frequencies of every colour, each as its distance from the median.

    Without the mean of a colour: a motif may have another brightness.
    """
    low = [spectrum(np.asarray(image, np.float32), MOTIF_FREQUENCIES) for image in inputs]
    spectra = unit(np.stack([each.reshape(MOTIF_FREQUENCIES**2, -1)[1:].ravel() for each in low]))
    distance = spectra - np.median(spectra, 0)
    spread = np.median(np.abs(distance), 0) + 1e-9
    return unit(np.clip(distance / spread, -CLIP, CLIP))


def check_artefacts(name: str, labelled: Samples, artefacts: Sequence[Sequence[int]], none: str, some: str) -> Check:
    """artefacts: the rows of each; some: a sentence with places for how many {rows} and {artefacts} there are."""
    ids = [str(labelled.ids[row]) for rows in artefacts for row in rows]
    if not ids:
        return Check(name, "pass", none)
    evidence = f"{some.format(rows=len(ids), artefacts=len(artefacts))}: {listed(ids)}"
    remedy = "they leave training as artefacts; look at one, and edit the exclusions if they are real"
    return Check(name, "warn", evidence, remedy)
