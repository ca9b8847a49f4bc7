"""The table of a submit in the terminal says what each number is, and stays short."""

import pytest

from harness.console import results_table

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
