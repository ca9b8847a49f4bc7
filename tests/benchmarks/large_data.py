"""Data larger than memory: `python -m tests.benchmarks.large_data [--gigabytes 3] [--limit 2] [--masks]`.

Makes a folder of JPEG images with so many gigabytes of pixels, and prepares it, trains an epoch's batches on a fold,
and predicts the hold-out's views in a process of its own, which may not have more than `limit` gigabytes of memory of
its own (RLIMIT_DATA: pages of files do not count, since the kernel takes them back). Prints JSON: seconds and the
highest such memory of every step, and the seconds of a bare DataLoader over the folder. Needs as much disk three times
over, and leaves nothing there.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

SIDE, BATCH = 512, 32
CLASSES = ("ground", "sky")


def make(folder: Path, count: int, masks: bool) -> None:
    """Smooth colours, each image another; the mask is where red is high."""
    import cv2

    rng, lines = np.random.default_rng(0), ["name,shows"]
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for k in range(count):
        coarse = rng.integers(0, 256, (12, 12, 3), np.uint8)
        image = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / "images" / f"{k:06d}.jpg"), image)
        if masks:
            cv2.imwrite(str(folder / "masks" / f"{k:06d}.png"), (image[..., 2] > 127).astype(np.uint8))
        lines.append(f"{k:06d},{CLASSES[int(coarse.mean() > 127)]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def competition(masks: bool) -> Any:
    from harness.competition import Competition
    from harness.data.formats import images_and_csv, images_and_masks
    from harness.data.sources import File
    from harness.data.splits import labels, labels_in_masks, stratified_grouped
    from harness.metrics import Accuracy, MeanIoU
    from harness.tasks.classification import Classification
    from harness.tasks.layout import Layout
    from harness.tasks.mask_cells import Runs
    from harness.tasks.segmentation import Segmentation

    def load(raw: Path) -> Any:
        if masks:
            return images_and_masks(raw / "images", raw / "masks")
        return images_and_csv(raw / "images", raw / "labels.csv", "name", "shows", CLASSES)

    return Competition(
        name="large",
        task=Segmentation(CLASSES, (SIDE, SIDE), layout=Layout(Runs())) if masks else Classification(CLASSES),
        metric=MeanIoU(CLASSES) if masks else Accuracy(CLASSES),
        sources=(File("images"),),
        load=load,
        split=stratified_grouped(by=labels_in_masks if masks else labels),
        models={},
        tta=("hflip",),
    )


def steps(folder: Path, masks: bool) -> dict[str, Callable[[], None]]:
    """What the child does, in this order."""
    import torch

    from harness.models import Context
    from harness.models.smp import Network
    from harness.models.torch_loop.training_loop import TrainingLoop
    from harness.options import Request
    from harness.prepare import prepare
    from harness.training.fold import predict_views

    torch.set_num_threads(1)
    declared, found = competition(masks), {}

    def read() -> None:
        found["prepared"] = prepare(Request(declared, data=folder, accept=("odd inputs",)))

    def epoch() -> None:
        prepared = found["prepared"]
        train = prepared.train[prepared.folds(declared, 5) != 0]
        learner = Network(build=small if masks else pooled, channels=3, batch=BATCH)
        found["loop"] = loop = TrainingLoop(learner, train, Context(declared.task, folder / "run"))
        for images, _ in loop.batches.epoch(0):
            loop.machine.images(images)

    def predict() -> None:
        from harness.models.torch_loop.fitted import TorchFitted

        loop = found["loop"]
        fitted = TorchFitted(loop.encoding, loop.state.network.eval(), loop.machine)
        predict_views(declared, fitted, found["prepared"].holdout.inputs)

    def loader() -> None:
        rows = len(found["loop"].batches.rows)
        for _ in torch.utils.data.DataLoader(Folder(folder / "images", rows), batch_size=BATCH, shuffle=True):
            pass

    return {"prepare": read, "epoch": epoch, "loader": loader} | ({} if masks else {"predict": predict})


class Folder:
    """A bare data set of torch's: the first images of a folder."""

    def __init__(self, folder: Path, count: int):
        self.files = sorted(folder.iterdir())[:count]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> Any:
        import torch
        from PIL import Image

        pixels = np.asarray(Image.open(self.files[row]).convert("RGB"))
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255


def small(classes: int, channels: int, width: int) -> Any:
    from torch import nn

    return nn.Sequential(nn.Conv2d(channels, classes, 1))


def pooled(classes: int, channels: int, width: int) -> Any:
    from torch import nn

    return nn.Sequential(nn.Conv2d(channels, classes, 8, stride=8), nn.AdaptiveAvgPool2d(1), nn.Flatten())


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """[gigabytes] of memory of its own that this process has at most within the block, beside pages of files."""
    peak, done = [0.0], threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            status = Path("/proc/self/status").read_text()
            kilobytes = int(status.split("RssAnon:")[1].split()[0])
            peak[0] = max(peak[0], kilobytes / 1e6)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def child(folder: Path, masks: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, step in steps(folder, masks).items():
        began = time.monotonic()
        with peak_memory() as peak:
            step()
        found[name] = {"seconds": round(time.monotonic() - began, 1), "gigabytes": round(peak[0], 3)}
    return found


def measure(gigabytes: float, limit: float, masks: bool = False) -> dict[str, Any]:
    """limit: gigabytes of memory of the child's own; 0 for none. Raise CalledProcessError where it does not do."""
    count = int(gigabytes * 1e9 / (SIDE * SIDE * 3))
    with TemporaryDirectory(dir=os.environ.get("LARGE_DATA")) as home:
        make(folder := Path(home) / "raw", count, masks)
        command = [sys.executable, "-m", "tests.benchmarks.large_data", "--child", str(folder)]
        bound = int(limit * 1e9) or resource.RLIM_INFINITY
        done = subprocess.run(
            command + (["--masks"] if masks else []),
            env={**os.environ, "HARNESS_HOME": home, "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (bound, bound)),
            stdout=subprocess.PIPE,
            check=True,
        )
    return {"images": count, **json.loads(done.stdout)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.large_data", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=3.0)
    parser.add_argument("--limit", type=float, default=2.0)
    parser.add_argument("--masks", action="store_true")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(child(asked.child, asked.masks)))
    else:
        print(json.dumps(measure(asked.gigabytes, asked.limit, asked.masks)))


if __name__ == "__main__":
    main()
