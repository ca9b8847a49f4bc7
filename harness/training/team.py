"""What the members of a team share on their server: the predictions of each one's complete models, for all to blend.

A bundle travels as a zip of its bundle.json and its arrays, without networks. Those of others lie beside our own, as
runs/<competition>/<train-hash>/<model>@<hash>/, and their bundle.json names the member; nothing of them is unpickled.
"""

import os
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from harness import paths
from harness.bootstrap import Comparison, compare
from harness.data.downloads import unzip
from harness.ensemble import OOFData, Recipe
from harness.errors import UserError
from harness.files import TEMPORARY, read_json, require_free, sha256_of, write_json
from harness.submission import client
from harness.tasks import Task
from harness.training.predictions import VIEWS, ModelRun, load_prediction, require_same_rows

PARTS = re.compile(r"bundle\.json|fold_\d{1,2}/(fold\.json|(oof|holdout)-(plain|tta)\.\w+\.npy)", re.ASCII)
KEYS = {"competition", "train_hash", "model", "config", "folds", "complete", "score"}  # of bundle.json, that we rely on
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same predictions are the same file
BLOCK = 1 << 20
YOU = "you"

Say = Callable[[str], None]


def member_of(model_run: ModelRun) -> str:
    """Whose it is."""
    return str(model_run.manifest.get("member", YOU))


def exchange(
    server: str, competition: str, data_hash: str, train: str, model_runs: Mapping[str, ModelRun], say: Say
) -> dict[str, ModelRun]:
    """Share our bundles and fetch the others'; all of them. What was made on other rows is refused in words."""
    own = {name: model_run for name, model_run in model_runs.items() if member_of(model_run) == YOU}
    shared = listed(server, competition, data_hash)
    known = {one["sha256"] for one in shared["bundles"]}
    ours = {share(server, competition, data_hash, model_run, known, shared["most"], say) for model_run in own.values()}
    others = dict[str, ModelRun]()
    for one in shared["bundles"]:
        if one["train"] != train:
            say(f"{one['name']} of {one['member']} is refused: it was made on other rows or folds")
        elif one["sha256"] not in ours:
            folder = paths.runs(competition, train) / f"{one['name']}@{one['sha256'][:8]}"
            if not folder.exists():
                say(f"fetching {one['name']} of {one['member']}: {one['size'] / 1e6:.0f} MB")
                receive(server, competition, data_hash, one, folder)
            others[folder.name] = ModelRun(folder)
    require_same_rows(others, train)
    return own | others


# -- with the server ---------------------------------------------------------------------------------------------------


def listed(server: str, competition: str, data_hash: str) -> dict[str, Any]:
    """What the team has shared, and how large a bundle may be; raise `UserError` where that cannot be understood."""
    told = client.ask(server, "GET", f"/{competition}/bundles", lambda: {"params": {"data": data_hash}})
    try:
        good = isinstance(told["most"], int) and all(
            re.fullmatch("[0-9a-f]{64}", one["sha256"])
            and re.fullmatch(r"\w[\w.-]*", one["name"], re.ASCII)
            and isinstance(one["size"], int)
            and isinstance(one["member"], str)
            and isinstance(one["train"], str)
            for one in told["bundles"]
        )
    except (KeyError, TypeError):
        good = False
    if not good:
        raise UserError(f"the list of bundles of {server} cannot be understood; nothing was fetched")
    return told


def share(
    server: str, competition: str, data_hash: str, model_run: ModelRun, known: set[str], most: int, say: Say
) -> str:
    """Upload a bundle that the server lacks; its sha256 there."""
    packed = model_run.folder / f".shared.{os.getpid()}{TEMPORARY}"
    try:
        pack(model_run.folder, packed)
        digest, size, name = sha256_of(packed), packed.stat().st_size, model_run.folder.name
        if size > most:
            raise UserError(f"{name} has {size:,} bytes; a bundle on {server} has at most {most:,}")
        if digest not in known:
            say(f"sharing {name}: {size / 1e6:.0f} MB")
            told = {"data": data_hash, "train": model_run.manifest["train_hash"], "name": name}
            options = lambda: {"params": told, "data": client.body(b"", packed)}  # noqa: E731
            client.ask(server, "PUT", f"/{competition}/bundles/{digest}", options)
        return digest
    finally:
        packed.unlink(missing_ok=True)


def receive(server: str, competition: str, data_hash: str, one: Mapping[str, Any], folder: Path) -> None:
    """Into its folder, which is there when all of it is."""
    archive, waiting = (folder.with_name(f".{folder.name}{suffix}{TEMPORARY}") for suffix in (".zip", ""))
    require_free(folder.parent, 2 * one["size"])
    shutil.rmtree(waiting, ignore_errors=True)
    try:
        address = client.address_of(server, f"/{competition}/bundles/{one['sha256']}?data={data_hash}")
        client.fetch_file(address, archive, one)
        require_predictions(archive, one)
        unzip(archive, waiting)
        manifest = read_json(waiting / "run.json")
        if not (isinstance(manifest, dict) and manifest.keys() >= KEYS):
            raise UserError(f"what {one['member']} shares as {one['name']} was made by another version; update both")
        write_json(waiting / "run.json", {**manifest, "member": one["member"]})
        os.replace(waiting, folder)
    finally:
        archive.unlink(missing_ok=True)
        shutil.rmtree(waiting, ignore_errors=True)


# -- as a file ---------------------------------------------------------------------------------------------------------


def pack(folder: Path, file: Path) -> None:
    """The predictions of a bundle as a zip, which saves next to nothing on float16 probabilities, and so only holds."""
    with zipfile.ZipFile(file, "w") as packed:
        for path in sorted(folder.rglob("*")):
            inside = zipfile.ZipInfo(path.relative_to(folder).as_posix(), LONG_AGO)
            if PARTS.fullmatch(inside.filename):
                with path.open("rb") as source, packed.open(inside, "w", force_zip64=True) as out:
                    shutil.copyfileobj(source, out, BLOCK)


def require_predictions(archive: Path, one: Mapping[str, Any]) -> None:
    """Raise `UserError` where what a team-mate shares holds anything but predictions, or more than it weighs."""
    try:
        with zipfile.ZipFile(archive) as packed:
            inside = packed.infolist()
    except zipfile.BadZipFile:
        inside = []
    names = {part.filename for part in inside}
    plain = all(PARTS.fullmatch(name) for name in names) and len(names) == len(inside)
    small = sum(part.file_size for part in inside) <= one["size"]
    if not (plain and small and "run.json" in names):
        raise UserError(f"what {one['member']} shares as {one['name']} is no bundle of predictions; it was not opened")


def require_rows(model_runs: Mapping[str, ModelRun], task: Task, folds: np.ndarray, holdout: int) -> None:
    """Raise `UserError` where a bundle of a team-mate does not predict the rows that its folds have."""
    for name, model_run in model_runs.items():
        for k in [] if member_of(model_run) == YOU else model_run.manifest["folds"]:
            for kind, rows in (("oof", int((folds == k).sum())), ("holdout", holdout)):
                for view in VIEWS:
                    found = len(load_prediction(model_run.fold(k), f"{kind}-{view}", task))
                    if found != rows:
                        raise UserError(
                            f"{name} of {member_of(model_run)} predicts {found} rows, not {rows} ({kind}, fold {k})"
                        )


# -- who brings what ---------------------------------------------------------------------------------------------------


def contributions(oof: OOFData, recipe: Recipe, model_runs: Mapping[str, ModelRun]) -> list[dict[str, Any]]:
    """Of every person: models with their weights, and the gain of having them, against the same ensemble without.

    gain is None where nothing would be left, and where none of the person's models is used.
    """
    models = dict[str, list[str]]()
    for name, model_run in model_runs.items():
        models.setdefault(member_of(model_run), []).append(name)
    return [
        {
            "member": member,
            "models": {name: recipe.weights.get(name, 0.0) for name in names},
            "weight": sum(recipe.weights.get(name, 0.0) for name in names),
            "gain": told(gain_of(oof, recipe, names)),
        }
        for member, names in models.items()
    ]


def gain_of(oof: OOFData, recipe: Recipe, names: list[str]) -> Comparison | None:
    left = reduce(Recipe.without, names, recipe)
    if left == recipe or not left.weights:
        return None
    return compare(oof.metric, oof.statistics_of(left), oof.statistics_of(recipe), oof.groups)


def told(gain: Comparison | None) -> dict[str, float] | None:
    return {name: getattr(gain, name) for name in ("difference", "low", "high", "p")} if gain else None
