"""The study: every trial and its results, in Optuna's own tables, so that its dashboard can read them meanwhile.

A trial stays RUNNING until it ends for good. Whoever opens the study resumes the trials that no search holds, with the
same number and parameters, so a kill loses no trial and counts none twice.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness import paths
from harness.competition import Competition
from harness.errors import UserError
from harness.models import Learner
from harness.models.config import canonical, config_hash, revived
from harness.prepare import Prepared
from harness.search.spaces import ModelTrial, variant
from harness.search.storage import TrialLocks, open_storage, why, without_password

if TYPE_CHECKING:
    import optuna

STARTUP = 8  # random trials before the sampler has something to learn from
DUPLICATE = "the same as an earlier trial"  # the reason of trials that count nowhere
JUST_CREATED = timedelta(seconds=20)  # a younger trial may not be locked yet by the search that created it


@dataclass(eq=False)
class TrialRun:
    """A trial that this search trains. name: of the member and its run, "<model>.<number>" or the declared model's.

    number: None for a specialist, which is trained once and not searched. parent: the trial that it trains longer.
    value: its score, once it is complete. halved: how often its batch was halved because memory ran out.
    """

    name: str
    model: str
    learner: Learner
    number: int | None
    prunable: bool = True
    parent: int | None = None
    value: float | None = None
    folds: list[dict[str, Any]] = field(default_factory=list)
    failures: int = 0
    halved: int = 0

    @property
    def config_hash(self) -> str:
        return config_hash(self.learner)


class TrialFailed(UserError):
    """A search space that has worked before raised: this trial has failed, and the next one may not."""


class Study:
    """An Optuna study with what this search adds to its trials; `open_study` makes it."""

    def __init__(
        self, study: optuna.Study, storage: optuna.storages.BaseStorage, locks: TrialLocks, competition: Competition
    ):
        self.optuna, self.storage, self.locks, self.competition = study, storage, locks, competition
        self.study_id = locks.study_id = storage.get_study_id_from_name(study.study_name)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are searched; a choice may not change within a study."""
        return tuple(self.optuna.user_attrs["models"])

    # -- starting a trial ----------------------------------------------------------------------------------------------

    def enqueue_declared(self, model: str) -> None:
        """Queue the declaration's own variant of a model, unless it is queued already."""
        waiting = [trial.user_attrs.get("declared") for trial in self._trials("WAITING")]
        if model not in waiting:
            self.optuna.enqueue_trial({"model": model}, user_attrs={"declared": model})

    def enqueue_longer(self, parent: TrialRun, learner: Learner) -> None:
        """Queue the parent's parameters with this learner, which has a longer schedule."""
        params = next(trial.params for trial in self._trials() if trial.number == parent.number)
        self.optuna.enqueue_trial(params, user_attrs={"longer": parent.number, "planned": canonical(learner)})

    def ask(self, learners: Mapping[str, Learner], epochs: Mapping[str, int]) -> TrialRun:
        """The first trial of the queue, else a sampled one. Raise `UserError` where a search space cannot be used."""
        trial = self.optuna.ask()
        while not self.locks.take(self._id(trial.number)):  # another search was so quick to resume it
            trial = self.optuna.ask()
        model = trial.suggest_categorical("model", self.models)
        attributes, run = trial.user_attrs, TrialRun(f"{model}.{trial.number}", model, learners[model], trial.number)
        if "declared" in attributes:
            scheduled = replace(run.learner, epochs=epochs[model])
            return self.save(replace(run, name=model, learner=scheduled, prunable=False))
        try:
            run.learner = variant(self.competition, ModelTrial(trial, model), run.learner, epochs[model])
        except UserError as error:
            self.fail(run, str(error))
            sampled = [
                other for other in self._trials() if "config" in other.user_attrs and _prunable(other.user_attrs)
            ]
            if model in {other.params["model"] for other in sampled}:  # its space has given a variant before
                raise TrialFailed(str(error)) from error
            raise
        if "longer" in attributes:
            planned = revived(attributes["planned"])
            run = replace(run, learner=planned, prunable=False, parent=attributes["longer"])
        return self.save(run)

    def save(self, run: TrialRun) -> TrialRun:
        """Write what the trial is; its config comes last, so that a trial with a config is whole.

        The hash stays that of the sampled configuration where the batch is halved: the same one is a duplicate later.
        """
        more = {"halved": run.halved} if run.halved else {"config_hash": run.config_hash}
        self.note(run, name=run.name, **more, config=canonical(run.learner))
        return run

    def note(self, run: TrialRun, **attributes: Any) -> None:
        """Write user attributes of the trial."""
        if run.number is not None:
            for name, value in attributes.items():
                self.storage.set_trial_user_attr(self._id(run.number), name, value)

    def unfinished(self) -> Iterator[TrialRun]:
        """Started trials that no search holds; one that was killed while it was sampled has trained nothing yet."""
        for trial in self._trials("RUNNING"):
            young = trial.datetime_start and datetime.now() - trial.datetime_start < JUST_CREATED
            if (young and self.locks.shared) or not self.locks.take(self._id(trial.number)):
                continue
            if "config" not in trial.user_attrs:
                self._tell(trial.number, None, "FAIL")
                continue
            run = self._run_of(trial)
            if run.prunable and self.is_duplicate(run):
                self.prune(run, DUPLICATE)  # killed just before this was done
            else:
                yield run

    def _run_of(self, trial: optuna.trial.FrozenTrial) -> TrialRun:
        attributes = trial.user_attrs
        return TrialRun(
            name=attributes["name"],
            model=trial.params["model"],
            learner=revived(attributes["config"]),
            number=trial.number,
            prunable=_prunable(attributes),
            parent=attributes.get("longer"),
            failures=attributes.get("failures", 0),
            halved=attributes.get("halved", 0),
        )

    # -- ending a trial ------------------------------------------------------------------------------------------------

    def report(self, run: TrialRun, fold: Mapping[str, Any], score: float) -> None:
        """Write one more fold; score: of all rows so far."""
        run.folds.append(dict(fold))
        self.note(run, folds=run.folds)
        if run.number is not None:
            self.storage.set_trial_intermediate_value(self._id(run.number), len(run.folds) - 1, score)

    def finish(self, run: TrialRun, value: float, **attributes: Any) -> None:
        run.value = value
        self.note(run, **attributes)
        self._tell(run.number, value, "COMPLETE")

    def prune(self, run: TrialRun, reason: str) -> None:
        self.note(run, reason=reason)
        self._tell(run.number, None, "PRUNED")

    def fail(self, run: TrialRun, reason: str) -> None:
        self.note(run, name=run.name, reason=reason)
        self._tell(run.number, None, "FAIL")

    def _tell(self, number: int | None, value: float | None, state: str) -> None:
        import optuna

        if number is not None:
            self.locks.require_connection()
            self.optuna.tell(number, value, state=optuna.trial.TrialState[state])
            self.locks.release(self._id(number))

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)

    # -- reading -------------------------------------------------------------------------------------------------------

    def finished(self) -> list[TrialRun]:
        """The complete trials, the best first."""
        runs = [replace(self._run_of(trial), value=trial.value) for trial in self._trials("COMPLETE")]
        return sorted(runs, key=lambda run: run.value or 0.0, reverse=self.competition.metric.higher_is_better)

    def counts(self) -> dict[str, int]:
        """{"finished", "pruned", "failed"}, of all searches on this study; "pruned" is without duplicates."""
        reasons = [(trial.state.name, trial.user_attrs.get("reason", "")) for trial in self._trials()]
        states = Counter(state for state, reason in reasons if reason != DUPLICATE and (state != "FAIL" or reason))
        return {"finished": states["COMPLETE"], "pruned": states["PRUNED"], "failed": states["FAIL"]}

    def is_duplicate(self, run: TrialRun) -> bool:
        """Whether an earlier trial, of whichever search, has the same configuration."""
        earlier = self._trials()[: run.number or 0]
        return any(trial.user_attrs.get("config_hash") == run.config_hash for trial in earlier)

    def pruned_names(self) -> list[str]:
        return [trial.user_attrs["name"] for trial in self._trials("PRUNED")]

    def lengthened(self) -> set[int]:
        """The numbers of the trials that were trained longer, or are queued to be."""
        tried = [trial for trial in self._trials() if "longer" in trial.user_attrs]
        kept = [trial for trial in tried if trial.state.name != "FAIL" or "config" in trial.user_attrs]
        return {trial.user_attrs["longer"] for trial in kept}

    def _trials(self, state: str = "") -> list[optuna.trial.FrozenTrial]:
        """Of one state, or all."""
        every = self.optuna.get_trials(deepcopy=False)
        return [trial for trial in every if trial.state.name == state] if state else every


def _prunable(attributes: Mapping[str, Any]) -> bool:
    """Whether a trial with these attributes was sampled; declared and longer ones run to their end."""
    return not {"declared", "longer"} & set(attributes)


def open_study(
    competition: Competition, prepared: Prepared, train_hash: str, models: list[str], url: str | None
) -> Study:
    """Create or resume the study of these data. Raise `UserError` where it is about others, or cannot be reached.

    It samples by multivariate TPE (Falkner et al. 2018, arXiv 1807.01774), which groups the parameters by model.
    Running trials count as bad, so that workers sample elsewhere.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    file = paths.searches(competition.name, prepared.data_hash) / "study.db"
    file.parent.mkdir(parents=True, exist_ok=True)
    url = url or f"sqlite:///{file}"
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):  # for `group`
        sampler = optuna.samplers.TPESampler(multivariate=True, group=True, n_startup_trials=STARTUP)
    name = competition.name
    try:
        locks = TrialLocks(url)
        with locks.creating():
            storage = open_storage(url)
            study = optuna.create_study(
                storage=storage,
                study_name=name,
                direction="maximize" if competition.metric.higher_is_better else "minimize",
                sampler=sampler,
                load_if_exists=True,
            )
    except (SQLAlchemyError, ImportError, optuna.exceptions.StorageInternalError) as error:
        raise UserError(
            f"the study's storage {without_password(url)} cannot be used: {why(error)}; check STORAGE="
        ) from error
    about = (("data_hash", "data", prepared.data_hash), ("train_hash", "rows or folds", train_hash))
    for attribute, what, value in (*about, ("models", "models", models)):
        known = study.user_attrs.get(attribute)
        if known is None:
            study.set_user_attr(attribute, value)
        elif known != value:
            raise UserError(
                f"the study of {name} in {without_password(url)} is about other {what} ({known} instead of {value}); "
                "search on those, or name another STORAGE=, or remove it"
            )
    return Study(study, storage, locks, competition)
