"""Stored learners are named by public names that are found again, wherever the code lies."""

import ast
import dataclasses
import importlib
from collections import Counter
from pathlib import Path

import pytest

import harness.models
from harness.models.config import named, public_name

FOLDER = Path(harness.models.__file__).parent
MODULES = [
    ".".join(("harness", "models", *file.relative_to(FOLDER).with_suffix("").parts)).removesuffix(".__init__")
    for file in sorted(FOLDER.rglob("*.py"))
    if file.name != "networks.py"  # imports torch, and holds no dataclass
]


@pytest.mark.parametrize("module", MODULES)
def test_every_dataclass_is_found_by_its_public_name(module: str) -> None:
    for value in vars(importlib.import_module(module)).values():
        if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == module:
            assert named(public_name(value)) is value


def test_no_public_class_stands_twice() -> None:
    classes = Counter(
        statement.name
        for file in FOLDER.rglob("*.py")
        for statement in ast.parse(file.read_text()).body
        if isinstance(statement, ast.ClassDef)
    )
    assert [name for name, count in classes.items() if count > 1 and name != "Training"] == []
