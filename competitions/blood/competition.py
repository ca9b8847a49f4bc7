"""Blood: which of eight kinds a stained cell is, from a colour image of 28 to 96 pixels. Accuracy."""

from dataclasses import replace
from functools import partial

from competitions.blood.data import CLASSES, COURSE, FILES, load, make_sample
from harness.competition import Competition, Rules
from harness.data.sources import File, MadeSample
from harness.data.splits import labels, stratified_grouped
from harness.ensemble import blend
from harness.metrics import Accuracy, MacroF1, Precision, Recall
from harness.models.augment import Augment
from harness.models.losses import CrossEntropy, InverseFrequency
from harness.models.optim import CosineRestarts, EarlyStopping, Muon, ReduceOnPlateau
from harness.models.smp import Network, networks_of
from harness.models.timm import Head, Timm
from harness.tasks.classification import Classification

network = networks_of("competitions.blood")

smear = Augment(hflip=0.5, vflip=0.5, rotate=180, scale=0.15, shift=0.08, brightness=0.05, contrast=0.1, colour=0.05)

# What wins, from scratch: two networks that see differently (README, "What was measured").
residual = Network(
    build=partial(network, "residual"),
    width=16,
    channels=3,
    mean=(0.8, 0.66, 0.69),
    std=(0.22, 0.25, 0.1),
    epochs=80,
    batch=64,
    lr=6e-3,
    weight_decay=0.05,
    optimizer=Muon(),
    loss=CrossEntropy(smoothing=0.1),
    augment=smear,
)
plain = replace(residual, build=partial(network, "plain"))

# The course projects. Their layers were counted as Keras does; here a layer is a block, as timm groups them.
mobilenet = Timm(
    "mobilenetv3_large_100.ra_in1k",
    pretrained=True,
    size=96,
    head=Head(hidden=(256, 128), activation="swish", dropout=0.3, squeeze_excitation=True),
    trainable_layers=6,
    epochs=60,
    batch=64,
    lr=1e-3,
    weight_decay=0.02,
    class_weights=InverseFrequency(power=1.0),
    schedule=ReduceOnPlateau(by=0.5, patience=4),
    early_stopping=EarlyStopping(patience=12),
    augment=smear,
)
mobilenet_scratch = replace(mobilenet, pretrained=False, trainable_layers=None)
convnext = Timm(
    "convnext_base.fb_in22k_ft_in1k",
    pretrained=True,
    size=96,
    head=Head(hidden=(512, 256, 128, 64), activation="gelu", dropout=0.3),
    frozen=0.5,
    layer_decay=0.8,
    epochs=40,
    batch=64,
    lr=5e-4,
    weight_decay=0.05,
    schedule=CosineRestarts(cycles=2, longer=1.0),
    loss=CrossEntropy(smoothing=0.1),
    augment=smear,
)
inception = replace(
    convnext, backbone="inception_v3.tv_in1k", unfreeze="gradual", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)
backbones = {
    "mobilenet": mobilenet,
    "inception": inception,
    "efficientnet": replace(inception, backbone="tf_efficientnetv2_s.in21k_ft_in1k"),
    "convnext": convnext,
    "convnext_large": replace(convnext, backbone="convnext_large.fb_in22k_ft_in1k"),
}

everything = {"residual": residual, "plain": plain, "mobilenet_scratch": mobilenet_scratch, **backbones}

competition = Competition(
    name="blood",
    task=Classification(CLASSES),
    metric=Accuracy(CLASSES),
    reported=(MacroF1(CLASSES), Precision(CLASSES), Recall(CLASSES)),
    rules=Rules(pretrained=True),
    sources=(File(*FILES), File(COURSE), MadeSample(make_sample)),
    load=load,
    split=stratified_grouped(by=labels, folds=5),
    models=everything,
    ensemble=blend(*everything),
    default=("residual", "plain"),
    tta=("hflip", "vflip", "rot180"),
)
