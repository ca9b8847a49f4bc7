"""The entry audit: what is wrong with a data set before a model learns it. `audit(dataset, task)`.

Duplicates are put into one group, so that no split can part them; artefacts leave training but stay in the hold-out,
as in a real test; the rest is said, with its remedy.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, NamedTuple

import numpy as np

from harness.contamination import cosines, motifs, unit
from harness.errors import UserError
from harness.pictures import Pictures
from harness.samples import Dataset, Ragged, Samples
from harness.tasks import Task

Verdict = Literal["pass", "warn", "fail"]

SHARED = 3  # pictures with one and the same mask that make it an artefact
COVERED = 0.9  # share of one class that makes a mask plain: many pictures have it (on real tiles, 0.98 and more)
HASHED = 12  # frequencies per axis in the hash: 143 signs
SEEN = 24  # frequencies per axis in the second look; smaller pictures are alike by chance and only compared as bytes
# Measured on 6,615 Mars tiles. No pair across rover positions passes. Of copies pass: all with another
# brightness, noise of 2 grey levels or JPEG quality 75; 93 % with noise of 5; 77 % shifted by a pixel.
SIGNS_AGREE = 0.85
CORRELATE = 0.98
# Of high contrast, 0.98 leaves more room: 361 pairs of 20,000 handwritten digits pass it where strokes coincide, and
# are 7.9 grey levels apart or more. Of 1,473 copies as above that pass it, all but one are 7.0 at most.
APART = 7.0  # root mean square of the blurred grey levels that differ
LARGE = 192  # pixels a side, eight for each of the frequencies that are looked at
BLOCK = 512  # rows compared at once
NAMED = 5  # ids in an evidence


@dataclass(frozen=True)
class Check:
    """One question to the data: its answer, the numbers it rests on, and what to do."""

    name: str
    verdict: Verdict
    evidence: str
    remedy: str = ""


@dataclass(frozen=True)
class Audit:
    """exclusions: id -> reason, rows that leave training; groups: (n,) int, declared groups merged with duplicates."""

    checks: Sequence[Check]
    exclusions: dict[str, str]
    groups: np.ndarray

    @property
    def verdict(self) -> Verdict:
        return max((check.verdict for check in self.checks), key=("pass", "warn", "fail").index)

    def to_json(self) -> dict[str, Any]:
        checks = [vars(check) for check in self.checks]
        return {"verdict": self.verdict, "checks": checks, "exclusions": self.exclusions}


def audit(dataset: Dataset, task: Task) -> Audit:
    """Every check in turn; where the arrays do not even fit together, the others are not made."""
    labelled = dataset.labelled
    declared = np.arange(len(labelled)) if labelled.groups is None else labelled.groups
    basic = [_check_shapes(dataset), _check_labels(labelled, task), _check_finite(dataset)]
    if any(check.verdict == "fail" for check in basic):
        return Audit(basic, {}, declared)

    contaminated = _motifs(labelled)
    # what lies under one motif is alike by it, and one group of it all could not be split
    clean = np.setdiff1d(np.arange(len(labelled)), np.concatenate([*contaminated, np.zeros(0, int)]))
    rest = labelled[clean] if contaminated else labelled
    same = _same_rows(rest.inputs)
    seen = _look(rest.inputs)
    alike = _alike(seen, seen)
    groups = merge(declared, clean[np.array([*_pairs(same.values()), *alike], int).reshape(-1, 2)])
    artefacts = _shared_masks(labelled, task.void)
    checks = [
        *basic,
        _check_duplicates(rest, same, alike, declared[clean]),
        _check_test_duplicates(rest, seen, dataset.official),
        _check_artefacts(
            "shared masks",
            labelled,
            artefacts,
            none="no mask stands under several different inputs",
            some="{rows} samples share {artefacts} identical masks",
        ),
        _check_artefacts(
            "contamination",
            labelled,
            contaminated,
            none="no motif lies over many pictures with labels at random",
            some="{rows} pictures lie under {artefacts} motifs, and their labels are at random",
        ),
        _check_conflicts(rest, same),
        _check_groups(groups),
    ]
    reasons = [(rows, f"one mask under {len(rows)} pictures") for rows in artefacts]
    reasons += [(rows, f"one of {len(rows)} pictures under one motif") for rows in contaminated]
    return Audit(checks, {str(labelled.ids[row]): reason for rows, reason in reasons for row in rows}, groups)


def merge(groups: np.ndarray, pairs: Iterable[tuple[int, int]]) -> np.ndarray:
    """(n,) int: connected components of groups and pairs of rows, each named by its smallest group (union-find).

    >>> merge(np.array([7, 7, 3, 5]), [(1, 3)]).tolist()
    [5, 5, 3, 5]
    """
    parent = {group: group for group in groups.tolist()}

    def root(group: int) -> int:
        while parent[group] != group:
            parent[group] = group = parent[parent[group]]
        return group

    for left, right in pairs:
        low, high = sorted((root(int(groups[left])), root(int(groups[right]))))
        parent[high] = low
    return np.array([root(group) for group in groups.tolist()], dtype=np.int64)


# -- the checks --------------------------------------------------------------------------------------------------------


def _check_shapes(dataset: Dataset) -> Check:
    labelled, wrong = dataset.labelled, []
    for part, samples in {"labelled": labelled, **dataset.official}.items():
        lengths = {
            name: len(column)
            for name in ("inputs", "targets", "groups", "strata")
            if (column := getattr(samples, name)) is not None and len(column) != len(samples)
        }
        wrong += [f"{part}: {count} {name} for {len(samples)} ids" for name, count in lengths.items()]
        if not len(samples):
            wrong.append(f"{part}: no samples")
        if len(np.unique(samples.ids)) < len(samples):
            wrong.append(f"{part}: an id stands for several samples")
        if _kind(samples.inputs) != _kind(labelled.inputs):
            wrong.append(f"{part}: inputs are {_kind(samples.inputs)}, the labelled ones {_kind(labelled.inputs)}")
    sizes = ", ".join(f"{part} {len(samples)}" for part, samples in dataset.official.items())
    if wrong:
        return Check("shapes", "fail", "; ".join(wrong), "mend the files or the competition's load")
    return Check(
        "shapes", "pass", f"{len(labelled)} labelled samples of {_kind(labelled.inputs)}; official: {sizes or 'none'}"
    )


def _check_labels(labelled: Samples, task: Task) -> Check:
    try:
        task.check_targets(labelled.targets)
    except UserError as error:
        return Check("labels", "fail", str(error), "mend the labels, or the classes in the declaration")
    return Check("labels", "pass", f"{len(labelled)} labels are what the task declares")


def _check_finite(dataset: Dataset) -> Check:
    """A picture without a value is broken; in a table, a missing value is common and the model's matter."""
    labelled = dataset.labelled
    if holes := _not_finite(labelled.targets):
        return Check("finite", "fail", f"{holes} targets hold NaN or infinities", "remove these samples, or mend them")
    holes = sum(_not_finite(samples.inputs) for samples in (labelled, *dataset.official.values()))
    if not holes:
        return Check("finite", "pass", "no NaN and no infinity")
    verdict: Verdict = "fail" if _are_pictures(labelled.inputs) else "warn"
    return Check(
        "finite", verdict, f"{holes} inputs hold NaN or infinities", "fill or drop them in the competition's load"
    )


def _check_duplicates(
    labelled: Samples, same: dict[bytes, list[int]], alike: np.ndarray, declared: np.ndarray
) -> Check:
    copies = sum(len(rows) - 1 for rows in same.values())
    across = [pair for pair in [*_pairs(same.values()), *alike.tolist()] if declared[pair[0]] != declared[pair[1]]]
    evidence = f"{copies} exact copies and {len(alike)} near-duplicate pairs"
    if across:
        names = _first([f"{labelled.ids[left]} = {labelled.ids[right]}" for left, right in across])
        evidence += f", {len(across)} of them across declared groups, which are now one: {names}"
    elif copies or len(alike):
        evidence += ", all within declared groups"
    return Check("duplicates", "pass", evidence)


def _check_test_duplicates(labelled: Samples, seen: "Look", official: Mapping[str, Samples]) -> Check:
    known = {_digest(row): k for k, row in enumerate(labelled.inputs)}
    found = []
    for part, samples in official.items():
        twins = {row: known[digest] for row, digest in enumerate(map(_digest, samples.inputs)) if digest in known}
        twins |= {row: k for k, row in _alike(seen, _look(samples.inputs)).tolist()}
        found += [f"{labelled.ids[k]} = {part} {samples.ids[row]}" for row, k in twins.items()]
    if not found:
        return Check("test duplicates", "pass", "no labelled input is in the official test")
    return Check(
        "test duplicates",
        "warn",
        f"{len(found)} official test inputs are copies of labelled ones: {_first(found)}",
        "their score says nothing about new data; do not read it as one",
    )


def _check_artefacts(name: str, labelled: Samples, artefacts: Sequence[Sequence[int]], none: str, some: str) -> Check:
    """artefacts: the rows of each; some: a sentence with places for how many {rows} and {artefacts} there are."""
    ids = [str(labelled.ids[row]) for rows in artefacts for row in rows]
    if not ids:
        return Check(name, "pass", f"no artefact: {none}")
    return Check(
        name,
        "warn",
        f"{some.format(rows=len(ids), artefacts=len(artefacts))}: {_first(ids)}",
        "they are artefacts and leave training; look at one, and keep them by editing the exclusions if they are real",
    )


def _check_conflicts(labelled: Samples, same: dict[bytes, list[int]]) -> Check:
    """The same input with different labels."""
    torn = [rows for rows in same.values() if len({_digest(labelled.targets[row]) for row in rows}) > 1]
    if not torn:
        return Check("conflicting labels", "pass", "no input has two labels")
    names = [" / ".join(map(str, labelled.ids[rows])) for rows in torn]
    return Check(
        "conflicting labels",
        "warn",
        f"{len(torn)} inputs stand with different labels: {_first(names)}",
        "correct the labels, or exclude the wrong ones",
    )


def _check_groups(groups: np.ndarray) -> Check:
    counts = np.unique(groups, return_counts=True)[1]
    evidence = f"{len(counts)} groups that no split may cut; the largest holds {counts.max()} of {len(groups)} samples"
    if counts.max() <= 0.2 * len(groups):
        return Check("groups", "pass", evidence)
    return Check("groups", "warn", evidence, "folds will be uneven; use fewer (FOLDS=n), or look for a wrong duplicate")


# -- same and alike ----------------------------------------------------------------------------------------------------


def _same_rows(inputs: Any) -> dict[bytes, list[int]]:
    """Digest -> the rows that are byte for byte the same, two or more."""
    rows_of = defaultdict(list)
    for row, content in enumerate(inputs):
        rows_of[_digest(content)].append(row)
    return {digest: rows for digest, rows in rows_of.items() if len(rows) > 1}


def _digest(content: Any) -> bytes:
    array = np.ascontiguousarray(content)
    return sha256(f"{array.shape}{array.dtype}".encode() + array.tobytes()).digest()


def _pairs(clusters: Iterable[list[int]]) -> list[tuple[int, int]]:
    """The first row of each cluster with each of the others."""
    return [(rows[0], row) for rows in clusters for row in rows[1:]]


class Look(NamedTuple):
    """Inputs, and the lowest frequencies of each; None where they are no pictures."""

    inputs: Any
    low: np.ndarray | None


def _look(inputs: Any) -> Look:
    return Look(inputs, _low_frequencies(inputs) if _are_pictures(inputs) else None)


def _alike(left: Look, right: Look) -> np.ndarray:
    """(k, 2) rows of near-duplicate pictures, without byte-identical ones; each pair once where both are the same set.

    A perceptual hash, the signs of the lowest frequencies (DCT), finds the candidates: each frequency has one vote, so
    that neither a common brightness gradient nor an even surface makes two pictures alike. The correlation of their
    blurred pixels, and how many grey levels it leaves between them, have the last word. Two constant pictures have no
    sign at all and are never alike.
    """
    if left.low is None or right.low is None:
        return np.zeros((0, 2), int)
    signs_left, signs_right = (_rows(np.sign(low[:, :HASHED, :HASHED])) for low in (left.low, right.low))
    blurred_left, blurred_right = unit(_rows(left.low)), unit(_rows(right.low))
    contrast = np.linalg.norm(_rows(left.low), axis=1)
    found = []
    for start in range(0, len(left.inputs), BLOCK):
        agreement = signs_left[start : start + BLOCK] @ signs_right.T / (HASHED**2 - 1)
        pairs = np.argwhere(agreement >= 2 * SIGNS_AGREE - 1)
        pairs[:, 0] += start
        if left is right:
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        correlation = (blurred_left[pairs[:, 0]] * blurred_right[pairs[:, 1]]).sum(1)
        apart = contrast[pairs[:, 0]] * np.sqrt(np.maximum(1 - correlation**2, 0))
        found.append(pairs[(correlation >= CORRELATE) & (apart <= APART)])
    pairs = np.concatenate(found)
    differ = [_digest(left.inputs[a]) != _digest(right.inputs[b]) for a, b in pairs]
    return pairs[np.array(differ, bool)]


def _low_frequencies(images: Any) -> np.ndarray:
    """(n, SEEN, SEEN) float32, in grey levels: the lowest cosine frequencies of each picture, without the mean."""
    spectra = np.empty((len(images), SEEN, SEEN), np.float32)
    for row, image in enumerate(images):
        grey = np.asarray(_shrunk(image), np.float32)
        grey = grey.mean(2) if grey.ndim == 3 else grey
        grey = grey - np.float32(grey.mean(dtype=np.float64))  # exactly zero where the picture is constant
        spectra[row] = cosines(SEEN, grey.shape[0]) @ grey @ cosines(SEEN, grey.shape[1]).T * (2 / grey.size)
    spectra[:, 0, 0] = 0
    return spectra


def _shrunk(image: np.ndarray) -> np.ndarray:
    """At most LARGE pixels a side: the low frequencies stay what they are, at a tenth of the time."""
    import cv2

    sides = np.array(image.shape[1::-1])
    if sides.max() <= LARGE:
        return image
    return cv2.resize(
        image, tuple(np.ceil(sides * LARGE / sides.max()).astype(int).tolist()), interpolation=cv2.INTER_AREA
    )


def _rows(spectra: np.ndarray) -> np.ndarray:
    return spectra.reshape(len(spectra), -1)


# -- artefacts ---------------------------------------------------------------------------------------------------------


def _shared_masks(labelled: Samples, void: int | None) -> list[list[int]]:
    """Rows of different pictures under one identical mask that is not a plain one; only where labels are arrays.

    Found by the mask: the pictures look like any other. Copies of one picture rightly share theirs and count once.
    """
    targets = labelled.targets
    if isinstance(targets, Ragged) or targets.ndim < 3:
        return []
    return [
        rows
        for rows in _same_rows(targets).values()
        if not _is_plain(targets[rows[0]], void) and len({_digest(labelled.inputs[row]) for row in rows}) >= SHARED
    ]


def _is_plain(mask: np.ndarray, void: int | None) -> bool:
    """One class alone, over nearly the whole picture: what chance gives to many pictures."""
    classes, counts = np.unique(mask, return_counts=True)
    shares = counts[classes != void] / mask.size
    return len(shares) == 0 or (len(shares) == 1 and shares[0] >= COVERED)


def _motifs(labelled: Samples) -> list[list[int]]:
    """The rows under each motif; only where pictures have one label each."""
    targets = labelled.targets
    if isinstance(targets, Ragged) or targets.ndim > 1 or targets.dtype.kind not in "ui":
        return []
    if not _are_pictures(labelled.inputs):
        return []
    return [rows.tolist() for rows in motifs(labelled.inputs, targets)]


# -- words and kinds ---------------------------------------------------------------------------------------------------


def _kind(inputs: Any) -> str:
    """What one input is."""
    if isinstance(inputs, Pictures):
        return "pictures of any size"
    if inputs.dtype.names:
        return f"a table with the columns {', '.join(inputs.dtype.names)}"
    return f"{inputs.dtype} " + "x".join(map(str, inputs.shape[1:]))


def _are_pictures(inputs: Any) -> bool:
    shapes = inputs.sizes if isinstance(inputs, Pictures) else [inputs.shape[1:]]
    return all(len(shape) in (2, 3) and min(shape[:2]) >= SEEN for shape in shapes)


def _not_finite(column: Any) -> int:
    """How many rows hold a NaN or an infinity; in a table, how many values are."""
    if isinstance(column, Pictures):
        return 0
    if isinstance(column, Ragged):
        return _not_finite(column.flat)
    if column.dtype.names:
        return sum(_not_finite(column[name]) for name in column.dtype.names)
    if column.dtype.kind != "f":
        return 0
    return sum(1 for row in column if not np.isfinite(row).all())


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
