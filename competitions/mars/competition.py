"""Mars: the terrain under every pixel of a rover image. Mean IoU; unlabelled pixels are void. No pretrained weights."""

from dataclasses import replace
from typing import Any

from competitions.mars.data import BIG_ROCK, CLASSES, TILE, VOID, has_big_rock, load, rarest_class_present
from competitions.mars.terrain import terrain_sample
from harness.augment import Augment
from harness.backends.class_weights import InverseFrequency
from harness.backends.losses import cross_entropy, dice, focal
from harness.backends.optimizers import Muon
from harness.backends.smp import Network, Smp
from harness.competition import Competition, Rules
from harness.ensembles import Overlay, blend
from harness.metrics import MeanIoU
from harness.sources import File, Kaggle, Sample
from harness.splits import Holdout, stratified_grouped
from harness.tasks.segmentation import Segmentation

terrain = Augment(hflip=0.5, scale=0.2, rotate=10, shift=0.1, brightness=0.15, contrast=0.2)


def coarse_network(classes: int, channels: int, width: int) -> Any:
    from competitions.mars.networks import coarse

    return coarse(classes, channels, width)


def macro_network(classes: int, channels: int, width: int) -> Any:
    from competitions.mars.networks import macro

    return macro(classes, channels, width)


def micro_network(classes: int, channels: int, width: int) -> Any:
    from competitions.mars.networks import micro

    return micro(classes, channels, width)


def enhanced_network(classes: int, channels: int, width: int) -> Any:
    from competitions.mars.networks import enhanced

    return enhanced(classes, channels, width)


def specialist_network(classes: int, channels: int, width: int) -> Any:
    from competitions.mars.networks import specialist

    return specialist(classes, channels, width)


unet = Smp(
    "Unet",
    encoder="tu-mobilenetv3_small_100",
    mean=(0.24,),
    std=(0.1,),
    epochs=30,
    lr=2e-3,
    loss=cross_entropy + dice,
    class_weights=InverseFrequency(),
    augment=terrain,
)
coarse = Network(
    build=coarse_network,
    width=24,
    mean=(0.24,),
    std=(0.1,),
    epochs=60,
    lr=6e-3,
    weight_decay=0.05,
    optimizer=Muon(),
    loss=cross_entropy + dice,
    class_weights=InverseFrequency(power=0.5),
    augment=terrain,
)
macro = replace(coarse, build=macro_network, width=16)
micro = replace(coarse, build=micro_network, width=16)
enhanced = replace(coarse, build=enhanced_network, width=16)
big_rock = replace(
    coarse,
    build=specialist_network,
    width=24,
    epochs=30,
    focus=BIG_ROCK,
    oversample=has_big_rock,
    loss=focal + dice,
    class_weights=None,
)

competition = Competition(
    name="mars",
    task=Segmentation(CLASSES, TILE, void=VOID),
    metric=MeanIoU(CLASSES, void=VOID),
    rules=Rules(pretrained=False, submissions_per_day=5, finals=2),
    sources=(
        File("train.npz", "test_images.npz"),
        File("mars_for_students.npz"),
        Kaggle("an-2-dl-2024-2025-homework-2"),
        Sample(terrain_sample),
    ),
    load=load,
    holdout=Holdout(fraction=0.2, public=0.4),
    split=stratified_grouped(by=rarest_class_present, folds=5),
    models={"coarse": coarse, "unet": unet, "macro": macro, "micro": micro, "enhanced": enhanced, "big_rock": big_rock},
    ensemble=Overlay(blend("coarse", "unet", "macro", "micro", "enhanced"), specialist="big_rock", of=BIG_ROCK),
    default=("coarse", "big_rock"),
    tta=("hflip",),
)
