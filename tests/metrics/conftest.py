"""What the tests of metrics share."""

import importlib.util
from typing import Any

import pytest

from tests.support.tiny_data import SHARED

HOST = SHARED / "formats" / "check.py"  # scores files as the hosts of a dozen competitions do


@pytest.fixture(scope="session")
def host() -> Any:
    if not HOST.is_file():
        pytest.skip(f"the hosts' scores are not here: there is no {HOST}")
    spec = importlib.util.spec_from_file_location("check_of_hosts", HOST)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
