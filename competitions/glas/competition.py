"""GlaS: the glands in stained slices of the colon. Mean Dice; 145 images of 16 patients; no pretrained weights."""

from dataclasses import replace
from functools import partial
from typing import Any

from competitions.glas.data import CLASSES, LABELLED, OFFICIAL, SIDE, load, make_sample
from harness.competition import Competition, Rules
from harness.data.sources import File, MadeSample
from harness.data.splits import Holdout, stratified_grouped
from harness.ensemble import blend
from harness.metrics import MeanDice, MeanImageIoU
from harness.models.augment import Augment
from harness.models.losses import cross_entropy, dice
from harness.models.optim import Constant, Muon
from harness.models.smp import Network, Smp, networks_of
from harness.models.torch_loop.batches import Prime
from harness.tasks.mask_cells import RUN_LENGTH
from harness.tasks.segmentation import Segmentation

network = networks_of("competitions.glas")


def elastic() -> list[Any]:
    """Soft tissue bends: the deformations with which the U-Net was introduced (Ronneberger et al. 2015)."""
    import albumentations as A
    import cv2

    return [A.ElasticTransform(alpha=60, sigma=8, border_mode=cv2.BORDER_REFLECT_101, p=0.3)]


tissue = Augment(hflip=0.5, vflip=0.5, rotate=180, scale=0.25, shift=0.1, brightness=0.1, contrast=0.2, colour=0.1)
mean, std = (0.787, 0.511, 0.785), (0.154, 0.237, 0.121)  # of the real images

# Two networks that see differently, each in what learns most per CPU-minute (README, "What was measured").
pyramid = Network(
    build=partial(network, "pyramid"),
    channels=3,
    width=24,
    epochs=150,
    batch=8,
    lr=6e-3,
    weight_decay=0.05,
    optimizer=Muon(),
    loss=cross_entropy + dice,
    augment=tissue,
    mean=mean,
    std=std,
)
gated = replace(pyramid, build=partial(network, "gated"), width=16)

# The course project's method: a plain convolutional network that sees very few images first, then all.
primed = Network(
    build=partial(network, "plain"),
    channels=3,
    width=32,
    epochs=100,
    batch=8,
    lr=1e-3,
    schedule=Constant(),
    augment=Augment(hflip=0.5),
    prime=Prime(images=8, share=0.2),
    mean=mean,
    std=std,
)
unprimed = replace(primed, prime=None)

# The usual choice, from scratch, with the usual deformations.
unet = Smp(
    "Unet",
    encoder="tu-resnet18",
    channels=3,
    epochs=60,
    batch=8,
    lr=2e-3,
    loss=cross_entropy + dice,
    augment=replace(tissue, transforms=elastic),
    mean=mean,
    std=std,
)

models = {"pyramid": pyramid, "gated": gated, "unet": unet, "primed": primed, "unprimed": unprimed}

competition = Competition(
    name="glas",
    task=Segmentation(CLASSES, (SIDE, SIDE), layout=RUN_LENGTH),
    metric=MeanDice(CLASSES),
    reported=(MeanImageIoU(CLASSES),),
    rules=Rules(pretrained=False),
    sources=(File(*LABELLED, OFFICIAL), MadeSample(make_sample)),
    load=load,
    holdout=Holdout(fraction=0.3, public=0.4),  # of 16 patients, four: less would be one public patient
    split=stratified_grouped(folds=5),  # by the grade that `load` brings; groups are patients
    models=models,
    ensemble=blend(*models),
    default=("pyramid", "gated"),
    tta=("hflip", "vflip", "rot90", "rot180", "rot270", "transpose", "antitranspose"),
)
