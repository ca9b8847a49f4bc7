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
from harness.competition import Competition
from harness.cross_validation import cross_validate
from harness.engine import workers
from harness.ensembles import Ladder, Problem, cross_fitted
from harness.ensembling import blend_of, ensemble, members_of, steps_of
from harness.errors import UserError
from harness.files import locked, read_json, write_json
from harness.official import predict_official
from harness.plan import plan_for
from harness.prepared import Prepared, current, few, write
from harness.request import Request
from harness.samples import Dataset
from harness.significance import interval
from harness.sources import locate
from harness.store import Bundle, code_hash, once, require_same_rows


def submit(request: Request) -> dict[str, Any]:
    """The whole path. Returns what `submit --json` prints (DESIGN, section 8)."""
    if not set(request.learners) & set(request.competition.ensemble.names):
        alone = ", ".join(request.learners)
        raise UserError(f"{alone} alone predicts no more than its own class; add a general model to MODELS=")
    with workers(request.listen, request.engine, request.workers) as engine:
        prepared = prepare(request)
        submission.require_judge(request.competition.name, request.team, prepared.data_hash, request.say)
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


def look(request: Request) -> dict[str, Any]:
    """The audit alone, as JSON."""
    located = locate(request.competition.name, request.competition.sources, request.data)
    request.say(f"data: {located.kind}, {folders.shown(located.folder)}")
    dataset = request.competition.load(located.folder)
    checked, name = audit_once(request.competition, dataset)
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
    checked, audited = audit_once(competition, dataset)
    for line in problems(checked, request.accept):
        request.say(line)
    prepared = write(competition, dataset, checked, located.kind)
    if not request.fast:
        last = {"data_hash": prepared.data_hash, "source": located.kind, "audit": audited}
        write_json(folders.data(competition.name) / "current.json", last)
    excluded = f", {len(prepared.exclusions)} excluded" if prepared.exclusions else ""
    request.say(
        f"split {prepared.data_hash}: {len(prepared.train)} rows to train on{excluded}, "
        f"{len(prepared.holdout)} held out for the judge"
    )
    return prepared


def audit_once(competition: Competition, dataset: Dataset) -> tuple[Audit, str]:
    """The entry audit, and the name under which it is kept: a hash of what it looked at."""
    name = audit_name(competition, dataset)
    file = folders.data(competition.name) / "audits" / f"{name}.json"

    def look() -> dict[str, Any]:
        checked = audit(dataset, competition.task, competition.split, competition.holdout)
        return {**checked.to_json(), "groups": checked.groups.tolist()}

    saved = once(file, look)
    return Audit([Check(**check) for check in saved["checks"]], saved["exclusions"], np.array(saved["groups"])), name


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
    held = {name: bundles[name].held(int(folds.max()) + 1) for name in recipe.names}
    members = {name: bundles[name].holdout(competition.task, held[name]) for name in recipe.names}
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
