"""The morning after a search: what it found, what it cost and what to try next, as one page and as lines of text."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import paths
from harness.competition import Competition
from harness.files import write_bytes
from harness.report.html import render
from harness.report.html.format import counted, number, percent, scored, signed, span
from harness.report.search import charts
from harness.report.search.advice import Importances, advice
from harness.report.search.facts import Night, interval_of, read_night, score_of
from harness.report.search.importance import FEWEST, importances
from harness.report.search.rows import banked, best_settings, classes, hourly, members, models, saved, sliced, troubles
from harness.report.search.timeline import HOUR

if TYPE_CHECKING:
    import optuna

TEMPLATE = Path(__file__).parent / "page.html"
MANY = 12  # rows of a table; what is left out is counted


def morning_page(competition: Competition, study: "optuna.Study", events: Sequence[dict[str, Any]]) -> Path:
    """Write reports/<competition>/search.html, one file that needs no other and no network.

    study: with the attributes that the search leaves on its trials. events: of night.jsonl, oldest first.
    """
    night = read_night(competition, study, events)
    important = importances(night)
    page = render(
        TEMPLATE,
        night=night,
        title=competition.name.replace("_", " ").capitalize(),
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        result=result(night),
        counts=counts(night),
        honesty=honesty(night),
        wide=charts.progress(night, 760, 320),
        narrow=charts.progress(night, 330, 280),
        important=important,
        silent=[model for model in night.models if model not in important],
        fewest=FEWEST,
        best_at={model: best_settings(night, model) for model in important},
        slices=[(*chosen, charts.slice_of(night, *chosen)) for chosen in sliced(important)],
        troubles=troubles(night),
        saved=saved(night),
        many=MANY,
        models=models(night),
        banked=banked(night),
        members=members(night),
        classes=classes(night),
        next=advice(night, important),
    )
    file = paths.reports(competition.name) / "search.html"
    write_bytes(file, page)
    return file


def morning_lines(competition: Competition, study: "optuna.Study", events: Sequence[dict[str, Any]]) -> list[str]:
    """The same for a terminal."""
    night = read_night(competition, study, events)
    important = importances(night)
    return list(lines(night, important))


def lines(night: Night, important: Importances) -> Iterator[str]:
    yield result(night)
    yield from filter(None, [honesty(night)])
    yield counts(night)
    for model, shares in important.items():
        yield f"what mattered for {model}: " + ", ".join(
            f"{name} {percent(share)}" for name, share in [*shares.items()][:4]
        )
    for row in troubles(night)[:MANY]:
        yield f"{row['state']}, {counted(row['count'], 'trial')} of {row['models']}: {row['reason']}"
    for row in models(night):
        yield f"{row['model']}: best {row['best']}, {row['each']} for a trial that finished, {row['spent']} in all"
    if night.banks:
        parts = [f"{row['name']} {percent(row['weight'])}" for row in members(night)]
        yield f"the ensemble: {', '.join(parts)}" + hourly(night)
    ranked = classes(night)
    if ranked:
        worst = ranked[0]
        before = f"{number(worst['before'])} before, " if worst["before"] is not None else ""
        yield f"worst class: {worst['name']}, {before}{number(worst['after'])} now"
    for sentence in advice(night, important):
        yield f"next: {sentence.replace('`', '')}"


# -- the result --------------------------------------------------------------------------------------------------------


def result(night: Night) -> str:
    """One sentence."""
    if night.after is None:
        return "No trial finished and nothing was banked: the submission is what it was before the search."
    what = "The ensemble" if night.banks else "No ensemble was banked; the best trial"
    found = f"{what} reaches a cross-fitted {night.metric} of {scored(night.after)}"
    if night.gain is None or night.before is None:
        return f"{found}; no declared model finished, so there is nothing to hold it against."
    found += f", the best declared model alone {scored(score_of(night.before))}"
    if night.gain <= 0:
        return f"{found}: the search found nothing better."
    noise = "the intervals overlap" if night.overlap else "more than their intervals explain"
    return f"{found}: better by {number(night.gain)}, {noise}."


def counts(night: Night) -> str:
    """How many trials, in what time."""
    parts = [f"{len(night.state(name))} {name}" for name in ("finished", "cut", "failed")]
    running = night.state("running")
    parts += [f"{len(running)} still running"] * bool(running)
    spent = span(night.hours * HOUR) + (f" in {night.searches} searches" if night.searches > 1 else "")
    return f"Trials: {', '.join(parts)}; {spent}, {span(night.seconds)} of compute."


def honesty(night: Night) -> str:
    """Whether the judge's rows, which no trial saw, agree with the cross-fitted score: trials are drawn by what earlier
    ones scored on the same rows, and no cross-fitting takes that back."""
    if night.judged is None:
        return ""
    public, cv = interval_of(night.judged["public"]), interval_of(night.judged["cv"])
    agrees = "within" if public.low <= cv.score <= public.high else "outside"
    return (
        f"On the public hold-out rows it scores {scored(public)}, {signed(public.score - cv.score)} against its "
        f"cross-fitted {number(cv.score)}, which lies {agrees} that interval."
    )
