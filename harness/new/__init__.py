"""A new competition folder that already runs, on a made sample: `make new COMP=foo TASK=classification`."""

import importlib
import keyword
import os
import re
import shutil
from pathlib import Path
from string import Template
from typing import Any

from harness import paths
from harness.competition import names
from harness.errors import UserError, nearest
from harness.files import TEMPORARY, write_bytes

TEMPLATES = Path(__file__).parent / "templates"  # one folder for every kind of task


def create(name: str, task: str) -> dict[str, Any]:
    """Fill the template of this task in; all or nothing: one rename. Raise `UserError` for a name that cannot be."""
    kinds = sorted(folder.name for folder in TEMPLATES.iterdir())
    if task not in kinds:
        raise UserError(f"TASK={task} is no kind of task{nearest(task, kinds)}; there are {', '.join(kinds)}")
    folder = Path(importlib.import_module("competitions").__path__[0]) / name
    require_new(name, folder)
    words = {"name": name, "title": name.replace("_", " ").capitalize()}
    partial = folder.with_name(f".new-{os.getpid()}{TEMPORARY}")
    try:
        for template in sorted((TEMPLATES / task).glob("*.txt")):
            filled = Template(template.read_text()).substitute(words)
            write_bytes(partial / name / template.stem, filled.encode())
        write_bytes(partial / name / "__init__.py", b"")
        os.replace(partial / name, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {"competition": name, "path": paths.shown(folder), "next": f"make submit COMP={name} FAST=1"}


def require_new(name: str, folder: Path) -> None:
    """A name is a module's and a part of paths, and its folder must not be there."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        better = re.sub(r"[^a-z0-9]+", "_", name.lower()).lstrip("_0123456789").rstrip("_") or "mine"
        better = f"{better}_" if keyword.iskeyword(better) else better
        raise UserError(
            f"COMP={name} cannot name a competition: lower-case letters, numbers and _ are right, a letter first, "
            f"such as {better}"
        )
    if name in names() or folder.exists():
        raise UserError(f"there is a competition {name!r} already ({paths.shown(folder)}); choose another name")
