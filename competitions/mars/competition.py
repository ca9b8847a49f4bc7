"""Mars: the terrain under every pixel of a rover image. Mean IoU; unlabelled pixels are void. No pretrained weights."""

from dataclasses import replace
from functools import partial

from competitions.mars.data import BIG_ROCK, CLASSES, TILE, VOID, has_big_rock, load, make_sample, rarest_class_present
from harness.competition import Competition, Rules
from harness.data.sources import File, Kaggle, MadeSample
from harness.data.splits import Holdout, stratified_grouped
from harness.ensemble import blend
from harness.metrics import MeanIoU
from harness.models.augment import Augment
from harness.models.losses import InverseFrequency, cross_entropy, dice, focal, tversky
from harness.models.optim import Muon
from harness.models.smp import Network, Smp, networks_of
from harness.tasks.segmentation import Segmentation

network = networks_of("competitions.mars")

terrain = Augment(hflip=0.5, scale=0.2, rotate=10, shift=0.1, brightness=0.15, contrast=0.2)
mean, std = (0.24,), (0.1,)  # of the real tiles

# What learns most per CPU-minute, and networks that see differently; one recipe (README, "What was measured").
coarse = Network(
    build=partial(network, "coarse"),
    width=24,
    epochs=60,
    lr=6e-3,
    weight_decay=0.05,
    optimizer=Muon(),
    loss=focal,
    class_weights=InverseFrequency(power=0.5),
    augment=terrain,
    mean=mean,
    std=std,
)
macro = replace(coarse, build=partial(network, "macro"), width=16)
micro = replace(coarse, build=partial(network, "micro"), width=16)
enhanced = replace(coarse, build=partial(network, "enhanced"), width=16)

# The baseline of the course projects: two million parameters and their length; and their four losses on one network.
unet = Smp(
    "Unet",
    encoder="tu-mobilenetv3_small_100",
    options=(("decoder_channels", (128, 64, 48, 32, 24)),),
    epochs=7,
    batch=16,
    lr=5e-3,
    loss=cross_entropy + dice,
    class_weights=InverseFrequency(power=0.5),
    mean=mean,
    std=std,
)
by_loss = {
    f"coarse_{name}": replace(coarse, loss=loss)
    for name, loss in {
        "dice": dice,
        "tversky": tversky,
        "cross_entropy": cross_entropy,
        "both": cross_entropy + dice,
    }.items()
}

# The specialist: a small network that sees big rocks in half of its batches.
big_rock = replace(
    coarse,
    build=partial(network, "specialist"),
    epochs=30,
    target_class=BIG_ROCK,
    oversample=has_big_rock,
    loss=focal + dice,
    class_weights=None,
)

general = {"coarse": coarse, "macro": macro, "micro": micro, "enhanced": enhanced, "unet": unet, **by_loss}

competition = Competition(
    name="mars",
    task=Segmentation(CLASSES, TILE, void=VOID),
    metric=MeanIoU(CLASSES, void=VOID),
    rules=Rules(pretrained=False, submissions_per_day=5, finals=2),
    sources=(
        File("train.npz", "test_images.npz"),
        File("mars_for_students.npz"),
        Kaggle("an-2-dl-2024-2025-homework-2"),
        MadeSample(make_sample),
    ),
    load=load,
    holdout=Holdout(fraction=0.2, public=0.4),
    split=stratified_grouped(by=rarest_class_present, folds=5),
    models={**general, "big_rock": big_rock},
    ensemble=blend(*general, specialist="big_rock", target_class=BIG_ROCK),
    default=("coarse", "big_rock"),
    tta=("hflip",),
)
