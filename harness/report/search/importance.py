"""Which parameters mattered, model by model: PED-ANOVA (Watanabe et al. 2023, arXiv 2304.10255), by Optuna.

Measured on the score of the first fold, which the trials have that were cut after it too: those that finished are the
good ones, and say little of what makes a bad one.
"""

import warnings
from collections.abc import Sequence

from harness.report.search.facts import Night, Variant

FEWEST = 10  # trials of a model
AMONG_THE_BEST = 5  # trials at least, as Optuna's documentation asks for
BEST_SHARE, LARGEST_SHARE = 0.1, 0.5


def importances(night: Night) -> dict[str, dict[str, float]]:
    """Shares of 1 by model and parameter, the largest first; only of models with enough trials."""
    searched = {model: varied(night, model) for model in night.models}
    return {model: shares(variants, night.higher) for model, variants in searched.items() if len(variants) >= FEWEST}


def varied(night: Night, model: str) -> list[Variant]:
    """Those that were suggested, and got as far as a score."""
    return [v for v in night.variants if v.model == model and v.params and v.first is not None and v.state != "running"]


def shares(variants: Sequence[Variant], higher: bool) -> dict[str, float]:
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it would tell of the study that is made here
    try:
        study = optuna.create_study(direction="maximize" if higher else "minimize")
        study.add_trials(
            [optuna.create_trial(params=dict(v.params), distributions=dict(v.limits), value=v.first) for v in variants]
        )
    finally:
        optuna.logging.set_verbosity(level)
    share = min(LARGEST_SHARE, max(BEST_SHARE, AMONG_THE_BEST / len(variants)))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=share)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a parameter whose range changed from one night to the next
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return dict(sorted(found.items(), key=lambda item: -item[1]))
