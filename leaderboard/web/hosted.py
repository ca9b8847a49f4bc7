"""The state of a server: its settings, its competitions, and every board as it was last computed."""

import sys
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from anyio import CapacityLimiter
from markupsafe import Markup
from sqlalchemy import Engine
from starlette.requests import Request

from harness import paths
from harness.competition import Competition, find, names
from leaderboard.answers import JudgedData, prepared
from leaderboard.board import read
from leaderboard.cli.text import decimals_for
from leaderboard.database import now, reading
from leaderboard.entries import MetricVersion, board_state, read_versions
from leaderboard.judge import RankChange, rank_changes
from leaderboard.queue import Refusal
from leaderboard.teams import User
from leaderboard.trust import Trust, read_trust
from leaderboard.web import board_charts

HERE = Path(__file__).parent
MAX_VIEWS = 32
MAX_MOVES = 50  # teams that a new version of the metric moved
MAX_SUBMISSION = 256 << 20  # bytes
MAX_MANIFEST = 1 << 20
BYTES_PER_ID = 64 << 10  # a wide row of 8,192 pixels is a quarter of it, a hundred boxes an eighth


@dataclass(frozen=True)
class Settings:
    """The settings that a server was started with.

    names: of this host, as browsers call it; empty for any. user: the member in local mode, where nobody logs in.
    upload_limiter: uploads enter the queue one at a time; those that wait hold no thread, so pages are still served.
    """

    engine: Engine
    team_mode: bool
    names: tuple[str, ...]
    user: User
    scorer: Any = None
    upload_limiter: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))


def settings_of(request: Request) -> Settings:
    return request.app.state.settings


@dataclass(frozen=True)
class HostedCompetition:
    """A competition on one set of data, as the pages show it.

    others: hashes of other data that have a board too. link_hash: the hash that links must carry, empty for the
    data that were prepared last.
    """

    declared: Competition = field(compare=False)
    data: JudgedData
    others: tuple[str, ...] = ()
    link_hash: str = ""

    @property
    def name(self) -> str:
        return self.declared.name

    @property
    def title(self) -> str:
        """The first sentence of the declaration."""
        text = sys.modules[f"competitions.{self.name}.competition"].__doc__ or self.name
        return text.strip().split("\n\n")[0].replace("\n", " ")

    def link(self, *parts: str) -> str:
        """A path below this board."""
        path = "/".join(("/c", self.name, *(quote(part, safe="") for part in parts)))
        return f"{path}?data={self.link_hash}" if self.link_hash else path


def find_hosted(name: str, data_hash: str | None = None) -> HostedCompetition:
    """Raise `Refusal` if the competition does not exist, or if its data are not prepared on this server."""
    if name not in names():
        raise Refusal(404, f"there is no competition {name[:40]!r} here")
    hashes = prepared_hashes(name)
    if not hashes or (data_hash and data_hash not in hashes):
        raise Refusal(
            404,
            f"no such data of {name} are prepared on this server; `make data COMP={name} SERVER=` fetches those that "
            "are (FAST=1 has few rows of its own, which only your own board judges)",
        )
    last = prepared(name)
    data = prepared(name, data_hash) if data_hash else last
    others = tuple(other for other in hashes if other != data.data_hash)
    return HostedCompetition(find(name), data, others, "" if data.data_hash == last.data_hash else data.data_hash)


def hosted_of(request: Request) -> HostedCompetition:
    """The competition that a page's address names."""
    return find_hosted(request.path_params["competition"], request.query_params.get("data"))


def prepared_hashes(name: str) -> list[str]:
    return sorted(file.parent.parent.name for file in paths.data(name).glob("*/private/answers.npz"))


def list_hosted() -> list[HostedCompetition]:
    """List the competitions with answers on this server."""
    ready = (name for name in names() if prepared_hashes(name) and (paths.data(name) / "current.json").exists())
    return [find_hosted(name) for name in ready]


# -- the board, computed on reading and cached until something changes -------------------------------------------------


class BoardView:
    """A board as it is now, and what pages show of it: computed when a page first asks for it, and then kept."""

    def __init__(self, engine: Engine, hosted: HostedCompetition):
        self.engine, self.hosted = engine, hosted
        self.board = read(engine, hosted.declared, hosted.data)

    @property
    def phase(self) -> str:
        """Whether the board is open, paused, closed or revealed."""
        if self.board.revealed_at:
            return "revealed"
        state = self.board.host
        if state.closed or (state.deadline and now() >= state.deadline):
            return "closed"
        return "paused" if state.paused else "open"

    @cached_property
    def decimals(self) -> int:
        """Decimals of scores, at most five: two that are closer look alike, and the rank says which is ahead."""
        values = [value for row in self.board.rows for value in (row.score, row.private) if value is not None]
        return min(5, decimals_for(values)) if values else 3

    @cached_property
    def corrected_metric(self) -> MetricVersion | None:
        """The present version of the metric; None if the board was never scored by another one."""
        with reading(self.engine) as connection:
            versions = read_versions(connection, self.hosted.data)
        return versions[-1] if len(versions) > 1 else None

    @cached_property
    def moves(self) -> list[RankChange]:
        """The teams whose rank the last re-scoring changed, those that moved furthest first."""
        if not self.corrected_metric:
            return []
        changes = rank_changes(self.engine, self.hosted.declared, self.hosted.data)
        moved = [team for team in changes if team.new_rank != team.old_rank]
        return sorted(moved, key=lambda team: -abs(team.new_rank - team.old_rank))[:MAX_MOVES]

    @cached_property
    def charts(self) -> dict[str, Markup]:
        return {
            "history": board_charts.history(self.board),
            "cv": board_charts.cv_against_public(self.board),
            "ranks": board_charts.rank_intervals(self.board.rows[: board_charts.MAX_BARS]),
        }

    @cached_property
    def trust(self) -> Trust:
        return read_trust(self.board)


_views: dict[tuple[Engine, HostedCompetition], tuple[tuple[int, ...], BoardView]] = {}
_lock = threading.Lock()


def view_of(request: Request, hosted: HostedCompetition | None = None) -> BoardView:
    """The view of a board as it is now: a new one whenever something was added to it.

    hosted: else the competition that the page's address names.
    """
    engine, hosted = settings_of(request).engine, hosted or hosted_of(request)
    with reading(engine) as connection:
        version = board_state(connection, hosted.data)
    with _lock:
        known = _views.pop((engine, hosted), None)
        if known is None or known[0] != version:
            known = version, BoardView(engine, hosted)
        _views[engine, hosted] = known
        while len(_views) > MAX_VIEWS:
            _views.pop(next(iter(_views)))
    return known[1]
