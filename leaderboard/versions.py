"""The version of the metric that a board stands by. A new one in the declaration counts once `rescore` has run."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from harness.competition import Competition
from harness.errors import UserError
from harness.metrics import Metric
from leaderboard.answers import Prepared
from leaderboard.tables import on_board, versions


class Version(NamedTuple):
    """What a board stands by, or stood. since: UTC, ISO 8601; reason: of the host, empty for the first one."""

    metric: str
    version: int
    reason: str
    since: str


@dataclass(frozen=True)
class Pinned:
    """A metric by the name and version that old scores are stored under."""

    metric: Metric
    name: str
    version: int

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.metric, attribute)


def read_versions(connection: Connection, data: Prepared) -> list[Version]:
    """All that the board stood by, the last one now; [] for a board without entries."""
    columns = (versions.c.metric, versions.c.version, versions.c.reason, versions.c.since)
    board = on_board(versions, data.competition, data.data_hash)
    return [Version(*row) for row in connection.execute(select(*columns).where(*board).order_by(versions.c.id))]


def as_it_stands(connection: Connection, competition: Competition, data: Prepared) -> Competition:
    """The declaration as the board shows it: with its metric in the version that the board stands by."""
    stands = read_versions(connection, data)
    return as_of(competition, stands[-1]) if stands else competition


def as_of(competition: Competition, version: Version) -> Competition:
    metric = competition.metric
    if (metric.name, metric.version) == version[:2]:
        return competition
    pinned: Any = Pinned(metric, version.metric, version.version)
    return replace(competition, metric=pinned)


def behind(connection: Connection, competition: Competition, data: Prepared) -> str | None:
    """Why nothing can be scored now, in a sentence; None where the board stands by the metric as it is declared."""
    stands, metric = read_versions(connection, data), competition.metric
    if not stands or stands[-1][:2] == (metric.name, metric.version):
        return None
    return (
        f"the board of {data.competition} stands by {stands[-1].metric}, version {stands[-1].version}, and the "
        f"declaration by {metric.name}, version {metric.version}: once the host has run "
        f"`make rescore COMP={data.competition}`, hand in again"
    )


def require_current(connection: Connection, competition: Competition, data: Prepared) -> None:
    if sentence := behind(connection, competition, data):
        raise UserError(sentence)
