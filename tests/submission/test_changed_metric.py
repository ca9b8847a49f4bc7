"""A metric that was changed while the board has entries is told before anything is trained."""

from pathlib import Path

from tests.support.tiny_competition import DECLARATION, Home


def test_another_metric_than_the_board_is_scored_by_is_told_before_training(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.json("harness", "data", "pebbles")
    (sample,) = home.root.glob("data/pebbles/*/public/sample_submission.csv")
    home.json("leaderboard", "score", "pebbles", sample, "--team", "red")
    assert home.json("leaderboard", "board", "pebbles")["outdated"] is None

    changed = DECLARATION.replace("import MeanIoU", "import MeanDice").replace(
        "metric=MeanIoU(CLASSES, void=0)", "metric=MeanDice(CLASSES)"
    )
    (home.root / "competitions/pebbles/competition.py").write_text(changed)
    code, out, err = home.run("harness", "submit", "pebbles", "--models", "spy")
    assert (code, out) == (2, "")
    sentence = err.splitlines()[-1]
    assert "make rescore COMP=pebbles" in sentence and "nothing was trained" in sentence
    assert not list(home.root.glob("runs/pebbles/*/*/fold_*"))

    home.json("leaderboard", "rescore", "pebbles")
    assert home.json("harness", "submit", "pebbles", "--models", "spy")["teams"] == 2
