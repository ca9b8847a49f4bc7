"""What a page shows of predictions beside the score; `diagnostics(task)` chooses by the kind of prediction."""

from functools import singledispatch
from typing import Any

from harness.report.diagnostics.box_diagnostics import BoxDiagnostics
from harness.report.diagnostics.defaults import Diagnostics
from harness.report.diagnostics.label_diagnostics import LabelDiagnostics, NumberDiagnostics
from harness.report.diagnostics.mask_diagnostics import MaskDiagnostics
from harness.report.diagnostics.overlap_diagnostics import OverlapDiagnostics
from harness.tasks.classification import Classification
from harness.tasks.detection import Detection
from harness.tasks.regression import Regression
from harness.tasks.segmentation import Segmentation

__all__ = ["Diagnostics", "diagnostics"]


@singledispatch
def diagnostics(task: Any) -> Diagnostics:
    """The diagnostics of a task; one that registers none has the defaults."""
    return Diagnostics(task)


diagnostics.register(Classification, LabelDiagnostics)
diagnostics.register(Segmentation, lambda task: (OverlapDiagnostics if task.multilabel else MaskDiagnostics)(task))
diagnostics.register(Detection, BoxDiagnostics)
diagnostics.register(Regression, NumberDiagnostics)
