"""Where the next trial is drawn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

STARTUP = 8  # random trials before the sampler has something to learn from


def sampler() -> optuna.samplers.BaseSampler:
    """Multivariate TPE (Falkner et al. 2018, arXiv 1807.01774) on a trial's own model; who is running counts as bad, so
    that workers look elsewhere."""
    import optuna

    class OneModel(optuna.samplers.TPESampler):
        """Draws at once what all complete variants of a trial's model have in common, the rest one by one.

        Optuna's own groups of parameters would do, but for going through all trials again at every draw.
        """

        def __init__(self, **options: Any):
            super().__init__(**options)
            self.seen, self.spaces = set[int](), dict[str, dict[str, Any]]()

        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
            complete = (optuna.trial.TrialState.COMPLETE,)
            for done in study._get_trials(deepcopy=False, states=complete, use_cache=True):
                if done.number not in self.seen:
                    self.seen.add(done.number)
                    self.learn(done.params["model"], done.distributions)
            return self.spaces.get(trial.params.get("model"), {})

        def learn(self, model: str, limits: dict[str, Any]) -> None:
            """As wide as in the latest trial; in an order that every process shares."""
            drawn = {name for name, limit in limits.items() if name.startswith(f"{model}.") and not limit.single()}
            if drawn:  # the declared variant draws nothing
                common = drawn.intersection(self.spaces.get(model, drawn))
                self.spaces[model] = {name: limits[name] for name in sorted(common)}

    return OneModel(multivariate=True, n_startup_trials=STARTUP)
