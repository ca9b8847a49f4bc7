"""The README and the design page say what is there."""

import inspect
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from harness.__main__ import app as harness
from leaderboard.__main__ import app as leaderboard

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text()
DESIGN = (REPOSITORY / "docs" / "design.md").read_text()
COMMANDS = sorted({line.split("#")[0].strip() for line in README.splitlines() if line.startswith("make ")})
VERBS = {
    f"{package} {command.name or command.callback.__name__}": command.callback
    for package, app in (("harness", harness), ("leaderboard", leaderboard))
    for command in app.registered_commands
}


def expanded(command: str) -> list[str]:
    """What make would run."""
    done = subprocess.run(
        ["make", "--no-print-directory", "-n", "-o", ".venv/ready", *shlex.split(command)[1:]],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=True,
    )
    return shlex.split(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_reaches_a_verb_that_knows_its_options(command):
    words = expanded(command)
    package, verb = words[words.index("-m") + 1 : words.index("-m") + 3]
    options = {word[2:].replace("-", "_") for word in words if word.startswith("--")}
    assert options <= set(inspect.signature(VERBS[f"{package} {verb}"]).parameters)


def test_every_verb_stands_in_the_readme_and_in_the_makefile():
    makefile = (REPOSITORY / "Makefile").read_text()
    for verb in VERBS:
        assert f"$(PY) -m {verb}" in makefile, verb
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    for target in targets:
        assert f"`{target}" in README or target == "lock", target


@pytest.mark.parametrize("page", [README, DESIGN], ids=["README", "design"])
def test_every_file_that_a_page_names_exists(page):
    named = re.findall(r"(?:docs|harness|leaderboard|competitions|tests)/[\w./-]*\w", page)
    assert named
    for name in named:
        assert (REPOSITORY / name).exists(), name
