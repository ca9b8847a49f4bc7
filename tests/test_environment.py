"""What `make` installs, and from where."""

import re
import sys
import tomllib
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

import pytest

from tests.structure import imports, parsed, sources

REPOSITORY = Path(__file__).resolve().parents[1]
LOCKS = [REPOSITORY / "requirements.lock", REPOSITORY / "bootstrap.lock"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_pins_every_package_with_hashes_and_names_no_registry(lock):
    text = lock.read_text()
    assert "://" not in text
    requirements = re.split(r"\n(?=\S)", text.strip())
    for requirement in requirements:
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==[^ ]+", requirement), requirement[:80]
        assert "--hash=sha256:" in requirement, requirement[:80]


def test_the_lock_covers_linux_on_intel_and_arm_and_macos():
    torch = next(line for line in LOCKS[0].read_text().splitlines() if line.startswith("torch=="))
    for machine, system in (("x86_64", "linux"), ("aarch64", "linux"), ("arm64", "darwin")):
        assert f"platform_machine == '{machine}' and sys_platform == '{system}'" in torch


def test_one_opencv_and_one_albumentations_are_installed():
    names = {(distribution.metadata["Name"] or "").lower() for distribution in distributions()}
    assert "opencv-python-headless" in names
    assert "albumentations" in names
    assert not names & {"opencv-python", "opencv-contrib-python", "albumentationsx"}


def normalised(requirement: str) -> str:
    """The name of the distribution in a requirement, as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def test_every_library_that_is_imported_is_declared() -> None:
    declared = {
        normalised(line)
        for line in tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    }
    roots = {
        name.split(".")[0]
        for file in sources("harness", "leaderboard", "competitions")
        for _, name in imports(parsed(file))
    }
    ours = {"harness", "leaderboard", "competitions", "a value"}
    providers = packages_distributions()
    found = {
        root: {normalised(name) for name in providers.get(root, [])} for root in roots - sys.stdlib_module_names - ours
    }
    assert {root: names for root, names in found.items() if not names & declared} == {}
