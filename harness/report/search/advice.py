"""What to try next: one rule a function, each from facts, each a sentence or nothing."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from harness.report.html.format import alike, counted, number, percent, setting, span
from harness.report.search.facts import Night
from harness.report.search.importance import FEWEST, varied
from harness.report.search.timeline import HOUR

EDGE = 0.04  # of a range, at either end
EDGES, EDGE_SHARE = 3, 0.08  # that are told, the most important ones, and the importance that they need
DECISIVE, SURE = (
    0.4,
    20,
)  # the share of the importance that makes a parameter the one to look at, and of how many trials
DECISIONS = 2  # that are told
BEHIND = 0.1  # by how much of the classes' mean the worst of them stays behind
OFTEN = 0.15  # the share of the trials that fail
LATE, EARLY = 0.75, 0.5  # of the time: better submissions after it, or none

Importances = Mapping[str, Mapping[str, float]]


def advice(night: Night, important: Importances) -> list[str]:
    rules = (nothing, edges, decisive, worst_class, failures, few_trials, pace, noise)
    found = [sentence for rule in rules for sentence in rule(night, important)]
    return found or ["Nothing stands out: new networks or new data promise more than another night of the same search."]


def nothing(night: Night, _: Importances) -> Iterator[str]:
    if night.after is None:
        yield "Nothing came to an end: give more hours (HOURS=), or search a smaller model."


def edges(night: Night, important: Importances) -> Iterator[str]:
    """A best value at the end of its range: the best may lie beyond."""
    found = []
    for model, shares in important.items():
        best = night.best([v for v in night.finished if v.model == model and v.params])
        for name, share in shares.items() if best else ():
            end = end_of(best.params[name], best.limits[name]) if best and name in best.params else ""
            if best and end and share >= EDGE_SHARE:
                found.append((share, model, name, end, best))
    for _, model, name, end, best in sorted(found, key=lambda each: -each[0])[:EDGES]:
        limits = best.limits[name]
        yield (
            f"`{name}` of `{model}` is best at the {end} end of its range: {setting(best.params[name])} of "
            f"{setting(limits.low)} to {setting(limits.high)}. Search beyond it, or declare more there."
        )


def end_of(value: Any, limits: Any) -> str:
    if hasattr(limits, "choices") or limits.single():
        return ""
    low, high, value = (math.log(v) if limits.log else v for v in (limits.low, limits.high, value))
    share = (value - low) / (high - low)
    return "lower" if share < EDGE else "upper" if share > 1 - EDGE else ""


def decisive(night: Night, important: Importances) -> Iterator[str]:
    """One parameter alone makes the difference, somewhere inside its range."""
    found = [(share, model, name) for model, shares in important.items() for name, share in [*shares.items()][:1]]
    sure = [each for each in found if each[0] >= DECISIVE and len(varied(night, each[1])) >= SURE]
    for share, model, name in sorted(sure, reverse=True)[:DECISIONS]:
        best = night.best([v for v in night.finished if v.model == model and name in v.params])
        if best and len(important[model]) > 1 and not end_of(best.params[name], best.limits[name]):
            yield (
                f"`{name}` decides most for `{model}` ({percent(share)} of the importance): search it more finely "
                f"about {setting(best.params[name])}, and leave the rest as it is."
            )


def worst_class(night: Night, _: Importances) -> Iterator[str]:
    classes = night.classes()
    if len(classes) < 2:
        return
    mean = sum(score for _, _, score in classes) / len(classes)
    name, score = classes[0][0], classes[0][2]
    if night.better_by(mean, score) > BEHIND * abs(mean):
        yield (
            f"The class {name} stays behind ({number(score)}, the mean of the classes is {number(mean)}): "
            "`make specialist` trains a specialist for it, and keeps it only if it wins."
        )


def failures(night: Night, _: Importances) -> Iterator[str]:
    failed = night.state("failed")
    if len(failed) < 2 or len(failed) < OFTEN * len(night.variants):
        return
    reason = Counter(alike(v.reason) for v in failed).most_common(1)[0][0]
    example = next(v.reason for v in failed if alike(v.reason) == reason)
    remedy = "Look at the first of them."
    if "memory" in reason:
        remedy = "Declare a smaller batch or a smaller network."
    if "diverged" in reason:
        remedy = "Lower the upper end of the learning rate."
    share = f"{counted(len(failed), 'trial')} of {len(night.variants)} failed"
    yield f"{share}, most often with: {example or 'no reason'}. {remedy}"


def few_trials(night: Night, _: Importances) -> Iterator[str]:
    """Until every model has enough trials that its parameters can be told apart."""
    counts = Counter(v.model for v in night.variants if v.first is not None)
    missing = {model: FEWEST - counts[model] for model in night.models if counts[model] < FEWEST}
    ended = len(night.variants) - len(night.state("running"))
    if not missing or not ended:
        return
    hours = max(0.1, sum(missing.values()) * night.seconds / ended / night.workers / HOUR)
    names = ", ".join(f"`{model}`" for model in missing)
    yield (
        f"Too few trials of {names} to say what matters: about {hours:.1f} h more would give each of them {FEWEST} "
        f"(`make search COMP={night.competition} HOURS={max(1, math.ceil(hours))}` goes on with this study)."
    )


def pace(night: Night, _: Importances) -> Iterator[str]:
    if not night.banks or not night.hours:
        return
    share = night.banks[-1].hours / night.hours
    if share > LATE and len(night.banks) > 1:
        yield "The score was still rising at the end: more hours should bring more."
    if share < EARLY:
        quiet = span((night.hours - night.banks[-1].hours) * HOUR)
        yield (
            f"Nothing better was found in the last {quiet}: change what is searched (other networks, a wider range) "
            "rather than searching longer."
        )


def noise(night: Night, _: Importances) -> Iterator[str]:
    if night.gain is not None and night.gain > 0 and night.overlap:
        yield (
            f"The gain of {number(night.gain)} over the best declared model is small beside the intervals: models "
            "that err differently add more to a blend than finer settings of the same ones."
        )
