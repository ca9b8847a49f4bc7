"""Are the intervals right? Competitions drawn from a known population: `python -m tests.benchmarks.coverage`.

A competition draws groups, with replacement, from a large population of scored rows, so that the truth is the score of
the population, exactly. Two equal models: of every drawn group a coin says which of two models' rows is whose.
The functions are `significance.interval` and `significance.compare` themselves, with fewer resamples than 2,000.
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from harness import bootstrap
from harness.data.samples import Ragged
from harness.metrics import Accuracy, MeanAveragePrecision, MeanIoU, Metric

TILES = 4  # of a picture, which no split cuts
POPULATION = 20_000  # groups


class Population(NamedTuple):
    """Of one metric: the rows of two models, (groups, rows of a group, ...)."""

    metric: Metric
    a: np.ndarray
    b: np.ndarray

    @property
    def truth(self) -> float:
        """Of either model, since a coin exchanges them."""
        return float(self.metric.score(_rows(np.concatenate([self.a, self.b]))))

    def draw(self, groups: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A competition: the rows of two equal models, and the groups of the rows."""
        drawn = rng.integers(len(self.a), size=groups)
        swapped = rng.integers(2, size=groups).astype(bool).reshape(-1, *(1,) * (self.a.ndim - 1))
        a, b = self.a[drawn], self.b[drawn]
        mine, other = np.where(swapped, b, a), np.where(swapped, a, b)
        return _rows(mine), _rows(other), np.repeat(np.arange(groups), self.a.shape[1])


class Coverage(NamedTuple):
    """Shares of the simulations: the interval held the truth, lay above it, or below it; compare called equal models
    different, or gave them p < 0.05."""

    held: float
    above: float
    below: float
    called: float
    p_small: float


def coverage(population: Population, groups: int, simulations: int, seed: int = 0) -> Coverage:
    rng, truth = np.random.default_rng(seed), population.truth
    tally = np.zeros(5)
    for _ in range(simulations):
        mine, other, group_of_row = population.draw(groups, rng)
        _, low, high = bootstrap.interval(population.metric, mine, group_of_row)
        compared = bootstrap.compare(population.metric, mine, other, group_of_row)
        held = low <= truth <= high
        tally += held, low > truth, high < truth, compared.verdict != "cannot tell", compared.p < 0.05
    return Coverage(*map(float, tally / simulations))


def _rows(groups: np.ndarray) -> np.ndarray:
    return groups.reshape(-1, *groups.shape[2:])


# -- populations -------------------------------------------------------------------------------------------------------


def accuracy(rng: np.random.Generator) -> Population:
    """Ten classes, 0.85 right; the two models share the difficulty of a row."""
    metric = Accuracy(tuple(map(str, range(10))))
    truth, hard = rng.integers(10, size=POPULATION), rng.normal(size=POPULATION)

    def model() -> np.ndarray:
        right = hard + rng.normal(size=POPULATION) < 1.4658  # of a normal of variance 2: 0.85
        return metric.statistics(truth, np.where(right, truth, (truth + rng.integers(1, 10, POPULATION)) % 10))[:, None]

    return Population(metric, model(), model())


def mean_iou(rng: np.random.Generator) -> Population:
    """Four classes, the last in one picture of six, on pooled pixels; tiles of a picture share content and quality."""
    metric = MeanIoU(("void", "soil", "bedrock", "sand", "big rock"), void=0)
    pictures, pixels = POPULATION // 4, 8192
    content = rng.dirichlet([0.1, 0.9, 0.7, 0.5], pictures)
    rock = np.where(rng.random(pictures) < 1 / 6, rng.beta(1, 8, pictures), 0)
    shares = np.concatenate([content * (1 - rock)[:, None], rock[:, None]], 1)[:, None] * rng.gamma(
        2, 0.5, (pictures, TILES, 5)
    )
    areas = shares / shares.sum(-1, keepdims=True) * pixels
    easy = rng.normal(size=(pictures, 1, 5))

    def model() -> np.ndarray:
        skill = np.array([0, 2.2, 2.0, 1.6, 0.4]) + easy + 0.5 * rng.normal(size=(pictures, 1, 5))
        right = areas / (1 + np.exp(-skill - 0.3 * rng.normal(size=(pictures, TILES, 5))))
        mistaken = (areas - right)[..., None] * rng.dirichlet([0.2, 2, 2, 2, 0.5], (pictures, TILES, 5))
        confusion = mistaken + right[..., None] * np.eye(5)
        confusion[..., 0] = 0  # void is never predicted
        return confusion.astype(np.int32)

    return Population(metric, model(), model())


def mean_average_precision(rng: np.random.Generator) -> Population:
    """mAP 50-95 of three classes, one of them rare; three true boxes a picture on average, pictures of any quality."""
    metric, pictures = MeanAveragePrecision(("car", "van", "bus")), 4000
    truth = [_boxes(rng, rng.poisson(3)) for _ in range(pictures)]
    hard = rng.normal(size=pictures)

    def model() -> np.ndarray:
        found = Ragged.of([_found(rng, boxes, difficulty) for boxes, difficulty in zip(truth, hard, strict=True)])
        return metric.statistics(Ragged.of(truth), found)[:, None]

    return Population(metric, model(), model())


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 5): label, x1, y1, x2, y2."""
    corner, size = rng.uniform(0, 400, (count, 2)), rng.uniform(30, 90, (count, 2))
    return np.column_stack([rng.choice(3, count, p=[0.6, 0.32, 0.08]), corner, corner + size])


def _found(rng: np.random.Generator, boxes: np.ndarray, hard: float) -> np.ndarray:
    """(m, 6): most true boxes, shaken, and some that are none; label, score, x1, y1, x2, y2."""
    seen = boxes[rng.random(len(boxes)) < 1 / (1 + np.exp(hard - 1.5))]
    place = seen[:, 1:] + rng.normal(0, 3 * np.exp(0.4 * hard), (len(seen), 4))
    right = np.column_stack([seen[:, 0], rng.beta(4, 2, len(seen)), place])
    none = _boxes(rng, rng.poisson(1))
    return np.concatenate([right, np.column_stack([none[:, 0], rng.beta(2, 4, len(none)), none[:, 1:]])])


POPULATIONS: dict[str, tuple[Callable[[np.random.Generator], Population], tuple[int, ...]]] = {
    "accuracy": (accuracy, (20, 50, 200, 1000)),
    "mean IoU": (mean_iou, (20, 50, 100, 200)),
    "mAP 50-95": (mean_average_precision, (20, 50, 100, 200)),
}


# -- the table ---------------------------------------------------------------------------------------------------------


def main(arguments: list[str]) -> None:
    asked = options(arguments)
    bootstrap.RESAMPLES = asked.resamples
    print(f"{asked.simulations} simulations of {asked.resamples} resamples, seed {asked.seed}\n")
    print("| metric | groups | held the truth | above it | below it | equal models called different | p < 0.05 |")
    print("|---|---|---|---|---|---|---|")
    for name in asked.metrics or POPULATIONS:
        make, sizes = POPULATIONS[name]
        population = make(np.random.default_rng(asked.seed))
        for groups in asked.groups or sizes:
            began = time.monotonic()
            shares = coverage(population, groups, asked.simulations, asked.seed + 1)
            print(f"| {name} | {groups} |", " | ".join(f"{100 * share:.1f} %" for share in shares), "|", flush=True)
            print(f"{name}, {groups} groups: {time.monotonic() - began:.0f} s", file=sys.stderr)


def options(arguments: list[str]) -> Any:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.coverage", description=__doc__)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=500, help="of every bootstrap; the project's own are 2,000")
    parser.add_argument("--metrics", nargs="*", choices=POPULATIONS)
    parser.add_argument("--groups", nargs="*", type=int, help="how many a competition has; else a few sizes")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
