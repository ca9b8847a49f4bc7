"""Cytology: whether stained cells under the microscope are malignant. Accuracy; a missed case costs ten. Made images.

The measurements of such cells are a competition of their own, `cancer`, on real patients.
"""

from dataclasses import replace
from functools import partial

from competitions.cytology.data import CLASSES, load, make_sample
from harness.competition import Competition, Rules
from harness.data.sources import File, MadeSample
from harness.data.splits import labels, stratified_grouped
from harness.ensemble import blend
from harness.metrics import ROCAUC, Accuracy, Cost
from harness.models.augment import Augment
from harness.models.losses import CrossEntropy
from harness.models.optim import Muon
from harness.models.smp import Network, networks_of
from harness.tasks.classification import Classification

COSTS = ((0, 1), (10, 0))  # benign taken for malignant: one more examination; malignant taken for benign: a missed case

network = networks_of("competitions.cytology")

# The course project: a simple convolutional network as it comes.
simple = Network(
    build=partial(network, "simple"),
    channels=3,
    mean=(0.85, 0.72, 0.82),
    std=(0.15, 0.17, 0.12),
    width=16,
    epochs=30,
    batch=32,
    lr=2e-3,
)

# What should beat it: no dense layers, residuals, dropout, and cells seen from all sides.
residual = replace(
    simple,
    build=partial(network, "residual"),
    epochs=40,
    lr=1.2e-2,
    weight_decay=0.05,
    optimizer=Muon(),
    loss=CrossEntropy(smoothing=0.05),
    augment=Augment(hflip=0.5, vflip=0.5, rotate=180, scale=0.1, brightness=0.03, contrast=0.05),
)

everything = {"residual": residual, "simple": simple}

competition = Competition(
    name="cytology",
    task=Classification(CLASSES),
    metric=Accuracy(CLASSES),
    reported=(ROCAUC(CLASSES), Cost(CLASSES, COSTS)),
    rules=Rules(pretrained=False),
    sources=(File("train.npz", "test.npz"), MadeSample(make_sample)),
    load=load,
    split=stratified_grouped(by=labels, folds=5),
    models=everything,
    ensemble=blend(*everything),
    default=("residual", "simple"),
    tta=("hflip", "vflip", "rot180"),
)
