"""Every guard has a test that turns red without it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.guards import GUARDS

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.soak
@pytest.mark.parametrize("name", GUARDS)
def test_without_a_guard_its_test_turns_red(name: str) -> None:
    options = ("-q", "-x", "-p", "tests.support.guards", "-p", "no:cacheprovider", "-m", "not soak", GUARDS[name].test)
    environment = {**os.environ, "GUARD": name, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr  # 1: a test ran, and failed
