"""Two worlds that differ in the private answers alone, and everything a server and the command line answer in each."""

import itertools
import json
import os
import random
import re
import shutil
import sys

import numpy as np

from leaderboard import __main__ as command_line
from leaderboard import teams
from leaderboard.database import open_database
from tests.support import tiny_board
from tests.support.board_client import OURS, ROUTES, client_of
from tests.support.board_model import IDS, File
from tests.support.frozen import Clock, forget, hold, no_chance

CANARY = 9_876_543.0  # is in the private answers of the second world alone, and so does every distance to it
HITS = re.compile(rb"987654\d|98764\d\d|98765\d\d")
NAMES, TEAMS = ("tiny", "darts"), ("red", "blue")
ROLES = ("anonymous", "red", "blue", "host", "browser")
VERBS = (
    ("board", "--trust"),
    ("board", "--trust", "--json"),
    ("finals", "--team", "red", "--json"),
    ("verify", "--json"),
    ("export", "--format", "csv"),
    ("score", "x.csv", "--team", "red"),
)
ACTIONS = ("disqualify", "reinstate", "baseline", "no-baseline", "announce", "deadline", "pause", "dance")


def requests_of(count):
    """What is asked, in this order, of both worlds."""
    chance, files = random.Random(0), [File(frozenset("agh"))]
    asked = [(team, *upload_to(name), {"content": files[0].content}) for team in TEAMS for name in NAMES]
    while len(asked) < count:
        asked += draw(chance, files)
    return asked[:count]


def draw(chance, files):
    """(role, method, path, options) of one request, or of a pause and its end. files: that were submitted until now."""
    name, team, kind = chance.choice(NAMES), chance.choice(TEAMS), chance.random()
    if kind < 0.3:
        files.append(File(frozenset(chance.sample(IDS, chance.randrange(6))), broken=chance.random() < 0.1))
        content = chance.choice([files[-1].content] * 6 + [b"", b"PK", b"id,value\nz,1\n", b"id,value\na,nan\n"])
        manifest = json.dumps({"cv": {"score": 0.75}, "git": "c0ffee"}).encode() * chance.randrange(2)
        params = {"manifest": len(manifest), "team": team, "name": "mine.csv"}
        who = chance.choice([team] * 4 + list(ROLES))
        return [(who, *upload_to(name), {"params": params, "content": manifest + content})]
    if kind < 0.38:
        params = {"entry": chance.choice(files).sha256, "team": team}
        return [(chance.choice(ROLES), "PUT", f"/api/competitions/{name}/finals", {"params": params})]
    if kind < 0.48:
        action, who = chance.choice(ACTIONS), chance.choice(("host", "host", "red"))
        data = {"kind": action, "text": "2999-12-31T12:00" if action == "deadline" else "<why>"}
        data |= {"team": team} if action in ACTIONS[:4] else {}
        acts = [(who, "POST", f"/c/{name}/host", {"data": data})]
        return acts + [("host", "POST", f"/c/{name}/host", {"data": {"kind": "resume"}})] * (action == "pause")
    number = str(chance.randrange(1, 25))
    stolen = f"/api/competitions/{name}/data/../private/answers.npz"
    path = chance.choice([*pages(name, team, number), stolen, "/c/nothing"])
    queries = [{}, {"sort": chance.choice(["score", "gap", "team", "private"]), "order": "down"}, {"team": team}]
    queries += [{"data": "aaaa1111"}, {"page": "2"}, {"entry": number}, {"next": path}]
    method = chance.choice(["GET"] * 12 + ["HEAD", "OPTIONS", "DELETE", "PUT", "POST"])
    return [(chance.choice(ROLES), method, path, {"params": chance.choice(queries)})]


def upload_to(name):
    return "POST", f"/api/competitions/{name}/submissions"


def pages(name, team, number):
    """Every address of the server, whatever it is called: those that come later are asked too."""
    holes = {"competition": name, "team": team, "path": "sample_submission.csv"}
    paths = [route.path for route in ROUTES if "static" not in route.path and "health" not in route.path]
    return [re.sub(r"{(\w+)(?::\w+)?}", lambda hole: holes.get(hole[1], number), path) for path in paths]


def play(home, answers, requests, monkeypatch, capfd, names=NAMES):
    """[(status, headers, body)] of the requests and of the boards after the reveal; what was printed until then."""
    home.mkdir()
    tiny_board.make(home)
    for name in NAMES:
        tiny_board.prepare(home, name, "aaaa1111", answers=answers)
        sample = home / "data" / name / "aaaa1111" / "public" / "sample_submission.csv"
        sample.parent.mkdir()
        sample.write_bytes(File(frozenset()).content)
        os.utime(sample, (0, 0))
    monkeypatch.setenv("HARNESS_HOME", str(home))
    forget()
    with monkeypatch.context() as patched, client_of(team_mode=True) as client:
        clock = hold(patched, Clock())
        no_chance(patched)
        headers = headers_of(client, open_database())
        capfd.readouterr()
        answers_given = []
        for who, method, path, options in requests:
            clock.tick(minutes=20)
            answers_given.append(answer(client, headers[who], method, path, options))
        for name, (verb, *more) in itertools.product(names, VERBS):
            shutil.copy(sample, home / "x.csv")
            patched.setattr(
                sys, "argv", ["leaderboard", verb, name, *(m.replace("x.csv", f"{home}/x.csv") for m in more)]
            )
            assert command_line.main() == 0
        log = "".join(capfd.readouterr())
        for name in names:
            for kind in ({"kind": "reinstate", "team": "red"}, {"kind": "reveal", "sure": "on"}):
                answer(client, headers["host"], "POST", f"/c/{name}/host", {"data": kind})
            for path in (f"/c/{name}", f"/api/competitions/{name}/board"):
                answers_given.append(answer(client, headers["host"], "GET", path, {}))
    return answers_given, log.replace(str(home), "")


def headers_of(client, engine):
    """Role -> the headers with which it comes."""
    headers = {"anonymous": {}, "host": {"authorization": f"Bearer {teams.issue_token(engine, 'eva', None, 'host')}"}}
    for team in TEAMS:
        teams.create_team(engine, team)
        token = teams.issue_token(engine, f"of {team}", team)
        headers[team] = {"authorization": f"Bearer {token}"}
    login = client.post("/login", data={"token": token}, headers=OURS)
    return headers | {"browser": {"cookie": login.headers["set-cookie"].split(";")[0]}}


def answer(client, headers, method, path, options):
    client.cookies.clear()
    found = client.request(method, path, headers=headers, **options)
    return found.status_code, found.headers.raw, found.content


def compare_two_worlds(home, count, capfd, monkeypatch):
    """Assert that before the reveal no byte of `count` answers depends on a private answer, and that one does after."""
    requests = requests_of(count)
    one, log = play(home / "one", np.arange(10.0), requests, monkeypatch, capfd)
    other, other_log = play(
        home / "other", np.r_[np.arange(6.0), CANARY + np.arange(6, 10)], requests, monkeypatch, capfd
    )
    for asked, answer, swapped in zip(requests, one, other, strict=False):
        assert answer == swapped, asked
        assert not HITS.search(repr(answer).encode()), asked
    assert log == other_log and not HITS.search(log.encode())
    statuses = {status for status, _, _ in one}
    assert {200, 201, 404} <= statuses and len(statuses) >= 6 and max(statuses) < 500, log
    revealed, swapped = one[len(requests) :], other[len(requests) :]
    assert len(revealed) == 4 and all(answer != again for answer, again in zip(revealed, swapped, strict=True))
    assert any(HITS.search(body) for _, _, body in swapped)
