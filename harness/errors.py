"""The errors that a person can cause. The command line prints their sentence and exits with code 2."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something that a person wrote or provided is wrong; the message names it and says what would be right."""


class UnreachableError(UserError):
    """No connection to a server: another source may do instead, or a later time."""


class InvalidSubmission(UserError):
    """A submission file that breaks the format; the message names the row and the column."""


def nearest(name: str, known: Iterable[str]) -> str:
    """For a sentence about a name that is none.

    >>> nearest("labl", ["label", "image"]), nearest("qqq", ["label", "image"])
    ('; did you mean label?', '')
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""
