"""Overlap and fusion of boxes, by hand and against a slow and plain version."""

import numpy as np
import pytest

from harness.data.samples import Ragged
from harness.metrics.boxes import overlap, weighted_box_fusion

# label, score, x1, y1, x2, y2
LEFT, RIGHT = [0, 0.8, 0, 0, 10, 10], [0, 0.4, 0, 0, 10, 8]  # overlap by 0.8
FAR = [0, 0.6, 50, 50, 60, 60]


def rows(*images: list[list[float]]) -> Ragged:
    return Ragged.of([np.array(boxes, np.float32).reshape(-1, 6) for boxes in images])


def random_rows(rng: np.random.Generator, images: int, most: int, classes: int = 3, side: float = 30) -> Ragged:
    made = []
    for _ in range(images):
        count = int(rng.integers(0, most + 1))
        corners = rng.uniform(0, side, (count, 2))
        sizes = rng.uniform(3, side / 2, (count, 2))
        scores = -np.sort(-rng.uniform(0.01, 1, count))
        made.append(np.column_stack([rng.integers(0, classes, count), scores, corners, corners + sizes]))
    return Ragged.of(made)


def test_overlap_by_hand_and_boxes_without_area_overlap_nothing() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [2, 0, 4, 2], [0, 0, 2, 1], [1, 1, 1, 1]], float)
    assert overlap(boxes[0], boxes).tolist() == [1.0, 1 / 3, 0.0, 0.5, 0.0]
    assert overlap(boxes[4], boxes[4]) == 0


# -- weighted box fusion -----------------------------------------------------------------------------------------------


def test_two_members_that_agree_are_averaged_by_weight_and_score() -> None:
    fused = weighted_box_fusion([rows([LEFT]), rows([RIGHT])], [1, 3])
    # strengths 0.8 and 1.2: y2 = (0.8 x 10 + 1.2 x 8) / 2 = 8.8; score = (0.8 + 3 x 0.4) / 4 = 0.5
    np.testing.assert_allclose(fused.flat, [[0, 0.5, 0, 0, 10, 8.8]], rtol=1e-6)


def test_a_box_that_few_members_found_is_scaled_down() -> None:
    fused = weighted_box_fusion([rows([LEFT]), rows([]), rows([FAR])], [2, 1, 1])
    np.testing.assert_allclose(fused.flat, [[0, 0.4, 0, 0, 10, 10], [0, 0.15, 50, 50, 60, 60]], rtol=1e-6)


def test_members_without_weight_and_boxes_without_score_or_area_are_left_out() -> None:
    empty = rows([[0, 0.0, 0, 0, 10, 10], [0, 0.9, 3, 3, 3, 8]])
    fused = weighted_box_fusion([rows([LEFT]), empty, rows([FAR])], [1, 1, 0])
    np.testing.assert_allclose(fused.flat, [[0, 0.4, 0, 0, 10, 10]], rtol=1e-6)
    nothing = weighted_box_fusion([empty, empty], [1, 1])
    assert (nothing.flat.shape, nothing.offsets.tolist()) == ((0, 6), [0, 0])


def test_the_best_hundred_boxes_of_an_image_stay_sorted() -> None:
    many = [[0, 0.001 * (k + 1), 20 * k, 0, 20 * k + 10, 10] for k in range(130)]
    fused = weighted_box_fusion([rows(many, many[:3]), rows(many, [])], [1, 1])
    assert fused.offsets.tolist() == [0, 100, 103]
    np.testing.assert_allclose(fused.flat[:100, 1], [0.001 * (k + 1) for k in range(129, 29, -1)], rtol=1e-5)


def plainly_fused(members: list[Ragged], weights: list[float], above: float) -> list[list[list[float]]]:
    """The paper's algorithm, box by box. No library of the project has it."""
    images = []
    for row in range(len(members[0])):
        boxes = [
            (weight, k, *map(float, box))
            for k, (member, weight) in enumerate(zip(members, weights, strict=True))
            for box in member[row]
        ]
        clusters: list[dict] = []
        for weight, k, label, score, *corners in sorted(boxes, key=lambda box: -box[0] * box[3]):
            near = [
                c for c in clusters if c["label"] == label and overlap(np.array(c["head"]), np.array(corners)) > above
            ]
            if near:
                cluster = max(near, key=lambda c: overlap(np.array(c["head"]), np.array(corners)))
            else:
                cluster = {"label": label, "boxes": []}
                clusters.append(cluster)
            cluster["boxes"].append((weight, k, score, corners))
            strength = sum(w * s for w, _, s, _ in cluster["boxes"])
            cluster["head"] = [sum(w * s * c[i] for w, _, s, c in cluster["boxes"]) / strength for i in range(4)]
        found = []
        for cluster in clusters:
            mean = sum(w * s for w, _, s, _ in cluster["boxes"]) / sum(w for w, _, _, _ in cluster["boxes"])
            seen = sum(weights[k] for k in {k for _, k, _, _ in cluster["boxes"]}) / sum(weights)
            found.append([cluster["label"], mean * seen, *cluster["head"]])
        images.append(sorted(found, key=lambda box: -box[1]))
    return images


@pytest.mark.parametrize("seed", range(5))
def test_all_images_at_once_are_fused_as_box_after_box(seed: int) -> None:
    rng = np.random.default_rng(seed)
    members = [random_rows(rng, images=70, most=14) for _ in range(3)]
    weights = rng.uniform(0.2, 2, 3).tolist()
    fused = weighted_box_fusion(members, weights)
    expected = plainly_fused(members, weights, 0.55)
    assert np.diff(fused.offsets).tolist() == [len(boxes) for boxes in expected]
    np.testing.assert_allclose(fused.flat, [box for boxes in expected for box in boxes], rtol=2e-5, atol=1e-5)
