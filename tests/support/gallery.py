"""The picture of the README: tiles, their labels, and what the best run predicts out-of-fold.

python -m tests.support.gallery mars docs/mars.png
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from harness.competition import find
from harness.report.last_run import last_run

COLOURS = np.array([(40, 40, 40), (196, 164, 132), (148, 103, 70), (238, 214, 150), (214, 60, 60)], np.uint8)  # RGB
SCALE, GAP, LEGEND = 3, 12, 34


def main(name: str, file: Path) -> None:
    competition = find(name)
    run = last_run(competition)
    samples, decided = run.samples, run.predictions.decided
    picks = chosen(competition.split.stratify(samples), samples.targets, decided)
    rows = [columns(samples, decided, row) for row in picks]
    picture = np.vstack([legend(rows[0].shape[1], competition.task.classes), *rows])
    cv2.imwrite(str(file), picture[..., ::-1])


def chosen(stratify, targets, decided) -> list[int]:
    """Well labelled tiles with many classes, one for each class that is the rarest in it: neither best nor worst."""
    targets = np.asarray(targets)
    agreement = ((targets == decided) & (targets > 0)).sum((1, 2)) / np.maximum((targets > 0).sum((1, 2)), 1)
    kinds = np.array([len(np.unique(target[target > 0])) for target in targets])
    labelled = (targets > 0).mean((1, 2)) > 0.6
    picks = []
    for stratum in np.unique(stratify):
        rows = np.flatnonzero((stratify == stratum) & labelled)
        rows = rows[kinds[rows] == kinds[rows].max()]
        if kinds[rows[0]] > 1:
            picks.append(int(rows[np.argsort(agreement[rows])[int(len(rows) * 0.7)]]))
    return picks


def columns(samples, decided, row: int) -> np.ndarray:
    stretched = cv2.normalize(np.asarray(samples.inputs[row]), None, 0, 255, cv2.NORM_MINMAX)
    grey = np.repeat(enlarged(stretched)[..., None], 3, axis=2)
    parts = [grey, enlarged(COLOURS[samples.targets[row]]), enlarged(COLOURS[decided[row]])]
    gap = np.full((grey.shape[0], GAP, 3), 255, np.uint8)
    line = np.hstack([gap, parts[0], gap, parts[1], gap, parts[2], gap])
    return np.vstack([line, np.full((GAP, line.shape[1], 3), 255, np.uint8)])


def enlarged(picture: np.ndarray) -> np.ndarray:
    return np.repeat(np.repeat(np.asarray(picture), SCALE, axis=0), SCALE, axis=1)


def legend(width: int, classes: tuple[str, ...]) -> np.ndarray:
    strip = np.full((LEGEND, width, 3), 255, np.uint8)
    write(strip, "rover tile", GAP)
    write(strip, "labels", GAP + (width - GAP) // 3)
    write(strip, "prediction", GAP + 2 * (width - GAP) // 3)
    key, x = np.full_like(strip, 255), GAP
    for label, name in enumerate(("unlabelled", *classes[1:])):
        cv2.rectangle(key, (x, 11), (x + 14, 23), COLOURS[label].tolist(), -1)
        write(key, name, x + 20)
        x += 50 + 9 * len(name)
    return np.vstack([key, strip])


def write(strip: np.ndarray, text: str, x: int) -> None:
    cv2.putText(strip, text, (x, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
