"""64 players of one team hand in at the same moment, and the limit is 5: `python -m tests.benchmarks.board_rush`.

Over HTTP to a team server, in ten rounds, on SQLite and on PostgreSQL. What it prints is for docs/log.md.
"""

import http.client
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from leaderboard import teams
from leaderboard.database import open_database
from tests.benchmarks.board_load import Served

PLAYERS, ROUNDS = 64, 10


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.support import postgres, tiny_board

    with ExitStack() as stack:
        server = stack.enter_context(postgres.running())
        for name, url in (("SQLite", ""), ("PostgreSQL", server.create("rush"))):
            home = tiny_board.make(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            os.environ |= {"HARNESS_HOME": str(home)} | ({"DATABASE_URL": url} if url else {})
            engine, tokens = open_database(), []
            for team in range(ROUNDS):
                teams.create_team(engine, f"team {team}")
                tokens.append(teams.issue_token(engine, "all of them", f"team {team}"))
            with Served(home, "--team-mode") as served:
                rounds = [rush(served.port, token) for token in tokens]
            told = sum((Counter(status for status, _ in one) for one in rounds), Counter())
            exact = sum(sum(status < 300 for status, _ in one) == 5 for one in rounds)
            at = np.percentile([1000 * seconds for one in rounds for _, seconds in one], [50, 99, 100])
            words = "p50 {:.0f} ms, p99 {:.0f} ms, at most {:.0f} ms".format(*at)
            print(f"{name}: exactly 5 accepted in {exact} of {ROUNDS} rounds, answers {dict(told)}; {words}")
            engine.dispose()
    print(f"load {os.getloadavg()[0]:.1f}")


def rush(port: int, token: str) -> list[tuple[int, float]]:
    """Of every player the status and the seconds of the answer, which does not wait for the score."""
    together, told = threading.Barrier(PLAYERS), []

    def hand_in(player: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.connect()
        rows = "\n".join(f"{name},{k + player}" for k, name in enumerate("abcdefghij"))
        together.wait()
        began = time.perf_counter()
        address, headers = "/api/competitions/tiny/submissions?wait=0", {"authorization": f"Bearer {token}"}
        connection.request("POST", address, f"id,value\n{rows}\n".encode(), headers)
        response = connection.getresponse()
        response.read()
        told.append((response.status, time.perf_counter() - began))

    threads = [threading.Thread(target=hand_in, args=(player,)) for player in range(PLAYERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


if __name__ == "__main__":
    main()
