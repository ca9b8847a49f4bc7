"""Dice and IoU image by image are those of scikit-learn, and an empty image is defined."""

import numpy as np
import pytest

from harness.metrics import MeanDice, MeanImageIoU

CLASSES = ("background", "gland", "vessel")


def masks(seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Of ten images the first is empty in both, the second in the truth, the third in the prediction."""
    truth, predicted = np.random.default_rng(seed).integers(0, classes, (2, 10, 5, 6)).astype(np.uint8)
    truth[[0, 1]] = predicted[[0, 2]] = 0
    return truth, predicted


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("classes", [2, 3])
def test_they_are_the_means_of_scikit_learns_images(seed: int, classes: int) -> None:
    from sklearn.metrics import f1_score, jaccard_score

    truth, predicted = masks(seed, classes)
    for kind, usual in ((MeanDice, f1_score), (MeanImageIoU, jaccard_score)):
        metric = kind(CLASSES[:classes])
        statistics = metric.statistics(truth, predicted)
        of_images = np.array([
            usual(t.ravel(), p.ravel(), labels=range(1, classes), average=None, zero_division=1)
            for t, p in zip(truth, predicted, strict=True)
        ])  # fmt: skip
        assert statistics == pytest.approx(of_images, abs=1e-12)
        assert metric.score(statistics) == pytest.approx(of_images.mean(), abs=1e-12)
        assert list(metric.by_class(statistics).values()) == pytest.approx(list(of_images.mean(0)), abs=1e-12)


@pytest.mark.parametrize("kind", [MeanDice, MeanImageIoU])
def test_nothing_said_of_nothing_is_right_and_something_is_wrong(kind: type) -> None:
    metric = kind(CLASSES[:2])
    assert metric.statistics(*masks(0, 2))[:3].ravel().tolist() == [1, 0, 0]


@pytest.mark.parametrize("kind", [MeanDice, MeanImageIoU])
def test_a_resample_is_the_mean_of_its_images(kind: type) -> None:
    metric = kind(CLASSES)
    statistics = metric.statistics(*masks(1))
    counts = np.random.default_rng(0).integers(0, 4, (3, 10))
    repeated = [statistics[np.repeat(np.arange(10), times)] for times in counts]
    assert metric.score(statistics, counts) == pytest.approx([metric.score(rows) for rows in repeated])
    by_class = metric.by_class(statistics, counts)
    assert by_class["vessel"] == pytest.approx([rows[:, 1].mean() for rows in repeated])
