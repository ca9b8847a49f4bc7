"""The YOLO backend on tiny pictures: it learns, resumes, stops, repeats itself, and leaves nothing but its result."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.competition import Rules
from harness.data.images import EncodedImages, encode
from harness.data.samples import Ragged, Samples, numbered
from harness.errors import UserError
from harness.models import Context, Interrupted, OutOfTime
from harness.models.config import canonical
from harness.models.optim import Muon
from harness.models.yolo import trainer as training
from harness.models.yolo.dataset import write_data
from harness.models.yolo.detector import Yolo
from harness.models.yolo.predictor import YoloFitted
from harness.tasks.detection import Detection

REPOSITORY = Path(__file__).resolve().parents[2]
TASK = Detection(("red", "blue"))
YOLO = Yolo(model="yolov8n", imgsz=64, epochs=2, batch=4)


def squares(count: int = 8, height: int = 48, width: int = 64) -> Samples:
    """A red and a blue square in every picture."""
    rng = np.random.default_rng(0)
    pictures, rows = [], []
    for _ in range(count):
        picture = np.full((height, width, 3), 60, np.uint8)
        boxes = []
        for label, colour in enumerate(([250, 0, 0], [0, 0, 250])):
            x, y = rng.integers(0, width // 2 - 24) + label * width // 2, rng.integers(0, height - 24)
            picture[y : y + 24, x : x + 24] = colour
            boxes.append([label, x, y, x + 24, y + 24])
        pictures.append(encode(picture))
        rows.append(np.array(boxes, float))
    return Samples(numbered(count), EncodedImages.of(pictures), Ragged.of(rows), np.arange(count))


def context(folder: Path, **changed: object) -> Context:
    return Context(TASK, folder, **changed)


def log(folder: Path) -> list[int]:
    return [json.loads(line)["epoch"] for line in (folder / "log.jsonl").read_text().splitlines()]


# -- what it leaves ----------------------------------------------------------------------------------------------------


def test_a_fit_leaves_its_weights_and_its_log_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fitted = YOLO.fit(squares(), None, context(tmp_path / "fit"))
    assert {file.name for file in (tmp_path / "fit").rglob("*")} == {
        "weights.safetensors",
        "finished.json",
        "log.jsonl",
    }
    assert log(tmp_path / "fit") == [0, 1]
    assert json.loads((tmp_path / "fit" / "finished.json").read_text())["long_sides"] == [64, 64]
    assert capfd.readouterr().out == ""  # standard output is for JSON
    assert len(fitted.predict(squares().inputs)) == 8


def test_a_finished_fit_is_loaded_and_says_the_same(tmp_path: Path) -> None:
    fitted = YOLO.fit(squares(), None, context(tmp_path / "fit"))
    before = (tmp_path / "fit" / "weights.safetensors").stat().st_mtime_ns
    again = YOLO.fit(squares(), None, context(tmp_path / "fit"))
    assert (tmp_path / "fit" / "weights.safetensors").stat().st_mtime_ns == before
    for other in (again, YOLO.load(context(tmp_path / "fit"))):
        assert (other.predict(squares().inputs).flat == fitted.predict(squares().inputs).flat).all()


def test_without_a_finished_fit_there_is_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no finished fit"):
        YOLO.load(context(tmp_path / "fit"))


def test_the_same_fit_twice_is_the_same_and_another_fold_is_not(tmp_path: Path) -> None:
    weights = []
    for folder, fold in (("a", 0), ("b", 0), ("c", 1)):
        YOLO.fit(squares(), None, context(tmp_path / folder, fold=fold))
        weights.append((tmp_path / folder / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_measuring_leaves_nothing(tmp_path: Path) -> None:
    cost = YOLO.cost(squares(), context(tmp_path / "probe"))
    assert min(cost) >= 0
    assert cost.epoch > 0
    assert cost.predict > 0
    assert not list(tmp_path.iterdir())
    assert YOLO.fast_paths(squares(), context(tmp_path)) == {}


def test_nothing_is_written_at_home_and_nobody_is_called(tmp_path: Path) -> None:
    """In a process of its own: ultralytics sets itself up when it is imported."""
    code = (
        "import sys; sys.path.insert(0, 'tests'); from pathlib import Path; import conftest\n"
        "from test_ultralytics_backend import YOLO, context, squares\n"
        "YOLO.fit(squares(4), None, context(Path(sys.argv[1])))\n"
        "from ultralytics import settings; assert not settings['sync']\n"
        "callers = {'matplotlib', 'comet_ml', 'clearml', 'mlflow', 'wandb', 'ultralytics_platform'}\n"
        "assert not callers & set(sys.modules)\n"
    )
    home, place = tmp_path / "home", tmp_path / "run"
    home.mkdir()
    hidden = {name: value for name, value in os.environ.items() if not name.startswith(("YOLO", "XDG", "MPL"))}
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)],
        cwd=REPOSITORY,
        env={**hidden, "HOME": str(home), "TMPDIR": str(tmp_path / "run")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(home.rglob("*"))
    assert {file.name for file in place.iterdir()} == {"weights.safetensors", "finished.json", "log.jsonl"}


# -- stopping and going on ---------------------------------------------------------------------------------------------


def stopped_after(steps: int):
    """A `stop` that says so when it is asked for the time after so many."""
    asked = iter([False] * steps)
    return lambda: next(asked, True)


def test_an_interrupted_fit_goes_on_from_the_epoch_that_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SAVE_SECONDS", -1)
    longer, events = replace(YOLO, epochs=4), []
    with pytest.raises(Interrupted, match="after step 5 of 8"):
        longer.fit(squares(), None, context(tmp_path / "fit", stop=stopped_after(4)))
    assert log(tmp_path / "fit") == [0, 1]
    longer.fit(squares(), None, context(tmp_path / "fit", report=events.append))
    assert log(tmp_path / "fit") == [0, 1, 2, 3]
    assert [event["epoch"] for event in events if "epoch" in event] == [2, 3]
    assert events[-1]["step"] == events[-1]["steps_total"] == 8


def test_a_deadline_that_passes_stops_the_fit(tmp_path: Path) -> None:
    with pytest.raises(OutOfTime, match="after step 1 of 4"):
        YOLO.fit(squares(), None, context(tmp_path / "fit", deadline=time.monotonic() - 1))
    assert not (tmp_path / "fit" / "finished.json").exists()


def test_a_damaged_checkpoint_is_said_and_the_fold_trained_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SAVE_SECONDS", -1)
    with pytest.raises(Interrupted):
        YOLO.fit(squares(), None, context(tmp_path / "fit", stop=stopped_after(2)))
    (last,) = (tmp_path / "fit").rglob("last.pt")
    last.write_bytes(last.read_bytes()[:1000])
    events: list[dict] = []
    YOLO.fit(squares(), None, context(tmp_path / "fit", report=events.append))
    assert any("is damaged; this fold is trained anew" in event.get("warning", "") for event in events)
    assert log(tmp_path / "fit") == [0, 1]


def test_a_fit_that_was_left_before_its_first_checkpoint_says_that_it_begins_anew(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        YOLO.fit(squares(), None, context(tmp_path / "fit", stop=stopped_after(2)))
    events: list[dict] = []
    YOLO.fit(squares(), None, context(tmp_path / "fit", report=events.append))
    assert any("before its first checkpoint" in event.get("warning", "") for event in events)
    assert log(tmp_path / "fit") == [0, 1]


# -- what it learns and says -------------------------------------------------------------------------------------------


@pytest.mark.soak
def test_it_learns_where_the_squares_are_and_which_colour_they_have(tmp_path: Path) -> None:
    """Red and blue would be exchanged if the order of the channels were."""
    able = replace(YOLO, epochs=60, lr=4e-3, mosaic=0.0, optimizer=Muon())
    fitted = able.fit(squares(16), None, context(tmp_path / "fit"))
    seen = squares(4)
    found = fitted.predict(seen.inputs)
    for boxes, truth in zip(found, seen.targets, strict=True):
        best = np.stack([boxes[boxes[:, 0] == label][0] for label in (0, 1)])
        np.testing.assert_allclose(best[:, 2:], truth[:, 1:], atol=6)


def network() -> YoloFitted:
    """Untrained, but with an opinion everywhere."""
    import torch

    from harness.models.yolo.detector import library

    library(Path(os.environ["HARNESS_HOME"]))
    torch.manual_seed(0)
    model = YOLO.network(2)
    with torch.no_grad():
        for branch in model.model[-1].cv3:
            branch[-1].bias.fill_(-2.0)
    return YoloFitted.of(YOLO, TASK, model, (64, 64))


def test_predictions_belong_to_their_pictures_whatever_stands_beside_them() -> None:
    mixed = [squares(1, 48, 64), squares(1, 64, 52), squares(1, 100, 64), squares(1, 48, 64)]
    inputs = EncodedImages.of([each.inputs.flat for each in mixed])
    fitted = network()
    together = fitted.predict(inputs)
    for row in range(4):
        alone = fitted.predict(inputs[np.array([row])])
        np.testing.assert_allclose(together[row], alone[0], atol=1e-3)
    assert len(fitted.predict(inputs[:0])) == 0


def test_boxes_lie_in_their_picture_and_are_sorted() -> None:
    samples = squares(3, 30, 90)
    found = network().predict(samples.inputs)
    assert len(found.flat)
    assert np.diff(found.offsets).max() <= 100
    assert (found.flat[:, 2:4] >= 0).all()
    assert (found.flat[:, 4:] <= [90, 30]).all()
    assert (found.flat[:, 4:] > found.flat[:, 2:4]).all()
    assert all((np.diff(boxes[:, 1]) <= 0).all() for boxes in found)
    assert set(found.flat[:, 0]) <= {0, 1}
    assert found.flat.dtype == np.float32


def test_a_scaled_picture_is_seen_scaled_and_a_familiar_size_as_in_training() -> None:
    fitted = network()
    sizes = np.array([[48, 64], [60, 80], [38, 51], [400, 600], [6, 8]])
    assert fitted.seen(sizes).tolist() == [[48, 64], [60, 80], [38, 51], [64, 96], [32, 43]]
    ragged = replace(fitted, sides=(32, 640))
    assert ragged.seen(np.array([[48, 64], [480, 640], [16, 32]])).tolist() == [[48, 64], [48, 64], [32, 64]]


def test_a_specialist_knows_one_class(tmp_path: Path) -> None:
    fitted = replace(YOLO, target_class=1).fit(squares(), None, context(tmp_path / "fit"))
    assert set(fitted.predict(squares().inputs).flat[:, 0]) <= {1}
    write_data(squares(2), 1, tmp_path / "data")
    lines = (tmp_path / "data" / "labels" / "000000.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["0"]


def test_the_files_for_training_are_those_of_the_samples(tmp_path: Path) -> None:
    samples = squares(2)
    write_data(samples, None, tmp_path)
    assert (tmp_path / "images" / "000001.bmp").read_bytes() == samples.inputs.encoded(1)
    label, x, y, w, h = map(float, (tmp_path / "labels" / "000001.txt").read_text().splitlines()[1].split())
    x, y, w, h = x * 64, y * 48, w * 64, h * 48
    np.testing.assert_allclose([label, x - w / 2, y - h / 2, x + w / 2, y + h / 2], samples.targets[1][1], atol=1e-3)


# -- declarations ------------------------------------------------------------------------------------------------------


def test_its_fields_can_stand_in_a_hash() -> None:
    assert canonical(replace(YOLO, options=(("hsv_h", 0.0),)))["options"] == [["hsv_h", 0.0]]


def test_weights_that_are_not_here_are_asked_for_with_the_command(tmp_path: Path, own_home: Path) -> None:
    wanted = replace(YOLO, pretrained=True)
    with pytest.raises(UserError, match=r"yolov8n needs weights: weights/yolov8n\.pt is not .*attempt_download_asset"):
        wanted.fit(squares(2), None, context(tmp_path / "fit"))
    assert Rules(pretrained=False).pretrained != wanted.pretrained


def test_it_starts_from_weights_that_are_here(tmp_path: Path, own_home: Path) -> None:
    import torch

    model = YOLO.network(3)
    (own_home / "weights").mkdir()
    torch.save({"model": model, "train_args": {}}, own_home / "weights" / "yolov8n.pt")
    still = replace(YOLO, pretrained=True, epochs=1, lr=0.0, weight_decay=0.0)
    fitted = still.fit(squares(4), None, context(tmp_path / "fit"))
    given = dict(model.named_parameters())["model.4.m.0.cv1.conv.weight"].detach()
    from safetensors.torch import load_file

    learned = load_file(tmp_path / "fit" / "weights.safetensors")["model.4.m.0.cv1.conv.weight"]
    assert torch.equal(learned, given)
    assert fitted.learner is still


def test_a_model_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ultralytics knows no model 'yolo99z'"):
        replace(YOLO, model="yolo99z").network(2)
