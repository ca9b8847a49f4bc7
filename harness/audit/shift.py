"""Adversarial validation: can a small model tell the labelled samples from the test, on groups that it never saw?

Three estimates, of which the highest counts. Trees on folds of random groups find a kind of sample that is on one side
alone. But where either side has its share of every small class, leaving out a test row leaves a class with fewer of
them: the trees learn the opposite, and an AUC of 0.25 came out without any shift (99 classes of 8 rows). Folds of whole
neighbourhoods leave no row of such a class behind: 0.49. The best column alone finds a shift that few rows hide from
trees.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from harness.audit.checks import NAMED, Check
from harness.audit.duplicates import exact_duplicates, merge, near_duplicates, pairs_of
from harness.audit.inspection import Features, Inspection, features
from harness.audit.leaks import out_of_fold, whole_groups
from harness.bootstrap import interval
from harness.data.samples import Samples
from harness.errors import listed
from harness.metrics.probabilities import ROCAUC, area

FOLDS, FEWEST = 5, 10  # folds; groups of either side below which nothing can be said
MOST = 1000  # rows of either side
NEIGHBOURHOODS, LEAST = 25, 4  # of the rows of both sides, each of some groups on average
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
    spread, near = with_shares(is_test, groups), whole_groups(neighbourhoods(values, groups), FOLDS)
    estimates = [out_of_fold(values, is_test[:, None].astype(float), fold)[:, 0] for fold in (spread, near)]
    found = []
    for estimate in (*estimates, by_best_column(values, is_test, spread)):
        statistics = METRIC.statistics(is_test.astype(int), np.stack([1 - estimate, estimate], 1))
        found.append((interval(METRIC, statistics, groups), estimate))
    auc, predicted = max(found, key=lambda each: each[0].score)
    bounds = f"{auc.score:.2f} ({auc.low:.2f} to {auc.high:.2f})"
    evidence = f"{test} can be told from the training rows with an AUC of {bounds}"
    if auc.score < SHIFTED or auc.low <= 0.5:
        return Check(name, "pass", evidence)
    telling = most_telling(train_features, test_features)
    strangest = ids[np.argsort(-predicted[is_test], kind="stable")[:NAMED]].tolist()
    evidence += f"; most telling: {', '.join(telling)}; strangest: {listed(strangest)}"
    remedy = "expect other scores there than here: look at these, and train on rows (or with augmentation) like them"
    return Check(name, "warn", evidence, remedy, [{**auc._asdict(), "telling": telling, "strangest": strangest}])


def with_shares(is_test: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(n,) int: folds of whole groups, each with its share of the groups of either side, drawn at random.

    Without the share, a fold with many test rows is predicted by a model that saw few.
    """
    names, group = np.unique(groups, return_inverse=True)
    of_test = np.bincount(group, is_test) / np.bincount(group)
    order = np.lexsort((np.random.default_rng(0).random(len(names)), of_test))
    fold_of_group = np.empty(len(names), int)
    fold_of_group[order] = np.arange(len(names)) % FOLDS
    return fold_of_group[group]


def neighbourhoods(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(n,) int: clusters of groups that lie near each other, by the mean of the standardised features of each."""
    from sklearn.cluster import KMeans

    names, group = np.unique(groups, return_inverse=True)
    means = np.zeros((len(names), values.shape[1]))
    np.add.at(means, group, (values - values.mean(0)) / np.maximum(values.std(0), 1e-9))
    count = max(FOLDS, min(NEIGHBOURHOODS, len(names) // LEAST))
    clusters = KMeans(count, n_init=1, random_state=0).fit(means / np.bincount(group)[:, None])
    return clusters.labels_[group]


def by_best_column(values: np.ndarray, is_test: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(n,) float in 0 to 1: where a row ranks in the column that alone tells the other folds' sides apart best."""
    from scipy.stats import rankdata

    ranks, predicted = rankdata(values, axis=0) / len(values), np.empty(len(values))
    for k in range(FOLDS):
        areas = areas_of(ranks[fold != k], is_test[fold != k])
        best = np.abs(areas - 0.5).argmax()
        column = ranks[fold == k, best]
        predicted[fold == k] = column if areas[best] > 0.5 else 1 - column
    return predicted


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
    areas = areas_of(np.concatenate([train.values, test.values]), is_test)
    order = np.argsort(-np.abs(areas - 0.5), kind="stable")[:TELLING]
    return [
        f"{train.names[k]} {'higher' if areas[k] > 0.5 else 'lower'} ({max(areas[k], 1 - areas[k]):.2f})" for k in order
    ]


def areas_of(values: np.ndarray, is_test: np.ndarray) -> np.ndarray:
    """(k,) the AUC of every column alone, above 0.5 where it is higher in the test."""
    ones = np.ones((len(is_test), 1))
    return np.array([area(column, is_test, ones)[0] for column in values.T])
