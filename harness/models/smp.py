"""Networks for the torch loop: segmentation-models-pytorch by name, or a builder of the competition's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self

from harness.errors import UserError
from harness.models import search_spaces
from harness.models.torch_loop.learner import TorchLearner

if TYPE_CHECKING:
    from torch import nn

# What a search tries: decoders that take every encoder, and encoders that a CPU can train.
ARCHITECTURES = ("Unet", "UnetPlusPlus", "FPN", "MAnet")
ENCODERS = ("tu-resnet18", "tu-mobilenetv3_small_100", "tu-efficientnet_b0")


@dataclass(frozen=True)
class Smp(TorchLearner):
    """An architecture of segmentation-models-pytorch ("Unet", "FPN", ...) on one of its encoders.

    encoder: "tu-<name>" for any of timm's. options: more of the architecture's arguments, as pairs.
    """

    architecture: str
    _: KW_ONLY
    encoder: str = "tu-resnet18"
    options: tuple[tuple[str, Any], ...] = ()

    masks: ClassVar[bool] = True

    def search_space(self, trial: Any) -> Self:
        """Also the network; not where options are declared, which are this one's, or weights, which others lack."""
        varied = super().search_space(trial)
        if self.options or self.pretrained:
            return varied
        return replace(
            varied,
            architecture=search_spaces.one_of(trial, "architecture", ARCHITECTURES, self.architecture),
            encoder=search_spaces.one_of(trial, "encoder", ENCODERS, self.encoder),
        )

    def network(self, classes: int) -> nn.Module:
        import segmentation_models_pytorch as smp

        weights = (self.encoder.startswith("tu-") or "imagenet") if self.pretrained else None
        shape = {"in_channels": self.channels, "classes": classes}
        try:
            return smp.create_model(self.architecture, self.encoder, weights, **shape, **dict(self.options))
        except OSError as error:
            raise UserError(
                f"the pretrained weights of {self.encoder} are not on this machine and cannot be downloaded now; "
                "connect it to the internet once, or declare pretrained=False"
            ) from error
        except (KeyError, RuntimeError) as error:
            raise UserError(f"{self.architecture} on {self.encoder} cannot be built: {error.args[0]}") from error


def networks_of(package: str) -> Callable[..., Any]:
    """The function `network(name, classes, channels, width)`, which calls that builder in the package's networks.py.

    Only the call imports networks.py, and torch with it. Assign the function to `network` in the package's
    competition.py: stored runs and pickles look it up there.
    """

    def network(name: str, classes: int, channels: int, width: int, **options: Any) -> Any:
        return getattr(import_module(f"{package}.networks"), name)(classes, channels, width, **options)

    network.__module__, network.__qualname__ = f"{package}.competition", "network"
    return network


@dataclass(frozen=True, kw_only=True)
class Network(TorchLearner):
    """A network of the competition's own: `build(classes, channels, width)`, which imports torch inside.

    classes: the labels that may be predicted (void has no output), or 1 for a specialist.
    """

    build: Callable[[int, int, int], nn.Module]
    width: int = 16

    def network(self, classes: int) -> nn.Module:
        return self.build(classes, self.channels, self.width)

    def search_space(self, trial: Any) -> Self:
        return replace(super().search_space(trial), width=search_spaces.width(trial, self.width))
