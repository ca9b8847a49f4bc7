"""A copy of the repository in which make is called."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


class Checkout:
    """A copy of the repository without its competitions; commands run as on the page, in a home of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("harness", "leaderboard"):
            shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("*.pyc.*"))
        (root / "competitions").mkdir()
        for name in ("competitions/__init__.py", "Makefile", "pyproject.toml"):
            shutil.copy(REPOSITORY / name, root / name)
        python = root / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)

    def run(self, command: str) -> str:
        command = re.sub(r"^make ", "make --no-print-directory -o .venv/ready ", command)
        command = re.sub(r"^python3 ", f"{sys.executable} ", command)
        home = {name: value for name, value in os.environ.items() if name != "HARNESS_HOME"} | {"COLUMNS": "200"}
        done = subprocess.run(
            command, shell=True, cwd=self.root, env=home, capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout
