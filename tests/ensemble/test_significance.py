"""Intervals and comparisons: what they promise of repeated experiments, and which way is better."""

import numpy as np
import pytest
from scipy import stats

from harness import bootstrap
from harness.bootstrap import compare, interval, resamples
from harness.metrics import MeanIoU
from tests.support.mean_metric import Mean


class Error(Mean):
    higher_is_better = False


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).normal(3, 2, 400),
        np.r_[np.full(6, -1.0), np.full(6, 1.0)] + np.random.default_rng(11).normal(0, 0.01, 12),
    ],
    ids=["many", "few"],
)
def test_the_interval_of_a_mean_is_that_of_student(values: np.ndarray) -> None:
    """2,000 resamples find the ends to about a tenth of a standard error."""
    found, error = interval(Mean(), values, None), stats.sem(values)
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), error)
    assert found.score == values.mean()
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.2 * error)


def test_groups_widen_the_interval() -> None:
    values, groups = np.repeat(np.random.default_rng(3).normal(size=30), 4), np.repeat(np.arange(30), 4)
    wide, narrow = interval(Mean(), values, groups), interval(Mean(), values, None)
    assert wide.score == narrow.score
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(2, rel=0.15)  # sqrt(4)


def test_a_resample_draws_as_many_groups_as_there_are_and_keeps_them_whole() -> None:
    groups = np.array([7, 7, 3, 9, 9, 9])
    counts = np.concatenate(list(resamples(groups, 6)))
    assert len(counts) == bootstrap.RESAMPLES
    assert (counts[:, 0] == counts[:, 1]).all()
    assert (counts[:, 3:] == counts[:, 3:4]).all()
    assert (counts[:, 0] + counts[:, 2] + counts[:, 3] == 3).all()
    assert (counts == np.concatenate(list(resamples(groups * 7, 6)))).all()  # seeded, and names do not matter


@pytest.mark.parametrize(("metric", "sign"), [(Mean(), 1), (Error(), -1)], ids=["higher is better", "lower is better"])
def test_better_is_positive_whichever_way_the_metric_points(metric: Mean, sign: int) -> None:
    a = np.random.default_rng(6).normal(size=50)
    b = a + sign * 0.5 + 0.1 * np.random.default_rng(7).normal(size=50)
    gain, loss = compare(metric, a, b, None), compare(metric, b, a, None)
    assert gain.verdict == "better"
    assert loss.verdict == "worse"
    assert gain.difference == pytest.approx(0.5, abs=0.1) == -loss.difference
    assert gain.low <= gain.difference <= gain.high
    assert (gain.low, gain.high) == pytest.approx((-loss.high, -loss.low))
    assert gain.p == loss.p == 1 / bootstrap.RESAMPLES
    assert gain.by_class["all"].score == pytest.approx(gain.difference)
    same = compare(metric, a, a.copy(), None)
    assert (same.difference, same.low, same.high, same.p, same.verdict) == (0, 0, 0, 1, "cannot tell")


def test_a_class_that_is_absent_has_no_comparison_and_one_that_is_rare_has() -> None:
    """Rare is in one picture of ten: a third of the resamples lack it, and it still gets its interval."""
    truth = np.ones((10, 2, 2), np.uint8)
    truth[0] = 2
    metric = MeanIoU(("void", "plain", "rare", "absent"), void=0)
    a, b = metric.statistics(truth, np.ones_like(truth)), metric.statistics(truth, truth)
    found = compare(metric, a, b, np.arange(10)).by_class
    assert set(found) == {"plain", "rare"}
    assert found["rare"] == (1, 1, 1)


# -- few groups --------------------------------------------------------------------------------------------------------


def test_a_score_that_few_rows_make_too_high_is_corrected() -> None:
    """The square of a mean of 0: resamples lie above the observed as that does above the truth, and all moves down."""

    class Squared(Mean):
        def score(self, statistics, counts=None):
            return super().score(statistics, counts) ** 2

    values = np.random.default_rng(12).normal(size=60)
    sample = sampled(values, Squared())
    low, high = sample.bounds()
    found = interval(Squared(), values, None)
    assert sample.bias < 0
    assert found.low < low
    assert found.high < high
    assert found.low <= found.score <= found.high


def test_p_is_below_five_percent_where_the_interval_is_beyond_zero() -> None:
    rng = np.random.default_rng(13)
    found = [compare(Mean(), np.zeros(25), rng.normal(shift, 1, 25), None) for shift in np.linspace(0, 0.8, 30)]
    clear = [each for each in found if not 0.04 < each.p < 0.06]
    assert len(clear) > 20
    assert [each.verdict != "cannot tell" for each in clear] == [each.p < 0.05 for each in clear]


def test_a_skewed_mean_is_accelerated_by_its_skewness_also_where_blocks_are_left_out() -> None:
    """A sixth of the skewness over the root of n (Efron 1987, section 6): few rows are large, so it bends up."""
    values = np.random.default_rng(14).exponential(size=60)
    sample = sampled(values)
    assert sample.acceleration == pytest.approx(stats.skew(values) / (6 * np.sqrt(60)))
    plain, bent = sample.bounds(), sample.bounds(acceleration=sample.acceleration)
    assert bent[0] > plain[0] and bent[1] > plain[1]
    many = sampled(np.random.default_rng(15).exponential(size=2000))
    assert (len(sample.without), len(many.without)) == (60, bootstrap.BLOCKS)
    assert many.acceleration == pytest.approx(2 / (6 * np.sqrt(2000)), rel=0.5)  # 2: of an exponential distribution
    assert many.expansion == pytest.approx(1, abs=0.1)


def test_degrees_of_freedom_are_fewer_where_few_groups_make_the_variance() -> None:
    assert sampled(np.tile([-1.0, 1.0], 15)).freedom == 29
    assert sampled(np.r_[np.zeros(28), 1.0, 1.0]).freedom < 6


def test_the_interval_is_at_least_as_wide_as_the_jackknife_says() -> None:
    """The largest of all rows: what lies beyond the next largest resamples never see."""

    class Largest(Mean):
        def score(self, statistics, counts=None):
            return statistics.max() if counts is None else np.where(counts > 0, statistics, -np.inf).max(-1)

    sample = sampled(np.r_[np.linspace(0, 1, 49), 2.0], Largest())
    jackknife = np.sqrt(49 / 50 * ((sample.without - sample.without.mean()) ** 2).sum())
    assert sample.expansion * sample.resampled.std() == pytest.approx(jackknife)
    assert sample.expansion > 1.5


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_of_next_to_no_groups_the_interval_is_all_there_is(groups: int) -> None:
    values = np.arange(6.0)
    found = interval(Mean(), values, np.arange(6) % groups)
    assert found.low <= found.score <= found.high
    assert np.isfinite(found).all()


def sampled(values: np.ndarray, metric: Mean = Mean()) -> bootstrap.BootstrapSample:  # noqa: B008
    return bootstrap.bootstrap(lambda counts: {"": metric.score(values, counts)}, None, len(values))[""]
