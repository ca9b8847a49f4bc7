"""Overnight: `make search COMP=mars HOURS=8`. Variants race, and the best valid submission so far is always on disk.

`search` is the sentence: open the study, work through the night, hand in what is in the bank, write the morning page.
"""

from collections.abc import Sequence
from typing import Any

from harness import folders
from harness.engine import workers
from harness.engine.local import Local
from harness.errors import UserError
from harness.files import append_line, locked, read_lines, sweep_partials
from harness.morning import morning_lines, morning_page
from harness.official import best_card, bundles_of, predict_official, recipe_of
from harness.pipeline import judged, keep_baseline, prepare
from harness.request import Request
from harness.search.clock import Clock
from harness.search.night import Night
from harness.search.race import Race
from harness.search.storage import reached
from harness.search.study import Study, opened
from harness.submission import now, require_judge


@reached()
def search(request: Request, storage: str | None = None, racing: bool = True, cutting: bool = True) -> dict[str, Any]:
    """request.budget: seconds of the whole search. Returns what `search --json` prints (DESIGN, section 8)."""
    competition = request.competition
    models = [name for name, learner in request.learners.items() if learner.focus is None]
    if not models:
        raise UserError(
            f"{', '.join(request.learners)} alone predicts no more than its own class; name a general model"
        )
    engine = workers(request.listen, request.engine, request.workers)
    with engine, Local(1, 1, grace=0) as clerk:  # its files are written whole or not at all
        prepared = prepare(request)
        require_judge(competition.name, request.team, prepared.data_hash, request.say)
        engine.share(prepared.folder)
        keep_baseline(request, prepared)
        folds = prepared.folds(competition, request.fold_count)
        train_hash = prepared.train_hash(folds)
        with locked(folders.runs(competition.name, train_hash)):
            for written in (folders.searches, folders.submissions):
                sweep_partials(written(competition.name, prepared.data_hash))
            sweep_partials(folders.runs(competition.name, train_hash))
            study = opened(competition, prepared, train_hash, models, storage)
            clock = Clock.measured(request, prepared, engine, study.optuna)
            groups = {fold: prepared.train.groups[folds == fold] for fold in range(request.fold_count)}
            race = Race(competition.metric, groups, racing, cutting)
            Night(request, prepared, folds, engine, clerk, study, clock, race).work()
            card = best_card(competition, prepared)
            file = folders.root() / card["file"]
            official = predict_official(request, prepared, bundles_of(card), recipe_of(card), engine, file)
    book = folders.searches(competition.name, prepared.data_hash) / "night.jsonl"
    try:
        result = judged(request, prepared, file, card, official)
        append_line(book, {"at": now(), "event": "judged", **{key: result[key] for key in ("public", "cv", "rank")}})
    finally:  # a judge who cannot be reached takes nobody's morning page
        page = told_in_the_morning(request, study, read_lines(book))
    return {**result, "trials": study.counts(), "report": page}


def told_in_the_morning(request: Request, study: Study, events: Sequence[dict[str, Any]]) -> str:
    """Write the page, say its lines; returns where it is."""
    for line in morning_lines(request.competition, study.optuna, events):
        request.say(line)
    return folders.shown(morning_page(request.competition, study.optuna, events))
