"""Made-up probabilities of masks and labels, of models that know the truth by a signal over noise."""

import numpy as np
import pytest

from harness.ensemble import Member, OOFData
from harness.metrics import MeanIoU
from harness.tasks.segmentation import Segmentation

CLASSES = ("void", "plain", "hill", "rare")
TASK, METRIC = Segmentation(CLASSES, (4, 8), void=0), MeanIoU(CLASSES, void=0)
ROWS, FOLDS = 60, 4


class Scenes:
    """Masks (60, 4, 8) of four classes in 30 groups and 4 folds, and predictions of them."""

    task, metric, rows, folds = TASK, METRIC, ROWS, FOLDS

    @staticmethod
    def targets(seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return rng.choice([0, 1, 2, 3], (ROWS, 4, 8), p=[0.05, 0.45, 0.4, 0.1]).astype(np.uint8)

    @staticmethod
    def softmax(logits: np.ndarray) -> np.ndarray:
        raw = np.exp(logits - logits.max(1, keepdims=True))
        return (raw / raw.sum(1, keepdims=True)).astype(np.float16)

    def knowing(self, truth: np.ndarray, signal: float, seed: int, rare: float | None = None) -> np.ndarray:
        """Probabilities of a model that is right by `signal` noise deviations; about the rare class, by `rare`."""
        of_class = np.array([0, signal, signal, signal if rare is None else rare])[:, None, None]
        shown = np.moveaxis(np.eye(4)[truth], 3, 1) * of_class
        return self.softmax(shown + np.random.default_rng(seed).normal(size=shown.shape))

    def noise(self, seed: int) -> np.ndarray:
        return self.softmax(np.random.default_rng(seed).normal(size=(ROWS, 4, 4, 8)))

    @staticmethod
    def oof(truth: np.ndarray, **members: np.ndarray | tuple[np.ndarray, np.ndarray]) -> OOFData:
        """members: the plain view, or both."""
        views = {name: Member(*(each if isinstance(each, tuple) else (each, each))) for name, each in members.items()}
        groups = np.arange(ROWS) // 2
        return OOFData(TASK, METRIC, views, truth, groups % FOLDS, groups)


@pytest.fixture(scope="session")
def scenes() -> Scenes:
    return Scenes()


@pytest.fixture(scope="session")
def diverse(scenes: Scenes) -> OOFData:
    """Two good members with mistakes of their own, and one that knows nothing."""
    truth = scenes.targets()
    one, two = (scenes.knowing(truth, 1.5, seed) for seed in (1, 2))
    return scenes.oof(truth, one=one, two=two, noise=scenes.noise(3))


@pytest.fixture(scope="session")
def rare(scenes: Scenes) -> OOFData:
    """A generalist that misses the rare class, a specialist that finds it, and one that finds nothing."""
    truth = scenes.targets()
    presence = (truth == 3) * 3.0 + np.random.default_rng(5).normal(size=truth.shape) - 1.5
    blind = np.random.default_rng(6).normal(size=truth.shape)
    finder, blind = (TASK.expand(1 / (1 + np.exp(-logits)), target_class=3) for logits in (presence, blind))
    general, second = scenes.knowing(truth, 2.5, 1, rare=-1.0), scenes.knowing(truth, 2.0, 2, rare=-1.0)
    return scenes.oof(truth, general=general, second=second, finder=finder, blind=blind)
