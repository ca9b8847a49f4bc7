"""From data to a rank, as a sentence: `submit`. Each step leaves files with hashes; running again resumes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import paths
from harness.data.sources import locate
from harness.errors import UserError
from harness.files import append_line, locked, read_lines, sweep_partials
from harness.options import Request
from harness.prepare import Prepared, audit_once, current, prepare, with_folds
from harness.report.label_issues import check_label_issues
from harness.report.search_report import search_page
from harness.search.loop import SearchLoop
from harness.search.pruning import Pruner
from harness.search.schedule import measured_schedule
from harness.search.storage import explain_lost_storage
from harness.search.study import open_study
from harness.submission import writer
from harness.training import search_result
from harness.training.budget import plan_for
from harness.training.cross_validation import cross_validate
from harness.training.ensembling import blend_of, ensemble, keep_baseline, submit_file, write_submission
from harness.training.predict import best_manifest, predict_official, recipe_of, runs_of
from harness.training.predictions import ModelRun, require_same_rows
from harness.training.workers import start_workers
from harness.training.workers.local import LocalWorkers


def submit(request: Request) -> dict[str, Any]:
    """The whole path. Returns what `submit --json` prints."""
    if not set(request.learners) & set(request.competition.ensemble.names):
        alone = ", ".join(request.learners)
        raise UserError(f"{alone} alone predicts no more than its own class; add a general model to MODELS=")
    with start_workers(request.listen, request.engine, request.workers, request.imports) as workers:
        prepared = prepare(request)
        writer.require_accepting_board(request.competition.name, request.team, prepared.data_hash, request.say)
        keep_baseline(request, prepared)
        request, folds = with_folds(request, prepared)
        with locked(folder := paths.runs(request.competition.name, prepared.train_hash(folds))):
            sweep_partials(folder)
            request = with_found(request, prepared, folds)
            plan = plan_for(request, prepared, folds, workers)
            model_runs = cross_validate(request, prepared, folds, plan, workers)
            declared = blend_of(request.competition, model_runs) if request.variants else request.competition.ensemble
            fitted_ensemble, oof = ensemble(request, prepared, folds, model_runs, declared)
            file, manifest = write_submission(request, prepared, folds, model_runs, fitted_ensemble, oof)
            official = predict_official(request, prepared, model_runs, fitted_ensemble.recipe, workers, file)
    return submit_file(request, prepared, file, manifest, official)


def train(request: Request) -> dict[str, Any]:
    """Train one model on all folds; leave its run."""
    prepared = current(request.competition.name)
    request, folds = with_folds(request, prepared)
    workers = start_workers(request.listen, request.engine, request.workers, request.imports)
    with workers, locked(folder := paths.runs(request.competition.name, prepared.train_hash(folds))):
        sweep_partials(folder)
        plan = plan_for(request, prepared, folds, workers, to_rank=False)
        ((name, model_run),) = cross_validate(request, prepared, folds, plan, workers).items()
    manifest = model_run.manifest
    return {"competition": request.competition.name, "path": paths.shown(model_run.folder), "model": name} | {
        key: manifest[key] for key in ("score", "by_class", "seconds", "folds")
    }


@explain_lost_storage()
def search(request: Request, storage: str | None = None, paired: bool = True, curves: bool = True) -> dict[str, Any]:
    """Search variants for request.budget seconds. paired, curves: how trials are pruned, as in `Pruner`.

    Returns what `search --json` prints.
    """
    competition = request.competition
    models = [name for name, learner in request.learners.items() if learner.target_class is None]
    if not models:
        raise UserError(
            f"{', '.join(request.learners)} alone predicts no more than its own class; name a general model"
        )
    workers = start_workers(request.listen, request.engine, request.workers, request.imports)
    with workers, LocalWorkers(1, 1, grace=0) as background:  # its files are written whole or not at all
        prepared = prepare(request)
        writer.require_accepting_board(competition.name, request.team, prepared.data_hash, request.say)
        keep_baseline(request, prepared)
        request, folds = with_folds(request, prepared)
        train_hash = prepared.train_hash(folds)
        with locked(paths.runs(competition.name, train_hash)):
            for written in (paths.searches, paths.submissions):
                sweep_partials(written(competition.name, prepared.data_hash))
            sweep_partials(paths.runs(competition.name, train_hash))
            study = open_study(competition, prepared, train_hash, models, storage)
            schedule = measured_schedule(request, prepared, workers, study.optuna)
            groups = {fold: prepared.train.groups[folds == fold] for fold in range(request.fold_count)}
            pruner = Pruner(competition.metric, groups, paired, curves)
            SearchLoop(request, prepared, folds, workers, background, study, schedule, pruner).run()
            manifest = best_manifest(competition, prepared)
            file = paths.root() / manifest["file"]
            official = predict_official(request, prepared, runs_of(manifest), recipe_of(manifest), workers, file)
    log = paths.searches(competition.name, prepared.data_hash) / "search.jsonl"
    try:
        result = submit_file(request, prepared, file, manifest, official)
        scores = {key: result[key] for key in ("public", "cv", "rank")}
        append_line(log, {"at": writer.now(), "event": "scored", **scores})
    finally:  # the report is written though no judge can be reached
        page, lines = search_page(competition, study.optuna, read_lines(log))
        for line in lines:
            request.say(line)
    return {**result, "trials": study.counts(), "report": paths.shown(page)}


def blend(request: Request, files: Sequence[Path] | None = None) -> dict[str, Any]:
    """Ensemble the complete model runs that exist, or those in `files`, also copied ones; no training."""
    competition, prepared = request.competition, current(request.competition.name)
    request, folds = with_folds(request, prepared)
    train_hash = prepared.train_hash(folds)
    kept = search_result.specialists(competition.name, prepared.data_hash, train_hash)
    specialists = {competition.ensemble.specialist, *kept}
    runs_here = [file.parent for file in paths.runs(competition.name, train_hash).glob("*/run.json")]
    manifests = {folder: ModelRun(folder).manifest for folder in runs_here}
    usable = [
        folder
        for folder, manifest in manifests.items()
        if manifest["config"]["target_class"] is None or manifest["model"] in specialists
    ]
    model_runs = {folder.name: ModelRun(folder) for folder in sorted(files or usable)}
    require_same_rows(model_runs, train_hash)
    model_runs = {name: model_run for name, model_run in model_runs.items() if model_run.manifest["complete"]}
    fitted_ensemble, oof = ensemble(request, prepared, folds, model_runs, blend_of(competition, model_runs))
    file, manifest = write_submission(request, prepared, folds, model_runs, fitted_ensemble, oof)
    return submit_file(request, prepared, file, manifest, {})


def look(request: Request) -> dict[str, Any]:
    """The audit alone, as JSON."""
    located = locate(request.competition.name, request.competition.sources, request.data)
    request.say(f"data: {located.kind}, {paths.shown(located.folder)}")
    dataset = request.competition.read(located.folder)
    checked, name = audit_once(request.competition, dataset)
    return replace(checked, checks=[*checked.checks, check_label_issues(request.competition, name)]).to_json()


def with_found(request: Request, prepared: Prepared, folds: np.ndarray) -> Request:
    """The models that a search found on these rows and folds go before the declared default; kept specialists join."""
    if request.fast or request.models or not request.searched:
        return request
    place = (request.competition.name, prepared.data_hash, prepared.train_hash(folds))
    variants, kept = search_result.variants(*place), search_result.specialists(*place)
    if variants:
        request.say(f"training what the search found, {', '.join(variants)} (SEARCHED=0: the declared models)")
    if kept:
        request.say(f"with what `make specialist` kept, {', '.join(kept)} (SEARCHED=0: without)")
    return replace(request, variants={**(variants or request.learners), **kept} if variants or kept else None)
