"""Cars: the horsepower of a car, from what else is known of it. RMSE; models of any kind."""

from competitions.cars import models
from competitions.cars.data import diabetes_sample, load
from competitions.cars.linear import Linear
from harness.competition import Competition
from harness.data.sources import File, MadeSample
from harness.data.splits import quantile_bins, stratified_grouped
from harness.ensemble import blend
from harness.metrics import MAE, R2, RMSE
from harness.models import Learner
from harness.models.sklearn import Sklearn
from harness.tasks.regression import Regression

everything: dict[str, Learner] = {
    "linear": Linear(),  # the course project: gradient descent on numpy, with all columns and with the best one
    "linear_one": Linear(columns=1),
    "kernel_ridge": Sklearn(models.kernel_ridge),
    "boosting": Sklearn(models.boosting),
    "trees": Sklearn(models.trees),
    "committee": Sklearn(models.committee),
    "histograms": Sklearn(models.histograms),
}

competition = Competition(
    name="cars",
    task=Regression("horsepower"),
    metric=RMSE(),
    reported=(MAE(), R2()),
    sources=(File("auto_mpg.csv"), MadeSample(diabetes_sample)),
    load=load,
    split=stratified_grouped(by=quantile_bins, folds=5),
    models=everything,
    ensemble=blend(*everything),
    default=("linear", "linear_one", "kernel_ridge", "boosting", "trees", "committee"),
)
