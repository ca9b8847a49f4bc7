"""Estimators for a table of measurements, by scikit-learn; each function imports what it needs."""

from typing import Any


def logistic() -> Any:
    """Logistic regression on standardised measurements."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000))


def boosting() -> Any:
    """Gradient boosting on histograms."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_depth=3, max_iter=200, learning_rate=0.08, max_features=0.3)


def trees() -> Any:
    """Extremely randomised trees."""
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(n_estimators=400)


def kernel() -> Any:
    """A support vector machine with a Gaussian kernel, its probabilities calibrated on folds of the training rows."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    machine = CalibratedClassifierCV(SVC(C=5.0, gamma=0.02), ensemble=False)
    return make_pipeline(StandardScaler(), machine)


def committee() -> Any:
    """The mean of three that err differently. Weights that nobody fitted cannot be overfitted: 450 rows are few."""
    from sklearn.ensemble import VotingClassifier

    return VotingClassifier([("logistic", logistic()), ("boosting", boosting()), ("kernel", kernel())], voting="soft")
