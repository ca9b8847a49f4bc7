"""Is A really better than B? Two runs or submissions on the same out-of-fold rows: `make compare A= B=`."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness import paths
from harness.bootstrap import compare, interval
from harness.competition import Competition, find
from harness.ensemble import statistics_alone
from harness.errors import UserError
from harness.files import read_json
from harness.prepare import Prepared
from harness.report.gallery import row_scores
from harness.report.html_page import write_page
from harness.training.ensembling import refitted
from harness.training.predictions import ModelRun

MOST = 10  # rows that are named
VERDICTS = {"better": "A is better", "worse": "B is better", "cannot tell": "cannot tell"}


class Compared(NamedTuple):
    """One side: rows with out-of-fold predictions, their groups and the metric's statistics, aligned."""

    competition: Competition
    data_hash: str
    ids: np.ndarray
    groups: np.ndarray
    statistics: np.ndarray


def compare_files(a: Path, b: Path) -> dict[str, Any]:
    """What `compare --json` prints: A minus B on the rows that both have, by a paired group bootstrap.

    The difference is positive where A is better, also where lower scores win. The page is
    reports/<competition>/comparison.html.
    """
    first, second = out_of_fold(a), out_of_fold(b)
    if (first.competition.name, first.data_hash) != (second.competition.name, second.data_hash):
        sides = " and ".join(f"{side.competition.name} ({side.data_hash})" for side in (first, second))
        raise UserError(
            f"A and B are of different competitions or data: {sides}; compare what was made on the same rows"
        )
    ids, rows_a, rows_b = np.intersect1d(first.ids, second.ids, return_indices=True)
    if not len(ids):
        raise UserError("A and B have no row in common; compare runs that hold the same folds")
    metric, statistics_a, statistics_b = first.competition.metric, first.statistics[rows_a], second.statistics[rows_b]
    groups = first.groups[rows_a]
    gain = compare(metric, statistics_b, statistics_a, groups)
    by_class = {name: change._asdict() for name, change in gain.by_class.items() if np.isfinite(change).all()}
    result = {
        "competition": first.competition.name,
        "metric": metric.name,
        "rows": len(ids),
        "a": {"path": paths.shown(a), **interval(metric, statistics_a, groups)._asdict()},
        "b": {"path": paths.shown(b), **interval(metric, statistics_b, groups)._asdict()},
        **{name: getattr(gain, name) for name in ("difference", "low", "high", "p")},
        "verdict": VERDICTS[gain.verdict],
        "by_class": by_class,
        "most_different": most_different(first.competition, ids, statistics_a, statistics_b),
    }
    page = write_page(first.competition.name, "comparison", **result)
    return {**result, "report": paths.shown(page)}


def most_different(competition: Competition, ids: np.ndarray, a: np.ndarray, b: np.ndarray) -> list[dict[str, Any]]:
    """The rows whose own scores differ most; none where the metric has no score of one row."""
    sign = 1 if competition.metric.higher_is_better else -1
    scores_a, scores_b = row_scores(competition.metric, a), row_scores(competition.metric, b)
    apart = sign * (scores_a - scores_b)
    order = np.argsort(-np.abs(np.nan_to_num(apart)), kind="stable")[:MOST]
    return [
        {"id": str(ids[row]), "a": float(scores_a[row]), "b": float(scores_b[row]), "difference": float(apart[row])}
        for row in order
        if np.isfinite(apart[row]) and apart[row] != 0
    ]


def out_of_fold(path: Path) -> Compared:
    """A run's own rows, or the cross-fitted rows of a submission; raise `UserError` for anything else."""
    if (path / "run.json").exists():
        model_run = ModelRun(path)
        manifest = model_run.manifest
        competition, prepared = find(manifest["competition"]), Prepared(manifest["competition"], manifest["data_hash"])
        folds = prepared.folds_named(competition, manifest["train_hash"])
        samples = prepared.train[np.isin(folds, manifest["folds"])]
        plain = model_run.out_of_fold(competition.task, folds, manifest["folds"]).plain
        statistics = statistics_alone(competition.task, competition.metric, samples.targets, plain)
        return Compared(competition, prepared.data_hash, samples.ids, samples.groups, statistics)
    beside = path.with_suffix(".json")
    if path.suffix == ".csv" and beside.exists() and (manifest := read_json(beside)).get("runs"):
        competition, prepared = find(manifest["competition"]), Prepared(manifest["competition"], manifest["data_hash"])
        folds, fitted_ensemble, oof = refitted(competition, prepared, manifest)  # without every fold, as for its CV
        ids = prepared.train.ids[np.isin(folds, np.unique(oof.folds))]
        return Compared(competition, prepared.data_hash, ids, oof.groups, fitted_ensemble.statistics[-1])
    raise UserError(
        f"{paths.shown(path)} is neither a run (a folder with run.json below runs/) nor a submission that the harness "
        "made (a .csv of submissions/ with its .json beside it)"
    )
