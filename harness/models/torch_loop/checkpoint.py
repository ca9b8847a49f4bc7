"""Checkpoints: what a killed fit goes on from, and what a finished one leaves.

A running fit keeps its two newest states, each a file with its sha256 in front. A finished fit keeps the weights
alone (safetensors) and `finished.json` with their sha256.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.files import atomic, read_json, sha256_of, write_json
from harness.models import FINISHED

if TYPE_CHECKING:
    from torch import Tensor

GENERATIONS = 2
DIGEST = hashlib.sha256().digest_size


def save(folder: Path, state: Mapping[str, Any], step: int) -> None:
    """Write the state after `step` steps; the older generations but one go only when the new one is on the disk."""
    import torch

    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    content = buffer.getbuffer()
    with atomic(folder / f"step-{step:09d}.checkpoint") as file:
        file.write(hashlib.sha256(content).digest())
        file.write(content)
    for old in generations(folder)[GENERATIONS:]:
        old.unlink()


def load(folder: Path, warn: Callable[[str], None]) -> dict[str, Any] | None:
    """The newest state that is whole, None where none was ever saved; `UserError` where all are broken."""
    import torch

    checkpoints = generations(folder)
    for path in checkpoints:
        content = path.read_bytes()
        if hashlib.sha256(content[DIGEST:]).digest() == content[:DIGEST]:
            return torch.load(io.BytesIO(content[DIGEST:]), map_location="cpu", weights_only=True)
        warn(f"the checkpoint {path} is damaged; the one before it is tried")
    if checkpoints:
        raise UserError(
            f"no checkpoint in {folder} can be read ({', '.join(path.name for path in checkpoints)} are damaged); "
            "restore one, or delete the folder to train this fold again"
        )
    return None


def generations(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob("step-*.checkpoint"), reverse=True)


def finish(folder: Path, weights: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Leave the weights and `finished.json`; only then do the checkpoints go."""
    from safetensors.torch import save as to_bytes

    path = folder / "weights.safetensors"
    with atomic(path) as file:
        file.write(to_bytes({name: tensor.cpu().contiguous() for name, tensor in weights.items()}))
    write_json(folder / FINISHED, {**facts, "weights_sha256": sha256_of(path)})
    for left in generations(folder):
        left.unlink()


def finished(folder: Path) -> dict[str, Tensor]:
    """The weights of a finished fit; `UserError` where it is not finished, or they are damaged."""
    from safetensors.torch import load_file

    if not (folder / FINISHED).exists():
        raise UserError(f"{folder} holds no finished fit; run the same training command again")
    for left in generations(folder):
        left.unlink()  # a kill came between the weights and this
    path = folder / "weights.safetensors"
    if not path.exists() or sha256_of(path) != read_json(folder / FINISHED)["weights_sha256"]:
        raise UserError(
            f"{path} is missing or damaged, though the fit is finished; "
            "restore it, or delete the folder to train this fold again"
        )
    return load_file(path)
