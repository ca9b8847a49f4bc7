"""What decisions cost, where one mistake is worse than another."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.errors import UserError
from harness.metrics.sums import mean_of_labels, mean_of_rows, number


@dataclass(frozen=True)
class Cost:
    """The mean cost of a decision, lower is better.

    classes: names, the index is the label. costs: costs[truth][decision], with nothing in the diagonal as a rule.

    Four rows: one ill person is sent home, which costs 10; one who is well is examined for nothing, which costs 1.

    >>> metric = Cost(("well", "ill"), costs=((0, 1), (10, 0)))
    >>> rows = metric.statistics(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0]))
    >>> metric.score(rows)
    2.75

    By class: what a row of the class costs.

    >>> {name: float(cost) for name, cost in metric.by_class(rows).items()}
    {'well': 0.5, 'ill': 5.0}
    """

    classes: tuple[str, ...]
    costs: tuple[tuple[float, ...], ...]
    name: ClassVar[str] = "mean cost"
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = False
    needs: ClassVar[str] = "labels"

    def __post_init__(self) -> None:
        if {len(self.costs), *map(len, self.costs)} != {len(self.classes)}:
            raise UserError(
                f"the costs are {self.costs}, but {len(self.classes)} rows (truth) of {len(self.classes)} (decision) "
                f"are right for the classes {', '.join(self.classes)}"
            )

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, 2) float64: the cost, and the label; truth, predicted: (n,) labels."""
        return np.stack([np.asarray(self.costs, np.float64)[truth, predicted], truth], 1)

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        return number(mean_of_rows(statistics[:, 0], counts))

    def by_class(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> dict[str, Any]:
        means = mean_of_labels(statistics, len(self.classes), counts)
        return dict(zip(self.classes, means.T, strict=True))
