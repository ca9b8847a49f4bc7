"""The automatic specialist: who is wanted, of what it is derived, and that only one which wins is kept."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from competitions.cancer.models import logistic, trees
from harness import paths, pipeline, specialist
from harness.competition import Competition, find
from harness.data.samples import Dataset, Ragged, Samples, numbered
from harness.data.sources import MadeSample
from harness.data.splits import Holdout, labels, stratified_grouped
from harness.ensemble import Member, OOFData, Recipe, SpecialistRole, blend, with_specialist
from harness.errors import UserError
from harness.metrics import Accuracy, MeanAveragePrecision
from harness.models import Context
from harness.models.config import canonical
from harness.models.losses import focal
from harness.models.numpy_learner import NumpyLearner
from harness.models.sklearn import Sklearn
from harness.models.smp import Network
from harness.models.torch_loop.batches import Showing
from harness.models.torch_loop.outputs import IGNORED, TargetEncoding
from harness.options import Request
from harness.report.diagnostics import diagnostics
from harness.report.last_run import LastRun, last_run
from harness.specialist import choose_target, derive, label_of
from harness.tasks.classification import Classification
from harness.tasks.detection import Detection
from harness.tasks.segmentation import Segmentation
from harness.training import ensembling, fold, search_result
from tests.support import here

NAMES = ("ant", "bee", "big cat")
ROWS = 360


def table() -> Dataset:
    """Two numbers whose signs agree for ants and differ for bees, which no line tells apart; cats are elsewhere.

    One in ten of ants and bees is called the other.
    """
    rng = np.random.default_rng(0)
    truth = np.arange(ROWS) % 3
    inputs = np.zeros(ROWS, [("x", "f8"), ("y", "f8"), ("cat", "f8")])
    inputs["x"] = rng.choice([-1, 1], ROWS) * (0.5 + rng.random(ROWS))
    inputs["y"] = np.sign(inputs["x"]) * np.where(truth == 0, 1, -1) * (0.5 + rng.random(ROWS))
    inputs["cat"] = (truth == 2) * 6.0 + rng.normal(size=ROWS)
    truth = np.where((truth < 2) & (rng.random(ROWS) < 0.1), 1 - truth, truth)
    return Dataset(Samples(numbered(ROWS), inputs, truth, np.arange(ROWS)))


def nothing(raw: Path) -> None:
    """The rows are in memory."""


line, forest = Sklearn(logistic), Sklearn(trees, parameters=(("n_estimators", 30),))


def declared(**models: Any) -> Competition:
    return Competition(
        name="zoo", task=Classification(NAMES), metric=Accuracy(NAMES), sources=(MadeSample(nothing),),
        load=lambda raw: table(), split=stratified_grouped(by=labels, folds=3), holdout=Holdout(fraction=0.25),
        models=models, ensemble=blend(*models),
    )  # fmt: skip


Run = Callable[..., tuple[Request, LastRun]]


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> Run:
    """models -> a request, and the run of a straight line on the zoo. Jobs run in this process."""

    def made(**models: Any) -> tuple[Request, LastRun]:
        competition = declared(**(models or {"line": line}))
        for module in (fold, specialist):
            monkeypatch.setattr(module, "find", lambda _: competition, raising=False)
        monkeypatch.setattr(specialist, "start_workers", lambda *_: here.Here())
        here.run(Request(competition))
        return Request(competition, fast=True), last_run(competition)

    return made


# -- who is wanted -----------------------------------------------------------------------------------------------------


def test_the_pair_that_is_most_taken_for_each_other_is_wanted_and_a_class_that_is_asked_for_comes_first(
    finished: Run,
) -> None:
    _, run = finished()
    assert choose_target(run, None) == (0, 1)
    assert choose_target(run, 1) == (1, 0)
    found = diagnostics(Classification(NAMES))
    truth, predicted = np.array([0, 0, 1, 2, 2, 1]), np.array([1, 0, 0, 1, 2, 1])
    assert found.confused_pair(truth, predicted, None) == (0, 1)  # counted both ways
    assert found.confused_pair(truth, predicted, 2) == (2, 1)
    assert found.confused_pair(truth, truth, None) is None


def test_masks_boxes_and_several_labels_have_no_pairs() -> None:
    masks, boxes = np.zeros((2, 4, 4), np.uint8), Ragged.of([np.zeros((0, 5))])
    assert diagnostics(Segmentation(NAMES, (4, 4))).confused_pair(masks, masks, 1) is None
    assert diagnostics(Detection(NAMES)).confused_pair(boxes, boxes, 1) is None
    several = np.eye(3, dtype=np.uint8)
    assert diagnostics(Classification(NAMES, multilabel=True)).confused_pair(several, several[::-1], None) is None


def test_a_class_is_written_as_people_write_and_what_is_none_is_named() -> None:
    assert [label_of(declared(line=line), written) for written in ("big cat", "big_cat", "BIG-CAT")] == [2, 2, 2]
    with pytest.raises(UserError, match=r"no class 'dog'.*there are ant, bee, big_cat"):
        label_of(declared(line=line), "dog")
    with pytest.raises(UserError, match="no class 'background'"):
        label_of(find("mars"), "background")  # void is never predicted
    with pytest.raises(UserError, match="predicts a number"):
        label_of(find("cars"), None)


# -- what it is derived from -------------------------------------------------------------------------------------------


def test_the_heaviest_member_that_can_be_made_one_is_its_base(finished: Run) -> None:
    _, run = finished()
    name, learner, base = derive(run, (0, 1))
    assert (name, base) == ("specialist_ant_or_bee", "line")
    assert canonical(learner) == canonical(replace(line, target_class=0, versus=1))
    assert derive(run, (2, None))[0] == "specialist_big_cat"


def test_a_network_sees_the_class_in_half_of_every_batch_and_a_numpy_model_cannot_be_a_specialist() -> None:
    net = Network(build=nothing, epochs=7)
    expected = replace(net, target_class=2, oversample=Showing(2), share=0.5, loss=focal)
    assert canonical(net.specialised(2, None)) == canonical(expected)
    assert net.specialised(2, 0).oversample is None
    assert NumpyLearner().specialised(1, None) is None
    masks = np.zeros((3, 4, 4), np.uint8)
    masks[1, 2, 2] = 3
    assert Showing(3)(masks).tolist() == [False, True, False]
    assert Showing(2, several=True)(np.array([[0, 2, 1], [1, 1, 0]])).tolist() == [True, False]


def test_to_a_pair_all_other_classes_are_nothing(tmp_path: Path) -> None:
    pair = TargetEncoding(Classification(NAMES), target_class=2, versus=0)
    assert pair.encode(np.arange(3)).tolist() == [0, IGNORED, 1]
    several = TargetEncoding(Classification(NAMES, multilabel=True), target_class=1, several=True)
    assert several.encode(np.array([[1, 0, 1], [0, 1, 0]])).tolist() == [[0], [1]]
    rows = table().labelled
    fitted = replace(forest, target_class=0, versus=1).fit(rows, None, Context(Classification(NAMES), tmp_path))
    ants = fitted.predict(rows.inputs)[:, 0]
    assert (ants[rows.targets == 0] > 0.5).mean() > 0.95
    assert (ants[rows.targets == 1] < 0.5).mean() > 0.95


# -- kept or not -------------------------------------------------------------------------------------------------------


def test_a_specialist_that_tells_the_pair_apart_is_kept_and_takes_part_from_then_on(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, run = finished()
    name, learner = "specialist_ant_or_bee", replace(forest, target_class=0, versus=1)
    monkeypatch.setattr(specialist, "derive", lambda *_: (name, learner, "line"))
    told = specialist.specialist(request, None)
    assert told["accepted"] and told["gain"]["low"] > 0.1
    assert (told["class"], told["versus"], told["base"]) == ("ant", "bee", "line")
    assert told.keys() >= {"competition", "path", "class", "accepted", "gain", "reason"}
    place = (run.competition.name, run.prepared.data_hash, run.manifest["train_hash"])
    assert canonical(search_result.specialists(*place)) == canonical({name: learner})
    assert search_result.specialists(*place[:2], "another split") == {}

    folds = run.prepared.folds_named(run.competition, run.manifest["train_hash"])
    asked = pipeline.with_found(Request(run.competition), run.prepared, folds)
    assert canonical(asked.learners) == canonical({"line": line, name: learner})
    assert pipeline.with_found(replace(asked, searched=False, variants=None), run.prepared, folds).variants is None

    plan = pipeline.plan_for(asked, run.prepared, folds, here.Here())  # all is there: nothing to measure
    model_runs = pipeline.cross_validate(asked, run.prepared, folds, plan, here.Here())
    blended = ensembling.blend_of(run.competition, model_runs)
    assert blended.specialist_roles == (SpecialistRole(name, 0, 1),)
    fitted_ensemble, oof = ensembling.ensemble(asked, run.prepared, folds, model_runs, blended)
    found = fitted_ensemble.recipe.class_specialist
    assert (found.model, found.target_class, found.threshold, found.versus) == (name, 0, None, 1)
    assert oof.metric.score(fitted_ensemble.statistics[-1]) > run.score + 0.1


def test_a_specialist_that_knows_nothing_is_refused_with_numbers_and_forgotten(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, run = finished(forest=forest)
    name = "specialist_ant_or_bee"
    monkeypatch.setattr(specialist, "derive", lambda *_: (name, replace(line, target_class=0, versus=1), "forest"))
    place = (run.competition.name, run.prepared.data_hash)
    search_result.keep_specialist(*place, name, {"train_hash": run.manifest["train_hash"], "config": canonical(line)})
    told = specialist.specialist(request, None)
    assert not told["accepted"] and told["reason"]
    assert told["gain"]["low"] <= 0
    assert search_result.specialists(*place, run.manifest["train_hash"]) == {}

    folds = sorted((paths.root() / told["path"]).glob("fold_*/fold.json"))
    before = [file.stat().st_mtime_ns for file in folds]
    again = specialist.specialist(request, None)
    assert [file.stat().st_mtime_ns for file in folds] == before  # what is trained is not trained again
    assert (len(before), again["gain"], again["reason"]) == (3, told["gain"], told["reason"])


def test_where_there_is_no_run_or_nothing_is_mistaken_there_is_nothing_to_train(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="no trained ensemble yet"):
        specialist.specialist(Request(declared(line=line)), None)
    request, run = finished()
    monkeypatch.setattr(specialist, "choose_target", lambda *_: None)
    told = specialist.specialist(request, None)
    assert (told["class"], told["accepted"], told["gain"]["difference"]) == (None, False, 0.0)
    assert told["path"] == run.manifest["file"]


# -- boxes -------------------------------------------------------------------------------------------------------------


def test_boxes_of_one_class_are_fused_with_those_of_a_specialist_and_no_threshold_is_asked() -> None:
    """The ensemble misses every bee, and a specialist finds them all."""
    task = Detection(NAMES)
    truth = Ragged.of([np.array([[0, 5, 5, 20, 20], [1, 30, 30, 50, 50]], np.float32)] * 8)
    boxes = np.insert(truth.flat, 1, 0.9, axis=1)
    misses, finds = (Ragged.of([rows] * 8) for rows in (boxes[:1], boxes[1:2]))
    members = {name: Member(rows, rows) for name, rows in (("general", misses), ("finder", finds))}
    oof = OOFData(task, MeanAveragePrecision(NAMES), members, truth, np.arange(8) % 2, np.arange(8))
    found = with_specialist(SpecialistRole("finder", 1), oof, Recipe({"general": 1.0}))
    assert found.class_specialist is not None
    assert (*found.class_specialist[:2], found.class_specialist.threshold) == ("finder", 1, None)
    assert oof.quality(found) == 1.0
