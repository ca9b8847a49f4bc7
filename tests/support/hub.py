"""A model hub's cache made on the spot, with random weights: no network and no real weights in tests."""

from pathlib import Path

import pytest

COMMIT = "0" * 40


def empty(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache below the folder, which huggingface_hub takes for its own, offline."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return folder / "hub"


def fill(cache: Path, backbone: str, seed: int = 0) -> Path:
    """The file of timm's `backbone` (with its tag), where huggingface_hub looks for it offline."""
    import timm
    import torch
    from safetensors.torch import save_file

    folder = cache / f"models--timm--{backbone}"
    file = folder / "snapshots" / COMMIT / "model.safetensors"
    file.parent.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    torch.manual_seed(seed)
    save_file(timm.create_model(backbone.split(".")[0]).state_dict(), file)
    return file
