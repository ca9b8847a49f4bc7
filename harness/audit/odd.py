"""Inputs that are not what they should be: constant, tiny, torn off, or of a size of their own."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.audit.checks import Check, first
from harness.audit.looks import STATISTICS, Look
from harness.data.images import EncodedImages
from harness.data.samples import Samples

TINY = 16  # pixels on the shorter side
ODD = 4  # times the median in area or in shape
TORN = 0.1  # of the height is the decoder's grey


def check_odd(parts: Mapping[str, Samples], looks: Mapping[str, Look]) -> Check:
    """parts, looks: of the labelled samples and of the official test, by name."""
    found = {"constant columns": constant_columns(next(iter(parts.values())).inputs)}
    for part, samples in parts.items():
        names = np.array([str(name) if part == "labelled" else f"{part} {name}" for name in samples.ids])
        for what, rows in odd_pictures(looks[part]).items():
            found.setdefault(what, []).extend(names[rows].tolist())
    told = [f"{len(names)} {what}: {first(names)}" for what, names in found.items() if names]
    if not told:
        return Check("odd inputs", "pass", "none is constant, tiny, torn off or of an odd size")
    remedy = "look at them; what is broken leaves training when public/exclusions.json names it"
    return Check("odd inputs", "warn", "; ".join(told), remedy)


def odd_pictures(seen: Look) -> dict[str, np.ndarray]:
    """what is wrong -> the rows with it; {} where the inputs are no pictures."""
    if seen.statistics is None or seen.sizes is None:
        return {}
    column = dict(zip(STATISTICS, seen.statistics.T, strict=True))
    cut = column["torn"] >= TORN
    constant = column["contrast"] == 0
    area, shape = seen.sizes.prod(1), seen.sizes[:, 0] / seen.sizes[:, 1]
    odd = [np.abs(np.log(value / np.median(value))) > np.log(ODD) for value in (area, shape)]
    tiny = seen.sizes.min(1) < TINY
    wrong = {
        "constant": constant,
        "torn off": cut & ~constant,
        "tiny": tiny,
        "of an odd size": (odd[0] | odd[1]) & ~tiny,
    }
    return {what: np.flatnonzero(rows) for what, rows in wrong.items()}


def constant_columns(inputs: Any) -> list[str]:
    """Of a table, those with one value alone."""
    if isinstance(inputs, EncodedImages) or not inputs.dtype.names:
        return []
    return [name for name in inputs.dtype.names if len(np.unique(inputs[name])) == 1]
