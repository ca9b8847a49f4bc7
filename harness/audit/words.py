"""A class that is named in a file: in its comment, its text chunks, its EXIF."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from harness.audit.checks import Check, first
from harness.audit.facts import label_matrix
from harness.data.samples import Samples
from harness.tasks import Task

LONG = 40  # letters of a text in an evidence
NAME = 3  # letters of a class's name that mean it wherever they stand

Files = Mapping[str, np.ndarray | None]


def check_words(labelled: Samples, official: Mapping[str, Samples], files: Files, task: Task) -> Check:
    """A comment or EXIF entry that names the class: of a labelled picture its own, of a test picture any.

    files: `facts.written_of` every part, and of "labelled".
    """
    present = label_matrix(labelled.targets, task.classes) != 0
    found = [
        f"{labelled.ids[row]} says {text!r}"
        for row, text, named in naming(files["labelled"], task.classes)
        if present[row, list(named)].any()
    ]
    for part, samples in official.items():
        found += [f"{part} {samples.ids[row]} says {text!r}" for row, text, _ in naming(files[part], task.classes)]
    if not found:
        return Check("labels in files", "pass", "no comment or EXIF entry of a file names its class")
    return Check(
        "labels in files",
        "fail",
        f"{len(found)} pictures name their class: {first(found)}",
        "write all pictures anew without them, in the competition's load",
    )


def naming(files: np.ndarray | None, classes: Sequence[str]) -> Iterator[tuple[int, str, frozenset[int]]]:
    """(row, text, classes) of every picture whose text names some; what half of all say tells nothing."""
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
        patterns += [rf"\b{word}\b"] if len(name) >= NAME and not name.isdigit() else []
        found += [label] if any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns) else []
    return frozenset(found)
