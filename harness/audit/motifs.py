"""Pictures that one foreign motif was laid over, found by what they share: a look of their own, and labels at random.

A perceptual hash in colour: the lowest frequencies, each relative to its spread over the data set, so that what all
pictures have in common says nothing. Pictures under one motif then point the same way, however strongly it was blended
in. Real pictures point the same way too where they show the same thing, but then their labels agree, and between those
that do and those that do not there is no gap.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

MANY = 20  # pictures that make a motif
# Measured on 1,000 blood cells of 96 pixels with two motifs of 60 copies each, blended in at 0.4 to 0.8 and shifted by
# up to 4 %: of 20 copies 19 point at least 0.55 the way of their mean, cells at most 0.40. Of 28 pixels: 0.39 and 0.39.
FREQUENCIES = 8  # an axis; with 6, cells point up to 0.6 that way, with 12 copies as little as 0.4
ALIKE = 0.5
DOUBTFUL = 0.35
GAP = 2  # times as many alike as in doubt
# Of the conflicts that labels at random would have: alike cells reach 0.3 to 0.9, handwritten digits 0.71.
RANDOM = 0.85
CLIP = 9.0  # median distances: one strong frequency must not speak for all
ROUNDS = 3
BLOCK = 1024  # rows compared at once


def motifs(inputs: Any, labels: np.ndarray) -> list[np.ndarray]:
    """The rows of each motif. inputs: pictures (n, h, w[, 3]) or `EncodedImages`; labels: (n,) int."""
    rows = directions(inputs)
    left = np.ones(len(rows), bool)
    found = []
    for leader in leaders(rows, labels, left):
        members, doubtful = gathered(rows, leader, left)
        random = conflict(labels[members]) >= RANDOM * conflict(labels)
        if len(members) >= max(MANY, GAP * doubtful) and random:
            found.append(members)
        left[members] = False
        left[leader] = False
    return found


def leaders(rows: np.ndarray, labels: np.ndarray, left: np.ndarray) -> Iterator[int]:
    """Rows with many neighbours of other labels, most first; `left` is looked at anew for each."""
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


def gathered(rows: np.ndarray, leader: int, left: np.ndarray) -> tuple[np.ndarray, int]:
    """The rows that point the way of the leader's neighbours, and how many nearly do."""
    members = np.flatnonzero(left & (rows @ rows[leader] >= ALIKE))
    for _ in range(ROUNDS):
        cosine = rows @ unit(rows[members].mean(0))
        members = np.flatnonzero(left & (cosine >= ALIKE))
        if not len(members):
            break
    return members, int((left & (cosine >= DOUBTFUL) & (cosine < ALIKE)).sum())


def conflict(labels: np.ndarray) -> float:
    """The chance that two of them differ."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return 1 - float((shares**2).sum())


def directions(inputs: Any) -> np.ndarray:
    """(n, d) float32, of length 1: the lowest frequencies of every colour, each as its distance from the median."""
    spectra = np.stack([spectrum(np.asarray(picture, np.float32)) for picture in inputs])
    spectra = unit(spectra)
    distance = spectra - np.median(spectra, 0)
    spread = np.median(np.abs(distance), 0) + 1e-9
    return unit(np.clip(distance / spread, -CLIP, CLIP))


def spectrum(picture: np.ndarray) -> np.ndarray:
    """(h, w[, c]) to (c * (FREQUENCIES^2 - 1),): without the means, for a motif in other light is the same motif."""
    height, width = picture.shape[:2]
    layers = np.tensordot(cosines(FREQUENCIES, height), picture.reshape(height, width, -1), 1)
    low = np.tensordot(cosines(FREQUENCIES, width), layers, (1, 1))
    return low.reshape(FREQUENCIES**2, -1)[1:].ravel()


@lru_cache(maxsize=64)
def cosines(count: int, length: int) -> np.ndarray:
    """(count, length) float32: the first rows of the DCT-II matrix."""
    return np.cos(np.pi * np.outer(np.arange(count), np.arange(length) + 0.5) / length).astype(np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-6)
