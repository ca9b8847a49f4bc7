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
from harness.prepare import Prepared, audit_once, current, prepare
from harness.report.label_issues import check_label_issues
from harness.report.search_report import search_lines, search_page
from harness.search.loop import Night
from harness.search.pruning import Race
from harness.search.schedule import Clock
from harness.search.storage import reached
from harness.search.study import Study, opened
from harness.submission import writer
from harness.training import search_result
from harness.training.budget import plan_for
from harness.training.cross_validation import cross_validate
from harness.training.ensembling import blend_of, ensemble, keep_baseline, submit_file, write_submission
from harness.training.predict import best_card, predict_official, recipe_of, runs_of
from harness.training.predictions import ModelRun, require_same_rows
from harness.training.workers import workers
from harness.training.workers.local import Local


def submit(request: Request) -> dict[str, Any]:
    """The whole path. Returns what `submit --json` prints (DESIGN, section 8)."""
    if not set(request.learners) & set(request.competition.ensemble.names):
        alone = ", ".join(request.learners)
        raise UserError(f"{alone} alone predicts no more than its own class; add a general model to MODELS=")
    with workers(request.listen, request.engine, request.workers) as engine:
        prepared = prepare(request)
        writer.require_judge(request.competition.name, request.team, prepared.data_hash, request.say)
        engine.share(prepared.folder)
        keep_baseline(request, prepared)
        folds = prepared.folds(request.competition, request.fold_count)
        with locked(paths.runs(request.competition.name, prepared.train_hash(folds))):
            request = with_found(request, prepared, folds)
            plan = plan_for(request, prepared, folds, engine)
            model_runs = cross_validate(request, prepared, folds, plan, engine)
            declared = blend_of(request.competition, model_runs) if request.variants else request.competition.ensemble
            fitted_ensemble, oof = ensemble(request, prepared, folds, model_runs, declared)
            file, card = write_submission(request, prepared, folds, model_runs, fitted_ensemble, oof)
            official = (
                {}
                if request.fast
                else predict_official(request, prepared, model_runs, fitted_ensemble.recipe, engine, file)
            )
    return submit_file(request, prepared, file, card, official)


def train(request: Request) -> dict[str, Any]:
    """One model, all folds: leaves its bundle."""
    prepared = current(request.competition.name)
    folds = prepared.folds(request.competition, request.fold_count)
    engine = workers(request.listen, request.engine, request.workers)
    with engine, locked(paths.runs(request.competition.name, prepared.train_hash(folds))):
        engine.share(prepared.folder)
        plan = plan_for(request, prepared, folds, engine, to_rank=False)
        ((name, model_run),) = cross_validate(request, prepared, folds, plan, engine).items()
    manifest = model_run.manifest
    return {"competition": request.competition.name, "path": paths.shown(model_run.folder), "model": name} | {
        key: manifest[key] for key in ("score", "by_class", "seconds", "folds")
    }


@reached()
def search(request: Request, storage: str | None = None, racing: bool = True, cutting: bool = True) -> dict[str, Any]:
    """request.budget: seconds of the whole search. Returns what `search --json` prints (DESIGN, section 8)."""
    competition = request.competition
    models = [name for name, learner in request.learners.items() if learner.target_class is None]
    if not models:
        raise UserError(
            f"{', '.join(request.learners)} alone predicts no more than its own class; name a general model"
        )
    engine = workers(request.listen, request.engine, request.workers)
    with engine, Local(1, 1, grace=0) as clerk:  # its files are written whole or not at all
        prepared = prepare(request)
        writer.require_judge(competition.name, request.team, prepared.data_hash, request.say)
        engine.share(prepared.folder)
        keep_baseline(request, prepared)
        folds = prepared.folds(competition, request.fold_count)
        train_hash = prepared.train_hash(folds)
        with locked(paths.runs(competition.name, train_hash)):
            for written in (paths.searches, paths.submissions):
                sweep_partials(written(competition.name, prepared.data_hash))
            sweep_partials(paths.runs(competition.name, train_hash))
            study = opened(competition, prepared, train_hash, models, storage)
            clock = Clock.measured(request, prepared, engine, study.optuna)
            groups = {fold: prepared.train.groups[folds == fold] for fold in range(request.fold_count)}
            race = Race(competition.metric, groups, racing, cutting)
            Night(request, prepared, folds, engine, clerk, study, clock, race).work()
            card = best_card(competition, prepared)
            file = paths.root() / card["file"]
            official = predict_official(request, prepared, runs_of(card), recipe_of(card), engine, file)
    book = paths.searches(competition.name, prepared.data_hash) / "night.jsonl"
    try:
        result = submit_file(request, prepared, file, card, official)
        append_line(
            book, {"at": writer.now(), "event": "judged", **{key: result[key] for key in ("public", "cv", "rank")}}
        )
    finally:  # a judge who cannot be reached takes nobody's morning page
        page = told_in_the_morning(request, study, read_lines(book))
    return {**result, "trials": study.counts(), "report": page}


def told_in_the_morning(request: Request, study: Study, events: Sequence[dict[str, Any]]) -> str:
    """Write the page, say its lines; returns where it is."""
    for line in search_lines(request.competition, study.optuna, events):
        request.say(line)
    return paths.shown(search_page(request.competition, study.optuna, events))


def blend(request: Request, files: Sequence[Path] | None = None) -> dict[str, Any]:
    """Ensemble the complete model runs that exist, or those in `files`, also copied ones; no training."""
    competition, prepared = request.competition, current(request.competition.name)
    folds = prepared.folds(competition, request.fold_count)
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
    file, card = write_submission(request, prepared, folds, model_runs, fitted_ensemble, oof)
    return submit_file(request, prepared, file, card, {})


def look(request: Request) -> dict[str, Any]:
    """The audit alone, as JSON."""
    located = locate(request.competition.name, request.competition.sources, request.data)
    request.say(f"data: {located.kind}, {paths.shown(located.folder)}")
    dataset = request.competition.load(located.folder)
    checked, name = audit_once(request.competition, dataset)
    return replace(checked, checks=[*checked.checks, check_label_issues(request.competition, name)]).to_json()


# -- data --------------------------------------------------------------------------------------------------------------


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


# -- submission --------------------------------------------------------------------------------------------------------
