"""The submission: the judge's file with its manifest, the official files, and the best one so far."""

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import paths
from harness.errors import UserError
from harness.files import TEMPORARY, read_json, sha256_of, write_bytes, write_json
from harness.submission import client
from harness.tasks import Task
from harness.tasks.layout import Asked


def write(
    competition: str, data_hash: str, task: Task, asked: Asked, decided: Any, manifest: Mapping[str, Any]
) -> Path:
    """Write the judge's file and its manifest. The same rows are the same file: they keep their first name."""
    folder = paths.submissions(competition, data_hash)
    draft = folder / f".draft.{os.getpid()}{TEMPORARY}"
    task.write(asked, decided, draft)
    task.read(draft, asked)  # our own file obeys the rules too
    digest = sha256_of(draft)[:12]
    known = sorted(folder.glob(f"*-{digest}.csv"))
    file = known[0] if known else folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{digest}.csv"
    draft.replace(file)
    write_json(
        file.with_suffix(".json"), {"competition": competition, "data_hash": data_hash, "created_at": now(), **manifest}
    )
    return file


def keep_best(file: Path, folder: Path, manifest: Mapping[str, Any] | None, higher_is_better: bool = True) -> None:
    """Keep the valid file with the best CV on the most rows as best/submission.csv. No manifest: a baseline."""
    best = folder / "best" / "submission.csv"
    restore_best(best)
    if best.exists() and not (manifest and is_better(manifest, read_json(best.with_suffix(".json")), higher_is_better)):
        return
    if best.exists() and read_json(best.with_suffix(".json"))["file"] != paths.shown(file):
        for official in best.parent.glob("official*"):
            official.unlink()  # they belong to the file that is replaced
    write_json(best.with_suffix(".json"), {**(manifest or {"cv": None}), "file": paths.shown(file)})
    restore_best(best)


def restore_best(best: Path) -> None:
    """Copy the file that the manifest names into best/: a kill may have come between the two."""
    manifest = best.with_suffix(".json")
    named = paths.root() / read_json(manifest)["file"] if manifest.exists() else best
    if named.exists() and not (best.exists() and sha256_of(best) == sha256_of(named)):
        write_bytes(best, named.read_bytes())


def is_better(manifest: Mapping[str, Any], before: Mapping[str, Any], higher_is_better: bool) -> bool:
    """Whether a submission replaces `before`: more rows with out-of-fold predictions count first, then the score."""
    if before["cv"] is None or manifest["share"] > before["share"]:
        return True
    score, last = manifest["cv"]["score"], before["cv"]["score"]
    return manifest["share"] == before["share"] and (score == last or (score > last) == higher_is_better)


def official_in_best(file: Path, name: str, suffix: str) -> Path | None:
    """The official file of the judge's `file` in best/, if it is there."""
    official = file.parent / "best" / f"{name}{suffix}"
    return official if official.exists() and is_best(file) else None


def move_into_best(official: Path, file: Path, name: str) -> Path:
    """Move the official file into best/ if the judge's `file` is the best one; return where it is."""
    if not is_best(file):
        return official
    best = file.parent / "best" / f"{name}{official.suffix}"
    official.replace(best)
    return best


def is_best(file: Path) -> bool:
    """Whether the judge's `file` is the one in best/; FAST=1 keeps none there."""
    manifest = file.parent / "best" / "submission.json"
    return manifest.exists() and read_json(manifest)["file"] == paths.shown(file)


def require_accepting_board(competition: str, team: str | None, data_hash: str, say: Callable[[str], None]) -> None:
    """Raise `UserError` where a submission on these data could not be judged.

    So where the board is scored by another version of the metric than is declared now.
    """
    if server := client.server_of(competition, data_hash):
        client.require_accepting_server(server, competition, team, data_hash, say)
        return
    present = ask_leaderboard("board", competition, "--data", data_hash) if paths.has_database() else {}
    if reason := present.get("outdated"):
        raise UserError(f"{reason}; nothing was trained, for it could not be scored")


def judge(competition: str, file: Path, team: str | None, data_hash: str) -> dict[str, Any]:
    """Have the leaderboard score the file, here or on a server: {"accepted", "public", "rank", "message"}."""
    if server := client.server_of(competition, data_hash):
        return client.submit(server, competition, file, team, data_hash)
    who = team or getpass.getuser()
    return ask_leaderboard("score", competition, str(file.resolve()), "--data", data_hash, "--team", who)


def ask_leaderboard(*arguments: str) -> dict[str, Any]:
    """Run `python -m leaderboard ARGUMENTS`, return its JSON; raise `UserError` where it refuses."""
    command = [sys.executable, "-m", "leaderboard", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).resolve().parents[2])  # noqa: S603
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
    here = Path(__file__).resolve().parents[2]
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=here)  # noqa: S607
    return done.stdout.strip() or None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
