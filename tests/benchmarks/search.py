"""Row 9: what the search's book-keeping costs a trial: the storage alone, and all of it after a thousand trials."""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness.competition import find
from harness.prepare import Prepared
from harness.search.storage import TrialLocks, open_storage
from harness.search.study import Study, open_study
from harness.submission.writer import now
from tests.benchmarks.protocol import Result, in_turn, ratios, timed, typical

if TYPE_CHECKING:
    import optuna

TRIALS, PARAMETERS, REPORTS, ROUNDS = 30, 8, 10, 3
FINISHED = 1000  # before the overhead is measured
FEW = 20  # trials that measure it, a round
COMPETITION, MODELS = "mars", ("coarse", "micro")  # 8 parameters each, and the model
EPOCHS = dict.fromkeys(MODELS, 20)


def overhead() -> list[Result]:
    with TemporaryDirectory() as folder, own_home(folder):
        return [against_default(Path(folder)), at_a_thousand()]


# -- 9a: the storage ---------------------------------------------------------------------------------------------------


def against_default(folder: Path) -> Result:
    """Wall, of the trials alone: each round is a new study in a new file; Optuna's default sampler on both."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    files = (f"sqlite:///{folder}/{number}.db" for number in itertools.count())

    def ours() -> float:
        return timed_trials(open_storage(next(files)))

    arms = {"default": lambda: timed_trials(optuna.storages.RDBStorage(next(files))), "ours": ours, "again": ours}
    taken = in_turn(arms, ROUNDS)
    default, own = (1e3 * typical(taken, arm) / TRIALS for arm in ("default", "ours"))
    return Result(
        row="9a",
        goal="a trial on Optuna's default SQLite / on ours",
        target=8,
        values=ratios(taken, "default", "ours"),
        control=ratios(taken, "ours", "again"),
        note=f"{default:.0f} ms and {own:.0f} ms a trial of {PARAMETERS} parameters and {REPORTS} reports; the default "
        "syncs the disk at every entry",
    )


def timed_trials(storage: "optuna.storages.BaseStorage") -> float:
    import optuna

    study = optuna.create_study(storage=storage)
    taken = timed(lambda: [bare_trial(study, number) for number in range(TRIALS)])
    storage.remove_session()
    return taken


def bare_trial(study: "optuna.Study", number: int) -> None:
    trial = study.ask()
    for parameter in range(PARAMETERS):
        trial.suggest_float(f"x{parameter}", 0, 1)
    for step in range(REPORTS):
        trial.report(number / TRIALS, step)
    study.tell(trial, number / TRIALS)


# -- 9b: everything, when the study is large ---------------------------------------------------------------------------


def at_a_thousand() -> Result:
    """Wall; seconds of training are none, so all that is left is the sampler and the storage."""
    study = filled()

    def each(clock: Callable[[], float] = time.perf_counter) -> float:
        return 1e3 * timed(lambda: [whole_trial(study, number) for number in range(FEW)], clock) / FEW

    taken = in_turn({"trial": each, "again": each}, ROUNDS)
    counts = 1e3 * timed(lambda: [study.counts() for _ in range(FEW)]) / FEW
    return Result(
        row="9b",
        goal=f"the search's overhead a trial, {FINISHED} being finished",
        target=50,
        at_most=True,
        unit=" ms",
        values=[costs["trial"] for costs in taken],
        control=ratios(taken, "trial", "again"),
        note=f"a variant of {' or '.join(MODELS)} of {COMPETITION} is drawn, noted, scored five times and ended: "
        f"{each(time.process_time):.0f} ms of the processor; what the table of a terminal asks every second takes "
        f"{counts:.1f} ms besides",
    )


def filled() -> Study:
    """A study on the disk with trials that were gone through in memory, at random."""
    import optuna

    competition = find(COMPETITION)
    study = open_study(competition, Prepared(COMPETITION, "made"), "made", list(MODELS), None)
    storage = optuna.storages.InMemoryStorage()
    sampler = optuna.samplers.RandomSampler(seed=0)
    memory = optuna.create_study(direction="maximize", sampler=sampler, storage=storage)
    memory.set_user_attr("models", list(MODELS))
    draft = Study(memory, storage, TrialLocks("sqlite://"), competition)
    for number in range(FINISHED):
        whole_trial(draft, number)
    study.optuna.add_trials(memory.get_trials(deepcopy=False))
    return study


def whole_trial(study: Study, number: int) -> None:
    """What `SearchLoop` does with a variant that ends well, but for the training."""
    learners = {name: study.competition.models[name] for name in MODELS}
    trial, value = study.ask(learners, EPOCHS), number * 0.618 % 1
    for fold in range(5):
        study.report(trial, {"fold": fold, "score": value, "seconds": 60.0, "ended": now()}, value)
    classes = dict.fromkeys(("soil", "bedrock", "sand", "big_rock"), value)
    whole: dict[str, Any] = {"score": value, "low": value - 0.01, "high": value + 0.01}
    study.finish(trial, value, interval=whole, by_class=classes, model_run=f"runs/{trial.name}")


@contextmanager
def own_home(folder: str) -> Iterator[None]:
    before = os.environ.get("HARNESS_HOME")
    os.environ["HARNESS_HOME"] = folder
    try:
        yield
    finally:
        os.environ.pop("HARNESS_HOME")
        os.environ.update({} if before is None else {"HARNESS_HOME": before})
