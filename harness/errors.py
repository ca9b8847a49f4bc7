"""The errors that a person can cause. The command line prints their sentence and exits with code 2."""

import difflib
import errno
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


def listed(names: Iterable[object], most: int = 8, between: str = ", ") -> str:
    """The first names, and how many more there are: for a sentence that a person reads.

    >>> listed("abc"), listed(range(99), most=3)
    ('a, b, c', '0, 1, 2 and 96 more')
    """
    texts = [str(name) for name in names]
    more = len(texts) - most
    return between.join(texts[:most]) + (f" and {more} more" if more > 0 else "")


# Errors of the operating system that a person can fix.
THEIRS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than is allowed here",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "not permitted",
    errno.ENOTDIR: "a file stands in the way",
    errno.EISDIR: "a folder stands in the way",
}
