"""A new competition folder that already runs: from a template and its made sample, or from a host's files.

`make new COMP=foo TASK=classification` fills a template in. `make new COMP=titanic FROM=titanic.zip METRIC=accuracy`
looks at what the host hands out, says what it takes and why, and writes the declaration.
"""

import importlib
import keyword
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template
from typing import Any

from harness import paths
from harness.competition import names
from harness.errors import UserError, nearest
from harness.files import TEMPORARY, write_bytes
from harness.new_competition.host_files import Host, Options
from harness.new_competition.new_declaration import CLASS_FILE, MOST_LISTED, declaration
from harness.new_competition.recognise import recognise
from harness.new_competition.unpack import bring

ORIGIN = ".from"  # in raw/: what the files were brought from
TEMPLATES = Path(__file__).parent / "templates"  # one folder for every kind of task


def create(name: str, task: str) -> dict[str, Any]:
    """Fill the template of this task in; all or nothing: one rename. Raise `UserError` for a name that cannot be."""
    kinds = sorted(folder.name for folder in TEMPLATES.iterdir())
    if task not in kinds:
        raise UserError(f"TASK={task} is not a kind of task{nearest(task, kinds)}; there are {', '.join(kinds)}")
    words = {"name": name, "title": title_of(name)}
    files = {
        template.stem: Template(template.read_text()).substitute(words)
        for template in sorted((TEMPLATES / task).glob("*.txt"))
    }
    return {**write_folder(name, files), "next": f"make submit COMP={name} FAST=1"}


def create_from(name: str, origin: str, options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    """Bring the host's files to data/<name>/raw/, and write the declaration of what they are.

    origin: a zip, a folder, kaggle:<name of the competition>, or its address there. Files that were brought before are
    looked at again. Raise `UserError` with the option to give where the files can be read in two ways; the files stay.
    """
    folder_of(name)
    raw = paths.data(name) / "raw"
    on_kaggle = re.fullmatch(r"(?:kaggle:|https?://(?:www\.)?kaggle\.com/(?:c|competitions)/)(.*?)(?:/.*)?", origin)
    slug = on_kaggle[1] if on_kaggle else None
    if not (raw / ORIGIN).exists() or (raw / ORIGIN).read_text() != origin:
        bring(origin, slug, raw)
        write_bytes(raw / ORIGIN, origin.encode())
    host = Host.read(raw, options)
    try:
        reading = recognise(host)
    finally:
        for line in host.said:
            say(line)
    text = declaration(name, title_of(name), "" if host.assumed else host.sample or "", reading, slug)
    readme = f"# {title_of(name)}\n\nWritten by `make new FROM={Path(origin).name} METRIC={options.metric}` from the "
    readme += "host's files:\n\n" + "".join(f"- {line}\n" for line in host.said)
    files = {"competition.py": text, "README.md": readme}
    if len(reading.classes) > MOST_LISTED:
        files[CLASS_FILE] = "".join(f"{each}\n" for each in reading.classes)
    return {
        **write_folder(name, files),
        "said": host.said,
        "next": f"make submit COMP={name}",
    }


def write_folder(name: str, files: Mapping[str, str]) -> dict[str, Any]:
    folder = folder_of(name)
    partial = folder.with_name(f".new-{os.getpid()}{TEMPORARY}")
    try:
        for file, text in {**files, "__init__.py": ""}.items():
            write_bytes(partial / name / file, text.encode())
        os.replace(partial / name, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {"competition": name, "path": paths.shown(folder)}


def title_of(name: str) -> str:
    return name.replace("_", " ").capitalize()


def folder_of(name: str) -> Path:
    """Where its files go; raise `UserError` where the name cannot be one."""
    folder = Path(importlib.import_module("competitions").__path__[0]) / name
    require_new(name, folder)
    return folder


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
