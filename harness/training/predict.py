"""The official unlabelled test, and new inputs: predicted by the members of the final ensemble alone, in chunks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import paths
from harness.competition import Competition
from harness.data.images import read_images
from harness.data.sources import locate
from harness.ensemble import Recipe
from harness.errors import UserError
from harness.files import locked, read_json
from harness.metrics import chunks
from harness.models.config import revived
from harness.options import Request
from harness.prepare import Prepared, current
from harness.submission import writer
from harness.training.fold import Fits, Fold, predict_chunk, train_final
from harness.training.predictions import ModelRun
from harness.training.workers import Engine, results, run, workers

CHUNK = 250  # rows a worker predicts at once: 20 MB of float16 Mars probabilities a fit


def predict_official(
    request: Request,
    prepared: Prepared,
    model_runs: Mapping[str, ModelRun],
    recipe: Recipe,
    engine: Engine,
    file: Path,
    final: bool = False,
) -> dict[str, str]:
    """Predict every part once; the files stand beside the judge's `file`, and in best/ if that is the best one.

    final: with the refits on all labels. Returns part -> path.
    """
    competition, written = request.competition, {}
    fits = fits_of(model_runs, recipe, final)
    for part, samples in prepared.official.items():
        name = ("official" if len(prepared.official) == 1 else f"official-{part}") + ("-final" if final else "")
        known = writer.beside_best(file, name, competition.task.official_suffix)
        if known and not final:
            written[part] = paths.shown(known)
            continue
        request.say(f"predicting {part}: {len(samples)} rows with {', '.join(recipe.names)}")
        decided = predict_rows(competition, samples.inputs, fits, recipe, engine)
        official = file.with_name(f"{file.stem}-{name}{competition.task.official_suffix}")
        competition.task.write(samples.ids, decided, official)
        written[part] = paths.shown(writer.keep_beside_best(official, file, name))
    return written


def predict_rows(
    competition: Competition, inputs: Any, fits: Mapping[str, Fits], recipe: Recipe, engine: Engine
) -> Any:
    """Decided rows of new inputs; nothing is stored per fold."""
    for folder in (folder for member in fits.values() for folder in member.folders):
        engine.share(folder)
    jobs = [(competition.name, inputs[rows], fits, recipe, engine.threads) for rows in chunks(len(inputs), CHUNK)]
    parts = dict(results(run(engine, predict_chunk, jobs)))
    return competition.task.join([parts[k] for k in range(len(jobs))])


def fits_of(model_runs: Mapping[str, ModelRun], recipe: Recipe, final: bool = False) -> dict[str, Fits]:
    """Where the networks of each member lie: those of its folds, or their refits with the hold-out included."""
    fits = {}
    for name in recipe.names:
        model_run, manifest = model_runs[name], model_runs[name].manifest
        if "member" in manifest:
            raise UserError(f"{name} is of {manifest['member']}, who shared its predictions without its networks")
        places = [model_run.refit(k) if final else model_run.fold(k) for k in manifest["folds"]]
        fits[name] = Fits(revived(manifest["config"]), manifest["fast"], places)
    return fits


def submit_final(request: Request) -> dict[str, Any]:
    """FINAL=1: refit the best run's members with the hold-out's labels too, for the official submission alone."""
    competition, prepared = request.competition, current(request.competition.name)
    card = best_card(competition, prepared)
    recipe, model_runs = recipe_of(card), runs_of(card)
    raw = locate(competition.name, competition.sources, request.data).folder
    with (
        workers(request.listen) as engine,
        locked(paths.runs(competition.name, card["train_hash"])),
    ):
        jobs = []
        for name, fits in fits_of(model_runs, recipe, final=True).items():
            manifest = model_runs[name].manifest
            for fold, folder in zip(manifest["folds"], fits.folders, strict=True):
                place = (competition.name, prepared.data_hash, name, fits.learner, fold, manifest["fold_count"])
                jobs.append((Fold(*place, engine.threads, fits.fast), raw, folder))
        request.say(f"refitting {', '.join(recipe.names)} on all labels: {len(jobs)} fits")
        for _ in results(run(engine, train_final, jobs)):
            pass
        file = paths.root() / card["file"]
        official = predict_official(request, prepared, model_runs, recipe, engine, file, final=True)
    return {
        "competition": competition.name,
        "source": prepared.source,
        "data_hash": prepared.data_hash,
        "models": {name: card["models"][name] for name in recipe.names},
        "cv": card["cv"],
        "public": None,
        "rank": None,
        "teams": None,
        "submission": None,
        "official": official,
        "seconds": request.spent,
    }


def predict(request: Request, inputs: Path) -> dict[str, Any]:
    """The final ensemble on a folder of new pictures."""
    competition, prepared = request.competition, current(request.competition.name)
    card = best_card(competition, prepared)
    samples = read_images(inputs, like=prepared.holdout.inputs)
    recipe = recipe_of(card)
    with workers(request.listen) as engine:
        decided = predict_rows(competition, samples.inputs, fits_of(runs_of(card), recipe), recipe, engine)
    folder = paths.submissions(competition.name, prepared.data_hash)
    file = folder / f"predicted-{inputs.resolve().name}{competition.task.official_suffix}"
    competition.task.write(samples.ids, decided, file)
    return {"competition": competition.name, "path": paths.shown(file), "rows": len(samples)}


def best_card(competition: Competition, prepared: Prepared) -> dict[str, Any]:
    """The card of the best submission; raise `UserError` where there is only a baseline."""
    file = paths.submissions(competition.name, prepared.data_hash) / "best" / "submission.json"
    card = read_json(file) if file.exists() else {}
    if not card.get("recipe"):
        raise UserError(
            f"{competition.name} has no trained ensemble yet; run `make submit COMP={competition.name}` first"
        )
    return card


def recipe_of(card: Mapping[str, Any]) -> Recipe:
    return Recipe.from_json(card["recipe"])


def runs_of(card: Mapping[str, Any]) -> dict[str, ModelRun]:
    return {name: ModelRun(paths.root() / folder) for name, folder in card["bundles"].items()}
