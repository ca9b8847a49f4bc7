"""The specialist worth training: found by the oracle, derived from the ensemble, overlaid, and kept only if it wins.

`make specialist COMP= [CLASS=]`. A class for masks and boxes, a pair for labels; what is kept takes part in `submit`
and `blend` afterwards.
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
from harness.report.headroom import wishes
from harness.report.html.format import number
from harness.report.run import LastRun, last_run
from harness.training import search_result
from harness.training.budget import plan_for
from harness.training.cross_validation import cross_validate
from harness.training.ensembling import blend_of, ensemble
from harness.training.predictions import ModelRun
from harness.training.workers import start_workers


class Wanted(NamedTuple):
    """The class that a specialist should speak for, and of a pair the other one."""

    of: int
    versus: int | None = None


class Trained(NamedTuple):
    """name, learner: of the specialist; base: the model it is derived from, its own name where it is declared."""

    name: str
    learner: Learner
    base: str


class Verdict(NamedTuple):
    accepted: bool
    reason: str
    gain: dict[str, float]


NOTHING = {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}


def specialist(request: Request, name: str | None) -> dict[str, Any]:
    """What `specialist --json` prints. name: of a class; None asks the oracle."""
    competition = request.competition
    asked = label_of(competition, name)
    run = run_of(request)
    wanted = chosen(run, asked)
    if wanted is None:
        refused = Verdict(False, "nothing would be gained: no class is ever mistaken", NOTHING)
        return {"competition": competition.name, "path": run.card["file"], "class": None, **refused._asdict()}
    trained = derived(run, wanted)
    request.say(f"{trained.name}: {described(competition, wanted)}, derived from {trained.base}")
    folds = run.prepared.folds_named(competition, run.card["train_hash"])
    asks = replace(request, folds=int(folds.max()) + 1, variants={trained.name: trained.learner})
    with (
        start_workers(request.listen, request.engine, request.workers) as workers,
        locked(paths.runs(competition.name, run.card["train_hash"])),
    ):
        plan = plan_for(asks, run.prepared, folds, workers, to_rank=False)
        model_run = cross_validate(asks, run.prepared, folds, plan, workers)[trained.name]
        model_runs = {**run.model_runs, trained.name: model_run}
        fitted_ensemble, _ = ensemble(asks, run.prepared, folds, model_runs, blend_of(competition, model_runs))
    verdict = judged(fitted_ensemble, trained.name, model_run, asks.fold_count)
    keep(request, run, trained, model_run, verdict)
    return {
        "competition": competition.name,
        "path": paths.shown(model_run.folder),
        "class": competition.task.classes[wanted.of],
        "versus": None if wanted.versus is None else competition.task.classes[wanted.versus],
        "model": trained.name,
        "base": trained.base,
        **verdict._asdict(),
        "oracle": {wish.name: wish.gain for wish in wishes(run)},
        "seconds": request.spent,
    }


# -- what is wanted ----------------------------------------------------------------------------------------------------


def label_of(competition: Competition, name: str | None) -> int | None:
    """Of a class as people write it, big_rock for "big rock"; raise `UserError` where there is none of that name."""
    task = competition.task
    if not task.classes:
        raise UserError(
            f"{competition.name} predicts a number and has no classes: there is nothing to be a specialist of"
        )
    if name is None:
        return None
    plain = {spoken(each): label for label, each in enumerate(task.classes) if label != task.void}
    if spoken(name) not in plain:
        hint = nearest(spoken(name), plain)
        raise UserError(f"{competition.name} predicts no class {name!r}{hint}; there are {', '.join(plain)}")
    return plain[spoken(name)]


def spoken(name: str) -> str:
    return re.sub(r"\W+", "_", name.strip().lower())


def run_of(request: Request) -> LastRun:
    """The last run, which must be on the data that are named, if any are."""
    prepared = prepare(request) if request.data else None
    run = last_run(request.competition)
    if prepared and prepared.data_hash != run.prepared.data_hash:
        told = f"make submit COMP={run.competition.name} DATA={request.data}"
        raise UserError(f"{run.competition.name} has no trained ensemble on these data yet; run `{told}` first")
    return run


def chosen(run: LastRun, of: int | None) -> Wanted | None:
    """The pair that is most taken for each other where the task knows pairs; else the class that the oracle names."""
    task = run.competition.task
    pair = task.account.pair(run.oof.targets, run.said.decided, of)
    if pair:
        return Wanted(*pair)
    if of is not None:
        return Wanted(of)
    best = wishes(run)[0]
    return Wanted(task.classes.index(best.name)) if best.gain > 0 else None


def described(competition: Competition, wanted: Wanted) -> str:
    classes = competition.task.classes
    if wanted.versus is None:
        return f"a specialist for {classes[wanted.of]}"
    return f"a specialist that tells {classes[wanted.of]} from {classes[wanted.versus]}"


# -- what is trained ---------------------------------------------------------------------------------------------------


def derived(run: LastRun, wanted: Wanted) -> Trained:
    """The declared specialist of this class; else the heaviest member that can be made one, trained as long as it was.

    Raise `UserError` where none can.
    """
    competition, declared = run.competition, run.competition.ensemble
    if declared.specialist is not None and wanted == Wanted(declared.of or 0):
        known = run.model_runs.get(declared.specialist)
        learner = revived(known.manifest["config"]) if known else competition.models[declared.specialist]
        return Trained(declared.specialist, learner, declared.specialist)
    parts = [wanted.of] if wanted.versus is None else list(wanted)
    name = f"specialist_{'_or_'.join(spoken(competition.task.classes[int(part or 0)]) for part in parts)}"
    for base in sorted(run.recipe.weights, key=lambda base: -run.recipe.weights[base]):
        learner = revived(run.model_runs[base].manifest["config"]).specialised(wanted.of, wanted.versus)
        if learner is not None:
            return Trained(name, learner, base)
    raise UserError(
        f"none of the ensemble's members ({', '.join(run.recipe.weights)}) can be made a specialist; train a network "
        f"or a scikit-learn model too: make submit COMP={competition.name} MODELS=..."
    )


# -- what comes of it --------------------------------------------------------------------------------------------------


def judged(fitted_ensemble: FittedEnsemble, name: str, model_run: ModelRun, count: int) -> Verdict:
    """What the gate said of the specialist's step, with its numbers."""
    held = model_run.held(count)
    if len(held) < count:
        told = f"only {len(held)} of {count} folds were trained in time; the same command goes on from there"
        return Verdict(False, told, NOTHING)
    place, step_result = next(
        (k, step_result)
        for k, step_result in enumerate(fitted_ensemble.step_results)
        if step_result.step == f"specialist ({name})"
    )
    if step_result.gain is None:
        return Verdict(False, "no share of it makes the ensemble better, even on the rows it was fitted on", NOTHING)
    gain = {key: float(getattr(step_result.gain, key)) for key in NOTHING}
    numbers = f"{gain['difference']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f}) on held-out folds"
    climbs = f"taken in {fitted_ensemble.accepted[place]} of {len(fitted_ensemble.without)} climbs without a fold"
    if step_result.accepted:
        return Verdict(True, f"it gains {numbers} and hurts no class; {climbs}", gain)
    return Verdict(False, f"{step_result.reason}: {numbers}; {climbs}", gain)


def keep(request: Request, run: LastRun, trained: Trained, model_run: ModelRun, verdict: Verdict) -> None:
    """For `submit` and `blend`; one that was kept before and is refused now is forgotten."""
    declared = trained.name in run.competition.models
    place = (run.competition.name, run.prepared.data_hash, trained.name)
    config = {"train_hash": run.card["train_hash"], "config": model_run.manifest["config"]}
    told = {**config, "bundle": paths.shown(model_run.folder), "gain": verdict.gain}
    search_result.keep_specialist(*place, told if verdict.accepted and not declared else None)
    score = number(model_run.manifest["score"]["score"])
    word = "kept" if verdict.accepted else "refused"
    after = f"; `make submit COMP={run.competition.name}` has it from now on" if verdict.accepted else ""
    request.say(f"{trained.name} ({score} alone) is {word}: {verdict.reason}{after}")
