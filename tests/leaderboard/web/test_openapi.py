"""The OpenAPI document of the API, held against requests that Schemathesis draws from it."""

import pytest
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

from harness.files import sha256_of
from tests.support.board_client import FILES, submit
from tests.support.tiny_board import entry

CHECKS = [
    *(not_a_server_error, status_code_conformance, content_type_conformance),
    *(response_headers_conformance, response_schema_conformance),
]


@pytest.fixture
def known(local, home):
    """What parameters and the body may be on a board that has entries and a refused file."""
    for team, wrong in (("red", "a"), ("blue", "b"), ("red", "cg")):
        assert submit(local, home, wrong, f"&team={team}").status_code == 201
    assert local.post(FILES, content=b"id,value\nzzz,1\n").status_code == 422
    file = entry(home, "a")
    names = {"competition": "tiny", "data": "aaaa1111", "team": "red", "path": "sample_submission.csv"}
    names |= {"number": 1, "manifest": 0, "wait": 1, "name": "mine.csv"}
    return names | {"entry": [sha256_of(file)], "file": file.read_bytes()}


def operations_of(client):
    schema = schemathesis.openapi.from_dict(client.get("/api/openapi.json").json())
    return [found.ok() for found in schema.get_all_operations()]


def known_requests(operation, known):
    """Requests for what is there."""
    groups = {"path_parameters": operation.path_parameters, "query": operation.query}
    values = {kind: {one.name: known[one.name] for one in group if one.name in known} for kind, group in groups.items()}
    return operation.as_strategy(**values, **({"body": known["file"]} if list(operation.body) else {}))


def statuses_of(client, strategy, examples):
    """The statuses of the answers to `examples` requests, each of which must conform to the document."""
    statuses = set()

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(strategy)
    def ask(case):
        request = case.as_transport_kwargs(base_url="http://localhost:8000")
        request["content"] = request.pop("data", None)  # Requests' name and HTTPX's
        response = client.request(**{name: value for name, value in request.items() if value})
        case.validate_response(response, checks=CHECKS)
        statuses.add(response.status_code)

    ask()
    return statuses


def test_every_answer_is_one_that_the_openapi_document_names(local, known):
    operations = operations_of(local)
    assert len(operations) == 13
    for operation in operations:
        assert max(statuses_of(local, known_requests(operation, known), examples=1)) < 300, operation.label


@pytest.mark.soak
def test_whatever_is_asked_of_the_api_the_document_names_the_answer(local, known):
    for operation in operations_of(local):
        strategies = [known_requests(operation, known), operation.as_strategy()]
        if list(operation.path_parameters) or list(operation.query):  # else nothing wrong can be given
            strategies.append(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        for strategy in strategies:
            statuses_of(local, strategy, examples=100)
