"""Is everything as it was written? The ledger's chain, the stored files, and the database against the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, Engine, Select, select

from harness.errors import UserError
from harness.files import sha256_of
from leaderboard import archive, decisions, ledger
from leaderboard.answers import Prepared
from leaderboard.database import open_database, reading, shown, writing
from leaderboard.ledger import Line
from leaderboard.tables import events, finals, on_board, reveals, scores, selections, submissions
from leaderboard.tables import ledger as followed
from leaderboard.tables import shown as shown_scores
from leaderboard.versions import read_versions


@dataclass(frozen=True)
class Verified:
    """heads: data hash -> the hash of the last line; behind: lines that the database has not followed yet."""

    competition: str
    path: str
    lines: int
    files: int
    behind: int
    heads: dict[str, str]
    message: str


def verify(competition: str) -> Verified:
    """Raise `UserError`, naming the first thing that is not as it was written."""
    engine, boards = open_database(), ledger.boards(competition)
    if not boards:
        raise UserError(f"{competition} has no ledger yet: it begins with the first entry")
    lines, files, behind, heads = 0, 0, 0, {}
    for data in boards:
        written = list(ledger.read(data))
        files += check_files(written)
        behind += check_database(engine, data, written)
        lines += len(written)
        heads[data.data_hash] = written[-1].hash if written else ""
    told = f"{competition}: {lines} lines and {files} files are as they were written, and the database says the same"
    if behind:
        told += f"; it has yet to follow {behind} lines: `python -m leaderboard rebuild {competition}`"
    return Verified(competition, shown(engine), lines, files, behind, heads, told)


def check_files(lines: Sequence[Line]) -> int:
    """Of every entry; how many there are."""
    entries = {line.body["sha256"]: line for line in lines if line.kind == "entry"}
    for sha256, line in entries.items():
        file = archive.stored(sha256)
        if not file.exists() or sha256_of(file) != sha256:
            what = "has been changed" if file.exists() else "is missing"
            raise UserError(
                f"the stored file of line {line.seq}, {sha256[:12]} of {line.body['team']}, {what}; "
                "restore it from a backup"
            )
    return len(entries)


def check_database(engine: Engine, data: Prepared, lines: Sequence[Line]) -> int:
    """Whether it says what the lines say that it has followed; how many it has not."""
    with reading(engine) as connection:
        known = decisions.followed_to(connection, data)
        says = facts(connection, data)
    if known > len(lines):
        raise UserError(
            f"the ledger of {data.competition} on {data.data_hash} ends at line {len(lines)}, and the database has "
            f"followed {known}: lines were cut off; restore the ledger from a backup"
        )
    fresh = open_database("sqlite://")
    with writing(fresh) as connection:
        for line in lines[:known]:
            decisions.follow(connection, data, line)
    with reading(fresh) as connection:
        should_say = facts(connection, data)
    fresh.dispose()
    for name, rows in should_say.items():
        if rows != says[name]:
            odd = next(theirs or ours for ours, theirs in zip_longest(rows, says[name]) if ours != theirs)
            raise UserError(
                f"the database says otherwise than the ledger in its table {name}, first about {odd[0]}; "
                f"set the database aside and run `python -m leaderboard rebuild {data.competition}`"
            )
    return len(lines) - known


def facts(connection: Connection, data: Prepared) -> dict[str, list[Any]]:
    """Everything that a ledger decides, by table, in an order that two backends agree on."""
    entry = (submissions.c.team, submissions.c.sha256)
    of_score = ("metric", "version", "value", "low", "high")
    queries: dict[str, Select[Any]] = {
        "submissions": _picked(submissions, data, "team", "sha256", "size", "received_at", "card"),
        "scores": _of_entries(data, *entry, scores.c.part, *(scores.c[name] for name in of_score)).join(scores),
        "shown": _of_entries(data, *entry, *(shown_scores.c[name] for name in of_score)).join(shown_scores),
        "finals": select(selections.c.team, selections.c.selected_at, submissions.c.sha256)
        .select_from(selections.join(finals).join(submissions))
        .where(*on_board(selections, *data[:2])),
        "selections": _picked(selections, data, "team", "selected_at"),
        "events": _picked(events, data, "kind", "team", "said", "said_by", "said_at"),
        "reveals": _picked(reveals, data, "revealed_at"),
        "ledger": _picked(followed, data, "seq", "hash", "seal"),
    }
    found = {name: sorted(map(tuple, connection.execute(query)), key=repr) for name, query in queries.items()}
    order = select(*entry).where(*on_board(submissions, *data[:2])).order_by(submissions.c.id)
    found["submissions by arrival"] = [tuple(row) for row in connection.execute(order)]
    found["versions"] = [version[:2] for version in read_versions(connection, data)[-1:]]
    return found


def _picked(table: Any, data: Prepared, *names: str) -> Select[Any]:
    return select(*(table.c[name] for name in names)).where(*on_board(table, *data[:2]))


def _of_entries(data: Prepared, *columns: Any) -> Select[Any]:
    return select(*columns).select_from(submissions).where(*on_board(submissions, *data[:2]))
