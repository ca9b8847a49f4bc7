"""The study: what was tried and what came of it, in Optuna's own tables, so that its dashboard reads it meanwhile.

A trial stays RUNNING until it has ended for good; whoever opens the study takes up those that nobody holds, so
that a kill costs no trial, no parameter and no count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness import paths
from harness.competition import Competition
from harness.errors import UserError
from harness.models import Learner
from harness.models.config import canonical, config_hash, revived
from harness.prepare import Prepared
from harness.search.claims import Claims
from harness.search.sampler import sampler
from harness.search.spaces import Named, variant
from harness.search.storage import hidden, tables, why

if TYPE_CHECKING:
    import optuna

DRAWN_TWICE = "the same as an earlier trial"  # the reason of trials that count nowhere
ORPHANED = timedelta(seconds=20)  # a trial this young may not have been claimed yet by the machine that made it


@dataclass(eq=False)
class Entry:
    """A trial that is worked on here. name: of the member and its bundle, "<model>.<trial>" or the declared model's.

    trial: its number; None for a specialist, which is trained once and not searched. raced: whether it may be cut.
    parent: the trial that it trains longer. value: its score, when it is complete.
    """

    name: str
    model: str
    learner: Learner
    trial: optuna.Trial | optuna.trial.FrozenTrial | None
    raced: bool = True
    parent: int | None = None
    value: float | None = None
    folds: list[dict[str, Any]] = field(default_factory=list)
    failures: int = 0
    halved: int = 0

    @property
    def number(self) -> int | None:
        return None if self.trial is None else self.trial.number

    @property
    def config_hash(self) -> str:
        return config_hash(self.learner)


class Unlucky(UserError):
    """A space that has worked before raised: this trial has failed, and the next one may not."""


class Study:
    """Open it with `opened`."""

    def __init__(self, study: optuna.Study, claims: Claims, competition: Competition):
        self.optuna, self.claims, self.competition = study, claims, competition

    @property
    def models(self) -> tuple[str, ...]:
        """Those that are searched; a choice may not change within a study."""
        return tuple(self.optuna.user_attrs["models"])

    # -- beginning -----------------------------------------------------------------------------------------------------

    def ask(self, learners: Mapping[str, Learner], epochs: Mapping[str, int]) -> Entry:
        """A new variant of one of these; raise `UserError` where its space cannot be used."""
        return self._drawn(self._begun(), learners, epochs)

    def declared(self, name: str, learner: Learner) -> Entry:
        """The declaration's own variant of a model."""
        import optuna

        choice = optuna.distributions.CategoricalDistribution(self.models)
        trial = self._born({"model": name}, {"model": choice}, declared=True)
        return self.renoted(Entry(name, name, learner, trial, raced=False))

    def longer(self, of: Entry, learner: Learner) -> Entry:
        """The same variant on a longer schedule."""
        assert of.trial
        trial = self._born(of.trial.params, of.trial.distributions, longer=of.number)
        name = f"{of.model}.{trial.number}"
        return self.renoted(Entry(name, of.model, learner, trial, raced=False, parent=of.number))

    def _begun(self) -> optuna.Trial:
        while not self.claims.take((trial := self.optuna.ask())._trial_id):
            pass  # another search was so quick to take it up
        return trial

    def _born(self, params: Any, distributions: Any, **attributes: Any) -> optuna.Trial:
        """A trial with these parameters from its birth on: a place in Optuna's queue outlives a kill, and goes to
        whichever search asks next."""
        import optuna

        running = optuna.trial.TrialState.RUNNING
        made = optuna.trial.create_trial(
            state=running, params=params, distributions=distributions, user_attrs=attributes
        )
        trial = self.optuna._storage.create_new_trial(self.optuna._study_id, made)
        self.claims.take(trial)
        return optuna.Trial(self.optuna, trial)

    def _drawn(self, trial: optuna.Trial, learners: Mapping[str, Learner], epochs: Mapping[str, int]) -> Entry:
        model = trial.suggest_categorical("model", self.models)
        trial._relative_params = None  # to be drawn now that the model is known, for that model alone
        entry = Entry(f"{model}.{trial.number}", model, learners[model], trial)
        try:
            entry.learner = variant(self.competition, Named(trial, model), model, learners[model], epochs[model])
        except UserError as error:
            self.fail(entry, str(error))
            if self._worked(model):
                raise Unlucky(str(error)) from error
            raise
        return self.renoted(entry)

    def _worked(self, model: str) -> bool:
        """Whether the model's space has given a variant before."""
        drawn = [trial for trial in self._all() if "config" in trial.user_attrs and raced(trial.user_attrs)]
        return model in {trial.params["model"] for trial in drawn}

    def renoted(self, entry: Entry) -> Entry:
        """With what it is in the study; its config comes last, so that whoever finds that finds all."""
        halved = {"halved": entry.halved} if entry.halved else {}
        whole = {"name": entry.name, "config_hash": entry.config_hash, **halved, "config": canonical(entry.learner)}
        self.note(entry, **whole)
        return entry

    def note(self, entry: Entry, **attributes: Any) -> None:
        if entry.trial is not None:
            for name, value in attributes.items():
                self.optuna._storage.set_trial_user_attr(entry.trial._trial_id, name, value)

    def unfinished(self, learners: Mapping[str, Learner], epochs: Mapping[str, int]) -> Iterator[Entry]:
        """Trials that were begun and are held by nobody, with the same parameters."""
        import optuna

        for frozen in self.optuna.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            young = frozen.datetime_start and datetime.now() - frozen.datetime_start < ORPHANED
            if (young and self.claims.shared) or not self.claims.take(frozen._trial_id):
                continue
            trial = optuna.Trial(self.optuna, frozen._trial_id)
            if "config" in frozen.user_attrs:
                entry = self._known(trial, frozen.user_attrs)
                if entry.raced and self.drawn_before(entry):
                    self.cut(entry, DRAWN_TWICE)  # killed just before this was done
                else:
                    yield entry
            elif "declared" in frozen.user_attrs or "longer" in frozen.user_attrs:
                self.optuna.tell(frozen.number, state=optuna.trial.TrialState.FAIL)  # killed at birth; made again
            else:
                with suppress(UserError):  # its space raises: it has failed, with that reason
                    yield self._drawn(trial, learners, epochs)

    def _known(self, trial: optuna.Trial | optuna.trial.FrozenTrial, noted: Mapping[str, Any]) -> Entry:
        model, learner = trial.params["model"], revived(noted["config"])
        entry = Entry(noted["name"], model, learner, trial, raced(noted), noted.get("longer"))
        entry.failures, entry.halved = noted.get("failures", 0), noted.get("halved", 0)
        return entry

    # -- ending --------------------------------------------------------------------------------------------------------

    def scored(self, entry: Entry, fold: Mapping[str, Any], score: float) -> None:
        """One more fold; score: of all rows so far."""
        entry.folds.append(dict(fold))
        self.note(entry, folds=entry.folds)
        if entry.trial is not None:
            step = len(entry.folds) - 1  # again after a kill: `report` would refuse it, with a warning
            self.optuna._storage.set_trial_intermediate_value(entry.trial._trial_id, step, score)

    def finish(self, entry: Entry, value: float, **attributes: Any) -> None:
        entry.value = value
        self.note(entry, **attributes)
        self._tell(entry, value, "COMPLETE")

    def cut(self, entry: Entry, reason: str) -> None:
        self.note(entry, reason=reason)
        self._tell(entry, None, "PRUNED")

    def fail(self, entry: Entry, reason: str) -> None:
        self.note(entry, name=entry.name, reason=reason)
        self._tell(entry, None, "FAIL")

    def _tell(self, entry: Entry, value: float | None, state: str) -> None:
        import optuna

        if entry.trial is not None:
            self.claims.require_alive()
            self.optuna.tell(entry.trial.number, value, state=optuna.trial.TrialState[state])
            self.claims.release(entry.trial._trial_id)

    # -- looking back --------------------------------------------------------------------------------------------------

    def finished(self) -> list[Entry]:
        """The complete trials, the best first."""
        done = [trial for trial in self._trials("COMPLETE") if trial.value is not None]
        entries = [replace(self._known(trial, trial.user_attrs), value=trial.value) for trial in done]
        higher = self.competition.metric.higher_is_better
        return sorted(entries, key=lambda entry: entry.value or 0.0, reverse=higher)

    def counts(self) -> dict[str, int]:
        """{"finished", "cut", "failed"}, of all searches on this study; what was drawn twice counts nowhere."""
        ended = [(trial.state.name, trial.user_attrs.get("reason", "")) for trial in self._all()]
        cut = sum(state == "PRUNED" and reason != DRAWN_TWICE for state, reason in ended)
        failed = sum(state == "FAIL" and reason != "" for state, reason in ended)
        return {"finished": sum(state == "COMPLETE" for state, _ in ended), "cut": cut, "failed": failed}

    def drawn_before(self, entry: Entry) -> bool:
        """Whether an earlier trial, of whichever search, is the same variant."""
        number, same = entry.number or 0, entry.config_hash
        return any(noted.get("config_hash") == same for noted in self._noted()[:number])

    def names(self, state: str) -> list[str]:
        return [trial.user_attrs["name"] for trial in self._trials(state) if "name" in trial.user_attrs]

    def lengthened(self) -> set[int]:
        """The numbers of the trials that were trained longer."""
        return {noted["longer"] for noted in self._noted() if "longer" in noted and "config" in noted}

    def _noted(self) -> list[dict[str, Any]]:
        return [trial.user_attrs for trial in self._all()]

    def _trials(self, state: str) -> list[optuna.trial.FrozenTrial]:
        return [trial for trial in self._all() if trial.state.name == state]

    def _all(self) -> list[optuna.trial.FrozenTrial]:
        return self.optuna.get_trials(deepcopy=False)


def raced(noted: Mapping[str, Any]) -> bool:
    """Whether a trial with these attributes was drawn, and may be cut."""
    return not {"declared", "longer"} & set(noted)


WORDS = {"data_hash": "data", "train_hash": "rows or folds", "models": "models"}


def opened(competition: Competition, prepared: Prepared, train: str, models: list[str], storage: str | None) -> Study:
    """The study of these data, made or gone on with; raise `UserError` where it is about others or not to be had."""
    import optuna
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    file = paths.searches(competition.name, prepared.data_hash) / "study.db"
    file.parent.mkdir(parents=True, exist_ok=True)
    url = storage or f"sqlite:///{file}"
    try:
        claims = Claims(url)
        with claims.alone():
            study = optuna.create_study(
                storage=tables(url),
                study_name=competition.name,
                direction="maximize" if competition.metric.higher_is_better else "minimize",
                sampler=sampler(),
                load_if_exists=True,
            )
        claims.study = study._study_id
    except (SQLAlchemyError, ArgumentError, ImportError, optuna.exceptions.StorageInternalError) as error:
        raise UserError(f"the study's storage {hidden(url)} cannot be used: {why(error)}; look at STORAGE=") from error
    about = {"data_hash": prepared.data_hash, "train_hash": train, "models": models}
    for name, value in about.items():
        known = study.user_attrs.get(name)
        if known is None:
            study.set_user_attr(name, value)
        elif known != value:
            raise UserError(
                f"the study of {competition.name} in {hidden(url)} is about other {WORDS[name]} ({known} instead of "
                f"{value}); search on those, or name another STORAGE=, or remove it"
            )
    return Study(study, claims, competition)
