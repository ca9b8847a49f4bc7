"""The report after a search: what it found, what it cost and what to try next, as a page and as lines of text."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.bootstrap import Interval
from harness.competition import Competition
from harness.report.chart import Chart, around, thinned
from harness.report.format import (
    interval_of,
    number,
    scored,
    signed,
    span,
)
from harness.report.html_page import write_page
from harness.report.search_advice import FEWEST, Importances, advice, importances
from harness.report.search_history import HOUR, SearchHistory, TrialRow, read_history, unfinished_rows

if TYPE_CHECKING:
    import optuna

SLICES, SLICES_A_MODEL, LEAST = 8, 3, 0.08  # charts in all, of a model, and the importance that earns one
WORST_SHOWN = 0.2  # the share of the trials that may lie below the chart
WIDE, NARROW = (760, 320), (330, 280)  # pixels


def search_page(
    competition: Competition, study: "optuna.Study", events: Sequence[dict[str, Any]]
) -> tuple[Path, list[str]]:
    """Write reports/<competition>/search.html. Returns it, and for a terminal what it says in sentences.

    study, events: as `read_history` takes them.
    """
    history = read_history(competition, study, events)
    important = importances(history)
    outcome, check, tried = result(history), public_check(history), counts(history)
    next_steps = advice(history, important)
    page = write_page(
        competition.name,
        "search",
        history=history,
        result=outcome,
        counts=tried,
        public_check=check,
        wide=progress(history, WIDE),
        narrow=progress(history, NARROW),
        importances=important,
        unexplained=[model for model in history.models if model not in important],
        fewest=FEWEST,
        best={model: history.best_sampled(model) for model in important},
        slices=[(*chosen, slice_chart(history, *chosen)) for chosen in most_important(important)],
        unfinished=unfinished_rows(history),
        compute_saved=compute_saved(history),
        models=[model_row(history, model) for model in history.models],
        members=members(history),
        classes=history.classes(),
        advice=next_steps,
    )
    plain = [f"next: {sentence.replace('`', '')}" for sentence in next_steps]
    return page, [outcome, *([check] if check else []), tried, *plain]


# -- the result --------------------------------------------------------------------------------------------------------


def result(history: SearchHistory) -> str:
    """The search in one sentence."""
    if history.after is None:
        return "No trial finished and no submission was saved: the best submission is the one from before the search."
    what = "The ensemble" if history.incumbents else "No ensemble was saved; the best trial"
    sentence = f"{what} reaches a cross-fitted {history.metric} of {scored(history.after)}"
    if history.gain is None or history.before is None or history.before.score is None:
        return f"{sentence}; no declared model finished, so there is nothing to compare it with."
    sentence += f", the best declared model alone {scored(history.before.score)}"
    if history.gain <= 0:
        return f"{sentence}: the search found nothing better."
    verdict = "the intervals overlap" if history.overlap else "more than their intervals explain"
    return f"{sentence}: better by {number(history.gain)}, {verdict}."


def counts(history: SearchHistory) -> str:
    """How many trials, in what time."""
    parts = [f"{len(history.in_state(state))} {state}" for state in ("finished", "pruned", "failed")]
    running = history.in_state("running")
    parts += [f"{len(running)} still running"] * bool(running)
    spent = span(history.hours * HOUR) + (f" in {history.searches} searches" if history.searches > 1 else "")
    return f"Trials: {', '.join(parts)}; {spent}, {span(history.seconds)} of compute."


def public_check(history: SearchHistory) -> str:
    """Whether the public score agrees with the cross-fitted one; "" without a public score.

    Trials are sampled by what earlier ones scored on the same rows, and cross-fitting cannot undo that.
    """
    if history.final is None:
        return ""
    public, cv = interval_of(history.final["public"]), interval_of(history.final["cv"])
    agrees = "within" if public.low <= cv.score <= public.high else "outside"
    return (
        f"On the public hold-out rows it scores {scored(public)}, {signed(public.score - cv.score)} against its "
        f"cross-fitted {number(cv.score)}, which lies {agrees} that interval."
    )


# -- charts ------------------------------------------------------------------------------------------------------------


def progress(history: SearchHistory, size: tuple[int, int]) -> str:
    """The best submission as steps with its interval, and a dot for every finished trial; "" without either."""
    incumbents, hours, finished = history.incumbents, history.hours, history.finished
    before = history.before.score if history.before else None
    scores = sorted((trial.score.score for trial in finished if trial.score), reverse=history.higher)
    scores = scores[: math.ceil((1 - WORST_SHOWN) * len(scores))]  # a few bad starts must not flatten the chart
    shown = [value for row in incumbents for value in row.interval] + scores
    if not shown:
        return ""
    ends = around([*shown, before.score] if before else shown)
    chart = Chart((0.0, hours or 1.0), ends, ("hours of searching", history.metric), size)
    stops = [*(row.hours for row in incumbents[1:]), hours]
    corners = [at for row, stop in zip(incumbents, stops, strict=False) for at in (row.hours, stop)]
    best, low, high = ([getattr(row.interval, at) for row in incumbents for _ in (0, 1)] for at in Interval._fields)
    if incumbents:
        chart.band(corners, low, high)
    if before:
        chart.line([(0, before.score), (hours or 1.0, before.score)], "declared")
    for trial in thinned(finished):
        chart.dot(trial.hours, score_of(trial), "finished", f"{trial.name}: {number(score_of(trial))}")
    for at, score in history.refused:
        cross = f"M{chart.x(at) - 3} {chart.y(score) - 3}l6 6m0 -6l-6 6"
        chart.add("path", "refused", f"refused at {number(score)}", d=cross)
    if incumbents:
        chart.line(zip(corners, best, strict=True), "best")
        chart.dot(hours, best[-1], "best-end", radius=4)
        beside = chart.y(best[-1]) + (-9 if history.higher else 18)
        chart.text(chart.x(hours), beside, number(best[-1]), "value", anchor="end")
    return chart.svg(f"{history.metric} over {hours:.1f} hours of searching")


def slice_chart(history: SearchHistory, model: str, parameter: str) -> str:
    """The score of the first fold against one parameter: finished trials are filled, pruned ones hollow."""
    trials = [trial for trial in history.sampled(model) if parameter in trial.params]
    limits = [trial.distributions[parameter] for trial in trials]  # a later search may have widened the range
    bad, good = np.percentile([t.first_fold or 0.0 for t in trials], [10, 100] if history.higher else [90, 0])
    names = list(dict.fromkeys(name for one in limits for name in getattr(one, "choices", ())))
    ends = (-0.5, len(names) - 0.5) if names else (min(one.low for one in limits), max(one.high for one in limits))
    labels = (parameter, f"{history.metric}, first fold")
    log = not names and all(one.log for one in limits)
    chart = Chart(ends, around([float(bad), float(good)]), labels, (320, 214), log, names)
    best = history.best(trials)
    for trial in [*(t for t in thinned(trials) if t is not best), *([best] if best else [])]:  # the best on top
        value = trial.params[parameter]
        # names get a little room from each other's dots, the same for the same trial
        at = names.index(value) + 0.5 * ((trial.number * 0.618) % 1 - 0.5) if names else value
        kind, radius = ("chosen", 4.5) if trial is best else (trial.state, 3)
        chart.dot(at, trial.first_fold or 0.0, kind, f"{trial.name}: {number(score_of(trial))}", radius)
    return chart.svg(f"{history.metric} of {model} against {parameter}")


def score_of(trial: TrialRow) -> float:
    """Of all folds, or of the first alone."""
    return trial.score.score if trial.score else trial.first_fold or 0.0


def most_important(important: Importances) -> list[tuple[str, str]]:
    """(model, parameter): of every model the few that mattered, in the order of the models."""
    few = {model: [*shares.items()][:SLICES_A_MODEL] for model, shares in important.items()}
    found = [(share, model, name) for model, shares in few.items() for name, share in shares if share >= LEAST]
    chosen = sorted(found, key=lambda each: -each[0])[:SLICES]
    return [(model, name) for each in important for _, model, name in chosen if model == each]


# -- tables ------------------------------------------------------------------------------------------------------------


def compute_saved(history: SearchHistory) -> float:
    """Seconds that the pruned trials would still have taken, each as long as its model's finished ones."""
    return sum(
        max(0.0, statistics.median(done) - sum(t.seconds for t in pruned) / len(pruned)) * len(pruned)
        for model in history.models
        if (done := [t.seconds for t in history.finished if t.model == model])
        and (pruned := [t for t in history.in_state("pruned") if t.model == model])
    )


def model_row(history: SearchHistory, model: str) -> dict[str, Any]:
    """What a model cost and gained. median: seconds of a finished trial."""
    trials = [trial for trial in history.trials if trial.model == model]
    done = [trial.seconds for trial in trials if trial.score]
    best, declared = history.best(trials), history.best(trial for trial in trials if trial.declared)
    gain = None
    if best and declared and best is not declared:
        gain = history.better_by(score_of(best), score_of(declared))
    return {
        "model": model,
        **{state: sum(trial.state == state for trial in trials) for state in ("finished", "pruned", "failed")},
        "median": statistics.median(done) if done else None,
        "seconds": sum(trial.seconds for trial in trials),
        "best": score_of(best) if best else None,
        "gain": gain,
    }


def members(history: SearchHistory) -> list[tuple[str, float, Interval | None]]:
    """(name, weight, score alone) of the best submission, the heaviest first; members with weight 0 too."""
    if not history.incumbents:
        return []
    event = history.incumbents[-1].event
    scores = {name: interval_of(score) for name, score in event.get("models", {}).items()}
    weights = dict.fromkeys(scores, 0.0) | event.get("weights", {})
    return [(name, weight, scores.get(name)) for name, weight in sorted(weights.items(), key=lambda item: -item[1])]
