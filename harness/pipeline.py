"""From data to a rank, as a sentence: `submit`. Each step leaves files with hashes; running again resumes."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import folders, submission
from harness import plan as planning
from harness.audit import Audit, Check, audit
from harness.backends import Context, OutOfTime
from harness.competition import Competition, find
from harness.engine import Local, hardware, report, stopping
from harness.ensembles import Ladder, Member, Problem, Recipe, cross_fit
from harness.errors import UserError
from harness.files import locked, read_json, require_free, sweep_partials, write_json
from harness.metrics import chunks
from harness.pictures import read_pictures
from harness.plan import Plan, Plans, Rows
from harness.prepared import Prepared, content_hash, current, few, write
from harness.samples import Dataset
from harness.significance import interval
from harness.sources import locate
from harness.store import (
    Bundle,
    bundle_folder,
    canonical,
    code_hash,
    config_hash,
    once,
    require_same_rows,
    save_prediction,
)
from harness.tasks import Override

SAMPLE_BUDGET = 240.0  # seconds, where nothing is asked for and the data are made up


@dataclass(frozen=True)
class Request:
    """What the user asked for, checked. budget in seconds; started on the clock `time.monotonic()`."""

    competition: Competition
    data: Path | None = None
    models: Sequence[str] | None = None
    folds: int | None = None
    budget: float | None = None
    team: str | None = None
    fast: bool = False
    accept: Sequence[str] = ()
    started: float = field(default_factory=time.monotonic)
    say: Callable[[str], None] = lambda line: None
    listen: Callable[[dict[str, Any]], None] = lambda event: None

    @property
    def spent(self) -> float:
        return time.monotonic() - self.started


def submit(request: Request) -> dict[str, Any]:
    """The whole path. Returns what `submit --json` prints (DESIGN, section 8)."""
    with Local(hardware().workers, hardware().threads, request.listen) as engine:
        prepared = prepare(request)
        keep_baseline(request, prepared)
        folds = prepared.folds(request.competition, fold_count(request))
        with locked(folders.runs(request.competition.name, prepared.train_hash(folds))):
            plan = make_plan(request, prepared, folds, engine)
            bundles = cross_validate(request, prepared, folds, plan, engine)
            ladder, problem = ensemble(request, prepared, folds, bundles)
            file, card = hand_in(request, prepared, folds, plan, bundles, ladder, problem)
            official = {} if request.fast else predict_official(request, prepared, bundles, ladder.recipe, plan, engine)
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
        "message": standing.get("message"),
        "steps": card["steps"],
    }


# -- data --------------------------------------------------------------------------------------------------------------


def prepare(request: Request) -> Prepared:
    """Find, read, audit and split the data. The only step that opens raw/, and that writes private/."""
    competition = request.competition
    found = locate(competition.name, competition.sources, request.data)
    request.say(f"data: {found.kind}, {folders.shown(found.folder)}")
    dataset = competition.load(found.folder)
    if request.fast:
        dataset = few(dataset, competition.split.by(dataset.labelled.targets))
    checked = audit_once(competition, dataset)
    for line in problems(checked, request.accept):
        request.say(line)
    prepared = write(competition, dataset, checked, found.kind)
    if not request.fast:
        write_json(
            folders.data(competition.name) / "current.json", {"data_hash": prepared.data_hash, "source": found.kind}
        )
    request.say(
        f"split {prepared.data_hash}: {len(prepared.train)} rows to train on, {len(prepared.holdout)} held out for the judge"
        + (f", {len(prepared.exclusions)} excluded" if prepared.exclusions else "")
    )
    return prepared


def audit_once(competition: Competition, dataset: Dataset) -> Audit:
    """The entry audit, kept by the hash of the data it looked at."""
    file = folders.data(competition.name) / "audits" / f"{content_hash(dataset)}.json"

    def look() -> dict[str, Any]:
        checked = audit(dataset, competition.task)
        return {**checked.to_json(), "groups": checked.groups.tolist()}

    saved = once(file, look)
    return Audit([Check(**check) for check in saved["checks"]], saved["exclusions"], np.array(saved["groups"]))


def problems(checked: Audit, accepted: Sequence[str]) -> list[str]:
    """What the audit has to say; raise `UserError` at a failure that ACCEPT= does not name."""
    for check in checked.checks:
        if check.verdict == "fail" and check.name not in accepted:
            raise UserError(
                f"audit, {check.name}: {check.evidence}; {check.remedy} (ACCEPT={check.name} goes on despite it)"
            )
    return [f"audit, {check.name}: {check.evidence}" for check in checked.checks if check.verdict != "pass"]


def fold_count(request: Request) -> int:
    return request.folds or (2 if request.fast else request.competition.split.folds)


# -- training ----------------------------------------------------------------------------------------------------------


def make_plan(request: Request, prepared: Prepared, folds: np.ndarray, engine: Local) -> Plan:
    """The plan of an earlier, interrupted command for the same question; else measure, plan and write it."""
    competition, learners = request.competition, request.competition.chosen(request.models)
    asked = {"models": learners, "tta": competition.tta, "budget": budget(request, prepared), "fast": request.fast}
    plans = Plans(folders.runs(competition.name, prepared.train_hash(folds)) / "plan.json", asked)
    plan = plans.read()
    if plan is None:
        request.say(f"measuring {', '.join(learners)} on this machine")
        plan = measure(request, prepared, folds, engine)
        plans.write(plan)
    for line in described(plan):
        request.say(line)
    return plan


def budget(request: Request, prepared: Prepared) -> float | None:
    if request.budget is None and prepared.source == "sample" and not request.fast:
        request.say("no BUDGET given: on made data it is 4 minutes")
        return SAMPLE_BUDGET
    return request.budget


def measure(request: Request, prepared: Prepared, folds: np.ndarray, engine: Local) -> Plan:
    competition, learners = request.competition, request.competition.chosen(request.models)
    count, machine = int(folds.max()) + 1, hardware()
    if request.fast:
        return Plan(
            {name: 1 for name in learners},
            count,
            engine.workers,
            engine.threads,
            {name: {} for name in learners},
            60.0,
            None,
        )
    jobs = [(competition.name, prepared.data_hash, name, count, machine.threads) for name in learners]
    results = dict(engine.run(measure_model, jobs))
    for failed in (result for result in results.values() if isinstance(result, BaseException)):
        raise failed
    costs = {name: results[k][0] for k, name in enumerate(learners)}
    fast = {name: results[k][1] for k, name in enumerate(learners)}
    rows = Rows(len(prepared.train), len(prepared.holdout), sum(map(len, prepared.official.values())))
    allowed = budget(request, prepared)
    return planning.make(
        learners, costs, fast, rows, 1 + len(competition.tta), count, engine.workers, engine.threads,
        allowed, request.spent, reserve(competition, rows, len(learners), count),
    )  # fmt: skip


def reserve(competition: Competition, rows: Rows, members: int, folds: int) -> float:
    """Seconds kept for the ensemble and for writing; measured on Mars, LOG.md."""
    return 15 + 0.004 * rows.train * members * (folds + 1) / 6 * 4 + 0.002 * rows.official


def described(plan: Plan) -> list[str]:
    lines = [f"left out {name}: {why}" for name, why in (plan.left_out or {}).items()]
    members = ", ".join(f"{name} {count} epochs" for name, count in plan.epochs.items())
    limit = f" of {plan.budget / 60:.0f} min" if plan.budget else ""
    workers = f"{plan.workers} x {plan.threads} thread{'s' * (plan.threads > 1)}"
    return [*lines, f"plan: {members}; {plan.folds} folds on {workers}; about {plan.seconds / 60:.1f} min{limit}"]


def cross_validate(
    request: Request, prepared: Prepared, folds: np.ndarray, plan: Plan, engine: Local
) -> dict[str, Bundle]:
    """Train every planned model on every fold; a bundle lists the folds it holds."""
    competition, train = request.competition, prepared.train_hash(folds)
    learners = {name: plan.learner(name, competition.models[name]) for name in plan.epochs}
    bundles = {
        name: Bundle(bundle_folder(competition.name, train, name, learner)) for name, learner in learners.items()
    }
    require_free(folders.root(), sum(needed_bytes(competition, prepared) for _ in learners))
    for bundle in bundles.values():
        sweep_partials(bundle.folder)

    jobs, deadline = [], None if plan.budget is None else request.started + plan.budget
    for name, learner in learners.items():
        for fold in range(plan.folds):
            if not (bundles[name].fold(fold) / "fold.json").exists():
                jobs.append(
                    (
                        competition.name,
                        prepared.data_hash,
                        name,
                        learner.epochs,
                        fold,
                        plan.folds,
                        plan.threads,
                        deadline,
                        plan.fast[name],
                    )
                )
    for index, result in engine.run(train_fold, jobs):
        name, fold = jobs[index][2], jobs[index][4]
        if isinstance(result, OutOfTime):
            request.say(f"{name}, fold {fold}: no time left; what was trained is kept")
        elif isinstance(result, BaseException):
            raise result
    for name, bundle in bundles.items():
        describe_bundle(competition, prepared, folds, name, learners[name], bundle)
    complete = {name: bundle for name, bundle in bundles.items() if len(bundle.held(plan.folds)) == plan.folds}
    if not complete:
        raise UserError(
            "no model finished all its folds within the budget; run the same command again to go on, or give more time"
        )
    return complete


def needed_bytes(competition: Competition, prepared: Prepared) -> int:
    """Of one bundle: float16 predictions of the training rows, and of the hold-out once a fold, in two views."""
    return 2 * competition.task.row_bytes * (len(prepared.train) + competition.split.folds * len(prepared.holdout))


def describe_bundle(
    competition: Competition, prepared: Prepared, folds: np.ndarray, name: str, learner: Any, bundle: Bundle
) -> None:
    """Write bundle.json: what the bundle is, which folds it holds, and its score on their rows by the one scorer."""
    held = bundle.held(int(folds.max()) + 1)
    if not held:
        return
    rows = np.isin(folds, held)
    decided = competition.task.decide(bundle.out_of_fold(competition.task, folds).plain)
    statistics = competition.metric.statistics(prepared.train.targets[rows], decided)
    manifest = {
        "competition": competition.name,
        "model": name,
        "data_hash": prepared.data_hash,
        "train_hash": prepared.train_hash(folds),
        "config_hash": config_hash(learner),
        "config": canonical(learner),
        "code": sorted({read_json(bundle.fold(k) / "fold.json")["code"] for k in held}),
        "folds": held,
        "complete": len(held) == int(folds.max()) + 1,
        "score": interval(competition.metric, statistics, prepared.train.groups[rows])._asdict(),
        "by_class": finite(competition.metric.by_class(statistics)),
        "seconds": sum(read_json(bundle.fold(k) / "fold.json")["seconds"] for k in held),
    }
    write_json(bundle.folder / "bundle.json", manifest)


def finite(scores: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: float(score) if np.isfinite(score) else None for name, score in scores.items()}


# -- jobs, run in a worker ---------------------------------------------------------------------------------------------


def measure_model(competition: str, data_hash: str, name: str, folds: int, threads: int) -> tuple[Any, dict[str, Any]]:
    """The cost of one fold of a model on this machine, and the fast paths that pay."""
    declared, prepared = find(competition), Prepared(competition, data_hash)
    fold_of_row = prepared.folds(declared, folds)
    learner = declared.models[name]
    context = Context(declared.task, folders.runs(competition, "probe"), threads=threads)
    train = prepared.train[fold_of_row != 0]
    fast = {name: value for name, value in learner.fast_paths(train, context).items() if name != "probe"}
    return learner.cost(train, replace(context, **fast)), fast


def train_fold(
    competition: str,
    data_hash: str,
    name: str,
    epochs: int,
    fold: int,
    folds: int,
    threads: int,
    deadline: float | None,
    fast: Mapping[str, Any],
) -> None:
    """Fit one fold and leave its predictions of its own rows and of the hold-out."""
    declared, prepared = find(competition), Prepared(competition, data_hash)
    fold_of_row = prepared.folds(declared, folds)
    learner = replace(declared.models[name], epochs=epochs)
    folder = Bundle(bundle_folder(competition, prepared.train_hash(fold_of_row), name, learner)).fold(fold)
    started = time.monotonic()
    context = Context(
        declared.task, folder, fold=fold, threads=threads, deadline=deadline, stop=stopping,
        report=lambda event: report({"model": name, "fold": fold, **event}), **fast,
    )  # fmt: skip
    train = prepared.train
    fitted = learner.fit(train[fold_of_row != fold], train[fold_of_row == fold], context)
    for part, samples in (("oof", train[fold_of_row == fold]), ("holdout", prepared.holdout)):
        for view, prediction in zip(Member._fields, predict_views(declared, fitted, samples.inputs), strict=True):
            save_prediction(folder, f"{part}-{view}", prediction, declared.task)
    write_json(
        folder / "fold.json", {"fold": fold, "seconds": time.monotonic() - started, "code": code_hash(competition)}
    )


def predict_views(competition: Competition, fitted: Any, inputs: Any) -> Member:
    """The plain prediction, and its mean with the declared views, each undone by the task."""
    task = competition.task
    plain = fitted.predict(inputs)
    views = [task.views[name] for name in competition.tta]
    turned = [view.undo(fitted.predict(view.apply(inputs))) for view in views]
    return Member(plain, task.average([plain, *turned], [1.0] * (1 + len(turned))))


# -- ensemble ----------------------------------------------------------------------------------------------------------


def ensemble(
    request: Request, prepared: Prepared, folds: np.ndarray, bundles: Mapping[str, Bundle]
) -> tuple[Ladder, Problem]:
    """Fit the declared ensemble on the out-of-fold predictions, cross-fitted and gated."""
    competition, train = request.competition, prepared.train
    require_same_rows(bundles, prepared.train_hash(folds))
    members = {name: bundle.out_of_fold(competition.task, folds) for name, bundle in bundles.items()}
    problem = Problem(competition.task, competition.metric, members, np.asarray(train.targets), folds, train.groups)
    request.say("fitting the ensemble")
    return cross_fit(problem, competition.ensemble), problem


def steps_of(ladder: Ladder, problem: Problem) -> list[dict[str, Any]]:
    """The ladder as rows: the cross-fitted score after each step, what the step added, and why it was refused."""
    rows = []
    for rung, statistics, gain, accepted in zip(
        ladder.rungs, ladder.statistics, ladder.gains, ladder.accepted, strict=True
    ):
        rows.append(
            {
                "step": rung.step,
                "accepted": rung.accepted,
                "reason": rung.reason,
                "accepted_in_folds": accepted,
                **interval(problem.metric, statistics, problem.groups)._asdict(),
                "by_class": finite(problem.metric.by_class(statistics)),
                "gain": gain and {"difference": gain.difference, "low": gain.low, "high": gain.high},
            }
        )
    return rows


# -- submission --------------------------------------------------------------------------------------------------------


def keep_baseline(request: Request, prepared: Prepared) -> None:
    """From the first minute on there is a valid submission."""
    if not request.fast:
        best = folders.submissions(request.competition.name, prepared.data_hash)
        best.mkdir(parents=True, exist_ok=True)
        if not (best / "best" / "submission.csv").exists():
            baseline = best / "baseline.csv"
            baseline.write_bytes((prepared.folder / "sample_submission.csv").read_bytes())
            submission.keep_best(baseline, None, request.competition.metric.higher_is_better)


def hand_in(
    request: Request,
    prepared: Prepared,
    folds: np.ndarray,
    plan: Plan,
    bundles: Mapping[str, Bundle],
    ladder: Ladder,
    problem: Problem,
) -> tuple[Path, dict[str, Any]]:
    """Write the judge's file with its card: what was done, and the score that the player claims."""
    competition = request.competition
    count = int(folds.max()) + 1
    steps = steps_of(ladder, problem)
    cv = {key: steps[-1][key] for key in ("score", "low", "high")} | {"in_sample": ladder.in_sample}
    card = {
        "team": request.team,
        "cv": cv,
        "models": {name: bundle.manifest["score"] for name, bundle in bundles.items()},
        "bundles": {name: folders.shown(bundle.folder) for name, bundle in bundles.items()},
        "recipe": ladder.recipe.to_json(),
        "plan": asdict(plan),
        "steps": steps,
        "train_hash": prepared.train_hash(folds),
        "git": submission.git_revision(),
        "code": code_hash(competition.name),
        "seconds": request.spent,
    }
    members = {name: bundles[name].holdout(competition.task, count) for name in ladder.recipe.names}
    decided = ladder.recipe.decide(competition.task, members)
    file = submission.write(competition.name, prepared.data_hash, competition.task, prepared.holdout.ids, decided, card)
    if not request.fast:
        submission.keep_best(file, cv["score"], competition.metric.higher_is_better)
    return file, card


# -- official test and new inputs --------------------------------------------------------------------------------------

CHUNK = 250  # rows a worker predicts at once: 20 MB of float16 Mars probabilities a model


def predict_official(
    request: Request,
    prepared: Prepared,
    bundles: Mapping[str, Bundle],
    recipe: Recipe,
    plan: Plan,
    engine: Local,
    final: bool = False,
) -> dict[str, str]:
    """Predict every part of the official test once, with the members of the final ensemble; returns part -> file."""
    competition, written = request.competition, {}
    best = folders.submissions(competition.name, prepared.data_hash) / "best"
    for part, samples in prepared.official.items():
        request.say(f"predicting {part}: {len(samples)} rows with {', '.join(recipe.names)}")
        decided = predict_rows(request, samples.inputs, bundles, recipe, plan, engine, final)
        name = "official" if len(prepared.official) == 1 else f"official-{part}"
        file = best / f"{name}{'-final' if final else ''}{competition.task.suffix}"
        competition.task.write(samples.ids, decided, file)
        written[part] = folders.shown(file)
    return written


def predict_rows(
    request: Request,
    inputs: Any,
    bundles: Mapping[str, Bundle],
    recipe: Recipe,
    plan: Plan,
    engine: Local,
    final: bool = False,
) -> Any:
    """Decided rows of new inputs, chunk by chunk; nothing is stored per fold."""
    competition = request.competition
    fitted_folders = {name: [fit_folder(bundles[name], k, final) for k in range(plan.folds)] for name in recipe.names}
    jobs = [
        (competition.name, np.asarray(inputs[rows]), fitted_folders, plan.epochs, recipe, plan.threads)
        for rows in chunks(len(inputs), CHUNK)
    ]
    parts = dict(results(engine.run(predict_chunk, jobs)))
    return competition.task.join([parts[k] for k in range(len(jobs))])


def results(ended: Any) -> Any:
    """The results of jobs of which none may fail."""
    for index, result in ended:
        if isinstance(result, BaseException):
            raise result
        yield index, result


def fit_folder(bundle: Bundle, fold: int, final: bool) -> Path:
    """Where the weights of a fold lie: of the fold itself, or of its refit with the hold-out included."""
    return bundle.folder / f"final_{fold}" if final else bundle.fold(fold)


def predict_chunk(
    competition: str,
    inputs: Any,
    fitted_folders: Mapping[str, Sequence[Path]],
    epochs: Mapping[str, int],
    recipe: Recipe,
    threads: int,
) -> Any:
    """In a worker: every member is the mean of its folds, then the recipe decides."""
    declared = find(competition)
    members = {}
    for name, fits in fitted_folders.items():
        learner = replace(declared.models[name], epochs=epochs[name])
        views = [predict_views(declared, fitted_in(folder, learner, declared, threads), inputs) for folder in fits]
        weights = [1.0] * len(views)
        members[name] = Member(*(declared.task.average(list(of_view), weights) for of_view in zip(*views, strict=True)))
    return recipe.decide(declared.task, members)


_loaded: dict[Path, Any] = {}


def fitted_in(folder: Path, learner: Any, competition: Competition, threads: int) -> Any:
    """The finished fit of a folder, kept loaded for the next chunk."""
    if folder not in _loaded:
        _loaded[folder] = learner.load(Context(competition.task, folder, threads=threads))
    return _loaded[folder]


def submit_final(request: Request) -> dict[str, Any]:
    """FINAL=1: refit the best run's members with the hold-out's labels too, for the official submission alone."""
    competition = request.competition
    prepared = current(competition.name)
    card = best_card(competition, prepared)
    recipe, bundles, plan = recipe_of(card), bundles_of(card), plan_of(card)
    raw = locate(competition.name, competition.sources, request.data).folder
    with (
        Local(hardware().workers, hardware().threads, request.listen) as engine,
        locked(folders.runs(competition.name, card["train_hash"])),
    ):
        jobs = [
            (
                competition.name,
                prepared.data_hash,
                raw,
                name,
                plan.epochs[name],
                k,
                plan.folds,
                plan.threads,
                fit_folder(bundles[name], k, True),
                plan.fast[name],
            )
            for name in recipe.names
            for k in range(plan.folds)
        ]
        request.say(f"refitting {', '.join(recipe.names)} on all labels: {len(jobs)} fits")
        for _ in results(engine.run(train_final, jobs)):
            pass
        official = predict_official(request, prepared, bundles, recipe, plan, engine, final=True)
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


def train_final(
    competition: str,
    data_hash: str,
    raw: Path,
    name: str,
    epochs: int,
    fold: int,
    folds: int,
    threads: int,
    folder: Path,
    fast: Mapping[str, Any],
) -> None:
    """In a worker: a fold's training rows and the whole hold-out, with its labels from the raw files."""
    declared, prepared = find(competition), Prepared(competition, data_hash)
    fold_of_row = prepared.folds(declared, folds)
    labelled = declared.load(raw).labelled
    wanted = np.concatenate([prepared.train.ids[fold_of_row != fold], prepared.holdout.ids])
    if not np.isin(wanted, labelled.ids).all():
        raise UserError(f"{raw} does not hold the samples that were prepared; name their folder with DATA=")
    context = Context(
        declared.task, folder, fold=fold, threads=threads, stop=stopping,
        report=lambda event: report({"model": f"{name}, final", "fold": fold, **event}), **fast,
    )  # fmt: skip
    replace(declared.models[name], epochs=epochs).fit(labelled[np.isin(labelled.ids, wanted)], None, context)


def predict(request: Request, inputs: Path) -> dict[str, Any]:
    """The final ensemble on a folder of new pictures."""
    competition = request.competition
    prepared = current(competition.name)
    card = best_card(competition, prepared)
    samples = read_pictures(inputs, like=prepared.holdout.inputs)
    with Local(hardware().workers, hardware().threads, request.listen) as engine:
        decided = predict_rows(request, samples.inputs, bundles_of(card), recipe_of(card), plan_of(card), engine)
    file = (
        folders.submissions(competition.name, prepared.data_hash)
        / f"predicted-{inputs.resolve().name}{competition.task.suffix}"
    )
    competition.task.write(samples.ids, decided, file)
    return {"competition": competition.name, "path": folders.shown(file), "rows": len(samples)}


def best_card(competition: Competition, prepared: Prepared) -> dict[str, Any]:
    """The card of the best submission; raise `UserError` where there is only a baseline."""
    file = folders.submissions(competition.name, prepared.data_hash) / "best" / "submission.json"
    card = read_json(file) if file.exists() else {}
    if not card.get("recipe"):
        raise UserError(
            f"{competition.name} has no trained ensemble yet; run `make submit COMP={competition.name}` first"
        )
    return card


def recipe_of(card: Mapping[str, Any]) -> Recipe:
    saved = dict(card["recipe"])
    override, offsets = saved.pop("override"), saved.pop("offsets")
    return Recipe(**saved, override=override and Override(**override), offsets=offsets and tuple(offsets))


def bundles_of(card: Mapping[str, Any]) -> dict[str, Bundle]:
    return {name: Bundle(folders.root() / folder) for name, folder in card["bundles"].items()}


def plan_of(card: Mapping[str, Any]) -> Plan:
    return Plan(**card["plan"])
