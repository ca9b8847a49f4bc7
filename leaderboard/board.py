"""Who is ahead: the ranking, made on reading and never stored."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from sqlalchemy import Connection, Engine, select

from harness.competition import Competition
from harness.significance import Interval
from leaderboard import archive
from leaderboard.answers import Prepared
from leaderboard.cards import claimed_cv
from leaderboard.database import reading
from leaderboard.host import Word, read_word
from leaderboard.tables import finals, on_board, reveals, scored_by, scores, selections, submissions
from leaderboard.ties import Lead, Pair, leads


@dataclass(frozen=True)
class Entry:
    """A scored file of a team. id: the order of arrival; private: None before the reveal."""

    id: int
    team: str
    sha256: str
    received_at: str
    cv: float | None
    public: Interval
    private: Interval | None = None

    @property
    def name(self) -> str:
        """How a person names the entry."""
        return self.sha256[:12]


@dataclass(frozen=True)
class Row:
    """A team on the board, by the entry that counts. tied: not told apart from the row above.

    same_file_as: the team that handed in the same file earlier; late: the entry came after the reveal; baseline: the
    host says that it is one. number: the id of the entry.
    """

    rank: int
    tied: bool
    team: str
    score: float
    low: float
    high: float
    private: float | None
    private_low: float | None
    private_high: float | None
    cv: float | None
    entries: int
    submitted_at: str
    submission: str
    same_file_as: str | None
    late: bool
    baseline: bool
    number: int


@dataclass(frozen=True)
class Board:
    """Everything that may be shown of one competition on one set of data.

    lead: of the first row over the second. leaders: how many of the first rows cannot be told from the first.
    missing: stored entries without a score by the metric as it is now. word: what the host said; the teams that it
    disqualified are in no row.
    """

    competition: str
    data_hash: str
    source: str | None
    metric: str
    higher_is_better: bool
    revealed_at: str | None
    rows: list[Row]
    entries: list[Entry]
    lead: Lead | None
    leaders: int
    missing: int
    word: Word

    def entries_on(self, team: str, day: str) -> int:
        """How many entries of a team came on that UTC day (ISO date)."""
        return sum(entry.team == team and entry.received_at.startswith(day) for entry in self.entries)


def read(engine: Engine, competition: Competition, data: Prepared) -> Board:
    """The board as it is now. Private scores are looked at only after the reveal, and then they rank."""
    with reading(engine) as connection:
        revealed_at = reveal_time(connection, data)
        entries = read_entries(connection, competition, data, revealed_at is not None)
        selected = read_selected(connection, data) if revealed_at else {}
        word = read_word(connection, data)
    ranked = [entry for entry in entries if entry.team not in word.disqualified]
    higher = competition.metric.higher_is_better
    part = "private" if revealed_at else "public"
    counted = rank_finals(ranked, selected, revealed_at, higher) if revealed_at else rank(ranked, public_score, higher)

    compared = partial(leads, engine, competition, data, part)
    neighbours = list(pairwise(entry.id for entry in counted))
    gaps = compared(neighbours)
    tied = [False] + [gaps[pair].is_noise for pair in neighbours] if counted else []
    return Board(
        competition=data.competition,
        data_hash=data.data_hash,
        source=data.source,
        metric=competition.metric.name,
        higher_is_better=higher,
        revealed_at=revealed_at,
        rows=_rows(counted, tied, entries, revealed_at, word),
        entries=entries,
        lead=gaps[neighbours[0]] if neighbours else None,
        leaders=_leaders(counted, tied, compared),
        missing=archive.count_receipts(data.competition, data.data_hash) - len(entries),
        word=word,
    )


# -- ranking: pure functions -------------------------------------------------------------------------------------------


def rank(entries: Iterable[Entry], value: Callable[[Entry], float], higher_is_better: bool) -> list[Entry]:
    """Each team's best entry, the best team first; of equal ones the earlier wins."""
    sign = -1 if higher_is_better else 1
    best: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: (sign * value(entry), entry.id)):
        best.setdefault(entry.team, entry)
    return list(best.values())


def rank_finals(
    entries: Sequence[Entry], selected: Mapping[str, set[int]], revealed_at: str, higher_is_better: bool
) -> list[Entry]:
    """The final ranking, by private score, of each team's selected finals, or of its best public entry without any.

    An entry that came after the reveal has seen it, and counts only for a team that has no other.
    """
    on_time = {entry.team for entry in entries if not is_late(entry, revealed_at)}
    counting = [entry for entry in entries if not is_late(entry, revealed_at) or entry.team not in on_time]
    unselected = rank([entry for entry in counting if entry.team not in selected], public_score, higher_is_better)
    chosen = [entry for entry in counting if entry.id in selected.get(entry.team, ())]
    return rank(chosen + unselected, private_score, higher_is_better)


def public_score(entry: Entry) -> float:
    return entry.public.score


def private_score(entry: Entry) -> float:
    assert entry.private is not None, "private scores are looked at only after the reveal"
    return entry.private.score


def is_late(entry: Entry, revealed_at: str | None) -> bool:
    return revealed_at is not None and entry.received_at > revealed_at


# -- reading -----------------------------------------------------------------------------------------------------------


def reveal_time(connection: Connection, data: Prepared) -> str | None:
    return connection.scalar(select(reveals.c.revealed_at).where(*on_board(reveals, data.competition, data.data_hash)))


def read_entries(connection: Connection, competition: Competition, data: Prepared, revealed: bool) -> list[Entry]:
    """All entries with a score by the metric as it is now, in the order of arrival."""
    public = _read_scores(connection, competition, data, "public")
    private = _read_scores(connection, competition, data, "private") if revealed else {}
    found = connection.execute(
        select(submissions).where(*on_board(submissions, data.competition, data.data_hash)).order_by(submissions.c.id)
    )
    return [
        Entry(s.id, s.team, s.sha256, s.received_at, claimed_cv(s.card), public[s.id], private.get(s.id))
        for s in found
        if s.id in public
    ]


def _read_scores(connection: Connection, competition: Competition, data: Prepared, part: str) -> dict[int, Interval]:
    query = (
        select(scores.c.submission, scores.c.value, scores.c.low, scores.c.high)
        .join(submissions)
        .where(*on_board(submissions, data.competition, data.data_hash), scores.c.part == part)
        .where(*scored_by(scores, competition.metric))
    )
    return {number: Interval(*score) for number, *score in connection.execute(query)}


def read_selected(connection: Connection, data: Prepared) -> dict[str, set[int]]:
    """Team -> the ids of its finals, by its last selection."""
    query = (
        select(selections.c.team, selections.c.id, finals.c.submission)
        .join(finals)
        .where(*on_board(selections, data.competition, data.data_hash))
    )
    last: dict[str, tuple[int, set[int]]] = {}
    for team, selection, submission in connection.execute(query.order_by(selections.c.id)):
        if team not in last or last[team][0] != selection:
            last[team] = (selection, set())
        last[team][1].add(submission)
    return {team: chosen for team, (_, chosen) in last.items()}


# -- rows --------------------------------------------------------------------------------------------------------------


def _rows(
    counted: list[Entry], tied: list[bool], entries: list[Entry], revealed_at: str | None, word: Word
) -> list[Row]:
    entries_of = Counter(entry.team for entry in entries)
    first_with = {entry.sha256: entry.team for entry in reversed(entries)}
    return [
        Row(
            rank=place + 1,
            tied=tied[place],
            team=entry.team,
            score=entry.public.score,
            low=entry.public.low,
            high=entry.public.high,
            private=entry.private and entry.private.score,
            private_low=entry.private and entry.private.low,
            private_high=entry.private and entry.private.high,
            cv=entry.cv,
            entries=entries_of[entry.team],
            submitted_at=entry.received_at,
            submission=entry.name,
            same_file_as=first_with[entry.sha256] if first_with[entry.sha256] != entry.team else None,
            late=is_late(entry, revealed_at),
            baseline=entry.team in word.baselines,
            number=entry.id,
        )
        for place, entry in enumerate(counted)
    ]


def _leaders(counted: list[Entry], tied: list[bool], compared: Callable[[list[Pair]], dict[Pair, Lead]]) -> int:
    """How many rows from the top on cannot be told from the first. A chain of ties may end far from where it began."""
    for k in range(1, len(counted)):
        pair = (counted[0].id, counted[k].id)
        if not tied[k] or not compared([pair])[pair].is_noise:
            return k
    return len(counted)
