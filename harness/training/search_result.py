"""What a search and `make specialist` found, for a later `make submit`: searches/<competition>/<data-hash>/."""

from collections.abc import Mapping
from typing import Any

from harness import paths
from harness.files import read_json, write_json
from harness.models import Learner
from harness.models.config import revived
from harness.training.predictions import ModelRun


def save(competition: str, data_hash: str, manifest: Mapping[str, Any]) -> None:
    """Save the members of a search's submission, and the candidates that they were chosen from, from its manifest."""
    candidates = {
        name: {"run": folder} | {key: stored[key] for key in ("model", "config", "config_hash", "fold_count")}
        for name, folder in manifest["runs"].items()
        for stored in [ModelRun(paths.root() / folder).manifest]
    }
    members = {name: candidates[name] for name in candidates if name in used(manifest["recipe"])}
    found = {"members": members, "candidates": candidates}
    found |= {"cv": manifest["cv"], "train_hash": manifest["train_hash"], "share": manifest["share"]}
    write_json(paths.searches(competition, data_hash) / "best.json", found)


def used(recipe: Mapping[str, Any]) -> set[str]:
    """The names of the members that a recipe's JSON needs."""
    return {*recipe["weights"], *([recipe["class_specialist"]["by"]] if recipe["class_specialist"] else [])}


def variants(competition: str, data_hash: str, train_hash: str) -> dict[str, Learner]:
    """name -> learner: all candidates where their runs are still on the disk, else the members alone.

    From the same candidates the ensemble comes out with the search's own CV, which counts the choice among them. Empty
    where no search was made on these rows and folds, or none that finished a model.
    """
    file = paths.searches(competition, data_hash) / "best.json"
    found = read_json(file) if file.exists() else {}
    if found.get("train_hash") != train_hash or found["share"] < 1:
        return {}
    candidates = found["candidates"].values()
    held = (ModelRun(paths.root() / each["run"]).held(each["fold_count"]) for each in candidates)
    complete = all(len(folds) == each["fold_count"] for folds, each in zip(held, candidates, strict=True))
    chosen = found["candidates"] if complete else found["members"]
    return {name: revived(member["config"]) for name, member in chosen.items()}


def keep_specialist(competition: str, data_hash: str, name: str, found: Mapping[str, Any] | None) -> None:
    """found: its train hash, learner and gain; None removes it where it was kept before."""
    file = paths.searches(competition, data_hash) / "specialists.json"
    known = read_json(file) if file.exists() else {}
    others = {other: each for other, each in known.items() if other != name}
    if known or found:
        write_json(file, others | ({name: found} if found else {}))


def specialists(competition: str, data_hash: str, train_hash: str) -> dict[str, Learner]:
    """name -> learner, of those that were kept on these rows and folds."""
    file = paths.searches(competition, data_hash) / "specialists.json"
    known = read_json(file) if file.exists() else {}
    return {name: revived(kept["config"]) for name, kept in known.items() if kept["train_hash"] == train_hash}
