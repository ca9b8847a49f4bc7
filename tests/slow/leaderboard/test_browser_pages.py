"""The pages in a real browser: what people write is shown and not run, phone width, no JavaScript, axe-core."""

import itertools

import pytest

from leaderboard import host
from leaderboard.answers import prepared
from leaderboard.database import open_database
from leaderboard.judge import judge
from tests.support import axe
from tests.support.board_client import served
from tests.support.browser import browsing
from tests.support.tiny_board import entry

pytestmark = pytest.mark.soak

PAGES = [
    "/",
    "/c/tiny",
    "/c/tiny/shake-up",
    "/c/tiny/rules",
    "/c/tiny/submit",
    "/c/tiny/team/red",
    "/c/tiny/entry/1",
    "/c/tiny/host",
    "/none",
]
PAYLOADS = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<svg onload=alert(1)>", "{{ 7 * 7 }}"]


@pytest.fixture
def page(home, tmp_path_factory):
    """A browser, and the address of a local server."""
    with served() as address, browsing(str(tmp_path_factory.mktemp("browser"))) as browser:
        browser.address = address
        yield browser


def some_teams(home):
    for name, wrong in (("red", ""), ("a team with a name of forty characters..", "a"), ("red", "bc"), ("blue", "d")):
        judge("tiny", entry(home, wrong, manifest={"cv": {"score": 0.8}}), name)


def test_a_refusal_stands_beside_the_button(page, home):
    file = entry(home, name="broken")
    file.write_text("id,value\nzzz,1\n")
    page.open(f"{page.address}/c/tiny/submit")
    page.choose_file("input[type=file]", str(file))
    page.run("document.querySelector('#upload button').click()")
    page.wait("document.querySelector('.verdict').innerText.includes('broken')")
    assert "broken.csv" in page.run("document.querySelector('.verdict').innerText")
    assert not page.run("document.querySelector('#upload button').disabled")


def test_what_people_write_is_shown_literally_and_opens_nothing(page, home):
    for payload in PAYLOADS:
        judge("tiny", entry(home, manifest={"cv": {"score": 0.5}, "note": payload, payload: 1}), payload)
    for payload in PAYLOADS:
        host.act(open_database(), prepared("tiny"), "announce", payload, "eva")
        host.act(open_database(), prepared("tiny"), "disqualify", payload, "eva", payload)
        host.act(open_database(), prepared("tiny"), "reinstate", payload, "eva", payload)
    for path in ("/c/tiny", "/c/tiny/shake-up", "/c/tiny/rules", "/c/tiny/host", "/c/tiny/entry/1", "/c/tiny/entry/2"):
        page.open(page.address + path)
        assert page.run("document.querySelectorAll('img, svg[onload], script:not([src])').length") == 0
    page.open(f"{page.address}/c/tiny")
    text = page.run("document.querySelector('table').innerText")
    assert all(payload in text for payload in PAYLOADS)
    page.run("document.querySelector('td.who a').click()")
    page.wait("location.pathname.startsWith('/c/tiny/team/') && document.readyState === 'complete'")
    assert page.run("document.querySelector('h1').innerText") == PAYLOADS[0]
    assert page.problems == []


def test_no_page_is_wider_than_a_phone_and_none_breaks_the_content_policy(page, home):
    some_teams(home)
    for width in (375, 1200):
        page.be_wide(width)
        for path in PAGES:
            page.open(page.address + path)
            assert page.run("document.documentElement.scrollWidth") <= width, path
            assert page.run("document.querySelectorAll('h1').length") == 1, path
    assert page.problems == []


def test_without_javascript_everything_is_there_but_the_button(page, home):
    some_teams(home)
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open(f"{page.address}/c/tiny")
    assert page.run("document.querySelectorAll('tbody tr').length") == 3
    page.open(f"{page.address}/c/tiny?sort=team&order=down")
    assert page.run("document.querySelector('td.who').innerText") == "red"
    page.open(f"{page.address}/c/tiny/submit")
    text = page.run("document.body.innerText")
    assert "curl --data-binary" in text and "does the same" in text
    assert page.run("document.querySelector('#upload').hidden")


NAMELESS = """[...document.querySelectorAll('a, button, input, select')].filter(e => e.type !== 'hidden' && !(
    e.innerText.trim() || e.getAttribute('aria-label') || (e.labels && e.labels.length))).map(e => e.outerHTML)"""


def test_everything_that_can_be_used_has_a_name_and_headings_go_down_by_one(page, home):
    some_teams(home)
    for path in PAGES:
        page.open(page.address + path)
        assert page.run(NAMELESS) == [], path
        levels = page.run("[...document.querySelectorAll('h1, h2, h3')].map(h => +h.tagName[1])")
        assert levels[0] == 1 and all(b - a <= 1 for a, b in itertools.pairwise(levels)), path
        assert page.run("[...document.querySelectorAll('svg')].every(s => s.ariaLabel || s.ariaHidden)"), path


def violations(page, path, scheme, width):
    page.be_wide(width)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.open(page.address + path)
    return axe.violations(page)


@pytest.fixture
def axe_core():
    try:
        return axe.fetch()
    except RuntimeError as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 375)])
def test_axe_finds_nothing_that_shuts_people_out(page, home, axe_core, scheme, width):
    some_teams(home)
    for path in (*PAGES, "/login"):
        assert violations(page, path, scheme, width) == [], path


def click(page, selector):
    """Follow what is clicked to the next page."""
    page.run("document.documentElement.dataset.before = 'yes'")
    page.run(f"document.querySelector({selector!r}).click()")
    page.wait("document.readyState === 'complete' && !document.documentElement.dataset.before")


def text_of(page, path):
    page.open(page.address + path)
    return page.run("document.querySelector('main').innerText")


def test_finals_are_chosen_and_the_board_is_closed_and_revealed(page, home):
    some_teams(home)
    page.open(f"{page.address}/c/tiny/team/red")
    page.run("document.querySelectorAll('input[name=final]')[0].click()")
    click(page, ".choose button")
    assert page.run("document.querySelectorAll('input[name=final]:checked').length") == 1
    page.open(f"{page.address}/c/tiny/host")
    page.run("document.querySelector('select[name=kind]').value = 'close'")
    page.run("document.querySelector('input[name=said]').value = 'thank you'")
    click(page, "form.login button")
    assert "closed: thank you" in text_of(page, "/c/tiny/submit")
    page.open(f"{page.address}/c/tiny/host")
    page.run("document.querySelector('input[name=sure]').click()")
    click(page, "form:has(input[name=sure]) button")
    assert "revealed" in text_of(page, "/c/tiny") and page.run("document.querySelector('th a').innerText") == "Rank↑"
    assert "Private" in page.run("document.querySelector('thead').innerText")
    assert "ranks on average" in text_of(page, "/c/tiny/shake-up")
    assert page.problems == []
