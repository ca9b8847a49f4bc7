"""The class specialist worth training: chosen by the perfect-class headroom, derived from the ensemble, gated.

`make specialist COMP= [CLASS=]`. It is for a class of masks and boxes, and for a pair of classes of labels. One that
wins takes part in `submit` and `blend` afterwards.
"""

import re
from dataclasses import replace
from typing import Any, NamedTuple

from harness import paths
from harness.competition import Competition
from harness.ensemble import FittedEnsemble
from harness.errors import UserError, nearest
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


class SpecialistTarget(NamedTuple):
    """The class that a specialist finds; versus: the one other class that it tells it from."""

    target_class: int
    versus: int | None = None


class DerivedSpecialist(NamedTuple):
    """name, learner: of the specialist; base: the model it is derived from, its own name where it is declared."""

    name: str
    learner: Learner
    base: str


class SpecialistVerdict(NamedTuple):
    """The result of the gate; gain: difference, low, high and p on held-out folds."""

    accepted: bool
    reason: str
    gain: dict[str, float]


NO_GAIN = {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}


def specialist(request: Request, name: str | None) -> dict[str, Any]:
    """What `specialist --json` prints. name: the class, the one with the most headroom where it is None."""
    competition = request.competition
    label = label_of(competition, name)
    run = run_of(request)
    target = choose_target(run, label)
    if target is None:
        refused = SpecialistVerdict(False, "nothing would be gained: no class is ever mistaken", NO_GAIN)
        return {"competition": competition.name, "path": run.manifest["file"], "class": None, **refused._asdict()}
    derived = derive(run, target)
    request.say(f"{derived.name}: {described(competition, target)}, derived from {derived.base}")
    folds = run.prepared.folds_named(competition, run.manifest["train_hash"])
    training = replace(request, folds=int(folds.max()) + 1, variants={derived.name: derived.learner})
    with (
        start_workers(request.listen, request.engine, request.workers) as workers,
        locked(paths.runs(competition.name, run.manifest["train_hash"])),
    ):
        plan = plan_for(training, run.prepared, folds, workers, to_rank=False)
        model_run = cross_validate(training, run.prepared, folds, plan, workers)[derived.name]
        model_runs = {**run.model_runs, derived.name: model_run}
        fitted_ensemble, _ = ensemble(training, run.prepared, folds, model_runs, blend_of(competition, model_runs))
    verdict = verdict_of(fitted_ensemble, derived.name, model_run, training.fold_count)
    keep(request, run, derived, model_run, verdict)
    return {
        "competition": competition.name,
        "path": paths.shown(model_run.folder),
        "class": competition.task.classes[target.target_class],
        "versus": None if target.versus is None else competition.task.classes[target.versus],
        "model": derived.name,
        "base": derived.base,
        **verdict._asdict(),
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
        raise UserError(f"{competition.name} predicts no class {name!r}{hint}; there are {', '.join(labels)}")
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


def choose_target(run: LastRun, label: int | None) -> SpecialistTarget | None:
    """The pair that is most taken for each other where the task knows pairs; else the class with the most headroom."""
    task = run.competition.task
    pair = diagnostics(task).confused_pair(run.oof.targets, run.predictions.decided, label)
    if pair:
        return SpecialistTarget(*pair)
    if label is not None:
        return SpecialistTarget(label)
    best = run.headroom[0]
    return SpecialistTarget(task.classes.index(best.name)) if best.gain > 0 else None


def described(competition: Competition, target: SpecialistTarget) -> str:
    classes = competition.task.classes
    if target.versus is None:
        return f"a specialist for {classes[target.target_class]}"
    return f"a specialist that tells {classes[target.target_class]} from {classes[target.versus]}"


# -- what is trained ---------------------------------------------------------------------------------------------------


def derive(run: LastRun, target: SpecialistTarget) -> DerivedSpecialist:
    """The declared specialist of this class; else the heaviest member that can be made one, trained as long as it was.

    Raise `UserError` where none can.
    """
    competition = run.competition
    for role in competition.ensemble.specialist_roles:
        if (role.target_class, role.versus) == target:
            known = run.model_runs.get(role.model)
            learner = revived(known.manifest["config"]) if known else competition.models[role.model]
            return DerivedSpecialist(role.model, learner, role.model)
    labels = [label for label in target if label is not None]
    name = f"specialist_{'_or_'.join(slug(competition.task.classes[label]) for label in labels)}"
    for base in sorted(run.recipe.weights, key=lambda base: -run.recipe.weights[base]):
        learner = revived(run.model_runs[base].manifest["config"]).specialised(target.target_class, target.versus)
        if learner is not None:
            return DerivedSpecialist(name, learner, base)
    raise UserError(
        f"none of the ensemble's members ({', '.join(run.recipe.weights)}) can be made a specialist; train a network "
        f"or a scikit-learn model too: make submit COMP={competition.name} MODELS=..."
    )


# -- what comes of it --------------------------------------------------------------------------------------------------


def verdict_of(fitted_ensemble: FittedEnsemble, name: str, model_run: ModelRun, count: int) -> SpecialistVerdict:
    """The gate's result for the specialist's step, with its numbers. count: of folds."""
    held = model_run.held(count)
    if len(held) < count:
        left = f"only {len(held)} of {count} folds were trained in time; the same command goes on from there"
        return SpecialistVerdict(False, left, NO_GAIN)
    place, step_result = next(
        (k, step_result)
        for k, step_result in enumerate(fitted_ensemble.step_results)
        if step_result.step == f"specialist ({name})"
    )
    if step_result.gain is None:
        reason = "no share of it makes the ensemble better, even on the rows it was fitted on"
        return SpecialistVerdict(False, reason, NO_GAIN)
    gain = {key: float(getattr(step_result.gain, key)) for key in NO_GAIN}
    numbers = f"{gain['difference']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f}) on held-out folds"
    fits = f"taken in {fitted_ensemble.accepted[place]} of {len(fitted_ensemble.without)} fits without a fold"
    if step_result.accepted:
        return SpecialistVerdict(True, f"it gains {numbers} and hurts no class; {fits}", gain)
    return SpecialistVerdict(False, f"{step_result.reason}: {numbers}; {fits}", gain)


def keep(
    request: Request, run: LastRun, derived: DerivedSpecialist, model_run: ModelRun, verdict: SpecialistVerdict
) -> None:
    """Save an accepted one for `submit` and `blend`; one that was saved before and is refused now is removed."""
    declared = derived.name in run.competition.models
    place = (run.competition.name, run.prepared.data_hash, derived.name)
    config = {"train_hash": run.manifest["train_hash"], "config": model_run.manifest["config"]}
    saved = {**config, "run": paths.shown(model_run.folder), "gain": verdict.gain}
    search_result.keep_specialist(*place, saved if verdict.accepted and not declared else None)
    score = number(model_run.manifest["score"]["score"])
    result = "accepted" if verdict.accepted else "refused"
    after = f"; `make submit COMP={run.competition.name}` uses it from now on" if verdict.accepted else ""
    request.say(f"{derived.name} ({score} alone) is {result}: {verdict.reason}{after}")
