"""The probe of a shift: right about no shift, however the parts were drawn, and it finds a shift of one column."""

import numpy as np
import pytest

from harness.audit.checks import Check
from harness.audit.inspection import inspect
from harness.audit.shift import adversarial
from harness.data.samples import Samples, numbered

COLUMNS, SEEDS = 8, 20


def probed(values: np.ndarray, is_test: np.ndarray, groups: np.ndarray | None = None) -> Check:
    """The check of a table with these columns."""
    table = np.rec.fromarrays(values.T, names=[f"c{k}" for k in range(values.shape[1])])
    sides = [inspect(Samples(numbered(int(side.sum())), np.asarray(table)[side])) for side in (~is_test, is_test)]
    group = np.arange(len(values)) if groups is None else groups
    both = np.concatenate([group[~is_test], group[is_test]])
    return adversarial("shift", "the test", sides, both, numbered(int(is_test.sum())))


def drawn(how: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Values, which rows are test, and groups: a quarter of the rows, drawn as a host may draw them."""
    rng = np.random.default_rng(seed)
    centres, kind = rng.normal(size=(99, COLUMNS)), np.repeat(np.arange(99), 8)
    if how == "at random":
        return rng.normal(size=(600, COLUMNS)), rng.random(600) < 0.25, None
    if how == "a share of every class":
        return centres[kind] + 0.2 * rng.normal(size=(792, COLUMNS)), np.arange(792) % 8 < 2, None
    test_groups = rng.permutation(99) < 25
    return centres[kind] + 0.5 * rng.normal(size=(792, COLUMNS)), test_groups[kind], kind


SLOW = pytest.mark.soak
HOW = pytest.mark.parametrize(
    "how", [pytest.param("at random", marks=SLOW), "a share of every class", pytest.param("whole groups", marks=SLOW)]
)


def auc(check: Check) -> tuple[float, float, float]:
    """What the evidence says: "... an AUC of 0.51 (0.46 to 0.56)"."""
    words = check.evidence.split("AUC of ")[1].split(";")[0].replace("(", "").replace(")", "").split()
    return float(words[0]), float(words[1]), float(words[3])


@HOW
def test_without_a_shift_the_interval_holds_a_half(how: str) -> None:
    found = [probed(*drawn(how, seed)) for seed in range(SEEDS)]
    assert sum(low <= 0.5 <= high for _, low, high in map(auc, found)) >= 18
    assert {check.verdict for check in found} == {"pass"}


@HOW
def test_a_shift_of_one_standard_deviation_in_one_column_is_found_and_named(how: str) -> None:
    for seed in range(5):
        values, is_test, groups = drawn(how, seed)
        values[is_test, 3] += values[:, 3].std()
        check = probed(values, is_test, groups)
        assert check.verdict == "warn", check.evidence
        assert "most telling: c3 higher" in check.evidence


def test_a_kind_of_row_that_is_in_the_test_alone_is_found() -> None:
    """No other neighbourhood tells of it: the folds of random groups do."""
    rng = np.random.default_rng(0)
    values, is_test = rng.normal(size=(600, 2)), np.arange(600) % 4 == 0
    new = is_test & (np.arange(600) % 8 == 0)
    values[new] = 0.05 * rng.normal(size=(int(new.sum()), 2)) + (0.7, -0.7)  # amid the others
    assert probed(values, is_test).verdict == "warn"
