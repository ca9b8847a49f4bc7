"""Intervals hold the truth as often as they say: a small version of `python -m tests.benchmarks.coverage`."""

import numpy as np
import pytest

from harness import bootstrap
from harness.bootstrap import BootstrapSample, compare, interval
from tests.benchmarks import coverage
from tests.benchmarks.coverage import POPULATIONS, Coverage, Population
from tests.support.mean_metric import Mean

pytestmark = pytest.mark.soak

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
        monkeypatch.setattr(BootstrapSample, name, plain)
    assert simulated("accuracy", 20).held < 0.95 - NOISE


def test_intervals_of_rows_whose_groups_are_not_known_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of a picture share most of their luck."""
    interval = bootstrap.interval
    monkeypatch.setattr(bootstrap, "interval", lambda metric, rows, groups: interval(metric, rows, None))
    assert simulated("mean IoU", 50, simulations=60).held < 0.95 - 2 * NOISE


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


# -- a mean of one number a row ----------------------------------------------------------------------------------------


class Kinds(Mean):
    """Statistics of one column a class."""

    def score(self, statistics, counts=None):
        return super().score(statistics.mean(1), counts)

    def by_class(self, statistics, counts=None):
        return {f"kind {k}": Mean.score(self, statistics[:, k], counts) for k in range(statistics.shape[1])}


def test_intervals_cover_the_truth_in_95_of_100_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 experiments of 80 rows: 1.3 percentage points are one standard deviation; small samples cost about one."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 400)
    rng = np.random.default_rng(1)
    found = [interval(Mean(), rng.normal(size=80), None) for _ in range(300)]
    assert 0.91 <= np.mean([low <= 0 <= high for _, low, high in found]) <= 0.985


def test_with_groups_intervals_cover_too_and_without_them_they_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a group share most of their luck: four rows are worth little more than one."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 300)
    rng, groups = np.random.default_rng(2), np.repeat(np.arange(40), 4)
    covered = {"groups": 0, "rows": 0}
    for _ in range(150):
        values = np.repeat(rng.normal(size=40), 4) + 0.2 * rng.normal(size=160)
        for name, units in (("groups", groups), ("rows", None)):
            _, low, high = interval(Mean(), values, units)
            covered[name] += low <= 0 <= high
    assert covered["groups"] / 150 > 0.88
    assert covered["rows"] / 150 < 0.8


def test_noise_is_rarely_called_better_or_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 300)
    rng = np.random.default_rng(10)
    verdicts = [compare(Mean(), *rng.normal(size=(2, 60)), None).verdict for _ in range(200)]
    assert 0.01 <= np.mean([verdict != "cannot tell" for verdict in verdicts]) <= 0.11
    assert {"better", "worse"} <= set(verdicts)


def test_of_many_classes_looked_at_together_few_experiments_call_one_different(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 experiments of twelve classes that do not differ: each by itself, some class would in every other one."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 500)
    rng, called = np.random.default_rng(5), {True: 0, False: 0}
    for _ in range(200):
        a, b = rng.normal(size=(2, 80, 12))
        for jointly in called:
            changes = compare(Kinds(), a, b, None, jointly=jointly).by_class.values()
            called[jointly] += any(change.low > 0 or change.high < 0 for change in changes)
    assert called[True] / 200 < 0.12
    assert called[False] / 200 > 0.3
