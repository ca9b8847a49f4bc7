"""A backup brings back everything, elsewhere, and nothing that is not its own; an export is safe to open."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import io
import json
import stat
import tarfile

import pytest
from sqlalchemy import select

from harness.errors import UserError
from leaderboard.backup import backup, restore
from leaderboard.database import open_database, reading
from leaderboard.judge import judge
from leaderboard.tables import tokens
from leaderboard.teams import create_team, issue_token, open_session, who
from leaderboard.verify import verify
from tests.leaderboard.test_leaderboard import call, home, shown  # noqa: F401
from tests.leaderboard.test_ledger import everything, history  # noqa: F401
from tests.support.tiny_board import entry


def move_to(empty, monkeypatch):
    """A new home with the declarations alone."""
    empty.mkdir()
    monkeypatch.setenv("HARNESS_HOME", str(empty))


def test_everything_is_there_again_in_an_empty_home(history, tmp_path, monkeypatch):
    engine = open_database()
    create_team(engine, "red")
    token = issue_token(engine, "ada", "red")
    session, _ = open_session(engine, token)
    before, file = everything(), tmp_path / "kept.tar"
    kept = backup(file)
    assert kept.competitions == ["tiny"] and kept.bytes == file.stat().st_size

    move_to(tmp_path / "elsewhere", monkeypatch)
    assert restore(file).files == kept.files
    assert everything() == before and verify("tiny").behind == 0
    assert who(open_database(), session) == who(open_database(), token)
    private = tmp_path / "elsewhere" / "data" / "tiny" / "aaaa1111" / "private"
    assert (private / "answers.npz").is_file() and stat.S_IMODE(private.stat().st_mode) == 0o700
    assert judge("tiny", entry(tmp_path / "elsewhere", wrong="ef"), "new").accepted
    with reading(open_database()) as connection:
        assert len(connection.execute(select(tokens)).all()) == 2


def test_nothing_is_overwritten(history, tmp_path):
    backup(tmp_path / "kept.tar")
    with pytest.raises(UserError, match=r"kept.tar exists already"):
        backup(tmp_path / "kept.tar")
    with pytest.raises(UserError, match=r"there is a board already .*nothing is overwritten"):
        restore(tmp_path / "kept.tar")
    assert shown().rows


def rewritten(source, target, change):
    """The same tar with every member as `change` makes it: (name, content) -> the same, or None to leave it out."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            if changed := change(member.name, old.extractfile(member).read()):
                info = tarfile.TarInfo(changed[0])
                info.size = len(changed[1])
                new.addfile(info, io.BytesIO(changed[1]))


def with_file(name):
    """Lists and holds `name` too."""

    def change(member, content):
        if member != "manifest.json":
            return (name if member == "data/tiny/current.json" else member), content
        return member, content.replace(b"data/tiny/current.json", name.encode())

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda name, content: (name, content[:-1] + b"x" if name.endswith("npz") else content), "has another sha256"),
        (lambda name, content: None if name.endswith("npz") else (name, content), "and not in both"),
        (lambda name, content: None if name == "manifest.json" else (name, content), "is no backup"),
        (with_file("../outside"), "is no backup, or a damaged one .OutsideDestinationError"),
        (with_file("/tmp/outside"), "not as it was written|AbsolutePathError"),
        (with_file("competitions/tiny/evil.py"), "holds competitions/tiny/evil.py, which belongs to no backup"),
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_refused_whole(history, tmp_path, monkeypatch, change, sentence):
    backup(tmp_path / "kept.tar")
    rewritten(tmp_path / "kept.tar", tmp_path / "other.tar", change)
    move_to(tmp_path / "elsewhere", monkeypatch)
    with pytest.raises(UserError, match=sentence):
        restore(tmp_path / "other.tar")
    assert all(path.name.startswith("leaderboard.db") for path in (tmp_path / "elsewhere").iterdir())
    assert not (tmp_path / "outside").exists()


def test_what_is_no_backup_is_one_sentence(home, tmp_path, capsys, monkeypatch):
    (tmp_path / "text.tar").write_text("this is no tar")
    code, out, err = call(capsys, monkeypatch, "restore", tmp_path / "text.tar", "--json")
    assert code == 2 and "is no backup" in json.loads(out)["error"] and err.count("\n") == 1
    with pytest.raises(UserError, match=r"nowhere.tar does not exist"):
        restore(tmp_path / "nowhere.tar")


def test_an_export_holds_no_formula_and_no_private_score(home, capsys, monkeypatch):
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "red"]
    for k, team in enumerate(names):
        judge("tiny", entry(home, wrong="abcdef"[:k]), team)
    code, out, _ = call(capsys, monkeypatch, "export", "tiny")
    rows = [line.split(",") for line in out.splitlines()]
    assert code == 0 and [row[2] for row in rows[1:]] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "red"]
    assert all(row[rows[0].index("private")] == "" for row in rows[1:])
    code, out, _ = call(capsys, monkeypatch, "export", "tiny", "--format", "json")
    assert code == 0 and [row["team"] for row in json.loads(out)["rows"]] == names
    code, _, err = call(capsys, monkeypatch, "export", "tiny", "--format", "xlsx")
    assert code == 2 and "there are csv and json" in err
