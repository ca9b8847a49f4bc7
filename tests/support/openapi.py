"""Requests to the API, drawn by Schemathesis, and whether every answer is one that its OpenAPI document names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from harness.files import sha256_of
from tests.support.board_client import FILES, submit
from tests.support.tiny_board import entry

CHECKS = [
    *(not_a_server_error, status_code_conformance, content_type_conformance),
    *(response_headers_conformance, response_schema_conformance),
]


def operations_of(client: TestClient) -> list[Any]:
    schema = schemathesis.openapi.from_dict(client.get("/api/openapi.json").json())
    return [found.ok() for found in schema.get_all_operations()]


def fill_board(client: TestClient, home: Path) -> dict[str, Any]:
    """Give the board entries and a refused file; what parameters and body may then be."""
    for team, wrong in (("red", "a"), ("blue", "b"), ("red", "cg")):
        assert submit(client, home, wrong, f"&team={team}").status_code == 201
    assert client.post(FILES, content=b"id,value\nzzz,1\n").status_code == 422
    file = entry(home, "a")
    names = {"competition": "tiny", "data": "aaaa1111", "team": "red", "path": "sample_submission.csv"}
    return (
        names
        | {"number": 1, "manifest": 0, "wait": 1, "name": "mine.csv"}
        | {
            "entry": [sha256_of(file)],
            "file": file.read_bytes(),
        }
    )


def known_requests(operation: Any, known: dict[str, Any]) -> Any:
    """Requests for what is there."""
    path, query = (
        {one.name: known[one.name] for one in group if one.name in known}
        for group in (operation.path_parameters, operation.query)
    )
    body = {"body": known["file"]} if list(operation.body) else {}
    return operation.as_strategy(path_parameters=path, query=query, **body)


def odd_requests(operation: Any) -> Iterator[Any]:
    """Requests that the document allows, and requests that it does not allow."""
    yield operation.as_strategy()
    if list(operation.path_parameters) or list(operation.query):  # what takes nothing cannot be given anything wrong
        yield operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)


def statuses_of(client: TestClient, strategy: Any, examples: int) -> set[int]:
    """The statuses of the answers to `examples` requests, each of which must conform to the document."""
    statuses = set()

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(strategy)
    def ask(case: Any) -> None:
        request = case.as_transport_kwargs(base_url="http://localhost:8000")
        request["content"] = request.pop("data", None)  # Requests' name and HTTPX's
        response = client.request(**{name: value for name, value in request.items() if value})
        case.validate_response(response, checks=CHECKS)
        statuses.add(response.status_code)

    ask()
    return statuses
