"""Any history of a competition leaves the board that the model's forty lines say."""

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.board_histories import Home, machine
from tests.support.frozen import Clock, hold


def test_a_short_history_leaves_the_board_of_the_model(home, monkeypatch):
    """Where it fails, the long one (tests/slow) finds a short history."""
    clock = hold(monkeypatch, Clock())
    how = settings(max_examples=12, stateful_step_count=15, deadline=None, derandomize=True, phases=[Phase.generate])
    run_state_machine_as_test(machine([Home(home)], clock), settings=how)
