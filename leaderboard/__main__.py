"""The judge's command line: `python -m leaderboard score|board|finals|rebuild|serve|host`."""

import getpass
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.errors import UserError
from harness.exits import run
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
    """Run a verb; the exit code (harness.exits)."""
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
        from harness.remote import hand_in

        answer = hand_in(server, competition, file, team, data)
        print(_json(answer) if as_json else answer["message"])
        return
    from leaderboard.judge import judge

    verdict = judge(competition, file, team or _user(), data)
    print(_json(asdict(verdict)) if as_json else verdict.message)


@app.command()
def board(
    competition: Competition,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="As the host: show the private scores, from now on for good.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Print the ranking, and whether the lead means anything."""
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
    if as_json:
        print(_json(table.as_json(standings)))
    else:
        table.show(standings)


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
    """Name the entries of a team that shall count in the end; without names, list what it can choose from."""
    chosen = [name for name in entries or () if name]  # make hands over B= as an empty name
    if server:
        from harness import remote
        from leaderboard import table
        from leaderboard.finals import Candidate, Choice

        answer = remote.finals(server, competition, team, chosen, data)
        answer["entries"] = [Candidate(**candidate) for candidate in answer["entries"]]
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
    print(_json(asdict(rebuilt)) if as_json else rebuilt.message)


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
    from leaderboard.server.app import serve

    serve(port, host, team_mode, name or [])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise UserError("this user has no name on this machine; name the team with --team") from None


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, allow_nan=False)


if __name__ == "__main__":
    sys.exit(main())
