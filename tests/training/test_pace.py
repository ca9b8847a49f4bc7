"""When each fold should end: the time that is left is shared among the folds still to come."""

import time

import pytest

from harness.training.pace import Pace


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def test_every_fold_gets_its_share_of_what_is_left(clock: list[float]) -> None:
    pace = Pace([(10, 50)] * 4, 4, slots=2, end=1240)  # two rounds of 120 s: 10 s fixed, the epochs 110 s
    assert [pace.start(0), pace.start(1)] == [pytest.approx(1110, abs=0.5)] * 2
    clock[0] = 1180  # they took 60 s more than that
    pace.finish(0)
    assert pace.start(2) == pytest.approx(1230, abs=0.5)
    pace.finish(1)
    assert pace.start(3) == pytest.approx(1230, abs=0.5)


def test_a_fold_that_trains_alone_at_the_end_is_not_given_the_others_time(clock: list[float]) -> None:
    """Three folds on two slots: the third follows the first, so each has half of the time."""
    pace = Pace([(0, 10)] * 3, 3, slots=2, end=1100)
    assert [pace.start(0), pace.start(1)] == [pytest.approx(1050, abs=0.5)] * 2


def test_a_longer_fold_is_stretched_by_the_same_factor(clock: list[float]) -> None:
    pace = Pace([(0, 10), (0, 30)], 2, slots=1, end=1080)
    assert pace.start(0) == pytest.approx(1020, abs=0.2)
    clock[0] = 1010
    pace.finish(0)
    assert pace.start(1) == pytest.approx(1080, abs=0.5)


def test_without_a_budget_nothing_is_asked() -> None:
    assert Pace([(0, 10)], 1, slots=1, end=None).start(0) is None


def test_where_no_time_is_left_the_fold_should_end_at_once(clock: list[float]) -> None:
    assert Pace([(5, 10)], 1, slots=1, end=900).start(0) == pytest.approx(1000, abs=0.5)


def test_a_fold_that_was_not_planned_starts_where_there_is_time_for_its_shortest_schedule(clock: list[float]) -> None:
    pace = Pace([(10, 100)] * 3, 1, slots=2, end=1100)
    assert pace.start(0) == pytest.approx(1090, abs=0.5)
    assert pace.fits(1, share=0.5)
    assert pace.start(1) == 1090
    clock[0] = 1050
    assert not pace.fits(2, share=0.5)
    assert pace.fits(2, share=0.1)
