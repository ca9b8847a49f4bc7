"""Where the next trial is drawn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

STARTUP = 8  # random trials before the sampler has something to learn from


def sampler() -> optuna.samplers.BaseSampler:
    """Multivariate TPE (Falkner et al. 2018, arXiv 1807.01774), one group of parameters a model; who is running counts
    as bad, so that workers look elsewhere."""
    import warnings

    import optuna

    class OneModel(optuna.samplers.TPESampler):
        """Draws for a trial's own model only; groups are drawn independently, so that it is the same draw, sooner."""

        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
            if "model" not in trial.params:
                return {}
            space = super().infer_relative_search_space(study, trial)
            return {name: limits for name, limits in space.items() if name.startswith(f"{trial.params['model']}.")}

        def sample_relative(self, study: Any, trial: Any, search_space: dict[str, Any]) -> dict[str, Any]:
            return super().sample_relative(study, trial, search_space) if search_space else {}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return OneModel(multivariate=True, group=True, n_startup_trials=STARTUP)
