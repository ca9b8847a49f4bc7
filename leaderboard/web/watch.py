"""The server's eye on its scorer, a process of its own: started with it, woken, replaced when it dies."""

import os
import subprocess
import sys
import threading
from pathlib import Path

AGAIN_SECONDS = 0.5


class Scorer:
    """One scorer process. `wake` tells it that something has come in; it looks once a second anyway."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.ending = threading.Event()
        self.watcher: threading.Thread | None = None

    def start(self) -> None:
        self.ending.clear()
        self._begin()
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()

    def stop(self) -> None:
        """What it is doing is left to its lease: the next scorer goes on with it."""
        self.ending.set()
        if self.process and self.process.stdin:
            self.process.stdin.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.watcher:
            self.watcher.join(2)

    def wake(self) -> None:
        process = self.process
        if process and process.stdin and not process.stdin.closed:
            try:
                os.write(process.stdin.fileno(), b"\n")
            except (BrokenPipeError, BlockingIOError):
                return  # dead, and being replaced; or awake already

    def _begin(self) -> None:
        """It needs one thread only, and starts where `leaderboard` can be imported."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        paths = (str(Path(__file__).resolve().parents[2]), environment.get("PYTHONPATH"))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "leaderboard.scorer"], stdin=subprocess.PIPE, env=environment
        )
        assert self.process.stdin
        os.set_blocking(self.process.stdin.fileno(), False)

    def _watch(self) -> None:
        while not self.ending.wait(AGAIN_SECONDS):
            if self.process and self.process.poll() is not None:
                print(f"the scorer ended with code {self.process.returncode}; a new one begins", file=sys.stderr)
                self._begin()
