"""The card that a player's run lays beside its submission: what it claims about itself."""

import json
import math
from pathlib import Path
from typing import Any

from harness.errors import InvalidSubmission
from harness.files import read_json
from leaderboard.answers import Prepared


def read_card(file: Path, data: Prepared) -> dict[str, Any] | None:
    """The card of `file`, None without one; raise `InvalidSubmission` where it names another board than `data`."""
    path = file.with_suffix(".json")
    if path == file or not path.is_file():
        return None
    card = read_json(path)
    if not isinstance(card, dict) or not _is_finite(card):
        raise InvalidSubmission(f"{path} is no card (a JSON object without NaN); delete it, or write it again")
    if card.get("competition", data.competition) != data.competition:
        raise InvalidSubmission(f"{file.name} was made for {card['competition']}, and this is {data.competition}")
    made_on = card.get("data_hash", data.data_hash)
    if made_on != data.data_hash:
        raise InvalidSubmission(
            f"{file.name} was made on the data {made_on}, but this board is for the data {data.data_hash}; "
            f"add --data {made_on} to score it there"
        )
    return card


def claimed_cv(card: dict[str, Any] | None) -> float | None:
    """The cross-validation score on the card."""
    cv = (card or {}).get("cv")
    score = cv.get("score") if isinstance(cv, dict) else None
    return float(score) if isinstance(score, int | float) and math.isfinite(score) else None


def _is_finite(card: dict[str, Any]) -> bool:
    """JSON has no NaN, and PostgreSQL refuses it."""
    try:
        json.dumps(card, allow_nan=False)
    except ValueError:
        return False
    return True
