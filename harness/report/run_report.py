"""One page on the best run: its score, what each step and member added, where it errs, and what it cost.

`make report COMP=`. Every prediction on it was made out-of-fold; the private answers are never opened.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness import paths
from harness.competition import Competition
from harness.files import read_json
from harness.report import chart
from harness.report.format import interval_of, number, percent, scored, signed
from harness.report.gallery import gallery
from harness.report.html_page import write_page
from harness.report.label_issues import issue_gallery
from harness.report.last_run import LastRun, last_run
from harness.report.run_tables import (
    MOST_MEMBERS,
    class_rows,
    confusion_table,
    cost_row,
    error_correlations,
    logged_epochs,
    member_rows,
)


def report(competition: Competition) -> dict[str, str]:
    """What `report --json` prints. Raise `UserError` where there is no run."""
    return {"competition": competition.name, "path": paths.shown(run_page(last_run(competition)))}


def run_page(run: LastRun) -> Path:
    """Write reports/<competition>/report.html."""
    competition, members = run.competition, member_rows(run)
    standings = board(competition.name, run.prepared.data_hash)
    names = [row["name"] for row in members][:MOST_MEMBERS]
    return write_page(
        competition.name,
        "report",
        metric=competition.metric.name,
        higher=competition.metric.higher_is_better,
        run=run,
        manifest=run.manifest,
        cv=interval_of(run.manifest["cv"]),
        result=result(run, standings),
        notes=notes(run),
        board=standings,
        own=own_row(run, standings),
        members=members,
        alike=names if len(members) > 1 else [],
        correlations=error_correlations(run, names),
        classes=class_rows(run),
        headroom=run.headroom,
        advice=specialist_advice(run),
        confusion=confusion_table(run),
        gallery=gallery(run),
        issues=issue_gallery(run),
        colours=list(run.diagnostics.colours()),
        costs=[cost_row(name, model_run) for name, model_run in run.model_runs.items()],
        audit=read_json(run.prepared.folder / "audit.json"),
        excluded=len(run.prepared.exclusions),
        **charts(run),
    )


def charts(run: LastRun) -> dict[str, Any]:
    """Every chart, "" or None for what this kind of prediction does not have."""
    kind, predictions = run.diagnostics, run.predictions
    curves = kind.precision_recall(run.oof.targets, predictions.decided)
    confidence = kind.confidence(predictions.targets, predictions.subsampled)
    bins = chart.reliability_bins(*confidence) if confidence else []
    numbers = kind.numbers(run.oof.targets, predictions.decided)
    epochs = {model: logged_epochs(model_run) for model, model_run in run.model_runs.items()}
    losses = {model: [[entry["loss"] for entry in fold] for fold in folds] for model, folds in epochs.items()}
    drawn = [model for model, folds in losses.items() if max(map(len, folds), default=0) > 1]
    return {
        "curves": chart.precision_recall(curves) if any(len(recall) for recall, _ in curves.values()) else "",
        "reliability": chart.reliability(bins) if bins else "",
        "calibration_error": chart.expected_calibration_error(bins) if bins else None,
        "few": chart.FEW,
        "scatter": chart.predicted_against_true(*numbers, run.samples.ids.tolist()) if numbers else None,
        "residuals": numbers[1] - numbers[0] if numbers else None,
        "learning": [(model, chart.learning_curve(model, losses[model]), len(losses[model])) for model in drawn],
        "without_epochs": [model for model in losses if model not in drawn],
    }


def board(competition: str, data_hash: str) -> dict[str, Any] | None:
    """What `leaderboard board --json` prints; None where there is no board of these data, or no row on it.

    A process of its own, since only the leaderboard opens the answers.
    """
    command = [sys.executable, "-m", "leaderboard", "board", competition, "--data", data_hash, "--json"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)  # noqa: S603
    if done.returncode != 0:
        return None
    printed = json.loads(done.stdout)
    return printed if printed["rows"] else None


def own_row(run: LastRun, standings: dict[str, Any] | None) -> dict[str, Any] | None:
    """The row of the team that submitted this run; the first with its CV score, where no team was named."""
    rows = standings["rows"] if standings else []
    team, cv = run.manifest["team"], run.manifest["cv"]["score"]
    own = [row for row in rows if row["team"] == team] or [row for row in rows if not team and row["cv"] == cv]
    return own[0] if own else None


def result(run: LastRun, standings: dict[str, Any] | None) -> str:
    """The run in one sentence."""
    cv, names = interval_of(run.manifest["cv"]), run.recipe.names
    who = f"The model {names[0]}" if len(names) == 1 else f"The ensemble of {', '.join(names[:-1])} and {names[-1]}"
    who += " with test-time augmentation" if run.recipe.tta else ""
    sentence = f"{who} reaches a cross-fitted {run.competition.metric.name} of {scored(cv)}"
    gain = run.sign * (cv.score - run.manifest["steps"][0]["score"])
    if gain > 0:
        sentence += f", {number(gain)} better than the best single model"
    row = own_row(run, standings)
    if row and standings:
        sentence += f", and has rank {row['rank']} of {len(standings['rows'])}"
    if len(run.classes) > 1:
        worst, score = next(iter(run.classes.items()))
        sentence += f"; {worst} is its weakest class ({number(score.score)})"
    return f"{sentence}."


def notes(run: LastRun) -> list[str]:
    """What one must know to read the rest."""
    sentences, reported = [], run.manifest["cv"]["score"]
    current = paths.data(run.competition.name) / "current.json"
    if not current.exists() or read_json(current)["data_hash"] != run.prepared.data_hash:
        sentences.append("This run is not of the data prepared last: FAST=1 makes a small sample of its own.")
    if run.share < 1:
        sentences.append(f"Only {percent(run.share)} of the rows have out-of-fold predictions of every member.")
    if abs(run.score - reported) > 1e-9:
        sentences.append(
            f"The code has changed since: fitted again, the ensemble scores {number(run.score)} instead of "
            f"{number(reported)} ({signed(run.score - reported)}); steps and scores are from the submission, the rest "
            "is new."
        )
    return sentences


def specialist_advice(run: LastRun) -> str:
    """Which class specialist is worth training, in one sentence; "" where there are no classes."""
    if not run.headroom:
        return ""
    best, metric, specialist = run.headroom[0], run.competition.metric.name, run.recipe.class_specialist
    if best.gain <= 0:
        return "No class would gain anything: no specialist is worth training."
    has = specialist is not None and run.competition.task.classes[specialist.target_class] == best.name
    sentence = (
        f"A perfect specialist for {best.name} would take the {metric} from {number(run.score)} to "
        f"{number(best.score)}, and no other class promises more{', beyond the specialist that it has' if has else ''}"
    )
    if len(run.headroom) == 2:
        return f"{sentence}; of two classes none needs a specialist: every model tells the one from the other already."
    if best.gain <= (run.manifest["cv"]["high"] - run.manifest["cv"]["low"]) / 2:
        return f"{sentence}; that is less than the score's own interval, so no specialist promises much."
    return f"{sentence}: `make specialist COMP={run.competition.name}` trains one, and keeps it only if it wins."
