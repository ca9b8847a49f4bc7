"""Any backbone of timm under a head of one's own: frozen, unfrozen step by step, with layer-wise learning rates."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from harness.errors import UserError
from harness.models.torch_loop.learner import TorchLearner
from harness.models.torch_loop.parameter_groups import ParameterGroup, openings

if TYPE_CHECKING:
    from torch import Tensor, nn

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and std of what most weights were trained on


@dataclass(frozen=True, kw_only=True)
class Head:
    """From a backbone's features to logits.

    hidden: widths of the dense layers before the last, each followed by batch norm, the activation and dropout.
    squeeze_excitation: weigh the channels of the feature map before it is pooled (Hu et al. 2017, arXiv 1709.01507);
    for backbones that give a map (n, channels, h, w).
    """

    hidden: tuple[int, ...] = ()
    activation: Literal["swish", "relu", "gelu"] = "swish"
    dropout: float = 0.0
    squeeze_excitation: bool = False


@dataclass(frozen=True)
class Timm(TorchLearner):
    """backbone: a name of timm's, with or without the tag of its weights ("convnext_base.fb_in22k_ft_in1k").

    size: pixels a side that the images are resized to inside the network; None: as they are, or where a backbone
    knows one size only, that one.
    weights: where pretrained, a file of the backbone's weights (.safetensors, or torch's own format) instead of the
    hub's, which are looked for in its cache first.
    Layers are counted as timm groups them (a block, a stem), from the top of the backbone; the head always trains.
    frozen: the share of the epochs in which the backbone is. trainable_layers: how many ever train, None: all.
    unfreeze: after that, "all" at once, or "gradual"ly from the top down in equal shares of the rest.
    layer_decay: a layer's rate is that of the one above it times this (Clark et al. 2020, arXiv 2003.10555).
    """

    backbone: str
    _: KW_ONLY
    head: Head = Head()
    size: int | None = None
    weights: str | None = None
    frozen: float = 0.0
    trainable_layers: int | None = None
    unfreeze: Literal["all", "gradual"] = "all"
    layer_decay: float = 1.0
    channels: int = 3
    mean: tuple[float, ...] = IMAGENET[0]
    std: tuple[float, ...] = IMAGENET[1]

    def __post_init__(self) -> None:
        if self.weights and not self.pretrained:
            raise UserError(f"{self.backbone} is given weights={self.weights!r}; declare pretrained=True beside it")

    def search_space(self, trial: Any) -> Self:
        """Also the head, and how far pretrained weights are frozen; the backbone stays."""
        varied = super().search_space(trial)
        if self.head.hidden:  # without dense layers nothing is dropped
            dropout = trial.suggest_float("head_dropout", 0.0, 0.6)
            varied = replace(varied, head=replace(self.head, dropout=dropout))
        if self.pretrained:
            frozen = trial.suggest_float("frozen", 0.0, 0.6)
            varied = replace(varied, frozen=frozen, layer_decay=trial.suggest_float("layer_decay", 0.6, 1.0))
        return varied

    def untrained(self) -> Self:
        return replace(self, pretrained=False, weights=None)

    def network(self, classes: int) -> nn.Module:
        backbone, size = self.bare()
        if self.pretrained:
            load_weights(backbone, Path(self.weights) if self.weights else None, self.channels)
        return _classifier()(backbone, self.head, classes, size)

    def bare(self) -> tuple[nn.Module, int | None]:
        """The backbone with random weights, and the size of the images that it sees."""
        import timm

        name = self.backbone.split(".")[0]
        if name not in (known := timm.list_models()):
            close = "".join(f"; did you mean {match}?" for match in difflib.get_close_matches(name, known, n=1))
            raise UserError(f"timm has no backbone {self.backbone!r}{close}")
        arguments: dict[str, Any] = {"in_chans": self.channels, "num_classes": 0, "global_pool": "avg"}
        config = timm.models.get_pretrained_cfg(self.backbone)
        size = self.size
        if config is not None and config.fixed_input_size:
            size = arguments["img_size"] = self.size or config.input_size[-1]
        try:
            return timm.create_model(self.backbone, **arguments), size
        except (AssertionError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"timm cannot build {self.backbone} with {arguments}: {error}") from error

    def parameter_groups(self, network: nn.Module) -> Sequence[ParameterGroup]:
        names = layers_of(network.backbone)  # type: ignore[arg-type]
        if len(names) == 1 and (self.trainable_layers or self.unfreeze == "gradual"):
            raise UserError(f"timm does not tell the layers of {self.backbone} apart; it can be frozen as a whole only")
        opens = openings(len(names), self.frozen, self.trainable_layers, self.unfreeze == "gradual")
        return [
            ParameterGroup.of(network.backbone, layer, self.layer_decay ** (depth + 1), opens[depth])  # type: ignore[arg-type]
            for depth, layer in enumerate(names)
        ]


def layers_of(backbone: nn.Module) -> list[list[str]]:
    """The names of the parameters of each layer, from the top down."""
    from timm.models import group_parameters

    if not hasattr(backbone, "group_matcher"):
        return [[name for name, _ in backbone.named_parameters()]]
    layers = group_parameters(backbone, backbone.group_matcher(coarse=False))  # type: ignore[operator]
    return [layers[depth] for depth in sorted(layers, reverse=True)]


@cache
def _classifier() -> type[nn.Module]:
    """Made when first needed, as torch is."""
    from timm.layers import SqueezeExcite
    from torch import nn
    from torch.nn import functional as F

    activations = {"swish": nn.SiLU, "relu": nn.ReLU, "gelu": nn.GELU}

    class Classifier(nn.Module):
        """Floats (n, channels, h, w) to logits (n, classes)."""

        def __init__(self, backbone: Any, head: Head, classes: int, size: int | None):
            super().__init__()
            self.backbone, self.size = backbone, size
            self.excite = SqueezeExcite(backbone.num_features) if head.squeeze_excitation else nn.Identity()
            layers: list[nn.Module] = []
            width = backbone.head_hidden_size
            for wide in head.hidden:
                layers += [nn.Linear(width, wide, bias=False), nn.BatchNorm1d(wide)]
                layers += [activations[head.activation](), nn.Dropout(head.dropout)]
                width = wide
            self.dense = nn.Sequential(*layers, nn.Linear(width, classes))

        def forward(self, images: Tensor) -> Tensor:
            if self.size and images.shape[-2:] != (self.size, self.size):
                images = F.interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
            features = self.excite(self.backbone.forward_features(images))
            return self.dense(self.backbone.forward_head(features, pre_logits=True))

    return Classifier


# -- weights trained on other data -------------------------------------------------------------------------------------


def load_weights(backbone: nn.Module, file: Path | None, channels: int) -> None:
    """From the file, or else from the hub; nothing but tensors is unpickled.

    Raise `UserError` where one tensor of the backbone would stay random.
    """
    from safetensors import SafetensorError
    from timm.models import adapt_input_conv, load_state_dict

    config: dict[str, Any] = backbone.pretrained_cfg  # type: ignore[assignment]
    name = ".".join(filter(None, (config["architecture"], config["tag"])))
    file = file or from_hub(name, config.get("hf_hub_id"), config.get("hf_hub_filename") or "model.safetensors")
    if not file.is_file():
        raise UserError(f"there is no file {file} with weights; name one that exists, or leave weights= out")
    try:
        tensors: dict[str, Tensor] = load_state_dict(str(file), weights_only=True)
    except (EOFError, OSError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{file} cannot be read as weights: {str(error).splitlines()[0]}") from error
    rename = getattr(sys.modules[type(backbone).__module__], "checkpoint_filter_fn", None)
    if rename:  # weights as others published them
        tensors = rename(tensors, backbone)
    first = config.get("first_conv") or ()
    for layer in (first,) if isinstance(first, str) else first:
        if channels != config["input_size"][0] and f"{layer}.weight" in tensors:
            tensors[f"{layer}.weight"] = adapt_input_conv(channels, tensors[f"{layer}.weight"])
    own = backbone.state_dict()
    wrong = [
        key
        for key, tensor in own.items()
        if (key not in tensors or tensors[key].shape != tensor.shape) and not key.endswith("num_batches_tracked")
    ]
    if wrong:
        raise UserError(
            f"{file} does not hold the weights of {name}: {len(wrong)} of its {len(own)} tensors are missing there or "
            f"have another shape, {wrong[0]} for one; name the right file, or another backbone"
        )
    backbone.load_state_dict(tensors, strict=False)  # its own classifier is not needed


def from_hub(name: str, repository: str | None, filename: str) -> Path:
    """The cached file, downloaded first where it is not there yet."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import HTTPError

    if not repository:
        raise UserError(
            f"the hub has no pretrained weights of {name}; name a file (weights=), or a backbone with a tag"
        )
    cached = try_to_load_from_cache(repository, filename)
    if isinstance(cached, str):
        return Path(cached)
    try:
        get_hf_file_metadata(hf_hub_url(repository, filename))  # without a network the download tries for half a minute
        return Path(hf_hub_download(repository, filename))
    except (HTTPError, OSError) as error:
        raise UserError(
            f"the pretrained weights of {name} are not on this machine and cannot be downloaded now; run "
            f"`.venv/bin/hf download {repository} {filename}` where there is a network, or name a file (weights=)"
        ) from error
