"""Aquarium: which of seven kinds of animals are in an image, and where. Mean average precision as COCO has it."""

from dataclasses import replace

from competitions.aquarium.data import CLASSES, load, make_sample
from harness.competition import Competition
from harness.data.sources import File, MadeSample
from harness.data.splits import Holdout, labels_of_boxes, stratified_grouped
from harness.ensemble import blend
from harness.metrics import MeanAveragePrecision
from harness.models.optim import AdamW, Muon
from harness.models.yolo.detector import Yolo
from harness.tasks.detection import Detection

# From random weights, two sizes. Small batches and Muon learn most per step, mosaics help even a short schedule, and in
# the same minutes more epochs on small images find no less (README, "What was measured").
nano = Yolo(model="yolo11n", imgsz=224, epochs=100, batch=8, optimizer=Muon())
small = replace(nano, model="yolo11s", epochs=70, fewest_epochs=35)  # before that, its minutes serve nano more

# The detector of the course projects.
tiny3 = replace(nano, model="yolov3-tiny")

# Where weights/yolo11n.pt and weights/yolo11s.pt are: trained on COCO, so a gentler rate.
nano_coco = replace(nano, pretrained=True, imgsz=640, lr=5e-4, epochs=30, optimizer=AdamW())
small_coco = replace(nano_coco, model="yolo11s")

models = {"nano": nano, "small": small, "tiny3": tiny3, "nano_coco": nano_coco, "small_coco": small_coco}

competition = Competition(
    name="aquarium",
    task=Detection(CLASSES),
    metric=MeanAveragePrecision(CLASSES),
    reported=(MeanAveragePrecision(CLASSES, iou=0.5),),
    sources=(File("train", "test_a", "test_b"), MadeSample(make_sample)),
    load=load,
    holdout=Holdout(fraction=0.2, public=0.4),
    split=stratified_grouped(by=labels_of_boxes, folds=3),
    models=models,
    ensemble=blend(*models),
    default=("nano", "small"),
    tta=("hflip", "scale_up"),
)
