"""Pruning by a paired test and by learning curves, the time of a search, and what is tried again."""

import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.errors import UserError
from harness.metrics import RMSE, Accuracy
from harness.models import Diverged, TrainingCost
from harness.search.pruning import SHARES, Pruner
from harness.search.retries import free_disk_space, retry
from harness.search.schedule import SearchSchedule
from harness.search.study import TrialRun
from harness.training.cost import Work
from harness.training.workers import WorkerDied
from harness.training.workers.process import WorkerError
from tests.support.tiny_data import tiny_dataset
from tests.support.tiny_search import EPOCHS, LEARNERS, Net, net_study, tiny_net

# -- pruning -----------------------------------------------------------------------------------------------------------


def pruner(**options: Any) -> Pruner:
    """100 rows in two folds; the best is right in 90 of 100."""
    made = Pruner(Accuracy(("a", "b")), {0: np.arange(50), 1: np.arange(50, 100)}, **options)
    for fold in (0, 1):
        made.add("best", fold, statistics(45), {})
    made.complete("best")
    return made


def statistics(right: int) -> np.ndarray:
    truth = np.tile([0, 1], 25)
    return Accuracy(("a", "b")).statistics(truth, np.where(np.arange(50) < right, truth, 1 - truth))


def test_a_variant_that_is_worse_beyond_noise_is_pruned_and_one_within_noise_goes_on() -> None:
    ours = pruner()
    ours.add("bad", 0, statistics(25), {})
    ours.add("close", 0, statistics(43), {})
    assert "best" in ours.worse("bad") and "-0.4000" in ours.worse("bad")
    assert ours.worse("close") == ours.worse("best") == ""
    switched_off = pruner(paired=False, curves=False)
    switched_off.add("bad", 0, statistics(5), {})
    assert switched_off.worse("bad") == "" and switched_off.limits(0) == {}


def test_a_curve_is_pruned_below_the_lowest_quarter_of_four_others() -> None:
    ours = pruner()
    early = SHARES[0]
    for k, quality in enumerate((0.2, 0.4, 0.6)):
        ours.add(str(k), 0, statistics(40), {early: quality})
    assert ours.limits(0)[early] == -np.inf  # three are too few
    ours.add("3", 0, statistics(40), {early: 0.8})
    assert ours.limits(0)[early] == pytest.approx(0.35)  # numpy's linear percentile of 0.2, 0.4, 0.6, 0.8
    assert ours.limits(1)[early] == -np.inf


def test_where_less_is_better_the_lower_error_is_the_best() -> None:
    truth, wiggle = np.arange(40.0), np.tile([-1.0, 1.0], 20)
    ours = Pruner(RMSE(), {0: np.arange(40)})
    for name, error in (("far", 4.0), ("near", 1.0)):
        ours.add(name, 0, RMSE().statistics(truth, truth + error * wiggle), {})
        ours.complete(name)
    assert ours.best == "near" and ours.worse("far")


# -- time --------------------------------------------------------------------------------------------------------------


def schedule(hours: float = 1.0) -> SearchSchedule:
    """Two workers, five folds, models of 20 epochs of 10 s."""
    work = Work({"net": Net()}, {"net": TrainingCost(0, 10.0, 0)}, 5, 2, 1, 100, 20, 0, 10.0)
    return SearchSchedule(work, {"net": {}}, time.time(), hours, {}, pool=4, official=1.0, ensemble=4.0)


def attributes() -> Any:
    """As much of a study as the schedule reads."""
    stored: dict[str, Any] = {}
    return SimpleNamespace(user_attrs=stored, set_user_attr=stored.__setitem__)


def test_a_trial_is_shrunk_so_that_six_fit_and_stays_so_for_the_study() -> None:
    study = attributes()
    # 3600 s - 10 - 1.3 x 2 x 5 are 3577 s; a sixth are 596 s for three rounds of one fold: 19 epochs of 10 s
    assert schedule().trial_epochs(study)["net"] == 19
    assert schedule(hours=8).trial_epochs(study)["net"] == 19
    assert schedule(hours=8).trial_epochs(attributes())["net"] == 20  # never more than declared
    with pytest.raises(UserError, match=r"30 s.*HOURS=0\.0"):
        schedule(hours=0.01).trial_epochs(attributes())


# 0.15 h: 95 % of 517 s for three rounds of 10 s an epoch; 0.05 h: not even as long, and the caller sees no gain
@pytest.mark.parametrize(("hours", "epochs"), [(1, 20), (0.15, 16), (0.05, 10)])
def test_the_longest_schedule_is_the_declared_one_or_what_fits(hours: float, epochs: int) -> None:
    assert schedule(hours).longest("net", "net", 10, 2) == epochs


# -- retries -----------------------------------------------------------------------------------------------------------


def trial() -> TrialRun:
    return TrialRun("net.1", "net", Net(), None)


def test_out_of_memory_halves_the_batch_at_most_twice() -> None:
    first, message = retry(trial(), MemoryError())
    assert first and first.learner == Net(batch=4) and "4" in message
    second, _ = retry(first, WorkerDied("the kernel killed it", memory=True))
    assert second and second.learner == Net(batch=2)
    third, _ = retry(second, WorkerError("OutOfMemoryError: CUDA out of memory"))
    assert third is second and third.learner == Net(batch=2)  # from here on as any crash


def test_a_crash_is_tried_again_and_fails_the_third_time_with_its_reason_but_a_loss_that_is_nan_never() -> None:
    ours = trial()
    assert retry(ours, WorkerDied("a worker process died of SIGSEGV"))[0] is ours
    assert retry(ours, WorkerError("RuntimeError: boom"))[0] is ours
    for failing, error in ((ours, WorkerError("RuntimeError: boom")), (trial(), Diverged("training diverged"))):
        again, message = retry(failing, error)
        assert again is None and str(error) in message


def test_disk_space_is_for_two_runs_like_the_largest_and_only_pruned_trials_are_deleted(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three pruned trials have 600 bytes each; two like the complete one need 10,000; what is half done stays."""
    study = net_study()
    pruned = [study.ask(LEARNERS, EPOCHS) for _ in range(3)]
    for one in pruned:
        study.prune(one, "worse")
    runs, bytes_of = own_home / "runs" / "tiny" / "t1", dict.fromkeys((one.name for one in pruned), 600)
    for name, size in (bytes_of | {"net": 5000, "half": 9000}).items():
        (runs / f"{name}-0123" / "fold_0").mkdir(parents=True)
        (runs / f"{name}-0123" / "fold_0" / "weights").write_bytes(bytes(size))

    def disk(total: int, _: Path) -> SimpleNamespace:
        return SimpleNamespace(free=total - sum(file.stat().st_size for file in runs.rglob("*") if file.is_file()))

    prepared: Any = SimpleNamespace(train=tiny_dataset().labelled[:0], holdout=[])
    left = 5000 + 9000  # what is never deleted
    for total, fits, kept in ((left + 1800 + 10000, True, 3), (left + 600 + 10000, True, 1), (left + 9999, False, 0)):
        monkeypatch.setattr("shutil.disk_usage", partial(disk, total))
        assert free_disk_space(tiny_net(), prepared, 5, study, 5000) is fits
        assert sum((runs / f"{one.name}-0123").exists() for one in pruned) == kept
    assert (runs / "net-0123").exists() and (runs / "half-0123").exists()
