"""A learner as JSON and back: the names by which a trained model finds its code again."""

import dataclasses
import functools
import importlib
import json
import re
import types
from collections.abc import Mapping
from typing import Any

from harness.errors import UserError
from harness.files import short_hash


def canonical(value: Any) -> Any:
    """A learner's fields as plain JSON: dataclasses by type and fields, functions by `module:qualname`, also partial.

    Raise `UserError` for a lambda or anything else without a name that another machine can look up.
    """
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        name = f"{value.__module__}:{value.__qualname__}"
        if "<" in name:
            raise UserError(f"{name} cannot stand in a model's declaration: give the function a name in a module")
        return name
    if isinstance(value, functools.partial):
        return {"partial": canonical(value.func), "args": canonical(value.args), "keywords": canonical(value.keywords)}
    if dataclasses.is_dataclass(value):
        fields = {field.name: canonical(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": canonical(type(value)), **fields}
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UserError(f"{value!r} cannot stand in a model's declaration: use numbers, text, functions and dataclasses")


NAME = re.compile(r"(?:harness|competitions)(?:\.\w+)*:\w+(?:\.\w+)*")


def revived(value: Any) -> Any:
    """The learner of `canonical`; lists become tuples. Names outside of harness and competitions are not looked up.

    Raise `UserError` where the code no longer has the name or the field.
    """
    if isinstance(value, str) and NAME.fullmatch(value):
        return named(value)
    if isinstance(value, list):
        return tuple(map(revived, value))
    if not isinstance(value, dict):
        return value
    if "partial" in value:
        return functools.partial(revived(value["partial"]), *revived(value["args"]), **revived(value["keywords"]))
    fields = {name: revived(item) for name, item in value.items() if name != "type"}
    if "type" not in value:
        return fields
    try:
        return named(value["type"])(**fields)
    except TypeError as error:
        raise UserError(f"{value['type']} has changed since this model was trained ({error}); train it anew") from error


def named(name: str) -> Any:
    """What `module:qualname` is."""
    module, _, inside = name.partition(":")
    try:
        return functools.reduce(getattr, inside.split("."), importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        raise UserError(f"the code has no {name} any more, which a trained model needs; train it anew") from error


def config_hash(learner: Any) -> str:
    return short_hash(json.dumps(canonical(learner), sort_keys=True))
