"""Any estimator or pipeline with scikit-learn's interface: its own loop, so a fold is fitted whole or not at all."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from harness.data.images import EncodedImages
from harness.data.samples import Samples
from harness.errors import UserError
from harness.files import atomic, read_json, sha256_of, sweep_partials, write_json
from harness.models import Context, Cost
from harness.models.estimators import space_of
from harness.models.torch_loop.checkpoint import warner
from harness.tasks import Task

MODEL, FINISHED = "estimator.joblib", "finished.json"
FEW, MORE, ENOUGH = 1000, 4, 1.0  # the first look at the cost: rows, times as many rows, seconds that say enough


@dataclass(frozen=True)
class Sklearn:
    """build: makes the estimator, and imports what it needs inside; a pipeline, a search, anything that fits.

    A table comes as a pandas frame with its column names, numbers as float64 (missing: NaN), text as strings; pictures
    as flat rows of float32 in 0..1. A classifier must have `predict_proba`; for several labels a row it must give one
    column a class (`OneVsRestClassifier`, `MLPClassifier`). Every `random_state` is set from seed and fold, and every
    `n_jobs` to the threads of the fold. epochs: a fit is one. parameters: of the estimator that was built, set as pairs
    of scikit-learn's own names ("svc__C"). focus: tell this class from all others, or `against` one of them.
    """

    build: Callable[[], Any]
    epochs: int = 1
    target_class: int | None = None
    pretrained: bool = False
    parameters: tuple[tuple[str, Any], ...] = ()
    versus: int | None = None

    fewest_epochs: ClassVar[int] = 1

    def fit(self, train: Samples, valid: Samples | None, context: Context) -> "SklearnFitted":
        context.folder.mkdir(parents=True, exist_ok=True)
        sweep_partials(context.folder)
        trouble = wrong_with(context.folder)
        if not trouble:
            return self.load(context)
        if (context.folder / FINISHED).exists():
            warner(context.report)(f"{context.folder}: {trouble}; this fold is fitted anew")
        began = time.monotonic()
        fitted = self.fitted(train, context)
        save(fitted.estimator, context.folder, time.monotonic() - began)
        return fitted

    def fitted(self, train: Samples, context: Context) -> "SklearnFitted":
        """The same every time; touches no file."""
        estimator = prepared(self.estimator(), context)
        if self.versus is not None:
            train = train[(train.targets == self.target_class) | (train.targets == self.versus)]
        targets = train.targets if self.target_class is None else train.targets == self.target_class
        estimator.fit(features(train.inputs), targets)
        return SklearnFitted(estimator, context.task, self.target_class)

    def estimator(self) -> Any:
        """Raise `UserError` for parameters that it does not have."""
        try:
            return self.build().set_params(**dict(self.parameters))
        except ValueError as error:
            raise UserError(f"parameters={self.parameters}: {str(error).splitlines()[0]}") from error

    def specialised(self, of: int, versus: int | None) -> Self:
        return replace(self, target_class=of, versus=versus)

    def vary(self, trial: Any) -> Self:
        """What `estimators.SPACES` knows of the estimator and of its parts; itself where that is nothing."""
        space = space_of(self.estimator())
        chosen = {path: limits.suggest(trial, name) for path, (name, limits) in space.items()}
        return replace(self, parameters=tuple(sorted((dict(self.parameters) | chosen).items()))) if chosen else self

    def cost(self, train: Samples, context: Context) -> Cost:
        """Fits more and more rows, evenly drawn from all targets, until that says enough about all of them."""
        by_target, count = np.lexsort(np.atleast_2d(train.targets.T)), FEW
        while True:
            some = train[np.sort(by_target[:: max(1, len(train) // count)])]
            began = time.perf_counter()
            fitted = self.fitted(some, context)
            trained = time.perf_counter()
            if len(some) == len(train) or trained - began > ENOUGH:
                break
            count *= MORE
        fitted.predict(some.inputs)
        predicted = time.perf_counter() - trained
        return Cost((trained - began) * len(train) / len(some), 0.0, predicted / len(some))

    def fast_paths(self, train: Samples, context: Context) -> dict[str, Any]:
        return {}

    def load(self, context: Context) -> "SklearnFitted":
        """The finished fit in the context's folder; raise `UserError` where there is none."""
        import joblib

        trouble = wrong_with(context.folder)
        if trouble:
            raise UserError(f"{context.folder}: {trouble}; delete it and run the same training command again")
        return SklearnFitted(joblib.load(context.folder / MODEL), context.task, self.target_class)


@dataclass(frozen=True)
class SklearnFitted:
    estimator: Any
    task: Task
    target_class: int | None

    def predict(self, inputs: Any) -> np.ndarray:
        """(n, classes) float32 probabilities, a class that was in no training row 0; or (n,) float32 numbers."""
        from sklearn.base import is_classifier

        if not is_classifier(self.estimator):
            return np.asarray(self.estimator.predict(features(inputs)), np.float32)
        found, known = self.estimator.predict_proba(features(inputs)), self.estimator.classes_
        if self.target_class is not None:
            return self.task.expand(found[:, list(known).index(True)].astype(np.float32), self.target_class)
        probs = np.zeros((len(found), len(self.task.classes)), np.float32)
        probs[:, np.asarray(known, int)] = found
        return probs


def features(inputs: Any) -> Any:
    """What the estimator sees of structured rows (n,) or pictures (n, h, w[, 3]) uint8."""
    if isinstance(inputs, EncodedImages):
        raise UserError("pictures of different sizes make no table; resize them to one size in the competition's load")
    if not inputs.dtype.names:
        return inputs.reshape(len(inputs), -1).astype(np.float32) / 255
    import pandas as pd

    return pd.DataFrame({name: np.array(inputs[name]) for name in inputs.dtype.names})


def prepared(estimator: Any, context: Context) -> Any:
    """Seeded, and with as many threads as the fold has; raise `UserError` where it could not give probabilities."""
    from sklearn.base import is_classifier

    if is_classifier(estimator) and not hasattr(estimator, "predict_proba"):
        raise UserError(
            f"{estimator} gives no probabilities (predict_proba); wrap it in CalibratedClassifierCV, or take another"
        )
    seed = int(np.random.SeedSequence([context.seed, context.fold]).generate_state(1)[0])
    np.random.seed(seed)  # for what draws from numpy's own numbers: a KFold inside a search is no estimator
    chosen = {}
    for name, value in estimator.get_params(deep=True).items():
        last = name.rpartition("__")[2]
        if last == "random_state":
            chosen[name] = seed
        if last == "n_jobs" and (value or 1) != context.threads:  # None is one thread; some warn when it is spelled out
            chosen[name] = context.threads
    return estimator.set_params(**chosen)


def save(estimator: Any, folder: Path, seconds: float) -> None:
    """`finished.json` is written last: it means done."""
    import joblib
    import sklearn

    with atomic(folder / MODEL) as file:
        joblib.dump(estimator, file)
    facts = {"seconds": round(seconds, 3), "library": sklearn.__version__, "sha256": sha256_of(folder / MODEL)}
    write_json(folder / FINISHED, facts)


def wrong_with(folder: Path) -> str:
    """What keeps the fit in the folder from being used: "" where nothing does."""
    import sklearn

    if not (folder / FINISHED).exists() or not (folder / MODEL).exists():
        return "there is no finished fit"
    facts = read_json(folder / FINISHED)
    if facts["library"] != sklearn.__version__:
        return f"fitted by scikit-learn {facts['library']}, and this is {sklearn.__version__}"
    return "" if sha256_of(folder / MODEL) == facts["sha256"] else f"{MODEL} is damaged"
