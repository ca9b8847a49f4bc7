"""The command line of the leaderboard: `python -m leaderboard score|board|finals|verify|rescore|backup|serve|host`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.command_line import run
from harness.errors import UserError
from leaderboard.cli import host_verbs
from leaderboard.cli.host_verbs import AsJson, CompetitionName, DataHash, user

app = typer.Typer(
    help="Score submission files against private answers, and rank teams.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # its tracebacks would print local variables, answers among them
)

app.add_typer(host_verbs.app, name="host")

Team = Annotated[str | None, typer.Option(help="Whose entry it is; your user name by default.", show_default=False)]
Server = Annotated[
    str | None, typer.Option(help="Ask this server instead (LEADERBOARD_TOKEN says who you are).", show_default=False)
]


def main() -> int:
    """Run a verb; the exit code (harness.command_line)."""
    return run(app)


@app.command()
def score(
    competition: CompetitionName,
    file: Annotated[Path, typer.Argument(help="The submission file.", show_default=False)],
    team: Team = None,
    data: DataHash = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Submit a file to the judge: it is checked, scored, and put on the board."""
    if server:
        from harness.submission.client import submit

        answer = submit(server, competition, file, team, data)
        print(_json(answer) if as_json else answer["message"])
        return
    from leaderboard.judge import judge

    _, judged_data = _find_board(competition, data)
    _print(judge(competition, file, team or user(), judged_data.data_hash), as_json)


@app.command()
def board(
    competition: CompetitionName,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="As the host: show the private scores, from now on for good.")
    ] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Does CV rank as the board does, and which to trust?")] = False,
    data: DataHash = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Print the ranking, and whether the lead means anything."""
    from leaderboard.cli import terminal, text

    if server:
        from harness.submission import client

        if reveal:
            raise UserError(f"the host reveals on the server: `python -m leaderboard host reveal {competition}` there")
        ranking = client.standings(server, competition, data, trust)
    else:
        from leaderboard.board import read
        from leaderboard.database import open_database
        from leaderboard.host import reveal_board
        from leaderboard.trust import read_trust

        declared, judged_data = _find_board(competition, data)
        engine = open_database()
        if reveal:
            reveal_board(engine, judged_data, user())
        present = read(engine, declared, judged_data)
        ranking = text.as_json(present) | ({"trust": read_trust(present).to_json()} if trust else {})
    if as_json:
        print(_json(ranking))
        return
    terminal.show_board(ranking)
    if trust:
        terminal.show_trust(ranking["trust"])


@app.command()
def finals(
    competition: CompetitionName,
    entries: Annotated[
        list[str] | None, typer.Argument(help="The entries that shall count, by (the beginning of) their hash.")
    ] = None,
    team: Team = None,
    data: DataHash = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Name the entries of a team that shall count in the end; without names, list them."""
    from leaderboard.cli import terminal

    names = [name for name in entries or () if name]  # make passes B= as an empty name
    if server:
        from harness.submission import client

        choice = {"path": server, **client.finals(server, competition, team, names, data)}
    else:
        from leaderboard.database import open_database
        from leaderboard.host import read_choice, select_finals

        declared, judged_data = _find_board(competition, data)
        engine, team = open_database(), team or user()
        if names:
            select_finals(engine, declared, judged_data, team, names)
        choice = asdict(read_choice(engine, declared, judged_data, team))
    print(_json(choice)) if as_json else terminal.show_finals(choice)


@app.command()
def verify(competition: CompetitionName, as_json: AsJson = False) -> None:
    """Check the database, and score the stored files again. Exit code 2 if something is not as it was written."""
    from leaderboard.backup import verify

    _print(verify(competition), as_json)


@app.command()
def rescore(
    competition: CompetitionName,
    reason: Annotated[str, typer.Option(help="Why; it is stored and shown.")] = "",
    data: DataHash = None,
    as_json: AsJson = False,
) -> None:
    """After a new `version` of the declared metric: score all entries by it, then change the board over at once."""
    from leaderboard.cli import terminal
    from leaderboard.judge import rescore

    _, judged_data = _find_board(competition, data)
    result = rescore(competition, judged_data.data_hash, reason).to_json()
    print(_json(result)) if as_json else terminal.show_rescore(result)


@app.command()
def backup(
    to: Annotated[Path, typer.Argument(help="The file to write, as boards.tar.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Write the database, all stored files and the prepared data into one file."""
    from leaderboard.backup import backup

    _print(backup(to), as_json)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `backup` wrote.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Fill an empty home, and an empty database, from a backup, and verify it; nothing is overwritten."""
    from leaderboard.backup import restore

    _print(restore(source), as_json)


@app.command()
def export(
    competition: CompetitionName,
    format: Annotated[str, typer.Option(help="csv, safe for spreadsheets, or json.")] = "csv",
    data: DataHash = None,
    as_json: AsJson = False,
) -> None:
    """Print the board as it is shown, for other programs."""
    from leaderboard.board import read
    from leaderboard.cli import text
    from leaderboard.database import open_database

    if format not in ("csv", "json"):
        raise UserError(f"{format!r} is not a format of the board; there are csv and json")
    present = read(open_database(), *_find_board(competition, data))
    if as_json or format == "json":
        print(_json(text.as_json(present)))
    else:
        print(text.as_csv(present), end="")


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8000,
    host: Annotated[str, typer.Option(help="The address to listen at; another one needs --team-mode.")] = "127.0.0.1",
    team_mode: Annotated[
        bool, typer.Option("--team-mode", help="Everybody logs in with a token; limits bind.")
    ] = False,
    name: Annotated[
        list[str] | None, typer.Option(help="A name under which browsers reach it; all others are refused.")
    ] = None,
) -> None:
    """The board as a web page and an API; docs/team-server.md makes a team's server of it."""
    from leaderboard.web.app import serve

    serve(port, host, team_mode, name or [])


def _find_board(competition: str, data: str | None) -> tuple[Any, Any]:
    """(declaration, data with answers); say which data they are if none were named and current.json does not exist."""
    from harness import paths
    from harness.competition import find
    from leaderboard.answers import prepared

    declared, judged_data = find(competition), prepared(competition, data)
    if data is None and not (paths.data(competition) / "current.json").exists():
        print(f"the newest prepared data of {competition} are used: {judged_data.data_hash}", file=sys.stderr)
    return declared, judged_data


def _print(result: Any, as_json: bool) -> None:
    """A dataclass with a `message`: that, or all of it."""
    print(_json(asdict(result)) if as_json else result.message)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, allow_nan=False)


if __name__ == "__main__":
    sys.exit(main())
