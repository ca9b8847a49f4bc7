"""What a competition's runs leave on the disk, and what of it can go."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness import paths
from harness.competition import Competition
from harness.errors import UserError
from harness.files import locked, read_json


def status(competition: Competition) -> dict[str, Any]:
    """List every model run, finished or not, with its size; what runs now; the best submission."""
    name, used = competition.name, runs_in_use(competition.name)
    folders = sorted(folder for folder in paths.runs(name, "*").parent.glob("*/*/") if any(folder.glob("fold_*")))
    best = sorted(paths.submissions(name, "*").parent.glob("*/best/submission.csv"))
    return {
        "competition": name,
        "path": paths.shown(paths.root() / "runs" / name),
        "runs": [described(folder, folder in used) for folder in folders],
        "running": running(name),
        "best": paths.shown(max(best, key=lambda file: file.stat().st_mtime)) if best else None,
        "bytes": sum(size(paths.root() / kind / name) for kind in ("data", "runs", "submissions", "searches")),
    }


def clean(competition: Competition) -> dict[str, Any]:
    """Remove the model runs that no best/ submission uses. Raise `UserError` while a command holds them."""
    used, freed, removed = runs_in_use(competition.name), 0, []
    for run in sorted((paths.root() / "runs" / competition.name).glob("*/")):
        with locked(run):
            for folder in sorted(run.glob("*/")):
                if folder not in used:
                    freed += size(folder)
                    removed.append(paths.shown(folder))
                    shutil.rmtree(folder)
    path = paths.shown(paths.root() / "runs" / competition.name)
    return {"competition": competition.name, "path": path, "removed": removed, "freed_bytes": freed}


def runs_in_use(competition: str) -> set[Path]:
    """The runs that the best submission of any data needs, or that a search saved."""
    manifests = paths.submissions(competition, "*").parent.glob("*/best/submission.json")
    searched = paths.searches(competition, "*").parent.glob("*/best.json")
    used = [folder for manifest in manifests for folder in read_json(manifest).get("runs", {}).values()]
    used += [member["run"] for file in searched for member in read_json(file)["members"].values()]
    return {paths.root() / folder for folder in used}


def size(folder: Path) -> int:
    found = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a temporary one may be gone by now
            found += file.stat().st_size if file.is_file() else 0
    return found


def described(folder: Path, in_use: bool) -> dict[str, Any]:
    manifest = folder / "run.json"
    return {
        "name": folder.name,
        "path": paths.shown(folder),
        "folds": len(list(folder.glob("fold_*"))),
        "folds_done": len(list(folder.glob("fold_*/fold.json"))),
        "score": read_json(manifest).get("score") if manifest.exists() else None,
        "bytes": size(folder),
        "in_use": in_use,
    }


def running(competition: str) -> str | None:
    """The sentence that names the process at work, if there is one."""
    for lock in (paths.root() / "runs" / competition).glob("*/.lock"):
        try:
            with locked(lock.parent):
                pass
        except UserError as held:
            return str(held)
    return None
