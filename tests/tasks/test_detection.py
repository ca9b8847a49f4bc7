"""Detection: at most a hundred boxes are decided, a specialist speaks for its class, and scores are calibrated."""

import numpy as np

from harness.data.samples import Ragged
from harness.ensemble import Member, OOFData, Recipe, with_calibration
from harness.metrics import MeanAveragePrecision
from harness.tasks import ClassSpecialist
from harness.tasks.detection import Detection, logistic, right

CLASSES = ("fish", "shark")
TASK = Detection(CLASSES)


def rows(*images: list[list[float]]) -> Ragged:
    return Ragged.of([np.array(boxes, np.float32).reshape(-1, 6) for boxes in images])


def test_at_most_a_hundred_boxes_an_image_are_decided_the_best_first() -> None:
    many = rows([[0, 0.005 * k, 0, 0, 1 + k, 1] for k in range(1, 151)], [])
    decided = TASK.decide(many)
    assert decided.offsets.tolist() == [0, 100, 100]
    np.testing.assert_allclose(decided.flat[[0, 99], 1], [0.75, 0.255], rtol=1e-6)


def test_fitting_looks_at_the_best_boxes_alone_and_at_every_target() -> None:
    faint = rows([[0, 0.9, 0, 0, 1, 1], [0, 0.001, 0, 0, 2, 2]], [[1, 0.5 + 0.001 * k, 0, 0, 1, 1] for k in range(80)])
    assert TASK.subsample(faint).offsets.tolist() == [0, 1, 51]
    targets = Ragged(np.zeros((200, 5)), np.array([0, 150, 200]))
    assert TASK.subsample(targets) is targets


def test_a_specialist_speaks_for_its_class_alone() -> None:
    general = rows([[0, 0.8, 0, 0, 10, 10], [1, 0.6, 20, 20, 30, 30]])
    shark = TASK.expand(rows([[0, 0.9, 20, 20, 30, 28]]), target_class=1)
    whole = TASK.blend_class(general, shark, target_class=1, share=1.0)
    np.testing.assert_allclose(whole.flat, [[1, 0.9, 20, 20, 30, 28], [0, 0.8, 0, 0, 10, 10]], rtol=1e-6)
    half = TASK.blend_class(general, shark, target_class=1, share=0.5)
    np.testing.assert_allclose(half.flat[:, 1], [0.8, 0.75], rtol=1e-6)
    assert (TASK.decide(half, class_specialist=ClassSpecialist("s", 1, 0.5, 0.99)).flat == half.flat).all()


# -- calibration -------------------------------------------------------------------------------------------------------


def test_a_box_is_right_where_it_finds_an_object_that_no_better_one_has_found() -> None:
    targets = Ragged.of([np.array([[0, 0, 0, 10, 10], [1, 20, 20, 30, 30]], float), np.zeros((0, 5))])
    found = rows(
        [[0, 0.9, 0, 0, 10, 9], [0, 0.8, 0, 0, 10, 10], [0, 0.7, 20, 20, 30, 30], [1, 0.1, 20, 20, 30, 26]],
        [[0, 0.5, 0, 0, 10, 10]],
    )
    assert right(found, targets).tolist() == [True, False, False, True, False]


def test_the_logistic_curve_finds_what_the_answers_were_drawn_with() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=40_000)
    y = rng.random(len(x)) < 1 / (1 + np.exp(-(0.5 * x - 1.0)))
    np.testing.assert_allclose(logistic(x, y), [0.5, -1.0], atol=0.05)


def test_a_curve_without_evidence_changes_nothing_and_a_falling_one_is_refused() -> None:
    assert logistic(np.zeros(0), np.zeros(0, bool)) == (1.0, 0.0)
    x = np.linspace(-3, 3, 200)
    assert logistic(x, x < 0) == (1.0, 0.0)
    slope, shift = logistic(x, x > 0)  # no finite curve is the likeliest
    assert np.isfinite([slope, shift]).all()
    assert slope > 1


def test_calibration_fixes_a_blend_of_a_modest_and_a_boasting_member() -> None:
    """The boasting one scores everything near 1, so its many mistakes drown what the modest one knows."""
    rng = np.random.default_rng(2)
    truth, modest, boasting = [], [], []
    for _ in range(60):
        corners = np.array([[0, 0], [40, 0], [0, 40]]) + rng.uniform(0, 10, (3, 2))
        truth.append(np.column_stack([np.zeros(3), corners, corners + 20]))
        seen, hit = rng.random((2, 3, 1)) < [[[0.8]], [[0.3]]]
        near, far = corners + 40 * ~seen, corners + np.where(hit, rng.uniform(-1, 1, (3, 2)), 90)
        modest.append(np.column_stack([np.zeros(3), np.where(seen, 0.3, 0.05), near, near + 20]))
        boasting.append(np.column_stack([np.zeros(3), rng.uniform(0.9, 0.99, 3), far, far + 20]))
    members = {name: Member(Ragged.of(each), Ragged.of(each)) for name, each in (("a", modest), ("b", boasting))}
    folds, metric = np.arange(60) % 3, MeanAveragePrecision(CLASSES, iou=0.5)
    oof = OOFData(TASK, metric, members, Ragged.of(truth), folds, np.arange(60))
    blended = Recipe({"a": 0.5, "b": 0.5})
    fixed = with_calibration(oof[folds != 0], blended)  # a recipe for rows that it has not seen
    assert oof[folds == 0].quality(fixed) > oof[folds == 0].quality(blended) + 0.05
    assert with_calibration(oof, Recipe({"a": 1.0})) == Recipe({"a": 1.0})


def test_calibration_is_fitted_on_its_rows_alone() -> None:
    """The other rows may hold anything."""
    good = rows(*[[[0, 0.5, 0, 0, 10, 10]]] * 6)
    truth = Ragged.of([np.array([[0, 0, 0, 10, 10]], float)] * 6)
    folds = np.arange(6) % 2
    lies = Ragged.of([boxes if fold else np.zeros((0, 5)) for boxes, fold in zip(truth, folds, strict=True)])
    fitted = []
    for targets in (truth, lies):
        members = {name: Member(good, good) for name in ("a", "b")}
        oof = OOFData(TASK, MeanAveragePrecision(CLASSES), members, targets, folds, np.arange(6))
        fitted.append(with_calibration(oof[folds == 1], Recipe({"a": 0.5, "b": 0.5})).calibration)
    assert fitted[0] == fitted[1]
