"""YOLO on tiny pictures: it resumes, stops, repeats itself, calls no server, and leaves only its result."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.images import EncodedImages
from harness.errors import UserError
from harness.models import Diverged, Interrupted, OutOfTime
from harness.models.yolo import trainer as training
from harness.models.yolo.detector import Yolo, library
from harness.models.yolo.predictor import YoloFitted
from harness.models.yolo.trainer import write_data
from tests.support.squares import TASK, YOLO, context, logged_epochs, squares, weights
from tests.support.tiny_networks import stop_at

REPOSITORY = Path(__file__).resolve().parents[2]
LONGER = replace(YOLO, epochs=4)
RESULT = {"weights.safetensors", "finished.json", "log.jsonl"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fit of four epochs that nothing disturbed."""
    folder = tmp_path_factory.mktemp("yolo") / "fit"
    LONGER.fit(squares(), None, context(folder))
    return folder


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> YoloFitted:
    """An untrained network that finds boxes everywhere."""
    import torch

    library(tmp_path_factory.mktemp("settings"))
    torch.manual_seed(0)
    network = YOLO.network(TASK.classes)
    with torch.no_grad():
        for branch in network.model[-1].cv3:
            branch[-1].bias.fill_(-2.0)
    return YoloFitted.of(YOLO, TASK, network, (64, 64))


# -- what a fit leaves -------------------------------------------------------------------------------------------------


def test_a_finished_fit_is_loaded_and_not_trained_again(finished: Path) -> None:
    assert {file.name for file in finished.rglob("*")} == RESULT
    assert logged_epochs(finished) == [0, 1, 2, 3]
    written = (finished / "weights.safetensors").stat().st_mtime_ns
    first, second = LONGER.fit(squares(), None, context(finished)), LONGER.load(context(finished))
    assert (finished / "weights.safetensors").stat().st_mtime_ns == written
    inputs = squares().inputs
    assert (first.predict(inputs).flat == second.predict(inputs).flat).all()


def test_measuring_the_cost_leaves_nothing(tmp_path: Path) -> None:
    cost = YOLO.cost(squares(), context(tmp_path / "probe"))
    assert cost.start >= 0 and min(cost.epoch, cost.predict) > 0
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_at_home_and_no_server_is_called(tmp_path: Path) -> None:
    """In a process of its own, as ultralytics sets itself up when it is imported; conftest refuses every connection."""
    code = (
        "import sys; sys.path.insert(0, 'tests'); from dataclasses import replace; from pathlib import Path\n"
        "import conftest; from tests.support.squares import YOLO, context, squares\n"
        "replace(YOLO, epochs=1).fit(squares(4), None, context(Path(sys.argv[1])))\n"
        "from ultralytics import settings; assert not settings['sync']\n"
        "loggers = {'matplotlib.pyplot', 'comet_ml', 'clearml', 'mlflow', 'wandb'}\n"
        "assert not loggers & set(sys.modules)\n"
    )
    home, place = tmp_path / "home", tmp_path / "run"
    home.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("YOLO", "XDG", "MPL"))}
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)],
        cwd=REPOSITORY,
        env={**clean, "HOME": str(home), "TMPDIR": str(place), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""  # standard output is for JSON
    assert not list(home.rglob("*"))
    assert {file.name for file in place.iterdir()} == RESULT


# -- stopping and resuming ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("damaged", "repeated"), [(False, [2, 3]), (True, [1, 2, 3])])
def test_an_interrupted_fit_ends_with_the_same_bytes(
    damaged: bool, repeated: list[int], finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the newest checkpoint is damaged, which is reported, and the one before is taken."""
    monkeypatch.setattr(training, "SAVE_SECONDS", -1)
    with pytest.raises(Interrupted, match="after step 5 of 8"):
        LONGER.fit(squares(), None, context(tmp_path, stop=stop_at(5)))
    newest, events = max(tmp_path.glob("*.checkpoint")), list[dict]()
    if damaged:
        newest.write_bytes(newest.read_bytes()[:1000])
    LONGER.fit(squares(), None, context(tmp_path, report=events.append))
    assert [newest.name in event["warning"] for event in events if "warning" in event] == [True] * damaged
    assert [event["epoch"] for event in events if "epoch" in event] == repeated
    assert events[-1]["step"] == events[-1]["steps_total"] == 8
    assert logged_epochs(tmp_path) == [0, 1, 2, 3]
    assert weights(tmp_path) == weights(finished)
    LONGER.fit(squares(), None, context(tmp_path / "another", fold=1))
    assert weights(tmp_path / "another") != weights(finished)


@pytest.mark.parametrize(("late", "epochs"), [(True, [0, 1]), (False, [0, 1, 2, 3, 4])])
def test_a_fit_that_is_late_or_early_ends_its_schedule_sooner_or_later(
    late: bool, epochs: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it goes on so after an interruption, whatever the clock then says."""
    monkeypatch.setattr(training, "SAVE_SECONDS", -1)
    clock = {"until": time.monotonic() + (-1 if late else 3600), "most_epochs": 5}
    LONGER.fit(squares(), None, context(tmp_path / "whole", **clock))
    assert logged_epochs(tmp_path / "whole") == epochs
    with pytest.raises(Interrupted):
        LONGER.fit(squares(), None, context(tmp_path / "cut", stop=stop_at(3), **clock))
    LONGER.fit(squares(), None, context(tmp_path / "cut"))
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")


def test_a_deadline_that_passes_stops_the_fit(tmp_path: Path) -> None:
    with pytest.raises(OutOfTime, match="after step 1 of 4"):
        YOLO.fit(squares(), None, context(tmp_path / "fit", deadline=time.monotonic() - 1))
    assert not (tmp_path / "fit" / "finished.json").exists()


def test_a_loss_that_is_not_finite_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(Diverged):
        replace(YOLO, weight_decay=1e38).fit(squares(), None, context(tmp_path / "fit"))


def test_a_search_can_prune_it_after_an_epoch_by_its_predictions(tmp_path: Path) -> None:
    def look(share: float, predict) -> None:
        raise RuntimeError(f"{share}: {len(predict(squares(3).inputs))}")  # as pruning does

    with pytest.raises(RuntimeError, match=r"0\.5: 3"):
        YOLO.fit(squares(), None, context(tmp_path, look=look))
    assert logged_epochs(tmp_path) == [0]


# -- predictions -------------------------------------------------------------------------------------------------------


def test_a_prediction_does_not_depend_on_the_other_pictures(fitted: YoloFitted) -> None:
    mixed = [squares(1, 48, 64), squares(1, 64, 52), squares(1, 100, 64), squares(1, 48, 64)]
    inputs = EncodedImages.of([each.inputs.flat for each in mixed])
    together = fitted.predict(inputs)
    for row in range(4):
        alone = fitted.predict(inputs[np.array([row])])
        np.testing.assert_allclose(together[row], alone[0], atol=1e-3)
    assert len(fitted.predict(inputs[:0])) == 0


def test_boxes_lie_in_their_image_and_are_sorted(fitted: YoloFitted) -> None:
    found = fitted.predict(squares(3, 30, 90).inputs)
    assert 0 < np.diff(found.offsets).max() <= 100
    assert (found.flat[:, 2:4] >= 0).all() and (found.flat[:, 4:] <= [90, 30]).all()
    assert (found.flat[:, 4:] > found.flat[:, 2:4]).all()
    assert all((np.diff(boxes[:, 1]) <= 0).all() for boxes in found)
    assert set(found.flat[:, 0]) <= {0, 1} and found.flat.dtype == np.float32


def test_a_scaled_picture_is_seen_scaled_and_a_familiar_size_as_in_training(fitted: YoloFitted) -> None:
    sizes = np.array([[48, 64], [60, 80], [38, 51], [400, 600], [6, 8]])
    assert fitted.seen(sizes).tolist() == [[48, 64], [60, 80], [38, 51], [64, 96], [32, 43]]
    ragged = replace(fitted, sides=(32, 640))
    assert ragged.seen(np.array([[48, 64], [480, 640], [16, 32]])).tolist() == [[48, 64], [48, 64], [32, 64]]


def test_a_specialist_finds_its_class_alone(tmp_path: Path) -> None:
    specialist = replace(YOLO, epochs=1).specialised(1, None)
    found = specialist.fit(squares(), None, context(tmp_path / "fit")).predict(squares().inputs)
    assert set(found.flat[:, 0]) <= {1}


@pytest.mark.parametrize("target", [None, 1])
def test_the_files_for_training_hold_the_images_and_boxes_of_the_samples(target: int | None, tmp_path: Path) -> None:
    samples = squares(2)
    write_data(samples, target, tmp_path)
    (picture,) = (tmp_path / "images").glob("000001.*")
    assert picture.read_bytes() == samples.inputs.encoded(1)
    lines = (tmp_path / "labels" / "000001.txt").read_text().splitlines()
    assert len(lines) == (2 if target is None else 1)
    label, x, y, w, h = np.array(lines[-1].split(), float) * [1, 64, 48, 64, 48]
    boxes = [0 if target == 1 else 1, x - w / 2, y - h / 2, x + w / 2, y + h / 2]
    np.testing.assert_allclose(boxes[1:], samples.targets[1][1][1:], atol=1e-3)
    assert label == boxes[0]


# -- declarations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "content", "complaint"),
    [
        ({"pretrained": True}, None, r"weights/yolov8n\.pt is not .*attempt_download_asset"),
        ({"pretrained": True}, b"not a checkpoint", r"weights/yolov8n\.pt"),
        ({"model": "yolo99z"}, None, "yolo99z"),
    ],
)
def test_what_is_not_there_or_no_checkpoint_is_an_error_of_the_user(
    change: dict, content: bytes | None, complaint: str, tmp_path: Path, own_home: Path
) -> None:
    if content:
        (own_home / "weights").mkdir()
        (own_home / "weights" / "yolov8n.pt").write_bytes(content)
    with pytest.raises(UserError, match=complaint):
        replace(YOLO, **{"model": "yolov8n", **change}).fit(squares(2), None, context(tmp_path / "fit"))


def test_a_network_of_many_classes_is_refined_on_two_and_loaded_again(tmp_path: Path, own_home: Path) -> None:
    """ultralytics widens the class branch of the nano to that of its 80 classes; the file is gone when it is loaded."""
    import torch
    from safetensors.torch import load_file

    library(tmp_path)
    nano = Yolo(model="yolo11n", imgsz=64, epochs=1, batch=4, lr=0.0, weight_decay=0.0, pretrained=True)
    source = nano.network([f"class {k}" for k in range(80)])
    file = own_home / "weights" / "yolo11n.pt"
    file.parent.mkdir()
    torch.save({"model": source, "train_args": {}}, file)
    nano.fit(squares(4), None, context(tmp_path / "fit"))
    file.unlink()
    learned, given = load_file(tmp_path / "fit" / "weights.safetensors"), dict(source.named_parameters())
    assert torch.equal(learned["model.2.cv1.conv.weight"], given["model.2.cv1.conv.weight"])
    assert torch.equal(learned["model.23.cv3.0.1.1.conv.weight"], given["model.23.cv3.0.1.1.conv.weight"])
    assert len(nano.load(context(tmp_path / "fit")).predict(squares(2).inputs)) == 2
