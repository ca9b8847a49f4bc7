"""A server on this machine that plays api.kaggle.com to the official client."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SERVICE = "/v1/competitions.CompetitionApiService/"
SLUG = "toy-cup"


class FakeKaggle(ThreadingHTTPServer):
    """scores: what it says of entry 7, look after look, the last for ever; refusals: call -> (status, message).

    archive: the zip with all files of the competition.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), KaggleHandler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.scores: list[dict[str, str]] = [{"status": "PENDING"}, {"status": "COMPLETE", "publicScore": "0.71"}]
        self.refusals: dict[str, tuple[int, str]] = {}
        self.received: list[bytes] = []
        self.calls: list[str] = []
        self.described = ""
        self.archive = b""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, call: str, asked: dict[str, str]) -> dict[str, Any]:
        if call == "StartSubmissionUpload":
            return {"token": "blob", "createUrl": f"{self.address}/upload"}
        if call == "CreateSubmission":
            assert asked["competitionName"] == SLUG and asked["blobFileTokens"] == "blob"
            self.described = asked["submissionDescription"]
            return {"message": "Successfully submitted", "ref": 7}
        state = self.scores.pop(0) if len(self.scores) > 1 else self.scores[0]
        return {"submissions": [{"ref": 6, "status": "COMPLETE", "publicScore": "0.99"}, {"ref": 7, **state}]}


class KaggleHandler(BaseHTTPRequestHandler):
    server: FakeKaggle

    def do_POST(self) -> None:
        call, asked = self.path.removeprefix(SERVICE), json.loads(self.body() or b"{}")
        self.server.calls.append(call)
        if refusal := self.server.refusals.get(call):
            self.say(refusal[0], {"code": refusal[0], "message": refusal[1]})
        elif call == "DownloadDataFiles":  # Kaggle answers with the address of an archive
            assert asked["competitionName"] == SLUG
            self.send_response(302)
            self.send_header("Location", f"{self.server.address}/store/archive.zip?signed=1")
            self.end_headers()
        else:
            self.say(200, self.server.answer(call, asked))

    def do_GET(self) -> None:
        self.server.calls.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.archive)))
        self.end_headers()
        self.wfile.write(self.server.archive)

    def do_PUT(self) -> None:
        self.server.received.append(self.body())
        self.say(200, {})

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def say(self, status: int, answer: dict[str, Any]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *args: object) -> None:
        """Nothing."""
