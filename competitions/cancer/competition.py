"""Cancer: whether a tumour is malignant, from measurements of its cell nuclei. Accuracy; a missed case costs ten.

The images of such cells are a competition of their own, `cytology`.
"""

from competitions.cancer import models
from competitions.cancer.data import CLASSES, FILE, load, wisconsin_sample
from harness.competition import Competition
from harness.data.sources import File, MadeSample
from harness.data.splits import labels, stratified_grouped
from harness.ensemble import blend
from harness.metrics import ROCAUC, Accuracy, Cost
from harness.models.sklearn import Sklearn
from harness.tasks.classification import Classification

COSTS = ((0, 1), (10, 0))  # benign taken for malignant: one more examination; malignant taken for benign: a missed case

everything = {
    "logistic": Sklearn(models.logistic),
    "boosting": Sklearn(models.boosting),
    "trees": Sklearn(models.trees),
    "kernel": Sklearn(models.kernel),
    "committee": Sklearn(models.committee),
}

competition = Competition(
    name="cancer",
    task=Classification(CLASSES),
    metric=Accuracy(CLASSES),
    reported=(ROCAUC(CLASSES), Cost(CLASSES, COSTS)),
    sources=(File(FILE), MadeSample(wisconsin_sample)),
    load=load,
    split=stratified_grouped(by=labels, folds=5),
    models=everything,
    ensemble=blend(*everything),
    default=tuple(everything),
)
