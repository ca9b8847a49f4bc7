"""Digits: which of the ten a handwritten one is, from a grey image of 28x28. Accuracy. No pretrained weights."""

from dataclasses import replace
from functools import partial

from competitions.digits.data import CLASSES, load, small_sample
from competitions.digits.numpy_networks import Layers
from harness.competition import Competition, Rules
from harness.data.sources import File, MadeSample
from harness.data.splits import labels, stratified_grouped
from harness.ensemble import blend
from harness.metrics import Accuracy, LogLoss, MacroF1
from harness.models import Learner
from harness.models.augment import Augment
from harness.models.losses import CrossEntropy
from harness.models.optim import SGD, AdamW, Constant, Muon
from harness.models.smp import Network, networks_of
from harness.tasks.classification import Classification

network = networks_of("competitions.digits")

# The course project: gradient descent on numpy, and the same network, start and batches in PyTorch.
softmax = Layers()
two_layer = replace(softmax, hidden=(128,), epochs=40, lr=0.3)
two_layer_torch = Network(
    build=partial(network, "two_layer"),
    width=128,
    epochs=40,
    batch=100,
    lr=0.3,
    weight_decay=0.0,
    optimizer=SGD(momentum=0.0),
    schedule=Constant(),
    ema=0.0,
    clip=None,
    mixed_precision=False,
    mean=(0.0,),
    std=(1.0,),
)

# What wins: small convolutional networks on images that are turned, moved and resized a little, and never mirrored.
cnn = Network(
    build=partial(network, "cnn", dropout=0.1),
    width=16,
    epochs=40,
    batch=64,
    lr=1.2e-2,
    weight_decay=0.02,
    optimizer=Muon(),
    loss=CrossEntropy(smoothing=0.05),
    augment=Augment(hflip=0, rotate=10, scale=0.1, shift=0.08),
    mean=(0.13,),
    std=(0.31,),
)
strided = replace(cnn, build=partial(network, "strided", dropout=0.1))
residual = replace(cnn, build=partial(network, "residual", dropout=0.1))
cnn_wide = replace(cnn, width=32)

# The same network with other optimizers, and bare with one regulariser each.
cnn_adamw = replace(cnn, optimizer=AdamW(), lr=6e-3)
cnn_sgd = replace(cnn, optimizer=SGD(), lr=0.1, weight_decay=1e-3)
bare = replace(cnn, build=partial(network, "cnn"), weight_decay=0.0, loss=CrossEntropy(), augment=None)
regularised = {
    "cnn_bare": bare,
    "cnn_dropout": replace(bare, build=partial(network, "cnn", dropout=0.3)),
    "cnn_weight_decay": replace(bare, weight_decay=0.1),
    "cnn_smoothing": replace(bare, loss=CrossEntropy(smoothing=0.1)),
    "cnn_augmented": replace(bare, augment=cnn.augment),
}

everything: dict[str, Learner] = {
    "cnn": cnn,
    "strided": strided,
    "softmax": softmax,
    "two_layer": two_layer,
    "two_layer_torch": two_layer_torch,
    "residual": residual,
    "cnn_wide": cnn_wide,
    "cnn_adamw": cnn_adamw,
    "cnn_sgd": cnn_sgd,
    **regularised,
}

competition = Competition(
    name="digits",
    task=Classification(CLASSES),
    metric=Accuracy(CLASSES),
    reported=(MacroF1(CLASSES), LogLoss(CLASSES)),
    rules=Rules(pretrained=False),
    sources=(File("train.npz", "test.npz"), MadeSample(small_sample)),
    load=load,
    split=stratified_grouped(by=labels, folds=5),
    models=everything,
    ensemble=blend(*everything),
    default=("cnn", "strided", "two_layer", "softmax"),
)
