"""The table of a submit in the terminal says what each number is, and stays short."""

import numpy as np
import pytest

from harness.audit import audit
from harness.console import audit_table, comparison_table, results_table
from harness.data.samples import Dataset, Samples, numbered
from harness.tasks.classification import Classification

INTERVAL = {"score": 0.7012, "low": 0.65, "high": 0.75}
GAIN = {"difference": 0.0312, "low": 0.01, "high": 0.05, "p": 0.01}
HURTS = f"hurts {', '.join(f'class {k}' for k in range(99))}"


def step(name: str, accepted: bool, reason: str = "", folds: int = 0, way: str = "") -> dict:
    by_class, gain = {"ant": 0.5, "bee": None}, None if name.startswith("best") else GAIN
    facts = {"step": name, "accepted": accepted, "reason": reason, "way": way, "accepted_in_folds": folds}
    return {**facts, "gain": gain, "by_class": by_class, **INTERVAL}


def test_the_results_table_says_what_its_score_is_and_why_a_step_was_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    steps = [
        step("best single (coarse)", True),
        step("blend", True, way="greedy"),
        step("offsets", False, "within noise", folds=2),
        step("class specialist", False, HURTS),
    ]
    files = {"submission": "submissions/tiny/a.csv", "official": {"test": "official.csv"}}
    scores = {"reported": {"accuracy": INTERVAL}, "cv": {**INTERVAL, "in_sample": 0.72}}
    results_table({"steps": steps, **scores, **files, "message": "rank 1 of 1", "seconds": 75})
    shown = capsys.readouterr().out
    for part in (
        "CV so far", "not of one model",
        "+0.0312 (+0.0100 to +0.0500)", "accepted (greedy)",
        "refused (within noise); accepted in 2 fits",
        "refused (hurts class 0, class 1, class 2 and 96 more)",
        "CV 0.7012 (0.6500 to 0.7500)", "optimism +0.0188",
        "rank 1 of 1", "submissions/tiny/a.csv", "official.csv",
    ):  # fmt: skip
        assert part in shown


@pytest.mark.parametrize(("higher", "shown"), [(True, "class 0 0.000, class 1 0.010"), (False, "class 98 0.980")])
def test_of_many_classes_the_terminal_shows_the_worst(
    higher: bool, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    last = {**step("blend", True), "by_class": {f"class {k}": k / 100 for k in range(99)}}
    scores = {"reported": {}, "cv": {**INTERVAL, "in_sample": 0.72}, "higher_is_better": higher}
    results_table({"steps": [last], **scores, "submission": "a.csv", "official": {}, "message": "", "seconds": 1})
    out = " ".join(capsys.readouterr().out.split())
    assert f"the worst of 99 classes: {shown}" in out
    assert "and 91 more" in out
    change = {"low": -0.1, "high": 0.1, "difference": 0.0}
    by_class = {f"class {k}": {**change, "score": -k / 100} for k in range(99)}
    runs = {side: {**INTERVAL, "path": side} for side in "ab"}
    facts = {"verdict": "cannot tell", "p": 1.0, "metric": "F1", "rows": 9, "most_different": [], "report": "page.html"}
    comparison_table({**change, **facts, **runs, "by_class": by_class})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 20
    assert any("class 98" in line for line in lines) and any("and 91 more" in line for line in lines)


def test_an_audit_of_a_wide_table_stays_short(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    table = np.zeros(4, [(f"feature_number_{k}", float) for k in range(192)])
    narrow = np.zeros(2, [(f"feature_number_{k}", float) for k in range(190)])
    labelled = Samples(numbered(4), table, np.array([0, 1, 0, 1]))
    task = Classification(("a", "b"))
    audit_table(audit(Dataset(labelled, {"test": Samples(numbered(2), table[:2])}), task).to_json())
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 40
    assert "192" in out and "184" in out
    (shapes, *_) = audit(Dataset(labelled, {"test": Samples(numbered(2), narrow)}), task).checks
    assert shapes.verdict == "fail"
    assert "feature_number_190, feature_number_191" in shapes.evidence  # those that are missing, not the first ones
