"""A real browser for tests: Chromium over its debugging pipe; skips where there is none."""

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.board_client import served


class Browser:
    """One page of the server at `address`. problems: dialogs, and errors of scripts and of the content policy."""

    def __init__(self, send: int, receive: int, address: str):
        self.send, self.receive, self.address, self.number, self.rest = send, receive, address, 0, b""
        self.problems: list[str] = []
        self.session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "DOM", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters, **self.session}
        os.write(self.send, json.dumps(message).encode() + b"\0")
        while True:
            message = self.next_message()
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self.note(message)

    def next_message(self, seconds: float = 30.0) -> dict[str, Any]:
        while b"\0" not in self.rest:
            assert select.select([self.receive], [], [], seconds)[0], "the browser does not answer"
            self.rest += os.read(self.receive, 1 << 16)
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def note(self, message: dict[str, Any]) -> None:
        method, found = message["method"], message["params"]
        if method == "Page.javascriptDialogOpening":
            self.problems.append(f"dialog: {found['message']}")
        if method == "Runtime.exceptionThrown":
            self.problems.append(found["exceptionDetails"]["text"])
        if method == "Log.entryAdded" and found["entry"]["source"] in ("security", "javascript"):
            self.problems.append(found["entry"]["text"])

    def open(self, path: str) -> None:
        self.call("Page.navigate", url=self.address + path)
        self.wait("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def wait(self, script: str, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < deadline, f"never true: {script}"
            time.sleep(0.05)

    def choose_file(self, selector: str, path: str) -> None:
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[path])

    def be_wide(self, width: int) -> None:
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)


@pytest.fixture
def page(home, tmp_path_factory) -> Iterator[Browser]:
    """A browser before a local server, whose address it has."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    folder = tmp_path_factory.mktemp("browser")
    (to_read, to_write), (from_read, from_write) = os.pipe(), os.pipe()
    options = f"--headless --no-sandbox --disable-gpu --user-data-dir={folder} --remote-debugging-pipe"
    command = f"exec {program} {options} 3<&{to_read} 4>&{from_write} >/dev/null 2>&1"
    process = subprocess.Popen(["/bin/bash", "-c", command], pass_fds=(to_read, from_write))
    try:
        with served() as address:
            yield Browser(to_write, from_read, address)
    finally:
        process.terminate()
        process.wait(20)
        for end in (to_read, to_write, from_read, from_write):
            os.close(end)
