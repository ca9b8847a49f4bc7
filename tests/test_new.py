"""`make new`, and the guide: a folder that runs at once, and from a zip of pictures and a table to a first rank."""

import inspect
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images, load_wine
from typer.testing import CliRunner

import competitions
from harness import new_competition
from harness.__main__ import app
from harness.competition import names
from harness.data import formats
from harness.errors import UserError
from harness.files import write_bytes
from harness.new_competition import TEMPLATES, create
from harness.tasks import box_cells, cells, mask_cells
from tests.support import contract
from tests.support.checkout import Checkout

REPOSITORY = Path(__file__).resolve().parents[1]
GUIDE = (REPOSITORY / "docs" / "new-competition.md").read_text()
KINDS = sorted(folder.name for folder in TEMPLATES.iterdir())
EVERY = pytest.mark.parametrize("kind", KINDS)
FEW = 30  # lines that a usual competition stays below


def code_lines(*files: str) -> int:
    """Lines that are neither empty nor a docstring."""
    return sum(
        bool(line.strip()) and not line.lstrip().startswith('"""') for file in files for line in file.splitlines()
    )


# -- make new ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of competitions, instead of the repository's."""
    place = tmp_path / "competitions"
    place.mkdir()
    monkeypatch.setattr(competitions, "__path__", [str(place)])
    yield place
    contract.few_rows.cache_clear()
    for module in [name for name in sys.modules if name.startswith("competitions.") and "fresh" in name]:
        del sys.modules[module]


@EVERY
def test_a_new_folder_of_few_lines_in_the_style_of_the_house_goes_to_a_scored_submission(
    kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create("fresh_one", kind)
    files = {path.name: path.read_text() for path in (folder / "fresh_one").iterdir()}
    assert files.keys() == {"README.md", "__init__.py", "competition.py", "data.py"}
    assert not any("$" in text for text in files.values())
    assert code_lines(files["competition.py"], files["data.py"]) < FEW
    shutil.copy(REPOSITORY / "pyproject.toml", folder.parent)
    (folder.parent / "harness").symlink_to(REPOSITORY / "harness")
    for rule in (["check"], ["format", "--diff"]):
        ruff = [sys.executable, "-m", "ruff", *rule, "competitions"]
        done = subprocess.run(ruff, cwd=folder.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    contract.check_folder("fresh_one", monkeypatch)


@pytest.mark.parametrize(
    ("name", "kind", "sentence"),
    [
        ("My-Photos", "regression", "COMP=My-Photos cannot name a competition.* such as my_photos$"),
        ("../photos", "regression", r"COMP=\.\./photos cannot name .* such as photos$"),
        ("class", "regression", "COMP=class cannot name .* such as class_$"),
        ("", "regression", "cannot name .* such as mine$"),
        ("fresh", "regresion", r"TASK=regresion is not a kind of task; did you mean regression\?; there are classif"),
        ("old", "regression", "there is a competition 'old' already"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_a_better_one(folder: Path, name: str, kind: str, sentence: str) -> None:
    (folder / "old").mkdir()
    with pytest.raises(UserError, match=sentence):
        create(name, kind)
    assert [path.name for path in folder.iterdir()] == ["old"]


def test_nothing_is_half_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.name == "data.py":
            raise OSError("the disk is full")
        write_bytes(path, content)

    monkeypatch.setattr(new_competition, "write_bytes", full)
    with pytest.raises(OSError, match="the disk is full"):
        create("fresh", "regression")
    assert list(folder.iterdir()) == []
    assert names() == []


def test_the_verb_says_where_the_folder_is_and_what_is_next(folder: Path) -> None:
    done = CliRunner().invoke(app, ["new", "fresh", "--task", "regression", "--json"])
    assert (done.exit_code, json.loads(done.stdout)) == (
        0,
        {"competition": "fresh", "path": "competitions/fresh", "next": "make submit COMP=fresh FAST=1"},
    )


# -- the guide ---------------------------------------------------------------------------------------------------------


# (what, text) of every code block of the guide; what: "sh", or "python FILE"
BLOCKS = re.findall(r"^```(\S[^\n]*)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def photos(file: Path) -> None:
    """A zip as in the guide: tiles of scikit-learn's two photographs, the last ten without a label."""
    rng, images, lines = np.random.default_rng(0), load_sample_images().images, ["file,shows"]
    with zipfile.ZipFile(file, "w") as archive:
        for row in range(100):
            label, top, left = (int(rng.integers(end)) for end in (2, 380, 590))
            picture = io.BytesIO()
            Image.fromarray(images[label][top : top + 48, left : left + 48]).save(picture, "PNG")
            archive.writestr(f"pictures/p{row:03d}.png", picture.getvalue())
            lines.append(f"p{row:03d}.png,{('temple', 'flower')[label]}")
        archive.writestr("labels.csv", "\n".join([*lines[:91], ""]))


def grapes(file: Path) -> None:
    """Scikit-learn's wine as a host hands it out: train, test and sample submission in a zip."""
    frame = load_wine(as_frame=True).frame.sample(frac=1, random_state=0).reset_index(drop=True)
    frame.insert(0, "bottle", [f"b{row:03d}" for row in range(len(frame))])
    frame["cultivar"] = frame.pop("target").map(dict(enumerate(("barolo", "grignolino", "barbera"))))
    test = frame[140:]
    parts = {"train": frame[:140], "test": test.drop(columns="cultivar")}
    parts["sample_submission"] = test[["bottle"]].assign(cultivar="barolo")
    with zipfile.ZipFile(file, "w") as archive:
        for name, part in parts.items():
            archive.writestr(f"{name}.csv", part.to_csv(index=False))


def wine(folder: Path) -> None:
    """Scikit-learn's wine, by the names of the cultivars (Forina et al. 1991)."""
    frame = load_wine(as_frame=True).frame
    frame["cultivar"] = frame.pop("target").map(dict(enumerate(("barolo", "grignolino", "barbera"))))
    folder.mkdir(parents=True)
    frame.to_csv(folder / "wine.csv", index=False)


@pytest.mark.soak
@pytest.mark.parametrize("fast", [True, False], ids=["FAST=1", "as it stands"])
def test_the_guide_leads_from_a_zip_to_a_rank_and_the_labels_that_were_asked_for(fast: bool, tmp_path: Path) -> None:
    """From top to bottom."""
    checkout, printed = Checkout(tmp_path), dict[str, str]()
    photos(tmp_path / "photos.zip")
    grapes(tmp_path / "grapes.zip")
    wine(tmp_path / "data" / "wine" / "raw")
    for what, text in BLOCKS:
        if what != "sh":
            (tmp_path / what.split()[1]).write_text(text)
            continue
        for command in text.splitlines():
            printed[command] = checkout.run(re.sub(r"BUDGET=\w+", "FAST=1", command) if fast else command)
    assert "90 labelled samples of uint8 32x32x3; official: unlabelled 10" in printed["make audit COMP=photos"]
    assert "rank 1 of 1" in printed["make submit COMP=photos BUDGET=5m"]
    assert "rank 1 of 1" in printed["make submit COMP=grapes BUDGET=3m"]
    (official,) = tmp_path.glob(
        "submissions/grapes/*/*-official.csv" if fast else "submissions/grapes/*/best/official.csv"
    )
    rows = [line.split(",") for line in official.read_text().splitlines()]
    assert rows[0] == ["bottle", "cultivar"] and [row[0] for row in rows[1:]] == [f"b{k}" for k in range(140, 178)]
    assert "rank 1 of 1" in printed["make submit COMP=wine BUDGET=3m"]
    if not fast:
        (official,) = tmp_path.glob("submissions/photos/*/best/official.csv")
        lines = official.read_text().splitlines()
        assert lines[0] == "id,label"
        assert [line.split(",")[0] for line in lines[1:]] == [f"p{row:03d}.png" for row in range(90, 100)]


@pytest.mark.parametrize("name", ["photos", "wine"])
def test_a_strangers_competition_takes_few_lines(name: str) -> None:
    files = [text for what, text in BLOCKS if what.startswith(f"python competitions/{name}/")]
    assert len(files) == 2 and code_lines(*files) < FEW


def test_every_layout_of_the_guide_is_a_call_that_exists() -> None:
    calls = re.findall(r"^\| .* \| `(\w+)\((.*)\)` \|$", GUIDE, re.MULTILINE)
    assert {name for name, _ in calls} >= {"class_folders", "images_and_csv", "images_and_masks", "npz", "csv_table"}
    for name, arguments in calls:
        options = set(re.findall(r"(\w+)=", arguments))
        places = (formats, cells, mask_cells, box_cells)
        (call,) = (getattr(place, name) for place in places if hasattr(place, name))
        assert options - {"none", "by_columns"} <= set(inspect.signature(call).parameters), name
