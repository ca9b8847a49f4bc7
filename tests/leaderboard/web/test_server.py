"""The pages and the API: what they show, what they refuse, what nobody sees before the reveal."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import json
import os
import re
import signal
import socket
import time
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from leaderboard import host, queue, scorer, teams
from leaderboard.answers import prepared
from leaderboard.database import open_database, reading
from leaderboard.finals import reveal_board
from leaderboard.judge import judge
from leaderboard.tables import jobs, submissions
from leaderboard.teams import Member
from leaderboard.web import app
from leaderboard.web.app import LOOPBACK
from leaderboard.web.hosted import Settings
from tests.leaderboard.test_leaderboard import home  # noqa: F401
from tests.support import tiny_board
from tests.support.ports import free_port
from tests.support.tiny_board import entry

from tests.support.served import *  # noqa
from tests.support.served import submit as hand_in, SAME_ORIGIN as OURS, settings_for
@pytest.fixture
def local(home):
    (home / "data" / "tiny" / "aaaa1111" / "public").mkdir()
    rows = "\n".join(f"{name},0" for name in tiny_board.IDS)
    (home / "data" / "tiny" / "aaaa1111" / "public" / "sample_submission.csv").write_text(f"id,value\n{rows}\n")
    with client_of() as client:
        yield client


@pytest.fixture
def team(home):
    """A team server with the teams red and blue; `tokens` has one of each, and the host's."""
    engine = open_database()
    tokens = {}
    for name in ("red", "blue"):
        teams.create_team(engine, name)
        tokens[name] = {"authorization": f"Bearer {teams.issue_token(engine, f'of {name}', name)}"}
    tokens["host"] = {"authorization": f"Bearer {teams.issue_token(engine, 'eva', None, 'host')}"}
    with client_of(team_mode=True) as client:
        client.tokens = tokens
        yield client


def some_teams(home):
    for name, wrong in (("red", ""), ("blue", "a"), ("green", "bc"), ("red", "d")):
        judge("tiny", entry(home, wrong, card={"cv": {"score": 0.8}}), name)


PAGES = ["", "/rules", "/submit", "/team/red", "/entry/1", "?sort=gap&order=down", "?data=aaaa1111"]


# -- pages -------------------------------------------------------------------------------------------------------------


class WellFormed(HTMLParser):
    """Collects what a browser would fetch or run."""

    def __init__(self):
        super().__init__()
        self.wrong, self.open = [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "style" or name.startswith("on"):
                self.wrong.append(f"{tag} {name}")
            if name in ("src", "href", "action") and not (value or "").startswith(("/", "#", "?")):
                self.wrong.append(f"{tag} {name}={value}")
        if tag == "style" or (tag == "script" and "src" not in dict(attributes)):
            self.wrong.append(f"inline {tag}")
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes another one")


@pytest.mark.parametrize("path", ["/", *(f"/c/tiny{page}" for page in PAGES), "/nowhere", "/login"])
def test_a_page_is_well_formed_and_needs_nothing_from_outside(local, home, path):
    some_teams(home)
    response = local.get(path)
    assert response.status_code == (404 if path == "/nowhere" else 200)
    reader = WellFormed()
    reader.feed(response.text)
    assert reader.wrong == [] and reader.open == []
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_board_shows_ranks_ties_intervals_cv_and_its_gap(local, home):
    some_teams(home)
    text = re.sub(r"<[^>]+>|\s+", " ", local.get("/c/tiny").text)
    text = re.sub(r"\s+", " ", text)
    assert "1 red 1.000 1.000–1.000 1.000–1.000 1 0.800 −0.200 2 " in text
    assert "= 2 blue 0.833" in text
    assert "The first three cannot be told apart" in text


def test_the_table_is_sorted_by_links_and_rows_without_a_value_stand_last(local, home):
    some_teams(home)
    judge("tiny", entry(home, "abcdef"), "zoe")  # no card
    (home / "entry.json").unlink()
    judge("tiny", entry(home, "abcde"), "zoe")

    def order(query):
        return re.findall(r'<td class="who"><a href="[^"]*">(\w+)</a>', local.get(f"/c/tiny?{query}").text)

    assert order("") == ["red", "blue", "green", "zoe"]
    assert order("sort=team&order=up") == ["blue", "green", "red", "zoe"]
    assert order("sort=score&order=up") == ["zoe", "green", "blue", "red"]
    assert order("sort=cv&order=up")[-1] == order("sort=cv&order=down")[-1] == "zoe"


def test_what_people_write_is_shown_and_never_run(local, home):
    payload = "<script>alert(1)</script>\"'"
    judge(
        "tiny", entry(home, card={"cv": {"score": 0.5}, "git": "<img src=x onerror=alert(1)>", "a<b": payload}), payload
    )
    host.say(open_database(), prepared("tiny"), "announce", "<b>news</b>", "eva")
    link = re.search(r'<td class="who"><a href="([^"]+)"', local.get("/c/tiny").text)[1]
    for path in ("/", "/c/tiny", link, "/c/tiny/entry/1", "/c/tiny/rules"):
        response = local.get(path)
        assert response.status_code == 200
        assert "<script>alert" not in response.text and "<img" not in response.text and "<b>news" not in response.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in local.get("/c/tiny").text


@pytest.mark.soak
def test_a_board_of_a_hundred_and_fifty_teams_has_two_pages(local, home):
    for k in range(150):
        judge("tiny", entry(home, "a", by=k + 1), f"team {k}")
    first, second = local.get("/c/tiny").text, local.get("/c/tiny?page=2").text
    assert first.count('class="who"') == 101 and second.count('class="who"') == 51  # one is in the head
    assert len(first) < 90_000
    assert local.get("/c/tiny?page=3").status_code == 404


def test_a_competition_page_says_how_a_file_looks_and_what_is_left_of_the_day(local, home):
    judge("tiny", entry(home), "ada")
    text = local.get("/c/tiny/rules").text
    assert "id,value" in text and "10 ids" in text and "<b>4</b> of 5 entries left today" in text
    sample = local.get("/c/tiny/sample_submission.csv")
    assert sample.text.startswith("id,value\na,0\n") and "attachment" in sample.headers["content-disposition"]


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/nowhere", 404, "There is nothing here."),
        ("POST", "/c/tiny", 405, "not done like that"),
        ("GET", "/c/mars2", 404, "no competition &#39;mars2&#39;"),
        ("GET", "/c/tiny/entry/99", 404, "no entry 99"),
        ("GET", "/c/tiny/team/nobody", 404, "No team"),
        ("GET", "/c/tiny?sort=colour", 400, "cannot be sorted by"),
        ("GET", "/c/tiny?page=x", 404, "no page"),
        ("GET", "/c/tiny?data=ffff", 404, "No such data"),
        ("GET", "/c/tiny/entry/99999999999999999999999", 404, ""),
        ("GET", "/c/tiny/team/%00", 404, ""),
        ("GET", "/c/..%2f..%2fetc", 404, ""),
        ("GET", "/static/../app.py", 404, ""),
        ("GET", "/static/%2e%2e/app.py", 404, ""),
    ],
)
def test_what_is_not_there_is_said_in_words(local, method, path, status, sentence):
    response = local.request(method, path)
    assert response.status_code == status and sentence in response.text
    assert "Traceback" not in response.text


# -- the door ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "", "[::2]"])
def test_another_host_name_is_refused(local, name):
    assert local.get("/", headers={"host": name}).status_code == 400
    assert local.get("/", headers={"host": "127.0.0.1:8000"}).status_code == 200


FOREIGN = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "nonsense"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost:8000.evil.example"},
]
WRITES = [
    (route.path, method)
    for route in [*app.PAGES, *app.api.router.routes]
    for method in getattr(route, "methods", None) or ()
    if method in ("POST", "PUT")
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(("path", "method"), WRITES)
def test_no_other_site_changes_anything(local, home, path, method, headers):
    address = path.replace("{competition}", "tiny").replace("{team:path}", "red")
    assert len(WRITES) == 7
    assert local.request(method, address, headers=headers, content=entry(home).read_bytes()).status_code == 403


def test_looking_changes_nothing(local, home):
    some_teams(home)
    for path in ("/", *(f"/c/tiny{page}" for page in PAGES), "/api/competitions/tiny/board"):
        local.get(path)  # fills the caches
    before = dump()
    for path in ("/", *(f"/c/tiny{page}" for page in PAGES), "/api/competitions/tiny/board", FILES, "/logout"):
        local.get(path)
        local.head(path)
    assert dump() == before


def dump():
    with reading(open_database()) as connection:
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
        return {name: connection.exec_driver_sql(f"SELECT * FROM {name}").all() for name in names}


def test_in_team_mode_everything_but_the_login_needs_a_token(team):
    for path in ("/", "/c/tiny", "/c/tiny/rules"):
        response = team.get(path)
        assert response.status_code == 303 and response.headers["location"].startswith("/login?next=")
    for path in ("/api/me", "/api/competitions/tiny/board", FILES, "/api/competitions/tiny/data"):
        assert team.get(path).status_code == 401
        assert team.get(path, headers={"authorization": "Bearer lb_wrong"}).status_code == 401
        assert team.get(path, headers=team.tokens["red"]).status_code == 200
    assert team.post(FILES, content=b"id").status_code == 401
    assert team.get("/login").status_code == 200


def test_a_browser_logs_in_with_a_token_and_out_again(team):
    token = team.tokens["red"]["authorization"].split()[1]
    assert team.post("/login", data={"token": "lb_wrong"}).status_code == 401
    response = team.post("/login?next=/c/tiny", data={"token": token}, headers=OURS)
    assert response.status_code == 303 and response.headers["location"] == "/c/tiny"
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and token not in cookie
    assert team.get("/api/me").json() == {"name": "of red", "team": "red", "role": "player"}
    session = {"cookie": f"session={team.cookies['session']}"}
    team.post("/logout", headers=OURS)
    assert team.get("/api/me", headers=session).status_code == 401


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\n/evil"]
)
def test_a_login_leads_to_no_other_site(team, target):
    token = team.tokens["red"]["authorization"].split()[1]
    response = team.post("/login", params={"next": target}, data={"token": token})
    assert response.headers["location"] == "/"


def test_a_player_sees_messages_and_cards_of_its_own_team_only(team, home):
    refused = team.post(FILES, content=b"id,value\nzzz,1\n", headers=team.tokens["red"])
    assert refused.status_code == 422
    file = f"{FILES}/{refused.json()['id']}"
    card = json.dumps({"cv": {"score": 0.7}, "git": "c0ffee"}).encode()
    body = card + entry(home).read_bytes()
    made = team.post(f"{FILES}?card={len(card)}", content=body, headers=team.tokens["red"])
    page = made.json()["page"]
    for who, sees in (("red", True), ("host", True), ("blue", False)):
        assert (team.get(file, headers=team.tokens[who]).status_code == 200) is sees
        assert ("zzz" in team.get("/c/tiny/team/red", headers=team.tokens[who]).text) is sees
        assert ("c0ffee" in team.get(page, headers=team.tokens[who]).text) is sees
    assert team.get(f"{FILES}?team=red", headers=team.tokens["blue"]).status_code == 403
    assert hand_in(team, home, "a", "&team=red", **team.tokens["blue"]).status_code == 403


def test_the_host_s_page_says_what_the_verbs_say_and_is_the_host_s_alone(team, home):
    hand_in(team, home, **team.tokens["red"])
    form = {"kind": "disqualify", "team": "red", "said": "two accounts"}
    assert team.get("/c/tiny/host", headers=team.tokens["red"]).status_code == 403
    assert team.post("/c/tiny/host", data=form, headers=team.tokens["red"]).status_code == 403
    assert team.post("/c/tiny/host", data=form, headers=team.tokens["host"]).status_code == 303
    assert "red is disqualified: two accounts" in team.get("/c/tiny", headers=team.tokens["blue"]).text
    assert team.post("/c/tiny/host", data={"kind": "dance"}, headers=team.tokens["host"]).status_code == 400
    team.post("/c/tiny/host", data={**form, "kind": "reinstate"}, headers=team.tokens["host"])
    team.post("/c/tiny/host", data={"kind": "reveal", "sure": "on"}, headers=team.tokens["host"])
    assert "reinstate" in team.get("/c/tiny/host", headers=team.tokens["host"]).text
    assert "revealed" in team.get("/c/tiny", headers=team.tokens["blue"]).text
    assert hand_in(team, home, "a", **team.tokens["red"]).status_code == 409


# -- handing in --------------------------------------------------------------------------------------------------------


def test_a_file_is_handed_in_scored_and_ranked_in_one_request(local, home):
    response = hand_in(local, home, "a", "&team=red")
    told = response.json()
    assert response.status_code == 201 and (told["accepted"], told["rank"], told["public"]) == (True, 1, 5 / 6)
    assert told["page"] == "/c/tiny/entry/1" and "rank 1 of 1" in told["message"]
    assert local.get(told["page"]).status_code == 200
    assert local.get(response.headers["location"]).json()["state"] == "scored"
    again = hand_in(local, home, "a", "&team=red").json()
    assert again["id"] == told["id"] and again["entries_today"] == 1


def test_without_a_scorer_a_file_is_received_and_waits_and_is_not_lost(home):
    with client_of(scores=False) as client:
        response = hand_in(client, home, "", "&team=red&wait=0")
        assert response.status_code == 202 and response.json()["state"] == "waiting"
        assert "Received and kept" in client.get(response.json()["page"]).text
    with client_of() as client:
        client.app.state.settings.scorer.wake()
        assert client.get(response.headers["location"]).json()["state"] == "scored"
        assert client.get(response.json()["page"]).headers["location"] == "/c/tiny/entry/1"


def test_the_card_goes_before_the_file(local, home):
    card = json.dumps({"cv": {"score": 0.75}}).encode()
    told = local.post(f"{FILES}?team=red&card={len(card)}", content=card + entry(home).read_bytes()).json()
    assert told["accepted"] and local.get("/api/competitions/tiny/board").json()["rows"][0]["cv"] == 0.75
    wrong = local.post(f"{FILES}?team=red&card=5", content=b"{nan}id,value\n")
    assert wrong.status_code == 400 and "no JSON object" in wrong.json()["error"]


def test_the_limit_of_a_day_binds_on_a_team_server_and_says_when_it_renews(team, home):
    codes = [hand_in(team, home, letter, **team.tokens["red"]).status_code for letter in "abcdef"]
    assert codes == [201] * 5 + [429]
    assert "the next one is free at" in hand_in(team, home, "f", **team.tokens["red"]).json()["error"]
    assert hand_in(team, home, "f", **team.tokens["blue"]).status_code == 201
    assert team.get("/api/competitions/tiny", headers=team.tokens["red"]).json()["quota"]["left"] == 0


def test_in_local_mode_the_limit_is_counted_and_not_enforced(local, home):
    codes = [hand_in(local, home, letter, "&team=red").status_code for letter in "abcdef"]
    assert codes == [201] * 6


def test_a_host_without_a_team_hands_nothing_in(team, home):
    assert hand_in(team, home, **team.tokens["host"]).status_code == 403


def test_finals_are_chosen_on_the_page_by_the_team_alone(team, home):
    made = [hand_in(team, home, letter, **team.tokens["red"]).json()["sha256"] for letter in "ab"]
    assert (
        team.post("/c/tiny/team/red/finals", data={"final": made[:1]}, headers=team.tokens["blue"]).status_code == 403
    )
    assert team.post("/c/tiny/team/red/finals", data={"final": made[:1]}, headers=team.tokens["red"]).status_code == 303
    assert team.get("/c/tiny/team/red", headers=team.tokens["red"]).text.count(" checked") == 1
    chosen = team.put(f"/api/competitions/tiny/finals?entry={made[1]}", headers=team.tokens["red"]).json()
    assert chosen["finals"] == [made[1][:12]]


def test_the_public_data_are_listed_with_hashes_and_nothing_private_comes_out(team, home):
    folder = home / "data" / "tiny" / "aaaa1111" / "public" / "train"
    folder.mkdir(parents=True)
    (folder / "inputs.npy").write_bytes(b"0123456789")
    (folder.parent / "leak").symlink_to(home / "data" / "tiny" / "aaaa1111" / "private" / "answers.npz")
    base, red = "/api/competitions/tiny/data", team.tokens["red"]
    assert [(file["path"], file["size"]) for file in team.get(base, headers=red).json()["files"]] == [
        ("train/inputs.npy", 10)
    ]
    part = team.get(f"{base}/train/inputs.npy", headers={**red, "range": "bytes=4-"})
    assert (part.status_code, part.content) == (206, b"456789")
    for path in ("leak", "../private/answers.npz", "%2e%2e/private/answers.npz", "/etc/passwd", "train"):
        assert team.get(f"{base}/{path}", headers=red).status_code == 404


# -- nothing private before the reveal ---------------------------------------------------------------------------------


def test_after_the_reveal_the_private_score_ranks_and_the_shake_up_is_shown(local, home):
    judge("tiny", entry(home, wrong="ghij"), "lucky")
    judge("tiny", entry(home, wrong="abcdef"), "solid")
    assert "Private" not in local.get("/c/tiny").text
    reveal_board(open_database(), prepared("tiny"))
    text = local.get("/c/tiny").text
    assert text.index(">solid<") < text.index(">lucky<") and "▲" in text and "revealed" in text


# -- API ---------------------------------------------------------------------------------------------------------------


def test_the_open_api_page_names_every_route_and_method_of_the_api():
    there = {
        (re.sub(r":\w+}", "}", route.path), method.lower())
        for route in [*app.PAGES, *app.api.router.routes]
        for method in getattr(route, "methods", None) or ()
        if route.path.startswith("/api/") and method != "HEAD" and route.path != "/api/openapi.json"
    }
    told = {(path, method) for path, methods in app.build(settings_for()).openapi()["paths"].items() for method in methods}
    assert told == there


def test_every_error_of_the_api_is_one_json_sentence(local):
    for path in ("/api/nowhere", "/api/competitions/none/board", f"{FILES}/99"):
        assert set(local.get(path).json()) == {"error"}
    assert local.delete(FILES).status_code == 405 and "error" in local.delete(FILES).json()


def test_an_exported_team_name_is_no_formula(local, home):
    for name in ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "plain"):
        judge("tiny", entry(home), name)
    lines = local.get("/api/competitions/tiny/board.csv").text.splitlines()
    assert [line.split(",")[2] for line in lines[1:]] == ["'=cmd|' /C calc'!A0", "'+1", "'-1", "'@SUM(1)", "plain"]
    assert float(lines[1].split(",")[3]) == 1.0


def test_a_bug_is_a_page_without_its_reason(home, monkeypatch):
    def broken(*_):
        raise RuntimeError("the answer is 987654")

    engine = open_database()
    application = app.build(Settings(engine, False, LOOPBACK, Member("ada", None, "host")))
    monkeypatch.setattr(app.pages, "view_of", broken)
    with TestClient(application, base_url="http://localhost", raise_server_exceptions=False) as client:
        response = client.get("/c/tiny")
    assert response.status_code == 500 and "987654" not in response.text and "nosniff" in str(response.headers)


SERVED = """
import sys
from starlette.testclient import TestClient
from leaderboard.database import open_database
from leaderboard.web import app
from leaderboard.web.app import LOOPBACK
from leaderboard.web.hosted import Settings
from leaderboard.teams import Member
import leaderboard.scorer
settings = Settings(open_database(), False, LOOPBACK, Member("ada", None, "host"))
with TestClient(app.build(settings), base_url="http://localhost") as client:
    assert client.get("/").status_code == client.get("/c/tiny").status_code == 200
print(*sys.modules)
"""


def test_serving_and_scoring_import_nothing_heavy(home):
    process = tiny_board.python(home, "-c", SERVED)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert not {"torch", "pandas", "sklearn", "matplotlib", "scipy", "optuna"} & set(out.split())


def test_without_team_mode_the_server_listens_to_this_machine_only():
    from harness.errors import UserError

    with pytest.raises(UserError, match="would let everybody in"):
        app.serve(8000, "0.0.0.0", False, [])


def test_a_port_that_is_taken_is_one_sentence(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, err = tiny_board.run(home, "serve", "--port", taken.getsockname()[1])
    assert code == 2 and "cannot be listened at" in err and err.count("\n") == 1


def test_a_real_server_starts_scores_and_replaces_a_killed_scorer(home):
    port = free_port()
    process = tiny_board.python(home, "-m", "leaderboard", "serve", "--port", port)
    try:
        base = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                assert urllib.request.urlopen(f"{base}/healthz").read() == b"ok\n"
                break
            except OSError:
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.1)
        for wrong in ("a", "b"):
            asked = urllib.request.Request(
                f"{base}{FILES}?team=red&wait=60", entry(home, wrong).read_bytes(), method="POST"
            )
            assert json.load(urllib.request.urlopen(asked))["accepted"]
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert "a new one begins" in err and "Traceback" not in err
    with reading(open_database()) as connection:
        assert connection.execute(select(jobs.c.state)).scalars().all() == ["scored", "scored"]
        assert len(connection.execute(select(submissions)).all()) == 2
