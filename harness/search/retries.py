"""A trial that fails by its own doing: what is tried again, and what is not."""

import errno
from dataclasses import replace

from harness.errors import UserError
from harness.search.study import Entry
from harness.training.workers import WorkerDied

TRIES = 3
HALVINGS = 2  # of the batch
STARVED = ("out of memory", "can't allocate memory", "cannot allocate memory")


def remedy(entry: Entry, error: BaseException) -> tuple[Entry | None, str]:
    """(the entry to go on with, or None, and why): memory: with half the batch, as another entry; a crash: as it is, up
    to the third time; what a person must mend, and a loss that is no number: not again.
    """
    told = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    batch = getattr(entry.learner, "batch", 1)
    if starved(error) and entry.halved < HALVINGS and batch > 1:
        learner = replace(entry.learner, batch=batch // 2)  # type: ignore[call-arg]
        again = replace(entry, learner=learner, halved=entry.halved + 1, folds=[])
        return again, f"out of memory with batches of {batch}; again with {batch // 2}"
    if isinstance(error, UserError) and not isinstance(error, WorkerDied):
        return None, f"failed: {told}"
    entry.failures += 1
    if entry.failures >= TRIES:
        return None, f"failed {TRIES} times: {type(error).__name__}: {told}"
    return entry, f"failed ({type(error).__name__}: {told}); tried again"


def full(error: BaseException) -> bool:
    """Whether the disk is, or what we may have of it."""
    return over_quota(error) or (isinstance(error, OSError) and error.errno == errno.ENOSPC)


def over_quota(error: BaseException) -> bool:
    """Then the free space that the disk tells of is not ours."""
    return isinstance(error, OSError) and error.errno == errno.EDQUOT


def starved(error: BaseException) -> bool:
    if isinstance(error, WorkerDied):
        return error.memory
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in STARVED)
