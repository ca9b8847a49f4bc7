"""The API: submitting, quotas, finals, data, the board as JSON and CSV; and that it is as its OpenAPI document says."""

import json

from leaderboard.judge import judge
from tests.support import openapi
from tests.support.board_client import FILES, client_of, submit
from tests.support.tiny_board import entry

ONE = "/api/competitions/tiny"


def test_a_file_is_submitted_scored_and_ranked_in_one_request(local, home):
    response = submit(local, home, "a", "&team=red")
    verdict = response.json()
    assert response.status_code == 201 and (verdict["accepted"], verdict["rank"], verdict["public"]) == (True, 1, 5 / 6)
    assert verdict["page"] == "/c/tiny/entry/1" and local.get(verdict["page"]).status_code == 200
    assert local.get(response.headers["location"]).json()["state"] == "scored"
    again = submit(local, home, "a", "&team=red").json()
    assert again["id"] == verdict["id"] and again["entries_today"] == 1
    assert local.get(f"{FILES}?team=red").json()["submissions"][0]["id"] == verdict["id"]


def test_without_a_scorer_a_file_waits_and_is_not_lost(home):
    with client_of(scores=False) as client:
        response = submit(client, home, "", "&team=red&wait=0")
        assert response.status_code == 202 and response.json()["state"] == "waiting"
    with client_of() as client:
        client.app.state.settings.scorer.wake()
        assert client.get(response.headers["location"]).json()["state"] == "scored"


def test_the_manifest_goes_before_the_file(local, home):
    manifest = json.dumps({"cv": {"score": 0.75}}).encode()
    answer = local.post(
        f"{FILES}?team=red&manifest={len(manifest)}", content=manifest + entry(home).read_bytes()
    ).json()
    assert answer["accepted"] and local.get(f"{ONE}/board").json()["rows"][0]["cv"] == 0.75
    assert local.post(f"{FILES}?team=red&manifest=5", content=b"{nan}id,value\n").status_code == 400


def test_the_limit_of_a_day_refuses_on_a_team_server_and_says_when_it_renews(team, home):
    codes = [submit(team, home, letter, **team.tokens["red"]).status_code for letter in "abcdef"]
    assert codes == [201] * 5 + [429]
    assert "00:00 UTC" in submit(team, home, "f", **team.tokens["red"]).json()["error"]
    assert submit(team, home, "f", **team.tokens["blue"]).status_code == 201
    assert team.get(ONE, headers=team.tokens["red"]).json()["quota"]["left"] == 0


def test_in_local_mode_the_limit_is_counted_and_not_enforced(local, home):
    codes = [submit(local, home, letter, "&team=red").status_code for letter in "abcdef"]
    assert codes == [201] * 6


def test_finals_are_chosen_by_hash_and_a_choice_without_any_is_refused(team, home):
    made = [submit(team, home, letter, **team.tokens["red"]).json()["sha256"] for letter in "ab"]
    chosen = team.put(f"{ONE}/finals?entry={made[1]}", headers=team.tokens["red"]).json()
    assert chosen["finals"] == [made[1][:12]] and "path" not in chosen
    assert team.put(f"{ONE}/finals", headers=team.tokens["red"]).status_code == 422
    assert team.put(f"{ONE}/finals?entry={made[1]}", headers=team.tokens["host"]).status_code == 403


def test_the_public_data_are_listed_with_hashes_and_nothing_private_comes_out(team, home):
    folder = home / "data" / "tiny" / "aaaa1111" / "public" / "train"
    folder.mkdir(parents=True)
    (folder / "inputs.npy").write_bytes(b"0123456789")
    (folder.parent / "leak").symlink_to(home / "data" / "tiny" / "aaaa1111" / "private" / "answers.npz")
    base, red = f"{ONE}/data", team.tokens["red"]
    files = team.get(base, headers=red).json()["files"]
    assert [(file["path"], file["size"]) for file in files] == [("train/inputs.npy", 10)]
    part = team.get(f"{base}/train/inputs.npy", headers={**red, "range": "bytes=4-"})
    assert (part.status_code, part.content) == (206, b"456789")
    for path in ("leak", "../private/answers.npz", "%2e%2e/private/answers.npz", "/etc/passwd", "train"):
        assert team.get(f"{base}/{path}", headers=red).status_code == 404


def test_every_error_of_the_api_is_one_json_sentence(local):
    for path in ("/api/nowhere", "/api/competitions/none/board", f"{FILES}/99", f"{FILES}/{9**30}", f"{FILES}?team="):
        assert set(local.get(path).json()) <= {"error", "competition", "team", "submissions"}
    for path, status in (("/api/nowhere", 404), ("/api/competitions/NO/board", 404), (f"{FILES}/{9**30}", 404)):
        response = local.get(path)
        assert response.status_code == status and set(response.json()) == {"error"}
    assert local.delete(FILES).status_code == 405 and "error" in local.delete(FILES).json()
    assert local.post(f"{FILES}?wait=61", content=b"id").status_code == 400


def test_a_head_request_is_answered_as_a_get_without_a_body(local):
    for path in ("/c/tiny", f"{ONE}/board", f"{ONE}/board.csv", f"{ONE}/data/sample_submission.csv"):
        assert local.head(path).status_code == 200


def test_an_exported_team_name_is_not_a_formula_and_numbers_are_exact(local, home):
    for name in ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "plain"):
        judge("tiny", entry(home, "a"), name)
    lines = local.get(f"{ONE}/board.csv").text.splitlines()
    assert [line.split(",")[2] for line in lines[1:]] == ["'=cmd|' /C calc'!A0", "'+1", "'-1", "'@SUM(1)", "plain"]
    assert float(lines[1].split(",")[3]) == local.get(f"{ONE}/board").json()["rows"][0]["score"] == 5 / 6


# -- the OpenAPI document ----------------------------------------------------------------------------------------------


def test_every_answer_is_one_that_the_openapi_document_names(local, home):
    known, operations = openapi.fill_board(local, home), openapi.operations_of(local)
    assert len(operations) == 13
    for operation in operations:
        statuses = openapi.statuses_of(local, openapi.known_requests(operation, known), examples=1)
        assert max(statuses) < 300, operation.label
