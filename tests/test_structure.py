"""The house: imports go down only, heavy libraries come late, and nobody asks which competition or task it is."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.structure import CHECKS, REPOSITORY, imports, parsed, relative, sources, upward

HEAVY = {"torch", "timm", "ultralytics", "optuna", "ray", "segmentation_models_pytorch", "albumentations"}
KINDS = {"classification", "segmentation", "detection", "regression"}


def competition_names() -> set[str]:
    return {file.parent.name for file in (REPOSITORY / "competitions").glob("*/competition.py")}


# -- reading a source --------------------------------------------------------------------------------------------------


def module_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that run at import: not those of functions, nor what is for type checkers."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        statement = waiting.pop()
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            waiting += statement.orelse
            continue
        yield statement
        for name in ("body", "orelse", "finalbody"):
            waiting += getattr(statement, name, [])
        for handler in getattr(statement, "handlers", []):
            waiting += handler.body


def heavy_at_import(tree: ast.Module) -> list[str]:
    return [
        f"line {line}: {name} is imported when the module is"
        for statement in module_level(tree)
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for line, name in imports(statement)
        if name.split(".")[0] in HEAVY or ".networks." in f"{name}."
    ]


def named(tree: ast.AST, names: set[str]) -> list[str]:
    """Where one of these words stands in a name or in a text that is no docstring."""
    words = re.compile(rf"\b({'|'.join(sorted(names))})\b")
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = []
    for node in ast.walk(tree):
        texts = [getattr(node, field, None) for field in ("id", "attr", "arg", "name", "value")]
        found += [
            f"line {getattr(node, 'lineno', '?')}: {text!r}"
            for text in texts
            if isinstance(text, str) and id(node) not in docstrings and words.search(text.lower().replace("_", " "))
        ]
    return found


def asks_for_the_kind(tree: ast.AST) -> list[str]:
    """`isinstance(task, ...)`, `if kind == "detection"`, `match kind: case "detection"`."""
    wrong = []
    for node in ast.walk(tree):
        asked = ast.unparse(node) if isinstance(node, ast.Call) else ""
        if re.match(r"(isinstance|issubclass|type)\([\w.]*\btask\b", asked):
            wrong.append(f"line {node.lineno}: {asked}")
        if isinstance(node, ast.Compare | ast.MatchValue):
            texts = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
            if texts & KINDS:
                wrong.append(f"line {node.lineno}: {ast.unparse(node)}")
    return wrong


def unpickles(tree: ast.Module) -> list[str]:
    wrong = [f"line {line}: {name}" for line, name in imports(tree) if name.split(".")[0] in ("pickle", "dill")]
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        loads = ast.unparse(call.func) == "torch.load"
        if options.get("allow_pickle", "False") != "False" or (loads and options.get("weights_only") != "True"):
            wrong.append(f"line {call.lineno}: {ast.unparse(call)}")
    return wrong


# -- what must hold ----------------------------------------------------------------------------------------------------


def offences(rule: Callable[[ast.Module], list[str]], files: Iterable[Path]) -> list[str]:
    return [f"{relative(file)}, {wrong}" for file in files for wrong in rule(parsed(file))]


@pytest.mark.parametrize("check", CHECKS)
def test_the_house_is_in_order(check: str) -> None:
    assert CHECKS[check]() == []


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    """Within a floor modules may use each other, but not in a circle (imports for type checkers do not count)."""
    below: dict[str, set[str]] = {}
    for file in sources("harness"):
        module = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
        found = {
            name
            for statement in module_level(parsed(file))
            if isinstance(statement, ast.Import | ast.ImportFrom)
            for _, name in imports(statement)
        }
        below[module] = found | {name.rpartition(".")[0] for name in found}
    while leaves := {module for module, seen in below.items() if not seen & below.keys() - {module}}:
        below = {module: seen for module, seen in below.items() if module not in leaves}
    assert below == {}


def test_heavy_libraries_are_imported_where_they_are_needed() -> None:
    networks = {*REPOSITORY.glob("competitions/*/networks.py"), REPOSITORY / "harness/models/networks.py"}
    # themselves imported inside functions only
    files = [file for file in sources("harness", "leaderboard", "competitions") if file not in networks]
    assert offences(heavy_at_import, files) == []


def test_no_competition_is_named_outside_its_folder() -> None:
    assert offences(lambda tree: named(tree, competition_names()), sources("harness", "leaderboard")) == []


def test_nobody_asks_what_kind_of_task_it_is() -> None:
    """But `make new`, which is there to tell."""
    files = [file for file in sources("harness", "leaderboard", "competitions") if file.parent.name != "new"]
    assert offences(asks_for_the_kind, files) == []


def test_only_the_step_that_writes_the_answers_names_their_folder() -> None:
    """In the harness, `private/` is known to the module that says where things lie and to the one that writes it."""
    naming = {relative(file) for file in sources("harness") if named(parsed(file), {"private"})}
    assert naming == {"harness/paths.py", "harness/prepare.py"}


def test_nothing_received_from_others_is_unpickled() -> None:
    assert offences(unpickles, sources("harness", "leaderboard", "competitions")) == []


# -- the rules themselves can say no -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "place", "source"),
    [
        ("harness", "metrics", "def f():\n    from harness import pipeline"),
        ("harness", "pipeline", "import importlib\nimportlib.import_module('competitions.mars')"),
        ("harness", "pipeline", "from harness.brand_new import thing"),
        ("leaderboard", "judge", "from harness.training.predictions import ModelRun"),
        ("competitions", "mars", "from leaderboard.answers import prepared"),
    ],
)
def test_an_import_that_goes_up_is_found(package: str, place: str, source: str) -> None:
    assert len(upward(package, place, ast.parse(source))) == 1


@pytest.mark.parametrize(
    ("rule", "forbidden", "allowed"),
    [
        (heavy_at_import, "try:\n    import torch.nn\nexcept ImportError:\n    pass", "def f():\n    import torch"),
        (heavy_at_import, "class A:\n    from timm import create_model", "if TYPE_CHECKING:\n    import torch"),
        (lambda tree: named(tree, {"mars"}), "x = 'data/mars/raw'", '"""As on mars."""\nmarsh = "Marshall"'),
        (lambda tree: named(tree, {"mars"}), "def mars_table(): pass", "martian = 0"),
        (asks_for_the_kind, "if isinstance(competition.task, Segmentation): pass", "title = 'segmentation'"),
        (asks_for_the_kind, "match kind:\n    case 'regression': pass", "isinstance(tasks, list)"),
        (unpickles, "np.load(file, allow_pickle=True)", "np.load(file)"),
        (unpickles, "torch.load(file)", "torch.load(file, weights_only=True)"),
    ],
)
def test_the_other_rules_find_what_they_forbid(rule: Callable, forbidden: str, allowed: str) -> None:
    assert rule(ast.parse(forbidden))
    assert not rule(ast.parse(allowed))
