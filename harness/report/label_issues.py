"""Labels that look wrong to models that never saw the row (cleanlab). Nothing is removed automatically.

A person works through reports/<competition>/label_issues.csv, the most likely errors first, and corrects the source or
writes `"id": "reason"` into public/exclusions.json.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from harness import paths
from harness.audit import Check
from harness.competition import Competition
from harness.data.samples import Samples
from harness.errors import UserError, listed
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


def issue_gallery(run: LastRun) -> dict[str, Any]:
    """issues: how many of `rows` labels are issues; first: the least likely labels, their quality as the score.

    By the mean of the members, weighted as in the ensemble.
    """
    task, weights = run.competition.task, run.recipe.weights
    members = [run.oof.members[name].plain for name in weights]
    ranking = label_issues(task, run.samples, task.average(members, list(weights.values())))
    decided, _ = run.diagnostics.drawable(run.samples.targets, run.predictions.decided)
    shown = [
        GalleryRow(issue.id, issue.quality, issue.given, issue.predicted, *draw_panels(run, issue.row, decided))
        for issue in ranking[:SHOWN]
    ]
    return {"rows": len(ranking), "issues": sum(issue.is_issue for issue in ranking), "first": shown}


def check_label_issues(competition: Competition, audit: str) -> Check:
    """Write the ranking to a file. audit: the name of the audit of these data."""
    import pandas as pd

    try:
        prepared, named = current(competition.name), paths.data(competition.name) / "current.json"
        if not named.exists() or read_json(named).get("audit") != audit:
            raise UserError(f"the data prepared last are others; run `make submit COMP={competition.name}` with these")
        folds, model_runs = complete_runs(competition, prepared)
    except UserError as error:
        return Check(NAME, "pass", f"not looked for: {error}")
    samples, every_fold = prepared.train[folds >= 0], list(range(int(folds.max()) + 1))
    members = [run.out_of_fold(competition.task, folds, every_fold).plain for run in model_runs.values()]
    ranking = label_issues(competition.task, samples, competition.task.average(members, [1.0] * len(members)))
    rows = [(each.id, f"{each.quality:.4f}", int(each.is_issue), each.given, each.predicted) for each in ranking]
    table = pd.DataFrame(rows, columns=["id", "quality", "issue", "given", "predicted"])
    file = paths.reports(competition.name) / "label_issues.csv"
    write_bytes(file, table.to_csv(index=False, lineterminator="\n").encode())
    issues = [issue.id for issue in ranking if issue.is_issue]
    evidence = f"{len(issues)} of {len(ranking)} labels disagree with {', '.join(model_runs)}, out-of-fold"
    page = f"all labels, the least likely first: {paths.shown(file)}"
    if not issues:
        return Check(NAME, "pass", f"{evidence}; {page}")
    exclusions = paths.shown(prepared.folder / "exclusions.json")
    remedy = f'look at them; correct the source, or exclude a row by "id": "reason" in {exclusions}'
    return Check(NAME, "warn", f"{evidence}: {listed(issues)}; {page}", remedy)


def label_issues(task: Task, samples: Samples, prediction: Any) -> list[LabelIssue]:
    """Every row, the least likely label first. prediction: of all samples, by models that never saw them."""
    kind = diagnostics(task)
    found = kind.label_issues(samples.targets, prediction)
    decided, _ = kind.drawable(samples.targets, task.decide(prediction))

    def issue(row: int) -> LabelIssue:
        words = kind.describe(samples.targets[row]), kind.describe(decided[row])
        return LabelIssue(row, str(samples.ids[row]), float(found.quality[row]), bool(found.is_issue[row]), *words)

    return [issue(row) for row in np.argsort(found.quality, kind="stable").tolist()]


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
