"""The board as a table in the terminal, and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leaderboard.board import Board
from leaderboard.finals import Choice
from leaderboard.rescore import Rescored
from leaderboard.words import counted, decimals_for, notes, short_time, standing


def as_json(board: Board) -> dict[str, Any]:
    return {
        "competition": board.competition,
        "data_hash": board.data_hash,
        "source": board.source,
        "metric": board.metric,
        "higher_is_better": board.higher_is_better,
        "revealed_at": board.revealed_at,
        "standing": standing(board),
        "notes": notes(board),
        "rows": [asdict(row) for row in board.rows],
    }


def show(told: Mapping[str, Any], console: Console | None = None) -> None:
    """Print title, table and sentences on standard output, of what `as_json` tells, here or on a server."""
    console = console or Console(highlight=False)
    console.print(_title(told))
    if told["rows"]:
        console.print(_table(told["rows"], told["revealed_at"] is not None))
    for sentence in (told["standing"], *told["notes"]):
        console.print(Text(sentence))


def _title(told: Mapping[str, Any]) -> Text:
    direction = "higher is better" if told["higher_is_better"] else "lower is better"
    data = f"data {told['data_hash']}" + (f" from {told['source']}" if told["source"] else "")
    return Text.assemble((told["competition"], "bold"), f" · {told['metric']}, {direction} · {data}")


def _table(rows: Sequence[Mapping[str, Any]], revealed: bool) -> Table:
    """What ranks stands first, with its interval: the public score, or after the reveal the private one."""
    decimals = max(
        decimals_for(column) for column in zip(*((row["score"], row["private"] or 0) for row in rows), strict=True)
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("rank", justify="right")
    table.add_column("team", overflow="fold")
    for name in ("private", "95 %", "public") if revealed else ("public", "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("CV", "entries", "submitted (UTC)"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row, decimals, revealed))
    return table


def _cells(row: Mapping[str, Any], decimals: int, revealed: bool) -> list[str | Text]:
    public, private = _number(row["score"], decimals), _number(row["private"], decimals)
    if revealed:
        ranked_by = [private, _bounds(row["private_low"], row["private_high"]), public]
    else:
        ranked_by = [public, _bounds(row["low"], row["high"])]
    return [
        f"={row['rank']}" if row["tied"] else str(row["rank"]),
        Text(row["team"]),  # not a string: rich would read [red] as markup
        *ranked_by,
        _number(row["cv"], decimals),
        str(row["entries"]),
        short_time(row["submitted_at"]),
    ]


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def _bounds(low: float | None, high: float | None) -> str:
    return f"{_number(low, 3)}–{_number(high, 3)}"


def show_moved(rescored: Rescored, console: Console | None = None) -> None:
    """Print what a re-scoring changed."""
    console = console or Console(highlight=False)
    was, now = rescored.was, rescored.now
    told = f"{rescored.competition} stands by version {now.version} of {now.metric}, before by {was.version}"
    because = f": {now.reason}" if now.reason else ""
    console.print(Text(f"{told}; {counted(rescored.entries)} scored{because}"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("rank", "was", "team", "score", "was"):
        table.add_column(name, justify="left" if name == "team" else "right")
    decimals = decimals_for([score for moved in rescored.moved for score in (moved.old_score, moved.new_score)])
    for team, old_rank, new_rank, old_score, new_score in rescored.moved:
        ranks, both = (str(new_rank), str(old_rank)), (_number(new_score, decimals), _number(old_score, decimals))
        table.add_row(*ranks, Text(team), *both)
    console.print(table)


def show_choice(choice: Choice, console: Console | None = None) -> None:
    """Print what a team can choose from, and what it chose."""
    console = console or Console(highlight=False)
    console.print(Text.assemble((choice.competition, "bold"), f" · entries of {choice.team} · data {choice.data_hash}"))
    if choice.entries:
        console.print(_candidates(choice))
    if choice.finals:
        console.print(Text(f"Final: {' and '.join(choice.finals)}. Choosing again replaces them, until the reveal."))
    else:
        console.print(Text(f"None chosen: the best public one counts. Up to {choice.allowed} may be chosen by name."))
    if choice.advice:
        console.print(Text(f"Advice: {choice.advice.sentence}"))


def _candidates(choice: Choice) -> Table:
    decimals = decimals_for([candidate.public for candidate in choice.entries])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("final", "entry", "public", "private", "CV", "submitted (UTC)"):
        table.add_column(name, no_wrap=True)
    for candidate in choice.entries:
        numbers = (candidate.public, candidate.private, candidate.cv)
        cells = [_number(number, decimals) for number in numbers]
        table.add_row("yes" * candidate.final, candidate.submission, *cells, short_time(candidate.submitted_at))
    return table
