"""What a search and `make specialist` found, for `make submit` afterwards: searches/<competition>/<data-hash>/."""

from collections.abc import Mapping
from typing import Any

from harness import paths
from harness.files import read_json, write_json
from harness.models import Learner
from harness.models.config import revived
from harness.training.predictions import ModelRun


def keep(competition: str, data_hash: str, card: Mapping[str, Any]) -> None:
    """The members of a submission that a search made, from its card."""
    members = {
        name: {"bundle": folder} | {key: manifest[key] for key in ("model", "config", "config_hash", "fold_count")}
        for name, folder in card["bundles"].items()
        if name in used(card["recipe"])
        for manifest in [ModelRun(paths.root() / folder).manifest]
    }
    found = {"members": members, "cv": card["cv"], "train_hash": card["train_hash"], "share": card["share"]}
    write_json(paths.searches(competition, data_hash) / "best.json", found)


def used(recipe: Mapping[str, Any]) -> set[str]:
    """The members that a recipe needs, of its JSON."""
    return {*recipe["weights"], *([recipe["class_specialist"]["model"]] if recipe["class_specialist"] else [])}


def variants(competition: str, data_hash: str, train_hash: str) -> dict[str, Learner]:
    """name -> learner; empty where no search was made on these rows and folds, or none that ended a whole model."""
    file = paths.searches(competition, data_hash) / "best.json"
    found = read_json(file) if file.exists() else {}
    if found.get("train_hash") != train_hash or found["share"] < 1:
        return {}
    return {name: revived(member["config"]) for name, member in found["members"].items()}


def keep_specialist(competition: str, data_hash: str, name: str, told: Mapping[str, Any] | None) -> None:
    """told: its train hash, learner and gain; None forgets it, where it was kept before."""
    file = paths.searches(competition, data_hash) / "specialists.json"
    known = read_json(file) if file.exists() else {}
    others = {other: each for other, each in known.items() if other != name}
    if known or told:
        write_json(file, others | ({name: told} if told else {}))


def specialists(competition: str, data_hash: str, train_hash: str) -> dict[str, Learner]:
    """name -> learner, of those that were kept on these rows and folds."""
    file = paths.searches(competition, data_hash) / "specialists.json"
    known = read_json(file) if file.exists() else {}
    return {name: revived(told["config"]) for name, told in known.items() if told["train_hash"] == train_hash}
