"""The queue of labels that look wrong, by predictions of models that never saw the row; nothing is removed by it.

A person works through reports/<competition>/suspects.csv, the most suspect first, and corrects the source or writes
`"id": "reason"` into public/exclusions.json.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness import paths
from harness.audit.checks import Check, first
from harness.competition import Competition
from harness.data.samples import Samples
from harness.errors import UserError
from harness.files import read_json, write_bytes
from harness.prepare import Prepared, current
from harness.tasks import Task
from harness.training.predictions import ModelRun


class Suspect(NamedTuple):
    """row: of the samples; quality: from 0 to 1, how well the label agrees with what the models say of it."""

    row: int
    id: str
    quality: float
    doubted: bool
    given: str
    said: str


def check_suspects(competition: Competition, audit: str) -> Check:
    """Writes the queue. audit: names the data that were looked at (`harness.audit.kept`)."""
    try:
        prepared = prepared_from(competition.name, audit)
        folds, model_runs = complete(competition, prepared)
    except UserError as error:
        return Check("label suspects", "pass", f"not looked for: {error}")
    everyone, count = prepared.train, int(folds.max()) + 1
    samples = everyone[folds >= 0]
    members = [
        model_run.out_of_fold(competition.task, folds, list(range(count))).plain for model_run in model_runs.values()
    ]
    queue = suspects(competition.task, samples, competition.task.average(members, [1.0] * len(members)))
    file = write_queue(competition.name, queue)
    doubted = [suspect.id for suspect in queue if suspect.doubted]
    evidence = f"{len(doubted)} of {len(queue)} labels are doubted by {', '.join(model_runs)}, out-of-fold"
    if not doubted:
        return Check("label suspects", "pass", f"{evidence}; all, the least likely first: {paths.shown(file)}")
    exclusions = paths.shown(prepared.folder / "exclusions.json")
    return Check(
        "label suspects",
        "warn",
        f"{evidence}: {first(doubted)}; all, the least likely first: {paths.shown(file)}",
        f'look at them; correct the source, or exclude a row by "id": "reason" in {exclusions}',
    )


def suspects(task: Task, samples: Samples, prediction: Any) -> list[Suspect]:
    """Every row, the most suspect first. prediction: of all samples, by models that never saw them."""
    doubts = task.account.doubts(samples.targets, prediction)
    said, _ = task.account.shown(samples.targets, task.decide(prediction))
    words = task.account.words
    return [
        Suspect(
            row,
            str(samples.ids[row]),
            float(doubts.quality[row]),
            bool(doubts.doubted[row]),
            words(samples.targets[row]),
            words(said[row]),
        )
        for row in np.argsort(doubts.quality, kind="stable").tolist()
    ]


def prepared_from(competition: str, audit: str) -> Prepared:
    """The data prepared last; raise `UserError` where they are not those of this audit."""
    prepared = current(competition)
    if read_json(paths.data(competition) / "current.json").get("audit") != audit:
        raise UserError(f"the data prepared last are others; run `make submit COMP={competition}` with these")
    return prepared


def complete(competition: Competition, prepared: Prepared) -> tuple[np.ndarray, Mapping[str, ModelRun]]:
    """The folds with the most complete bundles of models that predict every class; raise `UserError` without any."""
    best: tuple[np.ndarray, Mapping[str, ModelRun]] = (np.zeros(0), {})
    for file in sorted(prepared.folder.glob("folds-*.json")):
        folds = prepared.folds(competition, int(file.stem.removeprefix("folds-")))
        runs = paths.runs(competition.name, prepared.train_hash(folds))
        model_runs = {path.parent.name: ModelRun(path.parent) for path in sorted(runs.glob("*/bundle.json"))}
        whole = {name: model_run for name, model_run in model_runs.items() if general(model_run.manifest)}
        best = max(best, (folds, whole), key=lambda found: len(found[1]))
    if not best[1]:
        raise UserError(
            f"no model has predicted all of these rows out-of-fold; run `make submit COMP={competition.name}`"
        )
    return best


def general(manifest: Mapping[str, Any]) -> bool:
    return manifest["complete"] and manifest["config"]["target_class"] is None


def write_queue(competition: str, queue: list[Suspect]) -> Path:
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["id", "quality", "doubted", "given", "said"])
    writer.writerows([[s.id, f"{s.quality:.4f}", int(s.doubted), s.given, s.said] for s in queue])
    file = paths.reports(competition) / "suspects.csv"
    write_bytes(file, lines.getvalue().encode())
    return file
