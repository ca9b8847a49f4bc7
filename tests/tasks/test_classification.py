"""Classification: what a submission says comes back as it was, what breaks it is named, offsets and views work."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.images import EncodedImages, encode
from harness.data.samples import Samples, numbered
from harness.ensemble import Member, OOFData, Recipe, with_offsets
from harness.errors import InvalidSubmission, UserError
from harness.metrics import Accuracy, LogLoss
from harness.models import Context
from harness.models.class_weights import InverseFrequency
from harness.models.losses import binary_cross_entropy, cross_entropy
from harness.models.smp import Network
from harness.tasks import ClassSpecialist
from harness.tasks.classification import LABELS, PROBABILITIES, Classification

CLASSES = ("cat", "dog", "fox")
IDS = np.array(["a", "b", "c"])
single, several = Classification(CLASSES), Classification(CLASSES, multilabel=True)
chances, marks = Classification(CLASSES, PROBABILITIES), Classification(CLASSES, PROBABILITIES, multilabel=True)


def probabilities(rows: int = 3, seed: int = 0) -> np.ndarray:
    raw = np.random.default_rng(seed).random((rows, 3)) + 0.05
    return (raw / raw.sum(1, keepdims=True)).astype(np.float16)


def written(task: Classification, decided: np.ndarray, folder: Path) -> str:
    task.write(IDS[: len(decided)], decided, folder / "s.csv")
    return (folder / "s.csv").read_text()


# -- written and read back ---------------------------------------------------------------------------------------------


def test_the_layouts_by_hand(tmp_path: Path) -> None:
    assert written(single, np.array([2, 0, 1]), tmp_path) == "id,label\na,2\nb,0\nc,1\n"
    assert written(several, np.array([[1, 0, 1]]), tmp_path) == "id,cat,dog,fox\na,1,0,1\n"
    assert written(chances, np.array([[0.25, 0.125, 0.625]]), tmp_path) == "id,cat,dog,fox\na,0.25,0.125,0.625\n"
    named = Classification(("cat, tabby", "dog"), PROBABILITIES)
    assert written(named, np.array([[0.5, 0.5]]), tmp_path) == 'id,"cat, tabby",dog\na,0.5,0.5\n'


@pytest.mark.parametrize("task", [single, several, chances, marks], ids=["one", "several", "chances", "marks"])
def test_what_is_written_is_what_is_read(task: Classification, tmp_path: Path) -> None:
    decided = task.decide(probabilities())
    task.write(IDS, decided, tmp_path / "s.csv")
    np.testing.assert_allclose(task.read(tmp_path / "s.csv", IDS), decided, atol=1e-6)
    np.testing.assert_allclose(task.read(tmp_path / "s.csv", IDS[::-1]), decided[::-1], atol=1e-6)
    before = (tmp_path / "s.csv").read_bytes()
    task.write(IDS, decided, tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_bytes() == before


@pytest.mark.parametrize("task", [single, several, chances, marks], ids=["one", "several", "chances", "marks"])
def test_the_sample_submission_is_valid(task: Classification, tmp_path: Path) -> None:
    task.sample_submission(IDS, tmp_path / "s.csv")
    assert len(task.read(tmp_path / "s.csv", IDS)) == 3


LABEL_LINES = ["id,label", "a,0", "b,2", "c,1"]
CHANCE_LINES = ["id,cat,dog,fox", "a,1,0,0", "b,0.2,0.3,0.5", "c,0.5,0.25,0.25"]


@pytest.mark.parametrize(
    ("task", "lines", "index", "line", "words"),
    [
        (single, LABEL_LINES, 2, "b,3", ["line 3", "id b", "column label", "'3'", "0 to 2"]),
        (single, LABEL_LINES, 2, "b,-1", ["line 3", "'-1'"]),
        (single, LABEL_LINES, 2, "b,1.0", ["line 3", "'1.0'"]),
        (single, LABEL_LINES, 2, "b,01", ["line 3", "'01'"]),
        (single, LABEL_LINES, 2, "b,", ["line 3", "''"]),
        (single, LABEL_LINES, 2, "b,nan", ["line 3", "'nan'"]),
        (single, LABEL_LINES, 2, "b,fox", ["line 3", "'fox'"]),
        (single, LABEL_LINES, 2, "b,٢", ["line 3", "'٢'"]),
        (single, LABEL_LINES, 2, "b,1,1", ["line 3", "3 columns instead of 2"]),
        (single, LABEL_LINES, 2, "d,1", ["line 3", "'d'", "not one of the 3"]),
        (single, LABEL_LINES, 2, "a,1", ["line 3", "'a'", "second time"]),
        (single, LABEL_LINES, 0, "id,class", ["column 2", "'class'", "'label'"]),
        (chances, CHANCE_LINES, 2, "b,0.2,0.3,0.6", ["id b", "sum to 1.1"]),
        (chances, CHANCE_LINES, 2, "b,-0.2,0.6,0.6", ["line 3", "column cat", "'-0.2'", "probability"]),
        (chances, CHANCE_LINES, 2, "b,0,nan,1", ["line 3", "column dog", "'nan'"]),
        (chances, CHANCE_LINES, 2, "b,0,0,1e999", ["line 3", "column fox", "'1e999'"]),
        (chances, CHANCE_LINES, 2, "b,0,0,1_0", ["line 3", "column fox", "'1_0'"]),
        (chances, CHANCE_LINES, 2, "b,0,0, 1", ["line 3", "column fox", "' 1'"]),
        (chances, CHANCE_LINES, 0, "id,dog,cat,fox", ["column 2", "'dog'", "'cat'"]),
        (several, ["id,cat,dog,fox", "a,1,0,0", "b,0,0,0", "c,1,1,1"], 2,
          "b,2,0,0", ["line 3", "column cat", "0 to 1"]),
    ],
)  # fmt: skip
def test_a_broken_submission_is_refused_by_row_and_column(task, lines, index, line, words, tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert len(task.read(file, IDS)) == 3  # unbroken it is read
    file.write_text("\n".join([*lines[:index], line, *lines[index + 1 :]]) + "\n", encoding="utf-8")
    with pytest.raises(InvalidSubmission) as refusal:
        task.read(file, IDS)
    assert [word for word in ["s.csv", *words] if word not in str(refusal.value)] == [], str(refusal.value)


def test_missing_ids_are_counted(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,label\na,1\n")
    with pytest.raises(InvalidSubmission, match="2 of 3 ids are missing, the first: b, c"):
        single.read(tmp_path / "s.csv", IDS)


@pytest.mark.parametrize(
    ("task", "targets", "words"),
    [
        (single, np.array([0, 3], np.uint8), ["row 1", "label 3", "0 to 2", "cat, dog, fox"]),
        (single, np.array([0, -1]), ["row 1", "-1"]),
        (single, np.array([0.0, 1.0]), ["float64", "whole numbers"]),
        (single, np.zeros((2, 3), int), ["(2, 3)", "(n,)"]),
        (several, np.array([0, 1]), ["(2,)", "(n, classes)"]),
        (several, np.zeros((2, 2), int), ["(2, 2)", "3 classes"]),
        (several, np.array([[0, 2, 1]]), ["row 0", "0 or 1"]),
    ],
)
def test_targets_that_are_no_labels_are_refused(task: Classification, targets: np.ndarray, words: list[str]) -> None:
    with pytest.raises(UserError) as refusal:
        task.check_targets(targets)
    assert [word for word in words if word not in str(refusal.value)] == []


def test_targets_that_are_labels_are_not() -> None:
    single.check_targets(np.array([0, 2, 1], np.uint8))
    several.check_targets(np.array([[0, 1, 1], [0, 0, 0]], np.uint8))


# -- means and decisions -----------------------------------------------------------------------------------------------


def test_the_average_is_weighted_and_of_one_it_is_itself() -> None:
    a, b = probabilities(5, 1), probabilities(5, 2)
    assert single.average([a], [0.3]) is a
    expected = (3 * a.astype(np.float64) + b.astype(np.float64)) / 4
    np.testing.assert_allclose(single.average([a, b], [3, 1]), expected, atol=1e-6)
    assert (single.average([a, b], [6, 2]) == single.average([a, b], [0.75, 0.25])).all()


@pytest.mark.parametrize("offsets", [None, (0.0, 0.7, -0.4)])
def test_the_decision_is_the_most_probable_class_with_its_offset(offsets) -> None:
    probs = probabilities(300)
    logs = np.log(probs.astype(np.float64)) + (offsets or (0, 0, 0))
    assert (single.decide(probs, offsets) == logs.argmax(1)).all()
    assert (chances.decide(probs, offsets).argmax(1) == logs.argmax(1)).all()
    np.testing.assert_allclose(chances.decide(probs, offsets).sum(1), 1, atol=1e-6)


def test_offsets_of_several_labels_are_thresholds() -> None:
    """0.6 has the odds 1.5; with the offset -0.5 they are 0.91, which is no longer more likely than not."""
    probs = np.array([[0.6, 0.6, 0.3]], np.float32)
    assert several.decide(probs).tolist() == [[1, 1, 0]]
    assert several.decide(probs, (-0.5, 0.0, 1.0)).tolist() == [[0, 1, 1]]
    odds = np.array([1.5, 1.5, 0.3 / 0.7]) * np.exp((-0.5, 0.0, 1.0))
    np.testing.assert_allclose(marks.decide(probs, (-0.5, 0.0, 1.0))[0], odds / (1 + odds), rtol=1e-5)


def test_a_threshold_is_fitted_where_a_model_is_too_shy() -> None:
    """Every true label is given 0.3 to 0.45 and every false one less: half is the wrong threshold."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, (60, 3), dtype=np.uint8)
    probs = (0.15 * rng.random((60, 3)) + 0.3 * targets).astype(np.float16)
    oof = OOFData(several, Accuracy(CLASSES), {"shy": Member(probs, probs)}, targets, np.arange(60) % 3, np.arange(60))
    recipe = Recipe({"shy": 1.0})
    assert oof.quality(recipe) < 0.3
    assert oof.quality(with_offsets(oof, recipe)) == 1.0


def test_the_overlay_by_hand() -> None:
    """p = (0.1, 0.6, 0.3), s_fox = 0.9, share 1/2: fox 0.6; the others keep 1 to 6 in the 0.4 that is left."""
    prediction, specialist = np.array([[0.1, 0.6, 0.3]], np.float16), np.full((1, 3), 0.9, np.float16)
    np.testing.assert_allclose(single.overlay(prediction, specialist, 2, 0.5), [(0.4 / 7, 2.4 / 7, 0.6)], atol=1e-3)
    np.testing.assert_allclose(several.overlay(prediction, specialist, 2, 0.5), [(0.1, 0.6, 0.6)], atol=1e-3)
    np.testing.assert_allclose(single.overlay(prediction, specialist, 2, 0.0), prediction, atol=1e-3)
    sure = np.array([[0, 0, 1]], np.float16)
    assert np.isfinite(single.overlay(sure, 0 * sure, 2, 0.5)).all()


def test_of_a_pair_the_two_probabilities_are_divided_anew() -> None:
    pair = Classification(("well", "ill"))
    divided = pair.overlay(np.array([[0.7, 0.3]]), pair.expand(np.array([0.8]), 1), 1, 0.5)
    np.testing.assert_allclose(divided, [(0.45, 0.55)], atol=1e-6)


def test_a_binary_model_is_expanded_to_all_classes() -> None:
    presence = np.array([0.0, 0.25, 1.0])
    np.testing.assert_allclose(single.expand(presence, 1), [(0.5, 0, 0.5), (0.375, 0.25, 0.375), (0, 1, 0)])
    np.testing.assert_allclose(several.expand(presence, 1), [(0, 0, 0), (0, 0.25, 0), (0, 1, 0)])


def test_an_override_decides_its_class_above_its_threshold_and_nowhere_else() -> None:
    probs = np.array([[0.0, 0.7, 0.3], [0.0, 0.1, 0.9], [0.0, 0.6, 0.4]], np.float16)
    assert single.decide(probs).tolist() == [1, 2, 1]
    assert single.decide(probs, class_specialist=ClassSpecialist("finder", 2, 1.0, 0.35)).tolist() == [1, 2, 2]
    assert single.decide(probs, class_specialist=ClassSpecialist("finder", 2, 1.0, 0.95)).tolist() == [1, 1, 1]
    assert single.decide(probs, (0, 0, 9.0), ClassSpecialist("finder", 2, 1.0, 0.35)).tolist() == [1, 2, 2]
    assert several.decide(probs, class_specialist=ClassSpecialist("finder", 2, 1.0, 0.35))[:, 2].tolist() == [0, 1, 1]


def test_a_metric_sees_labels_or_probabilities_whichever_is_handed_in() -> None:
    probs, truth = probabilities(50), np.arange(50) % 3
    members = {"one": Member(probs, probs)}
    for task in (single, chances):
        said = {needs: Recipe({"one": 1.0}).says(task, members, needs) for needs in ("labels", "probabilities")}
        assert (said["labels"] == probs.argmax(1)).all()
        np.testing.assert_allclose(said["probabilities"], probs, atol=1e-3)
        assert Accuracy(CLASSES).statistics(truth, said["labels"]).shape[0] == 50
        assert np.isfinite(LogLoss(CLASSES).score(LogLoss(CLASSES).statistics(truth, said["probabilities"])))
    assert (single.output, chances.output, LABELS.output) == ("labels", "probabilities", "labels")


def test_predictions_are_packed_in_half_precision_and_come_back() -> None:
    packed = single.pack(probabilities().astype(np.float32))
    assert {name: array.dtype for name, array in packed.items()} == {"probabilities": np.float16}
    assert (single.unpack(packed) == probabilities()).all()
    assert sum(array.nbytes for array in packed.values()) == 3 * single.row_bytes
    joined = single.join([probabilities(2, 1), probabilities(1, 2)])
    assert (joined == np.concatenate([probabilities(2, 1), probabilities(1, 2)])).all()


# -- views -------------------------------------------------------------------------------------------------------------

SQUARE = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)


def test_there_are_eight_dihedral_views_and_nothing_is_undone() -> None:
    names = ("hflip", "vflip", "rot90", "rot180", "rot270", "transpose", "antitranspose")
    seen = {SQUARE.tobytes()} | {np.ascontiguousarray(single.views[name].apply(SQUARE)).tobytes() for name in names}
    assert len(seen) == 8
    probs = probabilities()
    assert all(view.undo(probs, SQUARE) is probs for view in single.views.values())


def test_crops_show_seven_eighths_of_each_side_at_full_size() -> None:
    """A ramp over 64 pixels: the left crop ends where 7/8 of it lie, the right one begins at 1/8."""
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8) * 2, (1, 64, 64))
    first, last = 0.5 * 7 / 8 - 0.5, 63.5 * 7 / 8 - 0.5  # the middles of the outermost pixels, in those of the ramp
    for name, moved in (("crop_tl", 0), ("crop_tr", 8), ("crop_bl", 0), ("crop_br", 8), ("crop_centre", 4)):
        seen = single.views[name].apply(ramp)
        assert seen.shape == ramp.shape
        np.testing.assert_allclose(
            seen[0, 20, [1, 62]], 2 * (np.array([first, last]) + moved + [7 / 8, -7 / 8]), atol=1
        )
    down = single.views["crop_bl"].apply(ramp.swapaxes(1, 2))
    np.testing.assert_allclose(down[0, [1, 62], 20], 2 * (np.array([first, last]) + 8 + [7 / 8, -7 / 8]), atol=1)


def test_scales_enlarge_and_shrink_what_is_in_the_middle() -> None:
    dot = np.zeros((1, 40, 60, 3), np.uint8)
    dot[:, 15:25, 25:35] = 255
    area = {name: (single.views[name].apply(dot)[..., 0] > 127).sum() for name in ("scale_up", "scale_down")}
    assert 140 < area["scale_up"] < 175  # 100 / 0.8^2 = 156
    assert 55 < area["scale_down"] < 80  # 100 / 1.25^2 = 64


def test_pictures_of_any_size_are_seen_the_same_way() -> None:
    rng = np.random.default_rng(0)
    different = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((5, 7), (8, 4))]
    pictures = EncodedImages.of([encode(picture) for picture in different])
    for name in ("hflip", "rot90", "crop_br", "scale_down"):
        seen = single.views[name].apply(pictures)
        for row, picture in enumerate(different):
            assert (seen[row] == single.views[name].apply(picture[None])[0]).all()


# -- in the torch loop -------------------------------------------------------------------------------------------------


def squares(rows: int = 24) -> Samples:
    """Every class has a corner of its own, and a picture shows any of them."""
    rng = np.random.default_rng(0)
    marks = rng.integers(0, 2, (rows, 3), dtype=np.uint8)
    images = rng.integers(0, 40, (rows, 8, 8), dtype=np.uint8)
    for k, (y, x) in enumerate(((0, 0), (0, 4), (4, 0))):
        images[:, y : y + 4, x : x + 4] += 180 * marks[:, k, None, None]
    return Samples(numbered(rows), images, marks, np.arange(rows))


def dense(classes: int, channels: int, width: int):
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))


NETWORK = Network(build=dense, epochs=40, batch=8, lr=0.05, loss=binary_cross_entropy)


def test_several_labels_are_learned_by_one_sigmoid_each(tmp_path: Path) -> None:
    train = squares()
    weighted = replace(NETWORK, class_weights=InverseFrequency())
    for name, learner in (("plain", NETWORK), ("weighted", weighted)):
        probs = learner.fit(train, None, Context(several, tmp_path / name)).predict(train.inputs)
        assert (several.decide(probs) == train.targets).all()
        assert probs.sum(1).max() > 1.5  # they do not share one probability


@pytest.mark.parametrize(
    ("loss", "targets"), [(cross_entropy, squares().targets), (binary_cross_entropy, np.arange(24) % 3)]
)
def test_a_loss_that_does_not_go_with_the_targets_is_refused(loss, targets: np.ndarray, tmp_path: Path) -> None:
    train = replace(squares(), targets=targets)
    with pytest.raises(UserError, match=r"do not go with this loss: .* loss=binary_cross_entropy"):
        replace(NETWORK, loss=loss).fit(train, None, Context(single, tmp_path))


def test_the_loss_of_several_labels_by_hand() -> None:
    import torch

    logits, targets = torch.tensor([[0.0, 2.0]]), torch.tensor([[1, 0]])
    expected = (np.log(2) + np.log1p(np.exp(2.0))) / 2
    assert binary_cross_entropy(logits, targets).item() == pytest.approx(expected)
    assert (cross_entropy.several, (0.5 * binary_cross_entropy + binary_cross_entropy).several) == (False, True)
