"""A finished run of every kind of prediction, made once for all tests of the reports."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import paths
from harness.options import Request
from harness.training import fold
from tests.support import here
from tests.support.tiny_runs import RUNS

Finished = Callable[[str], here.Run]


@pytest.fixture(scope="session")
def made_runs() -> dict[str, tuple[Path, here.Run]]:
    return {}


@pytest.fixture
def finished(
    made_runs: dict[str, tuple[Path, here.Run]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Finished:
    """kind -> its run, copied into the home of the test."""

    def copied(kind: str) -> here.Run:
        if kind not in made_runs:
            home, declared = tmp_path_factory.mktemp(kind), RUNS[kind]()
            with monkeypatch.context() as patched:
                patched.setenv("HARNESS_HOME", str(home))
                patched.setattr(fold, "find", lambda _: declared)  # the competition has no folder
                made_runs[kind] = home, here.run(Request(declared, team="blue"))
        home, run = made_runs[kind]
        shutil.copytree(home, paths.root(), dirs_exist_ok=True)
        return run

    return copied
