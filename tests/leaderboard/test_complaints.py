"""What users of other leaderboards complain of, one test a complaint; each fails on the logic that they complain of.

Where a longer test of the same promise stands elsewhere, it is named in the docstring.
"""
# ruff: noqa: F811 (pytest finds the fixtures by their names)

import os
import re
import signal
import sqlite3

import numpy as np
import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from harness.competition import find
from harness.errors import UserError
from leaderboard import host, queue, scorer, teams
from leaderboard.answers import prepared
from leaderboard.database import open_database, reading, writing
from leaderboard.finals import reveal_board
from leaderboard.judge import judge
from leaderboard.rescore import rescore
from leaderboard.scoring import pack
from leaderboard.tables import scores
from tests.leaderboard.test_leaderboard import home, shown  # noqa: F401
from tests.leaderboard.web import test_server_database
from tests.support import tiny_board
from tests.support.board_model import File
from tests.support.frozen import Clock, forget, hold
from tests.support.served import FILES, client_of
from tests.support.served import submit as hand_in
from tests.support.tiny_board import entry

API = "/api/competitions/tiny"


@pytest.fixture(autouse=True)
def a_new_process():
    forget()
    yield
    forget()


@pytest.fixture
def clock(home, monkeypatch):
    return hold(monkeypatch, Clock())


def rows(client, name="tiny", **how):
    return client.get(f"/api/competitions/{name}/board", **how).json()["rows"]


def ranking(client, name="tiny"):
    return [(row["team"], row["score"]) for row in rows(client, name)]


def test_01_a_file_whose_scorer_vanished_is_scored_by_the_next_one_and_never_stuck(home, monkeypatch):
    """Elsewhere: test_server_kills; here the lease alone, which no process needs to end."""
    engine = open_database()
    with client_of(scores=False) as client:
        told = hand_in(client, home, "", "&team=red&wait=0")
        with monkeypatch.context() as patched:
            patched.setattr(queue, "LEASE_SECONDS", 0.0)
            assert queue.claim(engine, "vanishes")
        assert client.get(told.headers["location"]).json()["state"] == "scoring"
        scorer.work(engine, "next", queue.claim(engine, "next"))
        assert client.get(told.headers["location"]).json()["state"] == "scored"


@pytest.mark.parametrize("name", ["tiny", "darts"])
def test_02_a_file_that_failed_has_no_rank_whichever_scores_win(local, home, name):
    files = f"/api/competitions/{name}/submissions"
    local.post(f"{files}?team=red", content=entry(home, "abc").read_bytes())
    before = ranking(local, name)
    nan = entry(home).read_bytes().replace(b",9.0", b",nan")  # a distance to it is none; a hit it is not
    for content in [b"id,value\na,1\n", File(frozenset(), broken=True).content, nan][: 2 + (name == "darts")]:
        assert local.post(f"{files}?team=failed", content=content).status_code == 422
    assert [who for who, _ in ranking(local, name)] == ["red"] and ranking(local, name) == before
    row = {"submission": 1, "metric": "m", "version": 1, "part": "public", "low": 0.0, "high": 1.0}
    for value in (None, float("nan"), float("inf")):
        with pytest.raises(IntegrityError), writing(open_database()) as connection:
            connection.execute(insert(scores).values(value=value, **row))


def test_03_a_bad_or_taken_back_entry_takes_no_team_off_the_board(local, home):
    hand_in(local, home, "a", "&team=red")
    before = ranking(local)
    assert hand_in(local, home, "abcdef", "&team=red").status_code == 201
    assert local.post(f"{FILES}?team=red", content=b"id,value\n").status_code == 422
    for address in (FILES, f"{FILES}/1", "/c/tiny/entry/1", "/c/tiny/team/red"):
        assert local.delete(address).status_code == 405
    assert ranking(local) == before
    for kind in ("disqualify", "reinstate"):
        host.say(open_database(), prepared("tiny"), kind, "a mistake", "eva", "red")
    assert ranking(local) == before


@pytest.mark.parametrize(("name", "sign"), [("tiny", -1), ("darts", 1)])
def test_04_ranks_follow_the_scores_that_are_shown(local, home, name, sign):
    for k, wrong in enumerate(("abgh", "", "ag", "abci")):
        local.post(f"/api/competitions/{name}/submissions?team=t{k}", content=File(frozenset(wrong)).content)
    for part in ("score", "private"):
        cells = re.findall(r"<tr.*?</tr>", local.get(f"/c/{name}").text, re.DOTALL)
        table = rows(local, name)
        values = [sign * row[part] for row in table]
        assert values == sorted(values) and len(set(values)) > 2
        assert [row["rank"] for row in table] == list(range(1, 5))
        page = [next(team for team in re.findall(r">(t\d+)<", cell)) for cell in cells if re.search(r">t\d+<", cell)]
        assert page[:4] == [row["team"] for row in table]
        reveal_board(open_database(), prepared(name))


def test_05_the_best_file_stands_on_the_board_at_once_and_not_the_latest(local, home):
    for wrong in ("abcd", "a", "abc"):
        told = hand_in(local, home, wrong, "&team=red").json()
    assert ranking(local) == [("red", 5 / 6)] and told["rank"] == 1
    assert rows(local)[0]["entries"] == 3 and "stays with its entry" in told["message"]


def test_06_of_equal_scores_the_one_that_came_first_is_ahead_whatever_the_clock_says(home, clock):
    with client_of() as client:
        for team, wrong in (("zoe", "a"), ("ada", "b"), ("mia", "c")):
            hand_in(client, home, wrong, f"&team={team}")
            clock.tick(hours=-1)  # somebody sets it back
        assert [who for who, _ in ranking(client)] == ["zoe", "ada", "mia"]


def test_07_the_day_ends_at_midnight_utc_and_everybody_is_told_so(team, home, clock):
    red = team.tokens["red"]
    assert [hand_in(team, home, letter, **red).status_code for letter in "abcdef"] == [201] * 5 + [429]
    told = hand_in(team, home, "f", **red).json()["error"]
    quota = team.get(API, headers=red).json()["quota"]
    assert "the next one is free at 2026-01-02 00:00 UTC" in told
    assert (quota["left"], quota["renews_at"]) == (0, "2026-01-02T00:00:00Z")
    clock.midnight()
    clock.tick(microseconds=-1)
    assert hand_in(team, home, "f", **red).status_code == 429
    clock.tick(microseconds=1)
    assert hand_in(team, home, "f", **red).status_code == 201
    assert team.get(API, headers=red).json()["quota"]["left"] == 4


def test_08_a_failure_of_ours_gives_the_quota_back_and_one_of_theirs_takes_no_place_but_their_own(home, monkeypatch):
    engine = open_database()
    teams.create_team(engine, "red")
    red = {"authorization": f"Bearer {teams.issue_token(engine, 'ada', 'red')}"}
    with client_of(team_mode=True, scores=False, **red) as client:
        codes = [client.post(f"{FILES}?wait=0", content=b"id,value\n%d,1\n" % k).status_code for k in range(6)]
        assert codes == [202] * 5 + [429]  # while they wait, they count
        monkeypatch.setattr(scorer, "score_file", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        while job := queue.claim(engine, "dies"):
            scorer.work(engine, "dies", job)
        told = client.get(FILES).json()["submissions"]
        assert {one["state"] for one in told} == {"failed"} and "it cost no quota" in told[0]["message"]
        assert client.get(API).json()["quota"]["used"] == 0


def test_09_the_quota_is_not_got_round_by_deleting_by_another_team_or_by_the_same_file(team, home):
    red, blue = team.tokens["red"], team.tokens["blue"]
    made = [hand_in(team, home, letter, **red) for letter in "aaabcde"]
    assert [one.status_code for one in made] == [201] * 7
    assert team.get(API, headers=red).json()["quota"]["used"] == 5
    assert team.delete(made[0].headers["location"], headers=red).status_code == 405
    assert hand_in(team, home, "f", **red).status_code == 429
    assert hand_in(team, home, "f", "&team=blue", **red).status_code == 403
    with pytest.raises(UserError, match="cannot be told from the team red"):
        teams.create_team(open_database(), "Red")
    hand_in(team, home, "a", **blue)
    assert [row["same_file_as"] for row in rows(team, headers=blue)] == [None, "red"]


def test_10_a_new_scorer_or_new_answers_never_stand_beside_the_old_ones_on_one_board(local, home, monkeypatch):
    for who, wrong in (("red", ""), ("blue", "a")):
        hand_in(local, home, wrong, f"&team={who}")
    old, metric = ranking(local), type(find("tiny").metric)
    monkeypatch.setattr(metric, "version", 2)
    monkeypatch.setattr(metric, "statistics", lambda self, truth, predicted: (truth != predicted).astype(float))
    assert hand_in(local, home, "b", "&team=green").status_code == 409 and ranking(local) == old
    rescore("tiny", reason="hits were misses")
    assert ranking(local) == [("blue", 1 / 6), ("red", 0.0)]
    assert hand_in(local, home, "b", "&team=green").json()["public"] == 1 / 6
    tiny_board.prepare(home, "tiny", "bbbb2222", answers=np.zeros(10))
    assert rows(local) == [] and len(local.get(f"{API}/board?data=aaaa1111").json()["rows"]) == 3


def test_11_a_refusal_names_file_row_column_and_what_would_be_right(local):
    content = b"id,value\na,0\nb,1\nzebra,2\n"
    told = local.post(f"{FILES}?team=red&name=night.csv", content=content).json()["error"]
    assert "night.csv, line 4" in told and "'zebra'" in told
    told = local.post(f"{FILES}?team=red", content=content.replace(b"zebra", b"c").replace(b"value", b"score")).json()
    assert "'value'" in told["error"] or "value" in told["error"]


def test_12_no_private_score_is_in_a_page_a_plot_an_export_or_an_answer(home):
    """Elsewhere, for every address and role: test_non_interference."""
    tiny_board.prepare(home, "darts", "aaaa1111", answers=np.r_[np.arange(6.0), np.full(4, 7_654_321.0)])
    addresses = [
        "/",
        *(f"/c/darts{page}" for page in ("", "/rules", "/team/red", "/entry/1", "/host", "?sort=private")),
    ]
    addresses += [f"/api/competitions/darts{part}" for part in ("", "/board", "/board.csv", "/submissions?team=red")]
    with client_of() as client:
        client.post("/api/competitions/darts/submissions?team=red", content=entry(home, "b").read_bytes())
        assert not [path for path in addresses if "76543" in (answer := client.get(path)).text + str(answer.headers)]
        reveal_board(open_database(), prepared("darts"))
        assert "76543" in client.get("/c/darts").text


def test_13_what_players_may_fetch_holds_no_answer(local, home):
    """Elsewhere: test_audit finds labels in the shipped files themselves."""
    folder = home / "data" / "tiny" / "aaaa1111"
    (folder / "public" / "answers.npz").symlink_to(folder / "private" / "answers.npz")
    assert [file["path"] for file in local.get(f"{API}/data").json()["files"]] == ["sample_submission.csv"]
    for path in ("answers.npz", "../private/answers.npz", "..%2fprivate%2fanswers.npz", "%2e%2e/private/answers.npz"):
        assert local.get(f"{API}/data/{path}").status_code == 404


def test_14_a_late_entry_is_marked_and_replaces_nothing_and_the_time_shown_is_that_of_arrival(home, clock, monkeypatch):
    with client_of(scores=False) as client:
        told = hand_in(client, home, "abghij", "&team=red&wait=0").json()
        clock.tick(hours=3)
        engine = client.app.state.settings.engine
        scorer.work(engine, "slow", queue.claim(engine, "slow"))
        assert told["received_at"] == rows(client)[0]["submitted_at"] == "2026-01-01T12:00:00.000000Z"
        assert "2026-01-01 12:00" in client.get("/c/tiny/entry/1").text
        reveal_board(engine, prepared("tiny"))
        clock.tick(hours=1)
        judge("tiny", entry(home), "red")
        judge("tiny", entry(home, "a"), "tom")
        assert [(row["team"], row["late"], row["private"]) for row in rows(client)] == [
            ("tom", True, 1),
            ("red", False, 0),
        ]
        assert "Invalid" not in client.get("/c/tiny").text


def test_15_after_an_upgrade_the_old_board_is_served(home):
    """Elsewhere: test_server_database compares the tables."""
    with sqlite3.connect(home / "leaderboard.db") as old:
        old.executescript(test_server_database.OLD)
        rows_of_red = pack(np.array([1.0, 1, 1, 0, 0, 0]))
        old.execute("INSERT INTO statistics VALUES (7, 'share of hits', 1, 'public', ?)", (rows_of_red,))
    old.close()
    with client_of() as client:
        assert client.get("/c/tiny").status_code == client.get("/c/tiny/entry/7").status_code == 200
        assert ranking(client) == [("red", 0.5)]
        assert hand_in(client, home, "", "&team=blue").json()["rank"] == 1
        with reading(client.app.state.settings.engine) as connection:
            assert connection.execute(select(scores.c.submission).distinct()).scalars().all() == [7, 8]
