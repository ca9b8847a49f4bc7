"""Small data sets for the audit, and what it found in them."""

import io
from typing import Any

import numpy as np
from PIL import Image

from harness.audit import Audit
from harness.data.images import EncodedImages
from harness.data.samples import Samples, numbered

ROWS, SIDE = 120, 32
TRUTH = np.random.default_rng(1).integers(0, 2, ROWS).astype(np.uint8)


def problems(found: Audit) -> dict[str, str]:
    """The verdicts of the checks that did not pass."""
    return {check.name: check.verdict for check in found.checks if check.verdict != "pass"}


def evidence(found: Audit, name: str) -> str:
    return next(check.evidence for check in found.checks if check.name == name)


def noise(rows: int = ROWS, seed: int = 0, bright: float = 100) -> np.ndarray:
    """(rows, SIDE, SIDE) uint8: pictures unlike each other, and smooth enough that a little noise changes little."""
    coarse = np.random.default_rng(seed).normal(bright, 30, (rows, SIDE // 4, SIDE // 4))
    return coarse.repeat(4, 1).repeat(4, 2).clip(0, 255).astype(np.uint8)


def jpeg(picture: np.ndarray, padding: int = 0, **options: Any) -> np.ndarray:
    content = io.BytesIO()
    Image.fromarray(picture).convert("RGB").save(content, "JPEG", **options)
    return np.frombuffer(content.getvalue() + bytes(padding), np.uint8)


def in_files(contents: list[np.ndarray]) -> Samples:
    return Samples(numbered(len(contents)), EncodedImages.of(contents), TRUTH[: len(contents)])


def masked(rows: int = 10) -> Samples:
    """Each picture its own group, under its own mask: class 1 above, class 2 below another line."""
    masks = np.ones((rows, SIDE, SIDE), np.uint8)
    for row in range(rows):
        masks[row, row + 3 :] = 2
    return Samples(numbered(rows), noise(rows), masks, np.arange(rows) * 10)


# -- pictures under a motif --------------------------------------------------------------------------------------------


def faces(side: int) -> np.ndarray:
    """(2, side, side, 3) float: a green one with eyes, and a grinning one in lines; as unlike as two jokes are."""
    y, x = np.mgrid[:side, :side] / side

    def oval(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2

    green, lines = np.full((side, side, 3), (60.0, 70, 50)), np.full((side, side, 3), 230.0)
    green[(oval(0.5, 0.52, 0.32, 0.4) < 1) | (oval(0.15, 0.3, 0.12, 0.06) < 1)] = (90, 170, 60)
    green[(oval(0.37, 0.42, 0.07, 0.07) < 1) | (oval(0.63, 0.42, 0.07, 0.07) < 1)] = 240
    green[(oval(0.5, 0.7, 0.18, 0.07) < 1) & (y > 0.7)] = (120, 40, 40)
    lines[abs(oval(0.5, 0.5, 0.4, 0.32) - 1) < 0.12] = 20
    lines[(abs(oval(0.35, 0.4, 0.09, 0.05) - 1) < 0.5) | (abs(oval(0.65, 0.4, 0.09, 0.05) - 1) < 0.5)] = 20
    lines[(abs(oval(0.5, 0.6, 0.26, 0.14) - 1) < 0.2) & (y > 0.6)] = 20
    return np.stack([green, lines])


def under_motifs(cells: Samples, each: int, classes: int, seed: int = 0) -> tuple[Samples, np.ndarray]:
    """The cells, and `each` copies of some under either face, with random labels; and the rows of these copies.

    The faces are blended and shifted differently.
    """
    rng, images, side = np.random.default_rng(seed), list(cells.inputs), cells.inputs.shape[1]
    reach = side // 24
    for row in rng.integers(len(cells), size=2 * each):
        face = np.roll(faces(side)[len(images) % 2], rng.integers(-reach, reach + 1, 2), (0, 1))
        share = rng.uniform(0.45, 0.85)
        images.append(np.round((1 - share) * cells.inputs[row] + share * face).astype(np.uint8))
    labels = np.concatenate([cells.targets, rng.integers(classes, size=2 * each)]).astype(np.uint8)
    return Samples(numbered(len(images)), np.stack(images), labels), np.arange(len(cells), len(images))


def blood_cells(rows: int = 200, classes: int = 8, side: int = 48) -> Samples:
    """Round coloured cells on an uneven pale ground, with a nucleus; the label is its size. side: a multiple of 6."""
    y, x = np.mgrid[:side, :side] / side
    labels, images = np.arange(rows) % classes, []
    for row, label in enumerate(labels.tolist()):
        rng = np.random.default_rng(row)
        coarse = rng.normal((225, 200, 190), 25, (6, 6, 3))  # unlike each other, in every low frequency
        picture = coarse.repeat(side // 6, 0).repeat(side // 6, 1)
        cx, cy = rng.normal(0.5, 0.08, 2)
        picture[(x - cx) ** 2 + (y - cy) ** 2 < rng.uniform(0.25, 0.33) ** 2] = rng.normal((200, 170, 200), 10)
        cx, cy = cx + rng.normal(0, 0.06), cy + rng.normal(0, 0.06)
        picture[(x - cx) ** 2 + (y - cy) ** 2 < (0.08 + 0.015 * label) ** 2] = rng.normal((110, 60, 140), 12)
        images.append((picture + rng.normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8))
    return Samples(numbered(rows), np.stack(images), labels.astype(np.uint8))
