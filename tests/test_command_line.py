"""The command line: what it imports, how it ends, and one clear sentence for everything that a person can get wrong."""

import importlib
import json
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import competitions
from harness import command_line
from harness.errors import UserError
from tests.support.commands import MAKEFILE, arguments, groups, verbs
from tests.support.tiny_competition import REPOSITORY, Home

HEAVY = ("numpy", "pandas", "torch")


def child(code: str, *arguments: object, **options: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False, **options)


# -- what is imported --------------------------------------------------------------------------------------------------

RUN_AND_LIST = """
import runpy, sys
package, *arguments = sys.argv[1:]
sys.argv = [package, *arguments]
try:
    runpy.run_module(package, run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", *sorted({name.split(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def loaded(*command: object) -> set[str]:
    """The packages in memory after `python -m COMMAND` has ended."""
    done = child(RUN_AND_LIST, *command)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split("LOADED")[1].split())


@pytest.mark.parametrize("command", ["harness --help", "harness submit --help", "leaderboard score --help"])
def test_help_imports_nothing_heavy(command: str) -> None:
    found = loaded(*command.split())
    assert "typer" in found  # the list is what it seems
    assert not found & set(HEAVY)


def test_every_option_is_explained() -> None:
    commands = [command for group in groups().values() for command in group.commands.values()]
    options = [each for command in commands for each in command.params if each.param_type_name == "option"]
    assert len(options) > 50
    assert [option.opts for option in options if not option.help] == []


def test_reading_a_declaration_imports_no_torch() -> None:
    done = child("import sys; from harness.competition import find; find('mars'); print('torch' in sys.modules)")
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Data prepared, nothing trained."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.json("harness", "data", "pebbles")
    return home


@pytest.fixture
def fresh(tmp_path: Path) -> Home:
    """Nothing prepared."""
    return Home(tmp_path)


def test_the_board_imports_no_torch(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_HOME", str(home.root))
    monkeypatch.setenv("PYTHONPATH", str(home.root / "site"))
    found = loaded("leaderboard", "board", "pebbles")
    assert "sqlalchemy" in found
    assert "torch" not in found


# -- what a person can get wrong: (home) -> the command, and what its sentence must say --------------------------------


Complain = Callable[..., str]


@pytest.fixture
def complaint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Iterator[Complain]:
    """Run a command that must be refused, in this process; returns its sentence.

    With --json it is the error, alone on standard output; and nothing but the sentence ends standard error.
    """
    handler = signal.getsignal(signal.SIGTERM)

    def run(home: Home, *command: object) -> str:
        package, *arguments = map(str, (*command, "--json"))
        monkeypatch.setenv("HARNESS_HOME", str(home.root))
        monkeypatch.setenv("PYTHONPATH", str(home.root / "site"))
        monkeypatch.setattr(competitions, "__path__", [str(home.root / "competitions")])
        monkeypatch.delitem(sys.modules, "competitions.pebbles.competition", raising=False)
        monkeypatch.setattr(sys, "argv", [package, *arguments])
        capsys.readouterr()
        code = command_line.run(importlib.import_module(f"{package}.__main__").app)
        out, err = capsys.readouterr()
        assert code == 2, err
        assert json.loads(out).keys() == {"error"}
        sentence = json.loads(out)["error"]
        assert err.endswith(f"{sentence}\n")
        assert sentence.strip()
        assert "\n" not in sentence.strip()
        return sentence

    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("harness submit peebles", ["'peebles'", "did you mean pebbles?"]),
        ("leaderboard board pebles", ["'pebles'", "did you mean pebbles?"]),
        ("harness submit pebbles --budget abc", ["BUDGET=abc", "10m"]),
        ("harness submit pebbles --models nett", ["'nett'", "did you mean net?", "net, spy, thief, scout"]),
        ("harness submit pebbles --folds 1", ["--folds", "2"]),
        ("harness submit pebbles --data tests", ["DATA=tests", "lacks pebbles.npz"]),
        ("harness submit pebbles --speed 3", ["--speed"]),
        ("harness submit", ["COMPETITION"]),
        ("harness predict pebbles nowhere", ["pebbles"]),
        ("harness blend pebbles", ["no complete run"]),
        ("harness blend pebbles --files nowhere", ["nowhere"]),
        ("harness submit pebbles --final", ["make submit"]),
        ("leaderboard score pebbles Makefile --team red", ["Makefile"]),
        ("leaderboard board pebbles --data ffff", ["ffff"]),
    ],
    ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else "",
)
def test_a_wrong_argument_gets_one_sentence(command: str, words: list[str], home: Home, complaint: Complain) -> None:
    before = sorted(home.root.rglob("*"))
    sentence = complaint(home, *command.split())
    assert [word for word in words if word.lower() not in sentence.lower()] == [], sentence
    left = [path for path in home.root.rglob("*") if path not in before and path.is_file()]
    harmless = (".lock", "leaderboard.db", "folds-2.json", "submission.")  # best/ holds a baseline from the start
    assert [path for path in left if not path.name.startswith(harmless)] == []


@pytest.mark.parametrize("wrong", [["--models", "scout"], ["--accept", "typo"]], ids=" ".join)
def test_what_cannot_lead_to_a_rank_is_refused_before_training(
    wrong: list[str], fresh: Home, complaint: Complain
) -> None:
    """A specialist alone makes no ensemble; a check that does not exist cannot be accepted."""
    assert wrong[1] in complaint(fresh, "harness", "submit", "pebbles", *wrong)
    assert not list(fresh.root.glob("runs/pebbles/*/*/fold_*"))


def test_without_json_the_sentence_stands_on_standard_error_alone(home: Home) -> None:
    code, out, err = home.run("harness", "submit", "peebles")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("error: there is no competition 'peebles'")


# -- make --------------------------------------------------------------------------------------------------------------


def test_every_command_is_a_verb_of_make() -> None:
    declared = {command for group in groups().values() for command in group.commands}
    assert declared - {"host"} <= {command.name for command in verbs().values()}


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_help_names_exactly_the_variables_of_the_verb(verb: str) -> None:
    (line,) = re.findall(rf"^{verb}: .*## (.*) \|", MAKEFILE, re.MULTILINE)
    told = set(re.findall(r"([A-Z_]+)=", line)) - {"SERVER"}  # read by the Makefile itself
    names = {name for parameter in verbs()[verb].params for name in command_line.variables_of(parameter)}
    assert told == names - {"JSON", "HELP", "SERVER"}


def test_variables_become_options_of_the_same_name() -> None:
    words = arguments("submit", COMP="mars", BUDGET="10m", TEAM="it's red", FAST="1", FINAL="0", SEARCHED="0", DATA="")
    assert words[-2:] == ["--", "mars"]
    assert words[:-2] == ["--budget", "10m", "--team", "it's red", "--fast", "--no-searched"]
    assert arguments("blend", COMP="mars", FILES="runs/a 'runs/b c'")[:4] == [
        "--files",
        "runs/a",
        "--files",
        "runs/b c",
    ]
    assert arguments("submit", COMP="mars", ACCEPT="order leak")[:2] == ["--accept", "order leak"]
    assert arguments("finals", COMP="mars", A="12", B="34") == ["--", "mars", "12", "34"]


@pytest.mark.parametrize(
    ("verb", "values", "words"),
    [
        ("submit", {"COMP": "mars", "BUGDET": "3m"}, ["BUGDET=", "did you mean BUDGET"]),
        ("compare", {}, ["A= and B="]),
        ("compare", {"A": "one"}, ["needs B="]),
        ("backup", {}, ["TO="]),
        ("predict", {"COMP": "mars"}, ["INPUT="]),
    ],
)
def test_a_variable_that_is_unknown_or_missing_is_named(verb: str, values: dict[str, str], words: list[str]) -> None:
    with pytest.raises(UserError) as refused:
        arguments(verb, **values)
    assert [word for word in words if word not in str(refused.value)] == []


def test_make_refuses_in_its_own_words() -> None:
    def make(*words: str) -> subprocess.CompletedProcess:
        command = ["make", "--no-print-directory", "-o", ".venv/ready", f"PY={sys.executable}", *words]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert "BUGDET=" in make("submit", "COMP=mars", "BUGDET=3m").stderr
    assert "HOURS=" in (refused := make("search", "COMP=mars", "HOURS=soon")).stderr
    assert refused.returncode == 2
    assert "--hours" not in refused.stderr
    assert {line.split()[0] for line in make().stdout.splitlines()[::2]} >= set(verbs())


# -- broken data and files ---------------------------------------------------------------------------------------------


def mars_file(folder: Path, **changed: np.ndarray) -> Path:
    """A folder in the layout of the real Mars tiles, eight of them."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    columns = {
        "images": rng.integers(0, 255, (8, 64, 128), dtype=np.uint8),
        "masks": rng.integers(1, 5, (8, 64, 128), dtype=np.uint8),
    }
    np.savez(folder / "train.npz", **(columns | changed))
    np.savez(folder / "test_images.npz", images=columns["images"][:2])
    return folder


def cut_short(folder: Path) -> None:
    content = (folder / "train.npz").read_bytes()
    (folder / "train.npz").write_bytes(content[: len(content) // 2])


def class_seven(folder: Path) -> None:
    masks = np.full((8, 64, 128), 1, np.uint8)
    masks[3, 5, 6] = 7
    shutil.rmtree(folder)
    mars_file(folder, masks=masks)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(cut_short, ["train.npz"]), (class_seven, ["mask 3", "7", "0 to 4"])],
    ids=["cut short", "class seven"],
)
def test_broken_data_are_refused_before_anything_is_written(
    spoil: Callable[[Path], None], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(mars_file(tmp_path / "files"))
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "home"))
    command = ["harness", "submit", "mars", "--data", tmp_path / "files", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    sentence = json.loads(done.stdout)["error"]
    assert [word for word in words if word not in sentence] == [], sentence
    assert "Traceback" not in done.stderr
    written = [file for file in (tmp_path / "home").rglob("*") if file.is_file()]
    assert {file.parent.name for file in written} <= {"audits"}  # what the audit found is kept


def test_a_home_that_cannot_be_written_is_named(fresh: Home, complaint: Complain) -> None:
    """Root may write everywhere, but not through a file that stands where a folder should."""
    (fresh.root / "data").write_text("in the way")
    sentence = complaint(fresh, "harness", "submit", "pebbles")
    assert str(fresh.root / "data") in sentence


@pytest.mark.parametrize(("allowed", "what"), [(10_000, "sample"), (5_000, "*/public")])
def test_a_full_disk_is_said_and_leaves_nothing_half_written(allowed: int, what: str, fresh: Home) -> None:
    """No file may grow beyond so many bytes: the kernel's own refusal, as of a disk that is full."""
    fresh.json("harness", "data", "pebbles")
    for folder in fresh.root.glob(f"data/pebbles/{what}"):
        shutil.rmtree(folder.parent if folder.name == "public" else folder)
    done = child(
        "import runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "sys.argv = ['harness', 'data', 'pebbles', '--json']; runpy.run_module('harness', run_name='__main__')",
        env={"HARNESS_HOME": str(fresh.root), "PYTHONPATH": str(fresh.root / "site"), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, allowed)),
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["error"]
    assert not list(fresh.root.glob(f"data/pebbles/{what}"))
    assert fresh.json("harness", "data", "pebbles")["train"] > 0  # with room on the disk the same command works


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("folds-2.json", b'{"ids": ["0"], "folds": [1]}'),
        ("folds-2.json", b"[]"),
        ("exclusions.json", b"oops"),
        ("train/targets.npy", None),
        ("holdout/ids.npy", b"nothing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_file_of_the_prepared_data_is_named(
    name: str, content: bytes | None, home: Home, tmp_path: Path, complaint: Complain
) -> None:
    broken = copy_of(home, tmp_path)
    (public,) = broken.root.glob("data/pebbles/*/public")
    if content is None:
        (public / name).unlink()
    else:
        (public / name).write_bytes(content)
    sentence = complaint(broken, "harness", "train", "pebbles", "spy")
    assert Path(name).name.split(".")[0] in sentence


def copy_of(home: Home, folder: Path) -> Home:
    copy = Home(folder / "copy")
    shutil.copytree(home.root / "data", copy.root / "data")
    return copy


def test_a_run_from_other_folds_is_refused(home: Home, tmp_path: Path, complaint: Complain) -> None:
    mixed = copy_of(home, tmp_path)
    two = mixed.json("harness", "train", "pebbles", "spy")
    three = mixed.json("harness", "train", "pebbles", "spy", "--folds", "3")
    files = [mixed.root / made["path"] for made in (two, three)]
    sentence = complaint(mixed, "harness", "blend", "pebbles", "--files", files[0], "--files", files[1])
    assert "other rows or folds" in sentence
