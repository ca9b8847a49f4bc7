"""A joint head: one estimator that sees an image and the columns of a table beside it."""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from harness.data.images import EncodedImages
from harness.data.samples import images_of, table_of
from harness.errors import UserError
from harness.metrics import chunks
from harness.models import Context
from harness.models.sklearn import Sklearn, features
from harness.models.timm import Timm
from harness.tasks.classification import Classification

if TYPE_CHECKING:
    from torch import nn

AT_ONCE = 64  # images


@dataclass(frozen=True)
class Joint(Sklearn):
    """An estimator on the features of a backbone of timm's, pooled, beside the columns of a table where there are any.

    network: the backbone, its weights and the size of what it sees. It does not train: its weights are pretrained ones,
    or else random, always the same. build: as in `Sklearn`, e.g. `layer_labels`; it gets a frame with the table's
    columns and "image 0", "image 1", ... Nothing is drawn at random but in `build`, so a fit is always the same.
    """

    network: Timm = field(kw_only=True)
    sees: Literal["images", "table", "both"] = field(default="both", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pretrained", self.network.pretrained)  # a rule may forbid it

    def features(self, inputs: Any) -> Any:
        import pandas as pd

        table, values = table_of(inputs), pooled(self.network, images_of(inputs))
        seen = pd.DataFrame(values, columns=[f"image {k}" for k in range(values.shape[1])])
        return seen if table is None else pd.concat([features(table), seen], axis=1)


def pooled(network: Timm, images: np.ndarray) -> np.ndarray:
    """(n, k) float32: what is in front of the network's last layer."""
    import torch

    from harness.models.torch_loop.state import Machine

    if isinstance(images, EncodedImages):
        raise UserError("images of different sizes cannot be seen at once; resize them to one size in the load")
    machine = Machine.best(network, Context(Classification(("no", "yes")), Path()))
    backbone, parts = machine.place(backbone_of(network)), []
    with torch.inference_mode():
        for rows in chunks(len(images), AT_ONCE):
            parts.append(backbone(machine.images(np.array(images[rows], order="C"))).float().cpu().numpy())
    return np.concatenate(parts)


@lru_cache(maxsize=1)
def backbone_of(network: Timm) -> "nn.Module":
    """Images (n, channels, h, w) to features (n, k); in evaluation mode."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        whole = network.network(1)
    whole.dense = nn.Identity()
    return whole.eval()
