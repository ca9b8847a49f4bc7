"""How the time is planned: schedules shrink by one factor, the last models go first, and a plan is made once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from conftest import tiny_dataset, tiny_declaration

from harness import prepared
from harness.audit import Audit, Check
from harness.backends import Cost
from harness.ensembles import Blend
from harness.errors import UserError
from harness.plan import FEWEST_EPOCHS, MARGIN, SAMPLE_BUDGET, Plan, Rows, make, plan_for, seconds
from harness.request import Request


@dataclass(frozen=True)
class Learner:
    epochs: int = 20
    pretrained: bool = False
    focus: int | None = None


def planned(
    budget: float | None, costs: dict[str, Cost], workers: int = 1, spent: float = 0, after: float = 0, **epochs: int
) -> Plan:
    """Two folds of 100 rows, 50 held out, 1000 official, in one view. budget: what is left after the margin."""
    learners = {name: Learner(epochs.get(name, 20)) for name in costs}
    budget = budget and budget / MARGIN
    return make(
        learners, costs, {name: {} for name in costs}, Rows(100, 50, 1000), 1, 2, workers, 1, budget, spent, after
    )


TEN_SECONDS = Cost(start=0, epoch=10, predict=0)


def test_without_a_budget_the_declared_epochs_are_run() -> None:
    plan = planned(None, {"a": TEN_SECONDS}, a=30)
    assert plan.epochs == {"a": 30}
    assert plan.seconds == 600  # 2 folds, 30 epochs, 10 s
    assert plan.budget is None


@pytest.mark.parametrize(
    ("budget", "workers", "cost", "after", "epochs"),
    [
        (100, 1, TEN_SECONDS, 0, 5),  # 2 folds x 5 epochs x 10 s
        (100, 2, TEN_SECONDS, 0, 10),  # the folds side by side
        (109, 1, TEN_SECONDS, 0, 5),  # six would take 120 s
        (101, 1, TEN_SECONDS, 20, 4),  # 20 s are for the ensemble
        (120, 1, Cost(10, 10, 0), 0, 5),  # 10 s to begin each fold
        (120, 1, Cost(0, 10, 0.1), 0, None),  # 2 x (50 + 50) + 2 x 1000 rows to predict at 0.1 s: 220 s
        (330, 1, Cost(0, 10, 0.1), 0, 5),  # the same, and 2 folds x 5 epochs x 10 s and more
        (10_000, 1, TEN_SECONDS, 0, 20),  # never more than declared
    ],
)
def test_schedules_shrink_until_the_budget_holds(budget, workers, cost, after, epochs) -> None:
    if epochs is None:
        with pytest.raises(UserError):
            planned(budget, {"a": cost}, workers, after=after)
        return
    plan = planned(budget, {"a": cost}, workers, after=after)
    assert plan.epochs == {"a": epochs}
    assert plan.seconds <= budget + 1e-9
    assert plan.left_out == {}


def test_all_schedules_shrink_by_one_factor() -> None:
    plan = planned(600, {"a": TEN_SECONDS, "b": TEN_SECONDS}, a=40, b=20)  # 2 x 60 x 10 s would be 1200
    assert plan.epochs == {"a": 20, "b": 10}


def test_what_was_spent_is_gone() -> None:
    budget = 100 / MARGIN
    assert planned(100 + 50 * MARGIN, {"a": TEN_SECONDS}, spent=50).epochs == {"a": 5}
    assert planned(budget * MARGIN, {"a": TEN_SECONDS}).seconds == 100


def test_the_last_models_are_left_out_first_and_it_is_said() -> None:
    """60 s are three epochs of one model on two folds: the first is kept, and the others are named."""
    costs = dict.fromkeys("abc", TEN_SECONDS)
    plan = planned(60, costs)
    assert plan.epochs == {"a": FEWEST_EPOCHS}
    assert list(plan.left_out) == ["c", "b"]
    assert all("epochs would fit" in why for why in plan.left_out.values())
    assert planned(120, costs).epochs == {"a": FEWEST_EPOCHS, "b": FEWEST_EPOCHS}
    assert plan.fast.keys() == plan.epochs.keys()


def test_a_model_never_trains_longer_than_declared() -> None:
    assert planned(10_000, {"a": TEN_SECONDS}, a=2).epochs == {"a": 2}


def test_a_budget_that_is_too_small_is_one_sentence_with_one_that_does() -> None:
    with pytest.raises(UserError, match=r"BUDGET=.*too short for a with 2 folds") as refusal:
        planned(50, {"a": TEN_SECONDS, "b": TEN_SECONDS})
    needed = float(re.search(r"needs about ([\d.]+)m", str(refusal.value)).group(1)) * 60 * MARGIN
    assert planned(needed + 3, {"a": TEN_SECONDS}).epochs == {"a": FEWEST_EPOCHS}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", 90), ("10m", 600), ("1.5h", 5400), ("1h30m", 5400), ("1h1m1s", 3661), (" 5M ", 300), (".5m", 30)],
)
def test_durations_are_written_as_people_do(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "abc", "10", "m", "10 m", "1.2.3m", "-5m", "5m1h", "1e3s", "nan", "infs", ".m"])
def test_what_is_no_duration_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"BUDGET={text}")):
        seconds(text)


@pytest.mark.parametrize("text", ["0s", "0h0m", "0.0m"])
def test_no_time_at_all_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="leaves no time"):
        seconds(text)


# -- made once ---------------------------------------------------------------------------------------------------------


class Engine:
    """Measures nothing: every model costs the same. Counts how often it is asked."""

    workers, threads = 1, 1

    def __init__(self) -> None:
        self.asked = 0

    def run(self, function: object, jobs: Sequence) -> list:
        self.asked += 1
        return [(k, (Cost(0, 0.1, 0), {"channels_last": False})) for k in range(len(jobs))]


def request(**changed: object) -> Request:
    declared = tiny_declaration(
        models={"a": Learner(), "b": Learner(9)}, ensemble=Blend(("a", "b")), default=("a", "b")
    )
    return Request(declared, **({"budget": 600.0} | changed))


@pytest.fixture
def data() -> tuple[prepared.Prepared, np.ndarray]:
    dataset = tiny_dataset()
    written = prepared.write(
        tiny_declaration(), dataset, Audit([Check("shapes", "pass", "")], {}, dataset.labelled.groups), "files"
    )
    return written, written.folds(tiny_declaration(), 3)


def test_a_plan_is_measured_once_and_read_ever_after(data: tuple) -> None:
    engine = Engine()
    first = plan_for(request(), *data, engine)
    again = plan_for(request(), *data, engine)
    assert engine.asked == 1
    assert replace(again, spent=first.spent) == first
    assert again.fast == {"a": {"channels_last": False}, "b": {"channels_last": False}}
    assert again.spent >= first.spent


@pytest.mark.parametrize("changed", [{"budget": 601.0}, {"budget": None}, {"models": ["a"]}, {"fast": True}], ids=str)
def test_another_question_is_another_plan_beside_the_first(changed: dict, data: tuple) -> None:
    engine = Engine()
    first, other = plan_for(request(), *data, engine), plan_for(request(**changed), *data, engine)
    assert other.key != first.key
    assert other.file == first.file
    asked = engine.asked
    assert plan_for(request(), *data, engine).epochs == first.epochs
    assert engine.asked == asked


def test_a_resumed_command_has_what_was_left(data: tuple) -> None:
    engine = Engine()
    first = plan_for(request(), *data, engine)
    worked = request(started=request().started - 100)
    first.keep(worked)  # as after a fold, 100 s later
    resumed, now = plan_for(request(), *data, engine), request()
    assert resumed.deadline(now) - now.started == pytest.approx(500, abs=1)
    assert replace(resumed, budget=None).deadline(now) is None


def test_on_made_data_there_is_a_default_budget_and_it_is_said() -> None:
    dataset, said = tiny_dataset(), []
    written = prepared.write(
        tiny_declaration(), dataset, Audit([Check("shapes", "pass", "")], {}, dataset.labelled.groups), "sample"
    )
    folds = written.folds(tiny_declaration(), 3)
    plan = plan_for(request(budget=None, say=said.append), written, folds, Engine())
    assert plan.budget == SAMPLE_BUDGET
    assert any("4 minutes" in line for line in said)
    assert plan_for(request(budget=None, fast=True), written, folds, Engine()).epochs == {"a": 1, "b": 1}
