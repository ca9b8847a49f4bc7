"""Detection: views and their undoing, averaging, calibration, and files that are read strictly."""

import json
from pathlib import Path

import numpy as np
import pytest

from harness.data.images import EncodedImages, encode
from harness.data.samples import Ragged
from harness.ensemble import Member, OOFData, Recipe, with_calibration
from harness.errors import InvalidSubmission, UserError
from harness.metrics import MeanAveragePrecision
from harness.metrics.boxes import weighted_box_fusion
from harness.tasks import ClassSpecialist
from harness.tasks.detection import Detection, logistic, right

CLASSES = ("fish", "shark")
TASK = Detection(CLASSES)
IDS = np.array(["7", "3", "12"])


def rows(*images: list[list[float]]) -> Ragged:
    return Ragged.of([np.array(boxes, np.float32).reshape(-1, 6) for boxes in images])


PREDICTED = rows([[0, 0.9, 1, 2, 11, 12], [1, 0.30000001, 0.1, 0.2, 33.3, 44.4]], [], [[1, 0.5, 5, 5, 9, 8]])


# -- views -------------------------------------------------------------------------------------------------------------


def scene(height: int, width: int, boxes: list[tuple[int, int, int, int]]) -> np.ndarray:
    """Black, with bright rectangles (x1, y1, x2, y2)."""
    picture = np.zeros((height, width, 3), np.uint8)
    for x1, y1, x2, y2 in boxes:
        picture[y1:y2, x1:x2] = 255
    return encode(picture)


PICTURES = EncodedImages.of([scene(40, 60, [(5, 10, 25, 20)]), scene(80, 20, [(0, 40, 10, 80)])])


def test_scaled_views_have_scaled_sizes() -> None:
    assert TASK.views["scale_up"].apply(PICTURES).sizes.tolist() == [[50, 75], [100, 25]]
    assert TASK.views["scale_down"].apply(PICTURES).sizes.tolist() == [[32, 48], [64, 16]]


# -- averaging and deciding --------------------------------------------------------------------------------------------


def test_members_are_averaged_by_weighted_box_fusion() -> None:
    other = rows([[0, 0.5, 1, 2, 11, 11]], [[1, 0.4, 1, 1, 3, 3]], [])
    average = TASK.average([PREDICTED, other], [1, 2])
    assert (average.flat == weighted_box_fusion([PREDICTED, other], [1, 2]).flat).all()
    assert len(average) == 3


def test_at_most_a_hundred_boxes_an_image_are_decided_the_best_first() -> None:
    many = rows([[0, 0.005 * k, 0, 0, 1 + k, 1] for k in range(1, 151)], [])
    decided = TASK.decide(many)
    assert decided.offsets.tolist() == [0, 100, 100]
    np.testing.assert_allclose(decided.flat[[0, 99], 1], [0.75, 0.255], rtol=1e-6)
    assert (TASK.scores(many).flat == decided.flat).all()


def test_fitting_looks_at_the_best_boxes_alone_and_at_every_target() -> None:
    faint = rows([[0, 0.9, 0, 0, 1, 1], [0, 0.001, 0, 0, 2, 2]], [[1, 0.5 + 0.001 * k, 0, 0, 1, 1] for k in range(80)])
    assert TASK.subsample(faint).offsets.tolist() == [0, 1, 51]
    targets = Ragged(np.zeros((200, 5)), np.array([0, 150, 200]))
    assert TASK.subsample(targets) is targets


def test_a_specialist_speaks_for_its_class_alone() -> None:
    general = rows([[0, 0.8, 0, 0, 10, 10], [1, 0.6, 20, 20, 30, 30]])
    shark = TASK.expand(rows([[0, 0.9, 20, 20, 30, 28]]), target_class=1)
    assert shark.flat[:, 0].tolist() == [1]
    whole = TASK.blend_class(general, shark, target_class=1, share=1.0)
    np.testing.assert_allclose(whole.flat, [[1, 0.9, 20, 20, 30, 28], [0, 0.8, 0, 0, 10, 10]], rtol=1e-6)
    half = TASK.blend_class(general, shark, target_class=1, share=0.5)
    np.testing.assert_allclose(half.flat[:, 1], [0.8, 0.75], rtol=1e-6)
    class_specialist = ClassSpecialist("s", 1, 0.5, 0.99)
    assert (TASK.decide(half, class_specialist=class_specialist).flat == half.flat).all()


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
    slope, shift = logistic(x, x > 0)
    assert np.isfinite([slope, shift]).all()
    assert slope > 1


def test_calibration_keeps_the_order_of_a_members_boxes() -> None:
    changed = TASK.calibrated(PREDICTED, (0.5, -2.0))
    assert (changed.flat[:, 2:] == PREDICTED.flat[:, 2:]).all()
    assert (np.argsort(changed.flat[:, 1]) == np.argsort(PREDICTED.flat[:, 1])).all()
    np.testing.assert_allclose(TASK.calibrated(PREDICTED, (1.0, 0.0)).flat, PREDICTED.flat, rtol=1e-5)


def test_calibration_mends_a_blend_of_a_modest_and_a_boasting_member() -> None:
    """The boasting one scores everything near 1, so its many mistakes drown what the modest one knows."""
    rng = np.random.default_rng(2)
    truth, modest, boasting = [], [], []
    for _ in range(60):
        corners = np.array([[0, 0], [40, 0], [0, 40]]) + rng.uniform(0, 10, (3, 2))
        truth.append(np.column_stack([np.zeros(3), corners, corners + 20]))
        seen = rng.random(3) < 0.8
        modest.append(np.column_stack([np.zeros(3), np.where(seen, 0.3, 0.05), corners + 40 * ~seen[:, None]]))
        modest[-1] = np.column_stack([modest[-1], modest[-1][:, 2:4] + 20])
        hit = rng.random(3) < 0.3
        places = corners + np.where(hit[:, None], rng.uniform(-1, 1, (3, 2)), 90)
        boasting.append(np.column_stack([np.zeros(3), rng.uniform(0.9, 0.99, 3), places, places + 20]))
    members = {"modest": Ragged.of(modest), "boasting": Ragged.of(boasting)}
    folds = np.arange(60) % 3
    oof = OOFData(
        TASK,
        MeanAveragePrecision(CLASSES, iou=0.5),
        {name: Member(rows, rows) for name, rows in members.items()},
        Ragged.of(truth),
        folds,
        np.arange(60),
    )
    blended = Recipe({"modest": 0.5, "boasting": 0.5})
    mended = with_calibration(oof[folds != 0], blended)
    assert set(mended.calibration or {}) == {"modest", "boasting"}
    assert oof[folds == 0].quality(mended) > oof[folds == 0].quality(blended) + 0.05
    assert with_calibration(oof, Recipe({"modest": 1.0})) == Recipe({"modest": 1.0})


def test_calibration_is_fitted_on_the_rows_of_the_problem_alone() -> None:
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


# -- predictions on disk -----------------------------------------------------------------------------------------------


# -- targets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ([2, 0, 0, 1, 1], "image 1: .* label that is not one from 0 to 1"),
        ([0.5, 0, 0, 1, 1], "image 1: .* label"),
        ([0, 5, 0, 5, 1], "image 1: .* no area"),
        ([0, 0, 0, np.nan, 1], "image 1: .* NaN"),
    ],
)
def test_targets_that_are_no_boxes_are_refused_by_image(box: list[float], why: str) -> None:
    good = np.array([[0, 0, 0, 1, 1], [1, 0, 0, 2, 2]], float)
    TASK.check_targets(Ragged.of([good, good]))
    with pytest.raises(UserError, match=why):
        TASK.check_targets(Ragged.of([good, np.array([box], float)]))


def test_targets_of_another_kind_are_refused() -> None:
    for targets in (np.zeros((3, 5)), Ragged(np.zeros((4, 6)), np.array([0, 4]))):
        with pytest.raises(UserError, match="not rows of boxes"):
            TASK.check_targets(targets)


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hold-out.csv", "official.json"])
def test_what_is_written_is_read_to_the_last_bit(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 2000, (90, 2)).astype(np.float32)
    scores = -np.sort(-rng.random(90))
    flat = np.column_stack([rng.integers(0, 2, 90), scores, corners, corners + rng.uniform(0.1, 900, (90, 2))])
    decided = Ragged(flat.astype(np.float32), np.array([0, 40, 40, 90]))
    TASK.write(IDS, decided, tmp_path / name)
    again = TASK.read(tmp_path / name, IDS)
    assert again.flat.dtype == np.float32
    assert (again.flat == decided.flat).all()
    assert again.offsets.tolist() == decided.offsets.tolist()


def test_the_table_is_class_conf_x_y_w_h(tmp_path: Path) -> None:
    TASK.write(IDS, PREDICTED, tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text().splitlines() == [
        "id,PredictionString",
        "7,0 0.899999976 1 2 10 10 1 0.300000012 0.100000001 0.200000003 33.1999992 44.2000015",
        "3,",
        "12,1 0.5 5 5 4 3",
    ]


def test_the_official_file_is_what_pycocotools_loads(tmp_path: Path) -> None:
    TASK.write(IDS, PREDICTED, tmp_path / "o.json")
    entries = json.loads((tmp_path / "o.json").read_text())
    assert entries[2] == {"image_id": 12, "category_id": 1, "bbox": [5.0, 5.0, 4.0, 3.0], "score": 0.5}
    assert [entry["image_id"] for entry in entries] == [7, 7, 12]
    with pytest.raises(UserError, match="whole numbers"):
        TASK.write(np.array(["a.jpg"]), rows([]), tmp_path / "o.json")


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    """The judge keeps files under their hash alone."""
    for name in ("s.csv", "o.json"):
        TASK.write(IDS, PREDICTED, tmp_path / name)
        (tmp_path / name).rename(tmp_path / "kept")
        assert (TASK.read(tmp_path / "kept", IDS).flat == PREDICTED.flat).all()


def test_rows_may_stand_in_any_order_and_boxes_too(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,PredictionString\n12,\n7,1 0.2 0 0 1 1 0 0.8 2 2 1 1\n3,\n")
    read = TASK.read(tmp_path / "s.csv", IDS)
    assert read.offsets.tolist() == [0, 2, 2, 2]
    np.testing.assert_allclose(read.flat, [[0, 0.8, 2, 2, 3, 3], [1, 0.2, 0, 0, 1, 1]], rtol=1e-6)


GOOD = "0 0.5 1 1 2 2"
BROKEN_TABLES = [
    ("id,boxes\n", "column 2 is named 'boxes'"),
    (f"id,PredictionString\n7,{GOOD}\n3,\n", "1 of 3 ids are missing, the first: 12"),
    (f"id,PredictionString\n7,{GOOD}\n3,\n12,\n7,\n", "line 5: id '7' is given a second time"),
    (f"id,PredictionString\n7,{GOOD}\n4,\n", "line 3: id '4' is not one of the 3"),
    ("id,PredictionString\n3,\n7,0 0.5 1 1 2\n", r"line 3 \(id 7\), column PredictionString: 5 numbers, but .* six"),
    ("id,PredictionString\n7,0 0.5 1 one 2 2\n", "line 2 .*'one' is not a number"),
    ("id,PredictionString\n7,0 1_0 1 1 2 2\n", "line 2 .*'1_0' is not a number"),
    (f"id,PredictionString\n7,{GOOD} 2 0.5 1 1 2 2\n", "line 2 .*box 2: class 2 is not one from 0 to 1"),
    ("id,PredictionString\n7,-1 0.5 1 1 2 2\n", "class -1 is not"),
    ("id,PredictionString\n7,0.5 0.5 1 1 2 2\n", "class 0.5 is not"),
    ("id,PredictionString\n7,nan 0.5 1 1 2 2\n", "class nan is not"),
    ("id,PredictionString\n7,0 1.5 1 1 2 2\n", "score 1.5 is not between 0 and 1"),
    ("id,PredictionString\n7,0 nan 1 1 2 2\n", "score nan is not between"),
    ("id,PredictionString\n7,0 0.5 nan 1 2 2\n", "x y w h are nan 1 2 2"),
    ("id,PredictionString\n7,0 0.5 1 1 inf 2\n", "x y w h are 1 1 inf 2"),
    ("id,PredictionString\n7,0 0.5 1 1 0 2\n", "width 0 and height 2 must be more than 0"),
    (f"id,PredictionString\n7,{' '.join([GOOD] * 101)}\n", "line 2 .*more than 100 boxes for one image"),
]


@pytest.mark.parametrize(("text", "why"), BROKEN_TABLES)
def test_a_broken_table_is_refused_by_line(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(InvalidSubmission, match=why):
        TASK.read(tmp_path / "s.csv", IDS)


def entry(**changed: object) -> dict[str, object]:
    return {"image_id": 7, "category_id": 0, "bbox": [1, 1, 2, 2], "score": 0.5} | changed


BROKEN_RESULTS = [
    ([entry(), entry(image_id=4)], "entry 1: image_id 4 is not one of the 3"),
    ([entry(image_id="7")], "entry 0: image_id '7'"),
    ([entry(image_id=True)], "entry 0: image_id True"),
    ([{"image_id": 7}], "entry 0 must hold bbox, category_id, image_id, score"),
    ([7], "entry 0 must hold"),
    ([entry(bbox=[1, 1, 2])], r"entry 0 \(image_id 7\): bbox \[1, 1, 2\]"),
    ([entry(bbox=[1, 1, 2, "2"])], r"entry 0 .*'2' is not a number"),
    ([entry(bbox=[1, 1, 2, None])], "entry 0 .*'None' is not a number"),
    ([entry(bbox=[1, 1, -2, 2])], "width -2"),
    ([entry(score="0.5")], "'0.5' is not a number"),
    ([entry(score=1.01)], "score 1.01"),
    ([entry(category_id=2)], "class 2 is not"),
    ([entry()] * 101, "entry 100 .*more than 100 boxes"),
]


@pytest.mark.parametrize(("entries", "why"), BROKEN_RESULTS)
def test_broken_results_are_refused_by_entry(entries: list, why: str, tmp_path: Path) -> None:
    (tmp_path / "o.json").write_text(json.dumps(entries))
    with pytest.raises(InvalidSubmission, match=why):
        TASK.read(tmp_path / "o.json", IDS)


@pytest.mark.parametrize("text", ['[{"image_id": 7, "score": NaN}]', "[", '[{"a": 1}, ]'])
def test_what_is_no_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "o.json").write_text(text)
    with pytest.raises(InvalidSubmission, match=r"o\.json"):
        TASK.read(tmp_path / "o.json", IDS)
