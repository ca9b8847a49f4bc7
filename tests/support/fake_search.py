"""A study and its events as an overnight search leaves them, made in milliseconds: for the search report."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import optuna

from harness.report.search_history import END, REFUSED, START

BEGIN = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
MODELS = ("coarse", "unet")
ENCODERS = ("tu-resnet18", "tu-mobilenetv3_small_100")
LIMITS = {
    "lr": optuna.distributions.FloatDistribution(1e-3, 2e-2, log=True),
    "augment": optuna.distributions.FloatDistribution(0.0, 1.5),
    "encoder": optuna.distributions.CategoricalDistribution(ENCODERS),
}
CLASSES = ("soil", "bedrock", "sand", "big rock")


def at(hours: float) -> str:
    return (BEGIN + timedelta(hours=hours)).isoformat()


def empty_study(higher: bool = True) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(study_name="fake", direction="maximize" if higher else "minimize")


def search(trials: int = 40, higher: bool = True, classes: Sequence[str] = CLASSES) -> tuple[optuna.Study, list[dict]]:
    """(study, events): `coarse`, whose lr decides, and `unet`; a few trials fail, most are pruned after one fold."""
    study, rng = empty_study(higher), np.random.default_rng(0)
    for model, good in zip(MODELS, (0.66, 0.61), strict=True):
        study.add_trial(declared(model, score(higher, good), classes))
    for number in range(trials):
        model = "coarse" if number % 3 else "unet"
        lr, augment = float(10 ** rng.uniform(-3, -1.7)), float(rng.uniform(0, 1.5))
        height = 0.69 if model == "coarse" else 0.64
        good = height - 0.05 * abs(math.log(lr / 0.019)) - 0.02 * abs(augment - 1) + rng.normal(0, 0.006)
        params = {"lr": lr, "augment": augment, "encoder": ENCODERS[number % 2]}
        study.add_trial(sampled(model, params, number, score(higher, good), good > height - 0.045))
    return study, events(higher, classes)


def score(higher: bool, good: float) -> float:
    return good if higher else 20 * (1.5 - good)


def sampled(model: str, params: dict[str, Any], number: int, value: float, good: bool) -> optuna.trial.FrozenTrial:
    given = of(model)
    given["params"] |= {f"{model}.{name}": setting for name, setting in params.items()}
    given["distributions"] |= {f"{model}.{name}": limits for name, limits in LIMITS.items()}
    if number % 10 == 9:
        stored = {"reason": f"training diverged: the loss is NaN in epoch {number}"}
        return optuna.create_trial(state=optuna.trial.TrialState.FAIL, user_attrs=stored, **given)
    seconds, given["intermediate_values"] = 240.0 if model == "coarse" else 420.0, {0: value + 0.01}
    stored = {"folds": [{"seconds": seconds, "ended": at(0.18 * (number + 1))}] * (5 if good else 1)}
    if not good:
        stored["reason"] = f"fold 0: {value:.3f}, worse than the best beyond noise"
        return optuna.create_trial(state=optuna.trial.TrialState.PRUNED, user_attrs=stored, **given)
    stored["interval"] = {"score": value, "low": value - 0.012, "high": value + 0.012}
    return optuna.create_trial(value=value, user_attrs=stored, **given)


def declared(model: str, value: float, classes: Sequence[str]) -> optuna.trial.FrozenTrial:
    """The declaration's own variant: nothing of it was suggested."""
    stored = {
        "declared": True,
        "interval": {"score": value, "low": value - 0.012, "high": value + 0.011},
        "by_class": by_class(value, classes),
        "folds": [{"seconds": 300.0, "ended": at(0.4)}] * 5,
    }
    return optuna.create_trial(value=value, user_attrs=stored, intermediate_values={0: value}, **of(model))


def of(model: str) -> dict[str, Any]:
    """What makes a trial one of this model."""
    choice = optuna.distributions.CategoricalDistribution(MODELS)
    return {"params": {"model": model}, "distributions": {"model": choice}}


def by_class(value: float, classes: Sequence[str]) -> dict[str, float]:
    places = np.linspace(0.15, -0.35, len(classes)).tolist()
    return {name: value + place for name, place in zip(classes, places, strict=True)}


def saved(hours: float, value: float, weights: dict[str, float], classes: Sequence[str]) -> dict[str, Any]:
    """The event of an incumbent."""
    interval = {"score": value, "low": value - 0.011, "high": value + 0.012}
    models, worth = dict.fromkeys(weights, interval), by_class(value + 0.01, classes)
    ensemble = {"in_sample": value + 0.004, "by_class": worth, "weights": weights, "models": models}
    return {"at": at(hours), "event": "incumbent", **interval, **ensemble, "folds": 5, "spent": 3600 * 1.9 * hours}


def events(higher: bool, classes: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"at": at(0), "event": START, "hours": 8, "workers": 2, "trials": 0},
        saved(0.1, score(higher, 0.62), {"coarse": 1.0}, classes),
        saved(0.9, score(higher, 0.671), {"coarse": 0.7, "unet": 0.3}, classes),
        saved(5.1, score(higher, 0.703), {"coarse.9": 0.45, "coarse.26": 0.35, "unet.13": 0.2}, classes),
        {"at": at(6.7), "event": REFUSED, "score": score(higher, 0.701), "seconds": 20.0},
        {"at": at(7.9), "event": END, "seconds": 7.9 * 3600, "why": "the time is up"},
    ]
