"""Which parameters mattered in a search, and what to try next: one rule a function, a sentence or nothing."""

import math
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping

from harness.report.format import counted, number, setting, span
from harness.report.search_history import HOUR, SearchHistory, unfinished_rows

FEWEST = 10  # trials of a model, to rank its parameters
AMONG_THE_BEST = 5  # trials at least, as Optuna's documentation asks for
BEST_SHARE, LARGEST_SHARE = 0.1, 0.5  # of the trials that count as the best
EDGE = 0.04  # of a range, at either end
EDGES, EDGE_SHARE = 3, 0.08  # best values at an edge that are named, and the importance that they need
BEHIND = 0.1  # the worst class is this share of the classes' mean below it
OFTEN = 0.15  # share of the trials that fail
REMEDIES = {
    "memory": "Declare a smaller batch or a smaller network.",
    "diverged": "Lower the upper end of the learning rate.",
}
LATE, EARLY = 0.75, 0.5  # share of the time: better submissions after it, or none

Importances = Mapping[str, Mapping[str, float]]


def importances(history: SearchHistory) -> dict[str, dict[str, float]]:
    """Shares of 1 by model and parameter, the largest first; only of models with enough trials.

    PED-ANOVA (Watanabe et al. 2023, arXiv 2304.10255) on the score of the first fold, which pruned trials have too: the
    finished ones are the good ones, and say little about what makes a bad one.
    """
    import optuna

    found = {}
    for model in history.models:
        trials = history.sampled(model)
        if len(trials) < FEWEST:
            continue
        study = optuna.create_study(direction="maximize" if history.higher else "minimize")
        for trial in trials:
            params, limits = dict(trial.params), dict(trial.distributions)
            study.add_trial(optuna.create_trial(params=params, distributions=limits, value=trial.first_fold))
        share = min(LARGEST_SHARE, max(BEST_SHARE, AMONG_THE_BEST / len(trials)))
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=share)
        with warnings.catch_warnings(action="ignore"):  # a parameter whose range changed from one search to the next
            shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
        found[model] = dict(sorted(shares.items(), key=lambda item: -item[1]))
    return found


def advice(history: SearchHistory, important: Importances) -> list[str]:
    rules = (edges, worst_class, failures, few_trials, pace, noise)
    sentences = [sentence for rule in rules for sentence in rule(history, important)]
    if history.after is None:
        return ["No trial finished: give more hours (HOURS=), or search a smaller model.", *sentences]
    return sentences or [
        "Nothing stands out: new networks or new data promise more than another search of the same space."
    ]


def edges(history: SearchHistory, important: Importances) -> list[str]:
    """A best value at the end of its range: the optimum may lie beyond. The most important ones alone are named."""
    sentences = []
    ranked = [(share, model, name) for model, shares in important.items() for name, share in shares.items()]
    for share, model, name in sorted(ranked, key=lambda each: -each[0]):
        best = history.best_sampled(model)
        if share < EDGE_SHARE or best is None or name not in best.params:
            continue
        value, limits = best.params[name], best.distributions[name]
        if hasattr(limits, "choices") or limits.single():
            continue
        at, low, high = (math.log(v) if limits.log else v for v in (value, limits.low, limits.high))
        place = (at - low) / (high - low)
        if EDGE <= place <= 1 - EDGE:
            continue
        sentences.append(
            f"`{name}` of `{model}` is best at the {'lower' if place < EDGE else 'upper'} end of its range: "
            f"{setting(value)} of {setting(limits.low)} to {setting(limits.high)}. Search beyond it, or declare more "
            "there."
        )
    return sentences[:EDGES]


def worst_class(history: SearchHistory, _: Importances) -> Iterator[str]:
    classes = history.classes()
    if len(classes) < 3:  # of two, every model tells the one from the other already
        return
    mean = sum(score for _, _, score in classes) / len(classes)
    name, score = classes[0][0], classes[0][2]
    if history.better_by(mean, score) > BEHIND * abs(mean):
        yield (
            f"The class {name} stays behind ({number(score)}, the mean of the classes is {number(mean)}): "
            "`make specialist` trains a class specialist, and keeps it only if it wins."
        )


def failures(history: SearchHistory, _: Importances) -> Iterator[str]:
    failed = [row for row in unfinished_rows(history) if row["state"] == "failed"]
    count = sum(row["count"] for row in failed)
    if count >= max(2, OFTEN * len(history.trials)):
        example = failed[0]["reason"]
        remedy = next((REMEDIES[word] for word in REMEDIES if word in example), "Look at the first of them.")
        share = f"{counted(count, 'trial')} of {len(history.trials)} failed"
        yield f"{share}, most often with: {example}. {remedy}"


def few_trials(history: SearchHistory, _: Importances) -> Iterator[str]:
    """Until every model has enough trials that its parameters can be told apart."""
    counts = Counter(trial.model for trial in history.trials if trial.first_fold is not None)
    missing = {model: FEWEST - counts[model] for model in history.models if counts[model] < FEWEST}
    ended = len(history.trials) - len(history.in_state("running"))
    if not missing or not ended:
        return
    hours = max(0.1, sum(missing.values()) * history.seconds / ended / history.workers / HOUR)
    names = ", ".join(f"`{model}`" for model in missing)
    yield (
        f"Too few trials of {names} to rank the parameters: about {hours:.1f} h more would give each model {FEWEST} "
        f"(`make search COMP={history.competition} HOURS={max(1, math.ceil(hours))}` continues this study)."
    )


def pace(history: SearchHistory, _: Importances) -> Iterator[str]:
    if not history.incumbents or not history.hours:
        return
    last = history.incumbents[-1].hours
    if last > LATE * history.hours and len(history.incumbents) > 1:
        yield "The score was still improving at the end: more hours should bring more."
    if last < EARLY * history.hours:
        quiet = span((history.hours - last) * HOUR)
        yield (
            f"Nothing better was found in the last {quiet}: change what is searched (other networks, a wider range) "
            "rather than searching longer."
        )


def noise(history: SearchHistory, _: Importances) -> Iterator[str]:
    if history.gain is not None and history.gain > 0 and history.overlap:
        yield (
            f"The gain of {number(history.gain)} over the best declared model is small beside the intervals: models "
            "that err differently add more to a blend than finer settings of the same ones."
        )
