"""One page on the last run: what it reached, what each step and member added, where it errs, and what it cost.

`make report COMP=`. From the bundles alone: every prediction on it was made out-of-fold, and the judge's answers are
never opened.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import paths
from harness.competition import Competition
from harness.files import read_json, write_bytes
from harness.report import charts
from harness.report.board import standing
from harness.report.classes import matrix, places
from harness.report.costs import cost, epochs
from harness.report.headroom import advice, wishes
from harness.report.html import render
from harness.report.html.format import number, percent, scored, signed
from harness.report.label_issues import doubted
from harness.report.members import correlations, interval_of, parts
from harness.report.pictures import gallery
from harness.report.run import LastRun, last_run

TEMPLATE = Path(__file__).parent / "page.html"
MANY = 12  # rows of a table, pictures of a kind; what is left out is counted


def report(competition: Competition) -> dict[str, str]:
    """Write reports/<competition>/report.html; what `report --json` prints. Raise `UserError` where there is no run."""
    file = paths.reports(competition.name) / "report.html"
    write_bytes(file, page(last_run(competition)))
    return {"competition": competition.name, "path": paths.shown(file)}


def page(run: LastRun) -> bytes:
    competition, members = run.competition, parts(run)
    ranking = standing(competition.name, run.prepared.data_hash)
    ranked = wishes(run)
    return render(
        TEMPLATE,
        title=competition.name.replace("_", " ").capitalize(),
        metric=competition.metric.name,
        higher=competition.metric.higher_is_better,
        run=run,
        card=run.card,
        many=MANY,
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        result=result(run, ranking),
        notes=notes(run),
        cv=interval_of(run.card["cv"]),
        standing=ranking,
        mine=mine(run, ranking),
        members=members,
        errors=correlations(run, members) if len(members) > 1 else None,
        places=places(run.classes),
        wishes=ranked,
        advice=advice(run, ranked),
        matrix=matrix(run),
        **pictured(run),
        gallery=gallery(run),
        suspects=doubted(run),
        colours={name: charts.hexed(colour) for name, colour in competition.task.account.colours().items()},
        costs=[cost(name, bundle) for name, bundle in run.model_runs.items()],
        audit=read_json(run.prepared.folder / "audit.json"),
        excluded=len(run.prepared.exclusions),
    )


def pictured(run: LastRun) -> dict[str, Any]:
    """The charts; "" for what the task has nothing of."""
    account, said, ids = run.competition.task.account, run.said, run.samples.ids.tolist()
    curves = account.curves(run.oof.targets, said.decided)
    ranked = any(len(curve.recall) for curve in curves.values())
    claims, amounts = account.claims(said.targets, said.prediction), account.amounts(run.oof.targets, said.decided)
    certain = charts.bins(claims) if claims else []
    learnt = {model: epochs(bundle) for model, bundle in run.model_runs.items()}
    return {
        "curves": charts.precision_recall(curves, account.colours()) if ranked else "",
        "reliability": charts.reliability(certain, "decisions") if certain else "",
        "calibration_error": charts.expected_error(certain) if certain else None,
        "few": charts.FEW,
        "against": charts.against(*amounts, ids) if amounts else "",
        "residuals": charts.residuals(*amounts, ids) if amounts else "",
        "bias": float((amounts[1] - amounts[0]).mean()) if amounts else None,
        "spread": float((amounts[1] - amounts[0]).std()) if amounts else None,
        "learning": {model: (charts.learning(model, found), found.folds) for model, found in learnt.items() if found},
        "silent": [model for model, found in learnt.items() if not found],
    }


# -- the result --------------------------------------------------------------------------------------------------------


def result(run: LastRun, ranking: dict[str, Any] | None) -> str:
    """One sentence."""
    cv, names = interval_of(run.card["cv"]), run.recipe.names
    who = f"The model {names[0]}" if len(names) == 1 else f"The ensemble of {', '.join(names[:-1])} and {names[-1]}"
    who += " with test-time augmentation" if run.recipe.tta else ""
    found = f"{who} reaches a cross-fitted {run.competition.metric.name} of {scored(cv)}"
    gain = run.sign * (cv.score - run.card["steps"][0]["score"])
    if gain > 0:
        found += f", {number(gain)} better than the best single model as it comes"
    row = mine(run, ranking)
    if row and ranking:
        found += f", and stands on rank {row['rank']} of {len(ranking['rows'])}"
    if len(run.classes) > 1:
        worst, score = next(iter(run.classes.items()))
        found += f"; {worst} is its weakest class ({number(score.score)})"
    return f"{found}."


def mine(run: LastRun, ranking: dict[str, Any] | None) -> dict[str, Any] | None:
    """The row of the team that handed this run in; the first that claims its score, where no team was named."""
    rows = ranking["rows"] if ranking else []
    team, claimed = run.card["team"], run.card["cv"]["score"]
    own = [row for row in rows if row["team"] == team] or [row for row in rows if not team and row["cv"] == claimed]
    return own[0] if own else None


def notes(run: LastRun) -> list[str]:
    """What one must know to read the rest."""
    told, claimed = [], run.card["cv"]["score"]
    current = paths.data(run.competition.name) / "current.json"
    if not current.exists() or read_json(current)["data_hash"] != run.prepared.data_hash:
        told.append("This run is not of the data prepared last: FAST=1 makes a few rows of its own.")
    if run.share < 1:
        told.append(f"Only {percent(run.share)} of the rows have out-of-fold predictions of every member.")
    if abs(run.score - claimed) > 1e-9:
        told.append(
            f"The code has changed since: fitted again now, the ensemble has {number(run.score)} instead of "
            f"{number(claimed)} ({signed(run.score - claimed)}); steps and scores are the card's, the rest is of now."
        )
    return told
