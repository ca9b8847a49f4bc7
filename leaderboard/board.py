"""Who is ahead: the ranking, made on reading and never stored."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from sqlalchemy import Connection, Engine, select

from harness.competition import Competition
from leaderboard.answers import Prepared
from leaderboard.database import reading
from leaderboard.entries import Book, Entry, read_book
from leaderboard.host import Word, read_word
from leaderboard.resampled import count_groups
from leaderboard.tables import finals, on_board, reveals, selections
from leaderboard.ties import Lead, leads, shown_leads
from leaderboard.versions import as_it_stands, behind


@dataclass(frozen=True)
class Row:
    """A team on the board, by the entry that counts. tied: not told apart from the row above.

    same_file_as: the team that handed in the same file earlier; late: the entry came after the reveal; baseline,
    reference: the host says that it is one. number: the id of the entry. moved: ranks won from public to private.
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
    reference: bool
    number: int
    moved: int | None

    @property
    def gap(self) -> float | None:
        """CV minus public score."""
        return None if self.cv is None else self.cv - self.score


@dataclass(frozen=True)
class Board:
    """Everything that may be shown of one competition on one set of data.

    counted: of every row its entry. before: each team's best by the public score, as it stood before the reveal; until
    then that is `counted`. lead: of the first row over the second. leaders: how many of the first rows cannot be told
    from the first. groups: of the rows that rank, as the bootstrap draws them. total: entries. missing: entries that
    the ledger has and the database lacks. word: what the host said; the teams that it disqualified are in no row.
    waits: why nothing is scored now, where the metric has a new version. protected: the public scores are not shown as
    they are. declared: as the board stands by it.
    """

    competition: str
    data_hash: str
    source: str | None
    metric: str
    higher_is_better: bool
    revealed_at: str | None
    rows: list[Row]
    counted: list[Entry]
    before: list[Entry]
    book: Book
    total: int
    lead: Lead | None
    leaders: int
    groups: int
    missing: int
    word: Word
    waits: str | None
    protected: bool
    declared: Competition

    @property
    def part(self) -> str:
        """Whose score ranks."""
        return "private" if self.revealed_at else "public"

    def row_of(self, team: str) -> Row | None:
        return next((row for row in self.rows if row.team == team), None)

    def entries_on(self, team: str, day: str) -> int:
        """How many entries of a team came on that UTC day (ISO date)."""
        return sum(entry.received_at.startswith(day) for entry in self.book.of_team.get(team, ()))


def read(engine: Engine, competition: Competition, data: Prepared) -> Board:
    """The board as it is now. Private scores are looked at only after the reveal, and then they rank."""
    with reading(engine) as connection:
        waits, competition = behind(connection, competition, data), as_it_stands(connection, competition, data)
        revealed_at = reveal_time(connection, data)
        selected = read_selected(connection, data) if revealed_at else {}
        word = read_word(connection, data)
        book = read_book(engine, connection, competition, data, revealed_at is not None)
    higher, part = competition.metric.higher_is_better, "private" if revealed_at else "public"
    places: dict[str, int] = {}
    if revealed_at:
        ranked = [entry for entry in book.entries if entry.team not in word.disqualified]
        counted = rank_finals(ranked, selected, revealed_at, higher)
        before = rank([entry for entry in ranked if not is_late(entry, revealed_at)], public_score, higher)
        places = {entry.team: place for place, entry in enumerate(before)}
    else:
        best = list(book.best.values())
        before = counted = rank([entry for entry in best if entry.team not in word.disqualified], public_score, higher)

    protected = not (revealed_at or competition.rules.feedback.exact)
    compared = (
        partial(shown_leads, higher_is_better=higher) if protected else partial(leads, engine, competition, data, part)
    )
    gaps = compared(list(pairwise(counted)))
    tied = [False, *(gap.is_noise for gap in gaps)]
    return Board(
        competition=data.competition,
        data_hash=data.data_hash,
        source=data.source,
        metric=competition.metric.name,
        higher_is_better=higher,
        revealed_at=revealed_at,
        rows=[_row(k, tied[k], entry, book, revealed_at, word, places) for k, entry in enumerate(counted)],
        counted=counted,
        before=before,
        book=book,
        total=len(book.entries),
        lead=gaps[0] if gaps else None,
        leaders=_leaders(counted, tied, compared),
        groups=count_groups(engine, data, part),
        missing=book.missing,
        word=word,
        waits=waits,
        protected=protected,
        declared=competition,
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
    return entry.on("private").score


def is_late(entry: Entry, revealed_at: str | None) -> bool:
    return revealed_at is not None and entry.received_at > revealed_at


# -- reading -----------------------------------------------------------------------------------------------------------


def reveal_time(connection: Connection, data: Prepared) -> str | None:
    return connection.scalar(select(reveals.c.revealed_at).where(*on_board(reveals, data.competition, data.data_hash)))


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


def _row(
    place: int, tied: bool, entry: Entry, book: Book, revealed_at: str | None, word: Word, places: Mapping[str, int]
) -> Row:
    """places: of every team that was on the public board at the reveal, from 0."""
    first = book.teams_with[entry.sha256][0]
    return Row(
        rank=place + 1,
        tied=tied,
        team=entry.team,
        score=entry.public.score,
        low=entry.public.low,
        high=entry.public.high,
        private=entry.private and entry.private.score,
        private_low=entry.private and entry.private.low,
        private_high=entry.private and entry.private.high,
        cv=entry.cv,
        entries=len(book.of_team[entry.team]),
        submitted_at=entry.received_at,
        submission=entry.name,
        same_file_as=first if first != entry.team else None,
        late=is_late(entry, revealed_at),
        baseline=entry.team in word.baselines,
        reference=entry.team in word.references,
        number=entry.id,
        moved=places[entry.team] - place if entry.team in places else None,
    )


def _leaders(
    counted: list[Entry], tied: list[bool], compared: Callable[[list[tuple[Entry, Entry]]], list[Lead]]
) -> int:
    """How many rows from the top on cannot be told from the first. A chain of ties may end far from where it began."""
    for k in range(1, len(counted)):
        if not tied[k] or not compared([(counted[0], counted[k])])[0].is_noise:
            return k
    return len(counted)
