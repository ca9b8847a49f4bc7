"""Compare the mAP of a finished run's out-of-fold boxes by our metric with pycocotools.

python -m tests.benchmarks.oof_boxes bccd
"""

import sys

import numpy as np

from harness.competition import find
from harness.report.last_run import last_run
from tests.support.coco import average_precisions


def main(name: str) -> None:
    run = last_run(find(name))
    truth, predicted, classes = run.oof.targets, run.predictions.decided, len(run.competition.task.classes)
    ours = run.competition.metric.by_class(run.competition.metric.statistics(truth, predicted))
    theirs = np.nanmean(average_precisions(truth, predicted, classes), axis=0)
    apart = np.abs(theirs - list(ours.values()))
    for (label, score), other in zip(ours.items(), theirs, strict=True):
        print(f"{label:20} {score:.12f} {other:.12f}")
    print(f"{len(truth)} images, {len(predicted.flat)} boxes; largest difference {np.nanmax(apart):.1e}")


if __name__ == "__main__":
    main(sys.argv[1])
