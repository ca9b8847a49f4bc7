"""What numbers tell beside a score: themselves."""

from collections.abc import Mapping

import numpy as np

from harness.tasks.accounts import Colour, Curve


class NumberAccount:
    def confusion(self, targets: np.ndarray, decided: np.ndarray) -> None:
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
