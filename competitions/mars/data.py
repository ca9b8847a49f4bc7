"""The raw files of Mars: grey rover tiles of 64x128 pixels with a class under every pixel, also as the course has them.

Without them the tiles are made: three textures that overlap in brightness, and big rocks at a quarter of the sites.
"""

from pathlib import Path

import numpy as np

from harness.data.formats.arrays import as_bytes, ids_in, read_arrays
from harness.data.samples import Dataset, Samples, numbered
from harness.data.synthetic import SyntheticImages
from harness.errors import UserError
from harness.paths import shown

CLASSES = ("background", "soil", "bedrock", "sand", "big rock")
VOID, BIG_ROCK = 0, 4
TILE = (64, 128)

TILES = ("train.npz", "test_images.npz")
COURSE = "mars_for_students.npz"


def load(raw: Path) -> Dataset:
    """The labelled tiles and the official part "test"; groups are rover positions, else frames, else single tiles.

    Raise `UserError` naming the file and the array that is wrong.
    """
    if (raw / TILES[0]).exists():
        train, test = (raw / name for name in TILES)
        known = read_arrays(train, ["images", "masks"], optional=["group", "frame"])
        unlabelled = read_arrays(test, ["images"], optional=["id"])
        images, masks, unknown, ids = known["images"], known["masks"], unlabelled["images"], ids_in(unlabelled)
        positions = known.get("group", known.get("frame", np.arange(len(images))))
    elif (raw / COURSE).exists():
        train = test = raw / COURSE
        pairs, unknown = (read_arrays(train, [name])[name] for name in ("training_set", "test_set"))
        if pairs.ndim != 4 or pairs.shape[1:] != (2, *TILE):
            raise UserError(f"{shown(train)}, training_set has shape {pairs.shape}, but (n, 2, 64, 128) is needed")
        images, masks, ids, positions = pairs[:, 0], pairs[:, 1], numbered(len(unknown)), np.arange(len(pairs))
    else:
        raise UserError(f"{shown(raw)} holds neither {TILES[0]} (with {TILES[1]}) nor {COURSE}")
    images, masks = (as_bytes(array, f"the tiles of {shown(train)}", TILE) for array in (images, masks))
    groups = np.unique(positions, return_inverse=True)[1]
    official = Samples(ids, as_bytes(unknown, f"the tiles of {shown(test)}", TILE))
    return Dataset(Samples(numbered(len(images)), images, masks, groups), {"test": official})


def has_big_rock(targets: np.ndarray) -> np.ndarray:
    """(n,) bool: the tiles in which at least one pixel is a big rock."""
    return (targets == BIG_ROCK).any((1, 2))


def rarest_class_present(targets: np.ndarray) -> np.ndarray:
    """(n,) int: the class of each tile that occurs in the fewest of these tiles.

    A tile without any label counts as the most common class.
    """
    present = np.stack([(targets == label).any((1, 2)) for label in range(len(CLASSES))], axis=1)
    present[:, VOID] = False
    rarest_first = np.argsort(present.sum(0), kind="stable")
    rarest_first = rarest_first[rarest_first != VOID]
    rank = np.where(present.any(1), present[:, rarest_first].argmax(1), len(rarest_first) - 1)
    return rarest_first[rank]


terrain = SyntheticImages(
    size=TILE, seed=20_241_101, textures=3, shapes=1, objects=(0, 1), holders=0.25, radius=((7, 16),), inside=0.3,
    ground=(90, 90, 90), hue=0.0, clear=(0.3, 0.8), ragged=0.4, noise=10, per_group=4,
)  # fmt: skip


def make_sample(folder: Path) -> None:
    """Write 400 tiles of 100 sites, and 100 of other sites for the official test."""
    scenes, sites = terrain.scenes(500), terrain.groups(500)
    images = np.stack([scene.image[..., 1] for scene in scenes])
    masks = np.stack([np.where(scene.doubtful, VOID, scene.mask + 1) for scene in scenes]).astype(np.uint8)
    np.savez_compressed(folder / TILES[0], images=images[:400], masks=masks[:400], group=sites[:400])
    np.savez_compressed(folder / TILES[1], images=images[400:], id=np.arange(100))
