"""Default search spaces: every model of every competition has variants that construct and that the store can name."""

import dataclasses
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import optuna
import pytest

from harness.competition import find, names
from harness.data.samples import Samples, numbered
from harness.models import Context, search_spaces
from harness.models.augment import Augment
from harness.models.config import canonical, config_hash, revived
from harness.models.losses import (
    InverseFrequency,
    Sum,
    binary_cross_entropy,
    cross_entropy,
    dice,
    focal,
    terms_of,
    tversky,
)
from harness.models.sklearn import Sklearn
from harness.models.smp import ARCHITECTURES, ENCODERS, Network, Smp
from harness.models.timm import Head, Timm
from harness.models.yolo.detector import Yolo
from harness.tasks.classification import Classification
from tests.support.tiny_networks import TASK, learner, tiles, tiny

REPOSITORY = Path(__file__).resolve().parents[2]
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


# -- what holds for every model ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "model"), MODELS)
def test_every_model_of_every_competition_has_variants(name: str, model: str) -> None:
    declared = find(name).models[model]
    hashes = {config_hash(declared)}
    for trial in trials(2):
        varied = declared.search_space(trial)
        assert type(varied) is type(declared) and dataclasses.is_dataclass(varied)
        assert (varied.target_class, varied.pretrained) == (declared.target_class, declared.pretrained)
        assert varied.fewest_epochs <= varied.epochs <= declared.epochs
        kept = revived(json.loads(json.dumps(canonical(varied))))
        assert config_hash(kept) == config_hash(varied)
        again = declared.search_space(optuna.trial.FixedTrial(trial.params))
        assert config_hash(again) == config_hash(varied)
        hashes.add(config_hash(varied))
    assert len(hashes) == (1 if (name, model) in NOTHING_TO_VARY else 3)


@pytest.mark.parametrize(("name", "model"), MODELS)
def test_both_ends_of_every_range_construct(name: str, model: str) -> None:
    declared = find(name).models[model]
    low, high = Corner(highest=False), Corner(highest=True)
    fewest, most = declared.search_space(low), declared.search_space(high)
    assert low.asked.keys() == high.asked.keys()
    assert (fewest == most) == (not low.asked)
    assert fewest.epochs >= declared.epochs / 2 - 1 and most.epochs == declared.epochs


def test_a_search_asks_for_variants_without_loading_a_library_of_networks() -> None:
    code = (
        "import sys, optuna; from harness.competition import find, names\n"
        "for name in names():\n"
        "    for learner in find(name).models.values(): learner.search_space(optuna.create_study().ask())\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "optuna" in loaded
    assert not loaded & {"torch", "timm", "ultralytics", "segmentation_models_pytorch", "albumentations"}


# -- what varies ------------------------------------------------------------------------------------------------------


def asked(declared: object) -> dict[str, object]:
    corner = Corner(highest=True)
    declared.search_space(corner)
    return corner.asked


def test_a_network_varies_in_everything_that_it_declares() -> None:
    plain = Network(build=tiny, width=16)
    always = {"lr", "weight_decay", "ema", "epochs_share", "width"}
    assert asked(plain).keys() == always
    assert asked(replace(plain, augment=Augment())).keys() == always | {"augment"}
    assert asked(replace(plain, class_weights=InverseFrequency())).keys() == always | {"class_power"}
    assert asked(replace(plain, loss=cross_entropy + dice)).keys() == always | {"loss_overlap"}


def test_rates_are_searched_about_the_declared_ones() -> None:
    declared = Network(build=tiny, width=16, lr=0.01, weight_decay=0.02)
    low, high = declared.search_space(Corner(highest=False)), declared.search_space(Corner(highest=True))
    assert (low.lr, high.lr) == (0.0025, 0.04)
    assert low.weight_decay == pytest.approx(0.002) and high.weight_decay == pytest.approx(0.06)
    assert replace(declared, clip=None).search_space(Corner(highest=True)).lr == 0.02
    undecayed = replace(declared, weight_decay=0.0).search_space(Corner(highest=False))
    assert undecayed.weight_decay > 0  # a search may find that there should be some


def test_a_schedule_is_never_shorter_than_what_teaches_something() -> None:
    assert replace(learner, epochs=4).search_space(Corner(highest=False)).epochs == learner.fewest_epochs == 3
    assert replace(learner, epochs=2).search_space(Corner(highest=False)).epochs == 2  # nor longer than declared
    assert replace(learner, epochs=41).search_space(optuna.trial.FixedTrial(parameters(0.75))).epochs == 31


def parameters(share: float) -> dict[str, float]:
    found = Corner(highest=True)
    learner.search_space(found)
    return {**found.asked, "epochs_share": share}


def test_widths_are_multiples_of_four_near_the_declared_one() -> None:
    def ends(declared: int) -> tuple[int, ...]:
        return tuple(search_spaces.width(Corner(highest), declared) for highest in (False, True))

    assert (ends(16), ends(24), ends(128)) == ((12, 24), (20, 36), (96, 192))
    assert (ends(4), ends(1)) == ((4, 4), (1, 1))  # nothing between


def test_augmentation_gets_weaker_and_stronger_within_reason() -> None:
    declared = Augment(hflip=0.5, vflip=0.2, rotate=150, scale=0.2, contrast=0.8)
    assert declared.scaled(0) == Augment(hflip=0.0)
    assert declared.scaled(1) == declared
    strong = declared.scaled(1.5)
    assert (strong.hflip, strong.rotate, strong.contrast) == (0.5, 180, 0.9)
    assert (strong.vflip, strong.scale) == pytest.approx((0.3, 0.3))


def test_the_overlap_gets_its_share_and_the_weights_keep_their_sum() -> None:
    half = search_spaces.with_overlap(cross_entropy, 0.5)
    assert half == Sum(((0.5, cross_entropy), (0.5, dice)))
    assert search_spaces.with_overlap(focal + dice, 0.25) == Sum(((1.5, focal), (0.5, dice)))
    assert search_spaces.with_overlap(tversky, 0.25) == Sum(((0.75, cross_entropy), (0.25, tversky)))
    several = search_spaces.with_overlap(cross_entropy + 2.0 * dice + tversky, 0.5)
    assert [weight for weight, _ in terms_of(several)] == pytest.approx([2, 4 / 3, 2 / 3])


def test_the_overlap_of_masks_is_no_matter_where_nothing_says_that_there_are_masks() -> None:
    assert "loss_overlap" not in asked(Network(build=tiny))
    assert "loss_overlap" in asked(Smp("Unet"))
    assert "loss_overlap" not in asked(Smp("Unet", loss=binary_cross_entropy))


def test_an_smp_network_varies_unless_its_options_or_weights_are_of_one_kind() -> None:
    declared = Smp("Linknet", encoder="tu-resnet10t")
    found = {(v.architecture, v.encoder) for v in map(declared.search_space, trials(60))}
    assert {name for name, _ in found} == {"Linknet", *ARCHITECTURES}
    assert {name for _, name in found} == {"tu-resnet10t", *ENCODERS}
    for kept in (replace(declared, options=(("decoder_channels", (8,)),)), replace(declared, pretrained=True)):
        assert not {"architecture", "encoder"} & asked(kept).keys()


def test_a_backbone_stays_and_only_weights_are_frozen() -> None:
    scratch = Timm("resnet10t", head=Head(hidden=(8,)))
    own = asked(scratch).keys()
    assert "head_dropout" in own and not {"frozen", "layer_decay"} & own
    assert asked(replace(scratch, pretrained=True)).keys() - own == {"frozen", "layer_decay"}
    assert "head_dropout" not in asked(replace(scratch, head=Head()))  # it has no layer that drops
    assert {scratch.search_space(trial).backbone for trial in trials(5)} == {"resnet10t"}


def test_a_detector_sees_three_sizes_that_its_strides_divide() -> None:
    assert {Yolo(imgsz=320).search_space(trial).imgsz for trial in trials(40)} == {256, 320, 384}
    assert {Yolo(imgsz=64).search_space(trial).imgsz for trial in trials(5)} == {64}  # half of it shows nothing


# -- estimators --------------------------------------------------------------------------------------------------------


def forest():
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(n_estimators=5)


def two_forests():
    from sklearn.ensemble import VotingClassifier

    return VotingClassifier([("first", forest()), ("second", forest())], voting="soft")


def test_parameters_reach_the_estimator_and_its_name_on_the_disk(tmp_path) -> None:
    declared = Sklearn(forest)
    varied = declared.search_space(optuna.trial.FixedTrial({"max_features": 0.5, "min_samples_leaf": 7}))
    assert varied.parameters == (("max_features", 0.5), ("min_samples_leaf", 7))
    assert config_hash(varied) != config_hash(declared)
    rng = np.random.default_rng(0)
    rows = Samples(numbered(40), rng.integers(0, 255, (40, 2, 2), dtype=np.uint8), np.arange(40) % 2, np.arange(40))
    fitted = varied.fit(rows, None, Context(Classification(("a", "b")), tmp_path))
    assert (fitted.model.max_features, fitted.model.min_samples_leaf) == (0.5, 7)


def test_two_parts_with_one_name_are_told_apart() -> None:
    found = asked(Sklearn(two_forests))
    assert set(found) == {
        f"{part}__{name}" for part in ("first", "second") for name in ("max_features", "min_samples_leaf")
    }


def test_what_is_declared_besides_is_kept() -> None:
    declared = Sklearn(partial(forest), parameters=(("bootstrap", True),))
    assert ("bootstrap", True) in declared.search_space(trials(1)[0]).parameters


# -- one step of a fit -------------------------------------------------------------------------------------------------


def test_a_variant_is_fitted_as_any_learner(tmp_path) -> None:
    varied = replace(learner, width=8, epochs=2).search_space(trials(1)[0])
    predicted = varied.fit(tiles(), None, Context(TASK, tmp_path)).predict(tiles().inputs)
    assert predicted.shape[0] == 10 and np.isfinite(predicted).all()
