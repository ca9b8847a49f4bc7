"""Backbones of timm: heads, layers, sizes, and weights from the hub's cache or a file, never silently random ones."""

from dataclasses import dataclass, replace
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from torch import nn

from harness.data.samples import Samples, numbered
from harness.errors import UserError
from harness.models import Context
from harness.models.timm import Head, Timm, layers_of
from harness.models.torch_loop.parameter_groups import NEVER
from tests.support import hub

TINY = "test_efficientnet.r160_in1k"
tiny = Timm(TINY, epochs=2, batch=4)


@dataclass(frozen=True)
class TwoClasses:
    """As much of a task as the loop asks for."""

    classes: tuple[str, ...] = ("dark", "bright")
    void: int | None = None


def cells(count: int = 8, side: int = 32) -> Samples:
    labels = np.arange(count) % 2
    noise = np.random.default_rng(0).integers(0, 60, (count, side, side, 3))
    return Samples(numbered(count), (noise + 150 * labels[:, None, None, None]).astype(np.uint8), labels)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, offline."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


# -- networks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [TINY, "test_resnet", "test_convnext", "mobilenetv3_small_050", "mobilenetv4_conv_small_035"]
)
def test_every_backbone_gives_one_row_of_logits_a_picture(name: str) -> None:
    head = Head(hidden=(8, 6), squeeze_excitation=True, dropout=0.1)
    network = replace(tiny, backbone=name, head=head).network(3).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 3)


def test_the_head_is_what_was_declared() -> None:
    head = Head(hidden=(32, 16), activation="swish", dropout=0.3, squeeze_excitation=True)
    network = replace(tiny, head=head).network(5)
    kinds = [type(layer) for layer in network.dense]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.SiLU, nn.Dropout] * 2 + [nn.Linear]
    assert [layer.out_features for layer in network.dense if isinstance(layer, nn.Linear)] == [32, 16, 5]
    assert sum(p.numel() for p in network.excite.parameters()) > 0
    bare = replace(tiny, head=Head(hidden=(4,), activation="relu", batch_norm=False)).network(5)
    assert [type(layer) for layer in bare.dense] == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    assert not list(bare.excite.parameters())


def test_pictures_are_resized_inside_the_network() -> None:
    network = replace(tiny, size=64).network(2).eval()
    seen = []
    network.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape))
    network.backbone.forward_features = lambda images: seen.append(tuple(images.shape)) or torch.zeros(1, 256, 2, 2)
    with torch.inference_mode():
        network(torch.zeros(1, 3, 28, 28))
        network(torch.zeros(1, 3, 64, 64))
    assert seen == [(1, 3, 64, 64)] * 2


def test_a_transformer_of_one_size_gets_it_or_the_one_declared() -> None:
    for size in (None, 64):
        network = replace(tiny, backbone="test_vit", size=size).network(2).eval()
        with torch.inference_mode():
            assert network(torch.zeros(1, 3, 28, 28)).shape == (1, 2)
        assert network.size == (size or 160)


def test_a_backbone_that_does_not_exist_is_named_with_its_neighbour() -> None:
    with pytest.raises(UserError, match="no backbone 'mobilenetv3_larg_100'; did you mean mobilenetv3_large_100"):
        replace(tiny, backbone="mobilenetv3_larg_100").network(2)
    with pytest.raises(UserError, match=r"timm cannot build test_efficientnet.*no_such_option"):
        replace(tiny, options=(("no_such_option", 1),)).network(2)


# -- layers ------------------------------------------------------------------------------------------------------------


def test_layers_are_counted_from_the_top_down() -> None:
    network = replace(tiny, backbone="mobilenetv3_small_050").network(2)
    layers = layers_of(network.backbone)
    assert len(layers) == 14  # the last convolution, 1 + 2 + 3 + 2 + 3 + 1 blocks, the stem
    assert "conv_head.weight" in layers[0] and "conv_stem.weight" in layers[-1]
    assert all(name.startswith("blocks.5.0") for name in layers[1])
    assert sum(map(len, layers)) == len(list(network.backbone.parameters()))


def test_parts_are_the_layers_with_their_rates_and_openings() -> None:
    chosen = replace(
        tiny, backbone="mobilenetv3_small_050", frozen=0.4, trainable_layers=3, unfreeze="gradual", layer_decay=0.5
    )
    network = chosen.network(2)
    parts = chosen.parameter_groups(network)
    assert [part.opens for part in parts] == [0.4, 0.6, 0.8] + [NEVER] * 11
    assert [part.scale for part in parts[:3]] == [0.5, 0.25, 0.125]
    inside = {id(p) for part in parts for p in part.parameters}
    assert {name for name, p in network.named_parameters() if id(p) not in inside} == {"dense.0.weight", "dense.0.bias"}
    norms = [module for module in network.backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {id(module) for module in norms} <= {id(module) for part in parts for module in part.modules}


@pytest.mark.parametrize(
    "name", ["inception_v3", "tf_efficientnetv2_b0", "convnext_atto", "resnet18", "vit_tiny_patch16_224"]
)
def test_the_usual_families_tell_their_layers_apart(name: str) -> None:
    with torch.device("meta"):
        backbone, _ = replace(tiny, backbone=name).bare()
    assert len(layers_of(backbone)) >= 8


# -- weights -----------------------------------------------------------------------------------------------------------


def test_weights_come_from_the_cache_of_the_hub(cache: Path) -> None:
    hub.fill(cache, TINY, seed=5)
    one, two = (replace(tiny, pretrained=True).network(2).backbone.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    other = tiny.network(2).backbone.state_dict()
    assert not torch.equal(one["conv_stem.weight"], other["conv_stem.weight"])


@pytest.mark.parametrize("offline", [True, False])
def test_missing_weights_are_one_sentence_with_the_command(
    offline: bool, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)  # conftest refuses every connection
    with pytest.raises(UserError) as caught:
        replace(tiny, pretrained=True).network(2)
    assert str(caught.value) == (
        f"the pretrained weights of {TINY} are not on this machine and cannot be downloaded now; run `.venv/bin/hf "
        f"download timm/{TINY} model.safetensors` where there is a network, or name a file (weights=)"
    )


def test_a_backbone_without_published_weights_says_so(cache: Path) -> None:
    with pytest.raises(UserError, match=r"the hub has no pretrained weights of convnext_atto_rms\.untrained;"):
        replace(tiny, backbone="convnext_atto_rms", pretrained=True).network(2)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_come_from_a_file(suffix: str, cache: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    tensors = load_file(hub.fill(cache, TINY, seed=7))
    file = tmp_path / f"given{suffix}"
    file.write_bytes((cache / f"models--timm--{TINY}/snapshots/{hub.COMMIT}/model.safetensors").read_bytes())
    if suffix == ".pth":
        torch.save({"state_dict": tensors}, file)
    network = replace(tiny, pretrained=True, weights=str(file)).network(2)
    assert torch.equal(network.backbone.conv_stem.weight, tensors["conv_stem.weight"])


def test_weights_of_colour_pictures_serve_grey_ones(cache: Path) -> None:
    from safetensors.torch import load_file

    tensors = load_file(hub.fill(cache, TINY))
    network = replace(tiny, pretrained=True, channels=1, mean=(0.5,), std=(0.2,)).network(2)
    summed = tensors["conv_stem.weight"].sum(1, keepdim=True)
    assert torch.allclose(network.backbone.conv_stem.weight, summed, atol=1e-6)


class Anything:
    """Something that only a pickle could hold."""


def test_files_that_are_no_weights_of_this_backbone_are_refused_in_words(cache: Path, tmp_path: Path) -> None:
    def refused(file: Path) -> str:
        with pytest.raises(UserError) as caught:
            replace(tiny, pretrained=True, weights=str(file)).network(2)
        return str(caught.value)

    assert refused(tmp_path / "absent.safetensors").startswith(f"there is no file {tmp_path / 'absent.safetensors'}")
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    assert "cannot be read as weights" in refused(tmp_path / "broken.safetensors")
    torch.save(Anything(), tmp_path / "pickled.pth")
    assert "cannot be read as weights" in refused(tmp_path / "pickled.pth")
    other = hub.fill(cache, "test_resnet.r160_in1k")
    assert f"{other} does not hold the weights of {TINY}" in refused(other)


def test_a_file_without_pretrained_is_a_contradiction() -> None:
    with pytest.raises(UserError, match="declare pretrained=True beside it"):
        Timm(TINY, weights="some.safetensors")


# -- in the loop -------------------------------------------------------------------------------------------------------


def test_it_trains_freezes_and_is_loaded_where_the_weights_are_not(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = hub.fill(cache, TINY)
    chosen = replace(tiny, pretrained=True, frozen=0.5, layer_decay=0.7, head=Head(hidden=(8,), dropout=0.2))
    context = Context(TwoClasses(), tmp_path / "fold")  # type: ignore[arg-type]
    prediction = chosen.fit(cells(), None, context).predict(cells().inputs)
    assert prediction.shape == (8, 2) and np.allclose(prediction.sum(1, dtype=np.float32), 1, atol=2e-3)
    file.unlink()
    assert (chosen.load(context).predict(cells().inputs) == prediction).all()
