"""The pages in a real browser: what people write is shown and not run, phone width, no JavaScript, axe-core."""

import pytest

from leaderboard import host
from leaderboard.answers import prepared
from leaderboard.database import open_database
from leaderboard.judge import judge
from tests.support import axe
from tests.support.board_client import some_teams
from tests.support.tiny_board import entry

pytestmark = pytest.mark.soak

PAGES = ["/", "/none"]
PAGES += [f"/c/tiny{path}" for path in ("", "/shake-up", "/rules", "/submit", "/team/red", "/entry/1", "/host")]
PAYLOADS = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<svg onload=alert(1)>", "{{ 7 * 7 }}"]


def test_a_refusal_stands_beside_the_button(page, home):
    file = entry(home, name="broken")
    file.write_text("id,value\nzzz,1\n")
    page.open("/c/tiny/submit")
    page.choose_file("input[type=file]", str(file))
    page.run("document.querySelector('#upload button').click()")
    page.wait("document.querySelector('.verdict').innerText.includes('broken.csv')")
    assert not page.run("document.querySelector('#upload button').disabled")


def test_what_people_write_is_shown_literally_and_opens_nothing(page, home):
    for payload in PAYLOADS:
        judge("tiny", entry(home, manifest={"cv": {"score": 0.5}, "note": payload, payload: 1}), payload)
        host.act(open_database(), prepared("tiny"), "announce", payload, "eva")
        host.act(open_database(), prepared("tiny"), "disqualify", payload, "eva", payload)
        host.act(open_database(), prepared("tiny"), "reinstate", payload, "eva", payload)
    for path in ("/c/tiny/shake-up", "/c/tiny/rules", "/c/tiny/host", "/c/tiny/entry/1", "/c/tiny/entry/2", "/c/tiny"):
        page.open(path)
        assert page.run("document.querySelectorAll('img, svg[onload], script:not([src])').length") == 0
    text = page.run("document.querySelector('table').innerText")
    assert all(payload in text for payload in PAYLOADS)
    click(page, "td.who a")
    assert page.run("document.querySelector('h1').innerText") == PAYLOADS[0]
    assert page.problems == []


def test_without_javascript_everything_is_there_but_the_button(page, home):
    some_teams(home)
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open("/c/tiny?sort=team&order=down")
    assert page.run("document.querySelector('td.who').innerText") == "red"
    page.open("/c/tiny/submit")
    assert "curl --data-binary" in page.run("document.body.innerText")
    assert page.run("document.querySelector('#upload').hidden")


@pytest.fixture
def axe_core():
    try:
        return axe.fetch()
    except RuntimeError as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 375)])
def test_axe_finds_nothing_that_shuts_people_out(page, home, axe_core, scheme, width):
    some_teams(home)
    page.be_wide(width)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    for path in (*PAGES, "/login"):
        page.open(path)
        assert axe.violations(page) == [], path


def test_no_page_is_wider_than_a_phone_and_none_breaks_the_content_policy(page, home):
    judge("tiny", entry(home, "a"), "a team with a name of forty characters..")
    some_teams(home)
    page.be_wide(375)
    for path in PAGES:
        page.open(path)
        assert page.run("document.documentElement.scrollWidth") <= 375, path
    assert page.problems == []


def click(page, selector):
    """Follow what is clicked to the next page."""
    page.run("document.documentElement.dataset.before = 'yes'")
    page.run(f"document.querySelector({selector!r}).click()")
    page.wait("document.readyState === 'complete' && !document.documentElement.dataset.before")


def test_finals_are_chosen_and_the_board_is_closed_and_revealed(page, home):
    some_teams(home)
    page.open("/c/tiny/team/red")
    page.run("document.querySelectorAll('input[name=final]')[0].click()")
    click(page, ".choose button")
    assert page.run("document.querySelectorAll('input[name=final]:checked').length") == 1
    page.open("/c/tiny/host")
    page.run("document.querySelector('select[name=kind]').value = 'close'")
    page.run("document.querySelector('input[name=text]').value = 'thank you'")
    click(page, "form.login button")
    page.run("document.querySelector('input[name=sure]').click()")
    click(page, "form:has(input[name=sure]) button")
    page.open("/c/tiny/submit")
    assert "closed: thank you" in page.run("document.querySelector('main').innerText")
    page.open("/c/tiny")
    assert "Private" in page.run("document.querySelector('thead').innerText")
    assert page.problems == []
