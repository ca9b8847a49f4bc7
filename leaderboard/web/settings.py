"""What a server was started with, and what all its requests share."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter
from sqlalchemy import Engine

from leaderboard.teams import User

HERE = Path(__file__).parent
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
MOST_BYTES = 256 << 20  # of a submission
BYTES_PER_ID = 64 << 10  # a wide row of 8,192 pixels is a quarter of it, a hundred boxes an eighth
MOST_OF_A_CARD = 1 << 20
MOST_OF_A_FORM = 8 << 10
MOST_OF_A_BUNDLE = 2 << 30  # Mars in two views and five folds is 0.8 GB
MOST_OF_BUNDLES = 32 << 30  # of a team in one competition
THREADS = 6  # Python runs one at a time: forty, anyio's number, only make each other wait
SILENT_SECONDS = 30  # between two pieces of a body


@dataclass(frozen=True)
class Settings:
    """names: of this host, as browsers call it; empty for any. user: who asks in local mode, where nobody logs in.

    turn: of what is handed in. Those who wait for it hold no thread, so pages are served meanwhile.
    """

    engine: Engine
    team_mode: bool
    names: tuple[str, ...]
    user: User
    scorer: Any = None
    turn: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))

    def most_bytes(self, ids: int) -> int:
        """That a submission of so many ids may have."""
        return min(MOST_BYTES, MOST_OF_A_CARD + BYTES_PER_ID * ids)
