"""Duplicates and near duplicates: they become one group, so that no split can separate them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from harness.audit.checks import Check
from harness.audit.inspection import Inspection, digest, unit
from harness.data.samples import Joined, Samples, bags_of
from harness.errors import listed

HASHED = 12  # frequencies per axis in the hash: 143 signs
# Measured on 6,615 Mars tiles. No pair across rover positions passes. Of copies pass: all with another
# brightness, noise of 2 grey levels or JPEG quality 75; 93 % with noise of 5; 77 % shifted by a pixel.
SIGNS_AGREE = 0.85
CORRELATE = 0.98
# At high contrast, 0.98 leaves more room: 361 pairs of 20,000 handwritten digits pass it where strokes coincide, and
# are 7.9 grey levels apart or more. Of 1,473 copies as above that pass it, all but one are 7.0 at most.
APART = 7.0  # root mean square of the blurred grey levels that differ
BLOCK = 512  # rows compared at once
LARGE_GROUP = 0.2  # share of the rows in one group: folds become uneven


def exact_duplicates(digests: Iterable[bytes]) -> list[list[int]]:
    """Clusters of rows that are byte for byte the same."""
    rows_of = defaultdict(list)
    for row, content in enumerate(digests):
        rows_of[content].append(row)
    return [rows for rows in rows_of.values() if len(rows) > 1]


def pairs_of(clusters: Iterable[list[int]]) -> list[tuple[int, int]]:
    """The first row of each cluster with each of the others."""
    return [(rows[0], row) for rows in clusters for row in rows[1:]]


def near_duplicates(left: Inspection, right: Inspection) -> np.ndarray:
    """(k, 2) rows of near-duplicate images, without exact ones; each pair once where both are the same set.

    A perceptual hash, the signs of the lowest frequencies (DCT), finds the candidates: each frequency has one vote, so
    that neither a common brightness gradient nor an even surface makes two images alike. The correlation of their
    blurred pixels, and how many grey levels it leaves between them, decide. Two constant images have no sign at all
    and are never alike. Of several images a row, two rows are alike where an image of one is, or nearly is, an image of
    the other.
    """
    if left.images is not None and right.images is not None:
        return alike_in_an_image(left, right)
    if left.low is None or right.low is None:
        return np.zeros((0, 2), int)
    signs_left, signs_right = (np.sign(low[:, :HASHED, :HASHED]).reshape(len(low), -1) for low in (left.low, right.low))
    spectra_left, spectra_right = (low.reshape(len(low), -1) for low in (left.low, right.low))
    blurred_left, blurred_right = unit(spectra_left), unit(spectra_right)
    contrast = np.linalg.norm(spectra_left, axis=1)
    near = [np.zeros((0, 2), int)]
    for start in range(0, len(left.low), BLOCK):
        agreement = signs_left[start : start + BLOCK] @ signs_right.T / (HASHED**2 - 1)
        pairs = np.argwhere(agreement >= 2 * SIGNS_AGREE - 1)
        pairs[:, 0] += start
        if left is right:
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        correlation = (blurred_left[pairs[:, 0]] * blurred_right[pairs[:, 1]]).sum(1)
        apart = contrast[pairs[:, 0]] * np.sqrt(np.maximum(1 - correlation**2, 0))
        near.append(pairs[(correlation >= CORRELATE) & (apart <= APART)])
    pairs = np.concatenate(near)
    differ = [left.digests[a] != right.digests[b] for a, b in pairs.tolist()]
    return pairs[np.array(differ, bool)]


def alike_in_an_image(left: Inspection, right: Inspection) -> np.ndarray:
    """(k, 2) rows, as `near_duplicates`."""
    assert left.images is not None and right.images is not None
    last = {content: image for image, content in enumerate(left.images.digests)}
    same = [(last[content], image) for image, content in enumerate(right.images.digests) if content in last]
    images = np.concatenate([np.array(same, int).reshape(-1, 2), near_duplicates(left.images, right.images)])
    rows_left, rows_right = (bags.rows for side in (left, right) if (bags := bags_of(side.inputs)) is not None)
    pairs = np.stack([rows_left[images[:, 0]], rows_right[images[:, 1]]], axis=1)
    if left is right:
        pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    pairs = np.unique(pairs, axis=0)
    return pairs[[left.digests[a] != right.digests[b] for a, b in pairs.tolist()]]


def merge(groups: np.ndarray, pairs: Iterable[Sequence[int]]) -> np.ndarray:
    """(n,) int: connected components of groups and pairs of rows, each named by its smallest group.

    >>> merge(np.array([7, 7, 3, 5]), [(1, 3)]).tolist()
    [5, 5, 3, 5]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, node = np.unique(groups, return_inverse=True)
    left, right = node[np.array([*pairs], int).reshape(-1, 2)].T
    links = coo_array((np.ones(len(left)), (left, right)), shape=(len(names), len(names)))
    _, component = connected_components(links, directed=False)
    smallest = np.unique(component, return_index=True)[1]  # names are sorted
    return names[smallest][component[node]].astype(np.int64)


# -- the checks --------------------------------------------------------------------------------------------------------


def check_duplicates(
    labelled: Samples,
    clusters: Sequence[list[int]],
    near: np.ndarray,
    declared: np.ndarray,
    part: np.ndarray | None,
    too_few: bool = False,
) -> Check:
    """part: (n,) int, the fold of every row or the hold-out; a pair across two parts is a leak.

    too_few: the groups that joining them would leave are too few for a split, so they were not joined.
    """
    copies, pairs = sum(len(rows) - 1 for rows in clusters), [*pairs_of(clusters), *map(tuple, near.tolist())]
    evidence = f"{copies} exact copies and {len(near)} near-duplicate pairs"
    across = [pair for pair in pairs if declared[pair[0]] != declared[pair[1]]]
    if too_few:
        found = f"{evidence}, {len(across)} of them across declared groups: {_named(labelled, across)}"
        remedy = (
            "they stay apart, since joined groups are too few for a split; scores are too good if they are one thing"
        )
        return Check("duplicates", "warn", found, remedy)
    if part is not None and (cut := [pair for pair in pairs if part[pair[0]] != part[pair[1]]]):
        return Check(
            "duplicates",
            "fail",
            f"{evidence}; the split separates {len(cut)} of them: {_named(labelled, cut)}",
            "let the declared split keep the groups of the samples whole",
        )
    if across:
        evidence += f", {len(across)} of them across declared groups, which are now one: {_named(labelled, across)}"
    elif pairs:
        evidence += ", all within declared groups"
    return Check("duplicates", "pass", evidence)


def _named(labelled: Samples, pairs: Sequence[Sequence[int]]) -> str:
    return listed([f"{labelled.ids[left]} = {labelled.ids[right]}" for left, right in pairs])


def check_test_duplicates(
    labelled: Samples, inspection: Inspection, official: Mapping[str, Samples], tests: Mapping[str, Inspection]
) -> Check:
    row_of = {content: row for row, content in enumerate(inspection.digests)}
    copies = []
    for part, samples in official.items():
        twins = {row: row_of[content] for row, content in enumerate(tests[part].digests) if content in row_of}
        twins |= {row: k for k, row in near_duplicates(inspection, tests[part]).tolist()}
        copies += [f"{labelled.ids[k]} = {part} {samples.ids[row]}" for row, k in twins.items()]
    if not copies:
        return Check("test duplicates", "pass", "no labelled input is in the official test")
    return Check(
        "test duplicates",
        "warn",
        f"{len(copies)} official test inputs are copies of labelled ones: {listed(copies)}",
        "their score says nothing about new data",
    )


def check_conflicts(labelled: Samples, clusters: Sequence[list[int]]) -> Check:
    """Find equal inputs with different labels; one image may have two beside different columns of a table."""
    if isinstance(labelled.inputs, Joined):
        table = labelled.inputs.table
        alike = [(rows, exact_duplicates(digest(table[row]) for row in rows)) for rows in clusters]
        clusters = [[rows[k] for k in same] for rows, found in alike for same in found]
    torn = [rows for rows in clusters if len({digest(labelled.targets[row]) for row in rows}) > 1]
    if not torn:
        return Check("conflicting labels", "pass", "no input has two labels")
    names = [" / ".join(map(str, labelled.ids[rows])) for rows in torn]
    return Check(
        "conflicting labels",
        "warn",
        f"different labels for the same input ({len(torn)}): {listed(names)}",
        "correct the labels, or exclude the wrong ones",
    )


def check_groups(groups: np.ndarray) -> Check:
    counts = np.unique(groups, return_counts=True)[1]
    evidence = f"{len(counts)} groups that no split separates; the largest has {counts.max()} of {len(groups)} samples"
    if counts.max() <= LARGE_GROUP * len(groups):
        return Check("groups", "pass", evidence)
    return Check("groups", "warn", evidence, "folds will be uneven; use fewer (FOLDS=n), or look for a wrong duplicate")
