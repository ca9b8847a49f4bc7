"""The team's bundles: shared on a server, read by the same team alone, checked, blended, and whose gain it was."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import io
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from tests.leaderboard.test_leaderboard import home  # noqa: F401
from tests.leaderboard.web.test_server import client_of
from tests.leaderboard.web.test_server_remote import served

from harness import paths, pipeline
from harness.competition import Competition
from harness.ensemble import Recipe
from harness.errors import UserError
from harness.files import read_json, write_json
from harness.options import Request
from harness.submission import writer
from harness.training import fold, predict, team
from harness.training.predictions import ModelRun
from leaderboard import teams
from leaderboard.database import open_database
from leaderboard.web import boards
from leaderboard.web import bundles as model_runs
from tests.support import here
from tests.support.tiny_runs import RUNS

SHARED = "/api/competitions/tiny/bundles"
TRAIN = "0123456789ab"
KIND = "probabilities"


def digest_of(content: bytes) -> str:
    return sha256(content).hexdigest()


# -- what the server keeps, and for whom -------------------------------------------------------------------------------


@pytest.fixture
def asks(home: Path) -> Iterator[Callable]:
    """asks("anna", "GET", path): with the token of a member; anna and bob are red, carl is blue, eva is the host."""
    engine = open_database()
    headers = {}
    for name in ("red", "blue"):
        teams.create_team(engine, name)
    for name, of in (("anna", "red"), ("bob", "red"), ("carl", "blue"), ("eva", None)):
        token = teams.issue_token(engine, name, of, "player" if of else "host")
        headers[name] = {"authorization": f"Bearer {token}"}
    with client_of(team_mode=True) as client:
        yield lambda who, method, path, **options: client.request(method, path, headers=headers[who], **options)


def put(asks: Callable, who: str, content: bytes, name: str = "unet-1", digest: str | None = None, **more: str):
    path = f"{SHARED}/{digest or digest_of(content)}"
    return asks(who, "PUT", path, params={"train": TRAIN, "name": name} | more, content=content)


def test_a_bundle_is_kept_and_its_own_team_alone_reads_it(asks: Callable) -> None:
    kept = put(asks, "anna", b"predictions")
    assert kept.status_code == 201
    assert kept.json()["member"] == "anna" and kept.json()["size"] == 11
    (listed,) = asks("bob", "GET", SHARED).json()["bundles"]
    assert listed == kept.json()
    assert asks("bob", "GET", f"{SHARED}/{listed['sha256']}").content == b"predictions"
    assert asks("carl", "GET", SHARED).json()["bundles"] == []
    assert asks("carl", "GET", f"{SHARED}/{listed['sha256']}").status_code == 404
    assert asks("carl", "GET", SHARED, params={"team": "red"}).status_code == 403
    assert asks("eva", "GET", SHARED).status_code == 403


def test_what_a_member_shares_again_under_a_name_takes_the_place_of_the_old(asks: Callable, home: Path) -> None:
    put(asks, "anna", b"old")
    put(asks, "bob", b"of bob")
    put(asks, "anna", b"new")
    found = asks("bob", "GET", SHARED).json()["bundles"]
    assert [(one["member"], one["sha256"]) for one in found] == [
        ("bob", digest_of(b"of bob")),
        ("anna", digest_of(b"new")),
    ]
    assert asks("bob", "GET", f"{SHARED}/{digest_of(b'old')}").status_code == 404
    assert not list(home.rglob("boards/incoming/.*"))


@pytest.mark.parametrize(
    ("content", "asked", "status", "sentence"),
    [
        (b"other", {"digest": digest_of(b"another")}, 400, "send it again"),
        (b"", {}, 400, "send the bundle as the body"),
        (b"x", {"train": "../../etc"}, 400, "train='../../etc' should look like"),
        (b"x", {"name": "../evil"}, 400, "name='../evil' should look like"),
        (b"x", {"digest": "z" * 64}, 400, "sha256='zzz"),
        (b"x" * 2000, {}, 413, "1,000"),
    ],
)
def test_a_bundle_that_is_none_is_refused_and_leaves_nothing(
    asks: Callable, home: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, asked: dict, status: int, sentence: str
) -> None:
    monkeypatch.setattr(model_runs, "MOST_OF_A_BUNDLE", 1000)
    refused = put(asks, "anna", content, **asked)
    assert refused.status_code == status and sentence in refused.json()["error"]
    assert asks("anna", "GET", SHARED).json()["bundles"] == []
    assert not [file for file in home.rglob("boards/**/*") if file.is_file() and "bundles" in str(file)]


def test_a_body_that_says_nothing_of_its_length_is_cut_off_too(asks: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_runs, "MOST_OF_A_BUNDLE", 1000)
    pieces = iter([b"x" * 600, b"x" * 600])
    path = f"{SHARED}/{digest_of(b'x' * 1200)}"
    assert asks("anna", "PUT", path, params={"train": TRAIN, "name": "a"}, content=pieces).status_code == 413


def test_a_team_has_a_limit_in_all_and_what_is_replaced_does_not_count(
    asks: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_runs, "MOST_OF_BUNDLES", 1000)
    assert put(asks, "anna", b"a" * 900).status_code == 201
    assert put(asks, "bob", b"b" * 200).status_code == 413
    assert put(asks, "anna", b"c" * 900).status_code == 201


# -- a file of somebody else -------------------------------------------------------------------------------------------


def zipped(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"no zip at all",
        zipped({"fold_0/fold.json": b"{}"}),
        zipped({"run.json": b"{}", "../../evil.npy": b""}),
        zipped({"run.json": b"{}", "fold_0/checkpoint.pt": b"pickle"}),
        zipped({"run.json": b"{}", "fold_0/oof-plain.flat.npy": b"0" * 10_000}, zipfile.ZIP_DEFLATED),
    ],
    ids=["no zip", "no manifest", "a path", "a network", "a bomb"],
)
def test_what_is_no_bundle_of_predictions_is_not_opened(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "bundle.zip"
    archive.write_bytes(content)
    with pytest.raises(UserError, match="what anna shares as unet is no bundle of predictions; it was not opened"):
        team.require_predictions(archive, {"member": "anna", "name": "unet", "size": len(content)})


def test_the_same_predictions_are_the_same_file_and_networks_stay_at_home(tmp_path: Path) -> None:
    for name in (
        "run.json",
        "fold_0/fold.json",
        "fold_0/oof-plain.all.npy",
        "fold_0/network.pt",
        "fold_0/log.jsonl",
    ):
        (tmp_path / "unet" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "unet" / name).write_text(name)
    for name in ("one.zip", "two.zip"):
        team.pack(tmp_path / "unet", tmp_path / name)
        time.sleep(0.01)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as packed:
        assert packed.namelist() == ["run.json", "fold_0/fold.json", "fold_0/oof-plain.all.npy"]


# -- the whole way -----------------------------------------------------------------------------------------------------


class Team:
    """anna has the first model, bob the second and third, carl of another team the third. said: lines for people."""

    def __init__(self, server: str, run: here.Run, declared: Competition, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.monkeypatch, self.said = server, monkeypatch, list[str]()
        self.data_hash = run.prepared.data_hash
        self.request = Request(declared, team="red", say=self.said.append)
        self.runs, self.all = paths.runs(KIND, run.card["train_hash"]), paths.root() / "all"
        shutil.move(self.runs, self.all)
        engine = open_database()
        for name in ("red", "blue"):
            teams.create_team(engine, name)
        members = {"anna": "red", "bob": "red", "carl": "blue"}
        self.tokens = {name: teams.issue_token(engine, name, of) for name, of in members.items()}

    def sits_down(self, who: str, *models: str) -> None:
        """At a machine with these bundles alone."""
        self.monkeypatch.setenv("LEADERBOARD_TOKEN", self.tokens[who])
        shutil.rmtree(self.runs, ignore_errors=True)
        for folder in self.all.glob("*/"):
            if folder.name.split("-")[0] in models:
                shutil.copytree(folder, self.runs / folder.name)

    def blend(self) -> dict:
        return pipeline.blend(self.request, None, self.server)

    def share(self, train: str) -> None:
        """Without a blend."""
        (folder,) = self.runs.glob("*/")
        team.exchange(self.server, KIND, self.data_hash, train, {folder.name: ModelRun(folder)}, self.said.append)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, here.Run]]:
    """Three models, trained once."""
    with pytest.MonkeyPatch.context() as patched:
        declared, place = RUNS[KIND](), tmp_path_factory.mktemp("trained")
        patched.setenv("HARNESS_HOME", str(place))
        patched.setattr(fold, "find", lambda _: declared)
        yield place, here.run(Request(declared, team="red"))


@pytest.fixture
def red(trained: tuple[Path, here.Run], own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    place, run = trained
    shutil.copytree(place, own_home, dirs_exist_ok=True)
    monkeypatch.setenv("HARNESS_HOME", str(own_home))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    declared = RUNS[KIND]()
    monkeypatch.setattr(boards, "find", lambda _: declared)
    monkeypatch.setattr(boards, "names", lambda: [KIND])
    monkeypatch.setattr(writer, "judge", lambda *arguments: {})
    with served(team_mode=True) as address:
        yield Team(address, run, declared, monkeypatch)


def test_members_blend_what_all_of_them_trained_and_see_who_brought_what(red: Team) -> None:
    red.sits_down("anna", "first")
    alone = red.blend()
    assert [one["member"] for one in alone["members"]] == ["you"] and alone["members"][0]["gain"] is None
    red.sits_down("carl", "third")
    assert [one["member"] for one in red.blend()["members"]] == ["you"]

    red.sits_down("bob", "second", "third")
    told = red.blend()
    anna, you = sorted(told["members"], key=lambda one: one["member"])
    assert (anna["member"], you["member"]) == ("anna", "you")
    assert len(anna["models"]) == 1 and len(you["models"]) == 2
    assert anna["weight"] + you["weight"] == pytest.approx(1)
    assert len(told["models"]) == 3

    theirs = next(red.runs.glob("*@*"))
    assert read_json(theirs / "run.json")["member"] == "anna"
    assert not list(theirs.rglob("log.jsonl"))
    (own,) = red.all.glob("first-*/")
    for file in own.rglob("*.npy"):
        np.testing.assert_array_equal(np.load(theirs / file.relative_to(own)), np.load(file))


class Skills:
    """A problem whose members are right by this share of every row; a blend is their weighted mean."""

    skill = {"first": 0.5, "second": 0.7, "third": 0.9}  # noqa: RUF012
    groups = np.arange(40)

    class metric:  # noqa: N801
        higher_is_better = True
        by_class = staticmethod(lambda rows, counts=None: {})
        score = staticmethod(
            lambda rows, counts=None: rows.mean() if counts is None else counts @ rows / counts.sum(-1)
        )

    def statistics_of(self, recipe: Recipe) -> np.ndarray:
        mean = sum(weight * self.skill[name] for name, weight in recipe.weights.items()) / sum(recipe.weights.values())
        return np.full(40, mean)


def test_the_gain_of_a_person_is_that_of_all_their_models_together(tmp_path: Path) -> None:
    for name, member in (("first", {"member": "anna"}), ("second", {}), ("third", {})):
        write_json(tmp_path / name / "run.json", member)
    shared = {name: ModelRun(tmp_path / name) for name in Skills.skill}
    recipe = Recipe({"first": 0.5, "second": 0.25, "third": 0.25})
    anna, you = team.contributions(Skills(), recipe, shared)
    assert (anna["member"], you["member"]) == ("anna", "you")
    assert you["models"] == {"second": 0.25, "third": 0.25} and you["weight"] == 0.5
    assert anna["gain"]["difference"] == pytest.approx(0.65 - 0.8)
    assert you["gain"]["difference"] == pytest.approx(0.65 - 0.5)
    (alone,) = team.contributions(Skills(), Recipe({"second": 1.0}), {"second": shared["second"]})
    assert alone["gain"] is None


def test_a_second_blend_fetches_and_sends_nothing_again(red: Team) -> None:
    red.sits_down("anna", "first")
    red.blend()
    assert any(line.startswith("sharing first") for line in red.said)
    red.sits_down("bob", "second")
    red.blend()
    red.said.clear()
    red.blend()
    assert not [line for line in red.said if line.startswith(("sharing", "fetching"))]


def test_bundles_of_other_rows_or_folds_are_refused_in_words(red: Team) -> None:
    red.sits_down("anna", "first")
    (folder,) = red.runs.glob("*/")
    write_json(folder / "run.json", read_json(folder / "run.json") | {"train_hash": TRAIN})
    red.share(TRAIN)
    red.sits_down("bob", "second")
    assert [one["member"] for one in red.blend()["members"]] == ["you"]
    assert any("of anna is refused: it was made on other rows or folds" in line for line in red.said)


def test_a_bundle_with_too_few_rows_is_refused(red: Team) -> None:
    red.sits_down("anna", "first")
    (file,) = red.runs.glob("*/fold_1/oof-tta.*.npy")
    np.save(file, np.load(file)[:-1])
    red.share(red.runs.name)
    red.sits_down("bob", "second")
    with pytest.raises(UserError, match=r"of anna predicts \d+ rows, not \d+ \(oof, fold 1\)"):
        red.blend()


def test_without_a_token_it_is_said(red: Team) -> None:
    red.sits_down("anna", "first")
    red.monkeypatch.delenv("LEADERBOARD_TOKEN")
    with pytest.raises(UserError, match="wants a token of yours"):
        red.blend()


def test_new_inputs_are_not_predicted_without_the_networks_of_a_team_mate(red: Team) -> None:
    red.sits_down("anna", "first")
    red.blend()
    red.sits_down("bob", "second")
    red.blend()
    theirs = next(red.runs.glob("*@*"))
    recipe = Recipe({theirs.name: 1.0})
    with pytest.raises(UserError, match="is of anna, who shared its predictions without its networks"):
        predict.fits_of({theirs.name: ModelRun(theirs)}, recipe)
