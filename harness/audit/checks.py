"""The result of an audit: checks with a verdict, the numbers it rests on, and what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Verdict = Literal["pass", "warn", "fail"]

NAMED = 5  # ids in the evidence


@dataclass(frozen=True)
class Check:
    """One question to the data. details: a table in plain JSON, where a sentence is too short for the numbers."""

    name: str
    verdict: Verdict
    evidence: str
    remedy: str = ""
    details: Sequence[Mapping[str, Any]] = ()

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "details": list(self.details)}


@dataclass(frozen=True)
class Audit:
    """exclusions: id -> reason, rows that leave training; groups: (n,) int, declared groups merged with duplicates."""

    checks: Sequence[Check]
    exclusions: dict[str, str]
    groups: np.ndarray

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all checks."""
        return max((check.verdict for check in self.checks), key=("pass", "warn", "fail").index)

    def to_json(self) -> dict[str, Any]:
        checks = [check.to_json() for check in self.checks]
        return {"verdict": self.verdict, "checks": checks, "exclusions": self.exclusions}


def first(names: Sequence[str]) -> str:
    """The first few names, in words."""
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
