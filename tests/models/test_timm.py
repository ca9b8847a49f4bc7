"""Backbones of timm: heads, layers, sizes, and weights from the hub's cache or a file, never silently random ones."""

from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from harness.data.samples import Samples, numbered
from harness.errors import UserError
from harness.models import Context
from harness.models.timm import Head, Timm, layers_of
from harness.models.torch_loop.parameter_groups import NEVER
from harness.tasks.classification import Classification
from tests.support import hub

TINY = "test_efficientnet.r160_in1k"
tiny = Timm(TINY, epochs=2, batch=4)


def cells(count: int = 8, side: int = 32) -> Samples:
    labels = np.arange(count) % 2
    noise = np.random.default_rng(0).integers(0, 60, (count, side, side, 3))
    return Samples(numbered(count), (noise + 150 * labels[:, None, None, None]).astype(np.uint8), labels)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return hub.empty(tmp_path, monkeypatch)


# -- networks ----------------------------------------------------------------------------------------------------------


def test_the_head_is_what_was_declared() -> None:
    head = Head(hidden=(32, 16), activation="swish", dropout=0.3, squeeze_excitation=True)
    network = replace(tiny, head=head).network(5)
    kinds = [type(layer) for layer in network.dense]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.SiLU, nn.Dropout] * 2 + [nn.Linear]
    assert [layer.out_features for layer in network.dense if isinstance(layer, nn.Linear)] == [32, 16, 5]
    assert sum(p.numel() for p in network.excite.parameters()) > 0


@pytest.mark.parametrize(
    ("name", "size", "side"), [(TINY, None, 28), (TINY, 64, 64), ("test_vit", None, 160), ("test_vit", 64, 64)]
)
def test_images_are_resized_inside_the_network_to_the_declared_size_or_the_only_one(name, size, side) -> None:
    network, seen = replace(tiny, backbone=name, size=size).network(2).eval(), []
    stem = next(layer for layer in network.backbone.modules() if isinstance(layer, nn.Conv2d))
    stem.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape[-1]))
    with torch.inference_mode():
        network(torch.zeros(1, 3, 28, 28))
        network(torch.zeros(1, 3, side, side))
    assert [abs(found - side) <= 1 for found in seen] == [True, True]  # timm pads some


def test_a_backbone_that_does_not_exist_is_named_with_its_neighbour() -> None:
    with pytest.raises(UserError, match="no backbone 'mobilenetv3_larg_100'; did you mean mobilenetv3_large_100"):
        replace(tiny, backbone="mobilenetv3_larg_100").network(2)
    with pytest.raises(UserError, match="timm cannot build test_efficientnet"):
        replace(tiny, channels=-1).network(2)


# -- layers ------------------------------------------------------------------------------------------------------------


def test_parts_are_the_layers_from_the_top_down_with_their_rates_and_openings() -> None:
    chosen = replace(
        tiny, backbone="mobilenetv3_small_050", frozen=0.4, trainable_layers=3, unfreeze="gradual", layer_decay=0.5
    )
    network = chosen.network(2)
    parts, layers = chosen.parameter_groups(network), layers_of(network.backbone)
    assert (
        "conv_head.weight" in layers[0] and "blocks.5.0.conv.weight" in layers[1] and "conv_stem.weight" in layers[-1]
    )
    assert [part.opens for part in parts] == [0.4, 0.6, 0.8] + [NEVER] * 11  # 1 + 2 + 3 + 2 + 3 + 1 blocks, the stem
    assert [part.scale for part in parts[:3]] == [0.5, 0.25, 0.125]
    inside = {id(p) for part in parts for p in part.parameters}
    assert {name for name, p in network.named_parameters() if id(p) not in inside} == {"dense.0.weight", "dense.0.bias"}
    norms = [module for module in network.backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {id(module) for module in norms} <= {id(module) for part in parts for module in part.modules}


@pytest.mark.parametrize("name", ["inception_v3", "tf_efficientnetv2_b0", "convnext_atto", "vit_tiny_patch16_224"])
def test_the_usual_families_tell_their_layers_apart(name: str) -> None:
    with torch.device("meta"):
        backbone, _ = replace(tiny, backbone=name).bare()
    assert len(layers_of(backbone)) >= 8


# -- weights -----------------------------------------------------------------------------------------------------------


def conv_stem(network: nn.Module) -> torch.Tensor:
    return network.backbone.conv_stem.weight


@pytest.mark.parametrize("source", ["hub", ".safetensors", ".pth"])
def test_weights_come_from_the_cache_of_the_hub_or_from_a_file_and_serve_grey_images(
    source: str, cache: Path, tmp_path: Path
) -> None:
    filled = hub.fill(cache, TINY, seed=7)
    tensors, file = load_file(filled), tmp_path / f"given{source}"
    if source == ".pth":
        torch.save({"state_dict": tensors}, file)
    elif source == ".safetensors":
        filled.rename(file)
    chosen = replace(tiny, pretrained=True, weights=None if source == "hub" else str(file))
    assert torch.equal(conv_stem(chosen.network(2)), tensors["conv_stem.weight"])
    summed = tensors["conv_stem.weight"].sum(1, keepdim=True)
    grey = replace(chosen, channels=1, mean=(0.5,), std=(0.2,)).network(2)
    assert torch.allclose(conv_stem(grey), summed, atol=1e-6)


@pytest.mark.parametrize("offline", [True, False])
def test_missing_weights_are_one_sentence_with_the_command(
    offline: bool, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)  # conftest refuses every connection
    with pytest.raises(UserError, match=rf"`\.venv/bin/hf download timm/{TINY} model\.safetensors`"):
        replace(tiny, pretrained=True).network(2)


def test_weights_that_there_cannot_be_are_refused(cache: Path) -> None:
    with pytest.raises(UserError, match=r"the hub has no pretrained weights of convnext_atto_rms\.untrained;"):
        replace(tiny, backbone="convnext_atto_rms", pretrained=True).network(2)
    with pytest.raises(UserError, match="declare pretrained=True beside it"):
        Timm(TINY, weights="some.safetensors")


class Anything:
    """Something that only a pickle could hold."""


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("absent.safetensors", "there is no file"),
        ("broken.safetensors", "cannot be read as weights"),
        ("pickled.pth", "cannot be read as weights"),
        ("of another backbone", f"does not hold the weights of {TINY}"),
    ],
)
def test_files_that_are_no_weights_of_this_backbone_are_refused_in_words(
    name: str, complaint: str, cache: Path, tmp_path: Path
) -> None:
    file = hub.fill(cache, "test_resnet.r160_in1k") if name.startswith("of") else tmp_path / name
    if name.startswith("broken"):
        file.write_bytes(b"no weights")
    if name.startswith("pickled"):
        torch.save(Anything(), file)
    with pytest.raises(UserError, match=complaint) as caught:
        replace(tiny, pretrained=True, weights=str(file)).network(2)
    assert str(file) in str(caught.value)


# -- in the loop -------------------------------------------------------------------------------------------------------


def test_it_trains_freezes_and_is_loaded_where_the_weights_are_not(cache: Path, tmp_path: Path) -> None:
    file = hub.fill(cache, TINY)
    chosen = replace(tiny, pretrained=True, frozen=0.5, trainable_layers=2, layer_decay=0.7, head=Head(hidden=(8,)))
    context = Context(Classification(("dark", "bright")), tmp_path / "fold")
    fitted, given = chosen.fit(cells(), None, context), load_file(file)
    prediction = fitted.predict(cells().inputs)
    assert prediction.shape == (8, 2) and np.allclose(prediction.sum(1, dtype=np.float32), 1, atol=2e-3)
    held = fitted.network.backbone.state_dict()  # frozen layers keep their weights and the statistics of their norms
    assert all(torch.equal(held[name], given[name]) for name in ("conv_stem.weight", "bn1.running_mean"))
    assert not torch.equal(held["conv_head.weight"], given["conv_head.weight"])
    file.unlink()
    assert (chosen.load(context).predict(cells().inputs) == prediction).all()
