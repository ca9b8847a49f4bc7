"""What cells of text say: missing values, numbers as people write them, dates, and names of classes."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.data.tables.csv_files import MARKERS

if TYPE_CHECKING:
    import pandas as pd

MISSING = {marker.casefold() for marker in MARKERS}
EXACT = 2**53  # whole numbers from here on are not all float64

PLAIN = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)"
THOUSANDS = rf"[+-]?[1-9]\d{{0,2}}(,\d{{3}})+(\.\d+)?|{PLAIN}"  # 1,234.5
DECIMAL = r"[+-]?(\d{1,3}(\.\d{3})+|\d*)(,\d+)([eE][+-]?\d+)?|[+-]?\d{1,3}(\.\d{3})+|[+-]?\d+"  # 1.234,5
WORDS = {"true": 1.0, "false": 0.0}
CODE = re.compile(r"0\d+")  # a zip code, say, which as a number would lose its zeros


@dataclass(frozen=True)
class NumberColumn:
    """values: (n,) float64, NaN where there is no number. wrong: (n,) bool, neither a number nor missing.

    commas: what commas between digits are taken for, "" where there are none.
    """

    values: np.ndarray
    wrong: np.ndarray
    commas: str = ""


def missing_in(cells: np.ndarray, markers: Sequence[str] = ()) -> np.ndarray:
    """(n,) bool: empty cells, and usual markers of missing values. markers: those of a host beside them."""
    code, found = factorized(cells)
    return np.array([cell.casefold() in MISSING or cell in markers for cell in found], bool)[code]


def numbers_in(cells: np.ndarray, markers: Sequence[str] = (), separator: str = ",") -> NumberColumn:
    """NumberColumn with a decimal point or comma, or with commas between thousands: as most of the cells can be read.

    TRUE and FALSE are 1 and 0 where nothing else stands. separator: of the table; where it is a comma, "1,234" is more
    likely to be 1234, else 1.234.
    """
    code, found = factorized(cells)
    gone = missing_in(found, markers)
    present = found[~gone]
    if len(present) and all(cell.casefold() in WORDS for cell in present):
        values = np.array([WORDS.get(cell.casefold(), np.nan) for cell in found])
        return NumberColumn(values[code], np.zeros(len(cells), bool))
    commas = {"thousands": THOUSANDS, "decimals": DECIMAL}
    order = ["", *(sorted(commas, reverse=separator == ",") if any("," in cell for cell in present) else ())]
    matched = {form: matches(commas.get(form, PLAIN), present) for form in order}
    form = max(order, key=lambda each: int(matched[each].sum()))
    values, wrong = np.full(len(found), np.nan), ~gone
    wrong[~gone] = ~matched[form]
    values[~gone & ~wrong] = [number(cell, form) for cell in present[matched[form]]]
    return NumberColumn(values[code], wrong[code], form)


def matches(pattern: str, cells: np.ndarray) -> np.ndarray:
    whole = re.compile(pattern, re.IGNORECASE | re.ASCII).fullmatch
    return np.array([whole(cell) is not None for cell in cells], bool)


def number(cell: str, commas: str) -> float:
    """The value of a cell that was matched.

    >>> number("1,234.5", "thousands"), number("1.234,5", "decimals"), number("2.5", "")
    (1234.5, 1234.5, 2.5)
    """
    if commas == "thousands":
        return float(cell.replace(",", ""))
    return float(cell.replace(".", "").replace(",", ".") if commas else cell)


def plain_number(cell: str) -> float | None:
    """The number that a cell is, without commas."""
    return float(cell) if re.fullmatch(PLAIN, cell, re.IGNORECASE | re.ASCII) else None


def factorized(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the place of every cell among the different ones, (m,) object: these)."""
    import pandas as pd

    code, found = pd.factorize(np.asarray(cells, object))
    return code, np.asarray(found, object)


# -- dates -------------------------------------------------------------------------------------------------------------

TIME = r"([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|UTC|GMT)|[+-]\d{2}:?\d{2})?)?"
YEAR_FIRST = re.compile(rf"(?P<year>\d{{4}})([-/.])(?P<month>\d{{1,2}})\2(?P<day>\d{{1,2}}){TIME}")
YEAR_LAST = re.compile(rf"(?P<one>\d{{1,2}})([-/.])(?P<two>\d{{1,2}})\2(?P<year>\d{{4}}){TIME}")


def date_parts(cells: np.ndarray, markers: Sequence[str] = ()) -> dict[str, np.ndarray] | None:
    """year, month, day, weekday (Monday is 0), each (n,) float64, and hour where there are times; None of no dates.

    Dates are written as 2024-05-31, 2024/5/31, 31.5.2024, or 5/31/2024 and 31/5/2024: the month comes first unless a
    number beyond 12 stands there, or points divide. Every cell that is not missing must be one.
    """
    code, found = factorized(cells)
    present = np.flatnonzero(~missing_in(found, markers))
    matched = [YEAR_FIRST.fullmatch(found[k]) or YEAR_LAST.fullmatch(found[k]) for k in present]
    if not matched or not all(matched):
        return None
    names = [match.groupdict() for match in matched if match]
    day_first = any(
        int(each.get("one", 0)) > 12 and "." not in found[k] for k, each in zip(present, names, strict=True)
    )
    written = [
        (each["year"], each["month"], each["day"])
        if "month" in each
        else (
            each["year"],
            *((each["two"], each["one"]) if day_first or "." in found[k] else (each["one"], each["two"])),
        )
        for k, each in zip(present, names, strict=True)
    ]
    dates = as_dates(written)
    if dates is None:
        return None
    hours = [re.search(r"[ T](\d{1,2}):", found[k]) for k in present]
    values = {name: np.asarray(getattr(dates, name)) for name in ("year", "month", "day")}
    values["weekday"] = np.asarray(dates.day_of_week)
    if any(hours):
        values["hour"] = np.array([int(hour[1]) if hour else 0 for hour in hours])
    parts = {}
    for name, of_present in values.items():
        of_found = np.full(len(found), np.nan)
        of_found[present] = of_present
        parts[name] = of_found[code]
    return parts


def as_dates(written: Sequence[tuple[str, str, str]]) -> "pd.DatetimeIndex | None":
    """Dates of (year, month, day); None where one is not in the calendar."""
    import pandas as pd

    text = ["-".join((year, month.zfill(2), day.zfill(2))) for year, month, day in written]
    try:
        return pd.DatetimeIndex(pd.to_datetime(text, format="%Y-%m-%d"))
    except ValueError:
        return None


# -- classes -----------------------------------------------------------------------------------------------------------


def label_names(classes: Sequence[str]) -> Mapping[str, int]:
    """Every spelling of a class -> its label: its name, in whatever case, or as a number (1.0 of the class 1).

    True and False stand for the classes 1 and 0, and the other way. Where no name of a class is a number, the number
    of a class is one more spelling. A spelling that two classes share is none.

    >>> label_in("1.0", label_names(("0", "1"))), label_in("TRUE", label_names(("False", "True")))
    (1, 1)
    """
    label_of = {name: label for label, name in enumerate(classes)}
    as_words = {"0": "false", "1": "true", "false": "0", "true": "1"}
    for spell in (str.casefold, spelled, lambda name: as_words.get(spelled(name), "")):
        spellings = [spell(name) for name in classes]
        often = Counter(spellings)
        label_of = {each: k for k, each in enumerate(spellings) if each and often[each] == 1} | label_of
    if not any(name.casefold() in WORDS or re.fullmatch(PLAIN, name) for name in classes):
        label_of = {str(label): label for label in range(len(classes))} | label_of
    return label_of


def label_in(cell: str, names: Mapping[str, int]) -> int | None:
    """The label of a cell, as it stands, in lower case, or as a number; None where it is not a class."""
    return next((names[each] for each in (cell, cell.casefold(), spelled(cell)) if each in names), None)


def spelled(name: str) -> str:
    """In lower case, and whole numbers without a point or zeros before them.

    >>> spelled("1.0"), spelled("TRUE"), spelled("01")
    ('1', 'true', '1')
    """
    if re.fullmatch(r"[+-]?\d{1,15}(\.0*)?", name):
        return str(int(float(name)))
    return name.casefold()
