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
from harness.models.augment import Augment
from harness.models.config import canonical
from harness.models.losses import focal
from harness.models.numpy_learner import NumpyLearner
from harness.models.sklearn import Sklearn
from harness.models.smp import Network
from harness.models.torch_loop.batches import Showing
from harness.models.torch_loop.outputs import IGNORED, TargetEncoding
from harness.models.yolo.detector import Yolo
from harness.options import Request
from harness.report.diagnostics import diagnostics
from harness.report.last_run import LastRun, last_run
from harness.specialist import DerivedSpecialist, SpecialistTarget, choose_target, derive, label_of
from harness.tasks import ClassSpecialist
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


def test_of_labels_the_pair_that_is_most_taken_for_each_other_is_wanted(finished: Run) -> None:
    _, run = finished()
    assert choose_target(run, None) == SpecialistTarget(0, 1)
    assert choose_target(run, 1) == SpecialistTarget(1, 0)


def test_the_pair_is_counted_both_ways_and_the_class_that_is_asked_for_comes_first() -> None:
    found = diagnostics(Classification(NAMES))
    truth, said = np.array([0, 0, 1, 2, 2, 1]), np.array([1, 0, 0, 1, 2, 1])
    assert found.confused_pair(truth, said, None) == (0, 1)
    assert found.confused_pair(truth, said, 2) == (2, 1)
    assert found.confused_pair(truth, truth, None) is None
    assert found.confused_pair(truth, np.array([1, 1, 0, 2, 2, 1]), 2) is None


def test_masks_boxes_and_several_labels_have_classes_and_no_pairs() -> None:
    masks, boxes = np.zeros((2, 4, 4), np.uint8), Ragged.of([np.zeros((0, 5))])
    assert diagnostics(Segmentation(NAMES, (4, 4))).confused_pair(masks, masks, 1) is None
    assert diagnostics(Detection(NAMES)).confused_pair(boxes, boxes, 1) is None
    several = np.eye(3, dtype=np.uint8)
    assert diagnostics(Classification(NAMES, multilabel=True)).confused_pair(several, several[::-1], None) is None


@pytest.mark.parametrize("written", ["big cat", "big_cat", "Big Cat", "BIG-CAT"])
def test_a_class_is_written_as_people_write(written: str) -> None:
    assert label_of(declared(line=line), written) == 2


def test_what_is_no_class_is_named_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"no class 'dog'.*there are ant, bee, big_cat"):
        label_of(declared(line=line), "dog")
    mars = find("mars")
    with pytest.raises(UserError, match="no class 'background'"):
        label_of(mars, "background")  # void is never predicted
    with pytest.raises(UserError, match="predicts a number"):
        label_of(find("cars"), None)


def test_without_a_run_there_is_one_sentence() -> None:
    with pytest.raises(UserError, match="no trained ensemble yet"):
        specialist.specialist(Request(declared(line=line)), None)


# -- what it is derived from -------------------------------------------------------------------------------------------


def test_the_heaviest_member_that_can_be_made_one_is_its_base(finished: Run) -> None:
    _, run = finished()
    pair = derive(run, SpecialistTarget(0, 1))
    assert (pair.name, pair.base) == ("specialist_ant_or_bee", "line")
    assert canonical(pair.learner) == canonical(replace(line, target_class=0, versus=1))
    assert derive(run, SpecialistTarget(2)).name == "specialist_big_cat"


def test_a_network_sees_the_class_in_half_of_every_batch_and_minds_what_is_rare() -> None:
    net = Network(build=nothing, epochs=7, augment=Augment(hflip=0.5))
    special = net.specialised(2, None)
    assert (special.target_class, special.versus, special.oversample, special.share) == (2, None, Showing(2), 0.5)
    assert special.loss == focal
    assert (special.epochs, special.augment, special.build) == (7, net.augment, nothing)
    pair = net.specialised(2, 0)
    assert (pair.target_class, pair.versus, pair.oversample) == (2, 0, None)


def test_a_detector_knows_the_class_alone_and_a_numpy_model_cannot_be_a_specialist() -> None:
    assert Yolo().specialised(1, None).target_class == 1
    assert NumpyLearner().specialised(1, None) is None


def test_a_mask_shows_a_class_in_any_pixel_and_a_row_of_labels_in_one_column() -> None:
    masks = np.zeros((3, 4, 4), np.uint8)
    masks[1, 2, 2] = 3
    assert Showing(3)(masks).tolist() == [False, True, False]
    assert Showing(1)(np.array([0, 1, 2])).tolist() == [False, True, False]
    assert Showing(2, several=True)(np.array([[0, 2, 1], [1, 1, 0]])).tolist() == [True, False]


def test_to_a_pair_all_other_classes_are_nothing() -> None:
    codes = TargetEncoding(Classification(NAMES), target_class=2, versus=0).codes
    assert codes.tolist() == [0, IGNORED, 1]
    assert TargetEncoding(Classification(NAMES), target_class=2).codes.tolist() == [0, 0, 1]


def test_one_of_several_labels_is_one_column() -> None:
    several = TargetEncoding(Classification(NAMES, multilabel=True), target_class=1, several=True)
    assert several.encode(np.array([[1, 0, 1], [0, 1, 0]])).tolist() == [[0], [1]]


def test_an_estimator_for_a_pair_learns_from_the_pair_alone(tmp_path: Path) -> None:
    rows = table().labelled
    fitted = replace(forest, target_class=0, versus=1).fit(rows, None, Context(Classification(NAMES), tmp_path))
    ants = fitted.predict(rows.inputs)[:, 0]
    assert (ants[rows.targets == 0] > 0.5).mean() > 0.95
    assert (ants[rows.targets == 1] < 0.5).mean() > 0.95


# -- divided anew ------------------------------------------------------------------------------------------------------


# -- kept or not -------------------------------------------------------------------------------------------------------


def test_a_specialist_that_tells_the_pair_apart_is_kept_and_takes_part_from_then_on(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, run = finished()
    knows = DerivedSpecialist("specialist_ant_or_bee", replace(forest, target_class=0, versus=1), "line")
    monkeypatch.setattr(specialist, "derive", lambda *_: knows)
    told = specialist.specialist(request, None)
    assert told["accepted"] and told["gain"]["low"] > 0.1
    assert "hurts no class" in told["reason"]
    assert (told["class"], told["versus"], told["base"]) == ("ant", "bee", "line")
    assert told.keys() >= {"competition", "path", "class", "accepted", "gain", "reason"}
    place = (run.competition.name, run.prepared.data_hash, run.manifest["train_hash"])
    assert canonical(search_result.specialists(*place)) == canonical({knows.name: knows.learner})
    assert search_result.specialists(*place[:2], "another split") == {}

    said: list[str] = []
    folds = run.prepared.folds_named(run.competition, run.manifest["train_hash"])
    asked = pipeline.with_found(Request(run.competition, say=said.append), run.prepared, folds)
    assert canonical(asked.learners) == canonical({"line": line, knows.name: knows.learner})
    assert knows.name in said[0]
    assert pipeline.with_found(replace(asked, searched=False, variants=None), run.prepared, folds).variants is None

    model_runs = pipeline.cross_validate(
        asked, run.prepared, folds, plan := pipeline_plan(asked, run, folds), here.Here()
    )
    assert plan.epochs.keys() == model_runs.keys()
    blended = ensembling.blend_of(run.competition, model_runs)
    assert blended.specialist_roles == (SpecialistRole(knows.name, 0, 1),)
    fitted_ensemble, oof = ensembling.ensemble(asked, run.prepared, folds, model_runs, blended)
    assert fitted_ensemble.recipe.class_specialist == ClassSpecialist(
        knows.name, 0, fitted_ensemble.recipe.class_specialist.share, None, 1
    )
    assert Recipe.from_json(fitted_ensemble.recipe.to_json()) == fitted_ensemble.recipe
    assert oof.metric.score(fitted_ensemble.statistics[-1]) > run.score + 0.1


def pipeline_plan(asked: Request, run: LastRun, folds: Any) -> Any:
    """All that is asked for is there, so there is nothing to measure."""
    return pipeline.plan_for(asked, run.prepared, folds, here.Here())


def test_a_specialist_that_knows_nothing_is_refused_with_numbers_and_forgotten(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, run = finished(forest=forest)
    useless = DerivedSpecialist("specialist_ant_or_bee", replace(line, target_class=0, versus=1), "forest")
    monkeypatch.setattr(specialist, "derive", lambda *_: useless)
    place = (run.competition.name, run.prepared.data_hash)
    search_result.keep_specialist(
        *place, useless.name, {"train_hash": run.manifest["train_hash"], "config": canonical(line)}
    )
    told = specialist.specialist(request, None)
    assert not told["accepted"], told["reason"]
    assert told["gain"]["low"] <= 0
    assert told["reason"].startswith(("within noise", "worse", "hurts", "no share"))
    assert search_result.specialists(*place, run.manifest["train_hash"]) == {}

    folds = sorted((paths.root() / told["path"]).glob("fold_*/fold.json"))
    before = [file.stat().st_mtime_ns for file in folds]
    again = specialist.specialist(request, None)
    assert [file.stat().st_mtime_ns for file in folds] == before  # what is trained is not trained again
    assert (len(before), again["gain"], again["reason"]) == (3, told["gain"], told["reason"])


def test_where_nothing_is_mistaken_there_is_nothing_to_train(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    request, run = finished()
    monkeypatch.setattr(specialist, "choose_target", lambda *_: None)
    told = specialist.specialist(request, None)
    assert (told["class"], told["accepted"], told["gain"]["difference"]) == (None, False, 0.0)
    assert told["path"] == run.manifest["file"]
    assert told["reason"]


# -- boxes -------------------------------------------------------------------------------------------------------------


def test_boxes_of_one_class_are_fused_with_those_of_a_specialist_and_no_threshold_is_asked() -> None:
    """The ensemble misses every bee, and a specialist finds them all."""
    task = Detection(NAMES)
    truth = Ragged.of([np.array([[0, 5, 5, 20, 20], [1, 30, 30, 50, 50]], np.float32)] * 8)
    said = np.insert(truth.flat, 1, 0.9, axis=1)
    misses, finds = (Ragged.of([rows] * 8) for rows in (said[:1], said[1:2]))
    members = {name: Member(rows, rows) for name, rows in (("general", misses), ("finder", finds))}
    oof = OOFData(task, MeanAveragePrecision(NAMES), members, truth, np.arange(8) % 2, np.arange(8))
    found = with_specialist(SpecialistRole("finder", 1), oof, Recipe({"general": 1.0}))
    assert found.class_specialist is not None
    assert (*found.class_specialist[:2], found.class_specialist.threshold) == ("finder", 1, None)
    assert oof.quality(found) == 1.0
