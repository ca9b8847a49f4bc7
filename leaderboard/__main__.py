"""The judge's command line: `python -m leaderboard score|board|finals|rebuild`."""

import getpass
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.errors import UserError
from harness.exits import run

app = typer.Typer(
    help="Score submission files against private answers, and rank teams.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # its tracebacks would print local variables, answers among them
)

Competition = Annotated[str, typer.Argument(help="The competition: a folder in competitions/.", show_default=False)]
Team = Annotated[str | None, typer.Option(help="Whose entry it is; your user name by default.", show_default=False)]
Data = Annotated[
    str | None, typer.Option(help="The data, by (the beginning of) their hash; those prepared last by default.")
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
    as_json: AsJson = False,
) -> None:
    """Hand a submission file to the judge: it is checked, scored, and put on the board."""
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
    as_json: AsJson = False,
) -> None:
    """Name the entries of a team that shall count in the end; without names, list what it can choose from."""
    from harness.competition import find
    from leaderboard import table
    from leaderboard.answers import prepared
    from leaderboard.database import open_database
    from leaderboard.finals import read_choice, select_finals

    declared, prepared_data, who = find(competition), prepared(competition, data), team or _user()
    engine = open_database()
    if chosen := [name for name in entries or () if name]:  # make hands over B= as an empty name
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


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise UserError("this user has no name on this machine; name the team with --team") from None


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, allow_nan=False)


if __name__ == "__main__":
    sys.exit(main())
