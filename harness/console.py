"""What a person sees while the harness works: everything on standard error, so that `--json` stays alone on output."""

import sys
import time
from types import TracebackType
from typing import Any


class Console:
    """Lines as they come; a progress bar per running fold in a terminal, one line per epoch without one."""

    def __init__(self) -> None:
        from rich.console import Console as Rich
        from rich.progress import BarColumn, Progress, TextColumn

        self.rich = Rich(stderr=True, highlight=False, soft_wrap=True)
        self.started = time.monotonic()
        self.bars: dict[tuple[str, int], Any] = {}
        columns = (TextColumn("{task.description:<24}"), BarColumn(), TextColumn("{task.fields[state]}"))
        self.progress = Progress(*columns, console=self.rich, auto_refresh=False) if self.rich.is_terminal else None
        self.search: dict[str, Any] = {}
        self.live: Any = None

    def __enter__(self) -> "Console":
        if self.progress:
            from rich.live import Live

            self.live = Live(console=self.rich, get_renderable=self._view, transient=True, refresh_per_second=2)
            self.live.start()
        return self

    def _view(self) -> Any:
        """The bars of the folds, under the table of a search."""
        from rich.console import Group

        assert self.progress
        return Group(*([_search_state(self.search)] if self.search else []), self.progress)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
            self._move(name, event)
        elif "loss" in event and "epoch" in event and not self.search:  # a search has thousands
            self._epoch(name, event)

    def _move(self, name: str, event: dict[str, Any]) -> None:
        assert self.progress
        key = (str(event.get("model")), int(event["fold"]))
        if key not in self.bars:
            self.bars[key] = self.progress.add_task(name, total=event["steps_total"], state="")
        left = int(event.get("seconds_left") or 0)
        self.progress.update(self.bars[key], completed=event["step"], state=f"{left // 60}:{left % 60:02d} left")
        if event["step"] >= event["steps_total"]:
            self.progress.remove_task(self.bars.pop(key))

    def _epoch(self, name: str, event: dict[str, Any]) -> None:
        if self.progress is None:
            rate = f", {event['images_per_second']:.0f} images/s" if "images_per_second" in event else ""
            self.say(f"{name}, epoch {event['epoch']}: loss {event['loss']:.4f}{rate}")


def results_table(result: dict[str, Any]) -> None:
    """The end of a submit: what each step added, with its interval, what was refused; then score and rank."""
    out = _out()
    table = _table("step", "gain on held-out folds", "verdict", "CV")
    for step in result["steps"]:
        gain = step["gain"]
        added = f"{gain['difference']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})" if gain else ""
        verdict = f"taken{step['way'] and ': ' + step['way']}" if step["accepted"] else f"refused: {step['reason']}"
        table.add_row(step["step"], added, verdict, f"{step['score']:.4f}")
    out.print(table)
    classes = [f"{name} {score:.3f}" for name, score in result["steps"][-1]["by_class"].items() if score is not None]
    if classes:
        out.print(f"by class: {', '.join(classes)}")
    if result["reported"]:
        out.print("also: " + ", ".join(f"{name} {_interval(score)}" for name, score in result["reported"].items()))
    cv = result["cv"]
    out.print(f"CV {_interval(cv)}; in-sample {cv['in_sample']:.4f}, optimism {cv['in_sample'] - cv['score']:+.4f}")
    out.print(result["message"] or "")
    _files(out, {"submission": result["submission"], **result["official"]}, result["seconds"])


def blend_table(result: dict[str, Any]) -> None:
    """Who brought what, where there are several; then as after a submit."""
    if len(result["members"]) > 1:
        table = _table("member", "models", "weight", "gain of having them")
        for one in result["members"]:
            models = ", ".join(f"{name} {weight:.2f}" for name, weight in one["models"].items())
            gain = _signed(one["gain"]) if one["gain"] else "there is no other" if one["weight"] else "not used"
            table.add_row(one["member"], models, f"{one['weight']:.2f}", gain)
        _out().print(table)
    results_table(result)


def search_table(result: dict[str, Any]) -> None:
    """The end of a search: its trials, and then as after a submit."""
    counts = ", ".join(f"{count} {what}" for what, count in result["trials"].items())
    results_table(result)
    _out().print(f"trials: {counts}; the morning page: {result['report']}")


def _search_state(search: dict[str, Any]) -> Any:
    best = search["best"]
    score = f"{best['score']:.4f} ({best['low']:.4f} to {best['high']:.4f})" if best else "nothing complete yet"
    minutes = int(search["seconds_left"]) // 60
    table = _table("best so far", "running", "done", "cut", "failed", "time left")
    counts = (str(search[name]) for name in ("finished", "cut", "failed"))
    table.add_row(score, search["running"], *counts, f"{minutes // 60}:{minutes % 60:02d} h")
    return table


def final_table(result: dict[str, Any]) -> None:
    """The end of FINAL=1: which models were refitted, and where the official files are."""
    out = _out()
    names = ", ".join(f"{name} (CV {score['score']:.4f} before)" for name, score in result["models"].items())
    out.print(f"refitted with the hold-out's labels: {names}")
    _files(out, result["official"], result["seconds"])


def _files(out: Any, paths: dict[str, str], spent: float) -> None:
    for what, path in paths.items():
        out.print(f"{what}: {path}")
    minutes, seconds = divmod(int(spent), 60)
    out.print(f"done in {minutes}:{seconds:02d}")


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
        f"{result['verdict']}: A minus B {_signed(result)}, p {result['p']:.4f}; {result['metric']} on "
        f"{result['rows']} out-of-fold rows, positive where A is better"
    )
    for name in ("a", "b"):
        out.print(f"{name.upper()}: {_interval(result[name])}  {result[name]['path']}")
    if result["by_class"]:
        table = _table("class", "A minus B")
        for name, change in result["by_class"].items():
            table.add_row(name, _signed({**change, "difference": change["score"]}))
        out.print(table)
    if result["most_different"]:
        table = _table("row that differs most", "A", "B", "A minus B")
        for row in result["most_different"]:
            table.add_row(row["id"], f"{row['a']:.4f}", f"{row['b']:.4f}", f"{row['difference']:+.4f}")
        out.print(table)


def _signed(gain: dict[str, Any]) -> str:
    return f"{gain['difference']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"


def status_table(result: dict[str, Any]) -> None:
    """What is on the disk for a competition."""
    out = _out()
    table = _table("bundle", "folds", "CV, plain", "MB", "in use by best/")
    for model_run in result["bundles"]:
        score = _interval(model_run["score"]) if model_run["score"] else ""
        used = "yes" if model_run["in_use"] else ""
        table.add_row(
            model_run["name"],
            f"{model_run['folds_done']} of {model_run['folds']}",
            score,
            f"{model_run['bytes'] / 1e6:.0f}",
            used,
        )
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


def _interval(score: dict[str, float]) -> str:
    return f"{score['score']:.4f} ({score['low']:.4f} to {score['high']:.4f})"
