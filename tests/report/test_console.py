"""The tables in the terminal say what each number is, and stay short."""

import pytest

from harness.console import results_table, verdict_of

INTERVAL = {"score": 0.7012, "low": 0.65, "high": 0.75}
GAIN = {"difference": 0.0312, "low": 0.01, "high": 0.05, "p": 0.01}
NAMES = [f"class {k}" for k in range(99)]


def step(name: str, accepted: bool, reason: str = "", folds: int = 3) -> dict:
    return {
        "step": name,
        "accepted": accepted,
        "reason": reason,
        "way": "",
        "gain": GAIN if reason or name == "blend" else None,
        "accepted_in_folds": folds,
        "by_class": {"ant": 0.5, "bee": None},
        **INTERVAL,
    }


def test_a_refusal_names_the_worst_three_classes_and_counts_the_others() -> None:
    assert verdict_of(step("offsets", False, f"hurts {', '.join(NAMES)}", folds=0)) == (
        "refused (hurts class 0, class 1, class 2 and 96 more)"
    )
    assert verdict_of(step("offsets", False, "within noise", folds=0)) == "refused (within noise)"
    assert verdict_of(step("offsets", False, "within noise", folds=2)).startswith(
        "refused (within noise); accepted in 2"
    )
    assert verdict_of(step("blend", True)) == "accepted"


def test_the_results_table_says_what_its_score_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    results_table(
        {
            "steps": [step("best single (coarse)", True), step("blend", True), step("offsets", False, "within noise")],
            "reported": {"accuracy": INTERVAL},
            "cv": {**INTERVAL, "in_sample": 0.72},
            "message": "rank 1 of 1",
            "submission": "submissions/tiny/a.csv",
            "official": {},
            "seconds": 75,
        }
    )
    shown = capsys.readouterr().out
    assert "CV so far" in shown and "not of one model" in shown
    assert "+0.0312 (+0.0100 to +0.0500)" in shown
    assert "CV 0.7012 (0.6500 to 0.7500)" in shown
    assert "rank 1 of 1" in shown and "submissions/tiny/a.csv" in shown
