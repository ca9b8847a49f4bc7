"""Where everything lies on disk. Every path starts at `root()`."""

import os
from pathlib import Path


def root() -> Path:
    """The repository, or the folder that HARNESS_HOME names, or STORAGE_PATH, which all nodes of a cluster share."""
    named = os.environ.get("HARNESS_HOME") or os.environ.get("STORAGE_PATH")
    return Path(named or Path(__file__).parents[1]).resolve()


def shown(path: Path) -> str:
    """Relative to the root where it lies below, for messages and JSON."""
    path = path.resolve()
    return str(path.relative_to(root().resolve())) if path.is_relative_to(root().resolve()) else str(path)


def data(competition: str) -> Path:
    """Holds raw/, sample/, one folder per data hash, and current.json, which names the data last prepared."""
    return root() / "data" / competition


def public(competition: str, data_hash: str) -> Path:
    """What a player may see."""
    return data(competition) / data_hash / "public"


def private(competition: str, data_hash: str) -> Path:
    """The judge's: written once by `prepare.write`, opened by `leaderboard` alone."""
    return data(competition) / data_hash / "private"


def runs(competition: str, train_hash: str) -> Path:
    return root() / "runs" / competition / train_hash


def submissions(competition: str, data_hash: str) -> Path:
    return root() / "submissions" / competition / data_hash


def searches(competition: str, data_hash: str) -> Path:
    return root() / "searches" / competition / data_hash


def reports(competition: str) -> Path:
    return root() / "reports" / competition


def database() -> str:
    """The leaderboard's database as an SQLAlchemy URL."""
    return os.environ.get("DATABASE_URL") or f"sqlite:///{root() / 'leaderboard.db'}"


def has_database() -> bool:
    """Whether a board may hold entries: there is a file, or a database elsewhere is named."""
    return bool(os.environ.get("DATABASE_URL")) or (root() / "leaderboard.db").exists()
