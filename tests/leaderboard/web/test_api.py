"""The API: submitting, quotas, finals, data, the board as JSON and CSV."""

from leaderboard.judge import judge
from tests.support.board_client import FILES, submit
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


def test_the_limit_of_a_day_refuses_on_a_team_server_and_says_when_it_renews(team, home):
    codes = [submit(team, home, letter, **team.tokens["red"]).status_code for letter in "abcdef"]
    assert codes == [201] * 5 + [429]
    assert "00:00 UTC" in submit(team, home, "f", **team.tokens["red"]).json()["error"]
    assert submit(team, home, "f", **team.tokens["blue"]).status_code == 201
    assert team.get(ONE, headers=team.tokens["red"]).json()["quota"]["left"] == 0


def test_in_local_mode_the_limit_is_counted_and_not_enforced(local, home):
    codes = [submit(local, home, letter, "&team=red").status_code for letter in "abcdef"]
    assert codes == [201] * 6


def test_finals_are_chosen_by_hash_and_a_host_has_none(team, home):
    made = [submit(team, home, letter, **team.tokens["red"]).json()["sha256"] for letter in "ab"]
    chosen = team.put(f"{ONE}/finals?entry={made[1]}", headers=team.tokens["red"]).json()
    assert chosen["finals"] == [made[1][:12]] and "path" not in chosen
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
    for method, path, status in (
        ("GET", "/api/nowhere", 404),
        ("GET", "/api/competitions/NO/board", 404),
        ("GET", f"{FILES}/99", 404),
        ("GET", f"{FILES}/{9**30}", 404),
        ("DELETE", FILES, 405),
        ("POST", f"{FILES}?wait=61", 400),
        ("PUT", f"{ONE}/finals", 422),
    ):
        response = local.request(method, path)
        assert response.status_code == status and set(response.json()) == {"error"}, path


def test_a_head_request_is_answered_as_a_get_without_a_body(local):
    for path in ("/c/tiny", f"{ONE}/board", f"{ONE}/board.csv", f"{ONE}/data/sample_submission.csv"):
        assert local.head(path).status_code == 200


def test_an_exported_team_name_is_not_a_formula_and_numbers_are_exact(local, home):
    for name in ("=cmd|' /C calc'!A0", "+1", "plain"):
        judge("tiny", entry(home, "a"), name)
    lines = local.get(f"{ONE}/board.csv").text.splitlines()
    assert [line.split(",")[2] for line in lines[1:]] == ["'=cmd|' /C calc'!A0", "'+1", "plain"]
    assert float(lines[1].split(",")[3]) == local.get(f"{ONE}/board").json()["rows"][0]["score"] == 5 / 6
