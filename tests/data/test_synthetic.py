"""The synthetic maker: the same files on every machine, in the format that is read, and learnable."""

import hashlib
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from harness.data.synthetic import SyntheticImages

RECIPE = SyntheticImages(
    size=(40, 60), seed=1, shapes=9, objects=(3, 3), textures=3, blobs=2, body=1.3, hollow=True, ragged=0.3, per_group=2
)


def test_every_machine_makes_the_same_images_each_by_itself() -> None:
    scenes = RECIPE.scenes(4)
    content = b"".join(scene.image.tobytes() + scene.mask.tobytes() + scene.boxes.tobytes() for scene in scenes)
    assert hashlib.sha256(content).hexdigest()[:16] == "b25a61f046c88755"
    assert (RECIPE.scene(3).image == scenes[3].image).all()


def test_labels_are_as_common_as_their_weights_and_one_for_a_group() -> None:
    labels = replace(RECIPE, shapes=2, weights=(9, 1)).labels(2000)
    assert 0.07 < labels.mean() < 0.13
    assert (labels[::2] == labels[1::2]).all()


def test_objects_have_their_label_in_the_mask_and_a_box_around_what_is_seen() -> None:
    recipe = SyntheticImages(size=(40, 60), seed=3, shapes=2, radius=((8, 9),), inside=1.2, textures=2)
    for scene in recipe.scenes(10, np.arange(10) % 2):
        (box,) = scene.boxes
        rows, columns = np.nonzero(scene.mask >= 2)
        assert box[1:].tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert (scene.mask[scene.mask >= 2] == 2 + box[0]).all()
        assert not scene.doubtful[scene.mask >= 2].any()
    crowded = SyntheticImages(size=(24, 24), seed=0, shapes=1, objects=(30, 30), radius=((6, 7),))
    assert 1 <= len(crowded.scene(0).boxes) < 30  # an object that is mostly hidden has no box


def test_colour_tells_the_class_as_much_as_hue_says() -> None:
    for hue, apart in ((1.0, True), (0.0, False)):
        recipe = replace(RECIPE, shapes=2, hue=hue, hollow=False, body=0, textures=1, blobs=0)
        red = []
        for label in range(2):
            scenes = recipe.scenes(40, np.full(40, label))
            red.append(np.mean([scene.image[scene.mask > 0, 0].mean() for scene in scenes]))
        assert (abs(red[0] - red[1]) > 50) == apart


@pytest.mark.parametrize("name", ["mars", "blood", "cytology", "glas", "aquarium", "bccd"])
def test_every_recipe_of_a_competition_shows_all_its_classes(name: str) -> None:
    module = import_module(f"competitions.{name}.data")
    (recipe,) = [value for value in vars(module).values() if isinstance(value, SyntheticImages)]
    scenes = recipe.scenes(40)
    assert {int(label) for scene in scenes for label in scene.boxes[:, 0]} == set(range(recipe.shapes))
    assert {label for scene in scenes for label in np.unique(scene.mask)} >= set(range(recipe.textures))
