"""The API is as its OpenAPI page says, whatever is asked of it: Schemathesis, in this process, without a network."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

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
from tests.leaderboard.test_leaderboard import home  # noqa: F401

from harness.files import sha256_of
from tests.leaderboard.web.test_server import FILES, client_of, hand_in, local  # noqa: F401
from tests.support.tiny_board import entry

SENT = {"data": "content"}  # the names of Requests -> those of HTTPX
CHECKS = [
    *(not_a_server_error, status_code_conformance, content_type_conformance),
    *(response_headers_conformance, response_schema_conformance),
]
KNOWN = {"competition": "tiny", "number": 1, "path": "sample_submission.csv", "data": "aaaa1111", "team": "red"} | {
    "card": 0,
    "wait": 1,
    "name": "mine.csv",
    "train": "0" * 12,
}


def cases(operation, known):
    """What is there; anything that the page allows; and what it does not allow."""
    places, asked = (
        {one.name: known[one.name] for one in group if one.name in known}
        for group in (operation.path_parameters, operation.query)
    )
    body = {"body": known["file"]} if list(operation.body) else {}
    yield operation.as_strategy(path_parameters=places, query=asked, **body)
    yield operation.as_strategy()
    if places or asked:  # what takes nothing cannot be given anything wrong
        yield operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)


@pytest.mark.parametrize("examples", [1, pytest.param(100, marks=pytest.mark.soak)])
def test_every_answer_is_one_that_the_openapi_page_names(local, home, examples):
    for team, wrong in (("red", "a"), ("blue", "b"), ("red", "cg")):
        assert hand_in(local, home, wrong, f"&team={team}").status_code == 201
    assert local.post(FILES, content=b"id,value\nzzz,1\n").status_code == 422
    file = entry(home, "a")
    known = KNOWN | {"file": file.read_bytes(), "entry": [sha256_of(file)], "sha256": sha256_of(file)}
    schema = schemathesis.openapi.from_dict(local.get("/api/openapi.json").json())
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 12
    statuses = {operation.label: set() for operation in operations}
    for drawn in (drawn for operation in operations for drawn in cases(operation, known)):

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(drawn)
        def ask(case):
            sent = case.as_transport_kwargs(base_url="http://localhost:8000")
            response = local.request(**{SENT.get(name, name): value for name, value in sent.items() if value})
            case.validate_response(response, checks=CHECKS)
            statuses[case.operation.label].add(response.status_code)

        ask()
    assert {label: found for label, found in statuses.items() if min(found) >= 300} == {}
