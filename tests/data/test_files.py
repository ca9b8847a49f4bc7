"""Files are the state: old or new and never torn, whoever dies in the middle; and one holder for a folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import files
from harness.errors import UserError
from harness.files import atomic, locked, read_json, require_free, sha256_of, short_hash, sweep_partials, write_json

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_what_breaks_off_leaves_the_old_file_and_nothing_else(stop: type[BaseException], tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(stop), atomic(tmp_path / "a") as file:
        file.write(b"half of the n")
        file.flush()
        raise stop
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from harness.files import write_bytes
for k in range(10**9):
    write_bytes(Path(sys.argv[1]), bytes([65 + k % 26]) * 200_000)
"""


def test_a_writer_killed_at_any_moment_leaves_old_or_new_and_never_torn(tmp_path: Path) -> None:
    file, contents = tmp_path / "a", set()
    for k in range(8):
        writer = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, file], cwd=REPOSITORY)
        end = time.monotonic() + 30
        before = file.stat().st_mtime_ns if file.exists() else 0
        while not file.exists() or file.stat().st_mtime_ns == before:  # it has begun
            assert time.monotonic() < end
            time.sleep(0.001)
        time.sleep(0.0037 * k)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        content = file.read_bytes()
        assert len(content) == 200_000
        assert len(set(content)) == 1
        contents.add(content[:1])
    assert len(contents) > 1  # the kills came at different moments
    sweep_partials(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_files_of_others_are_not_swept(tmp_path: Path) -> None:
    for name in (".a.1.partial", "sub/.b.2.partial", "a.partial", ".hidden", "b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    sweep_partials(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [".hidden", "a.partial", "b"]


def test_the_folder_is_on_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order that survives a power cut: the content, then the name, then the folder."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc on this machine: what is synced cannot be told")
    done: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(files.os, "fsync", lambda fd: done.append(os.readlink(f"/proc/self/fd/{fd}")) or fsync(fd))
    monkeypatch.setattr(files.os, "replace", lambda old, new: done.append("replace") or replace(old, new))
    write_json(tmp_path / "a.json", {})
    assert [Path(name).suffix or Path(name).name for name in done] == [".partial", "replace", tmp_path.name]


# -- JSON and hashes ---------------------------------------------------------------------------------------------------


def test_json_is_written_as_it_is_read_and_has_no_nan(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, None, "ü"], "a": {}}
    write_json(tmp_path / "a.json", value)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            write_json(tmp_path / "a.json", {"score": bad})
    assert read_json(tmp_path / "a.json") == value


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"], ids=["empty", "cut", "no text"])
def test_broken_json_is_named_with_its_remedy(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json is not valid JSON.*delete it"):
        read_json(tmp_path / "a.json")


def test_hashes_by_hand(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len({short_hash("ab", "c"), short_hash("a", "bc"), short_hash("abc"), short_hash("abc", "")}) == 4


# -- disk and locks ----------------------------------------------------------------------------------------------------


def test_too_little_space_is_said_before_anything_is_written(tmp_path: Path) -> None:
    require_free(tmp_path / "new", 1)
    with pytest.raises(UserError, match=r"new has .* GB free, and this run needs about 1000000000\.0 GB; free some"):
        require_free(tmp_path / "new", 10**18)


HOLD = """
import sys, time
from pathlib import Path
from harness.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_told_who_holds_the_folder_and_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=f"in use by process {holder.pid}"), locked(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with pytest.raises(RuntimeError), locked(tmp_path):
        raise RuntimeError
    with locked(tmp_path):
        assert (tmp_path / ".lock.pid").read_text() == str(os.getpid())


@pytest.mark.parametrize("content", [b"", b"999999999", b"\xff\x00 no number"], ids=["empty", "of the dead", "garbage"])
def test_what_stands_in_an_old_lock_does_not_matter(content: bytes, tmp_path: Path) -> None:
    for name in (".lock", ".lock.pid"):
        (tmp_path / name).write_bytes(content)
    with locked(tmp_path):
        assert (tmp_path / ".lock.pid").read_text() == str(os.getpid())
