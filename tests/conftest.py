"""What every test shares: a home of its own, tiny data, the real data where they are, and no network."""

import ipaddress
import os
import sys
from pathlib import Path

import pytest

from harness.competition import Competition
from harness.data.samples import Dataset
from tests.support.tiny_data import SHARED, tiny_dataset, tiny_declaration

# For this process and all its children, before any library is loaded.
os.environ.update(HF_HUB_OFFLINE="1", NO_ALBUMENTATIONS_UPDATE="1", YOLO_OFFLINE="true")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of commands are started: each would compile all modules
for _name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "DATABASE_URL"):
    os.environ.pop(_name, None)


def _stay_here(event: str, arguments: tuple) -> None:
    """Refuse every connection that leaves this machine, whichever library tries."""
    if event == "socket.connect" and isinstance(arguments[1], tuple) and not _local(str(arguments[1][0])):
        raise ConnectionRefusedError(f"a test must not call the network: {arguments[1]}")
    if event == "socket.getaddrinfo" and not _local(str(arguments[0])):
        raise ConnectionRefusedError(f"a test must not look up {arguments[0]}")


def _local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("localhost", "")


sys.addaudithook(_stay_here)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `real` need the data sets of SHARED."""
    for item in items:
        if item.get_closest_marker("real") and not (SHARED / "data").is_dir():
            item.add_marker(pytest.mark.skip(f"the real data are not here: there is no folder {SHARED / 'data'}"))


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test writes into the repository, or sees what another one wrote."""
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def dataset() -> Dataset:
    return tiny_dataset()


@pytest.fixture
def declaration() -> Competition:
    return tiny_declaration()
