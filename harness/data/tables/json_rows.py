"""Rows of JSON as CSV: a list of objects, or an object a line, with a column for every name."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.paths import shown


def json_rows(file: Path) -> list[dict[str, Any]] | None:
    """The objects of a file; None where it holds something else (COCO annotations, names of classes), or no JSON."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        if text.lstrip().startswith("{"):  # one object may be huge; its first line alone is none
            content: Any = [json.loads(line) for line in text.splitlines() if line.strip()]
            content = content if len(content) > 1 else None
        else:
            content = json.loads(text)
    except ValueError:  # no JSON, or not UTF-8
        return None
    whole = isinstance(content, list) and content and all(isinstance(row, dict) and row for row in content)
    return content if whole else None


def as_csv(file: Path) -> bytes:
    """UTF-8 CSV; numbers of a list with a space between them, texts with a comma. Raise `UserError` of no rows."""
    rows = json_rows(file)
    if rows is None:
        raise UserError(f"{shown(file)} is not a table: a list of objects is one, or an object a line")
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(names)
    table.writerows([cell(row.get(name)) for name in names] for row in rows)
    return out.getvalue().encode()


def cell(value: Any) -> str:
    """
    >>> cell([1.5, 2]), cell(["salt", "olive oil"]), cell(None), cell(True), cell({"a": 1})
    ('1.5 2', 'salt, olive oil', '', 'True', '{"a": 1}')
    """
    if isinstance(value, list) and not any(isinstance(each, dict | list) for each in value):
        return (", " if any(isinstance(each, str) for each in value) else " ").join(map(cell, value))
    if isinstance(value, dict | list):
        return json.dumps(value)
    return "" if value is None else str(value)
