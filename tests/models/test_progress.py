"""Schedules are stretched or compressed to the time there is, at the end of an epoch, and never jump."""

from pathlib import Path

import pytest

from harness.models import Context
from harness.models.torch_loop.progress import Progress, fitting_epochs
from tests.support.tiny_networks import TASK


@pytest.mark.parametrize(
    ("until", "most", "epochs"),
    [
        (None, 99, 10),  # nothing was asked
        (12, 99, 10),  # six more of 2 s, as planned
        (8.5, 99, 8),
        (-3, 99, 5),  # too late already: one more, with which the schedule ends
        (30, 99, 19),
        (30, 12, 12),  # never more than was declared
        (30, 0, 10),
        (12.9, 99, 10),
    ],
)
def test_the_epochs_that_fit_after_four_of_two_seconds(until: float | None, most: int, epochs: int) -> None:
    context = Context(TASK, Path(), until=until, most_epochs=most)
    assert fitting_epochs(context, 10, [9, 2, 2, 2], now=0) == epochs


def test_the_newest_epochs_tell_the_pace() -> None:
    assert fitting_epochs(Context(TASK, Path(), until=30), 10, [60, 60, 10, 10, 10], now=0) == 8


def test_a_schedule_of_another_length_goes_on_where_it_was_and_ends_at_one() -> None:
    for total in (7, 30):
        changed = Progress(20).of_length(total, step=6)
        shares = [changed.done(step) for step in range(6, total + 1)]
        assert shares[0] == Progress(20).done(6) == 0.3
        assert shares[-1] == pytest.approx(1)
        assert shares == sorted(shares)
    twice = Progress(20).of_length(10, step=4).of_length(30, step=7)
    assert twice.done(7) == pytest.approx(0.2 + 0.8 * 3 / 6)
    assert twice.done(30) == pytest.approx(1)
