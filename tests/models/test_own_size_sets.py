"""Masks of several sizes whose classes overlap: crops, prediction, decision, run lengths, scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.data.images import EncodedImages, encode
from harness.data.samples import Samples, numbered
from harness.data.sized_masks import Masks
from harness.metrics import MeanDice, MeanIoU
from harness.models import Context
from harness.models.losses import IGNORED, binary_cross_entropy
from harness.models.torch_loop.batches import Batches, Showing
from harness.models.torch_loop.outputs import TargetEncoding
from harness.tasks.layout import Asked
from harness.tasks.mask_cells import RUNS_BY_CLASS
from harness.tasks.segmentation import Segmentation
from tests.support.tiny_networks import learner

CLASSES = ("left", "bright")
TASK = Segmentation(CLASSES, layout=RUNS_BY_CLASS, multilabel=True)
SIZES = ((8, 16), (20, 40), (5, 9))
NETWORK = replace(
    learner, channels=3, batch=4, epochs=25, augment=None, crop=(8, 16), loss=binary_cross_entropy, class_weights=None
)


def samples() -> Samples:
    """The left half is class 0 (bit 1) and the lower half, which is bright, class 1 (bit 2): a quarter is both."""
    images, masks = [], []
    for height, width in SIZES:
        y, x = np.mgrid[:height, :width]
        left, lower = x < width // 2, y >= height // 2
        masks.append((left * 1 + lower * 2).astype(np.uint8))
        images.append(np.stack([left * 200, lower * 200, x * 0], axis=2).astype(np.uint8))
    return Samples(numbered(3), EncodedImages.of([encode(each) for each in images]), Masks(masks), np.arange(3))


def test_no_loss_looks_beyond_the_border_and_marked_images_are_cropped_around_their_class(tmp_path: Path) -> None:
    encoding = TargetEncoding(TASK, several=True)
    marked = replace(NETWORK, oversample=Showing(1, several=True))
    batches = Batches(marked, encoding, samples(), Context(TASK, tmp_path))
    assert batches.marks.all()
    targets = np.concatenate([targets for _, targets in batches.epoch(0)])
    assert targets.shape[1:] == (2, 8, 16) and set(np.unique(targets)) == {0, 1, IGNORED}
    small = targets[(targets[:, 0, 0] == IGNORED).any(1)]  # of the image of 5 x 9
    assert len(small) == 1 and (small[0, :, 5:] == IGNORED).all() and (small[0, :, :5, :9] != IGNORED).all()


def test_sets_of_their_own_sizes_are_learned_written_read_and_scored(tmp_path: Path) -> None:
    train = samples()
    prediction = NETWORK.fit(train, None, Context(TASK, tmp_path / "fit")).predict(train.inputs)
    assert [each.shape for each in prediction] == [(2, *size) for size in SIZES]
    decided = TASK.decide(prediction)
    for metric in (MeanDice(CLASSES, multilabel=True), MeanIoU(CLASSES, multilabel=True)):
        assert metric.score(metric.statistics(train.targets, decided)) > 0.7
    asked = Asked(train.ids, train.inputs.sizes)
    TASK.write(asked, decided, tmp_path / "file.csv")
    read = TASK.read(tmp_path / "file.csv", asked)
    assert all((one == other).all() for one, other in zip(read, decided, strict=True))
