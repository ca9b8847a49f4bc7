"""The host's verbs: `python -m leaderboard host team|token|revoke|reveal|close|pause|disqualify|...`."""

import getpass
import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="Run a competition on a server: teams and tokens, open and close, disqualify, announce, reveal.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Competition = Annotated[str, typer.Argument(help="The competition: a folder in competitions/.", show_default=False)]
Data = Annotated[str | None, typer.Option(help="The data, by (the beginning of) their hash; else those prepared last.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")]

HELP_OF_ALL = {
    "open": "Take files again after a close.",
    "close": "Take no more files; the words are shown.",
    "pause": "Take no files for a while; the words are shown.",
    "resume": "End a pause.",
    "deadline": "Set or move the end: 2026-12-31T23:59, UTC unless a zone is named (+01:00).",
    "announce": "Show news on the board.",
    "outside": "Write down a score from elsewhere, and the file it is of; `make kaggle` does.",
}
HELP_OF_A_TEAM = {
    "disqualify": "Take a team off the board; the reason is shown.",
    "reinstate": "Undo a disqualification; the reason stands in the history.",
    "baseline": "Mark a team's row as the host's, to compare with.",
    "no-baseline": "Unmark it.",
    "reference": "Mark a team's row as the host's own solution.",
    "no-reference": "Unmark it.",
}
HELP = HELP_OF_ALL | HELP_OF_A_TEAM


@app.command()
def team(
    name: Annotated[str, typer.Argument(help="The name of the team.", show_default=False)], as_json: AsJson = False
) -> None:
    """Make a team."""
    from leaderboard.database import open_database
    from leaderboard.teams import create_team

    kept = create_team(open_database(), name)
    told({"team": kept}, f"there is a team {kept}; `python -m leaderboard host token MEMBER --team {kept}`", as_json)


@app.command()
def token(
    member: Annotated[str, typer.Argument(help="Whose it is.", show_default=False)],
    team: Annotated[str | None, typer.Option(help="The member's team; a host has none.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token: for a player with --team, for a host without. It is shown once."""
    from leaderboard.database import open_database
    from leaderboard.teams import issue_token

    role = "player" if team else "host"
    made = issue_token(open_database(), member, team, role)
    told({"member": member, "team": team, "role": role, "token": made}, made, as_json)


@app.command()
def revoke(
    member: Annotated[str, typer.Argument(help="Whose tokens end.", show_default=False)],
    team: Annotated[str | None, typer.Option(help="The member's team.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """End all tokens and logins of a member, at once."""
    from harness.errors import UserError
    from leaderboard.database import open_database
    from leaderboard.teams import revoke

    ended = revoke(open_database(), member, team)
    if not ended:
        raise UserError(f"no token of {member} {f'in {team} ' if team else ''}is open")
    told({"member": member, "ended": ended}, f"ended {ended} of {member}", as_json)


@app.command()
def reveal(competition: Competition, data: Data = None, as_json: AsJson = False) -> None:
    """Show the private scores, for good: they rank from now on, and nothing more is taken."""
    from leaderboard.answers import prepared
    from leaderboard.database import open_database
    from leaderboard.finals import reveal_board

    reveal_board(open_database(), prepared(competition, data))
    told({"competition": competition}, f"the private scores of {competition} are revealed", as_json)


def word_of_the_host(kind: str, of_a_team: bool) -> Callable[..., None]:
    """The verb `kind`: COMPETITION [TEAM] [WORDS]."""
    words = typer.Argument(help="The reason, the time or the news.", show_default=False)

    def of_all(
        competition: Competition,
        said: Annotated[str, words] = "",
        data: Data = None,
        as_json: AsJson = False,
    ) -> None:
        speak(competition, kind, said, None, data, as_json)

    def of_team(
        competition: Competition,
        team: Annotated[str, typer.Argument(help="The team.", show_default=False)],
        said: Annotated[str, words] = "",
        data: Data = None,
        as_json: AsJson = False,
    ) -> None:
        speak(competition, kind, said, team, data, as_json)

    return of_team if of_a_team else of_all


def speak(competition: str, kind: str, said: str, team: str | None, data: str | None, as_json: bool) -> None:
    from leaderboard import host
    from leaderboard.answers import prepared
    from leaderboard.database import open_database

    word = host.say(open_database(), prepared(competition, data), kind, said, getpass.getuser(), team)
    about = f" {team}" if team else ""
    told({"competition": competition, **word._asdict()}, f"{competition}: {kind}{about} {word.said}".rstrip(), as_json)


for _kind, _help in HELP.items():
    app.command(_kind, help=_help)(word_of_the_host(_kind, _kind in HELP_OF_A_TEAM))


def told(value: dict[str, Any], sentence: str, as_json: bool) -> None:
    """With the path of the database, as every verb."""
    from leaderboard.database import open_database, shown

    print(json.dumps({**value, "path": shown(open_database())}, indent=2) if as_json else sentence)
