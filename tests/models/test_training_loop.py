"""The training loop: the same bytes after every interruption, void never predicted, specialists, time and signals."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.data.samples import Samples, numbered
from harness.errors import UserError
from harness.models import Context, Diverged, Interrupted, OutOfTime
from harness.models.losses import InverseFrequency, cross_entropy
from harness.models.optim import EarlyStopping, ReduceOnPlateau
from harness.models.smp import Smp
from harness.models.torch_loop import checkpoint, training_loop
from harness.models.torch_loop.probe import fast_paths
from harness.models.torch_loop.state import State
from harness.tasks.classification import Classification
from tests.support import hub
from tests.support.tiny_networks import TASK, able, learner, pooled, specialist, stop_at, tiles

STEPS = 9  # 3 epochs of 3 batches


@pytest.fixture
def saving_always(monkeypatch):
    monkeypatch.setattr(training_loop, "SAVE_SECONDS", -1)


def logged(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> bytes:
    context = Context(TASK, tmp_path_factory.mktemp("whole"))
    return learner.fit(tiles(), None, context).predict(tiles().inputs).tobytes()


def predicted(folder: Path, chosen=learner, **change) -> bytes:
    return chosen.fit(tiles(), None, Context(TASK, folder, **change)).predict(tiles().inputs).tobytes()


@pytest.mark.parametrize("step", [1, 3, 4, 8, 9])
def test_a_fit_interrupted_after_any_step_ends_with_the_same_bytes(step, uninterrupted, tmp_path):
    with pytest.raises(Interrupted):
        predicted(tmp_path, stop=stop_at(step))
    torch.manual_seed(99)  # the state of the process that goes on must not matter
    assert predicted(tmp_path) == uninterrupted
    assert [entry["epoch"] for entry in logged(tmp_path)] == [0, 1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["finished.json", "log.jsonl", "weights.safetensors"]
    assert predicted(tmp_path, stop=lambda: True) == uninterrupted  # loaded, not repeated
    with pytest.raises(UserError, match="weights of another network"):
        replace(learner, width=8).load(Context(TASK, tmp_path))


def test_a_deadline_saves_and_the_same_call_goes_on(uninterrupted, tmp_path):
    with pytest.raises(OutOfTime, match="step 1 of 9"):
        predicted(tmp_path, deadline=time.monotonic())
    assert predicted(tmp_path) == uninterrupted


@pytest.mark.parametrize(("late", "epochs"), [(True, [0, 1]), (False, [0, 1, 2, 3, 4])])
def test_a_fit_that_is_late_or_early_ends_its_schedule_sooner_or_later(late: bool, epochs: list[int], tmp_path) -> None:
    """And it goes on so after an interruption, whatever the clock then says."""
    clock = {"until": time.monotonic() + (-1 if late else 3600), "most_epochs": 5}
    whole = predicted(tmp_path / "whole", **clock)
    assert [entry["epoch"] for entry in logged(tmp_path / "whole")] == epochs
    assert json.loads((tmp_path / "whole" / "finished.json").read_text())["epochs"] == len(epochs)
    with pytest.raises(Interrupted):
        predicted(tmp_path / "cut", stop=stop_at(5), **clock)
    assert predicted(tmp_path / "cut") == whole


def test_another_seed_or_fold_is_another_model(uninterrupted, tmp_path):
    assert predicted(tmp_path / "seed", seed=1) != uninterrupted != predicted(tmp_path / "fold", fold=1)


def test_it_learns_what_is_there_to_learn_and_never_predicts_void(tmp_path):
    weighing, truth = replace(able, class_weights=InverseFrequency()), tiles().targets
    prediction = weighing.fit(tiles(), None, Context(TASK, tmp_path)).predict(tiles().inputs)
    assert prediction.dtype == np.float16 and (prediction[:, 0] == 0).all()
    assert np.allclose(prediction.sum(1, dtype=np.float32), 1, atol=2e-3)
    right = TASK.decide(prediction) == truth
    assert right[truth > 0].mean() > 0.95 and right[truth == 3].mean() > 0.8
    log = logged(tmp_path)
    assert log[-1]["loss"] < log[0]["loss"] / 2 and log[0]["images_per_second"] > 0


def test_a_specialist_speaks_for_its_class_and_shares_the_rest_evenly(tmp_path):
    prediction = specialist.fit(tiles(), None, Context(TASK, tmp_path)).predict(tiles().inputs)
    truth = tiles().targets
    assert prediction[:, 3][truth == 3].mean() > 0.7 > 0.3 > prediction[:, 3][truth == 2].mean()
    assert (prediction[:, 1] == prediction[:, 2]).all() and (prediction[:, 0] == 0).all()
    assert np.allclose(prediction.sum(1, dtype=np.float32), 1, atol=2e-3)


def test_predictions_do_not_depend_on_how_the_inputs_are_stored(tmp_path):
    fitted = learner.fit(tiles(), None, Context(TASK, tmp_path))
    inputs = tiles(70).inputs  # more than fit into one batch of predictions
    np.save(tmp_path / "inputs.npy", inputs)
    mapped = fitted.predict(np.load(tmp_path / "inputs.npy", mmap_mode="r"))
    assert (mapped == fitted.predict(inputs)).all()
    mirrored = TASK.views["hflip"].apply(inputs)
    assert (fitted.predict(mirrored) == fitted.predict(mirrored.copy())).all()
    assert fitted.predict(inputs[:0]).shape == (0, 4, 8, 16)
    assert np.allclose(fitted.predict(inputs[:1]), mapped[:1], atol=1e-3)


def test_colour_images_and_the_labels_of_whole_images_go_through_the_same_loop(tmp_path):
    labels = np.arange(12) % 2
    noise = np.random.default_rng(0).integers(0, 30, (12, 8, 16, 3))
    train = Samples(numbered(12), (noise + 200 * labels[:, None, None, None]).astype(np.uint8), labels, np.arange(12))
    classifier = replace(learner, build=pooled, channels=3, epochs=30, loss=cross_entropy)
    fitted = classifier.fit(train, None, Context(Classification(("dark", "bright")), tmp_path))
    assert (fitted.predict(train.inputs).argmax(1) == labels).all()


def test_a_diverging_fit_says_so_and_keeps_its_last_good_state(saving_always, tmp_path):
    with pytest.raises(Interrupted):
        predicted(tmp_path, stop=stop_at(4))
    with pytest.raises(Diverged, match="the loss is not finite at step 2 of epoch 1"):
        predicted(tmp_path, replace(learner, lr=1e30))
    state = checkpoint.load(tmp_path, pytest.fail)
    assert state["position"] == [1, 1] and all(torch.isfinite(tensor).all() for tensor in state["average"])
    assert not (tmp_path / "finished.json").exists()


def test_early_stopping_and_the_plateau_watch_the_validation_rows(tmp_path):
    still = replace(learner, lr=0.0, ema=1e-9, early_stopping=EarlyStopping(patience=2), schedule=ReduceOnPlateau())
    replace(still, epochs=50).fit(tiles(), tiles(5, seed=1), Context(TASK, tmp_path))
    log = logged(tmp_path)
    assert 3 <= len(log) < 50 and all(entry["valid_loss"] > 0 for entry in log)


def test_the_validation_rows_are_not_looked_at_unless_declared(uninterrupted, tmp_path):
    fitted = learner.fit(tiles(), tiles(5, seed=1), Context(TASK, tmp_path))
    assert fitted.predict(tiles().inputs).tobytes() == uninterrupted and "valid_loss" not in logged(tmp_path)[0]


def test_the_average_follows_some_steps_at_once_and_lies_as_far_back_as_declared():
    machine, _ = learner.set_up(Context(TASK, Path()))
    state = State(replace(learner, ema=0.1), learner.network(2), machine, steps=401)
    assert state.stride == 4  # it reaches back 40 steps
    for step in range(1, 402):
        for weights in state.tracked:
            weights.fill_(step / 401)  # all rise evenly from 0 to 1
        state.follow(step)
    assert float(state.average[0].mean()) == pytest.approx(1 - 40 / 401, abs=0.03)


@pytest.mark.parametrize(("largest", "length"), [(0.5, 0.5), (100.0, 5.0)])
def test_a_gradient_is_shortened_only_where_it_is_too_long(largest, length, tmp_path):
    training = training_loop.TrainingLoop(learner, tiles(), Context(TASK, tmp_path))
    for weight in training.state.parameters:
        weight.grad = torch.zeros_like(weight)
    training.state.parameters[0].grad.view(-1)[:2] = torch.tensor([3.0, 4.0])
    training.clip(largest)
    norms = torch.stack([weight.grad.norm() for weight in training.state.parameters])
    assert float(norms.norm()) == pytest.approx(length, rel=1e-4)


def test_cost_and_fast_paths_are_measured_and_leave_nothing_on_the_disk(tmp_path):
    context = Context(TASK, tmp_path / "fold", threads=1)
    cost = learner.cost(tiles(), context)
    assert cost.start >= 0 and cost.epoch > 0 and cost.predict > 0
    found = fast_paths(learner, tiles(), context)
    assert isinstance(found["channels_last"], bool) and found["probe"]["ratio"] > 0
    assert not context.folder.exists()


def test_progress_is_reported(monkeypatch, tmp_path):
    monkeypatch.setattr(training_loop, "REPORT_SECONDS", -1)
    events: list[dict] = []
    learner.fit(tiles(), None, Context(TASK, tmp_path, report=events.append))
    assert [event["step"] for event in events if "seconds_left" in event] == list(range(1, STEPS + 1))
    assert [event["epoch"] for event in events if "epoch" in event] == [0, 1, 2]
    assert all(event["steps_total"] == STEPS for event in events)


def test_networks_by_name_need_no_hub_and_missing_weights_are_one_sentence(monkeypatch, tmp_path):
    hub.empty(tmp_path, monkeypatch)
    unet = Smp("Unet", encoder="tu-mobilenetv3_small_050")
    with torch.inference_mode():
        assert unet.network(3).eval()(torch.zeros(1, 1, 32, 64)).shape == (1, 3, 32, 64)
    with pytest.raises(UserError, match="pretrained weights of tu-mobilenetv3_small_050 are not on this machine"):
        replace(unet, pretrained=True).network(3)
    with pytest.raises(UserError, match="Unett"):
        Smp("Unett").network(3)
    with pytest.raises(UserError, match="resnet1800"):
        Smp("Unet", encoder="tu-resnet1800").network(3)


def test_batch_norm_is_recalibrated_on_the_training_rows_as_they_are(tmp_path: Path) -> None:
    distances = []
    for rows in (1024, 0):
        fitted = replace(learner, norm_rows=rows).fit(tiles(), None, Context(TASK, tmp_path / str(rows)))
        convolution, norm, *_ = fitted.network.children()
        with torch.inference_mode():
            true = convolution(fitted.machine.images(tiles().inputs)).mean((0, 2, 3))
        distances.append(float((norm.running_mean - true).abs().max()))
    assert distances[0] < 1e-5 < 1e-2 < distances[1]
