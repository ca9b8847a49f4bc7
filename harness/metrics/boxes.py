"""Boxes: overlap and weighted box fusion. A box is x1, y1, x2, y2; a row of boxes (k, 6): label, score, box."""

from collections.abc import Sequence

import numpy as np

from harness.data.samples import Ragged

MOST = 100  # boxes per image: COCO counts no more
ABOVE = 0.55  # the overlap from which boxes are fused
IMAGES = 64  # fused at once: the means of their clusters stay in the cache


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union (...) of boxes (..., 4), broadcast; 0 where both are empty.

    >>> overlap(np.array([0, 0, 2, 2]), np.array([[1, 0, 3, 2], [0, 0, 2, 2], [5, 5, 6, 6]])).round(3).tolist()
    [0.333, 1.0, 0.0]
    """
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = area(a) + area(b) - shared
    return np.divide(shared, union, out=np.zeros(np.shape(shared)), where=union > 0)


def area(boxes: np.ndarray) -> np.ndarray:
    """Areas (...) of boxes (..., 4), in square pixels."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union (n, m) of every box of `a` with every box of `b`."""
    return overlap(a[:, None], b[None])


# -- weighted box fusion -----------------------------------------------------------------------------------------------


def weighted_box_fusion(members: Sequence[Ragged], weights: Sequence[float]) -> Ragged:
    """Fuse the members' boxes (Solovyev et al. 2019, arXiv 1910.13302), scores by "box and model average".

    Boxes of one class that overlap a cluster by more than `ABOVE` become one: the mean of their corners, weighted by
    weight x score. Its score is the weighted mean of theirs, times the share of all weights whose members have a box
    in it: a box that few members found counts less. Members without weight are left out, and so are boxes without
    score or area, which would divide by zero. Returns the best `MOST` boxes of every image, float32.
    """
    used = [k for k, weight in enumerate(weights) if weight > 0]
    share = np.array([weights[k] for k in used], np.float64) / sum(weights[k] for k in used)
    chosen = [members[k] for k in used]
    starts = range(0, len(chosen[0]), IMAGES)
    return Ragged.join([_fused([member[at : at + IMAGES] for member in chosen], share) for at in starts])


def _fused(members: Sequence[Ragged], share: np.ndarray) -> Ragged:
    image, by, rows = together(members)
    weight = share[by]
    useful = (rows[:, 1] * weight > 0) & (area(rows[:, 2:]) > 0)
    image, by, rows, weight = image[useful], by[useful], rows[useful], weight[useful]
    if not len(rows):
        return ragged(image, rows, len(members[0]))
    strength = rows[:, 1] * weight
    group, cluster = _clusters(image, rows[:, 0], rows[:, 2:], strength)

    key, cluster = np.unique(np.stack([group, cluster]), axis=1, return_inverse=True)
    count, cluster = key.shape[1], cluster.ravel()
    seen = np.unique(np.stack([cluster, by]), axis=1)
    total = np.bincount(cluster, strength, count)
    score = total / np.bincount(cluster, weight, count) * np.bincount(seen[0], share[seen[1]], count)
    corners = [np.bincount(cluster, strength * rows[:, k], count) / total for k in range(2, 6)]
    first = np.unique(cluster, return_index=True)[1]
    return ragged(image[first], np.stack([rows[first, 0], score, *corners], axis=1), len(members[0]))


def _clusters(
    image: np.ndarray, label: np.ndarray, boxes: np.ndarray, strength: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Assign every box to its group (image and class) and to a cluster within the group: two arrays (m,).

    Every group takes its strongest box, then its next, ...; all groups at once, which is what makes it fast.
    Groups are numbered by size, so that those with a box left always come first.
    """
    _, group, sizes = np.unique(np.stack([image, label]), axis=1, return_inverse=True, return_counts=True)
    by_size = np.argsort(-sizes, kind="stable")
    group, sizes = np.argsort(by_size, kind="stable")[group.ravel()], sizes[by_size]
    in_groups = np.lexsort((-strength, group))
    turn = np.empty(len(group), np.int64)
    turn[in_groups] = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)

    means = np.zeros((len(sizes), sizes[0], 4))  # the fused boxes so far
    sums, total = np.zeros_like(means), np.zeros(means.shape[:2])
    clusters, chosen = np.zeros(len(sizes), np.int64), np.empty(len(group), np.int64)
    for now in np.split(np.lexsort((group, turn)), np.cumsum(np.bincount(turn))[:-1]):
        groups, most = np.arange(len(now)), max(1, clusters.max())
        agreement = overlap(boxes[now][:, None], means[: len(now), :most])
        best = agreement.argmax(1)
        joins = agreement[groups, best] > ABOVE
        best = np.where(joins, best, clusters[: len(now)])
        clusters[: len(now)] += ~joins
        total[groups, best] += strength[now]
        sums[groups, best] += strength[now, None] * boxes[now]
        means[groups, best] = sums[groups, best] / total[groups, best, None]
        chosen[now] = best
    return group, chosen


# -- rows of boxes -----------------------------------------------------------------------------------------------------


def together(members: Sequence[Ragged]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Concatenate the members: the image (m,) and the member (m,) of every box, and the boxes (m, 6) in float64."""
    lengths = [np.diff(member.offsets) for member in members]
    image = np.concatenate([np.repeat(np.arange(len(each)), each) for each in lengths])
    by = np.repeat(np.arange(len(members)), [int(each.sum()) for each in lengths])
    return image, by, np.concatenate([member.flat for member in members]).astype(np.float64)


def only(rows: Ragged, keep: np.ndarray) -> Ragged:
    """Keep the boxes where `keep` (m,) is true."""
    return Ragged(rows.flat[keep], np.concatenate([[0], np.cumsum(keep)])[rows.offsets])


def ragged(image: np.ndarray, rows: np.ndarray, images: int, most: int = MOST) -> Ragged:
    """Group boxes (m, 6) by their image (m,), the best `most` of each sorted by score, float32."""
    order = np.lexsort((-rows[:, 1], image))
    counts = np.bincount(image, minlength=images)
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    best = order[place < most]
    offsets = np.concatenate([[0], np.cumsum(np.minimum(counts, most))])
    return Ragged(rows[best].astype(np.float32).reshape(-1, 6), offsets)
