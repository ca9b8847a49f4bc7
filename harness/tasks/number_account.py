"""What numbers tell beside a score: themselves."""

from collections.abc import Mapping

import numpy as np

from harness.tasks.accounts import Colour, Curve, Doubts

OUTLYING = 5.2  # median absolute deviations: 3.5 standard deviations of a normal law


class NumberAccount:
    def facets(self, targets: np.ndarray) -> np.ndarray:
        return np.asarray(targets, np.float64)[:, None]

    def doubts(self, targets: np.ndarray, prediction: np.ndarray) -> Doubts:
        """By the residual; doubted where it is an outlier among all (median absolute deviation, Iglewicz 1993)."""
        from cleanlab.regression.rank import get_label_quality_scores

        residual = self.misses(targets, prediction)
        spread = np.median(np.abs(residual - np.median(residual)))
        quality = get_label_quality_scores(np.asarray(targets, float), np.asarray(prediction, float), method="residual")
        return Doubts(quality, np.abs(residual - np.median(residual)) > OUTLYING * spread)

    def confusion(self, targets: np.ndarray, decided: np.ndarray) -> None:
        return None

    def pair(self, targets: np.ndarray, decided: np.ndarray, of: int | None) -> None:
        return None

    def curves(self, targets: np.ndarray, decided: np.ndarray) -> Mapping[str, Curve]:
        return {}

    def amounts(self, targets: np.ndarray, decided: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(targets, np.float64), np.asarray(decided, np.float64)

    def claims(self, targets: np.ndarray, prediction: np.ndarray) -> None:
        return None

    def misses(self, targets: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        return np.asarray(prediction, np.float64) - targets

    def perfected(self, targets: np.ndarray, prediction: np.ndarray, decided: np.ndarray, of: int) -> np.ndarray:
        raise ValueError(f"numbers have no class {of}")

    def colours(self) -> Mapping[str, Colour]:
        return {}

    def shown(self, targets: np.ndarray, decided: np.ndarray) -> tuple[np.ndarray, str]:
        return decided, ""

    def words(self, row: float) -> str:
        return f"{row:.4g}"

    def picture(self, image: np.ndarray, row: float) -> np.ndarray:
        return image

    def difference(self, image: np.ndarray, target: float, said: float) -> None:
        return None
