"""The terminal: progress on standard error while the harness works, and tables of results on standard output."""

import sys
import time
from typing import Any

from harness.errors import listed
from harness.report.format import counted, gained, interval_of, number, scored, shortened, signed, span

SHOWN = 8  # classes in the terminal; the report and --json have all


class Console:
    """Lines as they come; a progress bar per running fold in a terminal, one line per epoch without one."""

    def __init__(self) -> None:
        from rich.console import Console as Rich
        from rich.progress import BarColumn, Progress, TextColumn

        self.rich = Rich(stderr=True, highlight=False, soft_wrap=True)
        self.started = time.monotonic()
        self.bars: dict[str, Any] = {}
        columns = (TextColumn("{task.description:<24}"), BarColumn(), TextColumn("{task.fields[state]}"))
        self.progress = Progress(*columns, console=self.rich, auto_refresh=False) if self.rich.is_terminal else None
        self.search: dict[str, Any] = {}
        self.live: Any = None

    def __enter__(self) -> "Console":
        from rich.console import Group
        from rich.live import Live

        if progress := self.progress:

            def view() -> Group:
                """The bars of the folds, under the table of a search."""
                return Group(*([_search_table(self.search)] if self.search else []), progress)

            self.live = Live(console=self.rich, get_renderable=view, transient=True, refresh_per_second=2)
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live:
            self.live.stop()

    def say(self, line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        self.rich.print(f"{minutes:3d}:{seconds:02d}  {line}", markup=False)

    def listen(self, event: dict[str, Any]) -> None:
        """An event of a fit: progress inside an epoch, an epoch's end, or a warning."""
        name = f"{event.get('model')}, fold {event.get('fold')}"
        if "search" in event:
            self.search = event["search"]
        elif "warning" in event:
            self.say(f"{name}: {event['warning']}" if "model" in event else event["warning"])
        elif self.progress and "step" in event:
            if name not in self.bars:
                self.bars[name] = self.progress.add_task(name, total=event["steps_total"], state="")
            left = int(event.get("seconds_left") or 0)
            state = f"{left // 60}:{left % 60:02d} left"
            self.progress.update(self.bars[name], completed=event["step"], state=state)
            if event["step"] >= event["steps_total"]:
                self.progress.remove_task(self.bars.pop(name))
        elif not self.progress and "loss" in event and "epoch" in event and not self.search:  # a search has thousands
            rate = f", {event['images_per_second']:.0f} images/s" if "images_per_second" in event else ""
            self.say(f"{name}, epoch {event['epoch']}: loss {event['loss']:.4f}{rate}")


def results_table(result: dict[str, Any]) -> None:
    """The end of a submit: what each step gained and whether it was accepted; then score and rank."""
    out, table = _out(), _table("step", "gain on held-out folds (95 %)", "verdict", "CV so far")
    for step in result["steps"]:
        gain = _gained(step["gain"]) if step["gain"] else ""
        table.add_row(step["step"], gain, _verdict(step), number(step["score"]))
    out.print(table)
    out.print(
        "CV so far: the cross-fitted score of the ensemble up to this step, not of one model. Each fold is scored with "
        "the steps that the other folds accept, so a refused step can change it."
    )
    sign, by_class = 1 if result.get("higher_is_better", True) else -1, result["steps"][-1]["by_class"].items()
    worst = sorted((sign * score, name) for name, score in by_class if score is not None)
    if worst:
        which = f"the worst of {len(worst)} classes" if len(worst) > SHOWN else "by class, the worst first"
        out.print(f"{which}: {listed((f'{name} {sign * score:.3f}' for score, name in worst), SHOWN)}")
    if result["reported"]:
        out.print("also: " + ", ".join(f"{name} {_scored(score)}" for name, score in result["reported"].items()))
    cv = result["cv"]
    optimism = signed(cv["in_sample"] - cv["score"])
    out.print(f"CV {_scored(cv)}, cross-fitted; in-sample {number(cv['in_sample'])}, optimism {optimism}")
    out.print(result["message"] or "")
    _files({"submission": result["submission"], **result["official"]}, result["seconds"])


def _verdict(step: dict[str, Any]) -> str:
    """Say "accepted" or "refused (reason)", and in how many fits without a fold a refused step was accepted."""
    if step["accepted"]:
        return f"accepted ({step['way']})" if step["way"] else "accepted"
    fits = step.get("accepted_in_folds") or 0
    otherwise = f"; accepted in {counted(fits, 'fit')} without a fold" if fits else ""
    return f"refused ({shortened(step['reason'])}){otherwise}"


def search_table(result: dict[str, Any]) -> None:
    """The end of a search: the table of a submit, then its trials."""
    counts = ", ".join(f"{count} {what}" for what, count in result["trials"].items())
    results_table(result)
    _out().print(f"trials: {counts}; search report: {result['report']}")


def _search_table(search: dict[str, Any]) -> Any:
    """The state of a running search. Counts of trials stand between "running" and "seconds_left"."""
    best, left = search["best"], int(search["seconds_left"]) // 60
    counts = {name: str(count) for name, count in search.items() if isinstance(count, int)}
    table = _table("best so far", "running", *counts, "time left")
    score = _scored(best) if best else "nothing complete yet"
    table.add_row(score, search["running"], *counts.values(), f"{left // 60}:{left % 60:02d} h")
    return table


def final_table(result: dict[str, Any]) -> None:
    """The end of FINAL=1: which models were trained again, and where the official files are."""
    names = ", ".join(f"{name} (CV {number(score['score'])} before)" for name, score in result["models"].items())
    _out().print(f"trained again with the hold-out's labels: {names}")
    _files(result["official"], result["seconds"])


def _files(paths: dict[str, str], seconds: float) -> None:
    out = _out()
    for what, path in paths.items():
        out.print(f"{what}: {path}")
    out.print(f"done in {span(seconds)}")


def audit_table(result: dict[str, Any]) -> None:
    """The checks of an audit, the worst first."""
    table = _table("check", "verdict", "evidence", "remedy")
    for check in sorted(result["checks"], key=lambda check: ("fail", "warn", "pass").index(check["verdict"])):
        table.add_row(check["name"], check["verdict"], check["evidence"], check["remedy"])
    _out().print(table)
    _out().print(f"verdict: {result['verdict']}; {len(result['exclusions'])} rows leave training")


def comparison_table(result: dict[str, Any]) -> None:
    """The verdict first, then by class, then the rows that differ most."""
    out = _out()
    out.print(
        f"{result['verdict']}: A minus B {_gained(result)}, p {result['p']:.4f}; {result['metric']} on "
        f"{result['rows']} out-of-fold rows, positive where A is better"
    )
    for name in ("a", "b"):
        out.print(f"{name.upper()}: {_scored(result[name])}  {result[name]['path']}")
    if result["by_class"]:
        table = _table("class", "A minus B (95 %)")
        by_class = sorted(result["by_class"].items(), key=lambda each: each[1]["score"])
        for name, change in by_class[:SHOWN]:
            table.add_row(name, gained(change["score"], change["low"], change["high"]))
        if len(by_class) > SHOWN:
            table.add_row(f"and {len(by_class) - SHOWN} more", "those above are the worst for A")
        out.print(table)
    if result["most_different"]:
        table = _table("row that differs most", "A", "B", "A minus B")
        for row in result["most_different"]:
            table.add_row(row["id"], number(row["a"]), number(row["b"]), signed(row["difference"]))
        out.print(table)
    out.print(f"page: {result['report']}")


def status_table(result: dict[str, Any]) -> None:
    """What is on the disk for a competition."""
    out = _out()
    table = _table("run", "folds", "CV alone (95 %)", "MB", "in the best submission")
    for run in result["runs"]:
        score, in_use = _scored(run["score"]) if run["score"] else "", "yes" if run["in_use"] else ""
        folds = f"{run['folds_done']} of {run['folds']}"
        table.add_row(run["name"], folds, score, f"{run['bytes'] / 1e6:.0f}", in_use)
    out.print(table)
    out.print(result["running"] or "nothing is running")
    out.print(f"best submission: {result['best'] or 'none yet'}")
    out.print(f"disk: {result['bytes'] / 1e6:.0f} MB in data, runs, submissions and searches")


def _out() -> Any:
    from rich.console import Console as Rich

    return Rich(file=sys.stdout, highlight=False)


def _table(*columns: str) -> Any:
    from rich import box
    from rich.table import Table

    return Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)


def _scored(score: dict[str, float]) -> str:
    return scored(interval_of(score))


def _gained(gain: dict[str, Any]) -> str:
    return gained(gain["difference"], gain["low"], gain["high"])
