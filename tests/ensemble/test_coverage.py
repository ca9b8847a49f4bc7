"""Intervals hold the truth as often as they say: a small version of `python -m tests.benchmarks.coverage`."""

import numpy as np
import pytest

from harness import bootstrap
from harness.bootstrap import Sample
from tests.benchmarks import coverage
from tests.benchmarks.coverage import POPULATIONS, Coverage, Population

SIMULATIONS = 200
NOISE = 3 * np.sqrt(0.95 * 0.05 / SIMULATIONS)  # of a share that is 95 %: 4.6 percentage points


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 300)


def simulated(name: str, groups: int, simulations: int = SIMULATIONS) -> Coverage:
    return coverage.coverage(made(name), groups, simulations, seed=1)


def made(name: str) -> Population:
    make, _ = POPULATIONS[name]
    return make(np.random.default_rng(0))


@pytest.mark.parametrize(("metric", "groups"), [("accuracy", 30), ("mean IoU", 100)])
def test_the_interval_holds_the_truth_and_equal_models_are_rarely_called_different(metric: str, groups: int) -> None:
    found = simulated(metric, groups)
    assert found.held == pytest.approx(0.95, abs=NOISE)
    assert found.called == pytest.approx(0.05, abs=NOISE)
    assert found.p_small == pytest.approx(
        found.called, abs=0.015
    )  # the two say the same, but for the grain of resamples


def test_plain_percentiles_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 20 groups they hold the truth 85 times in 100: the test above can fail."""
    for name, plain in (("bias", 0.0), ("acceleration", 0.0), ("freedom", 1e6), ("expansion", 1.0)):
        monkeypatch.setattr(Sample, name, plain)
    assert simulated("accuracy", 20).held < 0.95 - NOISE


def test_intervals_of_rows_whose_groups_are_not_known_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of a picture share most of their luck."""
    interval = bootstrap.interval
    monkeypatch.setattr(bootstrap, "interval", lambda metric, rows, groups: interval(metric, rows, None))
    assert simulated("mean IoU", 50, simulations=60).held < 0.95 - 2 * NOISE


@pytest.mark.soak
def test_so_it_is_of_average_precision() -> None:
    found = simulated("mAP 50-95", 100)
    assert found.held == pytest.approx(0.95, abs=NOISE)
    assert found.called == pytest.approx(0.05, abs=NOISE)


@pytest.mark.parametrize("name", POPULATIONS)
def test_the_truth_of_a_population_is_that_of_either_model(name: str) -> None:
    """A coin exchanges the two, so a large competition of either comes near it."""
    population = made(name)
    mine, other, groups = population.draw(2000, np.random.default_rng(2))
    assert len(np.unique(groups)) == 2000
    for rows in (mine, other):
        assert float(population.metric.score(rows)) == pytest.approx(population.truth, abs=0.03)
    assert not np.array_equal(mine, other)
