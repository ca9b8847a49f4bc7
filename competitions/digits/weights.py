"""An image of what the course's networks learned: how a first layer's weights moved, over the pixels they look at.

python -m competitions.digits.weights      (after `make submit COMP=digits`; writes reports/digits/weights.png)
"""

import sys

import numpy as np

from competitions.digits.data import SIDE
from competitions.digits.numpy_networks import first_weights
from harness import paths
from harness.errors import UserError
from harness.files import write_bytes
from harness.models import MODEL

MODELS = ("softmax", "two_layer")


def main() -> None:
    """Draw the newest finished fit of each: the ten classes in the first row, the hidden units below."""
    import cv2

    try:
        images = [drawing(newest(model)) for model in MODELS]
    except UserError as error:
        sys.exit(f"error: {error}")
    width = max(image.shape[1] for image in images)
    padded = [np.pad(p, ((0, 24), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in images]
    file = paths.root() / "reports" / "digits" / "weights.png"
    write_bytes(file, cv2.imencode(".png", np.concatenate(padded)[..., ::-1])[1].tobytes())
    print(paths.shown(file))


def newest(model: str) -> np.ndarray:
    """(pixels, units): the weights of the first layer, less the random ones it began with."""
    import joblib

    fits = (paths.root() / "runs" / "digits").glob(f"*/{model}-*/fold_*/{MODEL}")
    files = sorted(fits, key=lambda file: file.stat().st_mtime)
    if not files:
        raise UserError(f"no fit of {model} is finished; run `make submit COMP=digits MODELS={','.join(MODELS)}` first")
    learned = joblib.load(files[-1])["w0"]
    return learned - first_weights(learned.shape)["w0"]


def drawing(weights: np.ndarray, across: int = 10, zoom: int = 3, gap: int = 4) -> np.ndarray:
    """(h, w, 3) uint8: one tile a unit, red where a pixel speaks for it, blue where against, each on its own scale."""
    size = zoom * SIDE + gap
    tiles = np.full((-(-weights.shape[1] // across) * size, across * size, 3), 255, np.uint8)
    for unit, column in enumerate(weights.T):
        share = column.reshape(SIDE, SIDE) / max(np.abs(column).max(), 1e-9)
        red, green, blue = 1 + np.minimum(share, 0), 1 - np.abs(share), 1 - np.maximum(share, 0)
        tile = np.rint(255 * np.stack([red, green, blue], -1)).astype(np.uint8)
        top, left = size * (unit // across), size * (unit % across)
        tiles[top : top + zoom * SIDE, left : left + zoom * SIDE] = tile.repeat(zoom, 0).repeat(zoom, 1)
    return tiles


if __name__ == "__main__":
    main()
