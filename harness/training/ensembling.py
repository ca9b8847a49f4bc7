"""The ensemble of bundles: which rows they share, fitted cross-fitted and gated, and told as a table."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import paths
from harness.bootstrap import interval
from harness.competition import Competition
from harness.ensemble import Blend, Ladder, Problem, Recipe, Speciality, cross_fit, cross_fitted, leave_one_out
from harness.errors import UserError
from harness.options import Request
from harness.prepare import Prepared
from harness.submission import writer
from harness.training.cross_validation import finite
from harness.training.predict import bundles_of
from harness.training.predictions import Bundle, code_hash


def blend_of(competition: Competition, bundles: Mapping[str, Bundle]) -> Blend:
    """The declared ensemble, of these bundles; raise `UserError` where none of them predicts every class."""
    manifests = {name: bundle.manifest for name, bundle in bundles.items()}
    general = tuple(name for name, manifest in manifests.items() if manifest["config"]["focus"] is None)
    if not general:
        raise UserError(
            f"there is no complete bundle to blend; run `make submit COMP={competition.name}` or `make train` first"
        )
    special = {name: manifest for name, manifest in manifests.items() if name not in general}
    named = [name for name, manifest in special.items() if manifest["model"] == competition.ensemble.specialist]
    others = {name: manifest["config"] for name, manifest in special.items() if name not in named}
    more = tuple(Speciality(name, config["focus"], config.get("against")) for name, config in others.items())
    return replace(competition.ensemble, names=general, specialist=named[-1] if named else None, found=more)


def ensemble(
    request: Request, prepared: Prepared, folds: np.ndarray, bundles: Mapping[str, Bundle], declared: Blend
) -> tuple[Ladder, Problem]:
    """Fit the ensemble on the out-of-fold predictions, cross-fitted and gated."""
    competition, train = request.competition, prepared.train
    complete = {name: bundle for name, bundle in bundles.items() if bundle.manifest["complete"]}
    bundles = complete if set(complete) & set(declared.names) else bundles
    bundles, shared = sharing(bundles, int(folds.max()) + 1)
    request.say(f"fitting the ensemble of {', '.join(bundles)}")
    rows = np.isin(folds, shared)
    if not rows.all():
        request.say(f"only {rows.sum()} of {len(rows)} rows have out-of-fold predictions of every member")
    members = {name: bundle.out_of_fold(competition.task, folds, shared) for name, bundle in bundles.items()}
    targets, groups = train.targets[rows], train.groups[rows]
    problem = Problem(competition.task, competition.metric, members, targets, folds[rows], groups)
    return cross_fit(problem, declared), problem


def refitted(
    competition: Competition, prepared: Prepared, card: Mapping[str, Any]
) -> tuple[np.ndarray, Ladder, Problem]:
    """A submission's ensemble once more, cross-fitted as its card's CV was; with the fold of every row."""
    bundles, folds = bundles_of(card), prepared.folds_named(competition, card["train_hash"])
    declared = competition.ensemble if set(bundles) <= set(competition.models) else blend_of(competition, bundles)
    return folds, *ensemble(Request(competition), prepared, folds, bundles, declared)


def sharing(bundles: Mapping[str, Bundle], count: int) -> tuple[dict[str, Bundle], list[int]]:
    """The bundles with the most folds, specialists last, and the folds that all have; who shares none is left out."""
    held = {name: set(bundle.held(count)) for name, bundle in bundles.items()}
    special = {name: bundle.manifest["config"]["focus"] is not None for name, bundle in bundles.items()}
    kept = dict[str, Bundle]()
    shared = set(range(count))
    for name in sorted(bundles, key=lambda name: (special[name], -len(held[name]))):
        if shared & held[name]:
            kept[name], shared = bundles[name], shared & held[name]
    return {name: bundle for name, bundle in bundles.items() if name in kept}, sorted(shared)


def steps_of(ladder: Ladder, problem: Problem) -> list[dict[str, Any]]:
    """The ladder as rows: what each step gained, whether it was taken, and the cross-fitted score up to it."""
    return [
        {
            "step": rung.step,
            "accepted": rung.accepted,
            "reason": rung.reason,
            "way": rung.way,
            "refused": dict(rung.refused),
            "accepted_in_folds": accepted,
            "gain": rung.gain and {name: getattr(rung.gain, name) for name in ("difference", "low", "high", "p")},
            **interval(problem.metric, statistics, problem.groups)._asdict(),
            "by_class": finite(problem.metric.by_class(statistics)),
        }
        for rung, statistics, accepted in zip(ladder.rungs, ladder.statistics, ladder.accepted, strict=True)
    ]


def members_of(problem: Problem, recipe: Recipe) -> dict[str, Any]:
    """What every member weighs, and gains where it was fitted: the ensemble against the same one without it."""
    told = ("difference", "low", "high", "p")
    return {
        name: {
            "weight": recipe.weights.get(name, 0.0),
            "gain": gain and {key: float(getattr(gain, key)) for key in told},
        }
        for name, gain in leave_one_out(problem.thin(), recipe).items()
    }


# -- the submission ----------------------------------------------------------------------------------------------------


def hand_in(
    request: Request,
    prepared: Prepared,
    folds: np.ndarray,
    bundles: Mapping[str, Bundle],
    ladder: Ladder,
    problem: Problem,
) -> tuple[Path, dict[str, Any]]:
    """Write the judge's file with its card: what was done, and the score that the player claims."""
    competition, recipe = request.competition, ladder.recipe
    held = {name: bundles[name].held(int(folds.max()) + 1) for name in recipe.names}
    members = {name: bundles[name].holdout(competition.task, held[name]) for name in recipe.names}
    decided = recipe.decide(competition.task, members)
    steps = steps_of(ladder, problem)
    card = {
        "team": request.team,
        "cv": {key: steps[-1][key] for key in ("score", "low", "high")} | {"in_sample": ladder.in_sample},
        "models": {name: bundle.manifest["score"] for name, bundle in bundles.items()},
        "bundles": {name: paths.shown(bundle.folder) for name, bundle in bundles.items()},
        "recipe": recipe.to_json(),
        "parts": members_of(problem, recipe),
        "steps": steps,
        "reported": {
            metric.name: interval(metric, cross_fitted(problem, ladder, metric), problem.groups)._asdict()
            for metric in competition.reported
        },
        "share": len(problem.folds) / int((folds >= 0).sum()),
        "train_hash": prepared.train_hash(folds),
        "git": writer.git_revision(),
        "code": code_hash(competition.name),
        "seconds": request.spent,
    }
    file = writer.write(competition.name, prepared.data_hash, competition.task, prepared.holdout.ids, decided, card)
    if not request.fast:
        writer.keep_best(file, file.parent, card, competition.metric.higher_is_better)
    return file, card


def keep_baseline(request: Request, prepared: Prepared) -> None:
    """From the first minute on there is a valid submission."""
    folder = paths.submissions(request.competition.name, prepared.data_hash)
    if not request.fast:
        writer.keep_best(prepared.folder / "sample_submission.csv", folder, None)


def judged(
    request: Request, prepared: Prepared, file: Path, card: Mapping[str, Any], official: Mapping[str, str]
) -> dict[str, Any]:
    standing = writer.judge(request.competition.name, file, request.team, prepared.data_hash)
    return {
        "competition": request.competition.name,
        "source": prepared.source,
        "data_hash": prepared.data_hash,
        "models": card["models"],
        "cv": card["cv"],
        "public": standing.get("interval"),
        "rank": standing.get("rank"),
        "teams": standing.get("teams"),
        "submission": paths.shown(file),
        "official": official,
        "seconds": request.spent,
        "parts": card["parts"],
        "steps": card["steps"],
        "reported": card["reported"],
        "message": standing.get("message"),
    }
