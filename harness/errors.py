"""The errors that a person can cause, and how a command line ends.

Exit codes: 0 done, 1 a bug, 2 the user's input in one sentence, 130 or 143 interrupted and saved.
"""

import difflib
import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any


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


# -- the end of a command ----------------------------------------------------------------------------------------------

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


def run(app: Callable[..., Any]) -> int:
    """Run a typer app and return its exit code. With --json an error is also {"error": sentence} on standard output."""
    import typer

    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell in the background has SIGINT ignored
        signal.signal(number, _terminated)
    # Nothing that we use may call home: no update checks, no anonymous statistics.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    os.environ.setdefault("YOLO_OFFLINE", "true")
    try:
        code = app(standalone_mode=False) or 0
        if code == 130:  # typer makes a return value of Ctrl-C
            raise KeyboardInterrupt
    except (KeyboardInterrupt, typer.Abort):
        code = 128 + _received[-1]
        print("interrupted; what was done is saved, and the same command goes on from there", file=sys.stderr)
    except UserError as error:
        code = refuse(str(error))
    except typer.TyperException as error:
        code = refuse(error.format_message())
    except OSError as error:
        if error.errno not in THEIRS:
            raise
        what = f"{THEIRS[error.errno]}: {error.filename or 'writing a file'}"
        code = refuse(f"{what}; mend that and run the same command again")
    return code


def refuse(sentence: str) -> int:
    if "--json" in sys.argv:
        print(json.dumps({"error": sentence}))
    print(sentence if sentence.startswith("Usage:") else f"error: {sentence}", file=sys.stderr)
    return 2


_received: list[int] = [signal.SIGINT]


def _terminated(number: int, _: object) -> None:
    _received.append(number)
    raise KeyboardInterrupt
