"""Hostile files and requests over HTTP: a refusal in words, a 4xx, no quota used, nothing of the answers, server alive.

S and L are the numbers of the threat model; what they need beyond a refusal stands in tests of their own.
"""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import contextlib
import csv
import gzip
import io
import itertools
import json
import lzma
import pickle
import re
import socket
import statistics
import time
import tracemalloc
import urllib.request
import zipfile
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from leaderboard.tables import jobs
from starlette.testclient import TestClient
from tests.leaderboard.test_leaderboard import home  # noqa: F401

from harness import paths
from harness.competition import find
from harness.data.splits import divide
from harness.errors import InvalidSubmission, UserError
from harness.files import write_json
from harness.metrics import Metric
from leaderboard import queue, rescore, teams
from leaderboard.answers import Answers, prepared
from leaderboard.board import read
from leaderboard.database import open_database, reading, writing
from leaderboard.queue import read_quota
from leaderboard.scoring import score_file
from leaderboard.teams import Member
from leaderboard.web import app, asking
from leaderboard.web.openapi import DOCUMENT
from leaderboard.web.settings import LOOPBACK, Settings
from tests.audit import test_audit_leaks
from tests.leaderboard import test_ledger, test_non_interference
from tests.leaderboard.web import test_server, test_server_scorer
from tests.leaderboard.web.test_server import ScoresAtOnce, dump
from tests.leaderboard.web.test_server_remote import served
from tests.support.frozen import Clock, hold

CARS, GLAS = "/api/competitions/cars/submissions", "/api/competitions/glas/submissions"
CANARY = 98765.4321  # stands in the answers alone
IDS, ANSWERS = ["1", "2", "3", "10", "9007199254740993"], np.array([100.0, 150.0, 90.0, 130.0, CANARY])


numbers = itertools.count(1)


def prepare(name, ids, targets):
    """On a board of its own."""
    data_hash = f"{next(numbers):08x}"
    folder = paths.private(name, data_hash)
    folder.mkdir(parents=True)
    public = np.arange(len(ids)) % 2 == 0
    np.savez(folder / "answers.npz", ids=np.array(ids), groups=np.arange(len(ids)), public=public, targets=targets)
    write_json(paths.data(name) / "current.json", {"data_hash": data_hash, "source": "files"})


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A team server with two real competitions; the whole module shares it, and it must survive everything."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARNESS_HOME", str(home))
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
    """Every test has a board without an entry."""
    monkeypatch.setenv("HARNESS_HOME", str(server.home))
    prepare("cars", IDS, ANSWERS)


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
    SAYS = "it was unpickled"

    def __reduce__(self):
        return (print, (self.SAYS,))


def array():
    file = io.BytesIO()
    np.save(file, np.array([Gadget()], object), allow_pickle=True)
    return file.getvalue()


FILES = {
    "S1 zip bomb": (CARS, zipped(b"0" * 50_000_000), 415),
    "S1 zip in a zip": (CARS, zipped(zipped(b"0" * 1_000_000)), 415),
    "S1 gzip": (CARS, gzip.compress(b"0" * 10_000_000), 415),
    "S1 xz": (CARS, lzma.compress(b"0" * 10_000_000), 415),
    "S1 tar": (CARS, b"a" + b"\0" * 256 + b"ustar" + b"\0" * 250, 415),
    "S1 bzip2": (CARS, b"BZh91AY&SY" + b"\xff" * 100, 422),
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


# Lines of the threat model whose proof stands beside what it is about.
ELSEWHERE = {
    "S14": test_server.test_no_other_site_changes_anything,
    "S17": test_server_scorer.test_whatever_a_child_says_no_score_is_made_of_it_that_is_none,
    "L1": test_non_interference.test_with_other_private_answers_no_byte_of_any_answer_is_another_before_the_reveal,
    "L2": test_audit_leaks.test_rows_in_the_order_of_their_classes_fail,
    "L6": test_ledger.test_every_changed_byte_is_found,
}


def test_every_line_of_the_threat_model_has_a_test():
    named = [*FILES, *ELSEWHERE, *(name.removeprefix("test_").upper() for name in globals())]
    shown = {found[0] for name in named if (found := re.match(r"[SL]\d+(?![0-9])", name))}
    assert shown >= {f"S{number}" for number in range(1, 19)} | {f"L{number}" for number in range(1, 8)}


@pytest.mark.parametrize("attack", FILES)
def test_a_hostile_file_is_refused_in_words_and_costs_nothing(server, attack, capfd):
    address, content, status = FILES[attack]
    before = stored(server.home)
    response = server.post(address, content=content)
    assert response.status_code == status, response.text
    sentence = response.json()["error"]
    assert 20 < len(sentence) < 700 and "Traceback" not in sentence
    said = "".join(capfd.readouterr())
    assert str(CANARY) not in response.text + str(response.headers) + said and Gadget.SAYS not in said
    assert read_quota(server.engine, prepared("cars"), "red", 5).used == 0
    assert read_quota(server.engine, prepared("glas"), "red", 5).used == 0
    assert stored(server.home) == before
    assert server.get("/healthz").text == "ok\n"


def stored(home):
    """Everything on the disk but the database."""
    return sorted(str(path) for path in home.rglob("*") if path.is_file() and "leaderboard.db" not in path.name)


def scratch(content):
    """A file that the next one overwrites."""
    file = paths.root() / "scratch.csv"
    file.write_bytes(content)
    return file


def ordered_runs(pairs):
    """Runs that are right as long as they end within the picture: (gap, length) one after the other."""
    at, told = 1, []
    for gap, length in pairs:
        told.append(f"{at + gap} {length}")
        at += gap + length + 1
    return " ".join(told)


def slowly(runs, pixels=128 * 128):
    """Pixel by pixel; None where the runs are none."""
    numbers, mask, last = runs.split(), np.zeros(pixels, int), 0
    if len(numbers) % 2 or not all(re.fullmatch("[0-9]+", number) for number in numbers):
        return None
    for start, length in zip(map(int, numbers[::2]), map(int, numbers[1::2]), strict=True):
        if start <= last or length < 1 or start + length - 1 > pixels:
            return None
        last = start + length - 1
        mask[start - 1 : last] = 1
    return mask


@pytest.mark.parametrize(
    "content",
    [right().replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + right(), cars(*[f"{name},100" for name in IDS[::-1]])],
)
def test_s4_the_order_the_ends_of_lines_and_a_mark_at_the_beginning_do_not_matter(server, content):
    told = server.post(CARS, content=content).json()
    assert told["accepted"] and told["public"] == server.post(CARS, content=right()).json()["public"]


def test_s2_a_long_file_of_another_competition_is_refused_without_being_kept_in_memory():
    file = scratch(cars(*["zebras,1"] * 200_000))
    tracemalloc.start()
    with pytest.raises(InvalidSubmission, match="none of the ids is one of the 5 asked for"):
        score_file(find("cars"), file, Answers(np.array(IDS), np.arange(5), np.arange(5) < 2, ANSWERS))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.floats().map(str), st.text(max_size=12), st.from_regex(r"[+-]?[0-9_.,eExX ]{1,9}", fullmatch=True)))
def test_s3_whatever_stands_in_a_cell_is_a_finite_number_or_a_refusal(value):
    task, file = find("cars").task, scratch(right(v2=value))
    try:
        assert np.isfinite(task.read(file, np.array(IDS))).all()
    except InvalidSubmission as refusal:
        assert "line" in str(refusal) or "columns" in str(refusal) or "CSV" in str(refusal)


@settings(max_examples=60, deadline=None)
@given(st.permutations(IDS), st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=5))
def test_s4_a_score_is_the_same_to_the_last_bit_in_whatever_order_the_rows_stand(order, values):
    value = dict(zip(IDS, values, strict=True))
    answers = Answers(np.array(IDS), np.arange(5), np.arange(5) % 2 == 0, ANSWERS)
    one, other = (
        score_file(find("cars"), scratch(cars(*(f"{name},{value[name]!r}" for name in names))), answers)
        for names in (IDS, order)
    )
    assert [part[:3] for part in one.values()] == [part[:3] for part in other.values()]


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=20), st.sampled_from(["1", "10", "9007199254740993"]).map(lambda name: f"0{name}")))
def test_s5_an_id_is_the_same_characters_or_another_one(name):
    quoted = '"' + name.replace('"', '""') + '"'
    with pytest.raises(InvalidSubmission):
        find("cars").task.read(scratch(right() + f"{quoted},1\n".encode("utf-8", "replace")), np.array(IDS))


RUNS = st.one_of(
    st.lists(st.integers(-2, 16390) | st.integers(2**31 - 1, 2**64), max_size=6).map(
        lambda runs: " ".join(map(str, runs))
    ),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=5).map(ordered_runs),
    st.text("0123456789 -+.e", max_size=20),
)


@settings(max_examples=200, deadline=None)
@given(RUNS)
@example("1 1 ")  # more blanks are no other runs
def test_s6_run_lengths_are_refused_or_are_those_of_a_slow_reference(runs):
    expected = slowly(runs)
    try:
        (read, *_) = find("glas").task.read(scratch(glas(runs)), np.array(["a", "b", "c"]))
    except InvalidSubmission:
        assert expected is None
        return
    assert expected is not None and (np.asarray(read).ravel() == expected).all()


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..%5c..%5cx", "CON", "a" * 4096, "%00", "x.csv%0d%0aSet-Cookie:a=b", ".."]
)
def test_s9_a_file_name_writes_nowhere_else(server, name):
    response = server.post(f"{CARS}?name={name}", content=b"id,horsepower\n")
    assert response.status_code == 422 and "set-cookie" not in response.headers
    assert not any(part in path for path in stored(server.home) for part in ("passwd", "CON", "Cookie"))
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}\.(csv|json)", queue.plain_name(name))


def test_s2_a_body_without_a_length_is_cut_off_at_the_limit(server):
    assert server.post(CARS, content=(b"1" * 65536 for _ in range(1000))).status_code == 413
    assert not list((server.home / "boards" / "incoming").iterdir())


SQL = ("'", "' OR '1'='1", "'; DROP TABLE scores --", '"', "1) UNION SELECT value FROM scores --", "%27%20OR%201", "\\")


@pytest.mark.parametrize("words", SQL)
def test_s10_words_of_sql_are_words(server, words):
    server.post(CARS, content=right())
    before, hole = dump(), quote(words, safe="")
    told = server.post(f"{CARS}?name={hole}", content=right()).json()  # the same file: nothing is written
    assert told["accepted"]
    for path in (f"/c/cars/team/{hole}", f"/c/{hole}", f"/c/cars?sort={hole}", f"/c/cars?data={hole}"):
        assert server.get(path).status_code in (400, 404)
    assert server.put(f"/api/competitions/cars/finals?entry={hole}").status_code == 400
    assert server.get("/c/cars", headers={"authorization": f"Bearer {words}"}).status_code == 303
    assert dump() == before


@pytest.mark.parametrize("begins", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "\uff1d2+2"])
def test_s12_an_exported_name_is_text_and_the_numbers_beside_it_are_exact(server, begins):
    name = teams.create_team(server.engine, begins)
    token = teams.issue_token(server.engine, "eve", name)
    assert server.post(CARS, content=right(v1=0.1), headers={"authorization": f"Bearer {token}"}).status_code == 201
    (line,) = csv.DictReader(io.StringIO(server.get("/api/competitions/cars/board.csv").text))
    (row,) = server.get("/api/competitions/cars/board").json()["rows"]
    assert line["team"] == f"'{name}" and float(line["score"]) == row["score"]


@pytest.mark.parametrize(
    "name", ["red\u200d", "\u202ered", "r\u0435d", "\uff52\uff45\uff44", "RED", "r e d", "ｒed", "", "\t", "a" * 41]
)
def test_s13_a_name_that_looks_like_ours_or_like_nothing_is_refused(server, name):
    with pytest.raises(UserError):
        teams.create_team(server.engine, name)


def test_s15_a_wrong_token_takes_as_long_as_a_right_one_and_none_lies_in_the_database(server):
    right_one = teams.issue_token(server.engine, "tim", "red")
    seconds = {right_one: [], right_one[:-1] + "-": [], "lb_" + "A" * 43: []}
    for _ in range(150):
        for token, measured in seconds.items():
            begun = time.perf_counter()
            teams.who(server.engine, token)
            measured.append(time.perf_counter() - begun)
    medians = [statistics.median(measured) for measured in seconds.values()]
    assert max(medians) - min(medians) < 0.001
    assert not any(right_one.encode() in file.read_bytes() for file in server.home.glob("leaderboard.db*"))


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

    with pytest.raises(queue.Refusal, match="nothing came for"):
        anyio.run(slow)


@pytest.mark.soak
def test_s16_two_hundred_who_speak_slowly_keep_nobody_else_waiting(home):
    """Each says that it sends a file, and sends a byte of it now and then."""
    head = b"POST /api/competitions/tiny/submissions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    with served() as address, contextlib.ExitStack() as all_of_them:
        port, waited = int(address.rpartition(":")[2]), []
        slow = [all_of_them.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(200)]
        for connection in slow:
            connection.sendall(head)
        for k in range(100):
            for connection in slow[k % 10 :: 10]:
                connection.sendall(b"i")
            begun = time.perf_counter()
            assert urllib.request.urlopen(f"{address}/c/tiny").status == 200
            waited.append(time.perf_counter() - begun)
    print(f"p95 beside 200 slow connections: {1000 * statistics.quantiles(waited, n=20)[-1]:.0f} ms")
    assert statistics.quantiles(waited, n=20)[-1] < 0.3


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


def test_l3_the_same_file_again_costs_nothing(server):
    ids = {server.post(CARS, content=right()).json()["id"] for _ in range(8)}
    assert len(ids) == 1 and read_quota(server.engine, prepared("cars"), "red", 5).used == 1


def test_l4_the_public_part_cannot_be_told_from_ids_or_order():
    """200 splits of 500 rows by other keys: every row is public about as often, and neighbours do not go together."""
    strata = np.zeros(500, int)
    drawn = np.stack([divide(strata, np.arange(500), [0.4, 0.6], bytes([k]) * 32) == 0 for k in range(200)])
    assert np.abs(drawn.mean(0) - 0.4).max() < 0.18  # five standard errors
    assert abs(np.mean(drawn[:, 1:] == drawn[:, :-1]) - (0.4**2 + 0.6**2)) < 0.02


@pytest.mark.parametrize(
    ("at", "status"),
    [("2026-06-30T23:59:59.999999Z", 201), ("2026-07-01T00:00:00.000000Z", 409), ("2026-07-01T00:00:00.000001Z", 409)],
)
def test_l5_the_deadline_holds_to_the_microsecond_by_the_server_s_clock(server, monkeypatch, at, status):
    from leaderboard import host

    host.say(server.engine, prepared("cars"), "deadline", "2026-07-01T02:00+02:00", "eva")
    monkeypatch.setattr(queue, "now", lambda: at)
    theirs = {"date": "Thu, 01 Jan 1970 00:00:00 GMT"}
    assert server.post(CARS, content=right(), headers=theirs).status_code == status


def test_l5_one_look_at_the_clock_counts_a_file_and_dates_it(server, monkeypatch):
    """Between two looks a day could end: five of yesterday, and a sixth that says it is of today."""
    looks = iter([f"2026-06-30T23:59:59.99999{k}Z" for k in range(7)])
    monkeypatch.setattr(queue, "now", lambda: next(looks))
    assert [server.post(f"{CARS}?wait=0", content=right(v1=k)).status_code for k in range(5)] == [201] * 5
    assert server.post(CARS, content=right(v1=7)).status_code == 429
    assert next(looks).endswith("6Z") and next(looks, None) is None


@pytest.mark.parametrize("hours", [-1, 1])
def test_l5_a_server_whose_clock_is_wrong_steals_no_lease_and_keeps_order_and_quota(server, monkeypatch, hours):
    clock = hold(monkeypatch, Clock())
    monkeypatch.setattr(time, "time", lambda: clock.at.timestamp())
    numbers = []
    for k in range(3):
        numbers.append(server.post(CARS, content=right(v1=k)).json()["id"])
        clock.tick(hours=hours)
    assert numbers == sorted(numbers) and read_quota(server.engine, prepared("cars"), "red", 5).used == 3
    with writing(server.engine) as connection:
        connection.execute(jobs.update().where(jobs.c.id == numbers[0]).values(state="waiting", attempts=0))
    assert queue.claim(server.engine, "one").id == numbers[0]
    clock.tick(hours=hours)
    assert queue.claim(server.engine, "other") is None


def test_l5_a_day_begins_at_midnight_utc(server, monkeypatch):
    for k in range(5):
        monkeypatch.setattr(queue, "now", lambda k=k: f"2026-06-30T23:59:59.99999{k}Z")
        assert server.post(CARS, content=right(v1=k)).status_code == 201
    assert server.post(CARS, content=right(v1=7)).status_code == 429
    monkeypatch.setattr(queue, "now", lambda: "2026-07-01T00:00:00.000000Z")
    assert server.post(CARS, content=right(v1=7)).status_code == 201


def test_l7_a_new_version_of_the_metric_stands_beside_the_old_one(server, monkeypatch):
    server.post(CARS, content=right())
    declared: Metric = find("cars").metric
    monkeypatch.setattr(type(declared), "version", declared.version + 1)
    assert len(read(server.engine, find("cars"), prepared("cars")).rows) == 1
    assert rescore.rescore("cars").entries == 1
    assert len(read(server.engine, find("cars"), prepared("cars")).rows) == 1
    with reading(server.engine) as connection:
        assert len(connection.exec_driver_sql("SELECT DISTINCT version FROM scores").all()) == 2
    assert json.loads(server.get("/api/competitions/cars/board").text)["rows"]


ADDRESSES = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
ODD = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["cars", "glas", "red", "aaaa1111", "0", "1", "-1", "9" * 30, "\0", "../..", "%", "é\u202e", "\ud800"]
    ),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
