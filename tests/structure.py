"""The house in numbers: `python -m tests.structure` prints what is out of order and exits with 1.

Imports go down between folders, a folder is small, a name means one thing, libraries are used by public names.
"""

import ast
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PRODUCT = ("harness", "leaderboard", "competitions")

# From the ground up: a folder or loose module of harness/ imports only what stands before it.
GROUND = "errors declared command_line paths files data metrics bootstrap tasks ensemble models competition submission"
UPPER = "audit options prepare training disk search report specialist pipeline new_competition console __main__"
ROAD = [*GROUND.split(), *UPPER.split()]
DECLARATIONS_SEE = ROAD.index("submission")  # the last that competitions/ and leaderboard/ may import
MOST_LOOSE, MOST_FILES = 14, 12
SHARED_NAMES = {"__init__", "__main__", "competition", "networks", "models"}  # competitions/<name>/ all have these
PUBLIC_ONLY = ("optuna", "ultralytics", "timm")


def sources(*packages: str) -> list[Path]:
    return sorted(file for package in packages for file in (REPOSITORY / package).rglob("*.py"))


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def relative(file: Path) -> str:
    return str(file.relative_to(REPOSITORY))


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, also those inside functions; `from harness import x` gives harness.x."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "import_module":
            yield node.lineno, ast.literal_eval(node.args[0]) if isinstance(node.args[0], ast.Constant) else "a value"


def upward(package: str, place: str, tree: ast.AST) -> list[str]:
    """Imports that go up. place: the folder or loose module of `package` in which the source stands."""
    wrong = []
    for line, name in imports(tree):
        root, *rest = name.split(".")
        if root in ("leaderboard", "competitions") and rest and package != root:
            wrong.append(f"line {line}: {package} imports {name}")
        if root == "harness" and rest and rest[0] != place:
            if rest[0] not in ROAD:
                wrong.append(f"line {line}: {name} has no place on the road; give it one in tests/structure.py")
                continue
            highest = ROAD.index(place) if package == "harness" and place in ROAD else DECLARATIONS_SEE
            if ROAD.index(rest[0]) > highest:
                wrong.append(f"line {line}: {package}.{place} imports {name}")
    return wrong


def upward_imports() -> list[str]:
    wrong = []
    for file in sources(*PRODUCT):
        package, *parts = file.relative_to(REPOSITORY).with_suffix("").parts
        found = upward(package, parts[0] if parts else "", parsed(file))
        wrong += [f"{relative(file)}, {each}" for each in found if parts != ["__init__"] or package != "harness"]
    return wrong


def large_folders() -> list[str]:
    wrong = []
    for package in ("harness", "leaderboard"):
        for folder in {file.parent for file in sources(package)}:
            count = sum(file.stem not in ("__init__", "__main__") for file in folder.glob("*.py"))
            most = MOST_LOOSE if folder == REPOSITORY / "harness" else MOST_FILES
            if count > most:
                wrong.append(f"{relative(folder)} holds {count} modules, at most {most}")
    return wrong


def repeated_names() -> list[str]:
    places: dict[str, list[str]] = defaultdict(list)
    for file in sources("harness", "leaderboard"):
        if file.stem not in SHARED_NAMES:
            places[f"file {file.stem}"].append(relative(file))
        for node in parsed(file).body:
            if isinstance(node, ast.ClassDef):
                places[f"class {node.name}"].append(relative(file))
    return [f"{name} stands in {', '.join(files)}" for name, files in sorted(places.items()) if len(files) > 1]


def private_names() -> list[str]:
    wrong = []
    for file in sources("harness"):
        for line, name in imports(parsed(file)):
            root, *rest = name.split(".")
            if root in PUBLIC_ONLY and any(re.match(r"_[a-z]", part) for part in rest):
                wrong.append(f"{relative(file)}, line {line}: {name}")
    return wrong


def tests_that_import_tests() -> list[str]:
    found = ((file, line, name) for file in sources("tests") for line, name in imports(parsed(file)))
    return [
        f"{relative(file)}, line {line}: {name}"
        for file, line, name in found
        if name.startswith("tests.") and any(part.startswith("test_") for part in name.split(".")[:-1])
    ]


def function_lengths(*packages: str) -> list[int]:
    """Lines of every function, its decorators left out."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    nodes = (node for file in sources(*packages) for node in ast.walk(parsed(file)) if isinstance(node, kinds))
    return [(node.end_lineno or node.lineno) - node.lineno + 1 for node in nodes]


CHECKS = {
    "imports that go up": upward_imports,
    "large folders": large_folders,
    "names that stand twice": repeated_names,
    "private names of libraries": private_names,
    "tests that import tests": tests_that_import_tests,
}


def main() -> int:
    wrong = {title: found for title, check in CHECKS.items() if (found := check())}
    for title, found in wrong.items():
        print(f"{title}: {len(found)}", *found, sep="\n  ")
    lines = {
        package: sum(len(file.read_text().splitlines()) for file in sources(package)) for package in (*PRODUCT, "tests")
    }
    print(f"lines: {', '.join(f'{package} {count}' for package, count in lines.items())}")
    print(f"median function: {statistics.median(function_lengths('harness', 'leaderboard')):.0f} lines")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
