"""Intervals hold the truth as often as they say: a small version of `python -m tests.benchmarks.coverage`."""

import numpy as np
import pytest

from harness import bootstrap
from harness.bootstrap import BootstrapSample, compare
from tests.benchmarks import coverage
from tests.benchmarks.coverage import POPULATIONS, Coverage
from tests.support.mean_metric import Mean

pytestmark = pytest.mark.soak

SIMULATIONS = 200
NOISE = 3 * np.sqrt(0.95 * 0.05 / SIMULATIONS)  # of a share that is 95 %: 4.6 percentage points


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 300)


def simulated(name: str, groups: int, simulations: int = SIMULATIONS) -> Coverage:
    make, _ = POPULATIONS[name]
    return coverage.coverage(make(np.random.default_rng(0)), groups, simulations, seed=1)


@pytest.mark.parametrize(("metric", "groups"), [("accuracy", 30), ("mean IoU", 100), ("mAP 50-95", 100)])
def test_the_interval_holds_the_truth_and_equal_models_are_rarely_called_different(metric: str, groups: int) -> None:
    found = simulated(metric, groups)
    assert found.held == pytest.approx(0.95, abs=NOISE)
    assert found.called == pytest.approx(0.05, abs=NOISE)
    assert found.p_small == pytest.approx(found.called, abs=0.015)  # the same, but for the grain of resamples


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


class Kinds(Mean):
    """Statistics of one column a class."""

    def score(self, statistics, counts=None):
        return super().score(statistics.mean(1), counts)

    def by_class(self, statistics, counts=None):
        return {f"kind {k}": Mean.score(self, statistics[:, k], counts) for k in range(statistics.shape[1])}


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
