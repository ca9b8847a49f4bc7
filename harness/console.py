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
        self.progress = Progress(*columns, console=self.rich, transient=True) if self.rich.is_terminal else None

    def __enter__(self) -> "Console":
        if self.progress:
            self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.progress:
            self.progress.stop()

    def say(self, line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        self.rich.print(f"{minutes:3d}:{seconds:02d}  {line}", markup=False)

    def listen(self, event: dict[str, Any]) -> None:
        """An event of a fit: progress inside an epoch, an epoch's end, or a warning."""
        name = f"{event.get('model')}, fold {event.get('fold')}"
        if "warning" in event:
            self.say(f"{name}: {event['warning']}")
        elif self.progress and "step" in event:
            self._move(name, event)
        elif "loss" in event and "epoch" in event:
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
    from rich.console import Console as Rich
    from rich.table import Table

    rich = Rich(file=sys.stdout, highlight=False, soft_wrap=False)
    table = Table(title=f"{result['competition']}: cross-fitted on out-of-fold rows", title_justify="left")
    for name in ("step", "score", "95 % interval", "gain", "verdict"):
        table.add_column(name, justify="left" if name in ("step", "verdict") else "right")
    for step in result["steps"]:
        gain = step["gain"]
        added = f"{gain['difference']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]" if gain else ""
        verdict = "" if not gain else "taken" if step["accepted"] else f"refused: {step['reason']}"
        table.add_row(step["step"], f"{step['score']:.4f}", f"{step['low']:.4f} to {step['high']:.4f}", added, verdict)
    rich.print(table)
    classes = ", ".join(
        f"{name} {score:.3f}" for name, score in result["steps"][-1]["by_class"].items() if score is not None
    )
    cv, public = result["cv"], result["public"]
    rich.print(f"by class: {classes}")
    rich.print(
        f"CV {cv['score']:.4f} ({cv['low']:.4f} to {cv['high']:.4f}); in-sample {cv['in_sample']:.4f}, optimism {cv['in_sample'] - cv['score']:+.4f}"
    )
    if public:
        rich.print(
            f"public score {public['score']:.4f} ({public['low']:.4f} to {public['high']:.4f}); rank {result['rank']} of {result['teams']}"
        )
    rich.print(result.get("message") or "")
    for what, path in {"submission": result["submission"], **result["official"]}.items():
        rich.print(f"{what}: {path}")
