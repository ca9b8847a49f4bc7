"""A declaration and its `load` are written by hand: an obvious slip is taken as it is meant, any other is one sentence.

`as_meant` looks at the fields of a declaration, `explained` says where an exception in a person's own file comes from.
"""

import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from harness.errors import UserError, nearest

LONG = 60  # letters of a value in a message


class Kind(NamedTuple):
    """What a field holds: the attributes by which it is known, and an example that would be right."""

    attributes: tuple[str, ...]
    example: str


METRIC = Kind(("statistics", "score"), "a metric, such as Accuracy(CLASSES)")
MODEL = Kind(("fit", "target_class"), "a model, such as Timm('resnet18', epochs=20)")
FUNCTION = Kind(("__call__",), "a function")
ONE = {
    "task": Kind(("check_targets", "views"), "a task, such as Classification(CLASSES)"),
    "metric": METRIC,
    "split": Kind(("held_out", "assign_folds"), "a split, such as stratified_grouped(by=labels, folds=5)"),
    "ensemble": Kind(("members", "specialist_roles"), 'an ensemble, such as blend("one", "other")'),
    "rules": Kind(("pretrained", "feedback"), "rules, such as Rules(pretrained=False)"),
    "holdout": Kind(("fraction", "public"), "a hold-out, such as Holdout(fraction=0.2)"),
}
SEVERAL = {"sources": Kind(("find", "names"), 'sources, such as (File("train.csv"),)'), "reported": METRIC}
NAMES = ("tta", "default")
NAMED = {"models": MODEL, "search": FUNCTION}


def as_meant(competition: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that hold several things as tuples: one alone is a tuple of one. Raise `UserError` for another kind.

    >>> as_meant("mine", {"tta": "hflip"})
    {'tta': ('hflip',)}
    """
    meant = {}
    for name, value in fields.items():
        where = f"{competition}: {name}"
        if name in ONE:
            require(where, value, ONE[name])
            require_names(f"{where}, classes", getattr(value, "classes", ()))
        elif name in SEVERAL:
            meant[name] = (value,) if is_a(value, SEVERAL[name]) else _sequence(where, value, SEVERAL[name].example)
            for number, each in enumerate(meant[name], 1):
                require(f"{where}, number {number}", each, SEVERAL[name])
                require_names(f"{where}, number {number}", getattr(each, "names", ()))
        elif name in NAMES:
            meant[name] = (value,) if isinstance(value, str) else _sequence(where, value, 'names, such as ("one",)')
            require_names(where, meant[name])
        elif name in NAMED:
            if not isinstance(value, Mapping):
                raise UserError(f'{where} is {_short(value)}; it should be {{"a name": {NAMED[name].example}}}')
            for key, each in value.items():
                require(f"{where}, {key!r}", each, NAMED[name])
        elif name == "load":
            if value is not None:  # a board alone is judged, and never read
                require(where, value, Kind(FUNCTION.attributes, "a function of the raw folder"))
        elif not isinstance(value, str):
            raise UserError(f"{where} is {_short(value)}; it should be a text")
    return meant


def is_a(value: Any, kind: Kind) -> bool:
    return not isinstance(value, type) and all(hasattr(value, each) for each in kind.attributes)


def require(where: str, value: Any, kind: Kind) -> None:
    """Raise `UserError` where a value is of another kind: a class instead of its value, a tuple of one, anything."""
    if is_a(value, kind):
        return
    if isinstance(value, type):
        name = value.__name__
        raise UserError(f"{where} is the class {name}, not a value of it; write {name}(...) with its arguments")
    if isinstance(value, tuple) and len(value) == 1:
        raise UserError(f"{where} is a tuple of one, as a comma at the end of a line makes it; remove the comma")
    raise UserError(f"{where} is {_short(value)}; it should be {kind.example}")


def require_names(where: str, names: Any) -> None:
    """Raise `UserError` for what should be a tuple of texts and is one text, or a tuple in a tuple."""
    if isinstance(names, str):
        raise UserError(f"{where}: {names!r} is one text and no tuple; write ({names!r},) with the comma")
    if wrong := [name for name in names if not isinstance(name, str)]:
        inner = "; a comma at the end of a line makes a tuple in a tuple" if isinstance(wrong[0], tuple) else ""
        raise UserError(f"{where} has {_short(wrong[0])} where a text should be{inner}")


def _sequence(where: str, value: Any, example: str) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        if isinstance(value, type):
            raise UserError(f"{where} is the class {value.__name__}, not a value of it; it should be {example}")
        raise UserError(f"{where} is {_short(value)}; it should be {example}")
    return tuple(value)


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= LONG else f"{text[:LONG]}..."


# -- exceptions in a person's own file ---------------------------------------------------------------------------------


def explained(error: Exception, folder: Path) -> str:
    """Where in `folder` an exception comes from, what it says, and the nearest name where one is unknown.

    As "competitions/mine/data.py, line 7: KeyError: 'label'"; without a place where no line of `folder` was run.
    """
    if isinstance(error, SyntaxError) and error.filename:
        code = f" (in: {error.text.strip()})" if error.text else ""
        return f"{below(Path(error.filename))}, line {error.lineno}: {type(error).__name__}: {error.msg}{code}"
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [(frame, line) for frame, line in frames if Path(frame.f_code.co_filename).parent == folder]
    frame, line = (own or frames)[-1]
    what = f"{type(error).__name__}: {' '.join(str(error).split())}{_nearest(error, frame)}"
    return f"{below(Path(frame.f_code.co_filename))}, line {line}: {what}"


def below(file: Path) -> str:
    """The end of a path that a person knows, as competitions/mine/data.py."""
    return "/".join(file.parts[-3:])


def place_of(function: Callable[..., Any]) -> tuple[Path, int] | None:
    """File and first line of a function; None where it has none, as one that was made of another."""
    code = getattr(function, "__code__", None)
    return (Path(code.co_filename), code.co_firstlineno) if code else None


def _nearest(error: Exception, frame: FrameType) -> str:
    """What may have been meant by an unknown argument, import or name."""
    said = str(error)
    if found := re.search(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'", said):
        code = getattr(getattr(frame.f_globals.get(found[1]), "__init__", None), "__code__", None)
        return nearest(found[2], code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]) if code else ""
    if found := re.match(r"cannot import name '(\w+)' from '([\w.]+)'", said):
        return nearest(found[1], dir(sys.modules.get(found[2])))
    if isinstance(error, NameError) and error.name:
        return nearest(error.name, frame.f_globals)
    return ""
