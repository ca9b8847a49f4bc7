"""Does what is no signal predict the target? A small model of each fact, judged on groups that it never saw.

A fact fails where, on held-out groups, it says something of the target, and something that the inputs do not say, both
by more than noise (bootstrap over groups, Bonferroni over all that is asked). That later cars are weaker is in the
column of their year, whatever the order of the rows.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from harness.audit.checks import Check
from harness.audit.facts import facts, label_matrix, signals
from harness.audit.features import features, mean_of_others, out_of_fold, whole_groups
from harness.audit.looks import Look, at
from harness.bootstrap import resamples
from harness.data.samples import Samples
from harness.tasks import Task

FOLDS, FEWEST = 5, 10  # folds of the probes; groups below which nothing can be said
MOST = 2000  # rows that are looked at
ERRS = 0.05  # of all clean data sets, an alarm by chance
LITTLE = 0.05  # share of the variance that is no alarm, however sure it is: trees of a hundred rows leave 2 % of wine
ROUNDS = 5  # looks at the inputs
EASY = 0.5  # share of the variance that one simple signal may explain
REMEDIES = {
    "order": "shuffle the rows in the competition's load, and give ids that do not count",
    "name": "give ids that say nothing, in the competition's load",
    "file size": "write all pictures anew in one way, e.g. with the same quality, in the competition's load",
    "comment": "write all pictures anew without comments and EXIF, in the competition's load",
    "time": "write all pictures anew without EXIF, in the competition's load",
}


class Told(NamedTuple):
    """The share of the target's variance that a probe explains on held-out groups, and the chance that it is none."""

    share: float
    p: float

    def is_sure(self, level: float) -> bool:
        return self.share >= LITTLE and self.p < level


def check_leaks(
    labelled: Samples, seen: Look, task: Task, groups: np.ndarray, files: np.ndarray | None, held_out: np.ndarray | None
) -> list[Check]:
    """One check a fact, and one of the signals. files: `facts.written_of`; held_out: (n,) bool."""
    rows = np.sort(np.random.default_rng(0).permutation(len(labelled))[:MOST])
    if len(np.unique(groups[rows])) < FEWEST:
        return [Check("leaks", "pass", f"with fewer than {FEWEST} groups, no probe can tell a leak from chance")]
    probes, easy = facts(labelled, files, rows), signals(at(seen, rows))
    targets = standardised(label_matrix(labelled.targets, task.classes)[rows])
    if not targets.size:
        return [Check("leaks", "pass", "the target never changes: nothing can give it away")]
    fold, counts = whole_groups(groups[rows], FOLDS), np.concatenate(list(resamples(groups[rows], len(rows))))
    level = ERRS / (3 * len(probes) + len(easy))

    def explained(asked: Mapping[str, np.ndarray], goal: np.ndarray, whole: float | None = None) -> dict[str, Told]:
        return {name: told(values, goal, fold, counts, whole) for name, values in asked.items()}

    alone = explained(probes, targets)
    suspected = {name: values for name, values in probes.items() if alone[name].is_sure(level)}
    beyond = explained(suspected, left_by_inputs(at(seen, rows), targets, fold), targets.size) if suspected else {}
    split = {} if held_out is None else explained(probes, held_out[rows, None].astype(float))
    checks = [verdict(name, alone[name], beyond.get(name), split.get(name), level) for name in probes]
    return [*checks, *easy_signals(explained(easy, targets))]


def left_by_inputs(seen: Look, targets: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(n, k): what the inputs do not say of the targets, out-of-fold; asked again of what is left, while that helps.

    Few rows make coarse trees: what one look leaves is more than what the inputs do not tell.
    """
    (content,) = features([seen])
    left = targets - mean_of_others(targets, fold)
    for _ in range(ROUNDS if content else 0):
        less = left - out_of_fold(content.values, left, fold)
        if (less**2).sum() >= (left**2).sum():
            break
        left = less
    return left


def standardised(facets: np.ndarray) -> np.ndarray:
    """Every facet of the target counts as much; one that never changes does not count."""
    spread = facets.std(0)
    return (facets[:, spread > 0] - facets[:, spread > 0].mean(0)) / spread[spread > 0]


def told(
    values: np.ndarray, goal: np.ndarray, fold: np.ndarray, counts: np.ndarray, whole: float | None = None
) -> Told:
    """counts: (r, n), resamples of groups; whole: the variance of which it is a share, else that of the goal."""
    by_chance = ((goal - mean_of_others(goal, fold)) ** 2).sum(1)
    gains = by_chance - ((goal - out_of_fold(values, goal, fold)) ** 2).sum(1)
    return Told(float(gains.sum() / (whole or by_chance.sum())), float((counts @ gains <= 0).mean()))


def verdict(name: str, alone: Told, beyond: Told | None, split: Told | None, level: float) -> Check:
    evidence = f"on held-out groups, {share(alone)} of the target's variance"
    evidence += f", {share(beyond)} that the inputs do not tell" if beyond else ""
    if split and split.is_sure(level):  # what it says of the target, no model can learn from one side for the other
        remedy = "right where rows are ordered in time; else let the declared split draw whole groups at random"
        return Check(f"{name} leak", "warn", f"the {name} predicts who is held out; {evidence}", remedy)
    if beyond and beyond.is_sure(level):
        return Check(f"{name} leak", "fail", f"the {name} predicts the target: {evidence}", REMEDIES[name])
    return Check(f"{name} leak", "pass", f"the {name} is no leak: {evidence}")


def share(found: Told) -> str:
    return f"{max(found.share, 0):.0%}"


def easy_signals(found: Mapping[str, Told]) -> Iterator[Check]:
    if not found:
        return
    evidence = ", ".join(f"{name} {share(part)}" for name, part in found.items()) + " of the target's variance"
    if max(part.share for part in found.values()) < EASY:
        yield Check("simple signals", "pass", evidence)
    else:
        remedy = "look whether the camera or the collection gives the class away; new data may lack it"
        yield Check("simple signals", "warn", evidence, remedy)
