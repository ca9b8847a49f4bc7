"""The whole path on the competition of `tiny_competition`: what is promised of a run, its files, its interruption."""

import importlib.util
import json
import os
import shutil
import signal
import sys
import time
from datetime import datetime
from pathlib import Path

import joblib
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import jaccard_score

from harness.data.samples import numbered
from harness.models import MODEL
from tests.support.tiny_competition import Home, arrays
from tests.support.tiny_search import wait_until

SUBMIT = ("harness", "submit", "pebbles", "--team", "red")
RANKED = (*SUBMIT, "--models", "net,spy,scout")


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, dict, dict]:
    """A home where the same command was given twice; what it said each time."""
    home = Home(tmp_path_factory.mktemp("ranked"))
    first = home.json(*RANKED)
    home.first_opened, home.first_predictions = home.opened(), home.predictions()
    return home, first, home.json(*RANKED)


# -- what a run leaves -------------------------------------------------------------------------------------------------


def test_the_same_command_again_is_the_same_file_and_the_same_row(ranked: tuple[Home, dict, dict]) -> None:
    home, first, again = ranked
    assert (first["rank"], first["teams"]) == (1, 1)
    assert home.predictions() == home.first_predictions
    (row,) = home.json("leaderboard", "board", "pebbles")["rows"]
    assert (row["team"], row["rank"], row["entries"], row["private"]) == ("red", 1, 1, None)
    assert (row["score"], row["cv"]) == (first["public"]["score"], first["cv"]["score"])
    same = "competition source data_hash models cv public rank teams submission official"
    assert {name: again[name] for name in same.split()} == {name: first[name] for name in same.split()}


def test_json_has_the_fields_that_were_promised(ranked: tuple[Home, dict, dict]) -> None:
    """Fields may be added, not renamed: other programs read them."""
    home, first, _ = ranked
    promised = "competition source data_hash models cv public rank teams submission official seconds"
    assert first.keys() >= set(promised.split())
    assert first["source"] == "sample"
    assert first["models"].keys() == {"net", "spy", "scout"}
    for score in (*first["models"].values(), first["public"], first["cv"]):
        assert score.keys() >= {"score", "low", "high"}
        assert 0 <= score["low"] <= score["score"] <= score["high"] <= 1
    assert 0 <= first["cv"]["in_sample"] <= 1
    for path in (first["submission"], *first["official"].values()):
        assert not os.path.isabs(path)
        assert (home.root / path).is_file()
    assert first["official"].keys() == {"test"}
    board = home.json("leaderboard", "board", "pebbles")
    assert board.keys() >= {"competition", "data_hash", "metric", "higher_is_better", "rows"}
    promised = "rank tied team score low high private cv entries submitted_at"
    assert board["rows"][0].keys() >= set(promised.split())
    assert datetime.fromisoformat(board["rows"][0]["submitted_at"]).utcoffset() is not None
    scored = home.json("leaderboard", "score", "pebbles", home.root / first["submission"], "--team", "blue")
    assert scored.keys() >= {"accepted", "public", "rank", "message"}
    audit = home.json("harness", "audit", "pebbles")
    assert audit.keys() >= {"verdict", "checks"}
    assert all(check.keys() >= {"name", "verdict", "evidence", "remedy"} for check in audit["checks"])
    for verb in ("data", "status"):
        assert home.json("harness", verb, "pebbles").keys() >= {"competition", "path"}


def test_the_score_of_a_model_is_that_of_its_out_of_fold_rows(ranked: tuple[Home, dict, dict]) -> None:
    """From the files alone, by scikit-learn: join the folds, and take the most probable class but void."""
    home, first, _ = ranked
    (public,) = home.root.glob("data/pebbles/*/public")
    folds = json.loads((public / "folds-2.json").read_text())
    kept = ~np.isin(folds["ids"], list(json.loads((public / "exclusions.json").read_text())))
    truth, fold = np.load(public / "train/targets.npy")[kept], np.array(folds["folds"])[kept]
    predicted = np.empty_like(truth)
    for k, part in enumerate(arrays(home.root, "runs/pebbles/*/net-*/fold_*/oof-plain.probabilities.npy")):
        predicted[fold == k] = 1 + part[:, 1:].argmax(1)
    labelled = truth != 0
    expected = jaccard_score(truth[labelled], predicted[labelled], average="macro")
    assert first["models"]["net"]["score"] == pytest.approx(expected, abs=1e-12)
    manifest = json.loads(next(home.root.glob("runs/pebbles/*/net-*/run.json")).read_text())
    assert np.mean(list(manifest["by_class"].values())) == pytest.approx(expected)


def test_a_row_is_never_predicted_by_a_model_that_saw_it(ranked: tuple[Home, dict, dict]) -> None:
    """The spy calls every row it was trained on a pebble."""
    home, _, _ = ranked
    for pattern, count in (("oof", 2), ("holdout", 2)):
        for view in ("plain", "tta"):
            found = arrays(home.root, f"runs/pebbles/*/spy-*/fold_*/{pattern}-{view}.probabilities.npy")
            assert len(found) == count
            assert all((part[:, 1] == 1).all() and (part[:, 2] == 0).all() for part in found)
    rows = [set(joblib.load(file)) for file in home.root.glob(f"runs/pebbles/*/spy-*/fold_*/{MODEL}")]
    (public,) = home.root.glob("data/pebbles/*/public")
    held_out = set(map(int, np.load(public / "holdout/ids.npy")))
    assert not rows[0] & rows[1] and not held_out & (rows[0] | rows[1])  # two folds: each trains on the other's rows
    groups = [{name // 2 for name in part} for part in (*rows, held_out)]
    assert not groups[0] & groups[1] and not groups[2] & (groups[0] | groups[1])


def test_the_spy_would_notice(ranked: tuple[Home, dict, dict], monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: shown the rows that it was trained on, the spy calls all of them pebbles."""
    home, _, _ = ranked
    specification = importlib.util.spec_from_file_location("seen", home.root / "competitions/pebbles/competition.py")
    seen = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "seen", seen)
    specification.loader.exec_module(seen)
    images = np.zeros((4, 16, 16), np.uint8)
    images[:, :, 0] = images[:, :, -1] = np.array([3, 4, 5, 6])[:, None]
    for view in (images, images[:, :, ::-1]):
        assert seen.Spy().predict([4, 6], view, None)[:, 2].all((1, 2)).tolist() == [False, True, False, True]


def test_the_official_file_has_the_rows_of_the_source_and_best_is_what_was_submitted(
    ranked: tuple[Home, dict, dict],
) -> None:
    home, first, _ = ranked
    lines = (home.root / first["official"]["test"]).read_text().splitlines()
    assert lines[0] == ",".join(["id", *map(str, range(256))])
    assert [line.split(",")[0] for line in lines[1:]] == numbered(4).tolist()
    (best,) = home.root.glob("submissions/pebbles/*/best/submission.csv")
    assert best.read_bytes() == (home.root / first["submission"]).read_bytes()


def test_final_refits_on_all_labels_and_new_pictures_are_predicted_by_the_best_run(
    ranked: tuple[Home, dict, dict], tmp_path: Path
) -> None:
    home, first, _ = ranked
    final = home.json("harness", "submit", "pebbles", "--final")
    assert final.keys() >= first.keys() - {"parts", "steps", "reported", "message"}
    assert (final["cv"], final["rank"], final["submission"]) == (first["cv"], None, None)
    assert final["official"] != first["official"]
    lines = (home.root / final["official"]["test"]).read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == numbered(4).tolist()
    assert list(home.root.glob("runs/pebbles/*/*/final_0"))
    for name in ("a", "b"):
        Image.new("L", (16, 16), 60).save(tmp_path / f"{name}.png")
    predicted = home.json("harness", "predict", "pebbles", tmp_path)
    assert predicted["rows"] == 2
    assert [line.split(",")[0] for line in (home.root / predicted["path"]).read_text().splitlines()] == ["id", "a", "b"]


# -- is one better than the other? -------------------------------------------------------------------------------------


def test_two_runs_are_compared_on_the_rows_both_have(ranked: tuple[Home, dict, dict]) -> None:
    home, first, _ = ranked
    net, spy = (next(home.root.glob(f"runs/pebbles/*/{name}-*/run.json")).parent for name in ("net", "spy"))
    told = home.json("harness", "compare", net, spy)
    assert told.keys() >= {"difference", "low", "high", "p", "verdict"}
    assert told["difference"] == pytest.approx(first["models"]["net"]["score"] - first["models"]["spy"]["score"])
    assert told["low"] <= told["difference"] <= told["high"]
    assert told["a"]["score"] == pytest.approx(first["models"]["net"]["score"])
    apart = [abs(row["difference"]) for row in told["most_different"]]
    assert apart == sorted(apart, reverse=True) and apart[0] > 0


def test_a_submission_is_compared_by_its_cross_fitted_ensemble_and_nothing_else_can_be(
    ranked: tuple[Home, dict, dict], tmp_path: Path
) -> None:
    home, first, _ = ranked
    same = home.json("harness", "compare", home.root / first["submission"], home.root / first["submission"])
    assert (same["difference"], same["verdict"], same["most_different"]) == (0, "cannot tell", [])
    assert same["a"]["score"] == pytest.approx(first["cv"]["score"])
    code, _, err = home.run("harness", "compare", home.root / first["submission"], tmp_path)
    assert code == 2 and "neither a run" in err and "Traceback" not in err


# -- the wall between the player and the judge -------------------------------------------------------------------------


def test_nothing_opens_the_raw_files_or_the_answers_after_they_were_split(ranked: tuple[Home, dict, dict]) -> None:
    """The player's process opens them before its first file of runs/, its workers never; the judge does."""
    opened = ranked[0].first_opened
    assert ("judge", "private") in opened  # the watch sees what it is to see
    assert ("player", "sample") in opened
    assert ("worker", "runs") in opened
    began = opened.index(("player", "runs"))
    assert {part for role, part in opened[began:] if role == "player"} == {"runs"}
    assert {part for role, part in opened if role == "worker"} == {"runs"}


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose data are prepared, and whose answers and raw files are then gone: nobody can read them, nor root."""
    home = Home(tmp_path_factory.mktemp("walled"))
    home.json("harness", "data", "pebbles")
    (private,) = home.root.glob("data/pebbles/*/private")
    shutil.rmtree(private)
    shutil.rmtree(home.root / "data/pebbles/sample")
    return home


def test_training_needs_neither_the_answers_nor_the_raw_files(walled: Home) -> None:
    trained = walled.json("harness", "train", "pebbles", "net")
    assert len(arrays(walled.root, "runs/pebbles/*/net-*/fold_*/holdout-tta.probabilities.npy")) == 2
    assert (walled.root / trained["path"] / "run.json").is_file()


def test_a_model_that_looks_for_the_answers_does_not_find_them(walled: Home) -> None:
    """The test above can fail: the same command with a model that opens the answers does."""
    code, _, err = walled.run("harness", "train", "pebbles", "thief")
    assert code == 1
    assert "StopIteration" in err  # there is no such file


# -- interruption ------------------------------------------------------------------------------------------------------


def interrupted(home: Home, pattern: str, number: int) -> tuple[int, str, str]:
    """Submit, and send the signal once there is such a file: exit code, standard output and standard error."""
    process = home.start(*SUBMIT)
    end = time.monotonic() + 120
    while not list(home.root.glob(pattern)):
        assert process.poll() is None, f"it ended before it could be interrupted: {process.communicate()[1]}"
        assert time.monotonic() < end
        time.sleep(0.005)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    home, reference = Home(tmp_path / "killed"), Home(tmp_path / "reference")
    interrupted(home, "runs/*/*/net-*/fold_0/step-*7.checkpoint", signal.SIGKILL)
    interrupted(home, "runs/*/*/net-*/fold_1/oof-plain*", signal.SIGKILL)
    plans = home.plans()
    assert home.json(*SUBMIT)["rank"] == 1
    for name, plan in home.plans().items():
        assert json.loads(plan).keys() == json.loads(plans[name]).keys()  # one plan, made by the first command
        (reference.root / name).parent.mkdir(parents=True)
        (reference.root / name).write_bytes(plan)
    reference.json(*SUBMIT)  # with the same plan, and never interrupted
    assert home.predictions() == reference.predictions()
    assert not list(home.root.rglob("*.partial"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_an_interrupted_run_says_so_and_keeps_what_it_did(number: int, code: int, tmp_path: Path) -> None:
    home = Home(tmp_path)
    ended, out, err = interrupted(home, "runs/*/*/net-*/fold_0/step-*", number)
    assert (ended, out) == (code, ""), err
    assert "Traceback" not in err and "interrupted" in err
    assert [*home.root.glob("runs/*/*/net-*/fold_*/step-*"), *home.root.glob("runs/*/*/net-*/fold_*/finished.json")]
    assert home.json("harness", "status", "pebbles")["running"] is None  # nothing holds the run any more


@pytest.mark.soak
def test_where_the_time_is_used_and_no_fold_is_done_one_ends_late_and_is_handed_in(tmp_path: Path) -> None:
    home = Home(tmp_path)
    interrupted(home, "runs/*/*/net-*/fold_0/step-*", signal.SIGKILL)
    ((name, plan),) = home.plans().items()
    spent = {key: {**each, "spent": 2 * each["budget"]} for key, each in json.loads(plan).items()}
    (home.root / name).write_text(json.dumps(spent))
    code, out, err = home.run(*SUBMIT, "--json")
    assert code == 0, err
    assert json.loads(out)["rank"] == 1
    assert "net, fold 1: no time left; what was trained is kept" in err
    assert "only 2" in err and "rows have out-of-fold predictions" in err


def test_two_commands_do_not_train_in_one_folder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = home.start(*SUBMIT)
    wait_until(lambda: list(home.root.glob("runs/*/*/.lock")), 60)
    code, _, err = home.run(*SUBMIT)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert code == 2
    assert f"in use by process {first.pid}" in err
