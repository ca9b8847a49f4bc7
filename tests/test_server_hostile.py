"""Hostile files and requests over HTTP: a refusal in words, a 4xx, no quota used, nothing of the answers, server alive.

S and L are the numbers of the threat model; what they need beyond a refusal stands in tests of their own.
"""

import io
import json
import pickle
import re
import zipfile
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from test_server import ScoresAtOnce

from harness import folders
from harness.competition import find
from harness.files import write_json
from harness.metrics import Metric
from harness.splits import divide
from leaderboard import inbox, rebuild, teams
from leaderboard.answers import prepared
from leaderboard.board import read
from leaderboard.database import open_database, reading, writing
from leaderboard.inbox import read_quota
from leaderboard.server import app, asking
from leaderboard.server.openapi import DOCUMENT
from leaderboard.server.settings import LOOPBACK, Settings
from leaderboard.tables import submissions
from leaderboard.teams import Member

CARS, GLAS = "/api/competitions/cars/submissions", "/api/competitions/glas/submissions"
CANARY = 98765.4321  # stands in the answers alone
IDS = ["1", "2", "3", "10", "9007199254740993"]


def prepare(name, ids, targets):
    folder = folders.private(name, "aaaa1111")
    folder.mkdir(parents=True)
    public = np.arange(len(ids)) % 2 == 0
    np.savez(folder / "answers.npz", ids=np.array(ids), groups=np.arange(len(ids)), public=public, targets=targets)
    write_json(folders.data(name) / "current.json", {"data_hash": "aaaa1111", "source": "files"})


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A team server with two real competitions; the whole module shares it, and it must survive everything."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARNESS_HOME", str(home))
        prepare("cars", IDS, np.array([100.0, 150.0, 90.0, 130.0, CANARY]))
        prepare("glas", ["a", "b", "c"], np.zeros((3, 128, 128), np.uint8))
        engine = open_database()
        teams.create_team(engine, "red")
        token = teams.issue_token(engine, "ada", "red")
        how = Settings(engine, True, LOOPBACK, Member("", None, "host"), ScoresAtOnce(engine))
        with TestClient(
            app.build(how), base_url="http://localhost", headers={"authorization": f"Bearer {token}"}
        ) as client:
            client.home, client.engine, client.follow_redirects = home, engine, False
            yield client


@pytest.fixture(autouse=True)
def here(server, monkeypatch):
    monkeypatch.setenv("HARNESS_HOME", str(server.home))


def cars(*rows, header="id,horsepower", end="\n"):
    return end.join([header, *rows, ""]).encode()


def right(**changed):
    return cars(*(f"{name},{changed.get(f'v{name}', 100)}" for name in IDS))


def glas(runs):
    return f"id,rle\na,{runs}\nb,\nc,\n".encode()


def zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("submission.csv", content)
    return file.getvalue()


class Gadget:
    def __reduce__(self):
        return (print, ("unpickled",))


def array():
    file = io.BytesIO()
    np.save(file, np.array([Gadget()], object), allow_pickle=True)
    return file.getvalue()


FILES = {
    "S1 zip bomb": (CARS, zipped(b"0" * 50_000_000), 415),
    "S1 zip in a zip": (CARS, zipped(zipped(b"0" * 1_000_000)), 415),
    "S1 gzip": (CARS, b"\x1f\x8b" + b"0" * 100, 415),
    "S2 a million rows": (CARS, cars(*["1,1"] * 100_000), 422),
    "S2 one line of a megabyte": (CARS, cars("1" * 1_000_000), 422),
    "S2 a hundred thousand columns": (CARS, b"," * 100_000, 422),
    "S2 larger than any": (CARS, b"0" * 2_000_000, 413),
    **{
        f"S3 {value!r}": (CARS, right(v2=value), 422)
        for value in (
            *("NaN", "nan", "inf", "-inf", "1e400", "", "None", "null", '"1,5"', " 1", "1 ", "0x10"),
            *("\uff11\uff12", "1_0", "--1", "1e", "true", "\u0661"),
        )
    },
    "S4 an id is missing": (CARS, cars(*(f"{name},1" for name in IDS[1:])), 422),
    "S4 an id twice": (CARS, right() + b"1,1\n", 422),
    "S4 an id too much": (CARS, right() + b"4,1\n", 422),
    "S4 another name": (CARS, right().replace(b"horsepower", b"Horsepower"), 422),
    "S4 a column too much": (CARS, right().replace(b",100", b",100,1"), 422),
    "S4 semicolons": (CARS, right().replace(b",", b";"), 422),
    "S4 tabs": (CARS, right().replace(b",", b"\t"), 422),
    "S4 no header": (CARS, right().split(b"\n", 1)[1], 422),
    "S4 nothing": (CARS, b"", 400),
    "S4 a header alone": (CARS, b"id,horsepower\n", 422),
    "S4 another encoding": (CARS, right().decode().encode("utf-16"), 415),
    "S4 latin-1": (CARS, right() + "é,1\n".encode("latin-1"), 422),
    "S4 an open quote": (CARS, right() + b'"1,1\n', 422),
    "S5 01 for 1": (CARS, right().replace(b"\n1,", b"\n01,"), 422),
    "S5 1.0 for 1": (CARS, right().replace(b"\n1,", b"\n1.0,"), 422),
    "S5 a prefix": (CARS, right().replace(b"\n10,", b"\n100,"), 422),
    "S5 2^53 for 2^53 + 1": (CARS, right().replace(b"9007199254740993", b"9007199254740992"), 422),
    **{
        f"S6 {runs[:30]!r}": (GLAS, glas(runs), 422)
        for runs in (
            *("0 1", "-1 5", "1 -5", "1", "5 1 1 1", "1 5 3 1", "16385 1", "16384 2", "1 16385", "1 0", "1.5 2"),
            *("2147483648 1", "1 9223372036854775808", "9" * 5000, "1 1 " * 20_000, "a b", "\uff11 1"),
        )
    },
    "S7 a numpy array with a pickle": (CARS, array(), 415),
    "S7 a picture of 65,000 pixels": (GLAS, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\0\xff\xff" * 2, 415),
    "S8 a checkpoint": (CARS, zipped(b"x"), 415),
    "S8 a pickle": (CARS, pickle.dumps(Gadget()), 415),
    "S11 a script": (CARS, right(v2="<script>alert(1)</script>"), 422),
    "S12 a formula": (CARS, right(v2="=1+1"), 422),
    "S18 a program": (CARS, b"\x7fELF" + b"0" * 100, 415),
    "a card too long": (f"{CARS}?card=2000000", right(), 400),
    "a card that is none": (f"{CARS}?card=5", b"[1,2]" + right(), 400),
    "a card of another board": (f"{CARS}?card=18", b'{"data_hash": "b"}' + right(), 422),
    "a card with U+0000": (f"{CARS}?card=15", b'{"a": "\\u0000"}' + right(), 400),
    "a card as deep as the sea": (f"{CARS}?card=200000", b"[" * 200_000 + right(), 400),
    "a number of bytes that is none": (f"{CARS}?card=-1", right(), 400),
    "a time to wait that is none": (f"{CARS}?wait=nan", right(), 400),
    "S9 another competition": ("/api/competitions/..%2f..%2fetc/submissions", right(), 404),
    "S9 %2e": ("/api/competitions/%2e%2e/submissions", right(), 404),
    "S9 NUL": ("/api/competitions/cars%00/submissions", right(), 404),
    "S9 a name of 4,096 characters": (f"/api/competitions/{'a' * 4096}/submissions", right(), 404),
    "S9 other data": (f"{CARS}?data=../../private", right(), 404),
    "S10 SQL in the data": (f"{CARS}?data=' OR 1=1 --", right(), 404),
    "S10 SQL in the team": (f"{CARS}?team='; DROP TABLE teams --", right(), 403),
    "S13 a team that looks like ours": (f"{CARS}?team=r\u0435d", right(), 403),
    "S13 a team without a name": (f"{CARS}?team=%E2%80%8B", right(), 400),
}


@pytest.mark.parametrize("attack", FILES)
def test_a_hostile_file_is_refused_in_words_and_costs_nothing(server, attack, caplog):
    address, content, status = FILES[attack]
    before = stored(server.home)
    response = server.post(address, content=content)
    assert response.status_code == status, response.text
    sentence = response.json()["error"]
    assert 20 < len(sentence) < 700 and "Traceback" not in sentence
    assert str(CANARY) not in response.text + str(response.headers) + caplog.text
    assert read_quota(server.engine, prepared("cars"), "red", 5).used == 0
    assert read_quota(server.engine, prepared("glas"), "red", 5).used == 0
    assert stored(server.home) == before
    assert server.get("/healthz").text == "ok\n"


def stored(home):
    """Everything on the disk but the database."""
    return sorted(str(path) for path in home.rglob("*") if path.is_file() and "leaderboard.db" not in path.name)


@pytest.mark.parametrize(
    "content",
    [right().replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + right(), cars(*[f"{name},100" for name in IDS[::-1]])],
)
def test_s4_the_order_the_ends_of_lines_and_a_mark_at_the_beginning_do_not_matter(server, content):
    told = server.post(CARS, content=content).json()
    assert told["accepted"] and told["public"] == server.post(CARS, content=right()).json()["public"]
    forget(server)


def forget(server):
    """An empty board again."""
    with writing(server.engine) as connection:
        for name in ("submissions", "scores"):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}_refuse_delete")
        for name in ("jobs", "scores", "statistics", "resamples", "comparisons", "submissions"):
            connection.exec_driver_sql(f"DELETE FROM {name}")
    for file in (server.home / "boards").rglob("*"):
        if file.is_file():
            file.unlink()


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..%5c..%5cx", "CON", "a" * 4096, "%00", "x.csv%0d%0aSet-Cookie:a=b", ".."]
)
def test_s9_a_file_name_writes_nowhere_else(server, name):
    response = server.post(f"{CARS}?name={name}", content=b"id,horsepower\n")
    assert response.status_code == 422 and "set-cookie" not in response.headers
    assert not any(part in path for path in stored(server.home) for part in ("passwd", "CON", "Cookie"))
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}\.(csv|json)", inbox.plain_name(name))


def test_s2_a_body_without_a_length_is_cut_off_at_the_limit(server):
    sent = []

    def endless():
        for _ in range(1000):
            sent.append(1)
            yield b"1" * 65536

    assert server.post(CARS, content=endless()).status_code == 413
    assert not list((server.home / "boards" / "incoming").iterdir())


def test_s16_forms_are_short_and_of_one_kind(server):
    form = {"content-type": "application/x-www-form-urlencoded"}
    finals = "/c/cars/team/red/finals"
    assert server.post(finals, content=b"final=" + b"a" * 9000, headers=form).status_code == 413
    assert server.post(finals, content=b"final=a&" * 100, headers=form).status_code == 400
    assert server.post(finals, content=b"\xff=1", headers=form).status_code == 400
    multipart = {"content-type": "multipart/form-data; boundary=x"}
    assert server.post(finals, content=b"--x--", headers=multipart).status_code == 400
    assert server.post("/login", content=b"token=" + b"a" * 9000, headers=form).status_code == 413


def test_s16_whoever_says_nothing_is_cut_off(server, monkeypatch):
    import anyio

    monkeypatch.setattr(asking, "SILENT_SECONDS", 0.05)

    async def slow(*_):
        async def receive():
            await anyio.sleep(5)

        from starlette.requests import Request

        scope = {"type": "http", "method": "POST", "headers": [], "path": "/", "query_string": b""}
        async for _ in asking.pieces(Request(scope, receive)):
            raise AssertionError("nothing was sent")

    with pytest.raises(inbox.Refusal, match="nothing came for"):
        anyio.run(slow)


def test_l1_no_answer_is_in_any_page_export_or_queue(server, capfd):
    server.post(CARS, content=right())
    for path in (
        "/",
        "/c/cars",
        "/c/cars/rules",
        "/c/cars/team/red",
        "/api/competitions/cars/board",
        "/api/competitions/cars/board.csv",
    ):
        response = server.get(path)
        assert response.status_code == 200 and "98765" not in response.text + str(response.headers)
    assert "98765" not in "".join(capfd.readouterr())
    forget(server)


def test_l3_the_same_file_again_costs_nothing(server):
    ids = {server.post(CARS, content=right()).json()["id"] for _ in range(8)}
    assert len(ids) == 1 and read_quota(server.engine, prepared("cars"), "red", 5).used == 1
    forget(server)


def test_l4_the_public_part_cannot_be_told_from_ids_or_order():
    """200 splits of 500 rows by other keys: every row is public about as often, and neighbours do not go together."""
    strata = np.zeros(500, int)
    drawn = np.stack([divide(strata, np.arange(500), [0.4, 0.6], bytes([k]) * 32) == 0 for k in range(200)])
    assert np.abs(drawn.mean(0) - 0.4).max() < 0.18  # five standard errors
    assert abs(np.mean(drawn[:, 1:] == drawn[:, :-1]) - (0.4**2 + 0.6**2)) < 0.02


@pytest.mark.parametrize(
    ("at", "status"),
    [("2026-06-30T23:59:59.999999Z", 201), ("2026-07-01T00:00:00.000000Z", 201), ("2026-07-01T00:00:00.000001Z", 409)],
)
def test_l5_the_deadline_holds_to_the_microsecond_by_the_server_s_clock(server, monkeypatch, at, status):
    from leaderboard import host

    host.say(server.engine, prepared("cars"), "deadline", "2026-07-01T02:00+02:00", "eva")
    monkeypatch.setattr(inbox, "now", lambda: at)
    assert (
        server.post(CARS, content=right(v1=at[-7:-1]), headers={"date": "Thu, 01 Jan 1970 00:00:00 GMT"}).status_code
        == status
    )
    monkeypatch.undo()
    monkeypatch.setenv("HARNESS_HOME", str(server.home))
    host.say(server.engine, prepared("cars"), "deadline", "2999-01-01", "eva")
    forget(server)


def test_l5_a_day_begins_at_midnight_utc(server, monkeypatch):
    for k in range(5):
        monkeypatch.setattr(inbox, "now", lambda k=k: f"2026-06-30T23:59:59.99999{k}Z")
        assert server.post(CARS, content=right(v1=k)).status_code == 201
    assert server.post(CARS, content=right(v1=7)).status_code == 429
    monkeypatch.setattr(inbox, "now", lambda: "2026-07-01T00:00:00.000000Z")
    assert server.post(CARS, content=right(v1=7)).status_code == 201
    monkeypatch.undo()
    monkeypatch.setenv("HARNESS_HOME", str(server.home))
    forget(server)


def test_l7_a_new_version_of_the_metric_stands_beside_the_old_one(server, monkeypatch):
    server.post(CARS, content=right())
    declared: Metric = find("cars").metric
    monkeypatch.setattr(type(declared), "version", declared.version + 1)
    assert read(server.engine, find("cars"), prepared("cars")).rows == []
    assert rebuild.rebuild("cars").scored == 1
    assert len(read(server.engine, find("cars"), prepared("cars")).rows) == 1
    with reading(server.engine) as connection:
        assert len(connection.execute(submissions.select()).all()) == 1
        assert len(connection.exec_driver_sql("SELECT DISTINCT version FROM scores").all()) == 2
    assert json.loads(server.get("/api/competitions/cars/board").text)["rows"]
    forget(server)


ADDRESSES = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
ODD = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["cars", "glas", "red", "aaaa1111", "0", "1", "-1", "9" * 30, "\0", "../..", "%", "é\u202e", "\ud800"]
    ),
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ADDRESSES), st.data())
def test_whatever_is_asked_of_the_api_is_answered_in_words(server, address, data):
    """Every address of the OpenAPI page, with whatever stands in its parameters and its body: never a 5xx."""
    path, method = address
    for name in re.findall(r"{(\w+)}", path):
        path = path.replace(f"{{{name}}}", quote(data.draw(ODD).encode("utf-8", "surrogatepass"), safe=""))
    told = DOCUMENT["paths"][address[0]][method]["parameters"]
    asked = {one["name"]: data.draw(ODD).encode("utf-8", "surrogatepass") for one in told if one["in"] == "query"}
    asked.pop("wait", None)
    body = data.draw(st.binary(max_size=60)) if method == "post" else None
    response = server.request(method, f"{path}?{urlencode(asked)}", content=body)
    assert response.status_code < 500
    if response.status_code >= 400:
        assert set(response.json()) == {"error"}
