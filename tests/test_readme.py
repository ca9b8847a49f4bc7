"""The README and the pages of docs/ say what is there."""

import re

import pytest

from harness.errors import UserError
from tests.support.commands import REPOSITORY, require_known, verbs

README = REPOSITORY / "README.md"
PAGES = [README, *sorted((REPOSITORY / "docs").glob("*.md")), *sorted(REPOSITORY.glob("competitions/*/README.md"))]
LOG = REPOSITORY / "docs" / "log.md"  # commands of the past stand there too
COMMAND = re.compile(
    r"^\s*(?:[A-Z_]+=\S+ )*(make [a-z][^`\n]*|python -m (?:harness|leaderboard) [^`\n]*)$", re.MULTILINE
)


def commands() -> list[tuple[str, str]]:
    """(page, line) of every command in a code block."""
    found = []
    for page in PAGES:
        blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        lines = [line for block in blocks for line in COMMAND.findall(block)] if page != LOG else []
        found += [(str(page.relative_to(REPOSITORY)), line.strip()) for line in lines]
    return found


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_of_a_page_is_known(page: str, line: str) -> None:
    require_known(line.split("#")[0].split(" | ")[0].split(" && ")[0].split(" &")[0])


def test_a_command_that_is_not_known_is_found() -> None:
    with pytest.raises(UserError):
        require_known("make submit COMP=mars BUGDET=3m")
    with pytest.raises(AssertionError):
        require_known("python -m leaderboard board mars --fast")


def test_the_readme_shows_the_verbs_that_people_begin_with() -> None:
    shown = {line.split()[1] for page, line in commands() if page == "README.md" and line.startswith("make ")}
    assert {"submit", "search", "leaderboard", "serve", "new", "test"} <= shown
    assert shown <= {*verbs(), "test", "help"}


@pytest.mark.parametrize("page", [page for page in PAGES if page != LOG], ids=lambda page: page.stem)
def test_every_file_that_a_page_names_exists(page) -> None:
    text = page.read_text()
    for name in re.findall(r"(?<![\w/.-])(?:docs|harness|leaderboard|tests)/[\w./-]*\w", text):
        assert (REPOSITORY / name).exists(), name
    for link in re.findall(r"\]\((?!https?://)([^)#]+)", text):
        assert (page.parent / link).exists(), link
