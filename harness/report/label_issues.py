"""The labels of a report that look wrong, the least likely first, by out-of-fold predictions of the run's members."""

from collections.abc import Sequence
from typing import NamedTuple

from harness.report.label_quality import suspects
from harness.report.pictures import Shown, panels
from harness.report.run import LastRun

SHOWN = 12


class Doubted(NamedTuple):
    """doubted: how many labels are, of `rows`; first: the least likely of all, their quality as the score."""

    rows: int
    doubted: int
    first: Sequence[Shown]

    @property
    def drawn(self) -> bool:
        return any(row.panels for row in self.first)


def doubted(run: LastRun) -> Doubted:
    task, oof = run.competition.task, run.oof
    members = [oof.members[name].plain for name in run.recipe.weights]
    queue = suspects(task, run.samples, task.average(members, list(run.recipe.weights.values())))
    drawn, _ = task.account.shown(run.samples.targets, run.said.decided)
    first = [
        Shown(
            suspect.id,
            suspect.quality,
            suspect.given,
            suspect.said,
            suspect.given == suspect.said,
            panels(run, suspect.row, run.samples.targets[suspect.row], drawn[suspect.row], []),
        )
        for suspect in queue[:SHOWN]
    ]
    return Doubted(len(queue), sum(suspect.doubted for suspect in queue), first)
