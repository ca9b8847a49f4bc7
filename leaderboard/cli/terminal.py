"""The board, finals, a rescoring and the trust in CV as tables in the terminal, from the same values as the JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leaderboard.cli.text import counted, decimals_for, number, short_time


def show_board(board: Mapping[str, Any], console: Console | None = None) -> None:
    """Print title, table and sentences on standard output; board: as `text.as_json` gives it, here or on a server."""
    console = console or Console(highlight=False)
    direction = "higher is better" if board["higher_is_better"] else "lower is better"
    data = f"data {board['data_hash']}" + (f" from {board['source']}" if board["source"] else "")
    console.print(Text.assemble((board["competition"], "bold"), f" · {board['metric']}, {direction} · {data}"))
    if board["rows"]:
        console.print(_board_table(board["rows"], board["revealed_at"] is not None))
    for sentence in (board["standing"], *board["notes"]):
        console.print(Text(sentence))


def _board_table(rows: Sequence[Mapping[str, Any]], revealed: bool) -> Table:
    """Put the score that ranks first, with its interval: the public one, or after the reveal the private one."""
    columns = zip(*((row["score"], row["private"] or 0) for row in rows), strict=True)
    decimals = max(decimals_for(column) for column in columns)
    ranking = ("private", "95 %", "public") if revealed else ("public", "95 %")
    table = _table("rank", "team", *ranking, "CV", "entries", "submitted (UTC)")
    for row in rows:
        public, private = number(row["score"], decimals), number(row["private"], decimals)
        low, high = (number(row[f"private_{end}" if revealed else end]) for end in ("low", "high"))
        table.add_row(
            f"={row['rank']}" if row["tied"] else str(row["rank"]),
            Text(row["team"]),  # not a string: rich would read [red] as markup
            *((private, f"{low}–{high}", public) if revealed else (public, f"{low}–{high}")),
            number(row["cv"], decimals),
            str(row["entries"]),
            short_time(row["submitted_at"]),
        )
    return table


def show_rescore(result: Mapping[str, Any]) -> None:
    """Print what a rescoring changed; result: `RescoreResult.to_json`."""
    console, was, now = Console(highlight=False), result["was"], result["now"]
    because = f": {now['reason']}" if now["reason"] else ""
    console.print(
        Text(
            f"{result['competition']} is scored by version {now['version']} of {now['metric']}, before by "
            f"{was['version']}; {counted(result['entries'])} scored{because}"
        )
    )
    table = _table("rank", "was", "team", "score", "was")
    decimals = decimals_for([row[name] for row in result["moved"] for name in ("old_score", "new_score")])
    for row in result["moved"]:
        scores = (number(row["new_score"], decimals), number(row["old_score"], decimals))
        table.add_row(str(row["new_rank"]), str(row["old_rank"]), Text(row["team"]), *scores)
    console.print(table)


def show_finals(choice: Mapping[str, Any]) -> None:
    """Print what a team can choose from, and what it chose; choice: a `FinalsChoice` as JSON, here or of a server."""
    console = Console(highlight=False)
    title = f" · entries of {choice['team']} · data {choice['data_hash']}"
    console.print(Text.assemble((choice["competition"], "bold"), title))
    if choice["entries"]:
        decimals = decimals_for([entry["public"] for entry in choice["entries"]])
        table = _table("final", "entry", "public", "private", "CV", "submitted (UTC)")
        for entry in choice["entries"]:
            cells = [number(entry[name], decimals) for name in ("public", "private", "cv")]
            table.add_row("yes" * entry["final"], entry["submission"], *cells, short_time(entry["submitted_at"]))
        console.print(table)
    if choice["finals"]:
        console.print(Text(f"Final: {' and '.join(choice['finals'])}. Choosing again replaces them, until the reveal."))
    else:
        allowed = choice["allowed"]
        console.print(Text(f"None chosen: the best public one counts. Up to {allowed} may be chosen by name."))


def show_trust(trust: Mapping[str, Any]) -> None:
    """Print the rank correlations and the advice; trust: `Trust.to_json`."""
    console = Console(highlight=False)
    for name, key in (("CV and public", "public"), ("CV and private", "private"), ("public and private", "board")):
        if found := trust[key]:
            numbers = ", ".join(
                f"{kind.capitalize()} {rho['score']:.2f} ({rho['low']:.2f} to {rho['high']:.2f})"
                for kind, rho in found.items()
            )
            console.print(Text(f"{name}, of {trust['entries']} entries: {numbers}"))
    console.print(Text(trust["advice"]))


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        left = name in ("team", "final", "entry")
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=name != "team")
    return table
