"""Rows 1, 2 and 4: what the training loop adds to a step, and what the fast paths take from it."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tests.benchmarks.protocol import Result, in_turn, ratios, timed, typical
from tests.benchmarks.workloads import (
    BATCH,
    KINDS,
    MARS,
    coarse,
    context,
    epoch,
    mobilenet,
    pictures,
    save,
    tiles,
    training_of,
    unet,
)

ROUNDS = 5


class Spent(NamedTuple):
    """CPU seconds of an epoch, and of its forward and backward passes."""

    whole: float
    passes: float


def step_overhead() -> list[Result]:
    """Row 1, in CPU seconds: everything in an epoch but forward and backward, over forward and backward."""
    from harness.models.torch_loop.training_loop import SAVE_SECONDS

    steps = 4
    with TemporaryDirectory() as folder:
        training = training_of(unet(), tiles(steps * BATCH), context(folder))
        passes, spent_in_passes = cpu_counter(training.forward_backward)
        training.forward_backward = passes  # type: ignore[method-assign]

        def run() -> Spent:
            before = spent_in_passes()
            whole = timed(lambda: epoch(training), time.process_time)
            return Spent(whole, spent_in_passes() - before)

        taken = in_turn({"ours": run, "again": run}, ROUNDS)
        checkpoint = timed(lambda: save(training), time.process_time)
    passes_seconds = statistics.median(spent["ours"].passes for spent in taken)
    return [
        Result(
            row="1",
            goal="CPU overhead per U-Net step / forward + backward",
            target=0.03,
            at_most=True,
            values=[spent["ours"].whole / spent["ours"].passes - 1 for spent in taken],
            control=[spent["ours"].passes / spent["again"].passes for spent in taken],
            note=f"forward + backward {1e3 * passes_seconds / steps:.0f} ms a step, batch {BATCH}, one thread; "
            f"besides, a checkpoint of {1e3 * checkpoint:.0f} ms every {SAVE_SECONDS:.0f} s",
        )
    ]


def cpu_counter(function: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[[], float]]:
    """The function, and how many CPU seconds all its calls have taken so far."""
    total = 0.0

    def counted(*arguments: Any) -> Any:
        nonlocal total
        began = time.process_time()
        result = function(*arguments)
        total += time.process_time() - began
        return result

    return counted, lambda: total


def efficiency() -> list[Result]:
    """Row 2, wall: a bare loop over one batch in memory, in the time of ours with data, average, clipping and log.

    Ours has its share of a checkpoint added, which is due every `SAVE_SECONDS`.
    """
    from harness.models.torch_loop.training_loop import SAVE_SECONDS

    learner, steps = mobilenet(), 8
    train = pictures(steps * BATCH)
    with TemporaryDirectory() as folder:
        ours, bare = (training_of(learner, train, context(folder, KINDS)) for _ in range(2))
        images, targets = next(bare.batches.epoch(0))
        batch = bare.machine.images(images), bare.machine.send(targets).long()
        bare.state.network.train()

        def bare_steps() -> None:
            for _ in range(steps):
                bare.state.optimizer.zero_grad(set_to_none=True)
                learner.loss(bare.state.network(batch[0]), batch[1]).backward()
                bare.state.optimizer.step()

        arms = {
            "bare": lambda: timed(bare_steps),
            "ours": lambda: timed(lambda: epoch(ours)),
            "again": lambda: timed(bare_steps),
            "checkpoint": lambda: timed(lambda: save(ours)),
        }
        taken = in_turn(arms, ROUNDS)
    saving = [1 + costs["checkpoint"] / SAVE_SECONDS for costs in taken]
    return [
        Result(
            row="2",
            goal="speed of our loop / of a bare loop, same optimizer",
            target=0.97,
            values=[ratio / share for ratio, share in zip(ratios(taken, "bare", "ours"), saving, strict=True)],
            control=ratios(taken, "bare", "again"),
            note=f"mobilenetv3_large, 96x96x3, batch {BATCH}, {len(train) / typical(taken, 'ours'):.0f} images/s; "
            f"of the time {statistics.median(saving) - 1:.1%} for a checkpoint every {SAVE_SECONDS:.0f} s",
        )
    ]


def fast_paths() -> list[Result]:
    """Row 4, wall: every network as the probe would have it against the plain one."""
    return [
        fast_path("4a", "the U-Net", unet(), MARS),
        fast_path("4b", "the coarse network", coarse(), MARS),
        fast_path("4c", "mobilenetv3_large", mobilenet(), KINDS),
    ]


def fast_path(row: str, name: str, learner: Any, task: Any) -> Result:
    from harness.models.torch_loop import probe as torch_probe

    learner = replace(learner, batch=BATCH // 2)
    train = (tiles if task is MARS else pictures)(8 * learner.batch)
    with TemporaryDirectory() as folder:
        plain = context(folder, task, channels_last=False)
        chosen = torch_probe.fast_paths(learner, train, plain)
        probe, last = chosen["probe"], chosen["channels_last"]
        goal = f"speed of {name} with the memory format of its probe / without"
        note = (
            f"the probe ({probe['ratio']:.2f}; {probe['seconds']:.0f} s) chose {'channels last' if last else 'plain'}"
        )
        if not last:  # the same code on both sides
            return Result(row=row, goal=goal, target=0.97, values=[1.0], note=note)
        ways = {"plain": plain, "fast": replace(plain, channels_last=True), "again": plain}
        steps = {arm: torch_probe.step_seconds(training_of(learner, train, ways[arm])) for arm in ways}
        taken = in_turn({arm: lambda of=of: next(of) + next(of) for arm, of in steps.items()}, ROUNDS)  # type: ignore[misc]
    values, control = ratios(taken, "plain", "fast"), ratios(taken, "plain", "again")
    return Result(row=row, goal=goal, target=0.97, values=values, control=control, note=note)
