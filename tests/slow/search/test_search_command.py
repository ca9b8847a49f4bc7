"""The command: `harness search`, and `harness submit` after it, on models that learn in milliseconds."""

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_competition import Home
from tests.support.tiny_search import DECLARATION, NAME

pytestmark = pytest.mark.soak

HOURS = 0.012  # 43 s


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(tmp_path_factory.mktemp("searched"), NAME, DECLARATION)
    made.json("harness", "data", NAME)
    return made


@pytest.fixture(scope="module")
def searched(home: Home) -> tuple[dict[str, Any], float]:
    began = time.monotonic()
    result = home.json("harness", "search", NAME, "--hours", HOURS, "--team", "red")
    return result, time.monotonic() - began


def test_a_search_keeps_its_time_and_ends_with_a_rank_and_a_report(home: Home, searched: Any) -> None:
    result, seconds = searched
    assert seconds < HOURS * 3600 + 10
    assert result["rank"] == 1 and set(result["trials"]) == {"finished", "pruned", "failed"}
    assert result["trials"]["finished"] >= 1
    assert result["cv"]["low"] <= result["cv"]["score"] <= result["cv"]["high"]
    best = next(home.root.glob(f"submissions/{NAME}/*/best/submission.csv"))
    assert best.read_bytes() == (home.root / result["submission"]).read_bytes()
    assert (home.root / result["report"]).read_text().startswith("<!doctype html>")


def test_submit_afterwards_trains_nothing_and_has_the_search_s_cv(home: Home, searched: Any) -> None:
    result, _ = searched
    before = set(home.root.glob(f"runs/{NAME}/*/*/run.json"))
    assert before
    again = home.json("harness", "submit", NAME)
    assert again["cv"]["score"] == pytest.approx(result["cv"]["score"])
    assert set(home.root.glob(f"runs/{NAME}/*/*/run.json")) == before
    declared = home.json("harness", "submit", NAME, "--no-searched")
    assert set(declared["models"]) == {"net"}


@pytest.mark.parametrize(("option", "value"), [("--hours", 0.002), ("--storage", "postgresql://127.0.0.1:1/x")])
def test_too_little_time_and_a_missing_storage_are_one_sentence(home: Home, option: str, value: Any) -> None:
    options = {"--hours": 1, option: value}
    arguments = [part for pair in options.items() for part in pair]
    code, out, err = home.run("harness", "search", NAME, *arguments, "--json")
    assert code == 2 and json.loads(out)["error"] and "Traceback" not in err
    (file,) = Path(home.root).glob(f"searches/{NAME}/*/study.db") or [None]
    with sqlite3.connect(file) as database:
        assert "FAIL" not in {state for (state,) in database.execute("SELECT state FROM trials")}
