"""The class specialist worth training: chosen by the perfect-class headroom, derived from the ensemble, gated.

`make specialist COMP= [CLASS=]`. It is for a class of masks and boxes, and for a pair of classes of labels. One that
wins takes part in `submit` and `blend` afterwards.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness import paths
from harness.competition import Competition
from harness.ensemble import FittedEnsemble
from harness.errors import UserError, listed, nearest
from harness.files import locked
from harness.models import Learner
from harness.models.config import revived
from harness.options import Request
from harness.prepare import prepare
from harness.report.diagnostics import diagnostics
from harness.report.format import number
from harness.report.last_run import LastRun, last_run
from harness.training import search_result
from harness.training.budget import plan_for
from harness.training.cross_validation import cross_validate
from harness.training.ensembling import blend_of, ensemble
from harness.training.predictions import ModelRun
from harness.training.workers import start_workers

Target = tuple[int, int | None]  # the class that a specialist finds, and the one other class it tells it from, if any
NO_GAIN = {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}


def specialist(request: Request, name: str | None) -> dict[str, Any]:
    """What `specialist --json` prints. name: the class, the one with the most headroom where it is None."""
    competition, classes = request.competition, request.competition.task.classes
    label = label_of(competition, name)
    run = run_of(request)
    target = choose_target(run, label)
    if target is None:
        refused = {"accepted": False, "reason": "nothing would be gained: no class is ever mistaken", "gain": NO_GAIN}
        return {"competition": competition.name, "path": run.manifest["file"], "class": None, **refused}
    model, learner, base = derive(run, target)
    target_class, versus = classes[target[0]], None if target[1] is None else classes[target[1]]
    role = f"tells {target_class} from {versus}" if versus else f"finds {target_class}"
    request.say(f"{model}: a specialist that {role}, derived from {base}")
    train_hash = run.manifest["train_hash"]
    folds = run.prepared.folds_named(competition, train_hash)
    training = replace(request, folds=int(folds.max()) + 1, variants={model: learner})
    with (
        start_workers(request.listen, request.engine, request.workers, request.imports) as workers,
        locked(paths.runs(competition.name, train_hash)),
    ):
        plan = plan_for(training, run.prepared, folds, workers, to_rank=False)
        model_run = cross_validate(training, run.prepared, folds, plan, workers)[model]
        model_runs = {**run.model_runs, model: model_run}
        fitted_ensemble, _ = ensemble(training, run.prepared, folds, model_runs, blend_of(competition, model_runs))
    verdict = verdict_of(fitted_ensemble, model, model_run, training.fold_count)
    keep(request, run, model, model_run, verdict)
    return {
        "competition": competition.name,
        "path": paths.shown(model_run.folder),
        "class": target_class,
        "versus": versus,
        "model": model,
        "base": base,
        **verdict,
        "oracle": {row.name: row.gain for row in run.headroom},
        "seconds": request.spent,
    }


# -- for which class ---------------------------------------------------------------------------------------------------


def label_of(competition: Competition, name: str | None) -> int | None:
    """The label of a class as people write it, big_rock for "big rock"; raise `UserError` where there is none."""
    task = competition.task
    if not task.classes:
        raise UserError(f"{competition.name} predicts a number and has no classes: a specialist has nothing to find")
    if name is None:
        return None
    labels = {slug(each): label for label, each in enumerate(task.classes) if label != task.void}
    if slug(name) not in labels:
        hint = nearest(slug(name), labels)
        raise UserError(f"{competition.name} predicts no class {name!r}{hint}; there are {listed(labels)}")
    return labels[slug(name)]


def slug(name: str) -> str:
    return re.sub(r"\W+", "_", name.strip().lower())


def run_of(request: Request) -> LastRun:
    """The last run, which must be on the data that are named, if any are."""
    prepared = prepare(request) if request.data else None
    run = last_run(request.competition)
    if prepared and prepared.data_hash != run.prepared.data_hash:
        command = f"make submit COMP={run.competition.name} DATA={request.data}"
        raise UserError(f"{run.competition.name} has no trained ensemble on these data yet; run `{command}` first")
    return run


def choose_target(run: LastRun, label: int | None) -> Target | None:
    """The pair that is most taken for each other where the task knows pairs; else the class with the most headroom."""
    task = run.competition.task
    pair = diagnostics(task).confused_pair(run.oof.targets, run.predictions.decided, label)
    if pair:
        return pair
    if label is not None:
        return label, None
    best = run.headroom[0]
    return (task.classes.index(best.name), None) if best.gain > 0 else None


# -- what is trained ---------------------------------------------------------------------------------------------------


def derive(run: LastRun, target: Target) -> tuple[str, Learner, str]:
    """(name, learner, the model it is derived from): the declared specialist of this class, derived from itself; else
    the heaviest member that can be made one, trained as long as it was.

    Raise `UserError` where none can.
    """
    competition = run.competition
    for role in competition.ensemble.specialist_roles:
        if (role.target_class, role.versus) == target:
            known = run.model_runs.get(role.model)
            learner = revived(known.manifest["config"]) if known else competition.models[role.model]
            return role.model, learner, role.model
    classes = [slug(competition.task.classes[label]) for label in target if label is not None]
    for base in sorted(run.recipe.weights, key=lambda base: -run.recipe.weights[base]):
        learner = revived(run.model_runs[base].manifest["config"]).specialised(*target)
        if learner is not None:
            return f"specialist_{'_or_'.join(classes)}", learner, base
    raise UserError(
        f"none of the ensemble's members ({', '.join(run.recipe.weights)}) can be made a specialist; train a network "
        f"or a scikit-learn model too: make submit COMP={competition.name} MODELS=..."
    )


# -- what comes of it --------------------------------------------------------------------------------------------------


def verdict_of(fitted_ensemble: FittedEnsemble, name: str, model_run: ModelRun, count: int) -> dict[str, Any]:
    """The gate's result for the specialist's step: accepted, reason, gain on held-out folds. count: of folds."""
    held = len(model_run.held(count))
    if held < count:
        left = f"only {held} of {count} folds were trained in time; the same command goes on from there"
        return {"accepted": False, "reason": left, "gain": NO_GAIN}
    place = [result.step for result in fitted_ensemble.step_results].index(f"specialist ({name})")
    result = fitted_ensemble.step_results[place]
    if result.gain is None:
        reason = "no share of it makes the ensemble better, even on the rows it was fitted on"
        return {"accepted": False, "reason": reason, "gain": NO_GAIN}
    gain = result.gain.to_json()
    numbers = f"{gain['difference']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f}) on held-out folds"
    fits = f"taken in {fitted_ensemble.accepted[place]} of {len(fitted_ensemble.without)} fits without a fold"
    why = f"it gains {numbers} and hurts no class" if result.accepted else f"{result.reason}: {numbers}"
    return {"accepted": result.accepted, "reason": f"{why}; {fits}", "gain": gain}


def keep(request: Request, run: LastRun, name: str, model_run: ModelRun, verdict: Mapping[str, Any]) -> None:
    """Save an accepted one for `submit` and `blend`; one that was saved before and is refused now is removed."""
    manifest, accepted = model_run.manifest, verdict["accepted"]
    saved = {"train_hash": manifest["train_hash"], "config": manifest["config"]}
    saved |= {"run": paths.shown(model_run.folder), "gain": verdict["gain"]}
    found = saved if accepted and name not in run.competition.models else None
    search_result.keep_specialist(run.competition.name, run.prepared.data_hash, name, found)
    result = "accepted" if accepted else "refused"
    after = f"; `make submit COMP={run.competition.name}` uses it from now on" if accepted else ""
    request.say(f"{name} ({number(manifest['score']['score'])} alone) is {result}: {verdict['reason']}{after}")
