"""The commands of the README, the docs and the Makefile, checked against what the command lines know."""

import importlib
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import typer

from harness import command_line

REPOSITORY = Path(__file__).resolve().parents[2]
MAKEFILE = (REPOSITORY / "Makefile").read_text()
PACKAGES = ("harness", "leaderboard")
PLAIN = {"test", "test-all", "check", "bench", "lock", "help"}  # targets that take no variables


@cache
def groups() -> dict[str, Any]:
    """The click groups of the two command lines."""
    apps = {name: importlib.import_module(f"{name}.__main__").app for name in PACKAGES}
    return {name: typer.main.get_command(app) for name, app in apps.items()}


@cache
def verbs() -> dict[str, Any]:
    """The click command behind each verb of the Makefile, by the verb's name in make."""
    rules = re.findall(r"^([a-z]+): [^\n]*\n\t\$\(run\) (harness|leaderboard) (\w+)", MAKEFILE, re.MULTILINE)
    return {verb: groups()[package].commands[command] for verb, package, command in rules}


def arguments(verb: str, **values: str) -> list[str]:
    """What `make VERB NAME=value ...` hands to the command line; raise `UserError` where it refuses."""
    return command_line.arguments(verbs()[verb], verb, list(values), values)


def require_known(line: str) -> None:
    """Raise where a `make ...` or `python -m ...` line of a page names a verb, variable or option that is not there."""
    words = shlex.split(line.replace("[", "").replace("]", ""), comments=True)
    if words[0] == "make":
        values = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
        for verb in (word for word in words[1:] if re.fullmatch(r"[a-z-]+", word)):
            if verb not in PLAIN:
                arguments(verb, **values)
    else:
        package, *rest = words[words.index("-m") + 1 :]
        command = groups()[package]
        while rest and hasattr(command, "commands") and rest[0] in command.commands:
            command = command.commands[rest.pop(0)]
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert not hasattr(command, "commands"), f"{line}: no such verb"
        unknown = {word.split("=")[0] for word in rest if word.startswith("--")} - options - {"--help"}
        assert not unknown, f"{line}: {unknown}"
