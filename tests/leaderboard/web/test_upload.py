"""A body on its way to the disk: senders that fall silent, a full disk, what is left behind."""

import errno

import anyio
import pytest
from starlette.requests import Request

from leaderboard.queue import Refusal
from leaderboard.web import security, upload
from tests.support.board_client import FILES, submit
from tests.support.tiny_board import entry


def test_a_sender_that_falls_silent_is_cut_off(monkeypatch):
    monkeypatch.setattr(security, "SILENT_SECONDS", 0.05)

    async def read_silence():
        async def receive():
            await anyio.sleep(5)

        scope = {"type": "http", "method": "POST", "headers": [], "path": "/", "query_string": b""}
        async for _ in security.body_chunks(Request(scope, receive)):
            pytest.fail("nothing was sent")

    with pytest.raises(Refusal) as refusal:
        anyio.run(read_silence)
    assert refusal.value.status == 408


def test_a_full_disk_is_507_and_leaves_nothing_behind(local, home, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(upload.os, "fsync", full)
    response = submit(local, home, "", "&team=red")
    assert response.status_code == 507 and "nothing was counted" in response.json()["error"]
    assert not list((home / "boards" / "incoming").iterdir())


def test_a_manifest_may_come_in_the_same_chunk_as_the_file_or_in_pieces(local, home):
    manifest, file = b'{"cv": {"score": 0.5}}', entry(home).read_bytes()
    for chunks in ([manifest + file], [manifest[:3], manifest[3:] + file[:1], file[1:]]):
        response = local.post(f"{FILES}?team=red&manifest={len(manifest)}", content=iter(chunks))
        assert response.status_code == 201
    assert local.get("/api/competitions/tiny/board").json()["rows"][0]["cv"] == 0.5
    assert len(local.get(f"{FILES}?team=red").json()["submissions"]) == 1
    assert local.post(f"{FILES}?team=red&manifest=5", content=b"{nan}id,value\n").status_code == 400
