"""What a competition's runs leave on the disk, and what of it can go."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness import paths
from harness.competition import Competition
from harness.errors import UserError
from harness.files import locked, read_json
from harness.training.predictions import ModelRun


def status(competition: Competition) -> dict[str, Any]:
    """List every model run, finished or not, with its size; what runs now; the best submission."""
    used = runs_in_use(competition.name)
    model_runs = [_described(folder, folder in used) for folder in run_folders(competition.name)]
    best = sorted(paths.submissions(competition.name, "*").parent.glob("*/best/submission.csv"))
    return {
        "competition": competition.name,
        "path": paths.shown(paths.root() / "runs" / competition.name),
        "runs": model_runs,
        "running": _running(competition.name),
        "best": paths.shown(max(best, key=lambda file: file.stat().st_mtime)) if best else None,
        "bytes": sum(size(folder) for folder in _homes(competition.name)),
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


def run_folders(competition: str) -> list[Path]:
    return sorted(folder for folder in paths.runs(competition, "*").parent.glob("*/*/") if any(folder.glob("fold_*")))


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


def _homes(competition: str) -> list[Path]:
    return [paths.root() / kind / competition for kind in ("data", "runs", "submissions", "searches")]


def _described(folder: Path, in_use: bool) -> dict[str, Any]:
    model_run, started = ModelRun(folder), list(folder.glob("fold_*"))
    done = [fold for fold in started if (fold / "fold.json").exists()]
    manifest = model_run.manifest if (folder / "run.json").exists() else {}
    return {
        "name": folder.name,
        "path": paths.shown(folder),
        "folds": len(started),
        "folds_done": len(done),
        "score": manifest.get("score"),
        "bytes": size(folder),
        "in_use": in_use,
    }


def _running(competition: str) -> str | None:
    """The sentence that names the process at work, if there is one."""
    return next(iter(_holders(competition)), None)


def _holders(competition: str) -> Iterator[str]:
    for lock in (paths.root() / "runs" / competition).glob("*/.lock"):
        try:
            with locked(lock.parent):
                pass
        except UserError as held:
            yield str(held)
