"""Actions of the host of a competition: open, close, pause, deadline, disqualify, baselines, news, reveal; and finals.

Every action is a new row with who and why; the last action on a subject counts, and nothing is undone silently.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, func, insert, select

from harness.competition import Competition
from harness.errors import UserError, listed
from leaderboard.answers import JudgedData
from leaderboard.database import finals, host_actions, now, on_board, reading, selections, shown, submissions, writing
from leaderboard.entries import ScoredEntry, as_scored, read_entries

OF_A_TEAM = ("disqualify", "reinstate", "baseline", "no-baseline", "reference", "no-reference")
KINDS = ("open", "close", "pause", "resume", "deadline", "announce", "outside", *OF_A_TEAM)
OPPOSITES = {
    "open": "close",
    "resume": "pause",
    "reinstate": "disqualify",
    "no-baseline": "baseline",
    "no-reference": "reference",
}
MIN_NAME = 4  # characters by which an entry is named


class HostAction(NamedTuple):
    """One action of the host. at: UTC, ISO 8601."""

    kind: str
    team: str | None
    text: str
    by: str
    at: str


@dataclass(frozen=True)
class HostState:
    """The present state of a board, by the host's actions.

    deadline, revealed_at: UTC, ISO 8601; closed, paused: the action, whose text may be empty.
    disqualified: team -> action. baselines, references: teams whose rows are the host's. history: the latest first.
    """

    deadline: str | None = None
    revealed_at: str | None = None
    closed: HostAction | None = None
    paused: HostAction | None = None
    disqualified: Mapping[str, HostAction] = field(default_factory=dict)
    baselines: frozenset[str] = frozenset()
    references: frozenset[str] = frozenset()
    history: tuple[HostAction, ...] = ()

    @property
    def announcements(self) -> list[HostAction]:
        return [action for action in self.history if action.kind == "announce"]

    def refusal(self, at: str) -> str | None:
        """Return why nothing can be submitted at this time; None if it can."""
        if self.closed:
            return ": ".join(filter(None, ("the competition is closed", self.closed.text)))
        if self.deadline and at >= self.deadline:
            return f"the competition ended at {self.deadline[:16].replace('T', ' ')} UTC"
        return ": ".join(filter(None, ("the competition is paused", self.paused.text))) if self.paused else None


def read_host_state(connection: Connection, data: JudgedData) -> HostState:
    columns = (host_actions.c[name] for name in HostAction._fields)
    board = on_board(host_actions, data)
    rows = connection.execute(select(*columns).where(*board).order_by(host_actions.c.id))
    history = [HostAction(*row) for row in rows]
    last = {(action.team or "", OPPOSITES.get(action.kind, action.kind)): action for action in history}

    def holding(kind: str) -> dict[str, HostAction]:
        """Team, "" for the whole board -> the action, unless its opposite came later."""
        return {team: action for (team, _), action in last.items() if action.kind == kind}

    deadline, reveal = (holding(kind).get("") for kind in ("deadline", "reveal"))
    return HostState(
        deadline=deadline and deadline.text,
        revealed_at=reveal and reveal.at,
        closed=holding("close").get(""),
        paused=holding("pause").get(""),
        disqualified=holding("disqualify"),
        baselines=frozenset(holding("baseline")),
        references=frozenset(holding("reference")),
        history=tuple(reversed(history)),
    )


def act(engine: Engine, data: JudgedData, kind: str, text: str, by: str, team: str | None = None) -> HostAction:
    """Add one action of the host; raise `UserError` if it makes no sense."""
    if kind not in KINDS:
        raise UserError(f"{kind!r} is not an action of a host; there are {', '.join(KINDS)}")
    text = _utc(text) if kind == "deadline" else text.strip()
    if kind in ("disqualify", "announce", "outside") and not text:
        raise UserError(f"{kind} needs a text: a reason, the news, or the score and whose it is")
    if (kind in OF_A_TEAM) != (team is not None):
        raise UserError(f"{kind} {'needs' if team is None else 'does not take'} a team")
    with writing(engine) as connection:
        if team is not None and not _has_entry(connection, data, submissions.c.team == team):
            raise UserError(f"{team} has no entry on this board of {data.competition}")
        action = HostAction(kind, team, text, by, now())
        connection.execute(insert(host_actions).values(**data.key, **action._asdict()))
    return action


def reveal_board(engine: Engine, data: JudgedData, by: str = "") -> None:
    """Show private scores from now on; a second time changes nothing. Raise `UserError` if nobody has entered."""
    with writing(engine) as connection:
        if read_host_state(connection, data).revealed_at is not None:
            return
        if not _has_entry(connection, data):
            raise UserError(f"there is nothing to reveal: no team has an entry on this board of {data.competition}")
        action = HostAction("reveal", None, "", by, now())
        connection.execute(insert(host_actions).values(**data.key, **action._asdict()))


def _has_entry(connection: Connection, data: JudgedData, *where: ColumnElement[bool]) -> bool:
    return connection.scalar(select(submissions.c.id).where(*on_board(submissions, data), *where).limit(1)) is not None


def _utc(text: str) -> str:
    """Normalize a time that a person wrote, in UTC unless a zone is named, to what the database stores."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UserError(
            f"{text!r} is not a time; write it as 2026-12-31T23:59 (UTC), or with a zone (+01:00)"
        ) from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


# -- finals ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FinalCandidate:
    """An entry that a team may choose as a final. private: None before the reveal."""

    submission: str
    public: float
    private: float | None
    cv: float | None
    submitted_at: str
    final: bool


@dataclass(frozen=True)
class FinalsChoice:
    """A team's entries, and those it chose to count in the end. path: the database; finals: names of entries."""

    competition: str
    path: str
    data_hash: str
    team: str
    allowed: int
    finals: list[str]
    entries: list[FinalCandidate]


def select_finals(engine: Engine, competition: Competition, data: JudgedData, team: str, names: list[str]) -> None:
    """Let these entries of the team count; an earlier choice is replaced. Raise `UserError` after the reveal."""
    allowed = competition.rules.finals
    with writing(engine) as connection:
        competition = as_scored(connection, competition, data)
        if read_host_state(connection, data).revealed_at:
            raise UserError(f"the private scores of {data.competition} are revealed: finals can no longer be chosen")
        own = read_entries(connection, competition, data, False, submissions.c.team == team)
        chosen = {_named(name, own, team) for name in names}
        if len(chosen) > allowed:
            raise UserError(f"{len(chosen)} finals are too many; the rules of {data.competition} allow {allowed}")
        row = insert(selections).values(**data.key, team=team, selected_at=now())
        selection = connection.execute(row.returning(selections.c.id)).scalar_one()
        for number in sorted(entry.id for entry in chosen):
            connection.execute(insert(finals).values(selection=selection, submission=number))


def read_choice(engine: Engine, competition: Competition, data: JudgedData, team: str) -> FinalsChoice:
    with reading(engine) as connection:
        competition = as_scored(connection, competition, data)
        revealed = read_host_state(connection, data).revealed_at is not None
        entries = read_entries(connection, competition, data, revealed, submissions.c.team == team)
        chosen = read_selected(connection, data).get(team, set())
    own = [
        FinalCandidate(
            submission=entry.name,
            public=entry.public.score,
            private=entry.private and entry.private.score,
            cv=entry.cv,
            submitted_at=entry.received_at,
            final=entry.id in chosen,
        )
        for entry in entries
    ]
    names = [candidate.submission for candidate in own if candidate.final]
    allowed = competition.rules.finals
    return FinalsChoice(data.competition, shown(engine), data.data_hash, team, allowed, names, own)


def _named(name: str, own: list[ScoredEntry], team: str) -> ScoredEntry:
    matching = [entry for entry in own if len(name) >= MIN_NAME and entry.sha256.startswith(name.lower())]
    if len(matching) != 1:
        known = listed(entry.name for entry in own) or "none"
        raise UserError(f"{name!r} names {len(matching)} entries of {team} and should name one; there are: {known}")
    return matching[0]


def read_selected(connection: Connection, data: JudgedData) -> dict[str, set[int]]:
    """Team -> the ids of its finals, by its last selection."""
    board = on_board(selections, data)
    last = select(func.max(selections.c.id)).where(*board).group_by(selections.c.team)
    query = select(selections.c.team, finals.c.submission).join(finals).where(selections.c.id.in_(last))
    chosen: dict[str, set[int]] = {}
    for team, submission in connection.execute(query):
        chosen.setdefault(team, set()).add(submission)
    return chosen
