"""A competition that is on Kaggle: the official file goes there by its own client, and its public score comes back.

What was sent and what it scored are lines of submissions/<competition>/<data-hash>/kaggle.jsonl, never changed. The
score is written down on our own board too, as an outside one; that of a team server is its host's to write.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from harness import paths
from harness.competition import Competition
from harness.data import downloads
from harness.data.sources import Kaggle, kaggle_credentials
from harness.errors import UserError
from harness.files import append_line, locked, read_json, read_lines, sha256_of
from harness.submission import client, writer
from harness.submission.writer import now

RECORD = "kaggle.jsonl"
PATIENCE_SECONDS = 900.0  # for a score
SHORTEST_PAUSE, LONGEST_PAUSE = 2.0, 15.0  # between two looks


def send(
    competition: Competition, data_hash: str, file: Path | None, message: str | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """Send the file once, wait for the public score, store both; the same file again only waits.

    file: else the newest official one of the best run. Raise `UserError` where Kaggle, or this machine, refuses.
    """
    slug = next((source.slug for source in competition.sources if isinstance(source, Kaggle)), None)
    if slug is None:
        raise UserError(
            f"{competition.name} declares no Kaggle competition among its sources, as in Kaggle('its-name')"
        )
    home = paths.submissions(competition.name, data_hash)
    file = file or newest_official(competition.name, home / "best")
    if not file.is_file():
        raise UserError(f"{file} does not exist")
    if not kaggle_credentials():
        raise UserError(
            "there are no Kaggle credentials here: make a token at https://www.kaggle.com/settings, and set "
            "KAGGLE_API_TOKEN, or put it into ~/.kaggle/access_token"
        )
    with locked(home / ".kaggle"):
        key: dict[str, Any] = {"slug": slug, "sha256": sha256_of(file)}
        sent = [line for line in read_lines(home / RECORD) if line.items() >= key.items()]
        entry = sent[-1] if sent and not sent[-1].get("error") else None  # one that was refused costs nothing there
        if entry is None:
            say(f"sending {paths.shown(file)} to Kaggle's {slug}")
            text = message or f"{file.name} {key['sha256'][:12]}"
            entry = key | {"file": paths.shown(file), "cv": claimed(file), "message": text}
            entry |= {"ref": send_file(slug, file, text), "sent_at": now()}
            append_line(home / RECORD, entry)
        if "scored_at" not in entry:
            entry |= wait_for_score(slug, entry["ref"]) | {"scored_at": now()}
            append_line(home / RECORD, entry)
            tell_board(competition.name, data_hash, entry, say)
    if entry["error"]:
        raise UserError(f"Kaggle refused {entry['file']}: {entry['error']}")
    return {"competition": competition.name, "data_hash": data_hash, "path": paths.shown(home / RECORD), **entry}


def tell_board(competition: str, data_hash: str, entry: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Note the score on our own board; report it where there is no such board, without failing."""
    if entry["public"] is None or client.server_of(competition, data_hash):
        return
    note = f"{entry['public']} on Kaggle's {entry['slug']}: {entry['file']} ({entry['sha256'][:12]})"
    try:
        writer.ask_leaderboard("host", "outside", competition, note, "--data", data_hash)
    except UserError as refusal:
        say(f"our own board did not write the score down: {refusal}")


def newest_official(competition: str, best: Path) -> Path:
    """Of the run in best/; raise `UserError` where there is none, or one for each of several parts."""
    files = sorted(best.glob("official*"), key=lambda file: file.stat().st_mtime)
    if not files:
        raise UserError(
            f"{competition} has no official file yet: `make submit COMP={competition}` writes it where the data hold "
            "an official test; or name one with FILE="
        )
    if len({file.stem.removesuffix("-final") for file in files}) > 1:
        raise UserError(f"which official file? Say FILE={' or FILE='.join(map(paths.shown, files))}")
    return files[-1]


def claimed(file: Path) -> float | None:
    """The CV score of the run whose official file this is; None where it is not in best/."""
    manifest = file.parent / "submission.json"
    cv = read_json(manifest).get("cv") if file.parent.name == "best" and manifest.exists() else None
    return cv and cv["score"]


# -- Kaggle ------------------------------------------------------------------------------------------------------------


def send_file(slug: str, file: Path, message: str) -> int:
    """Kaggle's number of the entry."""
    with in_words(slug):
        kaggle_api = downloads.kaggle_client()
        answer = kaggle_api.competition_submit(str(file), message, slug, quiet=True)
    if answer.message == kaggle_api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE or not answer.ref:
        raise UserError(f"Kaggle did not take {paths.shown(file)} ({answer.message}); run the same command again")
    return int(answer.ref)


def wait_for_score(slug: str, ref: int) -> dict[str, Any]:
    """{"public", "error"}, None where Kaggle shows none; raise `UserError` when it takes too long."""
    import pandas as pd

    deadline, pause = time.monotonic() + PATIENCE_SECONDS, SHORTEST_PAUSE
    with in_words(slug):
        kaggle_api = downloads.kaggle_client()
        while True:
            entry = next((entry for entry in kaggle_api.competition_submissions(slug) or () if entry.ref == ref), None)
            if entry and entry.status.name != "PENDING":
                error = (entry.error_description or "it gives no reason") if entry.status.name == "ERROR" else None
                public = float(pd.to_numeric(entry.public_score or "", errors="coerce"))
                return {"public": public if math.isfinite(public) else None, "error": error}
            if time.monotonic() > deadline:
                break
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, 1.3 * pause)
    raise UserError(
        f"Kaggle has entry {ref} and has not scored it yet; run the same command again later: it is not sent twice"
    )


@contextmanager
def in_words(slug: str) -> Iterator[None]:
    """What the client raises, as a sentence. It prints, and standard output belongs to --json."""
    import requests

    try:
        with redirect_stdout(sys.stderr):
            yield
    except SystemExit as error:  # how the client says that it could not log in
        raise UserError(
            "Kaggle's credentials are incomplete or expired; make a new token at https://www.kaggle.com/settings"
        ) from error
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        known = status in (401, 403, 404)
        raise UserError(downloads.kaggle_refusal(slug, error) if known else f"Kaggle refuses this: {error}") from error
    except requests.RequestException as error:
        raise UserError(
            f"Kaggle could not be reached ({type(error).__name__}); run the same command again, "
            "what has arrived there is not sent twice"
        ) from error
