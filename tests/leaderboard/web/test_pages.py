"""What the pages show, and what they show only to a team, or only after the reveal."""

import json
import re
from html import unescape

import pytest

from harness.competition import find
from leaderboard import host
from leaderboard.answers import prepared
from leaderboard.database import open_database
from leaderboard.host import reveal_board
from leaderboard.judge import judge, rescore
from leaderboard.web import pages
from tests.support import tiny_board
from tests.support.board_client import FILES, client_of, some_teams, submit
from tests.support.pages import PageReader
from tests.support.tiny_board import entry

PAGES = ["", "/rules", "/submit", "/host", "/shake-up", "/team/red", "/entry/1"]
PAGES += ["?sort=gap&order=down", "?data=aaaa1111"]


def text_of(response):
    assert response.status_code == 200, response.text
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", response.text)))


def test_every_page_is_well_formed_and_needs_nothing_from_outside(local, home):
    some_teams(home)
    for path in ("/", *(f"/c/tiny{page}" for page in PAGES), "/nowhere", "/login"):
        response = local.get(path)
        assert response.status_code == (404 if path == "/nowhere" else 200), path
        page = PageReader(response.text)
        assert (page.open, page.inline) == ([], []), path
        assert all(address.startswith(("/", "#", "?")) for address in page.loads), path
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"


# -- the board ---------------------------------------------------------------------------------------------------------


def test_the_board_shows_ranks_ties_intervals_cv_and_its_gap(local, home):
    some_teams(home)
    text = text_of(local.get("/c/tiny"))
    assert "1 red 1.000 1.000–1.000 1.000–1.000 1 0.800 −0.200 2 " in text
    assert "= 2 blue 0.833" in text


def test_the_table_is_sorted_by_links_and_rows_without_a_value_stand_last(local, home):
    some_teams(home)
    (home / "entry.json").unlink()
    judge("tiny", entry(home, "abcde"), "zoe")  # without a manifest

    def order(query):
        return re.findall(r'<td class="who"><a href="[^"]*">(\w+)</a>', local.get(f"/c/tiny?{query}").text)

    assert order("") == ["red", "blue", "green", "zoe"]
    assert order("sort=team&order=up") == ["blue", "green", "red", "zoe"]
    assert order("sort=score&order=up") == ["zoe", "green", "blue", "red"]
    assert order("sort=cv&order=up")[-1] == order("sort=cv&order=down")[-1] == "zoe"


def test_a_board_of_many_teams_comes_in_pages_and_none_is_lost_between_them(home, monkeypatch):
    monkeypatch.setattr(pages, "PAGE_ROWS", 3)
    for k in range(7):
        judge("tiny", entry(home, tiny_board.IDS[k % 6], by=k + 1), f"team {k}")
    with client_of() as client:
        found = [client.get(f"/c/tiny?page={k}&sort=team").text for k in (1, 2, 3)]
        assert client.get("/c/tiny?page=4").status_code == 404
    teams = [re.findall(r'class="who"><a [^>]*>([^<]*)<', text) for text in found]
    assert teams == [["team 0", "team 1", "team 2"], ["team 3", "team 4", "team 5"], ["team 6"]]


def test_badges_mark_duplicates_and_the_host_s_own_teams(local, home):
    for team, by in (("first", 100.0), ("other", 7.0), ("twin", 100.0)):
        judge("tiny", entry(home, "ab", by=by), team)
    for mark in ("baseline", "reference"):
        host.act(open_database(), prepared("tiny"), mark, "", "eva", "other")
    rows = re.findall(r"<tr>.*?</tr>", local.get("/c/tiny").text, re.DOTALL)
    badges = {re.search(r"team/(\w+)", row)[1]: re.findall(r'badge (\w+)"', row) for row in rows if "/team/" in row}
    assert badges == {"first": [], "twin": ["duplicate"], "other": ["baseline", "reference"]}


def test_what_people_write_is_shown_and_never_run(local, home):
    payload = "<script>alert(1)</script>\"'"
    manifest = {"cv": {"score": 0.5}, "git": "<img src=x onerror=alert(1)>", "a<b": payload}
    judge("tiny", entry(home, manifest=manifest), payload)
    host.act(open_database(), prepared("tiny"), "announce", "<b>news</b>", "eva")
    link = re.search(r'<td class="who"><a href="([^"]+)"', local.get("/c/tiny").text)[1]
    for path in ("/", "/c/tiny", link, "/c/tiny/entry/1", "/c/tiny/rules", "/c/tiny/host"):
        response = local.get(path)
        assert response.status_code == 200
        assert "<script>alert" not in response.text and "<img" not in response.text and "<b>news" not in response.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in local.get("/c/tiny").text


def test_a_manifest_of_nonsense_is_shown_as_far_as_it_makes_sense(local, home):
    nonsense = {"cv": {"score": "best"}, "models": {"a": {"score": "high", "low": []}, "b": 3, "c": {"score": 0.5}}}
    nonsense |= {"recipe": {"weights": {"a": None, "c": 0.25}}, "git": {"x": [1]}}
    judge("tiny", entry(home, manifest=nonsense), "red")
    assert "c 0.500 0.250" in text_of(local.get("/c/tiny/entry/1"))
    assert "red 1.000" in text_of(local.get("/c/tiny"))


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/nowhere", 404, "There is nothing here."),
        ("POST", "/c/tiny", 405, ""),
        ("GET", "/c/tiny/team/nobody", 404, "nobody"),
        ("GET", "/c/tiny?sort=colour", 400, "colour"),
        ("GET", "/c/tiny?page=x", 404, "1 to 1"),
        ("GET", "/c/tiny?data=ffff", 404, "tiny"),
        ("GET", "/c/tiny/entry/99999999999999999999999", 404, ""),
        ("GET", "/c/tiny/file/99999999999999999999999", 404, ""),
        ("GET", "/c/tiny/team/%00", 404, ""),
        ("GET", "/c/..%2f..%2fetc", 404, ""),
        ("GET", "/static/%2e%2e/app.py", 404, ""),
    ],
)
def test_what_is_not_there_is_answered_by_a_page(local, method, path, status, sentence):
    response = local.request(method, path)
    assert response.status_code == status and sentence in response.text
    assert "Traceback" not in response.text


# -- rules, submit, file -----------------------------------------------------------------------------------------------


def test_the_rules_say_how_a_file_looks_and_what_is_left_of_the_day(local, home):
    judge("tiny", entry(home), "ada")
    text = local.get("/c/tiny/rules").text
    assert "id,value" in text and "10 ids" in text and "<b>4</b> of 5 entries left today" in text
    sample = local.get("/c/tiny/sample_submission.csv")
    assert sample.text.startswith("id,value\na,0\n") and "attachment" in sample.headers["content-disposition"]


def test_a_file_that_waits_has_a_page_until_it_is_an_entry(home):
    with client_of(scores=False) as client:
        answer = submit(client, home, "", "&team=red&wait=0")
        assert answer.status_code == 202 and answer.json()["state"] == "waiting"
        assert "Received and kept" in client.get(answer.json()["page"]).text
    with client_of() as client:
        client.app.state.settings.scorer.wake()
        assert client.get(answer.headers["location"]).json()["state"] == "scored"
        assert client.get(answer.json()["page"]).headers["location"] == "/c/tiny/entry/1"


def test_a_corrected_metric_is_shown_on_the_board_with_the_ranks_it_moved(home, monkeypatch):
    judge("tiny", entry(home, "ab"), "red")
    judge("tiny", entry(home, "cde"), "blue")
    metric = type(find("tiny").metric)
    monkeypatch.setattr(metric, "version", 2)
    monkeypatch.setattr(metric, "statistics", lambda self, truth, predicted: (truth != predicted).astype(float))
    rescore("tiny", reason="hits were misses")
    with client_of() as client:
        assert "version 2 of share of hits: hits were misses" in text_of(client.get("/c/tiny"))
        assert "blue 1 2 0.500 0.500 red 2 1" in text_of(client.get("/c/tiny/rules"))


# -- teams and the host ------------------------------------------------------------------------------------------------


def test_messages_and_manifests_are_for_the_team_itself_and_the_host(team, home):
    refused = team.post(FILES, content=b"id,value\nzzz,1\n", headers=team.tokens["red"])
    assert refused.status_code == 422
    file = f"{FILES}/{refused.json()['id']}"
    manifest = json.dumps({"cv": {"score": 0.7}, "git": "c0ffee"}).encode()
    made = team.post(
        f"{FILES}?manifest={len(manifest)}", content=manifest + entry(home).read_bytes(), headers=team.tokens["red"]
    )
    for who, sees in (("red", True), ("host", True), ("blue", False)):
        headers = team.tokens[who]
        assert (team.get(file, headers=headers).status_code == 200) is sees
        assert (team.get(refused.json()["page"], headers=headers).status_code == 200) is sees
        assert ("zzz" in team.get("/c/tiny/team/red", headers=headers).text) is sees
        assert ("c0ffee" in team.get(made.json()["page"], headers=headers).text) is sees
    assert team.get(f"{FILES}?team=red", headers=team.tokens["blue"]).status_code == 403
    assert submit(team, home, "a", "&team=red", **team.tokens["blue"]).status_code == 403


def test_finals_are_chosen_on_the_page_by_the_team_alone(team, home):
    made = [submit(team, home, letter, **team.tokens["red"]).json()["sha256"] for letter in "ab"]
    address, form = "/c/tiny/team/red/finals", {"final": made[:1]}
    assert team.post(address, data=form, headers=team.tokens["blue"]).status_code == 403
    assert team.post(address, data=form, headers=team.tokens["red"]).status_code == 303
    assert team.get("/c/tiny/team/red", headers=team.tokens["red"]).text.count(" checked") == 1


def test_the_host_s_page_disqualifies_reinstates_and_reveals_and_is_the_host_s_alone(team, home):
    submit(team, home, **team.tokens["red"])
    form = {"kind": "disqualify", "team": "red", "text": "two accounts"}
    assert team.get("/c/tiny/host", headers=team.tokens["red"]).status_code == 403
    assert team.post("/c/tiny/host", data=form, headers=team.tokens["red"]).status_code == 403
    assert team.post("/c/tiny/host", data=form, headers=team.tokens["host"]).status_code == 303
    assert "red is disqualified: two accounts" in team.get("/c/tiny", headers=team.tokens["blue"]).text
    assert team.post("/c/tiny/host", data={"kind": "dance"}, headers=team.tokens["host"]).status_code == 400
    team.post("/c/tiny/host", data={**form, "kind": "reinstate"}, headers=team.tokens["host"])
    team.post("/c/tiny/host", data={"kind": "reveal", "sure": "on"}, headers=team.tokens["host"])
    assert "reinstate" in team.get("/c/tiny/host", headers=team.tokens["host"]).text
    assert "revealed" in team.get("/c/tiny", headers=team.tokens["blue"]).text
    assert submit(team, home, "a", **team.tokens["red"]).status_code == 409


# -- before and after the reveal ---------------------------------------------------------------------------------------


def test_the_private_score_ranks_and_the_shake_up_is_shown_after_the_reveal_alone(local, home):
    for team, wrong in (("lucky", "ghij"), ("middle", "ab"), ("solid", "abcdef")):
        judge("tiny", entry(home, wrong), team)
    assert "Private" not in local.get("/c/tiny").text and "lucky" not in local.get("/c/tiny/shake-up").text
    reveal_board(open_database(), prepared("tiny"))
    board = local.get("/c/tiny").text
    assert board.index(">solid<") < board.index(">lucky<") and "▲" in board and "revealed" in board
    text = text_of(local.get("/c/tiny/shake-up"))
    assert "1 3 ▼ 2 lucky 1.000 0.000 2 1 ▲ 1 middle 0.667 1.000 3 2 ▲ 1 solid 0.000 1.000" in text
    assert "1.3 ranks on average" in text


def test_a_protected_board_shows_no_exact_score_anywhere(home):
    file = home / "competitions" / "tiny" / "competition.py"
    text = file.read_text().replace("Rules(", "Rules(feedback=Rounded(0.5), ")
    file.write_text(f"from harness.competition import Rounded\n{text}")
    for team, wrong in (("red", "a"), ("blue", "b"), ("green", "cd")):
        judge("tiny", entry(home, wrong), team)
    with client_of() as client:
        assert "rounded to 0.5" in text_of(client.get("/c/tiny"))
        for path in ("", "/shake-up", "/team/red", "/entry/1"):
            assert "0.833" not in text_of(client.get(f"/c/tiny{path}"))
