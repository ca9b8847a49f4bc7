"""What every test shares: a home of its own, tiny data, the real data where they are, and no network."""

import ipaddress
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.competition import Competition
from harness.data.samples import Dataset, Samples
from harness.data.splits import Holdout, stratified_grouped
from harness.ensemble import Blend
from harness.metrics import MeanIoU
from harness.tasks.segmentation import Segmentation

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY / os.environ.get("SHARED", "../shared")
REAL_SETS = [
    ("mars", "mars"),
    ("blood", "bloodcells28"),
    ("blood", "bloodcells96"),
    ("digits", "mnist"),
    ("aquarium", "aquarium"),
    ("bccd", "bccd"),
    ("glas", "glas"),
    ("cars", "auto_mpg"),
]  # (competition, folder of SHARED/data)

# For this process and all its children, before any library is loaded.
os.environ.update(HF_HUB_OFFLINE="1", NO_ALBUMENTATIONS_UPDATE="1", YOLO_OFFLINE="true")
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


# -- tiny data: 96 pictures of 4x8, three classes (0 void, 1 plain, 2 rare), in groups of three ------------------------

CLASSES = ("void", "plain", "rare")


def has_rare(targets: np.ndarray) -> np.ndarray:
    return (targets == 2).any((1, 2)).astype(int)


def tiny_dataset(groups: int = 32, seed: int = 0) -> Dataset:
    """Every fourth group shows the rare class, in one bright pixel of each of its three pictures."""
    rng = np.random.default_rng(seed)
    rows = 3 * groups
    images = rng.integers(0, 200, (rows, 4, 8), dtype=np.uint8)
    masks = rng.integers(0, 2, (rows, 4, 8), dtype=np.uint8)
    masks[:, 0, 0] = 1
    group = np.repeat(np.arange(groups), 3)
    masks[group % 4 == 0, 1, 1] = 2
    images[masks == 2] = 255
    ids = np.array([f"t{row}" for row in range(rows)])
    official = Samples(np.array(["u0", "u1"]), images[:2] // 2)
    return Dataset(Samples(ids, images, masks, group), {"test": official})


@pytest.fixture
def dataset() -> Dataset:
    return tiny_dataset()


def tiny_declaration(**changed: object) -> Competition:
    declared = {
        "name": "tiny",
        "task": Segmentation(CLASSES, (4, 8), void=0),
        "metric": MeanIoU(CLASSES, void=0),
        "sources": (),
        "load": lambda raw: tiny_dataset(),
        "holdout": Holdout(fraction=0.25, public=0.5),
        "split": stratified_grouped(by=has_rare, folds=3),
        "models": {},
        "ensemble": Blend(()),
        "default": (),
    }
    return Competition(**(declared | changed))


@pytest.fixture
def declaration() -> Competition:
    return tiny_declaration()
