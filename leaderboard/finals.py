"""The end of a competition: teams name the entries that shall count, and the host reveals the private scores."""

from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from harness.competition import Competition
from harness.errors import UserError
from leaderboard import decisions
from leaderboard.answers import Prepared
from leaderboard.board import read_selected, reveal_time
from leaderboard.database import now, reading, shown, writing
from leaderboard.decisions import Decision
from leaderboard.entries import Entry, read_entries
from leaderboard.forecast import Advice, advise
from leaderboard.tables import on_board, submissions
from leaderboard.versions import as_it_stands

SHORTEST_NAME = 4


@dataclass(frozen=True)
class Candidate:
    """An entry that a team may choose. private: None before the reveal."""

    submission: str
    public: float
    private: float | None
    cv: float | None
    submitted_at: str
    final: bool


@dataclass(frozen=True)
class Choice:
    """What a team has handed in, and what it chose. path: the database; finals: the names of the chosen entries."""

    competition: str
    path: str
    data_hash: str
    team: str
    allowed: int
    finals: list[str]
    entries: list[Candidate]
    advice: Advice | None = None


def select_finals(engine: Engine, competition: Competition, data: Prepared, team: str, names: list[str]) -> None:
    """Let these entries of the team count; an earlier choice is replaced. Raise `UserError` after the reveal."""
    allowed = competition.rules.finals
    with writing(engine) as connection:
        decisions.catch_up(connection, data)
        competition = as_it_stands(connection, competition, data)
        if reveal_time(connection, data):
            raise UserError(f"the private scores of {data.competition} are revealed: finals can no longer be chosen")
        own = read_entries(connection, competition, data, False, submissions.c.team == team)
        chosen = {_named(name, own, team) for name in names}
        if len(chosen) > allowed:
            raise UserError(f"{len(chosen)} finals are too many; the rules of {data.competition} allow {allowed}")
        entries = [entry.sha256 for entry in sorted(chosen, key=lambda entry: entry.id)]
        decisions.decide(
            connection, data, [Decision("finals", {"team": team, "selected_at": now(), "entries": entries})]
        )


def read_choice(engine: Engine, competition: Competition, data: Prepared, team: str) -> Choice:
    with reading(engine) as connection:
        competition = as_it_stands(connection, competition, data)
        revealed = reveal_time(connection, data) is not None
        entries = read_entries(connection, competition, data, revealed, submissions.c.team == team)
        chosen = read_selected(connection, data).get(team, set())
    own = [_candidate(entry, entry.id in chosen) for entry in entries]
    return Choice(
        competition=data.competition,
        path=shown(engine),
        data_hash=data.data_hash,
        team=team,
        allowed=competition.rules.finals,
        finals=[candidate.submission for candidate in own if candidate.final],
        entries=own,
        advice=None if revealed else advise(engine, competition, data, entries),
    )


def reveal_board(engine: Engine, data: Prepared) -> None:
    """Show private scores from now on; a second time changes nothing. Raise `UserError` where nobody has entered."""
    with writing(engine) as connection:
        decisions.catch_up(connection, data)
        if reveal_time(connection, data) is not None:
            return
        if not connection.scalar(select(func.count()).where(*on_board(submissions, data.competition, data.data_hash))):
            raise UserError(f"there is nothing to reveal: no team has an entry on this board of {data.competition}")
        decisions.decide(connection, data, [Decision("reveal", {"revealed_at": now()})])


def _named(name: str, own: list[Entry], team: str) -> Entry:
    found = [entry for entry in own if len(name) >= SHORTEST_NAME and entry.sha256.startswith(name.lower())]
    if len(found) != 1:
        there = ", ".join(entry.name for entry in own) or "none"
        raise UserError(f"{name!r} names {len(found)} entries of {team} and should name one; there are: {there}")
    return found[0]


def _candidate(entry: Entry, final: bool) -> Candidate:
    private = entry.private and entry.private.score
    return Candidate(entry.name, entry.public.score, private, entry.cv, entry.received_at, final)
