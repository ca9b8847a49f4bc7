"""What is handed in: the judge's file with its card, the official files, and the best one so far."""

import getpass
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from harness import folders
from harness.errors import UserError
from harness.files import atomic, read_json, sha256_of, write_json
from harness.tasks import Task


def write(competition: str, data_hash: str, task: Task, ids: np.ndarray, decided: Any, card: Mapping[str, Any]) -> Path:
    """The judge's file and its card beside it. The same rows are the same file: they keep their first name."""
    folder = folders.submissions(competition, data_hash)
    draft = folder / "draft.csv"
    task.write(ids, decided, draft)
    task.read(draft, ids)  # what we hand in obeys our own rules
    digest = sha256_of(draft)[:12]
    known = sorted(folder.glob(f"*-{digest}.csv"))
    file = known[0] if known else folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{digest}.csv"
    draft.replace(file)
    write_json(
        file.with_suffix(".json"), {"competition": competition, "data_hash": data_hash, "created_at": now(), **card}
    )
    return file


def keep_best(file: Path, cv: float | None, higher_is_better: bool) -> None:
    """best/submission.csv is the valid file with the best CV score so far (None: a baseline that any score beats)."""
    best = file.parent / "best" / "submission.csv"
    card = best.with_suffix(".json")
    before = read_json(card).get("cv") if card.exists() else None
    if best.exists() and before is not None:
        sign = 1 if higher_is_better else -1
        if cv is None or sign * cv < sign * before["score"]:
            return
    elif best.exists() and cv is None:
        return
    with atomic(best) as out, open(file, "rb") as content:
        shutil.copyfileobj(content, out)
    card_of_file = file.with_suffix(".json")
    write_json(card, read_json(card_of_file) if card_of_file.exists() else {"cv": None})


def judge(competition: str, file: Path, team: str | None, data_hash: str) -> dict[str, Any]:
    """Hand the file to the leaderboard, a process of its own: {"accepted", "public", "rank", "message", ...}."""
    command = [sys.executable, "-m", "leaderboard", "score", competition, str(file), "--data", data_hash, "--json"]
    command += ["--team", team or getpass.getuser()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).resolve().parents[1])  # noqa: S603
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise RuntimeError(
            f"the leaderboard answered with code {done.returncode}: {done.stderr.strip()[-2000:]}"
        ) from None
    if "error" in answer:
        raise UserError(answer["error"])
    return answer


def git_revision() -> str | None:
    here = Path(__file__).resolve().parents[1]
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=here)  # noqa: S607
    return done.stdout.strip() or None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
