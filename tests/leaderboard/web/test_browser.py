"""A file submitted on the page of a real browser, and axe-core on the board: the rest is in tests/slow."""

from leaderboard.judge import judge
from tests.support import axe
from tests.support.tiny_board import entry


def test_a_file_is_submitted_on_the_page_and_its_entry_is_shown(page, home):
    judge("tiny", entry(home, "ab", manifest={"cv": {"score": 0.8}}), "blue")
    page.open("/c/tiny/submit")
    page.choose_file("input[type=file]", str(entry(home, "a", name="mine")))
    page.run("document.querySelector('input[name=team]').value = 'red'")
    page.run("document.querySelector('#upload button').click()")
    page.wait("location.pathname === '/c/tiny/entry/2' && document.readyState === 'complete'")
    text = page.run("document.body.innerText")
    assert "0.833" in text and "mine.csv" in text
    page.open("/c/tiny")
    assert page.problems == []
    if axe.SCRIPT.exists():
        assert axe.violations(page) == []
