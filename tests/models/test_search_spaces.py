"""Default search spaces: every model of every competition has variants that construct and that the store can name."""

import dataclasses
import json
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import optuna
import pytest
from sklearn.ensemble import ExtraTreesClassifier, VotingClassifier

from harness.competition import find, names
from harness.data.samples import Samples, numbered
from harness.models import Context, search_spaces
from harness.models.augment import Augment
from harness.models.config import canonical, config_hash, revived
from harness.models.losses import InverseFrequency, Sum, binary_cross_entropy, cross_entropy, dice, focal, tversky
from harness.models.sklearn import Sklearn
from harness.models.smp import ARCHITECTURES, ENCODERS, Network, Smp
from harness.models.timm import Head, Timm
from harness.models.yolo.detector import Yolo
from harness.tasks.classification import Classification
from tests.support.tiny_networks import TASK, learner, tiles, tiny

NOTHING_TO_VARY = {("cars", "kernel_ridge")}  # its two numbers are chosen on inner folds
MODELS = [(name, model) for name in names() for model in find(name).models]


def trials(count: int, seed: int = 0) -> list[optuna.trial.Trial]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [study.ask() for _ in range(count)]


class Corner:
    """Suggests one end of every range."""

    def __init__(self, highest: bool):
        self.highest, self.asked = highest, dict[str, object]()

    def suggest(self, name: str, low: float, high: float, **_: object):
        assert name not in self.asked, f"{name} is asked twice"
        assert low < high
        self.asked[name] = high if self.highest else low
        return self.asked[name]

    suggest_float = suggest_int = suggest

    def suggest_categorical(self, name: str, choices: list):
        return choices[self.suggest(name, 0, len(choices) - 1)]


def ends(declared: object) -> tuple[Any, Any]:
    """The variants at both ends of every range."""
    return declared.search_space(Corner(highest=False)), declared.search_space(Corner(highest=True))


def asked(declared: object) -> set[str]:
    corner = Corner(highest=True)
    declared.search_space(corner)
    return set(corner.asked)


@pytest.mark.parametrize(("name", "model"), MODELS)
def test_every_model_of_every_competition_has_variants(name: str, model: str) -> None:
    declared = find(name).models[model]
    hashes = {config_hash(declared)}
    for trial in trials(2):
        varied = declared.search_space(trial)
        assert type(varied) is type(declared) and dataclasses.is_dataclass(varied)
        assert (varied.target_class, varied.pretrained) == (declared.target_class, declared.pretrained)
        assert varied.fewest_epochs <= varied.epochs <= declared.epochs
        stored = revived(json.loads(json.dumps(canonical(varied))))
        again = declared.search_space(optuna.trial.FixedTrial(trial.params))
        assert config_hash(stored) == config_hash(again) == config_hash(varied)
        hashes.add(config_hash(varied))
    assert len(hashes) == (1 if (name, model) in NOTHING_TO_VARY else 3)
    fewest, most = ends(declared)
    assert (fewest == most) == ((name, model) in NOTHING_TO_VARY)
    assert fewest.epochs >= declared.epochs / 2 - 1 and most.epochs == declared.epochs


def test_a_variant_is_fitted_as_any_learner(tmp_path) -> None:
    varied = replace(learner, width=8, epochs=2).search_space(trials(1)[0])
    predicted = varied.fit(tiles(), None, Context(TASK, tmp_path)).predict(tiles().inputs)
    assert predicted.shape[0] == 10 and np.isfinite(predicted).all()


# -- what varies -------------------------------------------------------------------------------------------------------

NETWORK = Network(build=tiny, width=16, lr=0.01, weight_decay=0.02)
ALWAYS = {"lr", "weight_decay", "ema", "epochs_share"}
SCRATCH = Timm("resnet10t", head=Head(hidden=(8,)))
UNET = Smp("Linknet", encoder="tu-resnet10t")


@pytest.mark.parametrize(
    ("declared", "varied"),
    [
        (NETWORK, {"width"}),
        (replace(NETWORK, augment=Augment(), class_weights=InverseFrequency()), {"width", "augment", "class_power"}),
        (replace(NETWORK, loss=cross_entropy + dice), {"width", "loss_overlap"}),
        (UNET, {"architecture", "encoder", "loss_overlap"}),
        (replace(UNET, loss=binary_cross_entropy), {"architecture", "encoder", "loss_overlap"}),
        (replace(UNET, options=(("decoder_channels", (8,)),)), {"loss_overlap"}),  # options are of one architecture,
        (replace(UNET, pretrained=True), {"loss_overlap"}),  # and weights of one encoder
        (SCRATCH, {"head_dropout"}),
        (replace(SCRATCH, head=Head(), pretrained=True), {"frozen", "layer_decay"}),  # it has no layer that drops
        (Yolo(imgsz=320), {"mosaic", "imgsz"}),
        (Yolo(imgsz=64), {"mosaic"}),  # half of it shows nothing
    ],
)
def test_a_network_varies_in_what_it_declares(declared, varied: set[str]) -> None:
    assert asked(declared) == ALWAYS | varied


def test_rates_and_widths_are_searched_about_the_declared_ones() -> None:
    low, high = ends(NETWORK)
    assert (low.lr, high.lr, low.width, high.width) == (0.0025, 0.04, 12, 24)
    assert low.weight_decay == pytest.approx(0.002) and high.weight_decay == pytest.approx(0.06)
    assert ends(replace(NETWORK, clip=None))[1].lr == 0.02
    assert ends(replace(NETWORK, weight_decay=0.0))[0].weight_decay > 0  # there might better be some
    assert [search_spaces.width(Corner(highest=True), declared) for declared in (24, 4, 1)] == [36, 4, 1]


def test_a_schedule_is_never_shorter_than_what_teaches_something_nor_longer_than_declared() -> None:
    assert [ends(replace(learner, epochs=epochs))[0].epochs for epochs in (2, 4, 41)] == [2, 3, 20]


def test_augmentation_gets_weaker_and_stronger_within_reason() -> None:
    declared = Augment(hflip=0.5, vflip=0.2, rotate=150, scale=0.2, contrast=0.8)
    none, strong = ends(declared)
    assert none == Augment(hflip=0.0)
    assert (strong.hflip, strong.rotate, strong.contrast) == (0.5, 180, 0.9)
    assert (strong.vflip, strong.scale) == pytest.approx((0.3, 0.3))


@pytest.mark.parametrize(
    ("declared", "share", "terms"),
    [
        (cross_entropy, 0.5, ((0.5, cross_entropy), (0.5, dice))),
        (focal + dice, 0.25, ((1.5, focal), (0.5, dice))),
        (tversky, 0.25, ((0.75, cross_entropy), (0.25, tversky))),
        (cross_entropy + 4.0 * dice + 2.0 * tversky, 3 / 7, ((4.0, cross_entropy), (2.0, dice), (1.0, tversky))),
    ],
)
def test_the_overlap_gets_its_share_and_the_weights_keep_their_sum(declared, share: float, terms: tuple) -> None:
    found = search_spaces.with_overlap(declared, share)
    assert isinstance(found, Sum) and [loss for _, loss in found.terms] == [loss for _, loss in terms]
    assert [weight for weight, _ in found.terms] == pytest.approx([weight for weight, _ in terms])


def test_of_names_one_is_chosen_and_the_declared_one_is_among_them() -> None:
    found = {(v.architecture, v.encoder) for v in map(UNET.search_space, trials(60))}
    assert {name for name, _ in found} == {"Linknet", *ARCHITECTURES}
    assert {name for _, name in found} == {"tu-resnet10t", *ENCODERS}
    assert {Yolo(imgsz=320).search_space(trial).imgsz for trial in trials(40)} == {256, 320, 384}  # strides divide them


# -- estimators --------------------------------------------------------------------------------------------------------


TREES = partial(ExtraTreesClassifier, n_estimators=5)


def test_parameters_reach_the_estimator_and_what_is_declared_besides_is_kept(tmp_path) -> None:
    declared = Sklearn(TREES, parameters=(("bootstrap", True),))
    varied = declared.search_space(optuna.trial.FixedTrial({"max_features": 0.5, "min_samples_leaf": 7}))
    assert varied.parameters == (("bootstrap", True), ("max_features", 0.5), ("min_samples_leaf", 7))
    rng = np.random.default_rng(0)
    rows = Samples(numbered(40), rng.integers(0, 255, (40, 2, 2), dtype=np.uint8), np.arange(40) % 2, np.arange(40))
    model = varied.fit(rows, None, Context(Classification(("a", "b")), tmp_path)).model
    assert (model.bootstrap, model.max_features, model.min_samples_leaf) == (True, 0.5, 7)


def test_two_parts_with_one_name_are_told_apart() -> None:
    parameters = ("max_features", "min_samples_leaf")
    both = partial(VotingClassifier, [("first", TREES()), ("second", TREES())])
    assert asked(Sklearn(both)) == {f"{part}__{name}" for part in ("first", "second") for name in parameters}
