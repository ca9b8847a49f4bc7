"""The API under generated requests: whatever is asked, the answer is one that its OpenAPI document names."""

import pytest

from tests.support import openapi
from tests.support.board_client import client_of

pytestmark = pytest.mark.soak


def test_whatever_is_asked_of_the_api_the_document_names_the_answer(home):
    with client_of() as client:
        known = openapi.fill_board(client, home)
        for operation in openapi.operations_of(client):
            for strategy in (openapi.known_requests(operation, known), *openapi.odd_requests(operation)):
                openapi.statuses_of(client, strategy, examples=100)
