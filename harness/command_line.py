"""How a command line begins and ends: the variables of make as arguments, and one exit code for each kind of end.

Exit codes: 0 done, 1 a bug, 2 the user's input in one sentence, 130 or 143 interrupted and saved.

`make VERB NAME=value` runs `python -m harness VERB`: the Makefile puts the names that were typed into MAKE_VARIABLES,
and make itself exports their values, so no shell has to quote them.
"""

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.errors import THEIRS, UserError, nearest

OF_MAKE = {"PYTHON", "PY", "SHARED", "SERVER"}  # the Makefile reads them itself
# Read from the environment, where make puts what is typed.
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES",
    "DATABASE_URL",
    "HARNESS_HOME",
    "KAGGLE_API_TOKEN",
    "LEADERBOARD_TOKEN",
    "LEADERBOARD_URL",
    "RAY_ADDRESS",
    "REQUESTS_CA_BUNDLE",
    "STORAGE_PATH",
}
SPELLED = {"competition": "COMP", "source": "FROM", "from_": "FROM"}  # the others are the parameter's own name


def run(app: Callable[..., Any]) -> int:
    """Run a typer app and return its exit code. With --json an error is also {"error": sentence} on standard output."""
    import typer

    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell in the background has SIGINT ignored
        signal.signal(number, _terminated)
    # Nothing that we use may call home: no update checks, no anonymous statistics.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    os.environ.setdefault("YOLO_OFFLINE", "true")
    verb = os.environ.pop("MAKE_VERB", "")  # none of our own child processes is called by make
    names = os.environ.pop("MAKE_VARIABLES", "").split()
    try:
        typed = [sys.argv[1], *arguments(_command(app), verb, names)] if verb else None
        code = app(args=typed, standalone_mode=False) or 0
        if code == 130:  # typer makes a return value of Ctrl-C
            raise KeyboardInterrupt
    except (KeyboardInterrupt, typer.Abort):
        code = 128 + _received[-1]
        print("interrupted; what was done is saved, and the same command goes on from there", file=sys.stderr)
    except UserError as error:
        code = refuse(str(error))
    except typer.TyperException as error:
        sentence = error.format_message()
        code = refuse(_in_the_words_of_make(sentence, _command(app)) if verb else sentence)
    except OSError as error:
        if error.errno not in THEIRS:
            raise
        what = f"{THEIRS[error.errno]}: {error.filename or 'writing a file'}"
        code = refuse(f"{what}; fix that and run the same command again")
    return code


def refuse(sentence: str) -> int:
    if "--json" in sys.argv:
        print(json.dumps({"error": sentence}))
    print(sentence if sentence.startswith("Usage:") else f"error: {sentence}", file=sys.stderr)
    return 2


_received: list[int] = [signal.SIGINT]


def _terminated(number: int, _: object) -> None:
    _received.append(number)
    raise KeyboardInterrupt


# -- the variables of make ---------------------------------------------------------------------------------------------


def variables_of(parameter: Any) -> tuple[str, ...]:
    """The names in make of a click parameter: BUDGET of --budget, COMP of `competition`, A and B of a list."""
    if parameter.nargs == -1:
        return ("A", "B")
    option = parameter.param_type_name == "option" and max(parameter.opts, key=len).lstrip("-").replace("-", "_")
    return (SPELLED.get(parameter.name, (option or parameter.name).upper()),)


def arguments(command: Any, verb: str, typed: Sequence[str], values: Mapping[str, str] = os.environ) -> list[str]:
    """The command's arguments for the variables `typed` after `make verb`; an empty value counts as not given.

    Raise `UserError` for a variable that the command does not know, and for one that it needs.
    """
    known = {name: parameter for parameter in command.params for name in variables_of(parameter)}
    for name in typed:
        if name not in {*known, *OF_MAKE, *ENVIRONMENT}:
            takes = ", ".join(f"{each}=" for each in known if each not in ("HELP", "JSON"))
            raise UserError(f"make {verb} does not know {name}={nearest(name, known)}; it takes {takes}")
    given = {name: values[name] for name in typed if name in known and values.get(name)}
    if missing := [name for name, parameter in known.items() if parameter.required and name not in given]:
        raise UserError(f"make {verb} needs {' and '.join(f'{name}=' for name in missing)}")
    options, positional = list[str](), list[str]()
    for name, parameter in known.items():
        if value := given.get(name):
            if parameter.param_type_name == "argument":
                positional.append(value)
            else:
                options += _option(parameter, value)
    return [*options, "--", *positional]


def _option(parameter: Any, value: str) -> list[str]:
    name = max(parameter.opts, key=len)
    if parameter.is_flag:
        return parameter.secondary_opts[:1] if value == "0" else [name]
    several = parameter.name == "files"  # FILES="one two"; ACCEPT="order leak" is one name
    return [word for each in (shlex.split(value) if several else [value]) for word in (name, each)]


def _command(app: Any) -> Any:
    import typer

    return typer.main.get_command(app).commands[sys.argv[1]]  # type: ignore[attr-defined]


def _in_the_words_of_make(sentence: str, command: Any) -> str:
    """An error of the option parser with HOURS= where it says '--hours'."""
    for parameter in command.params:
        for option in parameter.opts:
            sentence = sentence.replace(f"'{option}'", f"{variables_of(parameter)[0]}=")
    return sentence
