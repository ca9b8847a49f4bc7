"""The host's verbs: `python -m leaderboard host team|token|revoke|reveal|close|pause|disqualify|...`."""

import getpass
import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from harness.errors import UserError

app = typer.Typer(
    help="Run a competition on a server: teams and tokens, open and close, disqualify, announce, reveal.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

CompetitionName = Annotated[str, typer.Argument(help="The competition: a folder in competitions/.", show_default=False)]
DataHash = Annotated[
    str | None, typer.Option("--data", help="The data, by (the beginning of) their hash; else those prepared last.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")]
ActionText = Annotated[str, typer.Argument(help="The reason, the time or the news.", show_default=False)]

HELP_OF_ALL = {
    "open": "Take files again after a close.",
    "close": "Take no more files; the reason is shown.",
    "pause": "Take no files for a while; the reason is shown.",
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

    made = create_team(open_database(), name)
    _print({"team": made}, f"there is a team {made}; `python -m leaderboard host token MEMBER --team {made}`", as_json)


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
    _print({"member": member, "team": team, "role": role, "token": made}, made, as_json)


@app.command()
def revoke(
    member: Annotated[str, typer.Argument(help="Whose tokens end.", show_default=False)],
    team: Annotated[str | None, typer.Option(help="The member's team.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """End all tokens and logins of a member, at once."""
    from leaderboard.database import open_database
    from leaderboard.teams import revoke

    ended = revoke(open_database(), member, team)
    if not ended:
        raise UserError(f"no token of {member} {f'in {team} ' if team else ''}is open")
    _print({"member": member, "ended": ended}, f"ended {ended} of {member}", as_json)


@app.command()
def reveal(competition: CompetitionName, data: DataHash = None, as_json: AsJson = False) -> None:
    """Show the private scores, for good: they rank from now on, and nothing more is taken."""
    from leaderboard.answers import prepared
    from leaderboard.database import open_database
    from leaderboard.host import reveal_board

    reveal_board(open_database(), prepared(competition, data), user())
    _print({"competition": competition}, f"the private scores of {competition} are revealed", as_json)


def _action_verb(kind: str, of_a_team: bool) -> Callable[..., None]:
    """The verb `kind`: COMPETITION [TEAM] [TEXT]."""

    def of_all(
        competition: CompetitionName, text: ActionText = "", data: DataHash = None, as_json: AsJson = False
    ) -> None:
        _act(competition, kind, text, None, data, as_json)

    def of_team(
        competition: CompetitionName,
        team: Annotated[str, typer.Argument(help="The team.", show_default=False)],
        text: ActionText = "",
        data: DataHash = None,
        as_json: AsJson = False,
    ) -> None:
        _act(competition, kind, text, team, data, as_json)

    return of_team if of_a_team else of_all


def _act(competition: str, kind: str, text: str, team: str | None, data: str | None, as_json: bool) -> None:
    from leaderboard import host
    from leaderboard.answers import prepared
    from leaderboard.database import open_database

    action = host.act(open_database(), prepared(competition, data), kind, text, user(), team)
    subject = f" {team}" if team else ""
    sentence = f"{competition}: {kind}{subject} {action.text}".rstrip()
    _print({"competition": competition, **action._asdict()}, sentence, as_json)


for _kind, _help in HELP.items():
    app.command(_kind, help=_help)(_action_verb(_kind, _kind in HELP_OF_A_TEAM))


def user() -> str:
    """Who this is, on this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise UserError("this user has no name on this machine; set LOGNAME, or name the team with --team") from None


def _print(value: dict[str, Any], sentence: str, as_json: bool) -> None:
    """The sentence, or the value with the path of the database."""
    from leaderboard.database import open_database, shown

    print(json.dumps({**value, "path": shown(open_database())}, indent=2) if as_json else sentence)
