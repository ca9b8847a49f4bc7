"""The worst-to-best gallery of a competition's best run: `python -m harness.gallery COMP`.

Every picture, what is true of it and what was said of it out-of-fold, by models that never saw it.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from harness import folders
from harness.competition import Competition, find
from harness.errors import UserError
from harness.exits import run
from harness.files import write_bytes
from harness.metrics import Metric
from harness.official import best_card, bundles_of, recipe_of
from harness.prepared import current
from harness.samples import Samples

EACH = 8  # of the worst, of those in the middle, and of the best
LEAST = 128  # pixels on the longer side of a panel; smaller pictures are enlarged
GAP, LINE = 6, 16  # pixels between panels, and of a line of text
PARTS = ("picture", "truth", "prediction")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def main(
    competition: Annotated[str, typer.Argument(help="The competition: a folder of competitions/.", show_default=False)],
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")] = False,
) -> None:
    path = folders.shown(worst_to_best(find(competition)))
    print(json.dumps({"competition": competition, "path": path}) if json_ else path)


def worst_to_best(competition: Competition) -> Path:
    """Draw reports/<competition>/worst-to-best.png from the best run; raise `UserError` where there is none."""
    import cv2

    draw = getattr(competition.task, "picture", None)
    if draw is None:
        raise UserError(f"{competition.name} has no gallery: its task does not say how a prediction is drawn")
    seen = best_out_of_fold(competition)
    scores = row_scores(competition.metric, seen.statistics)
    columns = [column(title, rows, seen, scores, draw) for title, rows in chosen(competition.metric, scores)]
    file = folders.reports(competition.name) / "worst-to-best.png"
    write_bytes(file, cv2.imencode(".png", side_by_side(columns)[..., ::-1])[1].tobytes())
    return file


# -- what the best run said --------------------------------------------------------------------------------------------


class OutOfFold(NamedTuple):
    """Rows with out-of-fold predictions: samples, decided rows and the metric's statistics, aligned."""

    samples: Samples
    decided: Any
    statistics: np.ndarray


def best_out_of_fold(competition: Competition) -> OutOfFold:
    """What the recipe of the best submission says out-of-fold; raise `UserError` where there is only a baseline."""
    prepared, task = current(competition.name), competition.task
    card = best_card(competition, prepared)
    recipe, bundles = recipe_of(card), bundles_of(card)
    folds = prepared.folds_named(competition, card["train_hash"])
    held = sorted(set.intersection(*(set(bundles[name].manifest["folds"]) for name in recipe.names)))
    members = {name: bundles[name].out_of_fold(task, folds, held) for name in recipe.names}
    samples = prepared.train[np.isin(folds, held)]
    said = recipe.says(task, members, competition.metric.needs)
    return OutOfFold(samples, recipe.decide(task, members), competition.metric.statistics(samples.targets, said))


def row_scores(metric: Metric, statistics: np.ndarray) -> np.ndarray:
    """(n,) float: the metric of every row alone, NaN where it says nothing of one row."""
    return np.array([metric.score(statistics[row : row + 1]) for row in range(len(statistics))], float)


def chosen(metric: Metric, scores: np.ndarray, most: int = EACH) -> list[tuple[str, list[int]]]:
    """(title, rows) of the worst, the middle and the best, worst first; no row stands in two of them.

    most: of each. Rows of one score stay in their order.
    """
    order = np.argsort(scores if metric.higher_is_better else -scores, kind="stable")
    order = order[np.isfinite(scores[order])]
    each = min(most, -(-len(order) // 3))
    middle = (len(order) - each) // 2
    parts = {"worst": order[:each], "median": order[middle : middle + each], "best": order[len(order) - each :]}
    taken: set[int] = set()
    found = []
    for name, rows in parts.items():
        found.append((f"{name}, {metric.name}", [row for row in rows.tolist() if row not in taken]))
        taken |= set(rows.tolist())
    return found


# -- drawing -----------------------------------------------------------------------------------------------------------


def column(
    title: str, rows: Sequence[int], seen: OutOfFold, scores: np.ndarray, draw: Callable[[np.ndarray, Any], np.ndarray]
) -> np.ndarray:
    """(h, w, 3) uint8: a heading, then one line of three panels for every row."""
    lines = []
    for row in rows:
        image = rgb(np.asarray(seen.samples.inputs[row]))
        panels = [image, draw(image, seen.samples.targets[row]), draw(image, seen.decided[row])]
        strip = side_by_side([enlarged(panel) for panel in panels])
        lines += [text(f"{seen.samples.ids[row]}   {scores[row]:.3f}", strip.shape[1]), strip]
    width = lines[0].shape[1] if lines else LEAST
    return np.concatenate([text(f"{title}   ({', '.join(PARTS)})", width), *lines])


def rgb(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 of a colour picture, or of a grey one, whose contrast is stretched."""
    import cv2

    if image.ndim == 3:
        return image
    stretched = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    return np.repeat(stretched[..., None], 3, axis=2)


def enlarged(picture: np.ndarray) -> np.ndarray:
    times = -(-LEAST // max(picture.shape[:2]))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def side_by_side(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """On white, with gaps; all as high as the highest."""
    height = max(len(picture) for picture in pictures)
    padded = [
        np.pad(picture, ((0, height - len(picture)), (0, GAP), (0, 0)), constant_values=255) for picture in pictures
    ]
    return np.concatenate(padded, axis=1)


def text(words: str, width: int) -> np.ndarray:
    """(LINE, width, 3) uint8: black on white."""
    import cv2

    strip = np.full((LINE, width, 3), 255, np.uint8)
    cv2.putText(strip, words, (0, LINE - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (30, 30, 30), 1, cv2.LINE_AA)
    return strip


if __name__ == "__main__":
    sys.exit(run(app))
