"""What holds for every folder of competitions/, shown in one process on few rows: from its sample to a scored file.

No competition is named here. Models are trained for one epoch, detectors are tiny ones on small images; nothing else of
a declaration is changed.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from harness import paths
from harness.competition import Competition, find
from harness.data.samples import Dataset, Ragged
from harness.data.sized_masks import image_by_image
from harness.data.sources import MadeSample
from harness.data.splits import membership
from harness.files import read_json
from harness.options import Request
from harness.prepare import Prepared, few, prepare
from harness.report.run_report import report
from harness.training import fold
from harness.training.predict import predict_official
from harness.training.predictions import VIEWS
from leaderboard import answers
from leaderboard.scoring import score_file
from tests.support.here import Here, run
from tests.support.pages import PageReader
from tests.support.squares import YOLO

EACH, ALL, ASKED = 10, 40, 3  # at least: rows of every stratum, rows; and rows of every official part
SMALL = {"model": YOLO.model, "imgsz": 32, "batch": 64}  # one batch: a last one of one row would have no variance


@cache
def few_rows(name: str) -> Dataset:
    """What the competition's sample holds, and of that the few rows of FAST=1, fewer still."""
    declared, sample = find(name), find(name).sources[-1]
    assert isinstance(sample, MadeSample), "the last source is what needs neither data nor a network"
    with TemporaryDirectory() as folder:
        sample.make(Path(folder))
        dataset = declared.load(Path(folder))
        stratify = declared.split.stratify(dataset.labelled)
        each = max(EACH, ALL // membership(stratify).shape[1])
        official = {part: samples[np.arange(ASKED)] for part, samples in dataset.official.items()}
        return replace(few(dataset, stratify, each), official=official)


def in_memory(folder: Path) -> None:
    """Leave no files: `load` takes the rows from `few_rows`."""


def small(name: str) -> Competition:
    """The same competition on few rows."""
    declared, models = find(name), {}
    for model, learner in declared.models.items():
        changed = {field: value for field, value in SMALL.items() if hasattr(learner, field)}
        models[model] = replace(learner, **changed)
    return replace(declared, load=lambda raw: few_rows(name), sources=(MadeSample(in_memory),), models=models)


def judged(prepared: Prepared, name: str) -> answers.Answers:
    return answers.read_answers(answers.prepared(name, prepared.data_hash))


def check_folder(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go from the folder's sample to a scored submission and a report."""
    competition = small(name)
    monkeypatch.setattr(fold, "find", lambda _: competition)
    request = Request(competition, folds=2)
    done = run(request)
    audit = read_json(done.prepared.folder / "audit.json")
    assert audit["verdict"] in ("pass", "warn")
    assert all(check.keys() >= {"name", "verdict", "evidence", "remedy"} for check in audit["checks"])

    # every default model predicts every row that has a fold, out-of-fold, and the whole hold-out, in both views
    task = competition.task
    assert done.model_runs.keys() == set(competition.default)
    assert set(done.folds) <= {-1, 0, 1}
    for model_run in done.model_runs.values():
        assert model_run.manifest["complete"]
        assert model_run.manifest["reported"].keys() == {metric.name for metric in competition.reported}
        for member, rows in (
            (model_run.out_of_fold(task, done.folds, [0, 1]), int((done.folds >= 0).sum())),
            (model_run.holdout(task, [0, 1]), len(done.prepared.holdout)),
        ):
            assert [len(getattr(member, view)) for view in VIEWS] == [rows, rows]

    # our file is accepted; its public and private rows are all of the hold-out
    truth = judged(done.prepared, name)
    scored = score_file(competition, done.file, truth)
    assert scored.keys() == {"public", "private"}
    assert sum(len(part.statistics) for part in scored.values()) == len(truth.ids) == len(done.prepared.holdout)
    assert all(part.low <= part.value <= part.high for part in scored.values())
    assert done.manifest["cv"]["low"] <= done.manifest["cv"]["score"] <= done.manifest["cv"]["high"]

    # every official part is written in the official format, and read back with the ids of the source
    recipe, parts = done.fitted_ensemble.recipe, done.prepared.official
    written = predict_official(request, done.prepared, done.model_runs, recipe, Here(), done.file)
    assert written.keys() == parts.keys()
    for part, samples in parts.items():
        file = paths.root() / written[part]
        assert file.suffix == task.official_suffix
        assert len(task.read(file, task.table.asked(samples))) == ASKED

    page = paths.root() / report(competition)["path"]  # it stands alone and is small
    assert PageReader(page.read_text()).loads == []
    assert page.stat().st_size < 5_000_000


def check_sample_submission(name: str) -> None:
    """The sample submission is valid, and the truth beats it."""
    competition = small(name)
    prepared = prepare(Request(competition))
    truth = judged(prepared, name)
    nothing = score_file(competition, prepared.folder / "sample_submission.csv", truth)
    best = prepared.folder / "truth.csv"
    competition.task.write(truth.asked, as_submitted(competition, truth.targets), best)
    everything = score_file(competition, best, truth)
    sign = 1 if competition.metric.higher_is_better else -1
    for part in ("public", "private"):
        assert sign * everything[part].value > sign * nothing[part].value
        assert everything[part].low == pytest.approx(everything[part].high, abs=1e-6)  # right in every resample


def as_submitted(competition: Competition, truth: Any) -> Any:
    """The truth as a submission says it: boxes of score 1, sure probabilities, labels other than void, numbers."""
    task = competition.task
    if isinstance(truth, Ragged):
        return Ragged(np.insert(truth.flat, 1, 1.0, axis=1), truth.offsets)
    if task.output == "probabilities" and truth.ndim == 1:
        return np.eye(len(task.classes))[truth]
    if task.void is None:
        return truth
    other = (task.void + 1) % len(task.classes)
    return image_by_image(lambda rows: np.where(rows == task.void, other, rows), truth)
