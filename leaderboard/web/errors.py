"""What goes wrong, in words: a page for people, {"error": sentence} for programs."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from harness.errors import InvalidSubmission, UserError
from leaderboard.queue import Refusal
from leaderboard.web.render import page

SENTENCES = {
    400: "this request cannot be understood",
    403: "this is not yours to see",
    404: "there is nothing here",
    405: "this can be looked at, but not done like that",
    413: "this is larger than anything that is wanted here",
}


def answer(request: Request, status: int, sentence: str) -> Response:
    """Every refusal goes out here."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": sentence}, status)
    title = HTTPStatus(status).phrase
    return page(request, "error.html", status=status, title=title, sentence=sentence)


def refused(request: Request, error: Exception) -> Response:
    """A sentence of ours."""
    status = 422 if isinstance(error, InvalidSubmission) else 400
    return answer(request, error.status if isinstance(error, Refusal) else status, str(error))


def http_error(request: Request, error: Exception) -> Response:
    """What Starlette says: no such page, no such method."""
    assert isinstance(error, HTTPException)
    response = answer(request, error.status_code, SENTENCES.get(error.status_code, str(error.detail)))
    response.headers.update(error.headers or {})
    return response


HANDLERS = {UserError: refused, HTTPException: http_error}
