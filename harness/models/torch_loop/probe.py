"""Measuring before planning: what a fit costs, and which memory format pays here. Nothing reaches the disk."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.data.samples import Samples
from harness.models import Context, TrainingCost
from harness.models.torch_loop.crops import tile_count
from harness.models.torch_loop.training_loop import TrainingLoop

if TYPE_CHECKING:
    from harness.models.torch_loop.learner import TorchLearner

SECONDS, STEPS = 3.0, 10  # of one measurement, at most
PROBED = 16  # rows a batch: half the time of 32, the same ratio
GAIN = 1.03  # what channels-last must bring to be taken: two arms alike differ by that much by chance


def cost(learner: TorchLearner, train: Samples, context: Context) -> TrainingCost:
    """The median of a few real steps on real batches, after one that warms up."""
    began = time.perf_counter()
    training = TrainingLoop(learner, train, context)
    steps = step_seconds(training, learner.epochs - 1)
    next(steps)
    start = time.perf_counter() - began
    step = median_of(steps)
    openings = [group.opens for group in training.state.groups if group.opens <= 1]
    if frozen := sum(openings) / max(1, len(openings)):  # a share of all steps, which are cheaper
        step += frozen * (median_of(step_seconds(training)) - step)
    inputs = train.inputs[: learner.batch]
    fitted = training.fitted(training.state.network.eval())
    predict = median_of(seconds_of(lambda: fitted.predict(inputs)) for _ in itertools.count()) / len(inputs)
    forward, rows = predict, training.batches.rows
    if learner.crop:  # an image is predicted by so many tiles
        tiles = [tile_count(mask.shape, learner.crop) for mask in train.targets]
        forward = predict / statistics.fmean(tiles[: len(inputs)])
        predict = forward * statistics.fmean(tiles)
    recalibration = min(learner.norm_rows, len(rows)) * forward
    return TrainingCost(max(0.0, start - step) + recalibration, step * training.batches.steps, predict)


def fast_paths(learner: TorchLearner, train: Samples, context: Context) -> dict[str, Any]:
    """Whether channels-last memory is clearly faster here: the field of `Context` by that name.

    Both ways are timed in turn, step by step. "probe": what the look cost in seconds, and the ratio of speeds.
    """
    began = time.perf_counter()
    learner = replace(learner, batch=min(learner.batch, PROBED))
    arms = [step_seconds(TrainingLoop(learner, train, replace(context, channels_last=last))) for last in (False, True)]
    for arm in arms:
        next(arm)
    ratios: list[float] = []
    measuring = time.perf_counter()
    while len(ratios) < STEPS and (len(ratios) < 3 or time.perf_counter() - measuring < SECONDS):
        order = (0, 1) if len(ratios) % 2 else (1, 0)
        taken = {arm: next(arms[arm]) for arm in order}
        ratios.append(taken[0] / taken[1])
    ratio = statistics.median(ratios)
    probe = {"seconds": time.perf_counter() - began, "ratio": ratio}
    return {"channels_last": ratio > GAIN, "probe": probe}


def step_seconds(training: TrainingLoop, epoch: int = 0) -> Iterator[float]:
    """The time of one step of an epoch after the other, data included, for as long as one asks."""
    while True:
        batches = training.batches.epoch(epoch)
        training.state.epoch, training.state.step = epoch, 0
        training.state.network.train()
        for _ in range(training.batches.steps):
            yield seconds_of(lambda source=batches: training.step(*next(source)))


def seconds_of(work: Any) -> float:
    import torch

    began = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def median_of(times: Iterator[float]) -> float:
    taken: list[float] = []
    while len(taken) < STEPS and (len(taken) < 2 or sum(taken) < SECONDS):
        taken.append(next(times))
    return statistics.median(taken)
