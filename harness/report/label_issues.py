"""Labels that look wrong to models that never saw the row (cleanlab). Nothing is removed automatically.

A person works through reports/<competition>/label_issues.csv, the most likely errors first, and corrects the source or
writes `"id": "reason"` into public/exclusions.json.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness import paths
from harness.audit import Check, first
from harness.competition import Competition
from harness.data.samples import Samples
from harness.errors import UserError
from harness.files import read_json, write_bytes
from harness.prepare import Prepared, current
from harness.report.diagnostics import diagnostics
from harness.report.gallery import GalleryRow, draw_panels
from harness.report.last_run import LastRun
from harness.tasks import Task
from harness.training.predictions import ModelRun

SHOWN = 12
NAME = "label issues"


class LabelIssue(NamedTuple):
    """row: of the samples; quality: from 0 to 1, how well the label agrees with the models' predictions."""

    row: int
    id: str
    quality: float
    is_issue: bool
    given: str
    predicted: str


class IssueGallery(NamedTuple):
    """issues: how many of `rows` labels are issues; first: the least likely labels, their quality as the score."""

    rows: int
    issues: int
    first: Sequence[GalleryRow]

    @property
    def drawn(self) -> bool:
        return any(row.panels for row in self.first)


def issue_gallery(run: LastRun) -> IssueGallery:
    """By the mean of the members, weighted as in the ensemble."""
    task, oof = run.competition.task, run.oof
    members = [oof.members[name].plain for name in run.recipe.weights]
    ranking = label_issues(task, run.samples, task.average(members, list(run.recipe.weights.values())))
    decided, _ = run.diagnostics.drawable(run.samples.targets, run.predictions.decided)
    shown = [
        GalleryRow(
            issue.id, issue.quality, issue.given, issue.predicted, *draw_panels(run, issue.row, decided[issue.row])
        )
        for issue in ranking[:SHOWN]
    ]
    return IssueGallery(len(ranking), sum(issue.is_issue for issue in ranking), shown)


def check_label_issues(competition: Competition, audit: str) -> Check:
    """Write the ranking to a file. audit: the name of the audit of these data."""
    try:
        prepared = prepared_from(competition.name, audit)
        folds, model_runs = complete_runs(competition, prepared)
    except UserError as error:
        return Check(NAME, "pass", f"not looked for: {error}")
    samples, every_fold = prepared.train[folds >= 0], list(range(int(folds.max()) + 1))
    members = [run.out_of_fold(competition.task, folds, every_fold).plain for run in model_runs.values()]
    ranking = label_issues(competition.task, samples, competition.task.average(members, [1.0] * len(members)))
    file = paths.shown(write_ranking(competition.name, ranking))
    issues = [issue.id for issue in ranking if issue.is_issue]
    evidence = f"{len(issues)} of {len(ranking)} labels disagree with {', '.join(model_runs)}, out-of-fold"
    if not issues:
        return Check(NAME, "pass", f"{evidence}; all labels, the least likely first: {file}")
    exclusions = paths.shown(prepared.folder / "exclusions.json")
    remedy = f'look at them; correct the source, or exclude a row by "id": "reason" in {exclusions}'
    return Check(NAME, "warn", f"{evidence}: {first(issues)}; all labels, the least likely first: {file}", remedy)


def label_issues(task: Task, samples: Samples, prediction: Any) -> list[LabelIssue]:
    """Every row, the least likely label first. prediction: of all samples, by models that never saw them."""
    kind = diagnostics(task)
    found = kind.label_issues(samples.targets, prediction)
    decided, _ = kind.drawable(samples.targets, task.decide(prediction))

    def issue(row: int) -> LabelIssue:
        words = kind.describe(samples.targets[row]), kind.describe(decided[row])
        return LabelIssue(row, str(samples.ids[row]), float(found.quality[row]), bool(found.is_issue[row]), *words)

    return [issue(row) for row in np.argsort(found.quality, kind="stable").tolist()]


def prepared_from(competition: str, audit: str) -> Prepared:
    """The data prepared last; raise `UserError` where this audit is of other data."""
    prepared, named = current(competition), paths.data(competition) / "current.json"
    if not named.exists() or read_json(named).get("audit") != audit:
        raise UserError(f"the data prepared last are others; run `make submit COMP={competition}` with these")
    return prepared


def complete_runs(competition: Competition, prepared: Prepared) -> tuple[np.ndarray, Mapping[str, ModelRun]]:
    """The folds with the most complete runs of models that predict every class; raise `UserError` without any."""
    best: tuple[np.ndarray, Mapping[str, ModelRun]] = (np.zeros(0), {})
    for file in sorted(prepared.folder.glob("folds-*.json")):
        folds = prepared.folds(competition, int(file.stem.removeprefix("folds-")))
        runs = paths.runs(competition.name, prepared.train_hash(folds))
        model_runs = {path.parent.name: ModelRun(path.parent) for path in sorted(runs.glob("*/run.json"))}
        complete = {
            name: run
            for name, run in model_runs.items()
            if run.manifest["complete"] and run.manifest["config"]["target_class"] is None
        }
        best = max(best, (folds, complete), key=lambda found: len(found[1]))
    if not best[1]:
        raise UserError(
            f"no model has predicted all of these rows out-of-fold; run `make submit COMP={competition.name}`"
        )
    return best


def write_ranking(competition: str, ranking: list[LabelIssue]) -> Path:
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["id", "quality", "issue", "given", "predicted"])
    writer.writerows([[i.id, f"{i.quality:.4f}", int(i.is_issue), i.given, i.predicted] for i in ranking])
    file = paths.reports(competition) / "label_issues.csv"
    write_bytes(file, lines.getvalue().encode())
    return file
