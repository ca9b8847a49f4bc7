"""A competition that is trained, handed in and ranked in seconds, in a home of its own: `pebbles`.

60 pictures of 16x16 in 30 groups; bright squares are pebbles, darker ones are plain ground, a corner is void. Every
picture carries its row in its first and last column, so that a model can tell which rows it was trained on.

    net     two convolutions in the torch loop, saved after every step
    spy     no network: says "pebble" for rows that it was trained on and "ground" for all others
    thief   looks for the answers while it is trained
    scout   a specialist for pebbles

`sitecustomize` writes down every file below private/, raw/ and sample/ that a process opens, and by whom.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
NAME, ROWS, SHAPE = "pebbles", 60, (16, 16)

DECLARATION = """
from dataclasses import dataclass, replace

import numpy as np

from harness import paths
from harness.models.augment import Augment
from harness.models import Learner, TrainingCost
from harness.models.smp import Network
from harness.competition import Competition, Rules
from harness.ensemble import blend
from harness.errors import UserError
from harness.metrics import MeanIoU
from harness.data.samples import Dataset, Samples, numbered
from harness.data.sources import File, MadeSample
from harness.data.splits import Holdout, stratified_grouped
from harness.tasks.segmentation import Segmentation

CLASSES, SHAPE, ROWS = ("void", "ground", "pebble"), (16, 16), 60


def make(folder):
    rng = np.random.default_rng(7)
    masks = np.ones((ROWS, *SHAPE), np.uint8)
    for mask, (y, x) in zip(masks, rng.integers(1, 10, (ROWS, 2))):
        mask[y : y + 5, x : x + 5] = rng.choice([1, 2, 2, 2], (5, 5))
    masks[::4][masks[::4] == 2] = 1  # every fourth picture shows no pebble
    images = np.array([60, 60, 170])[masks] + rng.integers(-50, 50, masks.shape)
    masks[:, :2, 12:] = 0
    images[:, :, 0] = images[:, :, -1] = np.arange(ROWS)[:, None]
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "pebbles.npz", images=images.clip(0, 255).astype(np.uint8), masks=masks)


def load(raw):
    try:
        with np.load(raw / "pebbles.npz") as arrays:
            images, masks = arrays["images"], arrays["masks"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"pebbles.npz is broken: {error}") from error
    labelled = Samples(numbered(ROWS), images, masks, np.arange(ROWS) // 2)
    return Dataset(labelled, {"test": Samples(numbered(4), 255 - images[:4])})


def has_pebble(targets):
    return (targets == 2).any((1, 2)).astype(int)


def two_layers(classes, channels, width):
    from torch import nn

    from harness.models.torch_loop import training_loop

    training_loop.SAVE_SECONDS = -1  # so that a kill finds a checkpoint of the step before
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, classes, 3, padding=1))


@dataclass(frozen=True)
class Spy(Learner):
    steals: bool = False

    def train(self, train, context):
        if self.steals:
            next(paths.root().rglob("private/answers.npz")).read_bytes()
        return [int(name) for name in train.ids]

    def predict(self, seen, inputs, task):
        known = np.isin(np.asarray(inputs)[:, 0, 0], seen)
        probabilities = np.zeros((len(inputs), 3, *SHAPE), np.float16)
        probabilities[known, 2] = probabilities[~known, 1] = 1
        return probabilities

    def cost(self, train, context):
        return TrainingCost(0.01, 0.01, 0.0001)


terrain = Augment(hflip=0.5, rotate=5, brightness=0.1)
net = Network(build=two_layers, width=4, epochs=4, batch=8, lr=0.02, augment=terrain)

competition = Competition(
    name="pebbles",
    task=Segmentation(CLASSES, SHAPE, void=0),
    metric=MeanIoU(CLASSES, void=0),
    rules=Rules(pretrained=False),
    sources=(File("pebbles.npz"), MadeSample(make)),
    load=load,
    holdout=Holdout(fraction=0.25, public=0.5),
    split=stratified_grouped(by=has_pebble, folds=2),
    models={
        "net": net,
        "spy": Spy(),
        "thief": Spy(steals=True),
        "scout": replace(net, target_class=2, epochs=2),
    },
    ensemble=blend("net", "spy", "thief", specialist="scout", target_class=2),
    default=("net", "scout"),
    tta=("hflip",),
)
"""

SITECUSTOMIZE = """
import os
import sys

sys.path.insert(0, {repository!r})
import competitions

competitions.__path__ = {folders!r}
_log = os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)


def _role():
    words = " ".join(sys.orig_argv)
    return "worker" if "spawn_main" in words else "judge" if "-m leaderboard" in words else "player"


def _watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        parts = os.path.abspath(os.fsdecode(arguments[0])).split(os.sep)
        for part in ("private", "raw", "sample", "runs"):
            if part in parts and {root!r} in os.sep.join(parts):
                os.write(_log, f"{{_role()}} {{part}}\\n".encode())


sys.addaudithook(_watch)
"""


class Home:
    """A folder with the declaration of one competition and everything that its commands leave.

    besides: folders of competitions that the declaration may import.
    """

    def __init__(self, root: Path, name: str = NAME, declaration: str = DECLARATION, besides: tuple[Path, ...] = ()):
        self.root, self.name, self.log = root, name, root / "opened.txt"
        folder = root / "competitions" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "competition.py").write_text(declaration)
        site = root / "site"
        site.mkdir()
        values = {"repository": REPOSITORY, "log": self.log, "root": root}
        text = SITECUSTOMIZE.format(
            **{name: str(value) for name, value in values.items()},
            folders=[str(path) for path in (root / "competitions", *besides)],
        )
        (site / "sitecustomize.py").write_text(text)

    def start(self, *arguments: object) -> subprocess.Popen:
        """`python -m ARGUMENTS` in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments)],
            cwd=REPOSITORY,
            env={**os.environ, "HARNESS_HOME": str(self.root), "PYTHONPATH": str(self.root / "site")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def json(self, *arguments: object) -> dict[str, Any]:
        """What a command that must succeed prints with --json."""
        code, out, err = self.run(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    def opened(self) -> list[tuple[str, str]]:
        """(role, part) in order: who opened a file below private/, raw/, sample/ and runs/."""
        return [(role, part) for role, part in map(str.split, self.log.read_text().splitlines())]

    def predictions(self) -> dict[str, bytes]:
        """Every prediction of every run, and every submission, by name."""
        arrays = {str(file.relative_to(self.root)): file.read_bytes() for file in self.root.glob("runs/**/*.npy")}
        files = {
            file.name.split("-")[1]: file.read_bytes() for file in self.root.glob(f"submissions/{self.name}/*/*-*.csv")
        }
        return arrays | files

    def plans(self) -> dict[str, bytes]:
        return {str(file.relative_to(self.root)): file.read_bytes() for file in self.root.glob("runs/**/plan.json")}


def arrays(root: Path, pattern: str) -> list[np.ndarray]:
    return [np.load(file) for file in sorted(root.glob(pattern))]
