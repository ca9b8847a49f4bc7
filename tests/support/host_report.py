"""A report for the host alone: the hold-out score of submission files by class, against their CV and each other.

    python -m tests.support.host_report mars FILE [OTHER_FILE]

Opens the private answers, as the leaderboard does; nothing in the harness may import this.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.bootstrap import compare, interval, resamples
from harness.competition import find
from harness.files import read_json
from harness.metrics import Metric
from harness.prepare import Prepared
from harness.training.ensembling import refitted
from harness.training.predict import recipe_of, runs_of
from leaderboard.answers import prepared as judged_data
from leaderboard.answers import read_answers


class Rows(NamedTuple):
    """Rows as the metric's statistics, with their groups."""

    statistics: np.ndarray
    groups: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("competition")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    competition = find(options.competition)
    judged = [hold_out(options.competition, file) for file in options.files]
    for file, rows in zip(options.files, judged, strict=True):
        if "runs" not in read_json(file.with_suffix(".json")):
            print(f"\n{file.name}: not made from our runs, so nothing of it is out-of-fold")
            continue
        print(
            f"\n{file.name}: out-of-fold (cross-fitted), hold-out, and hold-out minus out-of-fold, with 95 % intervals"
        )
        oof = out_of_fold(options.competition, file)
        print_table(competition.metric, oof, rows)
        print("\nThe same with the hold-out predicted by one fold's networks at a time, as an out-of-fold row is")
        print_table(competition.metric, oof, by_one_fold(options.competition, file))
    if len(judged) == 2:
        paired = compare(competition.metric, judged[1].statistics, judged[0].statistics, judged[0].groups)
        print(f"\n{options.files[0].name} minus {options.files[1].name}, paired on the same hold-out rows:")
        print(f"{paired.difference:+.4f} ({paired.low:+.4f} to {paired.high:+.4f}), p {paired.p:.4f}: {paired.verdict}")
        for name, gain in paired.by_class.items():
            print(f"  {name:12s} {gain.score:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})")


def hold_out(name: str, file: Path) -> Rows:
    """Statistics of the file on all rows that the judge holds, public and private."""
    competition, answers = find(name), read_answers(judged_data(name, file.parent.name))
    return Rows(
        competition.metric.statistics(answers.targets, competition.task.read(file, answers.ids)), answers.groups
    )


def by_one_fold(name: str, file: Path) -> Rows:
    """The same, for every fold's own prediction of all these rows; the file has their mean."""
    competition, answers = find(name), read_answers(judged_data(name, file.parent.name))
    manifest, ids = read_json(file.with_suffix(".json")), Prepared(name, file.parent.name).holdout.ids
    recipe, model_runs = recipe_of(manifest), runs_of(manifest)
    row_of = {row: number for number, row in enumerate(ids)}
    order = np.array([row_of[row] for row in answers.ids])
    held = set.intersection(*(set(model_runs[member].manifest["folds"]) for member in recipe.names))
    statistics = []
    for fold in sorted(held):
        members = {member: model_runs[member].holdout(competition.task, [fold]) for member in recipe.names}
        decided = recipe.decide(competition.task, members)[order]
        statistics.append(competition.metric.statistics(answers.targets, decided))
    return Rows(np.concatenate(statistics), np.tile(answers.groups, len(held)))


def out_of_fold(name: str, file: Path) -> Rows:
    """The cross-fitted statistics behind the CV score of the manifest, from the model runs."""
    manifest = read_json(file.with_suffix(".json"))
    _, fitted_ensemble, oof = refitted(find(name), Prepared(name, file.parent.name), manifest)
    return Rows(fitted_ensemble.statistics[-1], oof.groups)


def print_table(metric: Metric, oof: Rows, judged: Rows) -> None:
    resampled = [
        [(metric.score(rows.statistics, counts), metric.by_class(rows.statistics, counts)) for counts in draws]
        for rows, draws in (
            (oof, resamples(oof.groups, len(oof.groups), seed=0)),
            (judged, resamples(judged.groups, len(judged.groups), seed=1)),  # two independent draws
        )
    ]
    print(f"  {'':12s} {'out-of-fold':>26s} {'hold-out':>26s} {'difference':>28s}")
    total = [np.concatenate([score for score, _ in parts]) for parts in resampled]
    print_row(metric.name, *(interval(metric, *rows).score for rows in (oof, judged)), *total)
    for name in metric.by_class(oof.statistics):
        values = [np.concatenate([classes[name] for _, classes in parts]) for parts in resampled]
        print_row(name, *(float(metric.by_class(rows.statistics)[name]) for rows in (oof, judged)), *values)


def print_row(name: str, oof: float, judged: float, oof_draws: np.ndarray, judged_draws: np.ndarray) -> None:
    def bounds(values: np.ndarray, sign: str = "") -> str:
        low, high = np.nanpercentile(values, [2.5, 97.5])
        return f"({low:{sign}.3f} to {high:{sign}.3f})"

    cells = [f"{oof:.4f} {bounds(oof_draws)}", f"{judged:.4f} {bounds(judged_draws)}"]
    print(
        f"  {name:12s} {cells[0]:>26s} {cells[1]:>26s} {judged - oof:+.4f} {bounds(judged_draws - oof_draws, '+'):>20s}"
    )


if __name__ == "__main__":
    main()
