"""The judge's command line: `python -m leaderboard score|board|finals|verify|rescore|backup|serve|host|...`."""

import getpass
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.command_line import run
from harness.errors import UserError
from leaderboard import host_verbs

app = typer.Typer(
    help="Score submission files against private answers, and rank teams.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # its tracebacks would print local variables, answers among them
)

app.add_typer(host_verbs.app, name="host")

Competition = Annotated[str, typer.Argument(help="The competition: a folder in competitions/.", show_default=False)]
Team = Annotated[str | None, typer.Option(help="Whose entry it is; your user name by default.", show_default=False)]
Data = Annotated[
    str | None, typer.Option(help="The data, by (the beginning of) their hash; those prepared last by default.")
]
Server = Annotated[
    str | None, typer.Option(help="Ask this server instead (LEADERBOARD_TOKEN says who you are).", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")]


def main() -> int:
    """Run a verb; the exit code (harness.errors)."""
    return run(app)


@app.command()
def score(
    competition: Competition,
    file: Annotated[Path, typer.Argument(help="The submission file.", show_default=False)],
    team: Team = None,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Hand a submission file to the judge: it is checked, scored, and put on the board."""
    if server:
        from harness.submission.client import hand_in

        answer = hand_in(server, competition, file, team, data)
        print(_json(answer) if as_json else answer["message"])
        return
    from leaderboard.judge import judge

    verdict = judge(competition, file, team or _user(), data)
    _tell(verdict, as_json)


@app.command()
def board(
    competition: Competition,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="As the host: show the private scores, from now on for good.")
    ] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Does CV rank as the board does, and which to trust?")] = False,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Print the ranking, and whether the lead means anything."""
    if server:
        from harness.submission import client

        if reveal:
            raise UserError(f"the host reveals on the server: `python -m leaderboard host reveal {competition}` there")
        told = client.standings(server, competition, data, trust)
    else:
        told = _standings(competition, data, reveal, trust)
    if as_json:
        print(_json(told))
        return
    from leaderboard import table

    table.show(told)
    if trust:
        from leaderboard.trust import show

        show(told["trust"])


def _standings(competition: str, data: str | None, reveal: bool, trust: bool) -> dict[str, Any]:
    """Of the board on this machine."""
    from harness.competition import find
    from leaderboard import table
    from leaderboard.answers import prepared
    from leaderboard.board import read
    from leaderboard.database import open_database
    from leaderboard.finals import reveal_board

    declared, prepared_data = find(competition), prepared(competition, data)
    engine = open_database()
    if reveal:
        reveal_board(engine, prepared_data)
    standings = read(engine, declared, prepared_data)
    if not trust:
        return table.as_json(standings)
    from leaderboard.trust import read_trust

    return table.as_json(standings) | {"trust": read_trust(engine, standings).to_json()}


@app.command()
def finals(
    competition: Competition,
    entries: Annotated[
        list[str] | None, typer.Argument(help="The entries that shall count, by (the beginning of) their hash.")
    ] = None,
    team: Team = None,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Name the entries of a team that shall count in the end; without names, list them, with advice."""
    chosen = [name for name in entries or () if name]  # make hands over B= as an empty name
    if server:
        from harness.submission import client
        from leaderboard import table
        from leaderboard.finals import Candidate, Choice
        from leaderboard.forecast import Advice

        answer = client.finals(server, competition, team, chosen, data)
        answer["entries"] = [Candidate(**candidate) for candidate in answer["entries"]]
        answer["advice"] = Advice(**answer["advice"]) if answer.get("advice") else None
        elsewhere = Choice(path=server, **answer)
        print(_json(asdict(elsewhere))) if as_json else table.show_choice(elsewhere)
        return
    from harness.competition import find
    from leaderboard import table
    from leaderboard.answers import prepared
    from leaderboard.database import open_database
    from leaderboard.finals import read_choice, select_finals

    declared, prepared_data, who = find(competition), prepared(competition, data), team or _user()
    engine = open_database()
    if chosen:
        select_finals(engine, declared, prepared_data, who, chosen)
    choice = read_choice(engine, declared, prepared_data, who)
    if as_json:
        print(_json(asdict(choice)))
    else:
        table.show_choice(choice)


@app.command()
def rebuild(competition: Competition, as_json: AsJson = False) -> None:
    """Bring back what the database lacks, from the stored files; a damaged database is set aside first."""
    from leaderboard.rebuild import rebuild

    rebuilt = rebuild(competition)
    _tell(rebuilt, as_json)


@app.command()
def verify(competition: Competition, as_json: AsJson = False) -> None:
    """Is everything as it was written: the ledger's chain, the stored files, the database? Exit code 2 where not."""
    from leaderboard.verify import verify

    verified = verify(competition)
    _tell(verified, as_json)


@app.command()
def rescore(
    competition: Competition,
    reason: Annotated[str, typer.Option(help="Why, in words; they are kept and shown.")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """After a new `version` of the declared metric: score all entries by it, then change the board over at once."""
    from leaderboard import table
    from leaderboard.rescore import rescore

    rescored = rescore(competition, data, reason)
    print(_json(rescored.to_json())) if as_json else table.show_moved(rescored)


@app.command()
def backup(
    to: Annotated[Path, typer.Argument(help="The file to write, as boards.tar.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Write the database, the ledgers, all stored files and the prepared data into one file."""
    from leaderboard.backup import backup

    kept = backup(to)
    _tell(kept, as_json)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `backup` wrote.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Fill an empty home, and an empty database, from a backup, and verify it; nothing is overwritten."""
    from leaderboard.backup import restore

    kept = restore(source)
    _tell(kept, as_json)


@app.command()
def export(
    competition: Competition,
    format: Annotated[str, typer.Option(help="csv, safe for spreadsheets, or json.")] = "csv",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Print the board as it is shown, for other programs."""
    from harness.competition import find
    from harness.errors import UserError
    from leaderboard import table
    from leaderboard.answers import prepared
    from leaderboard.board import read
    from leaderboard.database import open_database
    from leaderboard.export import as_csv

    if format not in ("csv", "json"):
        raise UserError(f"{format!r} is no format of the board; there are csv and json")
    standings = read(open_database(), find(competition), prepared(competition, data))
    if as_json or format == "json":
        print(_json(table.as_json(standings)))
    else:
        print(as_csv(standings), end="")


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


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise UserError("this user has no name on this machine; name the team with --team") from None


def _tell(done: Any, as_json: bool) -> None:
    """A dataclass with a `message`: that, or all of it."""
    print(_json(asdict(done)) if as_json else done.message)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, allow_nan=False)


if __name__ == "__main__":
    sys.exit(main())
