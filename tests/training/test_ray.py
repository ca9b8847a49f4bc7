"""Ray without a cluster: how tasks share the nodes, and one clear sentence where no cluster answers."""

import re
import socket
import subprocess
from pathlib import Path

import pytest

from harness import paths
from harness.errors import UserError
from harness.training.workers.ray import gigabytes, needs, require_address
from tests.support.tiny_competition import REPOSITORY


@pytest.mark.parametrize(
    ("nodes", "count", "expected"),
    [
        ([(64, 0), (64, 0)], None, (8, 0.0, 8, 16)),
        ([(0, 0), (4, 0), (2, 0)], None, (1, 0.0, 1, 6)),
        ([(4, 0), (2, 0)], 3, (1, 0.0, 1, 3)),
        ([(2, 0)], 9, (1, 0.0, 1, 2)),
        ([(8, 1), (32, 4)], 2, (0, 1.0, 8, 2)),
        ([(8, 1), (32, 1)], 6, (0, 0.3333, 8, 6)),
        ([(0, 1)], None, (0, 1.0, 1, 1)),
        ([], None, (1, 0.0, 1, 0)),
    ],
)
def test_tasks_share_the_nodes_with_the_same_threads_everywhere(nodes, count, expected) -> None:
    assert needs(nodes, count) == expected


@pytest.mark.parametrize("address", ["", "auto", "ray://h:10001"])
def test_an_address_without_host_and_port_is_refused_with_how_to_start_a_cluster(address: str) -> None:
    with pytest.raises(UserError, match=r"ray start --head.*docs/cluster.md"):
        require_address(address)


def test_where_nothing_answers_the_address_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(UserError, match=address):
        require_address(address)


def test_what_the_environment_says_is_read_and_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert gigabytes("1.5") == 1.5 * 2**30
    with pytest.raises(UserError, match="WORKER_MEMORY=lots"):
        gigabytes("lots")
    monkeypatch.setenv("STORAGE_PATH", str(tmp_path / "shared"))
    monkeypatch.delenv("HARNESS_HOME")
    assert paths.root() == tmp_path / "shared"


def test_the_slurm_script_of_the_page_can_be_read_by_bash() -> None:
    page = (REPOSITORY / "docs" / "cluster.md").read_text()
    (script,) = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    assert script.startswith("#!/bin/bash") and "ENGINE=ray" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
