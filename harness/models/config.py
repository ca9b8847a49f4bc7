"""A learner as JSON and back, by stable public names: moving a file inside harness/ orphans no trained run."""

import ast
import dataclasses
import functools
import importlib
import json
import re
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import short_hash

FOLDER = Path(__file__).parent
OF_A_COMPETITION = re.compile(r"competitions(?:\.\w+)+:\w+(?:\.\w+)*")


def canonical(value: Any) -> Any:
    """A learner's fields as plain JSON: {"type": name, fields}, {"function": name}, {"partial": ...}, numbers, text.

    Raise `UserError` for a lambda or anything else without a name that another machine can look up.
    """
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
        return {"function": public_name(value)}
    if isinstance(value, functools.partial):
        return {"partial": canonical(value.func), "args": canonical(value.args), "keywords": canonical(value.keywords)}
    if dataclasses.is_dataclass(value):
        fields = {field.name: canonical(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": public_name(type(value)), **fields}
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UserError(f"{value!r} cannot be part of a model's declaration: use numbers, text, functions and dataclasses")


def revived(value: Any) -> Any:
    """The learner of `canonical`; lists become tuples. Functions outside of this project stay names.

    Raise `UserError` where the code has no such name or field any more.
    """
    if isinstance(value, list):
        return tuple(map(revived, value))
    if not isinstance(value, dict):
        return value
    if value.keys() == {"function"}:
        name = value["function"]
        return named(name) if OF_A_COMPETITION.fullmatch(name) or ":" not in name else name
    if "partial" in value:
        return functools.partial(revived(value["partial"]), *revived(value["args"]), **revived(value["keywords"]))
    fields = {name: revived(item) for name, item in value.items() if name != "type"}
    if "type" not in value:
        return fields
    kind = named(value["type"])
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise UserError(f"{value['type']} is not a dataclass, and a learner consists of nothing else")
    try:
        return kind(**fields)
    except TypeError as error:
        raise UserError(
            f"{value['type']} has changed since this model was trained ({error}); train it again"
        ) from error


def config_hash(learner: Any) -> str:
    return short_hash(json.dumps(canonical(learner), sort_keys=True))


def public_name(thing: Any) -> str:
    """ "AdamW" for a name in harness/, "competitions.<name>.networks:coarse" for one in a competition."""
    name = thing.__qualname__ if thing.__module__.startswith("harness.") else f"{thing.__module__}:{thing.__qualname__}"
    if "<" in name:
        raise UserError(f"{name} cannot be part of a model's declaration: give the function a name in a module")
    return name


def named(name: str) -> Any:
    """The class or function of a public name; nothing outside of harness/models and competitions is imported."""
    module, _, inside = name.rpartition(":")
    module = module or modules_by_name().get(name.partition(".")[0], "")
    ours = OF_A_COMPETITION.fullmatch(name) or module.startswith("harness.models")  # others must be loaded already
    try:
        holder = importlib.import_module(module) if ours else sys.modules[module]
        return functools.reduce(getattr, inside.split("."), holder)
    except (ImportError, AttributeError, KeyError) as error:
        raise UserError(f"the code has no {name} any more, which a trained model needs; train it again") from error


@functools.cache
def modules_by_name() -> dict[str, str]:
    """The module of every class and function of harness/models, found in the sources: nothing is imported."""
    module_of = {}
    for file in sorted(FOLDER.rglob("*.py")):
        parts = file.relative_to(FOLDER).with_suffix("").parts
        module = ".".join(("harness", "models", *parts)).removesuffix(".__init__")
        for statement in ast.parse(file.read_text()).body:
            if isinstance(statement, ast.ClassDef | ast.FunctionDef):
                module_of[statement.name] = module
    return module_of
