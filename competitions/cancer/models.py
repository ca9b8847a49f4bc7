"""Estimators for a table of measurements, by scikit-learn; each function imports what it needs."""

from typing import Any


def logistic(strength: float = 0.3) -> Any:
    """Logistic regression on standardised measurements. strength: the inverse of the penalty."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))


def boosting(depth: int = 3, rounds: int = 200, rate: float = 0.08) -> Any:
    """Gradient boosting on histograms."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_depth=depth, max_iter=rounds, learning_rate=rate, max_features=0.3)


def trees(count: int = 400) -> Any:
    """Extremely randomised trees."""
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(n_estimators=count)


def kernel(penalty: float = 5.0) -> Any:
    """A support vector machine with a Gaussian kernel, its probabilities calibrated on folds of the training rows."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    machine = CalibratedClassifierCV(SVC(C=penalty, gamma=0.02), ensemble=False)
    return make_pipeline(StandardScaler(), machine)


def committee() -> Any:
    """The mean of three that err differently. Weights that nobody fitted cannot be overfitted: 450 rows are few."""
    from sklearn.ensemble import VotingClassifier

    return VotingClassifier([("logistic", logistic()), ("boosting", boosting()), ("kernel", kernel())], voting="soft")
