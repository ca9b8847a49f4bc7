"""Adversarial validation: can a small model tell the labelled samples from the test, on groups that it never saw?"""

from collections.abc import Mapping, Sequence

import numpy as np

from harness.audit.checks import NAMED, Check, first
from harness.audit.duplicates import exact_duplicates, merge, near_duplicates, pairs_of
from harness.audit.inspection import Features, Inspection, features
from harness.audit.leaks import out_of_fold, whole_groups
from harness.bootstrap import interval
from harness.data.samples import Samples
from harness.metrics.probabilities import ROCAUC, area

FOLDS, FEWEST = 5, 10  # folds; groups of either side below which nothing can be said
MOST = 1000  # rows of either side
TELLING = 3  # features in the evidence
SHIFTED = 0.65  # AUC; below it, the difference is there but small
METRIC = ROCAUC(("labelled", "test"))


def check_shift(
    labelled: Samples,
    inspection: Inspection,
    groups: np.ndarray,
    official: Mapping[str, Samples],
    tests: Mapping[str, Inspection],
) -> list[Check]:
    """Labelled samples against every part of the official test."""
    checks = []
    for part, samples in official.items():
        one, other = sampled(len(labelled)), sampled(len(samples))
        both = np.concatenate([groups[one], groups.max() + 1 + np.arange(len(other))])
        name = "shift" if len(official) == 1 else f"shift of {part}"
        sides = [inspection.at(one), tests[part].at(other)]
        checks.append(adversarial(name, f"the official {part}", sides, both, samples.ids[other]))
    return checks


def check_holdout_shift(labelled: Samples, inspection: Inspection, groups: np.ndarray, held_out: np.ndarray) -> Check:
    """The training rows against the hold-out."""
    one, other = (np.flatnonzero(rows) for rows in (~held_out, held_out))
    one, other = one[sampled(len(one))], other[sampled(len(other))]
    both = np.concatenate([groups[one], groups[other]])
    return adversarial(
        "hold-out shift", "the hold-out", [inspection.at(one), inspection.at(other)], both, labelled.ids[other]
    )


def sampled(count: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(count)[:MOST])


def adversarial(name: str, test: str, sides: Sequence[Inspection], groups: np.ndarray, ids: np.ndarray) -> Check:
    """sides: training and test rows, of which groups (n,) are; ids: of the test rows."""
    is_test = np.repeat([False, True], [len(side.digests) for side in sides])
    train_features, test_features = features(sides)
    values = np.concatenate([train_features.values, test_features.values])
    groups = with_copies(sides, groups)
    if not train_features.names or min(len(np.unique(groups[side])) for side in (is_test, ~is_test)) < FEWEST:
        return Check(name, "pass", f"with fewer than {FEWEST} groups on either side, a shift looks like chance")
    predicted = out_of_fold(values, is_test[:, None].astype(float), whole_groups(groups, FOLDS))[:, 0]
    statistics = METRIC.statistics(is_test.astype(int), np.stack([1 - predicted, predicted], 1))
    auc = interval(METRIC, statistics, groups)
    bounds = f"{auc.score:.2f} ({auc.low:.2f} to {auc.high:.2f})"
    evidence = f"{test} can be told from the training rows with an AUC of {bounds}"
    if auc.score < SHIFTED or auc.low <= 0.5:
        return Check(name, "pass", evidence)
    telling = most_telling(train_features, test_features)
    strangest = ids[np.argsort(-predicted[is_test], kind="stable")[:NAMED]].tolist()
    evidence += f"; most telling: {', '.join(telling)}; strangest: {first(strangest)}"
    remedy = "expect other scores there than here: look at these, and train on rows (or with augmentation) like them"
    return Check(name, "warn", evidence, remedy, [{**auc._asdict(), "telling": telling, "strangest": strangest}])


def with_copies(sides: Sequence[Inspection], groups: np.ndarray) -> np.ndarray:
    """Groups of both sides, with copies in one: a model that has seen a copy need not tell the sides apart."""
    train, test = sides
    start = len(train.digests)
    near = [near_duplicates(train, test) + np.array([0, start]), near_duplicates(test, test) + start]
    exact = pairs_of(exact_duplicates([*train.digests, *test.digests]))
    return merge(groups, [*exact, *np.concatenate(near).tolist()])


def most_telling(train: Features, test: Features) -> list[str]:
    """The features that alone tell the sides apart best, with the AUC of each."""
    is_test = np.repeat([False, True], [len(train.values), len(test.values)])
    columns, ones = np.concatenate([train.values, test.values]).T, np.ones((len(is_test), 1))
    areas = np.array([area(column, is_test, ones)[0] for column in columns])
    order = np.argsort(-np.abs(areas - 0.5), kind="stable")[:TELLING]
    return [
        f"{train.names[k]} {'higher' if areas[k] > 0.5 else 'lower'} ({max(areas[k], 1 - areas[k]):.2f})" for k in order
    ]
