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
CLASSES = ("soil", "bedrock", "sand", "big rock")


def at(hours: float) -> str:
    return (BEGIN + timedelta(hours=hours)).isoformat()


def empty_study(higher: bool = True) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(study_name="fake", direction="maximize" if higher else "minimize")


def search(trials: int = 40, higher: bool = True, classes: Sequence[str] = CLASSES) -> tuple[optuna.Study, list[dict]]:
    """(study, events): `coarse`, whose lr decides, and `unet`; a few trials fail, most are pruned after one fold."""
    study, rng = empty_study(higher), np.random.default_rng(0)
    study.sampler = optuna.samplers.RandomSampler(seed=4)
    for model, good in zip(MODELS, (0.66, 0.61), strict=True):
        study.add_trial(declared(model, score(higher, good), classes))
    for number in range(trials):
        add_trial(study, "coarse" if number % 3 else "unet", (number + 1) / trials * 7.6, rng, higher, classes)
    return study, events(higher, classes)


def score(higher: bool, good: float) -> float:
    return good if higher else 20 * (1.5 - good)


def add_trial(study: optuna.Study, model: str, hours: float, rng: Any, higher: bool, classes: Sequence[str]) -> None:
    study.enqueue_trial({"model": model})
    trial = study.ask()
    trial.suggest_categorical("model", MODELS)
    lr = trial.suggest_float(f"{model}.lr", 1e-3, 2e-2, log=True)
    augment = trial.suggest_float(f"{model}.augment", 0.0, 1.5)
    if model == "coarse":
        trial.suggest_int("coarse.width", 16, 36, step=4)
    else:
        trial.suggest_categorical("unet.encoder", ["tu-resnet18", "tu-mobilenetv3_small_100", "tu-efficientnet_b0"])
    height, seconds = (0.69, 240.0) if model == "coarse" else (0.64, 420.0)
    good = height - 0.05 * abs(math.log(lr / 0.018)) - 0.02 * abs(augment - 1) + rng.normal(0, 0.006)
    value, luck, folds = score(higher, good), rng.random(), 5 if good > height - 0.045 else 1
    if luck < 0.08:
        trial.set_user_attr("reason", f"training diverged: the loss is NaN in epoch {int(luck * 100)}")
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    trial.report(value + 0.01, 0)
    trial.set_user_attr("folds", [{"seconds": seconds, "ended": at(hours)}] * folds)
    if folds == 1:
        trial.set_user_attr("reason", f"fold 0: {value:.3f}, worse than the best beyond noise")
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return
    trial.set_user_attr("interval", {"score": value, "low": value - 0.012, "high": value + 0.012})
    trial.set_user_attr("by_class", by_class(value, classes))
    study.tell(trial, value)


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
