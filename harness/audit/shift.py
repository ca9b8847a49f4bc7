"""Adversarial validation: can a small model tell the labelled samples from the test, on groups that it never saw?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.audit.checks import NAMED, Check, first
from harness.audit.copies import alike, merge, pairs_of, same
from harness.audit.features import Features, features, out_of_fold, whole_groups
from harness.audit.looks import Look, at
from harness.bootstrap import Interval, interval
from harness.data.samples import Samples
from harness.metrics.probabilities import ROCAUC, area

FOLDS, FEWEST = 5, 10  # folds; groups of either side below which nothing can be said
MOST = 1000  # rows of either side that are looked at
TELLING = 3  # features in an evidence
SHIFTED = 0.65  # AUC; below it, the difference is there but small
METRIC = ROCAUC(("labelled", "test"))


def check_shift(
    labelled: Samples, seen: Look, groups: np.ndarray, official: Mapping[str, Samples], asked: Mapping[str, Look]
) -> list[Check]:
    """Labelled against every part of the official test."""
    checks = []
    for part, samples in official.items():
        one, other = some(len(labelled)), some(len(samples))
        looks = [at(seen, one), at(asked[part], other)]
        kin = np.concatenate([groups[one], groups.max() + 1 + np.arange(len(other))])
        name = "shift" if len(official) == 1 else f"shift of {part}"
        checks.append(compared(name, f"the official {part}", looks, kin, samples.ids[other]))
    return checks


def check_holdout_shift(labelled: Samples, seen: Look, groups: np.ndarray, held_out: np.ndarray) -> Check:
    """The judge's rows against those to learn from."""
    one, other = (np.flatnonzero(rows) for rows in (~held_out, held_out))
    one, other = one[some(len(one))], other[some(len(other))]
    looks, kin = [at(seen, one), at(seen, other)], np.concatenate([groups[one], groups[other]])
    return compared("hold-out shift", "the hold-out", looks, kin, labelled.ids[other])


def some(count: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(count)[:MOST])


def compared(name: str, test: str, looks: Sequence[Look], groups: np.ndarray, ids: np.ndarray) -> Check:
    """looks: at rows to learn from and at test rows, of whom groups (n,) are; ids: of the test rows."""
    is_test = np.repeat([False, True], [len(seen.digests) for seen in looks])
    learnt, asked = features(looks)
    values = np.concatenate([learnt.values, asked.values])
    groups = kinship(looks, groups)
    if not learnt or min(len(np.unique(groups[side])) for side in (is_test, ~is_test)) < FEWEST:
        return Check(name, "pass", f"with fewer than {FEWEST} groups on either side, no shift can be told from chance")
    said = out_of_fold(values, is_test[:, None].astype(float), whole_groups(groups, FOLDS))[:, 0]
    auc = interval(METRIC, METRIC.statistics(is_test.astype(int), np.stack([1 - said, said], 1)), groups)
    bounds = f"{auc.score:.2f} ({auc.low:.2f} to {auc.high:.2f})"
    told = f"{test} can be told from the rows to learn from with an AUC of {bounds}"
    if auc.score < SHIFTED or auc.low <= 0.5:
        return Check(name, "pass", told)
    telling, strangest = most_telling(learnt, asked), ids[np.argsort(-said[is_test], kind="stable")[:NAMED]]
    sentence = f"{told}; most telling: {', '.join(telling)}; strangest: {first(strangest.tolist())}"
    remedy = "scores made here will not hold there: look at these, and learn from rows (or with augmentation) like them"
    return Check(name, "warn", sentence, remedy, details(auc, telling, strangest))


def kinship(looks: Sequence[Look], groups: np.ndarray) -> np.ndarray:
    """Groups of both sides, with copies in one: a model that has seen a copy need not tell the sides apart."""
    learnt, asked = looks
    start = len(learnt.digests)
    near = [alike(learnt, asked) + np.array([0, start]), alike(asked, asked) + start]
    return merge(groups, [*pairs_of(same([*learnt.digests, *asked.digests])), *np.concatenate(near).tolist()])


def most_telling(learnt: Features, asked: Features) -> list[str]:
    """The features that alone tell the sides apart best, with the AUC of each."""
    is_test = np.repeat([False, True], [len(learnt.values), len(asked.values)])
    columns = np.concatenate([learnt.values, asked.values]).T
    ones = np.ones((len(is_test), 1))
    areas = np.array([area(column, is_test, ones)[0] for column in columns])
    order = np.argsort(-np.abs(areas - 0.5), kind="stable")[:TELLING]
    return [
        f"{learnt.names[k]} {'higher' if areas[k] > 0.5 else 'lower'} ({max(areas[k], 1 - areas[k]):.2f})"
        for k in order
    ]


def details(auc: Interval, telling: Sequence[str], strangest: np.ndarray) -> list[dict[str, Any]]:
    return [{**auc._asdict(), "telling": list(telling), "strangest": strangest.tolist()}]
