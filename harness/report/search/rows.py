"""The tables and pictures of the morning page, row by row."""

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from harness.report.html.format import alike, number, scored, setting, short, signed, span
from harness.report.search.advice import Importances
from harness.report.search.facts import Night, Variant, interval_of
from harness.report.search.timeline import HOUR

SLICES, A_MODEL, LEAST = 8, 3, 0.08  # pictures in all, of a model, and the importance that earns one


def sliced(important: Importances) -> list[tuple[str, str]]:
    """(model, parameter): of every model the few that mattered, the strongest first."""
    found = [
        (share, model, name)
        for model, shares in important.items()
        for name, share in [*shares.items()][:A_MODEL]
        if share >= LEAST
    ]
    chosen = sorted(found, key=lambda each: -each[0])[:SLICES]
    return [(model, name) for _, model, name in sorted(chosen, key=lambda each: list(important).index(each[1]))]


def troubles(night: Night) -> list[dict[str, Any]]:
    """What was cut and what failed, reasons that differ in numbers alone taken together."""
    kinds: dict[tuple[str, str], list[Variant]] = {}
    for variant in [*night.state("failed"), *night.state("cut")]:
        kinds.setdefault((variant.state, alike(variant.reason)), []).append(variant)
    rows = [
        {
            "state": state,
            "count": len(variants),
            "models": ", ".join(
                f"{model} {count}" for model, count in Counter(v.model for v in variants).most_common()
            ),
            "reason": variants[0].reason or "no reason was kept",
            "several": len({v.reason for v in variants}) > 1,
            "spent": span(sum(v.seconds for v in variants)),
        }
        for (state, _), variants in kinds.items()
    ]
    return sorted(rows, key=lambda row: (row["state"] != "failed", -row["count"]))


def saved(night: Night) -> float:
    """Seconds of compute that the cut trials would have taken still, each as long as its model's finished ones."""
    return sum(
        max(0.0, statistics.median(done) - sum(v.seconds for v in cut) / len(cut)) * len(cut)
        for model in night.models
        if (done := [v.seconds for v in night.finished if v.model == model])
        and (cut := [v for v in night.state("cut") if v.model == model])
    )


def models(night: Night) -> list[dict[str, Any]]:
    """What every model cost and brought."""
    return [model_row(night, model, [v for v in night.variants if v.model == model]) for model in night.models]


def model_row(night: Night, model: str, variants: Sequence[Variant]) -> dict[str, Any]:
    done = [v for v in variants if v.state == "finished" and v.score is not None]
    best = night.best(done)
    declared = night.best([v for v in done if v.declared])
    gain = None
    if best and declared and best is not declared:
        gain = night.better_by(best.score or 0.0, declared.score or 0.0)
    return {
        "model": model,
        "states": [sum(v.state == state for v in variants) for state in ("finished", "cut", "failed")],
        "each": span(statistics.median(v.seconds for v in done)) if done else "–",
        "spent": span(sum(v.seconds for v in variants)),
        "best": number(best.score) if best and best.score is not None else "–",
        "gain": signed(gain) if gain is not None else "–",
    }


def best_settings(night: Night, model: str) -> dict[str, str]:
    """The parameters of the model's best finished variant."""
    best = night.best([v for v in night.finished if v.model == model and v.params])
    return {name: short(setting(value), 14) for name, value in best.params.items()} if best else {}


def banked(night: Night) -> list[dict[str, Any]]:
    """Every submission that took the place of the one before, and what it gained."""
    rows = []
    for before, bank in zip([None, *night.banks], night.banks, strict=False):
        gain = night.better_by(bank.interval.score, before.interval.score) if before else None
        hours = bank.hours - before.hours if before else 0.0
        rows.append(
            {
                "at": span(bank.hours * HOUR),
                "score": bank.interval,
                "gain": signed(gain) if gain is not None else "–",
                "hourly": signed(gain / hours) if gain is not None and hours else "–",
                "spent": span(bank.spent),
                "folds": bank.folds,
            }
        )
    return rows


def hourly(night: Night) -> str:
    """The ensemble's gain in an hour, in words; "" where it was banked once."""
    first, last = night.banks[0], night.banks[-1]
    hours = night.hours - first.hours
    if first is last or not hours:
        return ""
    return f"; {signed(night.better_by(last.interval.score, first.interval.score) / hours)} an hour since the first"


def members(night: Night) -> list[dict[str, Any]]:
    """Of the ensemble that is in best/, the heaviest first; its other members with weight 0 too."""
    if not night.banks:
        return []
    last = night.banks[-1]
    weights = {name: last.weights.get(name, 0.0) for name in [*last.weights, *last.models]}
    return [
        {
            "name": name,
            "weight": weight,
            "score": scored(interval_of(last.models[name])) if name in last.models else "",
        }
        for name, weight in sorted(weights.items(), key=lambda item: -item[1])
    ]


def classes(night: Night) -> list[dict[str, Any]]:
    """The worst first, each with its places between the ends of all, in percent."""
    rows = night.classes()
    values = [score for _, before, after in rows for score in (before, after) if score is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = (high - low) or 1.0

    def place(score: float | None) -> float | None:
        return None if score is None else round(100 * (score - low) / room, 1)

    return [
        {
            "name": name,
            "before": before,
            "after": after,
            "from": place(before),
            "to": place(after),
            "change": None if before is None else night.better_by(after, before),
        }
        for name, before, after in rows
    ]
