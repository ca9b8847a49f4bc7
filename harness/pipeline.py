"""From data to a rank, as a sentence: `submit`. Each step leaves files with hashes; running again resumes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import folders, found, remote, submission, team
from harness.audit import Audit, Check, audit
from harness.audit.kept import audit_name
from harness.audit.suspects import check_suspects
from harness.backends import Learner, OutOfTime
from harness.competition import Competition
from harness.engine import Engine, run, workers
from harness.ensembles import (
    Blend,
    Ladder,
    Problem,
    Recipe,
    Speciality,
    cross_fit,
    cross_fitted,
    leave_one_out,
    statistics_alone,
)
from harness.errors import UserError
from harness.files import locked, read_json, require_free, sweep_partials, write_json
from harness.jobs import Fold, train_fold
from harness.metrics import Metric
from harness.official import bundles_of, predict_official
from harness.plan import Plan, plan_for
from harness.prepared import Prepared, current, few, write
from harness.request import Request
from harness.samples import Dataset
from harness.significance import interval
from harness.sources import locate
from harness.store import Bundle, bundle_folder, canonical, code_hash, config_hash, once, require_same_rows


def submit(request: Request) -> dict[str, Any]:
    """The whole path. Returns what `submit --json` prints (DESIGN, section 8)."""
    if not set(request.learners) & set(request.competition.ensemble.names):
        alone = ", ".join(request.learners)
        raise UserError(f"{alone} alone predicts no more than its own class; add a general model to MODELS=")
    with workers(request.listen, request.engine, request.workers) as engine:
        prepared = prepare(request)
        engine.share(prepared.folder)
        keep_baseline(request, prepared)
        folds = prepared.folds(request.competition, request.fold_count)
        with locked(folders.runs(request.competition.name, prepared.train_hash(folds))):
            request = with_found(request, prepared, folds)
            plan = plan_for(request, prepared, folds, engine)
            bundles = cross_validate(request, prepared, folds, plan, engine)
            declared = blend_of(request.competition, bundles) if request.variants else request.competition.ensemble
            ladder, problem = ensemble(request, prepared, folds, bundles, declared)
            file, card = hand_in(request, prepared, folds, bundles, ladder, problem)
            official = {} if request.fast else predict_official(request, prepared, bundles, ladder.recipe, engine, file)
    return judged(request, prepared, file, card, official)


def train(request: Request) -> dict[str, Any]:
    """One model, all folds: leaves its bundle."""
    prepared = current(request.competition.name)
    folds = prepared.folds(request.competition, request.fold_count)
    engine = workers(request.listen, request.engine, request.workers)
    with engine, locked(folders.runs(request.competition.name, prepared.train_hash(folds))):
        engine.share(prepared.folder)
        plan = plan_for(request, prepared, folds, engine, to_rank=False)
        ((name, bundle),) = cross_validate(request, prepared, folds, plan, engine).items()
    manifest = bundle.manifest
    return {"competition": request.competition.name, "path": folders.shown(bundle.folder), "model": name} | {
        key: manifest[key] for key in ("score", "by_class", "seconds", "folds")
    }


def blend(request: Request, files: Sequence[Path] | None, server: str | None = None) -> dict[str, Any]:
    """Ensemble whatever complete bundles exist, or those in `files`; no training.

    server: share ours with the team there first, and blend with theirs.
    """
    competition, prepared = request.competition, current(request.competition.name)
    folds = prepared.folds(competition, request.fold_count)
    train_hash = prepared.train_hash(folds)
    made_here = folders.runs(competition.name, train_hash).glob("*/bundle.json")
    kept = found.specialists(competition.name, prepared.data_hash, train_hash)
    known = {competition.ensemble.specialist, *kept}
    here = {manifest.parent: read_json(manifest) for manifest in made_here}
    chosen = files or [at for at, told in here.items() if told["config"]["focus"] is None or told["model"] in known]
    bundles = {folder.name: Bundle(folder) for folder in sorted(chosen)}
    require_same_rows(bundles, train_hash)
    bundles = {name: bundle for name, bundle in bundles.items() if bundle.manifest["complete"]}
    if server:
        bundles = team.exchange(server, competition.name, prepared.data_hash, train_hash, bundles, request.say)
        team.require_rows(bundles, competition.task, folds, len(prepared.holdout))
    ladder, problem = ensemble(request, prepared, folds, bundles, blend_of(competition, bundles))
    file, card = hand_in(request, prepared, folds, bundles, ladder, problem)
    brought = team.contributions(problem, ladder.recipe, {name: bundles[name] for name in problem.members})
    return judged(request, prepared, file, card, {}) | {"members": brought}


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


def look(request: Request) -> dict[str, Any]:
    """The audit alone, as JSON."""
    located = locate(request.competition.name, request.competition.sources, request.data)
    request.say(f"data: {located.kind}, {folders.shown(located.folder)}")
    dataset = request.competition.load(located.folder)
    checked, name = audit_once(request.competition, dataset), audit_name(request.competition, dataset)
    return replace(checked, checks=[*checked.checks, check_suspects(request.competition, name)]).to_json()


# -- data --------------------------------------------------------------------------------------------------------------


def prepare(request: Request) -> Prepared:
    """Find, read, audit and split the data. The only step that opens raw/, and that writes private/."""
    competition = request.competition
    if request.data is None and not request.fast and (served := remote.served(competition.name)):
        return Prepared(competition.name, served)  # fetched from a server, which alone has the answers
    located = locate(competition.name, competition.sources, request.data)
    request.say(f"data: {located.kind}, {folders.shown(located.folder)}")
    dataset = competition.load(located.folder)
    if request.fast:
        dataset = few(dataset, competition.split.strata(dataset.labelled))
    checked = audit_once(competition, dataset)
    for line in problems(checked, request.accept):
        request.say(line)
    prepared = write(competition, dataset, checked, located.kind)
    if not request.fast:
        last = {"data_hash": prepared.data_hash, "source": located.kind, "audit": audit_name(competition, dataset)}
        write_json(folders.data(competition.name) / "current.json", last)
    excluded = f", {len(prepared.exclusions)} excluded" if prepared.exclusions else ""
    request.say(
        f"split {prepared.data_hash}: {len(prepared.train)} rows to train on{excluded}, "
        f"{len(prepared.holdout)} held out for the judge"
    )
    return prepared


def audit_once(competition: Competition, dataset: Dataset) -> Audit:
    """The entry audit, kept by the hash of what it looked at."""
    file = folders.data(competition.name) / "audits" / f"{audit_name(competition, dataset)}.json"

    def look() -> dict[str, Any]:
        checked = audit(dataset, competition.task, competition.split, competition.holdout)
        return {**checked.to_json(), "groups": checked.groups.tolist()}

    saved = once(file, look)
    return Audit([Check(**check) for check in saved["checks"]], saved["exclusions"], np.array(saved["groups"]))


def problems(checked: Audit, accepted: Sequence[str]) -> Iterator[str]:
    """What the audit has to say; raise `UserError` at a failure that ACCEPT= does not name."""
    names = [check.name for check in checked.checks]
    for name in accepted:
        if name not in names:
            raise UserError(f"ACCEPT={name} names no check of the audit; there are {', '.join(names)}")
    if failed := [check for check in checked.checks if check.verdict == "fail" and check.name not in accepted]:
        told = "; ".join(f"{check.name}: {check.evidence}; {check.remedy}" for check in failed)
        raise UserError(f'audit, {told} (ACCEPT="{",".join(check.name for check in failed)}" goes on despite it)')
    for check in checked.checks:
        if check.verdict != "pass":
            yield f"audit, {check.name}: {check.evidence}; {check.remedy}"


# -- training ----------------------------------------------------------------------------------------------------------


def cross_validate(
    request: Request, prepared: Prepared, folds: np.ndarray, plan: Plan, engine: Engine
) -> dict[str, Bundle]:
    """Train every planned model on every fold; the bundles, as far as the time reached."""
    competition, train_hash = request.competition, prepared.train_hash(folds)
    learners = {name: plan.learner(name, request.learners[name]) for name in plan.epochs}
    bundles = {name: Bundle(bundle_folder(competition.name, train_hash, name, learners[name])) for name in learners}
    stored = 2 * competition.task.row_bytes * (len(folds) + plan.folds * len(prepared.holdout))  # in two views
    require_free(folders.root(), stored * sum(not bundle.held(plan.folds) for bundle in bundles.values()))

    jobs = []
    for name, bundle in bundles.items():
        sweep_partials(bundle.folder)
        for fold in sorted(set(range(plan.folds)) - set(bundle.held(plan.folds))):
            if bundle.fold(fold).exists():
                engine.share(bundle.fold(fold))  # it goes on from its checkpoint, wherever it runs
            place = (competition.name, prepared.data_hash, name, learners[name], fold, plan.folds)
            when = (plan.deadline(request), plan.fold_seconds[name])
            jobs.append((Fold(*place, plan.threads, plan.fast[name], *when),))
    if not any(bundles[name].held(plan.folds) for name in learners if learners[name].focus is None):
        jobs = one_may_end_late(jobs)
    for index, result in run(engine, train_fold, jobs):
        job = jobs[index][0]
        if isinstance(result, OutOfTime):
            request.say(f"{job.model}, fold {job.fold}: no time left; what was trained is kept")
        elif isinstance(result, BaseException):
            raise result
        plan.keep(request)
    for name, bundle in bundles.items():
        if bundle.held(plan.folds):
            describe(request, prepared, folds, name, learners[name], plan.fast[name], bundle)
    return {name: bundle for name, bundle in bundles.items() if bundle.held(plan.folds)}


def one_may_end_late(jobs: list[tuple[Fold]]) -> list[tuple[Fold]]:
    """Without one fold of a model for all classes there is nothing to hand in: the first such has no deadline."""
    first = next((k for k, (job,) in enumerate(jobs) if job.learner.focus is None), 0)
    return [(job._replace(deadline=None) if k == first else job,) for k, (job,) in enumerate(jobs)]


def describe(
    request: Request,
    prepared: Prepared,
    folds: np.ndarray,
    name: str,
    learner: Learner,
    fast: Mapping[str, Any],
    bundle: Bundle,
) -> dict[str, Any]:
    """Write bundle.json: what the bundle is, which folds it holds, and its score on their rows by the one scorer."""
    competition, count = request.competition, request.fold_count
    held = bundle.held(count)
    rows = np.isin(folds, held)
    plain = bundle.out_of_fold(competition.task, folds, held).plain
    targets, groups = prepared.train.targets[rows], prepared.train.groups[rows]

    def statistics_of(metric: Metric) -> np.ndarray:
        return statistics_alone(competition.task, metric, targets, plain)

    statistics = statistics_of(competition.metric)
    finished = [bundle.finished(k) for k in held]
    code = sorted({fold["code"] for fold in finished})
    if len(code) > 1:
        request.say(f"{name}: the code changed between its folds; the bundle is marked")
    manifest = {
        "competition": competition.name,
        "model": name,
        "data_hash": prepared.data_hash,
        "train_hash": prepared.train_hash(folds),
        "config_hash": config_hash(learner),
        "config": canonical(learner),
        "code": code,
        "fast": dict(fast),
        "folds": held,
        "fold_count": count,
        "complete": len(held) == count,
        "score": interval(competition.metric, statistics, groups)._asdict(),
        "by_class": finite(competition.metric.by_class(statistics)),
        "reported": {m.name: interval(m, statistics_of(m), groups)._asdict() for m in competition.reported},
        "seconds": sum(fold["seconds"] for fold in finished),
    }
    write_json(bundle.folder / "bundle.json", manifest)
    return manifest


def finite(scores: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: float(score) if np.isfinite(score) else None for name, score in scores.items()}


def with_found(request: Request, prepared: Prepared, folds: np.ndarray) -> Request:
    """The models that a search found on these rows and folds go before the declared default; kept specialists join."""
    if request.fast or request.models or not request.searched:
        return request
    place = (request.competition.name, prepared.data_hash, prepared.train_hash(folds))
    variants, kept = found.variants(*place), found.specialists(*place)
    if variants:
        request.say(f"training what the search found, {', '.join(variants)} (SEARCHED=0: the declared models)")
    if kept:
        request.say(f"with what `make specialist` kept, {', '.join(kept)} (SEARCHED=0: without)")
    return replace(request, variants={**(variants or request.learners), **kept} if variants or kept else None)


# -- ensemble ----------------------------------------------------------------------------------------------------------


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


# -- submission --------------------------------------------------------------------------------------------------------


def keep_baseline(request: Request, prepared: Prepared) -> None:
    """From the first minute on there is a valid submission."""
    folder = folders.submissions(request.competition.name, prepared.data_hash)
    if not request.fast:
        submission.keep_best(prepared.folder / "sample_submission.csv", folder, None)


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
    members = {name: bundles[name].holdout(competition.task, int(folds.max()) + 1) for name in recipe.names}
    decided = recipe.decide(competition.task, members)
    steps = steps_of(ladder, problem)
    card = {
        "team": request.team,
        "cv": {key: steps[-1][key] for key in ("score", "low", "high")} | {"in_sample": ladder.in_sample},
        "models": {name: bundle.manifest["score"] for name, bundle in bundles.items()},
        "bundles": {name: folders.shown(bundle.folder) for name, bundle in bundles.items()},
        "recipe": recipe.to_json(),
        "parts": members_of(problem, recipe),
        "steps": steps,
        "reported": {
            metric.name: interval(metric, cross_fitted(problem, ladder, metric), problem.groups)._asdict()
            for metric in competition.reported
        },
        "share": len(problem.folds) / int((folds >= 0).sum()),
        "train_hash": prepared.train_hash(folds),
        "git": submission.git_revision(),
        "code": code_hash(competition.name),
        "seconds": request.spent,
    }
    file = submission.write(competition.name, prepared.data_hash, competition.task, prepared.holdout.ids, decided, card)
    if not request.fast:
        submission.keep_best(file, file.parent, card, competition.metric.higher_is_better)
    return file, card


def judged(
    request: Request, prepared: Prepared, file: Path, card: Mapping[str, Any], official: Mapping[str, str]
) -> dict[str, Any]:
    standing = submission.judge(request.competition.name, file, request.team, prepared.data_hash)
    return {
        "competition": request.competition.name,
        "source": prepared.source,
        "data_hash": prepared.data_hash,
        "models": card["models"],
        "cv": card["cv"],
        "public": standing.get("interval"),
        "rank": standing.get("rank"),
        "teams": standing.get("teams"),
        "submission": folders.shown(file),
        "official": official,
        "seconds": request.spent,
        "parts": card["parts"],
        "steps": card["steps"],
        "reported": card["reported"],
        "message": standing.get("message"),
    }
