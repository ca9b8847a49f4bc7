"""The ensemble of model runs: which rows they share, cross-fitted and gated; its step table and its submission."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import paths
from harness.bootstrap import interval
from harness.competition import Competition
from harness.ensemble import (
    Blend,
    FittedEnsemble,
    OOFData,
    Recipe,
    SpecialistRole,
    cross_fit,
    cross_fitted,
    gain_of,
)
from harness.errors import UserError
from harness.files import finite
from harness.options import Request
from harness.prepare import Prepared
from harness.submission import writer
from harness.training.predict import runs_of
from harness.training.predictions import ModelRun, code_hash


def blend_of(competition: Competition, model_runs: Mapping[str, ModelRun]) -> Blend:
    """The declared ensemble of these runs; raise `UserError` where none of them predicts every class."""
    manifests = {name: model_run.manifest for name, model_run in model_runs.items()}
    general = tuple(name for name, manifest in manifests.items() if manifest["config"]["target_class"] is None)
    if not general:
        raise UserError(
            f"there is no complete run to blend; run `make submit COMP={competition.name}` or `make train` first"
        )
    roles = [
        SpecialistRole(name, manifest["config"]["target_class"], manifest["config"].get("versus"))
        for name, manifest in manifests.items()
        if name not in general
    ]
    declared = competition.ensemble.specialist
    roles.sort(key=lambda role: manifests[role.model]["model"] != declared)  # the declared one is tried first
    return replace(competition.ensemble, names=general, specialist_roles=tuple(roles))


def ensemble(
    request: Request, prepared: Prepared, folds: np.ndarray, model_runs: Mapping[str, ModelRun], declared: Blend
) -> tuple[FittedEnsemble, OOFData]:
    """Fit the ensemble on the out-of-fold predictions, cross-fitted and gated."""
    competition, train = request.competition, prepared.train
    complete = {name: model_run for name, model_run in model_runs.items() if model_run.manifest["complete"]}
    model_runs = complete if set(complete) & set(declared.names) else model_runs
    model_runs, shared = sharing(model_runs, int(folds.max()) + 1)
    request.say(f"fitting the ensemble of {', '.join(model_runs)}")
    rows = np.isin(folds, shared)
    if not rows.all():
        request.say(f"only {rows.sum()} of {len(rows)} rows have out-of-fold predictions of every member")
    members = {name: model_run.out_of_fold(competition.task, folds, shared) for name, model_run in model_runs.items()}
    targets, groups = train.targets[rows], train.groups[rows]
    oof = OOFData(competition.task, competition.metric, members, targets, folds[rows], groups)
    return cross_fit(oof, declared), oof


def refitted(
    competition: Competition, prepared: Prepared, manifest: Mapping[str, Any]
) -> tuple[np.ndarray, FittedEnsemble, OOFData]:
    """A submission's ensemble once more, cross-fitted as its manifest's CV was; with the fold of every row."""
    model_runs, folds = runs_of(manifest), prepared.folds_named(competition, manifest["train_hash"])
    declared = competition.ensemble if set(model_runs) <= set(competition.models) else blend_of(competition, model_runs)
    return folds, *ensemble(Request(competition), prepared, folds, model_runs, declared)


def sharing(model_runs: Mapping[str, ModelRun], count: int) -> tuple[dict[str, ModelRun], list[int]]:
    """The runs with the most folds, specialists last, and the folds that all have; one that shares none is left out."""
    held = {name: set(model_run.held(count)) for name, model_run in model_runs.items()}
    special = {name: model_run.manifest["config"]["target_class"] is not None for name, model_run in model_runs.items()}
    kept, shared = set[str](), set(range(count))
    for name in sorted(model_runs, key=lambda name: (special[name], -len(held[name]))):
        if shared & held[name]:
            kept, shared = kept | {name}, shared & held[name]
    return {name: model_run for name, model_run in model_runs.items() if name in kept}, sorted(shared)


def steps_of(fitted_ensemble: FittedEnsemble, oof: OOFData) -> list[dict[str, Any]]:
    """A row a step.

    accepted, reason, gain: the gate's result on all rows. score, low, high, by_class: cross-fitted up to this step;
    the rows of a fold are scored with what was chosen without the fold. That took the step in `accepted_in_folds` of
    `folds` fits, whatever was chosen on all rows.
    """
    folds = len(fitted_ensemble.without)
    return [
        {
            "step": step_result.step,
            "accepted": step_result.accepted,
            "reason": step_result.reason,
            "way": step_result.variant,
            "refused": {} if step_result.accepted else {step_result.step: step_result.reason},
            "accepted_in_folds": accepted,
            "folds": folds,
            "gain": step_result.gain and step_result.gain.to_json(),
            **interval(oof.metric, statistics, oof.groups)._asdict(),
            "by_class": {name: finite(score) for name, score in oof.metric.by_class(statistics).items()},
        }
        for step_result, statistics, accepted in zip(
            fitted_ensemble.step_results, fitted_ensemble.statistics, fitted_ensemble.accepted, strict=True
        )
    ]


def members_of(oof: OOFData, recipe: Recipe) -> dict[str, Any]:
    """Every member's weight, and its gain on the fitted rows: the ensemble against the same one without it."""
    thinned = oof.subsample()
    gains = {name: gain_of(thinned, recipe, name) for name in recipe.names}
    return {
        name: {"weight": recipe.weights.get(name, 0.0), "gain": gain and gain.to_json()} for name, gain in gains.items()
    }


# -- the submission ----------------------------------------------------------------------------------------------------


def write_submission(
    request: Request,
    prepared: Prepared,
    folds: np.ndarray,
    model_runs: Mapping[str, ModelRun],
    fitted_ensemble: FittedEnsemble,
    oof: OOFData,
) -> tuple[Path, dict[str, Any]]:
    """Write the judge's file with its manifest: what was done, and the score that the player claims."""
    competition, recipe = request.competition, fitted_ensemble.recipe
    held = {name: model_runs[name].held(int(folds.max()) + 1) for name in recipe.names}
    members = {name: model_runs[name].holdout(competition.task, held[name]) for name in recipe.names}
    decided = recipe.decide(competition.task, members)
    steps = steps_of(fitted_ensemble, oof)
    manifest = {
        "team": request.team,
        "cv": {key: steps[-1][key] for key in ("score", "low", "high")} | {"in_sample": fitted_ensemble.in_sample},
        "models": {name: model_run.manifest["score"] for name, model_run in model_runs.items()},
        "runs": {name: paths.shown(model_run.folder) for name, model_run in model_runs.items()},
        "recipe": recipe.to_json(),
        "parts": members_of(oof, recipe),
        "steps": steps,
        "reported": {
            metric.name: interval(metric, cross_fitted(oof, fitted_ensemble, metric), oof.groups)._asdict()
            for metric in competition.reported
        },
        "share": len(oof.folds) / int((folds >= 0).sum()),
        "train_hash": prepared.train_hash(folds),
        "git": writer.git_revision(),
        "code": code_hash(competition.name),
        "seconds": request.spent,
    }
    asked = competition.task.table.asked(prepared.holdout)
    file = writer.write(competition.name, prepared.data_hash, competition.task, asked, decided, manifest)
    if not request.fast:
        writer.keep_best(file, file.parent, manifest, competition.metric.higher_is_better)
    return file, manifest


def keep_baseline(request: Request, prepared: Prepared) -> None:
    """Save the sample submission as the best one, so that a valid one is there from the first minute on."""
    folder = paths.submissions(request.competition.name, prepared.data_hash)
    if not request.fast:
        writer.keep_best(prepared.folder / "sample_submission.csv", folder, None)


def submit_file(
    request: Request, prepared: Prepared, file: Path, manifest: Mapping[str, Any], official: Mapping[str, str]
) -> dict[str, Any]:
    standing = writer.judge(request.competition.name, file, request.team, prepared.data_hash)
    return {
        "competition": request.competition.name,
        "source": prepared.source,
        "data_hash": prepared.data_hash,
        "models": manifest["models"],
        "cv": manifest["cv"],
        "higher_is_better": request.competition.metric.higher_is_better,
        "public": standing.get("interval"),
        "rank": standing.get("rank"),
        "teams": standing.get("teams"),
        "submission": paths.shown(file),
        "official": official,
        "seconds": request.spent,
        "parts": manifest["parts"],
        "steps": manifest["steps"],
        "reported": manifest["reported"],
        "message": standing.get("message"),
    }
