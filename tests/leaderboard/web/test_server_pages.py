"""What the pages add to a ranking: closeness, classes, pages of a hundred, what is hidden, what a new metric moved."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import re

import numpy as np
from leaderboard.cards import is_card
from leaderboard.rescore import rescore
from sqlalchemy import event
from tests.leaderboard.test_leaderboard import home  # noqa: F401

from harness.competition import find
from leaderboard import host
from leaderboard.answers import prepared
from leaderboard.board import read
from leaderboard.database import open_database
from leaderboard.judge import judge
from leaderboard.web import accounts, boards, pages
from tests.leaderboard.web.test_server import client_of
from tests.support import tiny_board
from tests.support.tiny_board import entry


def words(response):
    assert response.status_code == 200, response.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text))


def badges_of(home):
    view = boards.view(open_database(), boards.find_place("tiny"))
    return {shown.row.team: [name for name, _ in shown.badges] for shown in view.shown(view.board.rows)}


def test_entries_that_err_on_the_same_rows_are_marked_and_the_first_is_not(home):
    judge("tiny", entry(home, "ab"), "first")
    judge("tiny", entry(home, "ab", by=7), "copier")
    judge("tiny", entry(home, "ab"), "twin")
    judge("tiny", entry(home, "cd"), "other")
    for mark in ("baseline", "reference", "no-reference", "reference"):
        host.say(open_database(), prepared("tiny"), mark, "", "eva", "other")
    found = badges_of(home)
    assert found == {"first": [], "copier": ["close"], "twin": ["duplicate"], "other": ["baseline", "reference"]}


def test_a_reader_reads_an_entry_once_however_often_the_board_changes(home):
    engine, read_rows = open_database(), []

    @event.listens_for(engine, "after_cursor_execute")
    def heard(_connection, cursor, statement, *_):
        if "FROM submissions JOIN shown" in statement:
            read_rows.append(statement)

    for wrong in ("a", "b", "c"):
        judge("tiny", entry(home, wrong), "red")
        board = read(engine, find("tiny"), prepared("tiny"))
    assert [row.entries for row in board.rows] == [3] and len(board.book.entries) == 3
    whole, *new = read_rows
    assert "ledger.seq >" not in whole and all("ledger.seq >" in statement for statement in new) and len(new) == 2
    read(engine, find("tiny"), prepared("tiny"))
    assert len(read_rows) == 3


def test_a_board_of_many_teams_comes_in_pages_and_none_is_lost_between_them(home, monkeypatch):
    monkeypatch.setattr(pages, "ROWS", 5)
    for k in range(12):
        judge("tiny", entry(home, tiny_board.IDS[k % 6], by=k + 1), f"team {k:02}")
    with client_of() as client:
        found = [client.get(f"/c/tiny?page={k}&sort=team").text for k in (1, 2, 3)]
        assert client.get("/c/tiny?page=4").status_code == 404
    teams = [re.findall(r'class="who"><a [^>]*>([^<]*)<', text) for text in found]
    assert [len(some) for some in teams] == [5, 5, 2]
    assert [team for some in teams for team in some] == [f"team {k:02}" for k in range(12)]


def test_a_matrix_counts_what_is_taken_for_what_and_shades_by_the_share_of_the_row():
    found = accounts.matrix(("cat", "dog", "fox"), np.array([[9, 1, 0], [0, 0, 0], [2, 0, 2]]), "")
    assert found.names == ["cat", "dog", "fox"] and [name for name, _ in found.rows] == ["cat", "fox"]
    cat, fox = (cells for _, cells in found.rows)
    assert [cell.text for cell in cat] == ["9", "1", ""] and [cell.right for cell in cat] == [True, False, False]
    assert fox[0].told == "fox taken for cat: 2, 50.0%" and fox[0].shade == fox[2].shade > cat[1].shade > cat[2].shade


def test_a_protected_board_tells_nothing_beyond_what_it_shows(home):
    file = home / "competitions" / "tiny" / "competition.py"
    text = file.read_text().replace("Rules(", "Rules(feedback=Rounded(0.5), ")
    file.write_text(f"from harness.rules import Rounded\n{text}")
    for team, wrong in (("red", "a"), ("blue", "b"), ("green", "cd")):
        judge("tiny", entry(home, wrong), team)
        judge("tiny", entry(home, wrong, by=3), team)
    with client_of() as client:
        board, shake_up = words(client.get("/c/tiny")), words(client.get("/c/tiny/shake-up"))
        team, first = words(client.get("/c/tiny/team/red")), words(client.get("/c/tiny/entry/1"))
        assert "close" not in board and "rounded to 0.5" in board and "0.833" not in board
        assert "stays first" not in shake_up and "protected" in shake_up
        assert "Advice" not in team and "0.833" not in team
        assert "0.833" not in first and "no classes and no confusion" in first


def test_a_corrected_metric_is_told_on_the_board_with_what_it_moved(home, monkeypatch):
    judge("tiny", entry(home, "ab"), "red")
    judge("tiny", entry(home, "cde"), "blue")
    metric = type(find("tiny").metric)
    monkeypatch.setattr(metric, "version", 2)
    monkeypatch.setattr(metric, "statistics", lambda self, truth, said: (truth != said).astype(float))
    rescore("tiny", reason="hits were misses")
    with client_of() as client:
        assert "version 2 of share of hits: hits were misses" in words(client.get("/c/tiny"))
        assert "blue 1 2 0.500 0.500 red 2 1" in words(client.get("/c/tiny/rules"))


def test_a_number_beyond_all_floats_is_no_part_of_a_card_and_breaks_no_board(home):
    assert not is_card({"cv": {"score": 10**400}}) and is_card({"cv": {"score": 10**300}})
    judge("tiny", entry(home, card={"cv": {"score": 10**300}}), "red")
    assert [row.cv for row in read(open_database(), find("tiny"), prepared("tiny")).rows] == [1e300]


def test_a_card_of_nonsense_is_shown_as_far_as_it_makes_sense(home):
    nonsense = {"cv": {"score": "best"}, "models": {"a": {"score": "high", "low": []}, "b": 3, "c": {"score": 0.5}}}
    nonsense |= {"recipe": {"weights": {"a": None, "c": 0.25}}, "bundles": {"c": "runs/tiny/c-1234"}, "git": {"x": [1]}}
    judge("tiny", entry(home, card=nonsense), "red")
    with client_of() as client:
        assert "c c-1234 0.500 0.250" in words(client.get("/c/tiny/entry/1"))
        assert "red 1.000" in words(client.get("/c/tiny"))
