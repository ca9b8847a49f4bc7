"""The names by which people ask for a metric, and the expression that a declaration needs: `find("auc", task)`."""

import re
from dataclasses import dataclass, replace

from harness.errors import UserError, nearest

CLASSIFICATION, MULTILABEL, REGRESSION = "classification", "multilabel", "regression"
SEGMENTATION, DETECTION = "segmentation", "detection"
TASKS = (CLASSIFICATION, MULTILABEL, REGRESSION, SEGMENTATION, DETECTION)
EITHER = (CLASSIFICATION, MULTILABEL)

NUMBERS = {  # what may stand in a name where an alias has the key: only what the metric takes
    "<k>": r"([1-9]\d*)",
    "<beta>": r"([1-9]\d*(?:\.\d+)?|0?\.\d*[1-9])",
    "<q>": r"(0?\.\d*[1-9])",
    "<iou>": r"(0?\.[5-9][05]?)",
    "<overlap>": r"(0?\.[1-4][05]?)",
}


@dataclass(frozen=True)
class MetricName:
    """One metric under its names.

    names: the first is the canonical one; any case, with spaces, dashes and underscores or without, and with numbers
    in the place of the keys of `NUMBERS`. tasks: of `TASKS`. needs: what submissions carry, "labels" or
    "probabilities". expression: Python, of `CLASSES` and of names of harness.metrics; {} is the number, where the name
    has one. default: the number of a name without one.
    """

    names: tuple[str, ...]
    tasks: tuple[str, ...]
    needs: str
    expression: str
    default: str = ""

    @property
    def examples(self) -> tuple[str, ...]:
        """The names as one may type them, with the default for the number."""
        return tuple(re.sub("<.*?>", self.default, name) for name in self.names)

    @property
    def title(self) -> str:
        """The canonical name: "ROC AUC", "MAP@5"."""
        return self.examples[0]

    @property
    def imports(self) -> dict[str, str]:
        """What the expression needs beside `CLASSES`, and the module that has it: {"ROCAUC": "harness.metrics"}."""
        return {self.expression.partition("(")[0]: "harness.metrics"}

    def asked(self, name: str) -> str | None:
        """The expression with the number of this name, or None where the name is another metric's."""
        for known in self.names:
            pattern = re.escape(plain(known))
            for placeholder, number in NUMBERS.items():
                pattern = pattern.replace(re.escape(placeholder), number)
            if match := re.fullmatch(pattern, plain(name)):
                return self.expression.format(match.group(1) if match.groups() else self.default)
        return None


def find(name: str, task: str) -> MetricName:
    """The metric that this name means for a task, one of `TASKS`; raise `UserError` where it means none.

    >>> find("Log-Loss", "classification").expression, find("map@5", "classification").expression
    ('LogLoss(CLASSES)', 'MAPatK(CLASSES, k=5)')
    >>> find("f1", "multilabel").expression, find("f1", "classification").imports
    ('SampleF(CLASSES)', {'MacroF1': 'harness.metrics'})
    """
    if task not in TASKS:
        raise UserError(f"{task!r} is not a kind of task{nearest(task, TASKS)}; there are {', '.join(TASKS)}")
    fitting = [entry for entry in METRICS if task in entry.tasks]
    for entry in fitting:
        if (expression := entry.asked(name)) is not None:
            return replace(entry, expression=expression)
    others = sorted({other for entry in METRICS if entry.asked(name) is not None for other in entry.tasks})
    known = ", ".join(entry.title for entry in fitting)
    if others:
        raise UserError(f"METRIC={name} is a metric of {' and '.join(others)}, not of {task}; that has {known}")
    close = nearest(name.lower(), (example.lower() for entry in fitting for example in entry.examples))
    raise UserError(f"METRIC={name} is not a metric of {task}{close}; there are {known}")


def tasks_of(name: str) -> set[str]:
    """The tasks for which this name means a metric; raise `UserError` with the nearest name where it means none."""
    tasks = {task for entry in METRICS if entry.asked(name) is not None for task in entry.tasks}
    if not tasks:
        known = {plain(example): example for entry in METRICS for example in entry.examples}
        raise UserError(f"METRIC={name} is not known{nearest(plain(name), known)}; docs/catalogue.md lists all metrics")
    return tasks


def plain(name: str) -> str:
    """Lower case, without spaces, dashes and underscores.

    >>> plain("Log-Loss") == plain("log loss") == plain("LOG_LOSS")
    True
    """
    return re.sub(r"[\s_-]+", "", name.lower())


METRICS = (
    # labels
    MetricName(("accuracy", "acc", "subset accuracy", "exact match"), EITHER, "labels", "Accuracy(CLASSES)"),
    MetricName(("micro F1", "f1 micro", "mean f1", "mean f score"), (CLASSIFICATION,), "labels", "Accuracy(CLASSES)"),
    MetricName(("balanced accuracy", "mean recall"), (CLASSIFICATION,), "labels", "BalancedAccuracy(CLASSES)"),
    MetricName(("macro F1", "f1", "f1 score", "f1 macro"), (CLASSIFICATION,), "labels", "MacroF1(CLASSES)"),
    MetricName(("macro F1", "f1 macro"), (MULTILABEL,), "labels", "MacroF1(CLASSES)"),
    MetricName(
        ("macro F<beta>", "f<beta> macro", "f<beta>", "f<beta> score"),
        (CLASSIFICATION,),
        "labels",
        "MacroF(CLASSES, beta={})",
        "2",
    ),
    MetricName(("macro F<beta>", "f<beta> macro"), (MULTILABEL,), "labels", "MacroF(CLASSES, beta={})", "2"),
    MetricName(
        ("mean F1", "samples f1", "sample f1", "f1 samples", "f1", "f1 score", "mean f score"),
        (MULTILABEL,),
        "labels",
        "SampleF(CLASSES)",
    ),
    MetricName(
        ("mean F<beta>", "samples f<beta>", "sample f<beta>", "f<beta>", "f<beta> score"),
        (MULTILABEL,),
        "labels",
        "SampleF(CLASSES, beta={})",
        "2",
    ),
    MetricName(("precision", "macro precision"), EITHER, "labels", "Precision(CLASSES)"),
    MetricName(("recall", "macro recall", "sensitivity"), EITHER, "labels", "Recall(CLASSES)"),
    MetricName(
        ("quadratic weighted kappa", "qwk", "quadratic kappa", "kappa", "weighted kappa"),
        (CLASSIFICATION,),
        "labels",
        "QuadraticKappa(CLASSES)",
    ),
    MetricName(
        ("MCC", "matthews", "matthews correlation", "matthews correlation coefficient"),
        (CLASSIFICATION,),
        "labels",
        "MCC(CLASSES)",
    ),
    # probabilities
    MetricName(
        ("log loss", "cross entropy", "multiclass log loss", "binary log loss", "mean columnwise log loss"),
        EITHER,
        "probabilities",
        "LogLoss(CLASSES)",
    ),
    MetricName(
        ("balanced log loss", "weighted log loss", "weighted multiclass log loss"),
        (CLASSIFICATION,),
        "probabilities",
        "LogLoss(CLASSES, balanced=True)",
    ),
    MetricName(
        ("ROC AUC", "auc", "auroc", "auc roc", "area under the roc curve", "mean columnwise auc"),
        EITHER,
        "probabilities",
        "ROCAUC(CLASSES)",
    ),
    MetricName(("Gini", "normalized gini", "normalised gini"), EITHER, "probabilities", "Gini(CLASSES)"),
    MetricName(
        ("PR AUC", "auc pr", "auprc", "average precision", "ap"), EITHER, "probabilities", "AveragePrecision(CLASSES)"
    ),
    MetricName(("Brier", "brier score"), EITHER, "probabilities", "Brier(CLASSES)"),
    MetricName(
        ("top <k>", "top <k> accuracy", "top k accuracy", "top k"), EITHER, "probabilities", "TopK(CLASSES, k={})", "5"
    ),
    MetricName(
        ("MAP@<k>", "map<k>", "mapk", "map@k", "map", "mean average precision"),
        EITHER,
        "probabilities",
        "MAPatK(CLASSES, k={})",
        "5",
    ),
    # numbers
    MetricName(
        ("RMSE", "root mean squared error", "mcrmse", "mean columnwise rmse"), (REGRESSION,), "labels", "RMSE()"
    ),
    MetricName(
        ("RMSLE", "root mean squared logarithmic error", "root mean squared log error", "mean columnwise rmsle"),
        (REGRESSION,),
        "labels",
        "RMSLE()",
    ),
    MetricName(("MAE", "mean absolute error"), (REGRESSION,), "labels", "MAE()"),
    MetricName(("MAPE", "mean absolute percentage error"), (REGRESSION,), "labels", "MAPE()"),
    MetricName(("SMAPE", "symmetric mean absolute percentage error"), (REGRESSION,), "labels", "SMAPE()"),
    MetricName(("R2", "r squared", "r2 score", "coefficient of determination"), (REGRESSION,), "labels", "R2()"),
    MetricName(
        ("pinball <q>", "pinball loss <q>", "quantile <q>", "quantile loss <q>", "pinball loss", "quantile loss"),
        (REGRESSION,),
        "labels",
        "Pinball({})",
        "0.5",
    ),
    # masks
    MetricName(("Dice", "mean dice", "dice coefficient"), (SEGMENTATION,), "labels", "MeanDice(CLASSES)"),
    MetricName(
        ("mIoU", "mean iou", "iou", "jaccard", "intersection over union"), (SEGMENTATION,), "labels", "MeanIoU(CLASSES)"
    ),
    MetricName(("image IoU", "mean image iou", "image jaccard"), (SEGMENTATION,), "labels", "MeanImageIoU(CLASSES)"),
    MetricName(
        ("Dice and Hausdorff", "dice hausdorff", "mean dice and 3d hausdorff distance", "uw madison"),
        (SEGMENTATION,),
        "labels",
        "DiceHausdorff(CLASSES)",
    ),
    MetricName(
        ("F<beta> IoU", "object f<beta>", "f<beta>", "f<beta> score"),
        (SEGMENTATION,),
        "labels",
        "ObjectF(CLASSES, beta={})",
        "2",
    ),
    MetricName(
        ("mean precision", "object precision", "dsb", "map", "mean average precision"),
        (SEGMENTATION,),
        "labels",
        "ObjectPrecision(CLASSES)",
    ),
    MetricName(
        ("mask precision", "tgs", "salt"), (SEGMENTATION,), "labels", "ObjectPrecision(CLASSES, connected=False)"
    ),
    # boxes
    MetricName(
        ("mAP", "coco map", "map 50-95", "map@50-95", "map@0.5:0.95", "map@.5:.95", "mean average precision"),
        (DETECTION,),
        "probabilities",
        "MeanAveragePrecision(CLASSES)",
    ),
    MetricName(("mAP50", "map@50"), (DETECTION,), "probabilities", "MeanAveragePrecision(CLASSES, iou=0.5)"),
    MetricName(("mAP75", "map@75"), (DETECTION,), "probabilities", "MeanAveragePrecision(CLASSES, iou=0.75)"),
    MetricName(("mAP@<iou>",), (DETECTION,), "probabilities", "MeanAveragePrecision(CLASSES, iou={})", "0.5"),
    MetricName(
        ("VOC mAP", "voc", "pascal voc", "open images map", "open images"),
        (DETECTION,),
        "probabilities",
        "VOCAveragePrecision(CLASSES)",
    ),
    MetricName(
        ("VOC mAP@<overlap>", "pascal voc map@<overlap>", "map@<overlap>"),  # COCO's has no overlap below 0.5
        (DETECTION,),
        "probabilities",
        "VOCAveragePrecision(CLASSES, iou={})",
        "0.4",
    ),
    MetricName(
        ("wheat mAP", "wheat", "box precision", "mean precision"),
        (DETECTION,),
        "probabilities",
        "BoxPrecision(CLASSES)",
    ),
)
