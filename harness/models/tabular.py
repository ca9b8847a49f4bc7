"""Estimators for `Sklearn`: ready ones for any table (numbers with missing values, text as kinds), and their spaces."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


def boosted_numbers() -> Any:
    """Gradient boosting on histograms (Ke et al. 2017) for a number."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return boosted(HistGradientBoostingRegressor(learning_rate=0.06, max_iter=200))


def boosted_labels() -> Any:
    """Gradient boosting on histograms for labels."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return boosted(HistGradientBoostingClassifier(learning_rate=0.06, max_iter=200))


def linear_numbers() -> Any:
    """Ridge regression on standardised columns, its strength by cross-validation."""
    from sklearn.linear_model import RidgeCV

    return linear(RidgeCV(alphas=(0.01, 0.1, 1.0, 10.0, 100.0)))


def linear_labels() -> Any:
    """Logistic regression on standardised columns."""
    from sklearn.linear_model import LogisticRegression

    return linear(LogisticRegression(max_iter=1000))


def trees_labels() -> Any:
    """Extremely randomised trees (Geurts et al. 2006): quick, and good where rows are few or images small."""
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(400)


def trees_numbers() -> Any:
    """The same for a number, or several."""
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(400)


def layer_labels() -> Any:
    """One hidden layer on standardised columns (Kingma and Ba 2015), for labels."""
    from sklearn.neural_network import MLPClassifier

    return linear(MLPClassifier(hidden_layer_sizes=(64,), alpha=1.0, learning_rate_init=3e-3, max_iter=1000))


def layer_numbers() -> Any:
    """The same for a number, or several."""
    from sklearn.neural_network import MLPRegressor

    return linear(MLPRegressor(hidden_layer_sizes=(64,), alpha=1.0, learning_rate_init=3e-3, max_iter=1000))


def words_labels() -> Any:
    """Logistic regression on the words and pieces of words of text (TF-IDF), and on standardised numbers."""
    from sklearn.linear_model import LogisticRegression

    return of_words(LogisticRegression(C=10, max_iter=1000))


def words_numbers() -> Any:
    """Ridge regression on the same, for a number or several."""
    from sklearn.linear_model import Ridge

    return of_words(Ridge(alpha=1.0))


def of_words(estimator: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True)
    text = make_pipeline(FunctionTransformer(joined), make_union(words, pieces))
    numbers = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    return _by_kind(numbers, text, estimator)


def joined(columns: Any) -> Any:
    """(n,) text of all columns of a frame, a space between them."""
    return columns.agg(" ".join, axis=1)


def boosted(estimator: Any) -> Any:
    """Numbers as they are, missing ones too; text as its place in the alphabet, unknown text as missing."""
    from sklearn.preprocessing import OrdinalEncoder

    nan = float("nan")
    return _by_kind("passthrough", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=nan), estimator)


def linear(estimator: Any) -> Any:
    """Numbers standardised, missing ones as the mean; text as a column of 0 and 1 for every kind."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    return _by_kind(numbers, OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5), estimator)


def _by_kind(numbers: Any, text: Any, estimator: Any) -> Any:
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.pipeline import make_pipeline

    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")), (text, make_column_selector(dtype_exclude="number"))
    )
    return make_pipeline(columns, estimator)


# -- what a search varies ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Limits:
    """log: spread evenly over orders of magnitude. whole: of whole numbers."""

    low: float
    high: float
    log: bool = True
    whole: bool = False

    def suggest(self, trial: Any, name: str) -> float:
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


HISTOGRAMS = {
    "learning_rate": Limits(0.01, 0.3),
    "max_leaf_nodes": Limits(4, 64, whole=True),
    "min_samples_leaf": Limits(2, 40, whole=True),
    "l2_regularization": Limits(1e-3, 10),
}
BOOSTING = {
    "learning_rate": Limits(0.01, 0.3),
    "max_depth": Limits(2, 6, log=False, whole=True),
    "min_samples_leaf": Limits(1, 20, whole=True),
    "subsample": Limits(0.4, 1, log=False),
}
TREES = {"max_features": Limits(0.2, 1, log=False), "min_samples_leaf": Limits(1, 10, whole=True)}
MACHINE = {"C": Limits(0.1, 100), "gamma": Limits(1e-3, 1)}
LAYERS = {"alpha": Limits(1e-6, 0.1), "learning_rate_init": Limits(3e-4, 1e-2)}
NEIGHBOURS = {"n_neighbors": Limits(1, 30, whole=True)}

# By the name of the class, so that nothing is imported. Inputs are taken to be standardised, or in 0..1.
SPACES: Mapping[str, Mapping[str, Limits]] = {
    "HistGradientBoostingClassifier": HISTOGRAMS,
    "HistGradientBoostingRegressor": HISTOGRAMS,
    "GradientBoostingClassifier": BOOSTING,
    "GradientBoostingRegressor": BOOSTING,
    "RandomForestClassifier": TREES,
    "RandomForestRegressor": TREES,
    "ExtraTreesClassifier": TREES,
    "ExtraTreesRegressor": TREES,
    "SVC": MACHINE,
    "SVR": MACHINE,
    "MLPClassifier": LAYERS,
    "MLPRegressor": LAYERS,
    "KNeighborsClassifier": NEIGHBOURS,
    "KNeighborsRegressor": NEIGHBOURS,
    "KernelRidge": {"alpha": Limits(1e-3, 10), "gamma": Limits(1e-3, 1)},
    "LogisticRegression": {"C": Limits(1e-3, 100)},
    "Ridge": {"alpha": Limits(1e-3, 1e3)},
    "Lasso": {"alpha": Limits(1e-4, 1)},
    "ElasticNet": {"alpha": Limits(1e-4, 1), "l1_ratio": Limits(0.05, 0.95, log=False)},
}


def space_of(estimator: Any) -> dict[str, tuple[str, Limits]]:
    """The search space of an estimator and its parts: parameter path -> (shortest unique name, limits).

    What lies inside an estimator that searches by itself (`GridSearchCV`) is left to it.
    """
    inside = {f"{name}__": type(part).__name__ for name, part in estimator.get_params(deep=True).items()}
    kinds = {"": type(estimator).__name__} | inside  # what the paths of a part's parameters begin with -> its class
    of_others = tuple(start for start, kind in kinds.items() if kind.endswith("SearchCV"))
    limits_of = {
        start + parameter: limits
        for start, kind in kinds.items()
        if not start.startswith(of_others)
        for parameter, limits in SPACES.get(kind, {}).items()
    }
    end_of = {path: path.rpartition("__")[2] for path in limits_of}
    often = Counter(end_of.values())
    return {path: (end_of[path] if often[end_of[path]] == 1 else path, limits_of[path]) for path in limits_of}
