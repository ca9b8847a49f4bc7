"""The official unlabelled test, and new inputs: predicted by the members of the final ensemble alone, in chunks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness import paths
from harness.competition import Competition
from harness.data.formats.new_inputs import inputs_like
from harness.data.images import EncodedImages
from harness.data.samples import Bags, images_of
from harness.data.sources import locate
from harness.ensemble import Recipe
from harness.errors import UserError
from harness.files import locked, read_json
from harness.metrics import chunks
from harness.models.config import revived
from harness.options import Request
from harness.prepare import Prepared, current
from harness.submission import writer
from harness.training.fold import FoldJob, FoldModels, predict_chunk, train_final
from harness.training.predictions import ModelRun
from harness.training.workers import Workers, results, run, start_workers

CHUNK = 250  # rows a worker predicts at once: 20 MB of float16 probabilities of 40,000 bytes a row, for every fold
PIXELS = 2**24  # likewise: 250 images of 256 x 256, or one of 4096 x 4096


def predict_official(
    request: Request,
    prepared: Prepared,
    model_runs: Mapping[str, ModelRun],
    recipe: Recipe,
    workers: Workers,
    file: Path,
    final: bool = False,
) -> dict[str, str]:
    """Predict every part once; the files stand beside the judge's `file`, and in best/ if that is the best one.

    final: with the refits on all labels. Returns part -> path.
    """
    competition, written = request.competition, {}
    models = models_of(model_runs, recipe, final)
    for part, samples in prepared.official.items():
        name = ("official" if len(prepared.official) == 1 else f"official-{part}") + ("-final" if final else "")
        known = writer.official_in_best(file, name, competition.task.official_suffix)
        if known and not final:
            written[part] = paths.shown(known)
            continue
        task = competition.task.for_official(samples.ids, prepared.host)
        request.say(f"predicting {part}: {len(samples)} rows with {', '.join(recipe.names)}")
        decided = predict_rows(competition, samples.inputs, models, recipe, workers)
        official = file.with_name(f"{file.stem}-{name}{competition.task.official_suffix}")
        asked = task.table.asked(samples)
        task.write(asked, decided, official)
        task.read(official, asked)  # the host would refuse what we cannot read
        written[part] = paths.shown(writer.move_into_best(official, file, name))
    return written


def predict_rows(
    competition: Competition, inputs: Any, models: Mapping[str, FoldModels], recipe: Recipe, workers: Workers
) -> Any:
    """Decided rows of new inputs; nothing is stored per fold."""
    slices = chunks(len(inputs), rows_at_once(inputs))
    jobs = [(competition.name, inputs[rows], models, recipe, workers.threads) for rows in slices]
    parts = dict(results(run(workers, predict_chunk, jobs)))
    return competition.task.join([parts[k] for k in range(len(jobs))])


def rows_at_once(inputs: Any) -> int:
    """CHUNK, or of large images fewer, so that the predictions of their pixels fit into the memory."""
    images = images_of(inputs)
    if isinstance(images, Bags):
        return max(1, rows_at_once(images.flat) * len(images) // len(images.flat))
    sizes = images.sizes if isinstance(images, EncodedImages) else np.array([images.shape[1:3]])
    return int(np.clip(PIXELS // sizes.prod(1).max(initial=1), 1, CHUNK))


def models_of(model_runs: Mapping[str, ModelRun], recipe: Recipe, final: bool = False) -> dict[str, FoldModels]:
    """The folders of each member's trained folds, or of their refits with the hold-out included."""
    models = {}
    for name in recipe.names:
        model_run, manifest = model_runs[name], model_runs[name].manifest
        places = [model_run.refit(k) if final else model_run.fold(k) for k in manifest["folds"]]
        models[name] = FoldModels(revived(manifest["config"]), manifest["fast"], places)
    return models


def submit_final(request: Request) -> dict[str, Any]:
    """FINAL=1: refit the best run's members with the hold-out's labels too, for the official submission alone."""
    competition, prepared = request.competition, current(request.competition.name)
    manifest = best_manifest(competition, prepared)
    recipe, model_runs = recipe_of(manifest), runs_of(manifest)
    raw = locate(competition.name, competition.sources, request.data).folder
    with (
        start_workers(request.listen, imports=request.imports) as workers,
        locked(paths.runs(competition.name, manifest["train_hash"])),
    ):
        jobs = []
        for name, models in models_of(model_runs, recipe, final=True).items():
            trained = model_runs[name].manifest
            for fold, folder in zip(trained["folds"], models.folders, strict=True):
                place = (competition.name, prepared.data_hash, name, models.learner, fold, trained["fold_count"])
                jobs.append((FoldJob(*place, workers.threads, models.fast), raw, folder))
        request.say(f"refitting {', '.join(recipe.names)} on all labels: {len(jobs)} fits")
        for _ in results(run(workers, train_final, jobs)):
            pass
        file = paths.root() / manifest["file"]
        official = predict_official(request, prepared, model_runs, recipe, workers, file, final=True)
    return {
        "competition": competition.name,
        "source": prepared.source,
        "data_hash": prepared.data_hash,
        "models": {name: manifest["models"][name] for name in recipe.names},
        "cv": manifest["cv"],
        "higher_is_better": competition.metric.higher_is_better,
        **dict.fromkeys(("public", "rank", "teams", "submission")),
        "official": official,
        "seconds": request.spent,
    }


def predict(request: Request, inputs: Path) -> dict[str, Any]:
    """Predict a folder of new images, or a CSV table of new rows, with the final ensemble."""
    competition, prepared = request.competition, current(request.competition.name)
    manifest = best_manifest(competition, prepared)
    header = competition.task.table.header(competition.task)
    samples = inputs_like(inputs, prepared.holdout.inputs, prepared.reading, id_columns=header)
    task = competition.task.for_official(samples.ids, prepared.host)
    recipe = recipe_of(manifest)
    with start_workers(request.listen, imports=request.imports) as workers:
        decided = predict_rows(competition, samples.inputs, models_of(runs_of(manifest), recipe), recipe, workers)
    folder = paths.submissions(competition.name, prepared.data_hash)
    file = folder / f"predicted-{inputs.resolve().stem}{competition.task.official_suffix}"
    asked = task.table.asked(samples)
    task.write(asked, decided, file)
    task.read(file, asked)
    return {"competition": competition.name, "path": paths.shown(file), "rows": len(samples)}


def best_manifest(competition: Competition, prepared: Prepared) -> dict[str, Any]:
    """The manifest of the best submission, else of the newest (FAST=1 keeps no best one).

    Raise `UserError` where there is only a baseline.
    """
    folder = paths.submissions(competition.name, prepared.data_hash)
    file = folder / "best" / "submission.json"
    manifest = read_json(file) if file.exists() else {}
    if not manifest.get("recipe") and (files := sorted(folder.glob("*.json"))):
        manifest = {"file": paths.shown(files[-1].with_suffix(".csv")), **read_json(files[-1])}
    if not manifest.get("recipe"):
        raise UserError(
            f"{competition.name} has no trained ensemble yet; run `make submit COMP={competition.name}` first"
        )
    return manifest


def recipe_of(manifest: Mapping[str, Any]) -> Recipe:
    return Recipe.from_json(manifest["recipe"])


def runs_of(manifest: Mapping[str, Any]) -> dict[str, ModelRun]:
    return {name: ModelRun(paths.root() / folder) for name, folder in manifest["runs"].items()}
