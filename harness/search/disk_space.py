"""Disk space for one more trial: the predictions of trials that were cut go first."""

import shutil

from harness import paths
from harness.competition import Competition
from harness.prepare import Prepared
from harness.search.study import Study

TRIALS = 2  # must fit


def make_room(competition: Competition, prepared: Prepared, folds: int, study: Study, largest: int) -> bool:
    """Whether there is room now. largest: bytes of the largest complete bundle; of one that is all predictions, where
    none is complete yet.
    """
    rows = len(prepared.train) + folds * len(prepared.holdout)
    predictions = 2 * competition.task.row_bytes * rows  # in two views
    needed = TRIALS * max(predictions, largest)
    runs = paths.root() / "runs" / competition.name
    for name in study.names("PRUNED"):
        if shutil.disk_usage(paths.root()).free >= needed:
            return True
        for folder in runs.glob(f"*/{name}-*/"):
            shutil.rmtree(folder)
    return shutil.disk_usage(paths.root()).free >= needed
