"""Stored learners are named by public names that are found again, wherever the code lies."""

import dataclasses
import importlib

import pytest

from harness.errors import UserError
from harness.models.config import modules_by_name, named, public_name, revived

MODULES = {module for module in modules_by_name().values() if not module.endswith(".networks")}  # no dataclass there


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_dataclass_is_found_by_its_public_name(module: str) -> None:
    for value in vars(importlib.import_module(module)).values():
        if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == module:
            assert named(public_name(value)) is value


@pytest.mark.parametrize("kind", ["os:system", "NoSuchLearner", "Muon.build", "competitions.nowhere.models:trees"])
def test_a_name_that_is_gone_or_never_was_a_dataclass_is_refused(kind: str) -> None:
    with pytest.raises(UserError, match=kind):
        revived({"type": kind})
