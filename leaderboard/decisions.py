"""What is decided on a board: written into its ledger, and from there into the database, in one transaction.

The same functions make the rows when a decision is taken and when the ledger is followed again (`catch_up`), so a
database that was lost is made anew from the ledger.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, and_, func, insert, select

from leaderboard import ledger
from leaderboard.answers import Prepared
from leaderboard.database import now
from leaderboard.ledger import Line
from leaderboard.tables import events, finals, on_board, reveals, scores, selections, shown, submissions, versions
from leaderboard.tables import ledger as followed


class Decision(NamedTuple):
    """kind: see `MEANINGS`; secret: the scores as they are, public and private, which players must not know."""

    kind: str
    body: Mapping[str, Any]
    secret: Mapping[str, Any] = {}


def decide(connection: Connection, data: Prepared, decisions: Sequence[Decision]) -> None:
    """Take decisions, in a transaction that writes: when it is committed they are on the disk and in the database."""
    catch_up(connection, data)
    last, lines = ledger.last_line(data), []
    for kind, body, secret in decisions:
        last = ledger.following(data, last, now(), kind, body, secret)
        follow(connection, data, last)
        lines.append(last)
    ledger.append(data, lines)


def catch_up(connection: Connection, data: Prepared) -> int:
    """Follow the lines that the database lacks, after a crash before a commit or the loss of a database; how many.

    A board from before there were ledgers gets one. Raise `UserError` where the ledger lacks what the database has.
    """
    known, last = followed_to(connection, data), ledger.last_line(data)
    if last is None and not known:
        return _begin_ledger(connection, data)
    if known > (last.seq if last else 0):
        raise ledger.BrokenLedgerError(
            f"the ledger of {data.competition} ends at line {last.seq if last else 0}, and the database has followed "
            f"{known}: lines were cut off; restore the ledger from a backup"
        )
    lines = list(ledger.read(data, after=known)) if last and last.seq > known else []
    for line in lines:
        follow(connection, data, line)
    return len(lines)


def followed_to(connection: Connection, data: Prepared) -> int:
    """The number of the last line that the database has followed; 0 for none."""
    return connection.scalar(select(func.max(followed.c.seq)).where(*_on(followed, data))) or 0


def count_missing(connection: Connection, data: Prepared) -> int:
    """How many entries the ledger has that the database lacks."""
    known, last = followed_to(connection, data), ledger.last_line(data)
    if last is None or last.seq <= known:
        return 0
    return sum(line.kind == "entry" for line in ledger.read(data, after=known))


def follow(connection: Connection, data: Prepared, line: Line) -> None:
    submission = MEANINGS[line.kind](connection, data, line)
    row = {"seq": line.seq, "hash": line.hash, "seal": line.seal, "submission": submission}
    connection.execute(insert(followed).values(**_board(data), **row))


# -- what a line means -------------------------------------------------------------------------------------------------


def _enter(connection: Connection, data: Prepared, line: Line) -> int:
    """A file is an entry, with its first score."""
    names = ("team", "sha256", "size", "received_at", "card")
    row = {name: line.body[name] for name in names} | {"id": _number(connection, data, line.body["id"])}
    connection.execute(insert(submissions).values(**_board(data), **row))
    there = connection.scalar(select(func.count()).select_from(versions).where(*_on(versions, data)))
    if not there:
        _stand_by(connection, data, line.body, "", row["received_at"])
    return _score(connection, data, line)


def _number(connection: Connection, data: Prepared, wanted: int) -> int:
    """The number of an entry, in the order of arrival: the one it had, unless another board's entry has it by now."""
    if wanted >= next_number(connection):
        return wanted
    taken = connection.scalar(select(submissions.c.id).where(submissions.c.id == wanted))
    of_board = connection.scalar(select(func.max(submissions.c.id)).where(*_on(submissions, data))) or 0
    return wanted if taken is None and wanted > of_board else next_number(connection)


def next_number(connection: Connection) -> int:
    return 1 + (connection.scalar(select(func.max(submissions.c.id))) or 0)


def _score(connection: Connection, data: Prepared, line: Line) -> int:
    """A score of an entry, by a metric in a version."""
    number = number_of(connection, data, line.body["team"], line.body["sha256"])
    assert number is not None, "an entry is scored after it has come"
    key = {"submission": number, "metric": line.body["metric"], "version": line.body["version"]}
    for part, (value, low, high) in line.secret.items():
        connection.execute(insert(scores).values(**key, part=part, value=value, low=low, high=high))
    value, low, high = line.body["shown"]
    connection.execute(insert(shown).values(**key, value=value, low=low, high=high))
    return number


def _select_finals(connection: Connection, data: Prepared, line: Line) -> None:
    row = {"team": line.body["team"], "selected_at": line.body["selected_at"]}
    added = insert(selections).values(**_board(data), **row).returning(selections.c.id)
    selection = connection.execute(added).scalar_one()
    for sha256 in line.body["entries"]:
        number = number_of(connection, data, line.body["team"], sha256)
        connection.execute(insert(finals).values(selection=selection, submission=number))


def _reveal(connection: Connection, data: Prepared, line: Line) -> None:
    connection.execute(insert(reveals).values(**_board(data), **line.body))


def _say(connection: Connection, data: Prepared, line: Line) -> None:
    connection.execute(insert(events).values(**_board(data), **line.body))


def _switch(connection: Connection, data: Prepared, line: Line) -> None:
    """From now on the board stands by another version of the metric."""
    _stand_by(connection, data, line.body, line.body["reason"], line.at)


def _stand_by(connection: Connection, data: Prepared, metric: Mapping[str, Any], reason: str, since: str) -> None:
    row = {"metric": metric["metric"], "version": metric["version"]}
    last = select(versions.c.metric, versions.c.version).where(*_on(versions, data)).order_by(versions.c.id.desc())
    if connection.execute(last.limit(1)).first() != tuple(row.values()):
        connection.execute(insert(versions).values(**_board(data), **row, reason=reason, since=since))


MEANINGS: dict[str, Callable[[Connection, Prepared, Line], int | None]] = {
    "entry": _enter,
    "score": _score,
    "finals": _select_finals,
    "reveal": _reveal,
    "host": _say,
    "metric": _switch,
}


def number_of(connection: Connection, data: Prepared, team: str, sha256: str) -> int | None:
    """An entry is a team's file on a board: handed in twice, it is the same entry."""
    same = and_(*_on(submissions, data), submissions.c.team == team, submissions.c.sha256 == sha256)
    return connection.scalar(select(submissions.c.id).where(same))


def _on(table: Table, data: Prepared) -> Any:
    return on_board(table, data.competition, data.data_hash)


def _board(data: Prepared) -> dict[str, str]:
    return {"competition": data.competition, "data_hash": data.data_hash}


# -- boards from before there were ledgers -----------------------------------------------------------------------------


def _begin_ledger(connection: Connection, data: Prepared) -> int:
    """Write down what the database has."""
    last, lines = None, []
    for number, (kind, body, secret) in _taken(connection, data):
        last = ledger.following(data, last, now(), kind, body, secret)
        lines.append(last)
        row = {"seq": last.seq, "hash": last.hash, "seal": last.seal, "submission": number}
        connection.execute(insert(followed).values(**_board(data), **row))
    if lines:
        ledger.append(data, lines)
    return 0


def _taken(connection: Connection, data: Prepared) -> Iterator[tuple[int | None, Decision]]:
    """(number of the entry, decision), each after those that it builds on."""
    scored = select(scores).join(submissions).where(*_on(submissions, data))
    of_entry = {
        number: list(rows)
        for number, rows in groupby(
            connection.execute(scored.order_by(scores.c.submission, scores.c.version)), lambda row: row.submission
        )
    }
    for entry in connection.execute(select(submissions).where(*_on(submissions, data)).order_by(submissions.c.id)):
        body = {name: getattr(entry, name) for name in ("id", "team", "sha256", "size", "received_at", "card")}
        kind = "entry"
        for (metric, version), rows in groupby(of_entry.get(entry.id, ()), lambda row: (row.metric, row.version)):
            secret = {row.part: [row.value, row.low, row.high] for row in rows}
            told = {"metric": metric, "version": version, "shown": secret["public"]}
            yield entry.id, Decision(kind, body | told, secret)
            kind, body = "score", {"team": entry.team, "sha256": entry.sha256}
    stands = connection.execute(select(versions).where(*_on(versions, data)).order_by(versions.c.id)).all()
    for row in stands[-1:]:
        yield None, Decision("metric", {"metric": row.metric, "version": row.version, "reason": row.reason})
    for row in connection.execute(select(selections).where(*_on(selections, data)).order_by(selections.c.id)):
        chosen = select(submissions.c.sha256).join(finals).where(finals.c.selection == row.id)
        entries = list(connection.scalars(chosen.order_by(submissions.c.id)))
        yield None, Decision("finals", {"team": row.team, "selected_at": row.selected_at, "entries": entries})
    for row in connection.execute(select(events).where(*_on(events, data)).order_by(events.c.id)):
        names = ("kind", "team", "said", "said_by", "said_at")
        yield None, Decision("host", {name: getattr(row, name) for name in names})
    for row in connection.execute(select(reveals).where(*_on(reveals, data))):
        yield None, Decision("reveal", {"revealed_at": row.revealed_at})
