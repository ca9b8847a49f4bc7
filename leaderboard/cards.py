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
    if not is_card(card):
        raise InvalidSubmission(f"{path} is no card (a JSON object without NaN); delete it, or write it again")
    check_card(card, data, file.name)
    return card


def check_card(card: dict[str, Any] | None, data: Prepared, name: str) -> None:
    """Raise `InvalidSubmission` where the card of the file `name` speaks of another board than `data`."""
    card = card or {}
    if card.get("competition", data.competition) != data.competition:
        raise InvalidSubmission(f"{name} was made for {card['competition']}, and this is {data.competition}")
    made_on = card.get("data_hash", data.data_hash)
    if made_on != data.data_hash:
        raise InvalidSubmission(
            f"{name} was made on the data {made_on}, but this board is for the data {data.data_hash}; "
            f"add --data {made_on} to score it there"
        )


def finite(claimed: Any) -> float | None:
    """A number on a card, which may hold anything; None where it is none."""
    return float(claimed) if isinstance(claimed, int | float) and math.isfinite(claimed) else None


def is_card(card: Any) -> bool:
    """A JSON object, of numbers and text that every database takes: PostgreSQL refuses NaN, U+0000 and half pairs.

    An integer beyond all floats is infinite for SQLite, which would then write what nobody can read.
    """
    try:
        text = json.dumps(card, allow_nan=False, ensure_ascii=False).encode()
        json.dumps(json.loads(text, parse_int=float), allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return isinstance(card, dict) and b"\\u0000" not in text
