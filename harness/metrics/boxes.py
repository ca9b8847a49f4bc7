"""Boxes: overlap, suppression and fusion, by numpy. A box is x1, y1, x2, y2; a row of boxes (k, 6): label, score, box.

`weighted_box_fusion`, `nms` and `soft_nms` make one prediction of several: what a detection task averages with.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.data.samples import Ragged

MOST = 100  # boxes an image that are kept: COCO looks at no more
IMAGES = 64  # fused at once: the heads of their clusters stay in the cache

Fusion = Callable[[Sequence[Ragged], Sequence[float]], Ragged]


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(...) intersection over union of boxes (..., 4), broadcast; 0 where both are empty.

    >>> overlap(np.array([0, 0, 2, 2]), np.array([[1, 0, 3, 2], [0, 0, 2, 2], [5, 5, 6, 6]])).round(3).tolist()
    [0.333, 1.0, 0.0]
    """
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = area(a) + area(b) - shared
    return np.divide(shared, union, out=np.zeros(np.shape(shared)), where=union > 0)


def area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m) intersection over union of every box of `a` with every box of `b`."""
    return overlap(a[:, None], b[None])


# -- weighted box fusion -----------------------------------------------------------------------------------------------


def weighted_box_fusion(members: Sequence[Ragged], weights: Sequence[float], above: float = 0.55) -> Ragged:
    """Solovyev et al. 2019 (arXiv 1910.13302), scores by "box and model average".

    Boxes of one class that overlap a cluster by more than `above` become one: the mean of their corners, weighted by
    weight x score. Its score is the weighted mean of theirs, times the share of all weights whose members have a box
    in it: what few members saw counts less. Members without weight are left out, and so are boxes without score or
    area, so that no mean is empty. Returns the best `MOST` boxes of every image, float32.
    """
    used = [k for k, weight in enumerate(weights) if weight > 0]
    share = np.array([weights[k] for k in used], np.float64) / sum(weights[k] for k in used)
    chosen = [members[k] for k in used]
    starts = range(0, len(chosen[0]), IMAGES)
    return Ragged.join([_fused([member[at : at + IMAGES] for member in chosen], share, above) for at in starts])


def _fused(members: Sequence[Ragged], share: np.ndarray, above: float) -> Ragged:
    image, by, rows = together(members)
    weight = share[by]
    useful = (rows[:, 1] * weight > 0) & (area(rows[:, 2:]) > 0)
    image, by, rows, weight = image[useful], by[useful], rows[useful], weight[useful]
    if not len(rows):
        return ragged(image, rows, len(members[0]))
    strength = rows[:, 1] * weight
    group, cluster = _clusters(image, rows[:, 0], rows[:, 2:], strength, above)

    key, cluster = np.unique(np.stack([group, cluster]), axis=1, return_inverse=True)
    count, cluster = key.shape[1], cluster.ravel()
    seen = np.unique(np.stack([cluster, by]), axis=1)
    total = np.bincount(cluster, strength, count)
    score = total / np.bincount(cluster, weight, count) * np.bincount(seen[0], share[seen[1]], count)
    corners = [np.bincount(cluster, strength * rows[:, k], count) / total for k in range(2, 6)]
    first = np.unique(cluster, return_index=True)[1]
    return ragged(image[first], np.stack([rows[first, 0], score, *corners], axis=1), len(members[0]))


def _clusters(
    image: np.ndarray, label: np.ndarray, boxes: np.ndarray, strength: np.ndarray, above: float
) -> tuple[np.ndarray, np.ndarray]:
    """(m,) the group (image and class) of every box, and its cluster within the group.

    Every group looks at its strongest box, then at its next, ...; all groups at once, which is what makes it fast.
    Groups are numbered by their size, so that those with a box left always stand in front.
    """
    _, group, sizes = np.unique(np.stack([image, label]), axis=1, return_inverse=True, return_counts=True)
    by_size = np.argsort(-sizes, kind="stable")
    group, sizes = np.argsort(by_size, kind="stable")[group.ravel()], sizes[by_size]
    in_groups = np.lexsort((-strength, group))
    turn = np.empty(len(group), np.int64)
    turn[in_groups] = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)

    heads = np.zeros((len(sizes), sizes[0], 4))  # the fused boxes so far
    sums, total = np.zeros_like(heads), np.zeros(heads.shape[:2])
    clusters, chosen = np.zeros(len(sizes), np.int64), np.empty(len(group), np.int64)
    for now in np.split(np.lexsort((group, turn)), np.cumsum(np.bincount(turn))[:-1]):
        here, most = np.arange(len(now)), max(1, clusters.max())
        agreement = overlap(boxes[now][:, None], heads[: len(now), :most])
        best = agreement.argmax(1)
        found = agreement[here, best] > above
        best = np.where(found, best, clusters[: len(now)])
        clusters[: len(now)] += ~found
        total[here, best] += strength[now]
        sums[here, best] += strength[now, None] * boxes[now]
        heads[here, best] = sums[here, best] / total[here, best, None]
        chosen[now] = best
    return group, chosen


# -- suppression -------------------------------------------------------------------------------------------------------


def nms(members: Sequence[Ragged], weights: Sequence[float], above: float = 0.5) -> Ragged:
    """Of all members' boxes, scores times weight (the largest is 1), only those that no better one of the same image
    and class overlaps by more than `above`. Returns the best `MOST` boxes of every image, float32."""
    image, rows = _weighted(members, weights)
    kept = [group[greedy(rows[group, 2:], rows[group, 1], above)] for group in _groups(image, rows[:, 0])]
    best = np.concatenate([np.empty(0, np.int64), *kept])
    return ragged(image[best], rows[best], len(members[0]))


def greedy(boxes: np.ndarray, scores: np.ndarray, above: float) -> np.ndarray:
    """Indices of the boxes that stay, the best first."""
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        kept.append(order[0])
        order = order[1:][overlap(boxes[order[0]], boxes[order[1:]]) <= above]
    return np.array(kept, np.int64)


def soft_nms(members: Sequence[Ragged], weights: Sequence[float], sigma: float = 0.5) -> Ragged:
    """Bodla et al. 2017 (arXiv 1704.04503): every better box of the same image and class lowers a score by
    exp(-iou^2 / sigma), and no box goes. Else as `nms`."""
    image, rows = _weighted(members, weights)
    for group in _groups(image, rows[:, 0]):
        rows[group, 1] = softened(rows[group, 2:], rows[group, 1], sigma)
    return ragged(image, rows, len(members[0]))


def softened(boxes: np.ndarray, scores: np.ndarray, sigma: float) -> np.ndarray:
    """(n,) scores after the Gaussian decay; in each turn the best of those left lowers the others."""
    scores, left = scores.copy(), np.arange(len(scores))
    while len(left) > 1:
        best = left[np.argmax(scores[left])]
        left = left[left != best]
        scores[left] *= np.exp(-(overlap(boxes[best], boxes[left]) ** 2) / sigma)
    return scores


def _weighted(members: Sequence[Ragged], weights: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    image, by, rows = together(members)
    rows[:, 1] *= (np.asarray(weights, np.float64) / max(weights))[by]
    useful = rows[:, 1] > 0
    return image[useful], rows[useful]


def _groups(image: np.ndarray, label: np.ndarray) -> Iterator[np.ndarray]:
    """The boxes of one image and class after the other."""
    order = np.lexsort((label, image))
    ends = np.flatnonzero((np.diff(image[order]) != 0) | (np.diff(label[order]) != 0)) + 1
    return (group for group in np.split(order, ends) if len(group))


# -- rows of boxes -----------------------------------------------------------------------------------------------------


def together(members: Sequence[Ragged]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(m,) the image of every box, (m,) its member, (m, 6) the boxes in float64."""
    lengths = [np.diff(member.offsets) for member in members]
    image = np.concatenate([np.repeat(np.arange(len(each)), each) for each in lengths])
    by = np.repeat(np.arange(len(members)), [int(each.sum()) for each in lengths])
    return image, by, np.concatenate([member.flat for member in members]).astype(np.float64)


def only(rows: Ragged, kept: np.ndarray) -> Ragged:
    """The boxes where `kept` (m,) is true, image by image."""
    return Ragged(rows.flat[kept], np.concatenate([[0], np.cumsum(kept)])[rows.offsets])


def ragged(image: np.ndarray, rows: np.ndarray, images: int, most: int = MOST) -> Ragged:
    """Boxes (m, 6) of these images as rows sorted by score, at most `most` in each, float32."""
    order = np.lexsort((-rows[:, 1], image))
    counts = np.bincount(image, minlength=images)
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = order[place < most]
    offsets = np.concatenate([[0], np.cumsum(np.minimum(counts, most))])
    return Ragged(rows[kept].astype(np.float32).reshape(-1, 6), offsets)
