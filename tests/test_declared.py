"""A declaration edited by hand: an obvious slip is taken as it is meant, any other is a sentence with its line."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import competitions
from harness.competition import find
from harness.data.samples import Dataset, Samples, numbered
from harness.data.sources import File
from harness.errors import UserError
from harness.metrics import Accuracy, MacroF1
from harness.models.sklearn import Sklearn
from harness.models.tabular import linear_labels
from harness.tasks.classification import Classification
from tests.support.tiny_competition import Home
from tests.support.tiny_data import CLASSES, tiny_declaration

METRIC, MODEL = Accuracy(("a", "b")), Sklearn(linear_labels)


def refusal(**changed: Any) -> str:
    with pytest.raises(UserError) as refused:
        tiny_declaration(**changed)
    return str(refused.value)


# -- fields ------------------------------------------------------------------------------------------------------------


def test_one_thing_alone_is_a_tuple_of_one() -> None:
    file, metric, models = File("train"), MacroF1(CLASSES), {"one": MODEL, "two": MODEL}
    declared = tiny_declaration(sources=file, tta="hflip", reported=metric, default="two", models=models)
    assert declared.sources == (file,)
    assert declared.reported == (metric,)
    assert (declared.tta, declared.default) == (("hflip",), ("two",))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"task": Classification}, ["task", "class Classification", "Classification(...)"]),
        ({"metric": Accuracy}, ["metric", "class Accuracy", "Accuracy(...)"]),
        ({"metric": (METRIC,)}, ["metric", "comma"]),
        ({"split": "stratified"}, ["split", "'stratified'", "stratified_grouped"]),
        ({"models": MODEL}, ["models", '{"a name": ']),
        ({"models": [MODEL]}, ["models", '{"a name": ']),
        ({"models": {"one": (MODEL,)}}, ["models, 'one'", "comma"]),
        ({"models": {"one": Sklearn}}, ["models, 'one'", "class Sklearn"]),
        ({"search": {"one": 3}}, ["search, 'one'", "3", "function"]),
        ({"sources": "train.zip"}, ["sources", "'train.zip'", "File("]),
        ({"sources": ["train.zip"]}, ["sources, number 1", "'train.zip'", "File("]),
        ({"sources": File(("a.csv", "b.csv"))}, ["sources, number 1", "tuple in a tuple"]),
        ({"reported": (METRIC, "accuracy")}, ["reported, number 2", "'accuracy'"]),
        ({"reported": Accuracy}, ["reported", "class Accuracy"]),
        ({"tta": 3}, ["tta", "3"]),
        ({"tta": (("hflip",),)}, ["tta", "hflip", "tuple in a tuple"]),
        ({"default": None}, ["default", "None"]),
        ({"load": Dataset(Samples(numbered(1), None))}, ["load", "function of the raw folder"]),
        ({"name": ("mine",)}, ["name", "('mine',)", "text"]),
        ({"task": Classification(("a", "b")), "metric": Accuracy((("a", "b"),))}, ["metric, classes", "tuple in a"]),
    ],
    ids=" ".join,
)
def test_a_field_of_another_kind_is_named_with_what_would_be_right(changed: dict, words: list[str]) -> None:
    sentence = refusal(**changed)
    assert [word for word in words if word not in sentence] == [], sentence
    assert "\n" not in sentence


# -- the file ----------------------------------------------------------------------------------------------------------

Declare = Callable[[str], str]
WHOLE = """
from pathlib import Path
from harness.competition import Competition, Rules
from harness.data.sources import File
from harness.data.splits import labels, stratified_grouped
from harness.metrics import Accuracy
from harness.tasks.classification import Classification

C = ("a", "b")


def load(raw):
    return None


competition = Competition(
    name="mine", task=Classification(C), metric=Accuracy(C), sources=File("t.csv"), load=load,
    split=stratified_grouped(by=labels), models={},
)
"""


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Write competitions/mine/competition.py, read it, and return the sentence by which that is refused."""

    def write(text: str) -> str:
        folder = tmp_path / "competitions" / "mine"
        folder.mkdir(parents=True)
        (folder / "competition.py").write_text(text)
        monkeypatch.setattr(competitions, "__path__", [str(folder.parent)])
        with pytest.raises(UserError) as refused:
            find("mine").read(tmp_path)
        return str(refused.value)

    yield write
    for name in [name for name in sys.modules if name.startswith("competitions.mine")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("load=load", "laod=load", ["line 16", "'laod'", "did you mean load?"]),
        (
            "models={},",
            "models={}, rules=Rules(pretraind=False),",
            ["line 18", "'pretraind'", "did you mean pretrained?"],
        ),
        ('C = ("a", "b")', 'C = ("a", "b"', ["line 9", "SyntaxError", 'C = ("a", "b"']),
        ("import Accuracy", "import Acuracy", ["line 6", "Acuracy", "did you mean Accuracy?"]),
        ("from pathlib import Path", "import a_package_of_nobody", ["line 2", "a_package_of_nobody"]),
        (
            "stratified_grouped(by=labels)",
            "stratified_groupd(by=labels)",
            ["line 18", "did you mean stratified_grouped?"],
        ),
        ("competition = ", "competitoin = ", ["competition = Competition(...)"]),
        ("models={},\n)", "models={},\n),", ["competition = Competition(...)", "comma"]),
        ("return None", "return raw", ["line 12", "PosixPath", "Dataset(labelled"]),
        ("return None", "raw / 'a'", ["line 12", "nothing", "Dataset(labelled"]),
        ("return None", "return {}['label']", ["line 13", "KeyError", "'label'"]),
        ("return None", "return 1 / 0", ["line 13", "division by zero"]),
        ("return None", "return (raw / 'no.csv').read_text()", ["line 13", "no.csv"]),
    ],
)
def test_a_file_with_a_mistake_is_named_with_its_line(old: str, new: str, words: list[str], declare: Declare) -> None:
    assert old in WHOLE
    sentence = declare(WHOLE.replace(old, new))
    assert [word for word in ("mine/competition.py", *words) if word not in sentence] == [], sentence
    assert "\n" not in sentence


def test_a_data_set_holds_samples(tmp_path: Path) -> None:
    labelled = Samples(numbered(2), np.zeros((2, 3)), np.zeros(2, int))
    whole = Dataset(labelled, {"test": labelled})
    assert tiny_declaration(load=lambda raw: whole).read(tmp_path) is whole
    with pytest.raises(UserError, match="returns a ndarray"):
        tiny_declaration(load=lambda raw: Dataset(labelled, {"test": np.zeros(3)})).read(tmp_path)
    with pytest.raises(UserError, match="returns a Samples"):
        tiny_declaration(load=lambda raw: labelled).read(tmp_path)


def test_the_command_line_prints_the_sentence_alone(tmp_path: Path) -> None:
    home = Home(tmp_path, "mine", WHOLE.replace("return None", "return {}['label']"))
    (tmp_path / "data" / "mine" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "mine" / "raw" / "t.csv").touch()
    code, out, err = home.run("harness", "data", "mine")
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert "competitions/mine/competition.py, line 13" in err.splitlines()[-1]
