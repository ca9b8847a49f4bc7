"""The files that ultralytics reads a training set from: pictures, and a text file with the boxes of each."""

import io
from pathlib import Path

import numpy as np

from harness.data.samples import Samples
from harness.files import write_bytes


def write_data(train: Samples, target_class: int | None, folder: Path) -> None:
    """Pictures keep the bytes of their files. one.txt names one of them and is written last: there is nothing to do
    where it is there. focus: only the boxes of this class, as class 0.
    """
    if (folder / "one.txt").exists():
        return
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for row, (height, width) in enumerate(train.inputs.sizes.tolist()):
        content = train.inputs.encoded(row)
        (folder / "images" / f"{row:06d}.{_format(content)}").write_bytes(content)
        lines = _lines(np.asarray(train.targets[row], np.float64), target_class, height, width)
        (folder / "labels" / f"{row:06d}.txt").write_text(lines)
    first = min((folder / "images").iterdir()).name
    write_bytes(folder / "one.txt", f"./images/{first}\n".encode())


def _lines(boxes: np.ndarray, target_class: int | None, height: int, width: int) -> str:
    """`class x y w h` a box: its middle and its size as shares of the picture."""
    if target_class is not None:
        boxes = boxes[boxes[:, 0] == target_class] - np.array([target_class, 0, 0, 0, 0])
    middle, size = (boxes[:, 1:3] + boxes[:, 3:5]) / 2, boxes[:, 3:5] - boxes[:, 1:3]
    shares = np.concatenate([middle, size], axis=1) / [width, height, width, height]
    return "".join(
        f"{int(label)} {' '.join(f'{share:.6f}' for share in row)}\n"
        for label, row in zip(boxes[:, 0], shares, strict=True)
    )


def _format(content: bytes) -> str:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        return (image.format or "").lower()
