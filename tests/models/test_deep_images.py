"""Images of more than 8 bits and of any number of channels: learners, augmentation, TTA, audit and gallery."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from harness.audit import audit
from harness.data.pixels.depth import displayed
from harness.data.samples import Dataset, Samples, numbered
from harness.errors import UserError
from harness.models import Context
from harness.models.augment import Augment
from harness.models.sklearn import features
from harness.models.smp import Network, Smp
from harness.models.timm import Timm
from harness.report.gallery import draw_panels
from harness.tasks.classification import Classification
from harness.tasks.tta import IMAGE_VIEWS
from tests.support.audited import TRUTH, noise
from tests.support.tiny_networks import TASK, learner, pooled, tiles

LABELS = Classification(("one", "two"))
CHANNELS = 5


def deep(eight: np.ndarray) -> np.ndarray:
    """The same brightness in 16 bits: 255 * 257 is 65535."""
    return eight.astype(np.uint16) * 257


def bands(rows: int = 12, side: int = 32) -> Samples:
    """(rows, side, side, 5) uint16; the label is in the lower 8 bits of the last channel alone."""
    labels = np.arange(rows) % 2
    inputs = np.full((rows, side, side, CHANNELS), 1000, np.uint16)
    inputs += np.random.default_rng(0).integers(0, 9, inputs.shape, np.uint16)
    inputs[..., 4] += (200 * labels[:, None, None]).astype(np.uint16)
    return Samples(numbered(rows), inputs, labels, np.arange(rows))


# -- learners ----------------------------------------------------------------------------------------------------------


def test_a_network_sees_16_bits_as_it_sees_8(tmp_path: Path) -> None:
    plain, train = replace(learner, augment=None), tiles()
    of_eight = plain.fit(train, None, Context(TASK, tmp_path / "8")).predict(train.inputs)
    deeper = replace(train, inputs=deep(train.inputs))
    of_sixteen = plain.fit(deeper, None, Context(TASK, tmp_path / "16")).predict(deeper.inputs)
    assert np.abs(of_eight.astype(float) - of_sixteen).max() < 0.01
    assert len(plain.load(Context(TASK, tmp_path / "16")).predict(deeper.inputs[:0])) == 0


def test_a_network_learns_what_is_in_the_lower_bits_of_the_fifth_channel(tmp_path: Path) -> None:
    train = bands()
    look = {"channels": CHANNELS, "mean": (1100 / 65535,) * CHANNELS, "std": (100 / 65535,)}
    network = Network(build=pooled, width=4, epochs=20, batch=4, lr=0.03, augment=Augment(hflip=0.5, rotate=9), **look)
    fitted = network.fit(train, None, Context(LABELS, tmp_path))
    assert (fitted.predict(train.inputs).argmax(1) == train.targets).all()
    turned = IMAGE_VIEWS["rot90"].apply(train.inputs)
    assert (fitted.predict(turned).argmax(1) == train.targets).all()


@pytest.mark.parametrize("look", [{}, {"channels": 3}, {"channels": CHANNELS, "mean": (0.1, 0.2)}])
def test_images_of_other_channels_than_declared_are_refused_by_their_number(look: dict, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the images have 5 channels.*declare channels=5"):
        Network(build=pooled, epochs=1, **look).fit(bands(), None, Context(LABELS, tmp_path))


def test_backbones_of_the_libraries_take_five_channels() -> None:
    images = torch.zeros(1, CHANNELS, 32, 32)
    look = {"channels": CHANNELS, "mean": (0.5,), "std": (0.2,)}
    assert Timm("test_efficientnet", **look).network(2).eval()(images).shape == (1, 2)
    assert Smp("Unet", encoder="tu-resnet10t", **look).network(2).eval()(images).shape == (1, 2, 32, 32)


def test_estimators_see_numbers_from_0_to_1() -> None:
    assert features(np.full((1, 2, 2, 4), 65535, np.uint16)).tolist() == [[1.0] * 16]


# -- augmentation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colours", [1, 3])
def test_16_bits_are_augmented_as_8(colours: int) -> None:
    rng = np.random.default_rng(0)
    eight = rng.integers(0, 256, (4, 16, 24, 3), np.uint8)[..., :colours].squeeze()
    colour = 0.2 if colours == 3 else 0.0
    augment = Augment(vflip=0.5, brightness=0.3, contrast=0.3, colour=colour)
    draws = augment.draw(rng, 4)
    expected, found = augment(eight, None, draws)[0], augment(deep(eight), None, draws)[0]
    assert found.dtype == np.uint16
    assert np.abs(found / 257 - expected).max() <= 0.5 + 1e-6  # 8 bits are rounded
    assert len(np.unique(found)) > 256


def test_channels_are_warped_with_their_masks() -> None:
    masks = np.zeros((6, 32, 64), np.uint8)
    masks[:, 8:24, 16:40] = 1
    augment = Augment(rotate=20, scale=0.3, shift=0.1)
    images = np.repeat(deep(50 + 150 * masks)[..., None], 7, axis=3)
    warped, warped_masks = augment(images, masks, augment.draw(np.random.default_rng(1), 6))
    assert (((warped > 125 * 257) == warped_masks[..., None]).mean((0, 1, 2)) > 0.97).all()


def test_colours_of_other_than_three_channels_are_refused() -> None:
    draws = np.full((12, 15), 0.3)
    with pytest.raises(UserError, match=r"5 channels.*colour="):
        Augment(colour=0.2)(bands().inputs, None, draws)


def darker() -> list:
    import albumentations

    return [albumentations.HorizontalFlip(p=0.5), albumentations.RandomGamma(p=1), albumentations.Affine(rotate=9, p=1)]


def hues() -> list:
    import albumentations

    return [albumentations.HueSaturationValue(p=1)]


def test_albumentations_see_16_bits_as_floats() -> None:
    """A gamma keeps more levels than 8 bits have."""
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(1, 64, 64)
    for images in (ramp, np.stack([ramp] * CHANNELS, 3)):
        augment = Augment(hflip=0, transforms=darker)
        changed, masks = augment(images, (ramp > 20000).astype(np.uint8), augment.draw(np.random.default_rng(0), 1))
        assert (changed.dtype, changed.shape) == (np.uint16, images.shape)
        assert len(np.unique(changed)) > 1000
        assert 0 < masks.mean() < 1


def test_a_transform_that_cannot_take_the_channels_is_refused() -> None:
    augment = Augment(hflip=0, transforms=hues)
    with pytest.raises(UserError, match="albumentations does not take images with 5 channels"):
        augment(bands().inputs, None, augment.draw(np.random.default_rng(0), 12))


# -- audit and reports -------------------------------------------------------------------------------------------------


def test_the_audit_finds_in_16_bits_what_it_finds_in_8() -> None:
    pictures = noise()
    pictures[1] = pictures[0] // 2  # a darker copy
    pictures[2] = 128
    found = [
        audit(Dataset(Samples(numbered(len(pictures)), inputs, TRUTH)), LABELS)
        for inputs in (pictures, deep(pictures), np.repeat(deep(pictures)[..., None], CHANNELS, axis=3))
    ]
    for other in found[1:]:
        assert other.groups.tolist() == found[0].groups.tolist()
        assert [(check.name, check.verdict) for check in other.checks] == [
            (check.name, check.verdict) for check in found[0].checks
        ]
    assert found[0].groups[1] == found[0].groups[0]


def test_a_deep_image_is_shown_in_8_bits() -> None:
    image = bands().inputs[0]
    assert displayed(image).shape == (32, 32, 3)
    assert (displayed(image[..., :2]).shape, displayed(image[..., 0]).dtype) == ((32, 32), np.uint8)
    assert np.ptp(displayed(image)) == 255  # its contrast is stretched
    diagnostics = SimpleNamespace(draw_difference=lambda *_: None, draw=None)
    run = SimpleNamespace(samples=bands(), oof=SimpleNamespace(targets=bands().targets), diagnostics=diagnostics)
    ((panel,), _) = draw_panels(run, 0, bands().targets)
    assert panel.source.startswith("data:image/png")
