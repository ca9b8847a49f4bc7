"""What the host of a competition says: open, close, pause, a deadline, disqualify, baselines, news, outside scores.

Every word is a new row with who and why; the last word on a subject counts, and nothing is taken back silently.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine, func, select

from harness.errors import UserError
from leaderboard import decisions
from leaderboard.answers import Prepared
from leaderboard.database import now, writing
from leaderboard.decisions import Decision
from leaderboard.tables import events, on_board, submissions

OF_A_TEAM = ("disqualify", "reinstate", "baseline", "no-baseline", "reference", "no-reference")
KINDS = ("open", "close", "pause", "resume", "deadline", "announce", "outside", *OF_A_TEAM)
SUBJECTS = {"reinstate": "disqualify", "no-baseline": "baseline", "no-reference": "reference"}


class Said(NamedTuple):
    """One word of the host. at: UTC, ISO 8601."""

    kind: str
    team: str | None
    said: str
    by: str
    at: str


@dataclass(frozen=True)
class Word:
    """What holds now. deadline: UTC, ISO 8601; closed, paused: the reason, which may be empty.

    disqualified: team -> reason. baselines, references: teams whose rows are the host's. news: announcements, the
    latest first. history: everything said, the latest first.
    """

    deadline: str | None = None
    closed: Said | None = None
    paused: Said | None = None
    disqualified: Mapping[str, Said] = field(default_factory=dict)
    baselines: frozenset[str] = frozenset()
    references: frozenset[str] = frozenset()
    history: tuple[Said, ...] = ()

    @property
    def news(self) -> list[Said]:
        return [said for said in self.history if said.kind == "announce"]

    def refusal(self, at: str) -> str | None:
        """Why nothing can be handed in at this time; None where it can."""
        if self.closed:
            return f"the competition is closed{_because(self.closed)}"
        if self.deadline and at >= self.deadline:
            return f"the competition ended at {self.deadline[:16].replace('T', ' ')} UTC"
        return f"the competition is paused{_because(self.paused)}" if self.paused else None


def _because(said: Said) -> str:
    return f": {said.said}" if said.said else ""


def read_word(connection: Connection, data: Prepared) -> Word:
    query = select(events.c.kind, events.c.team, events.c.said, events.c.said_by, events.c.said_at)
    rows = connection.execute(query.where(*on_board(events, data.competition, data.data_hash)).order_by(events.c.id))
    history = [Said(*row) for row in rows]
    last = {said.kind: said for said in history}
    of_team = {(said.team, SUBJECTS.get(said.kind, said.kind)): said for said in history if said.team}

    def holding(kind: str) -> dict[str, Said]:
        return {said.team: said for said in of_team.values() if said.kind == kind and said.team}

    return Word(
        deadline=last["deadline"].said if "deadline" in last else None,
        closed=_latest(history, "close", "open"),
        paused=_latest(history, "pause", "resume"),
        disqualified=holding("disqualify"),
        baselines=frozenset(holding("baseline")),
        references=frozenset(holding("reference")),
        history=tuple(reversed(history)),
    )


def _latest(history: list[Said], holds: str, ends: str) -> Said | None:
    said = next((said for said in reversed(history) if said.kind in (holds, ends)), None)
    return said if said and said.kind == holds else None


def say(engine: Engine, data: Prepared, kind: str, said: str, by: str, team: str | None = None) -> Said:
    """Write one word of the host down; raise `UserError` where it makes no sense."""
    if kind not in KINDS:
        raise UserError(f"{kind!r} is nothing a host can say; there are {', '.join(KINDS)}")
    said = _moment(said) if kind == "deadline" else said.strip()
    if kind in ("disqualify", "announce", "outside") and not said:
        raise UserError(f"{kind} needs words: a reason, the news, or the score and whose it is")
    if (kind in OF_A_TEAM) != (team is not None):
        raise UserError(f"{kind} {'needs' if team is None else 'does not take'} a team")
    with writing(engine) as connection:
        decisions.catch_up(connection, data)
        if team is not None:
            _require_entries(connection, data, team)
        word = Said(kind, team, said, by, now())
        row = {"kind": kind, "team": team, "said": said, "said_by": by, "said_at": word.at}
        decisions.decide(connection, data, [Decision("host", row)])
    return word


def _require_entries(connection: Connection, data: Prepared, team: str) -> None:
    board = on_board(submissions, data.competition, data.data_hash)
    if not connection.scalar(select(func.count()).where(*board, submissions.c.team == team)):
        raise UserError(f"{team} has no entry on this board of {data.competition}")


def _moment(text: str) -> str:
    """A time as a person writes it, in UTC where no zone is named, as the database keeps it."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UserError(f"{text!r} is no time; write it as 2026-12-31T23:59 (UTC), or with a zone (+01:00)") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
