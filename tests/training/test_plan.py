"""How the time is planned: schedules shrink by one factor, the last models go first, and a plan is made once."""

import re
import time
from dataclasses import dataclass, replace

import numpy as np
import pytest

from harness import models, prepare
from harness.audit import Audit, Check
from harness.data.images import EncodedImages, encode
from harness.ensemble import Blend
from harness.errors import UserError
from harness.models import TrainingCost
from harness.options import Request
from harness.training.budget import SAMPLE_BUDGET, plan_for, seconds
from harness.training.cost import MARGIN, Fit, Work, fitted
from harness.training.predict import CHUNK, rows_at_once
from tests.support.here import Here
from tests.support.tiny_data import tiny_dataset, tiny_declaration

FEWEST_EPOCHS = 3
TEN_SECONDS = TrainingCost(start=0, epoch=10, predict=0)


@dataclass(frozen=True)
class Learner(models.Learner):
    epochs: int = 20
    fewest_epochs: int = FEWEST_EPOCHS


def planned(budget: float, costs: dict[str, TrainingCost], workers: int = 1, fixed: float = 0, **epochs: int) -> Fit:
    """Two folds of 100 rows, 50 held out, 1000 official, in one view.

    budget: what is left of it after the margin, in which the plan must end.
    """
    learners = {name: Learner(epochs.get(name, 20)) for name in costs}
    work = Work(learners, costs, 2, workers, 1, 100, 50, 1000, fixed)
    fit = fitted(work, budget / MARGIN)
    work = replace(work, trained=fit.folds)
    assert work.training(fit.epochs) + work.after(list(fit.epochs)) <= budget
    return fit


@pytest.mark.parametrize(
    ("budget", "workers", "cost", "fixed", "epochs"),
    [
        (101, 1, TEN_SECONDS, 0, 5),  # 2 folds x 5 epochs x 10 s
        (101, 2, TEN_SECONDS, 0, 10),  # the folds side by side
        (109, 1, TEN_SECONDS, 0, 5),  # six would take 120 s
        (101, 1, TEN_SECONDS, 20, 4),  # 20 s are for the ensemble
        (121, 1, TrainingCost(10, 10, 0), 0, 5),  # 10 s to begin each fold
        (331, 1, TrainingCost(0, 10, 0.1), 0, 5),  # and 2 x (50 + 50) + 2 x 1000 rows to predict at 0.1 s: 220 s
        (10_000, 1, TEN_SECONDS, 0, 20),  # never more than declared
    ],
)
def test_schedules_shrink_until_the_budget_holds(budget, workers, cost, fixed, epochs) -> None:
    assert planned(budget, {"a": cost}, workers, fixed) == ({"a": epochs}, {}, 2)


def test_all_schedules_shrink_by_one_factor() -> None:
    assert planned(610, {"a": TEN_SECONDS, "b": TEN_SECONDS}, a=40, b=20).epochs == {"a": 20, "b": 10}  # half of 1200 s


def test_the_last_models_are_left_out_first_and_named() -> None:
    """60 s are three epochs of one model on two folds."""
    fit = planned(61, dict.fromkeys("abc", TEN_SECONDS))
    assert fit.epochs == {"a": FEWEST_EPOCHS}
    assert list(fit.left_out) == ["b", "c"]


def test_a_cheaper_model_is_trained_where_the_first_does_not_fit() -> None:
    fit = planned(61, {"large": TrainingCost(0, 50, 0), "small": TEN_SECONDS})
    assert (fit.epochs, list(fit.left_out), fit.folds) == ({"small": FEWEST_EPOCHS}, ["large"], 2)


def test_where_not_all_folds_fit_fewer_are_trained() -> None:
    """30 s are three epochs of one fold."""
    fit = planned(45, {"a": TEN_SECONDS, "b": TrainingCost(0, 20, 0)})
    assert (fit.epochs, list(fit.left_out), fit.folds) == ({"a": 4}, ["b"], 1)


def test_a_specialist_is_never_trained_alone() -> None:
    learners = {"rare": Learner(target_class=1), "general": Learner()}
    work = Work(learners, {"rare": TrainingCost(0, 1, 0), "general": TEN_SECONDS}, 2, 1, 1, 100, 50, 0, 0)
    assert list(fitted(work, 61 / MARGIN).epochs) == ["general"]


def test_a_budget_that_is_too_small_is_refused_with_one_that_works() -> None:
    with pytest.raises(UserError, match=r"too short for one fold of a on this machine.*BUDGET") as refusal:
        planned(25, {"a": TEN_SECONDS, "b": TEN_SECONDS})
    needed = float(re.search(r"([\d.]+) min are needed", str(refusal.value)).group(1)) * 60 * MARGIN
    assert planned(needed + 3, {"a": TEN_SECONDS}).epochs == {"a": FEWEST_EPOCHS}


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("1.5h", 5400), ("1h1m1s", 3661), (" 5M ", 300), (".5m", 30)]
)
def test_durations_are_written_as_people_do(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "10", "10 m", "1.2.3m", "-5m", "5m1h", "1e3s", "nan", "infs", ".m", "0h0m"])
def test_text_that_is_not_a_duration_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"BUDGET={text}")):
        seconds(text)


# -- made once ---------------------------------------------------------------------------------------------------------


class Measuring(Here):
    """Measures nothing: every model costs the same. Counts how often it is asked."""

    asked = 0

    def submit(self, function: object, *arguments: object) -> int:
        self.asked += 1
        return super().submit(lambda: (TrainingCost(0, 0.1, 0), {"channels_last": False}))


def request(**changed: object) -> Request:
    declared = tiny_declaration(
        models={"a": Learner(), "b": Learner(9)}, ensemble=Blend(("a", "b")), default=("a", "b")
    )
    return Request(declared, **({"budget": 600.0} | changed))


def prepared_from(source: str) -> tuple[prepare.Prepared, np.ndarray]:
    dataset = tiny_dataset()
    audit = Audit([Check("shapes", "pass", "")], {}, dataset.labelled.groups)
    written = prepare.write(tiny_declaration(), dataset, audit, source)
    return written, written.folds(tiny_declaration(), 3)


@pytest.fixture
def data() -> tuple[prepare.Prepared, np.ndarray]:
    return prepared_from("files")


def test_a_plan_is_measured_once_and_read_ever_after(data: tuple) -> None:
    workers = Measuring()
    first = plan_for(request(), *data, workers)
    again = plan_for(request(), *data, workers)
    assert workers.asked == 2  # models
    assert first.epochs == {"a": 20, "b": 9}  # as declared: there is time enough
    assert replace(again, spent=first.spent) == first
    assert again.fast == {"a": {"channels_last": False}, "b": {"channels_last": False}}


@pytest.mark.parametrize("changed", [{"budget": 601.0}, {"budget": None}, {"models": ["a"]}, {"fast": True}], ids=str)
def test_other_options_make_another_plan_beside_the_first(changed: dict, data: tuple) -> None:
    workers = Measuring()
    first, other = plan_for(request(), *data, workers), plan_for(request(**changed), *data, workers)
    assert other.key != first.key
    assert other.file == first.file
    asked = workers.asked
    assert plan_for(request(), *data, workers).epochs == first.epochs
    assert workers.asked == asked


def test_a_resumed_command_has_what_was_left(data: tuple) -> None:
    first = plan_for(request(), *data, Measuring())
    first.save(request(started=request().started - 100))  # as after a fold, 100 s later
    resumed, now = plan_for(request(), *data, Measuring()), request()
    assert resumed.deadline(now) - time.time() == pytest.approx(500 - resumed.after - now.spent, abs=1)
    assert resumed.after > 0
    assert replace(resumed, budget=None).deadline(now) is None


def test_on_made_data_there_is_a_default_budget_and_it_is_said() -> None:
    lines, made = list[str](), prepared_from("sample")
    assert plan_for(request(budget=None, say=lines.append), *made, Measuring()).budget == SAMPLE_BUDGET
    assert any("4 minutes" in line for line in lines)
    assert plan_for(request(budget=None, fast=True), *made, Measuring()).epochs == {"a": 1, "b": 1}


def test_fewer_rows_are_predicted_at_once_where_images_are_large() -> None:
    images = [np.broadcast_to(np.uint8(0), (3, side, side)) for side in (28, 256, 1024, 9000)]
    assert [rows_at_once(each) for each in images] == [CHUNK, CHUNK, 16, 1]
    assert rows_at_once(np.zeros(3, [("a", "f8")])) == CHUNK
    large = EncodedImages.of([encode(np.zeros((side, 2048, 3), np.uint8)) for side in (8, 1024)])
    assert rows_at_once(large) == 8
