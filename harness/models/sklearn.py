"""Any estimator or pipeline with scikit-learn's interface, also of LightGBM: fitted whole or not at all."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np

from harness.data.images import EncodedImages
from harness.data.pixels.depth import full
from harness.data.samples import Joined, Samples
from harness.errors import UserError
from harness.models import Context, Learner
from harness.models.tabular import space_of
from harness.tasks import Task


@dataclass(frozen=True)
class Sklearn(Learner):
    """build: makes the estimator, and imports what it needs inside; a pipeline, a search, anything that fits.

    A table comes as a pandas frame with its column names, numbers as float64 (missing: NaN), text as strings; images
    as flat rows of float32 in 0..1. A classifier must have `predict_proba`; for several labels a row it must give one
    column a class (`OneVsRestClassifier`, `MLPClassifier`). Every `random_state` is set from seed and fold, and every
    `n_jobs` to the threads of the fold. parameters: of the estimator that was built, set as pairs of scikit-learn's own
    names ("svc__C"). target_class: tell this class from all others, or from `versus` alone. sees: of images beside a
    table, the table by default.
    """

    build: Callable[[], Any]
    parameters: tuple[tuple[str, Any], ...] = ()
    sees: Literal["images", "table", "both"] = field(default="table", kw_only=True)

    slow_import: ClassVar[str] = "sklearn.ensemble"

    def train(self, train: Samples, context: Context) -> Any:
        """A fitted estimator."""
        from sklearn.base import is_classifier, is_regressor
        from sklearn.dummy import DummyClassifier
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.multioutput import MultiOutputRegressor
        from sklearn.utils import get_tags

        estimator = seeded(self.estimator(), context)
        if self.versus is not None:
            train = train[(train.targets == self.target_class) | (train.targets == self.versus)]
        targets = train.targets if self.target_class is None else train.targets == self.target_class
        if targets.ndim == 2:  # several numbers or labels a row: one model each, where the estimator is for one
            tags = get_tags(estimator)
            if is_regressor(estimator) and not tags.target_tags.multi_output:
                estimator = MultiOutputRegressor(estimator)
            elif tags.classifier_tags and not tags.classifier_tags.multi_label:
                estimator = OneVsRestClassifier(estimator)
        if is_classifier(estimator) and targets.ndim == 1 and self.target_class is None and len(set(targets)) == 1:
            estimator = DummyClassifier()  # a fold without the rare class, from which many estimators do not learn
        return estimator.fit(self.features(train.inputs), targets)

    def predict(self, model: Any, inputs: Any, task: Task) -> np.ndarray:
        """(n, classes) float32 probabilities, a class that was in no training row 0; or (n,) float32 numbers."""
        from sklearn.base import is_classifier

        if not is_classifier(model):
            return np.asarray(model.predict(self.features(inputs)), np.float32)
        known_probs, known = model.predict_proba(self.features(inputs)), model.classes_
        if self.target_class is not None:
            return task.expand(known_probs[:, list(known).index(True)].astype(np.float32), self.target_class)
        probs = np.zeros((len(known_probs), len(task.classes)), np.float32)
        probs[:, np.asarray(known, int)] = known_probs
        return probs

    def features(self, inputs: Any) -> Any:
        """What the estimator sees."""
        return features(inputs)

    def estimator(self) -> Any:
        """Raise `UserError` for parameters that it does not have."""
        try:
            return self.build().set_params(**dict(self.parameters))
        except ValueError as error:
            raise UserError(f"parameters={self.parameters}: {str(error).splitlines()[0]}") from error

    def specialised(self, of: int, versus: int | None) -> Self:
        return replace(self, target_class=of, versus=versus)

    def search_space(self, trial: Any) -> Self:
        """What `tabular.SPACES` knows of the estimator and of its parts; itself where that is nothing."""
        space = space_of(self.estimator())
        chosen = {path: limits.suggest(trial, name) for path, (name, limits) in space.items()}
        return replace(self, parameters=tuple(sorted((dict(self.parameters) | chosen).items()))) if chosen else self


def features(inputs: Any) -> Any:
    """What the estimator sees of structured rows (n,) or images (n, h, w[, c]), uint8 or uint16."""
    if isinstance(inputs, EncodedImages):
        raise UserError("images of different sizes make no table; resize them to one size in the competition's load")
    if isinstance(inputs, Joined):
        raise UserError('an estimator sees one table; declare sees="images" or sees="table"')
    if not inputs.dtype.names:
        white = full(inputs.dtype) if inputs.dtype.kind == "u" else 255
        return np.asarray(inputs).reshape(len(inputs), -1).astype(np.float32) / white
    import pandas as pd

    return pd.DataFrame({name: np.array(inputs[name]) for name in inputs.dtype.names})


def seeded(estimator: Any, context: Context) -> Any:
    """Also with as many threads as the fold has; raise `UserError` where it could not give probabilities."""
    from sklearn.base import is_classifier

    if is_classifier(estimator) and not hasattr(estimator, "predict_proba"):
        raise UserError(
            f"{estimator} gives no probabilities (predict_proba); wrap it in CalibratedClassifierCV, or take another"
        )
    seed = int(np.random.SeedSequence([context.seed, context.fold]).generate_state(1)[0])
    np.random.seed(seed)  # for what draws from numpy's own numbers: a KFold inside a search is not an estimator
    chosen = {}
    for name, value in estimator.get_params(deep=True).items():
        last = name.rpartition("__")[2]
        if last == "random_state":
            chosen[name] = seed
        if last == "n_jobs" and (value or 1) != context.threads:  # None is one thread; some warn when it is spelled out
            chosen[name] = context.threads
    return estimator.set_params(**chosen)
