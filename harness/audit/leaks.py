"""Leaks: what is not a signal must not predict the target, and no file may name its class.

A small model is fitted on each fact beside the inputs, such as the file's size, and scored on groups that it never saw.
A fact fails where it says something about the target, and something that the inputs do not say, both by more than
noise (bootstrap over groups, Bonferroni over all probes). That later cars are weaker is in the column of their year,
whatever the order of the rows.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.audit.checks import Check, label_matrix
from harness.audit.inspection import Inspection, features
from harness.bootstrap import resamples
from harness.data.images import EncodedImages, file_metadata
from harness.data.large_arrays import chosen
from harness.data.pixels.depth import displayed
from harness.data.samples import Bags, Samples, images_of
from harness.errors import listed
from harness.tasks import Task

FOLDS, FEWEST = 5, 10  # folds of the probes; groups below which nothing can be said
TREES, LEAST = 25, 5  # trees, and rows in a leaf
MOST = 2000  # rows that are probed
FALSE_ALARMS = 0.05  # share of clean data sets with an alarm by chance
LITTLE = 0.05  # share of the variance that is no alarm, however sure it is: trees of a hundred rows leave 2 % of wine
ROUNDS = 5  # models of the inputs, each on what the one before left
EASY = 0.5  # share of the variance that one simple signal may explain
LONG = 40  # letters of a text in the evidence
WHOLE_NAME = 3  # letters of a class's name that mean the class wherever they stand
REMEDIES = {
    "order": "shuffle the rows in the competition's load, and give ids that do not count",
    "name": "give ids that say nothing, in the competition's load",
    "file size": "write all pictures again in one way, e.g. with the same quality, in the competition's load",
    "comment": "write all pictures again without comments and EXIF, in the competition's load",
    "time": "write all pictures again without EXIF, in the competition's load",
}


class Explained(NamedTuple):
    """The share of the variance that a probe explains on held-out groups, and the chance that it is none."""

    share: float
    p: float

    def is_sure(self, level: float) -> bool:
        return self.share >= LITTLE and self.p < level

    def __str__(self) -> str:
        return f"{max(self.share, 0):.0%}"


def check_leaks(
    labelled: Samples,
    inspection: Inspection,
    task: Task,
    groups: np.ndarray,
    files: np.ndarray | None,
    held_out: np.ndarray | None,
) -> list[Check]:
    """One check a fact, and one of the simple signals. files: by `file_facts`; held_out: (n,) bool."""
    rows = np.sort(np.random.default_rng(0).permutation(len(labelled))[:MOST])
    if len(np.unique(groups[rows])) < FEWEST:
        return [Check("leaks", "pass", f"with fewer than {FEWEST} groups, no probe can tell a leak from chance")]
    targets = label_matrix(task, labelled.targets)[rows]
    targets = targets[:, targets.std(0) > 0]  # a column that never changes is left out
    targets = (targets - targets.mean(0)) / targets.std(0)  # and the others have the same weight
    if not targets.size:
        return [Check("leaks", "pass", "the target never changes: nothing can give it away")]
    probed = inspection.at(rows)
    probes, signals = facts(labelled, files, rows), simple_signals(probed)
    fold, counts = whole_groups(groups[rows], FOLDS), np.concatenate(list(resamples(groups[rows], len(rows))))
    level = FALSE_ALARMS / (3 * len(probes) + len(signals))

    def explain(by: Mapping[str, np.ndarray], goal: np.ndarray, total: float | None = None) -> dict[str, Explained]:
        return {name: explained(values, goal, fold, counts, total) for name, values in by.items()}

    alone = explain(probes, targets)
    suspected = {name: values for name, values in probes.items() if alone[name].is_sure(level)}
    beyond = explain(suspected, residual_of_inputs(probed, targets, fold), targets.size) if suspected else {}
    split = {} if held_out is None else explain(probes, held_out[rows, None].astype(float))
    checks = [leak_check(name, alone[name], beyond.get(name), split.get(name), level) for name in probes]
    return [*checks, *check_simple_signals(explain(signals, targets))]


def leak_check(name: str, alone: Explained, beyond: Explained | None, split: Explained | None, level: float) -> Check:
    evidence = f"on held-out groups, {alone} of the target's variance"
    evidence += f", {beyond} that the inputs do not explain" if beyond else ""
    if split and split.is_sure(level):  # what it says about the target cannot be learnt on one side for the other
        remedy = "right where rows are ordered in time; else let the declared split draw whole groups at random"
        return Check(f"{name} leak", "warn", f"the {name} predicts which rows are held out; {evidence}", remedy)
    if beyond and beyond.is_sure(level):
        return Check(f"{name} leak", "fail", f"the {name} predicts the target: {evidence}", REMEDIES[name])
    return Check(f"{name} leak", "pass", f"the {name} does not leak: {evidence}")


def check_simple_signals(found: Mapping[str, Explained]) -> list[Check]:
    evidence = ", ".join(f"{name} {part}" for name, part in found.items()) + " of the target's variance"
    if max((part.share for part in found.values()), default=0.0) < EASY:
        return [Check("simple signals", "pass", evidence)] if found else []
    remedy = "look whether the camera or the collection gives the class away; new data may lack it"
    return [Check("simple signals", "warn", evidence, remedy)]


# -- the facts ---------------------------------------------------------------------------------------------------------


def file_facts(samples: Samples) -> np.ndarray | None:
    """(n,) of `images.METADATA`; None where the samples came from no files of their own."""
    images = images_of(samples.inputs)
    if samples.metadata is None and isinstance(images, EncodedImages):
        return file_metadata(images.encoded(row) for row in range(len(samples)))
    return samples.metadata


def facts(samples: Samples, files: np.ndarray | None, rows: np.ndarray) -> dict[str, np.ndarray]:
    """name -> (rows, k) float: what could give the target away and new data would not have."""
    found = {"order": rows.astype(float)[:, None]}
    if samples.ids.tolist() != [str(row) for row in range(len(samples))]:
        names = samples.ids[rows].tolist()
        letters = [re.sub(r"\d+", "", name) for name in names]
        last = [float(figures[-1][-15:]) if (figures := re.findall(r"\d+", name)) else -1.0 for name in names]
        found["name"] = np.column_stack([_ranks(names), _ranks(letters), last, [len(name) for name in names]])
    if files is not None:
        images = chosen(images_of(samples.inputs), rows)
        first = images.first if isinstance(images, Bags) else images
        found["file size"] = unexplained_size(files["bytes"][rows], first)
        found["comment"], found["time"] = _ranks(files["comment"][rows]), _ranks(files["time"][rows])
    return _varying(found)


def simple_signals(inspection: Inspection) -> dict[str, np.ndarray]:
    """name -> (n, k) float: what a model may use, but is too easy where it explains most."""
    if inspection.sizes is None:
        return {}
    found = {"mean grey": inspection.statistic("mean grey")[:, None]}
    if isinstance(images_of(inspection.inputs), EncodedImages):
        found["dimensions"] = inspection.sizes.astype(float)
    return _varying(found)


def _varying(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values for name, values in found.items() if (values != values[:1]).any()}


def unexplained_size(lengths: np.ndarray, images: Any) -> np.ndarray:
    """(n, 1) float: the log of the file's length beyond what the image explains, which is encoded again for it.

    A crowded image makes a long file, and tells what it shows; another quality, or a tail, is in the rest. Where the
    files are gone, the image is encoded as PNG and as JPEG.
    """
    import cv2

    kinds = [".png", ".jpg"]
    if isinstance(images, EncodedImages):
        kinds = [".jpg"] if images.encoded(0)[:2] == b"\xff\xd8" else [".png"]
    again = np.log([[len(cv2.imencode(kind, displayed(np.asarray(image)))[1]) for kind in kinds] for image in images])
    terms = np.column_stack([np.ones(len(again)), again, again**2])
    return (np.log(lengths) - terms @ np.linalg.lstsq(terms, np.log(lengths), rcond=None)[0])[:, None]


def _ranks(texts: Any) -> np.ndarray:
    """(n, 1) float: equal texts have one rank."""
    return np.unique(texts, return_inverse=True)[1].astype(float)[:, None]


# -- the probes --------------------------------------------------------------------------------------------------------


def explained(
    values: np.ndarray, goal: np.ndarray, fold: np.ndarray, counts: np.ndarray, total: float | None = None
) -> Explained:
    """counts: (r, n), resamples of groups; total: the variance of which it is a share, else that of the goal."""
    by_chance = ((goal - mean_of_others(goal, fold)) ** 2).sum(1)
    gains = by_chance - ((goal - out_of_fold(values, goal, fold)) ** 2).sum(1)
    return Explained(float(gains.sum() / (total or by_chance.sum())), float((counts @ gains <= 0).mean()))


def residual_of_inputs(inspection: Inspection, targets: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(n, k): what the inputs do not explain of the targets, out-of-fold; boosted while that helps.

    Few rows make coarse trees: what one model leaves is more than what the inputs do not say.
    """
    (content,) = features([inspection])
    left = targets - mean_of_others(targets, fold)
    for _ in range(ROUNDS if content.names else 0):
        less = left - out_of_fold(content.values, left, fold)
        if (less**2).sum() >= (left**2).sum():
            break
        left = less
    return left


def out_of_fold(values: np.ndarray, targets: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(n, k) float: predictions of extremely randomised trees (Geurts et al. 2006), fitted on the other folds."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.model_selection import PredefinedSplit, cross_val_predict

    trees = ExtraTreesRegressor(TREES, min_samples_leaf=LEAST, max_features=1.0, random_state=0, n_jobs=1)
    goal = targets.ravel() if targets.shape[1] == 1 else targets
    return cross_val_predict(trees, values, goal, cv=PredefinedSplit(fold)).reshape(targets.shape)


def mean_of_others(targets: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(n, k) float: the mean of the other folds, as a probe without any information predicts."""
    predicted = np.empty(targets.shape)
    for k in np.unique(fold):
        predicted[fold == k] = targets[fold != k].mean(0)
    return predicted


def whole_groups(groups: np.ndarray, folds: int, seed: int = 0) -> np.ndarray:
    """(n,) int: the fold of every row; groups stay whole."""
    names, group_of_row = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return (order % folds)[group_of_row]


# -- labels in files ---------------------------------------------------------------------------------------------------


def check_labels_in_files(
    labelled: Samples, official: Mapping[str, Samples], files: Mapping[str, np.ndarray | None], task: Task
) -> Check:
    """Find comments and EXIF entries that name the class: a labelled image's own, a test image's any.

    files: `file_facts` of every part, and of "labelled".
    """
    present = label_matrix(task, labelled.targets) != 0
    found = [
        f"{labelled.ids[row]} says {text!r}"
        for row, text, named in naming(files["labelled"], task.classes)
        if present[row, list(named)].any()
    ]
    for part, samples in official.items():
        found += [f"{part} {samples.ids[row]} says {text!r}" for row, text, _ in naming(files[part], task.classes)]
    if not found:
        return Check("labels in files", "pass", "no comment or EXIF entry of a file names its class")
    remedy = "write all pictures again without them, in the competition's load"
    return Check("labels in files", "fail", f"{len(found)} pictures name their class: {listed(found)}", remedy)


def naming(files: np.ndarray | None, classes: Sequence[str]) -> Iterator[tuple[int, str, frozenset[int]]]:
    """(row, text, classes) of every image whose text names some; what half of all texts say means nothing."""
    texts = [] if files is None else files["comment"].tolist()
    named = [classes_in(text, classes) for text in texts]
    for row, (text, labels) in enumerate(zip(texts, named, strict=True)):
        if labels and named.count(labels) <= len(texts) / 2:
            yield row, text if len(text) <= LONG else f"{text[:LONG]}...", labels


def classes_in(text: str, classes: Sequence[str]) -> frozenset[int]:
    """The classes that a text names: a name alone or of three letters and more, or name or number after "label".

    >>> sorted(classes_in("label=1", ("cat", "dog"))), sorted(classes_in("a Dog, asleep", ("cat", "dog")))
    ([1], [1])
    """
    if not text:
        return frozenset()
    found = []
    for label, name in enumerate(classes):
        word, either = re.escape(name), f"(?:{re.escape(name)}|{label})"
        patterns = [rf"^{word}$", rf"\b(?:label|class|target|truth|category)(?:es|s)?\W{{1,3}}{either}\b"]
        patterns += [rf"\b{word}\b"] if len(name) >= WHOLE_NAME and not name.isdigit() else []
        found += [label] if any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns) else []
    return frozenset(found)
