"""Ready estimators for `Sklearn` on any table: numbers with missing values, and text, which is taken as kinds."""

from typing import Any


def boosted_numbers() -> Any:
    """Gradient boosting (Ke et al. 2017, in scikit-learn's words: histograms) for a number."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return _after(_ordered_text(), HistGradientBoostingRegressor(learning_rate=0.06, max_iter=200))


def boosted_labels() -> Any:
    """The same for labels."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return _after(_ordered_text(), HistGradientBoostingClassifier(learning_rate=0.06, max_iter=200))


def linear_numbers() -> Any:
    """Ridge regression on standardised columns, its strength by cross-validation."""
    from sklearn.linear_model import RidgeCV

    return _after(_columns_of_ones(), RidgeCV(alphas=(0.01, 0.1, 1.0, 10.0, 100.0)))


def linear_labels() -> Any:
    """Logistic regression on standardised columns."""
    from sklearn.linear_model import LogisticRegression

    return _after(_columns_of_ones(), LogisticRegression(max_iter=1000))


def _after(columns: Any, estimator: Any) -> Any:
    from sklearn.pipeline import make_pipeline

    return make_pipeline(columns, estimator)


def _ordered_text() -> Any:
    """Numbers as they are, missing ones too; text as its place in the alphabet, unknown text as missing."""
    from sklearn.preprocessing import OrdinalEncoder

    nan = float("nan")
    return _by_kind("passthrough", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=nan))


def _columns_of_ones() -> Any:
    """Numbers standardised, missing ones as the mean; text as a column of 0 and 1 for every kind."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    return _by_kind(numbers, OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5))


def _by_kind(numbers: Any, text: Any) -> Any:
    from sklearn.compose import make_column_selector, make_column_transformer

    return make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")), (text, make_column_selector(dtype_exclude="number"))
    )
