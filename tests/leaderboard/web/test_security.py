"""Hostile requests and files over HTTP: refused in words, at no cost, with no hint of the answers; the server lives."""

import gzip
import itertools
import pickle
import re
import statistics
import time
from urllib.parse import quote

import numpy as np
import pytest
from starlette.testclient import TestClient

from harness import paths
from harness.errors import UserError
from harness.files import write_json
from leaderboard import host, queue, teams
from leaderboard.answers import prepared
from leaderboard.database import jobs, open_database, reading, writing
from leaderboard.queue import read_quota
from leaderboard.web import app, pages
from tests.support.board_client import FILES, OURS, ROUTES, client_of, settings_for, submit
from tests.support.frozen import Clock, hold
from tests.support.hostile_files import ANSWERS, IDS, cars, glas, right
from tests.support.tiny_board import entry

CARS, GLAS = "/api/competitions/cars/submissions", "/api/competitions/glas/submissions"
CANARY = float(ANSWERS[-1])  # stands in the answers alone


# -- who is let in -----------------------------------------------------------------------------------------------------


def test_another_host_name_is_refused(local):
    for name in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "", "[::2]"):
        assert local.get("/", headers={"host": name}).status_code == 400
    assert local.get("/", headers={"host": "127.0.0.1:8000"}).status_code == 200


FOREIGN = [
    *({"sec-fetch-site": site} for site in ("cross-site", "same-site", "nonsense")),
    *({"origin": origin} for origin in ("https://evil.example", "null", "http://localhost:8000.evil.example")),
]


def test_no_other_site_changes_anything(local, home):
    writes = [(route.path, method) for route in ROUTES for method in {*getattr(route, "methods", ())} & {"POST", "PUT"}]
    assert len(writes) == 6
    before = dump()
    for (path, method), headers in itertools.product(writes, FOREIGN):
        address = path.replace("{competition}", "tiny").replace("{team:path}", "red")
        assert local.request(method, address, headers=headers, content=entry(home).read_bytes()).status_code == 403
    assert dump() == before


def dump():
    with reading(open_database()) as connection:
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
        return {name: connection.exec_driver_sql(f"SELECT * FROM {name}").all() for name in names}


def test_looking_changes_nothing(local, home):
    submit(local, home, "a", "&team=red")
    pages = [f"/c/tiny{page}" for page in ("", "/rules", "/submit", "/shake-up", "/team/red", "/entry/1", "/host")]
    addresses = ["/", "/logout", *pages, FILES, "/api/competitions/tiny/board"]
    for path in addresses:
        local.get(path)  # fills the caches
    before = dump()
    for path in addresses:
        local.get(path)
        local.head(path)
    assert dump() == before


def test_in_team_mode_everything_but_the_login_needs_a_token(team):
    for path in ("/", "/c/tiny", "/c/tiny/rules"):
        response = team.get(path)
        assert response.status_code == 303 and response.headers["location"].startswith("/login?next=")
    for path in ("/api/me", "/api/competitions/tiny/board", FILES, "/api/competitions/tiny/data"):
        assert team.get(path).status_code == 401
        assert team.get(path, headers={"authorization": "Bearer lb_wrong"}).status_code == 401
        assert team.get(path, headers=team.tokens["red"]).status_code == 200
    assert team.post(FILES, content=b"id").status_code == 401
    assert team.post(FILES, content=b"id", headers=team.tokens["host"]).status_code == 403  # a host has no team
    assert team.get("/login").status_code == 200


def test_a_browser_logs_in_with_a_token_and_out_again(team):
    token = team.tokens["red"]["authorization"].split()[1]
    assert team.post("/login", data={"token": "lb_wrong"}).status_code == 401
    response = team.post("/login?next=/c/tiny", data={"token": token}, headers=OURS)
    assert response.status_code == 303 and response.headers["location"] == "/c/tiny"
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and token not in cookie
    assert team.get("/api/me").json() == {"name": "of red", "team": "red", "role": "player"}
    session = {"cookie": f"session={team.cookies['session']}"}
    team.post("/logout", headers=OURS)
    assert team.get("/api/me", headers=session).status_code == 401


def test_a_login_leads_to_no_other_site(team):
    token = team.tokens["red"]["authorization"].split()[1]
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\n/evil"):
        response = team.post("/login", params={"next": target}, data={"token": token})
        assert response.headers["location"] == "/", target


def test_without_team_mode_the_server_listens_to_this_machine_only():
    with pytest.raises(UserError, match="would let everybody in"):
        app.serve(8000, "0.0.0.0", False, [])


def test_a_bug_is_answered_without_its_reason(home, monkeypatch):
    def broken(*_):
        raise RuntimeError("the answer is 987654")

    monkeypatch.setattr(pages, "standing", broken)
    with client_of() as client:
        response = client.get("/c/tiny")
    assert response.status_code == 500 and "987654" not in response.text and "nosniff" in str(response.headers)


# -- hostile files -----------------------------------------------------------------------------------------------------

numbers = itertools.count(1)


def prepare(name, ids, targets):
    """Answers of a real competition under a data hash that no test before has used."""
    data_hash = f"{next(numbers):08x}"
    folder = paths.private(name, data_hash)
    folder.mkdir(parents=True)
    public = np.arange(len(ids)) % 2 == 0
    np.savez(folder / "answers.npz", ids=np.array(ids), groups=np.arange(len(ids)), public=public, targets=targets)
    write_json(paths.data(name) / "current.json", {"data_hash": data_hash, "source": "files"})


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    """A team server with two real competitions, which must survive every test of this module."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARNESS_HOME", str(home))
        prepare("glas", ["a", "b", "c"], np.zeros((3, 128, 128), np.uint8))
        how = settings_for(team_mode=True)
        teams.create_team(how.engine, "red")
        token = {"authorization": f"Bearer {teams.issue_token(how.engine, 'ada', 'red')}"}
        with TestClient(app.build(how), "http://localhost", headers=token, follow_redirects=False) as client:
            client.home, client.engine = home, how.engine
            yield client


@pytest.fixture
def server(shared_server, monkeypatch):
    """The shared server with a board without entries."""
    monkeypatch.setenv("HARNESS_HOME", str(shared_server.home))
    prepare("cars", IDS, ANSWERS)
    return shared_server


class Gadget:
    SAYS = "it was unpickled"

    def __reduce__(self):
        return (print, (self.SAYS,))


# One of each kind: the readers' own tests have the many ways in which a table can be wrong.
HOSTILE = {
    "a zip archive": (CARS, b"PK\x03\x04" + b"0" * 1000, 415),
    "ten megabytes in ten kilobytes": (CARS, gzip.compress(b"0" * 10_000_000), 415),
    "NUL in a text": (CARS, b"a" + b"\0" * 256 + b"ustar" + b"\0" * 250, 415),
    "a hundred thousand rows": (CARS, cars(*["1,1"] * 100_000), 422),
    "one line of a megabyte": (CARS, cars("1" * 1_000_000), 422),
    "a hundred thousand columns": (CARS, b"," * 100_000, 422),
    "larger than any": (CARS, b"0" * 2_000_000, 413),
    "nothing": (CARS, b"", 400),
    "a header alone": (CARS, b"id,horsepower\n", 422),
    "not a number": (CARS, right(v2="NaN"), 422),
    "an infinite number": (CARS, right(v2="1e400"), 422),
    "a formula": (CARS, right(v2="=1+1"), 422),
    "a script": (CARS, right(v2="<script>alert(1)</script>"), 422),
    "an id twice": (CARS, right() + b"1,1\n", 422),
    "an id too much": (CARS, right() + b"4,1\n", 422),
    "id 2^53 for 2^53 + 1": (CARS, right().replace(b"9007199254740993", b"9007199254740992"), 422),
    "not UTF-8": (CARS, right() + "é,1\n".encode("latin-1"), 422),
    "an open quote": (CARS, right() + b'"1,1\n', 422),
    "runs beyond the picture": (GLAS, glas("16384 2"), 422),
    "runs beyond 64 bits": (GLAS, glas("1 9223372036854775808"), 422),
    "a number of 5,000 digits": (GLAS, glas("9" * 5000), 422),
    "twenty thousand runs": (GLAS, glas("1 1 " * 20_000), 422),
    "a numpy array with a pickle": (CARS, b"\x93NUMPY" + pickle.dumps(Gadget()), 415),
    "a pickle": (CARS, pickle.dumps(Gadget()), 415),
    "a picture of 65,000 pixels": (GLAS, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\0\xff\xff" * 2, 415),
    "a program": (CARS, b"\x7fELF" + b"0" * 100, 415),
    "a manifest too long": (f"{CARS}?manifest=2000000", right(), 400),
    "a manifest of another board": (f"{CARS}?manifest=18", b'{"data_hash": "b"}' + right(), 422),
    "a manifest with U+0000": (f"{CARS}?manifest=15", b'{"a": "\\u0000"}' + right(), 400),
    "a manifest nested without end": (f"{CARS}?manifest=200000", b"[" * 200_000 + right(), 400),
    "a negative number of bytes": (f"{CARS}?manifest=-1", right(), 400),
    "a time to wait that is not a number": (f"{CARS}?wait=nan", right(), 400),
    "a path as competition": ("/api/competitions/..%2f..%2fetc/submissions", right(), 404),
    "NUL as competition": ("/api/competitions/cars%00/submissions", right(), 404),
    "a name of 4,096 characters": (f"/api/competitions/{'a' * 4096}/submissions", right(), 404),
    "a path as data": (f"{CARS}?data=../../private", right(), 404),
    "SQL as data": (f"{CARS}?data=' OR 1=1 --", right(), 404),
    "SQL as team": (f"{CARS}?team='; DROP TABLE teams --", right(), 403),
    "a team that looks like ours": (f"{CARS}?team=r\u0435d", right(), 403),
    "an invisible team": (f"{CARS}?team=%E2%80%8B", right(), 400),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_file_is_refused_in_words_and_costs_nothing(server, attack, capfd):
    address, content, status = HOSTILE[attack]
    before = stored(server.home)
    response = server.post(address, content=content)
    assert response.status_code == status, response.text
    sentence = response.json()["error"]
    assert 20 < len(sentence) < 700 and "Traceback" not in sentence
    printed = "".join(capfd.readouterr())
    assert str(CANARY) not in response.text + str(response.headers) + printed and Gadget.SAYS not in printed
    for name in ("cars", "glas"):
        assert read_quota(server.engine, prepared(name), "red", 5).used == 0
    assert stored(server.home) == before
    assert server.get("/healthz").text == "ok\n"


def stored(home):
    """Every file on the disk but the database."""
    return sorted(str(path) for path in home.rglob("*") if path.is_file() and "leaderboard.db" not in path.name)


def test_row_order_line_ends_and_a_byte_order_mark_do_not_matter(server):
    public = server.post(CARS, content=right()).json()["public"]
    reversed_rows = cars(*[f"{name},100" for name in IDS[::-1]])
    for content in (right().replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + right(), reversed_rows):
        assert server.post(CARS, content=content).json()["public"] == public


def test_a_body_without_a_length_is_cut_off_at_the_limit(server):
    assert server.post(CARS, content=(b"1" * 65536 for _ in range(1000))).status_code == 413
    assert not list((server.home / "boards" / "incoming").iterdir())


def test_a_file_name_writes_nowhere_else(server):
    for name in ("../../../etc/passwd", "..%5c..%5cx", "CON", "a" * 4096, "%00", "x.csv%0d%0aSet-Cookie:a=b", ".."):
        response = server.post(f"{CARS}?name={name}", content=b"id,horsepower\n")
        assert response.status_code == 422 and "set-cookie" not in response.headers
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}\.(csv|json)", queue.plain_name(name))
    assert not any(part in path for path in stored(server.home) for part in ("passwd", "CON", "Cookie"))


@pytest.mark.parametrize("words", ["' OR '1'='1", "'; DROP TABLE scores --"])
def test_words_of_sql_are_words(server, words):
    server.post(CARS, content=right())
    before, hole = dump(), quote(words, safe="")
    assert server.post(f"{CARS}?name={hole}", content=right()).json()["accepted"]  # the same file: nothing is written
    for path in (f"/c/cars/team/{hole}", f"/c/{hole}", f"/c/cars?sort={hole}", f"/c/cars?data={hole}"):
        assert server.get(path).status_code in (400, 404)
    assert server.put(f"/api/competitions/cars/finals?entry={hole}").status_code == 400
    assert server.get("/c/cars", headers={"authorization": f"Bearer {words}"}).status_code == 303
    assert dump() == before


def test_forms_are_short_and_urlencoded(server):
    form = {"content-type": "application/x-www-form-urlencoded"}
    finals = "/c/cars/team/red/finals"
    assert server.post(finals, content=b"final=" + b"a" * 9000, headers=form).status_code == 413
    assert server.post(finals, content=b"final=a&" * 100, headers=form).status_code == 400
    assert server.post(finals, content=b"\xff=1", headers=form).status_code == 400
    multipart = {"content-type": "multipart/form-data; boundary=x"}
    assert server.post(finals, content=b"--x--", headers=multipart).status_code == 400
    assert server.post("/login", content=b"token=" + b"a" * 9000, headers=form).status_code == 413


# -- what must not be learnt -------------------------------------------------------------------------------------------


def test_no_answer_is_in_any_page_export_or_log(server, capfd):
    server.post(CARS, content=right())
    boards = ("board", "board.csv", "trust", "submissions", "finals", "data")
    pages = ("", "/rules", "/shake-up", "/submit", "/team/red")
    for path in ("/", *(f"/c/cars{page}" for page in pages), *(f"/api/competitions/cars/{name}" for name in boards)):
        response = server.get(path)
        assert response.status_code == 200 and "98765" not in response.text + str(response.headers), path
    assert "98765" not in "".join(capfd.readouterr())


def test_a_wrong_token_takes_as_long_as_a_right_one_and_none_lies_in_the_database(server):
    right_one = teams.issue_token(server.engine, "tim", "red")
    seconds = {right_one: [], right_one[:-1] + "-": [], "lb_" + "A" * 43: []}
    for _ in range(50):
        for token, measured in seconds.items():
            begun = time.perf_counter()
            teams.user_of(server.engine, token)
            measured.append(time.perf_counter() - begun)
    medians = [statistics.median(measured) for measured in seconds.values()]
    assert max(medians) - min(medians) < 0.001
    assert not any(right_one.encode() in file.read_bytes() for file in server.home.glob("leaderboard.db*"))


# -- time --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "status"),
    [("2026-06-30T23:59:59.999999Z", 201), ("2026-07-01T00:00:00.000000Z", 409)],
)
def test_the_deadline_holds_to_the_microsecond_by_the_server_s_clock(server, monkeypatch, at, status):
    host.act(server.engine, prepared("cars"), "deadline", "2026-07-01T02:00+02:00", "eva")
    monkeypatch.setattr(queue, "now", lambda: at)
    theirs = {"date": "Thu, 01 Jan 1970 00:00:00 GMT"}
    assert server.post(CARS, content=right(), headers=theirs).status_code == status


def test_one_look_at_the_clock_counts_a_file_and_dates_it(server, monkeypatch):
    """Between two looks a day could end: five of yesterday, and a sixth that says it is of today."""
    looks = iter([f"2026-06-30T23:59:59.99999{k}Z" for k in range(7)])
    monkeypatch.setattr(queue, "now", lambda: next(looks))
    assert [server.post(f"{CARS}?wait=0", content=right(v1=k)).status_code for k in range(5)] == [201] * 5
    assert server.post(CARS, content=right(v1=7)).status_code == 429
    assert next(looks).endswith("6Z") and next(looks, None) is None


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_server_whose_clock_is_wrong_steals_no_lease_and_keeps_order_and_quota(server, monkeypatch, hours):
    clock = hold(monkeypatch, Clock())
    monkeypatch.setattr(time, "time", lambda: clock.at.timestamp())
    files = []
    for k in range(3):
        files.append(server.post(CARS, content=right(v1=k)).json()["id"])
        clock.tick(hours=hours)
    assert files == sorted(files) and read_quota(server.engine, prepared("cars"), "red", 5).used == 3
    with writing(server.engine) as connection:
        connection.execute(jobs.update().where(jobs.c.id == files[0]).values(state="waiting", attempts=0))
    assert queue.claim(server.engine, "one").id == files[0]
    clock.tick(hours=hours)
    assert queue.claim(server.engine, "other") is None
