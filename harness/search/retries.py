"""Failed trials: what is tried again, and what is not; and disk space for the next trial."""

import errno
import shutil
from dataclasses import replace

from harness import paths
from harness.competition import Competition
from harness.errors import UserError
from harness.prepare import Prepared
from harness.search.study import Study, TrialRun
from harness.training.workers import WorkerDied
from harness.training.workers.process import WorkerError

TRIES = 3
HALVINGS = 2  # of the batch
ROOM_FOR = 2  # trials must fit the free disk space
MEMORY_MESSAGES = ("out of memory", "can't allocate memory", "cannot allocate memory")


def retry(run: TrialRun, error: BaseException) -> tuple[TrialRun | None, str]:
    """(the run to try again, None where it has failed for good; a message).

    Out of memory: again with half the batch, as another run. A crash: again, up to three times. A user's error, or a
    loss that is NaN: never again.
    """
    message = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    batch = getattr(run.learner, "batch", 1)
    if out_of_memory(error) and run.halved < HALVINGS and batch > 1:
        learner = replace(run.learner, batch=batch // 2)  # type: ignore[call-arg]
        again = replace(run, learner=learner, halved=run.halved + 1, folds=[])
        return again, f"out of memory with batches of {batch}; trying {batch // 2}"
    if isinstance(error, UserError) and not isinstance(error, WorkerDied):
        return None, f"failed: {message}"
    run.failures += 1
    named = message if isinstance(error, WorkerError) else f"{type(error).__name__}: {message}"
    if run.failures >= TRIES:
        return None, f"failed {TRIES} times: {named}"
    return run, f"failed ({named}); trying again"


def out_of_memory(error: BaseException) -> bool:
    if isinstance(error, WorkerDied):
        return error.memory
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in MEMORY_MESSAGES)


def disk_full(error: BaseException) -> bool:
    return over_quota(error) or (isinstance(error, OSError) and error.errno == errno.ENOSPC)


def over_quota(error: BaseException) -> bool:
    """Whether a quota is used up; the free space that the disk reports is then not ours."""
    return isinstance(error, OSError) and error.errno == errno.EDQUOT


def free_disk_space(competition: Competition, prepared: Prepared, folds: int, study: Study, largest: int) -> bool:
    """Whether the next trials fit; the runs of pruned trials are deleted where they do not.

    largest: bytes of the largest complete run, 0 where none is complete: then its predictions in two views count.
    """
    rows = len(prepared.train) + folds * len(prepared.holdout)
    needed = ROOM_FOR * max(2 * competition.task.row_bytes(prepared.train.targets) * rows, largest)
    runs = paths.root() / "runs" / competition.name
    for name in study.pruned_names():
        if shutil.disk_usage(paths.root()).free >= needed:
            return True
        for folder in runs.glob(f"*/{name}-*/"):
            shutil.rmtree(folder)
    return shutil.disk_usage(paths.root()).free >= needed
