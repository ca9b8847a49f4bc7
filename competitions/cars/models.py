"""Estimators for a table of numbers, by scikit-learn; each function imports what it needs."""

from typing import Any


def boosting() -> Any:
    """Stochastic gradient boosting (Friedman 2002): every small tree sees half of the rows and of the columns."""
    from sklearn.ensemble import GradientBoostingRegressor

    small = {"n_estimators": 300, "max_depth": 4, "learning_rate": 0.03, "min_samples_leaf": 3}
    return on_numbers(GradientBoostingRegressor(**small, subsample=0.5, max_features=0.5))


def histograms() -> Any:
    """Gradient boosting on histograms, the fast one: for ten thousand rows and more."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    small = {"max_iter": 300, "max_leaf_nodes": 8, "learning_rate": 0.03, "min_samples_leaf": 3}
    return on_numbers(HistGradientBoostingRegressor(**small, max_features=0.5))


def trees() -> Any:
    """Extremely randomised trees (Geurts et al. 2006)."""
    from sklearn.ensemble import ExtraTreesRegressor

    return on_numbers(ExtraTreesRegressor(n_estimators=300, max_features=0.7))


def kernel_ridge() -> Any:
    """Ridge regression on the similarity to every training row; its two numbers are chosen on inner folds."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.model_selection import GridSearchCV, KFold
    from sklearn.preprocessing import StandardScaler

    grid = {"alpha": [0.01, 0.03, 0.1, 0.3, 1.0], "gamma": [0.003, 0.01, 0.03, 0.1]}
    chosen = GridSearchCV(KernelRidge(kernel="rbf"), grid, scoring="neg_mean_squared_error", cv=KFold(5, shuffle=True))
    return on_numbers(TransformedTargetRegressor(chosen, transformer=StandardScaler()))  # it has no intercept


def committee() -> Any:
    """The mean of three that err differently. Weights that nobody fitted cannot be overfitted: 300 rows are few."""
    from sklearn.ensemble import VotingRegressor

    return VotingRegressor([("ridge", kernel_ridge()), ("boosting", boosting()), ("trees", trees())])


def on_numbers(regressor: Any) -> Any:
    """Standardised columns of numbers, a missing value as the mean; text (the name of a car) is left out."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return make_pipeline(make_column_transformer((numbers, make_column_selector(dtype_include="number"))), regressor)
