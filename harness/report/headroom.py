"""The oracle table: what the metric would be if one class were perfect, and so which specialist is worth training."""

from typing import NamedTuple

from harness.report.html.format import number
from harness.report.run import LastRun

ALIKE = 9  # places after which gains differ by rounding alone


class Wish(NamedTuple):
    """gain: positive where it is better, also where lower scores win."""

    name: str
    score: float
    gain: float


def wishes(run: LastRun) -> list[Wish]:
    """Of every class that can be predicted, the largest gain first; of the same gain, the weaker class."""
    scores = {name: float(run.competition.metric.score(rows)) for name, rows in run.said.perfect.items()}
    made = [Wish(name, score, run.sign * (score - run.score)) for name, score in scores.items()]
    weakest = {name: place for place, name in enumerate(run.classes)}  # a metric may leave classes out
    return sorted(made, key=lambda wish: (-round(wish.gain, ALIKE), weakest.get(wish.name, len(weakest))))


def advice(run: LastRun, ranked: list[Wish]) -> str:
    """One sentence; "" where there are no classes."""
    if not ranked:
        return ""
    first, metric = ranked[0], run.competition.metric.name
    if first.gain <= 0:
        return "No class would gain anything: no specialist is worth training."
    has = (
        run.recipe.class_specialist is not None
        and run.competition.task.classes[run.recipe.class_specialist.target_class] == first.name
    )
    interval = run.card["cv"]
    within = first.gain <= (interval["high"] - interval["low"]) / 2
    found = (
        f"A perfect specialist for {first.name} would take the {metric} from {number(run.score)} to "
        f"{number(first.score)}, and no other class promises more{', beyond the specialist that it has' if has else ''}"
    )
    if within:
        return f"{found}; that is less than the score's own interval, so no specialist promises much."
    return f"{found}: `make specialist COMP={run.competition.name}` trains one, and keeps it only if it wins."
