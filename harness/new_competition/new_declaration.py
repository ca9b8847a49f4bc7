"""The text of competitions/<name>/competition.py from what was recognised."""

import re
import subprocess
import sys
from collections.abc import Mapping

from harness.new_competition.reading import Reading, as_source

MODULES = {
    "Competition": "harness.competition",
    "Dataset": "harness.data.samples",
    "File": "harness.data.sources",
    "Kaggle": "harness.data.sources",
    "RunLengths": "harness.data.run_lengths",
    "Layout": "harness.tasks.layout",
    "Runs": "harness.tasks.mask_cells",
    "Boxes": "harness.tasks.box_cells",
    "Classification": "harness.tasks.classification",
    "Regression": "harness.tasks.regression",
    "Segmentation": "harness.tasks.segmentation",
    "Detection": "harness.tasks.detection",
    "Augment": "harness.models.augment",
    "Timm": "harness.models.timm",
    "Smp": "harness.models.smp",
    "Yolo": "harness.models.yolo.detector",
    "Sklearn": "harness.models.sklearn",
    "Muon": "harness.models.optim",
    **dict.fromkeys(("Best", "Flags", "Label", "Labels", "Numbers"), "harness.tasks.cells"),
    **dict.fromkeys(("Probabilities", "Probability"), "harness.tasks.cells"),
    **dict.fromkeys(("binary_cross_entropy", "cross_entropy", "dice"), "harness.models.losses"),
    **dict.fromkeys(("boosted_labels", "boosted_numbers", "linear_labels", "linear_numbers"), "harness.models.tabular"),
    **dict.fromkeys(("trees_labels", "trees_numbers", "words_labels", "words_numbers"), "harness.models.tabular"),
    **dict.fromkeys(
        (
            *("labels", "labels_in_masks", "labels_of_boxes", "quantile_bins", "sets_in_masks"),
            *("stratified_grouped", "time_ordered"),
        ),
        "harness.data.splits",
    ),
    **dict.fromkeys(
        ("asked_ids", "class_folders", "csv_table", "files_named", "images_and_boxes", "images_and_csv"),
        "harness.data.formats",
    ),
    **dict.fromkeys(
        ("images_and_masks", "images_and_objects", "images_and_runs", "pixels_in_csv", "rows_named"),
        "harness.data.formats",
    ),
    **dict.fromkeys(("classes_in_names", "files_matched", "part_of_id"), "harness.data.formats"),
}
MOST_LISTED, CLASS_FILE = 40, "classes.txt"  # more classes are lines of a file beside the declaration
STRATIFY = {"segmentation": "labels_in_masks", "detection": "labels_of_boxes", "regression": "quantile_bins"}


def declaration(name: str, title: str, sample: str, reading: Reading, slug: str | None = None) -> str:
    """Python source, formatted, with its imports."""
    classes, coding = f"CLASSES = {reading.classes!r}", f"RUNS = {reading.coding}"
    if len(reading.classes) > MOST_LISTED:
        classes = f'CLASSES = tuple((Path(__file__).parent / "{CLASS_FILE}").read_text(encoding="utf-8").splitlines())'
    paths = reading.paths and "PATHS = (" + ", ".join(map(as_source, reading.paths)) + ")"
    parts = [classes if reading.classes else "", sample and f"SAMPLE = {sample!r}", reading.coding and coding, paths]
    body = "\n".join(filter(None, parts))
    models = models_of(reading)
    several = ", multilabel=True)" if reading.overlap else ")"  # of the metric, which ends so
    folds = 3 if reading.kind == "detection" else 5  # a detector learns slowly
    lines = [
        body,
        "",
        "",
        "def load(raw: Path) -> Dataset:",
        f"    return {reading.load}",
        "",
        "",
        "models = {",
        *(f"    {key!r}: {value}," for key, value in models.items()),
        "}",
        "",
        "competition = Competition(",
        f"    name={name!r},",
        f"    task={task_of(reading)},",
        f"    metric={reading.metric.expression.removesuffix(')')}{several},",
        f"    sources=({sources_of(reading, slug)},),",
        "    load=load,",
        f"    split={split_of(reading, folds)},",
        "    models=models,",
        *([f"    tta={views},"] if (views := tta_of(reading)) else []),
        *(["    sample=SAMPLE,"] if sample else []),
        ")",
    ]
    source = "\n".join(lines)
    head = f'"""{title}: {reading.what}. {reading.metric.title}."""'
    return formatted(f"{head}\n\n{imports_of(source, reading.metric.imports)}\n\n{source}\n")


def task_of(reading: Reading) -> str:
    keys = "" if reading.keys == {"id": "{id}"} else f", {reading.keys!r}"
    default = (*reading.keys, *(name for name in reading.columns if name not in reading.keys))
    columns = "" if reading.columns in (default, ()) else f", columns={reading.columns!r}"
    layout = f"Layout({reading.cells}{keys}{columns})"
    if reading.kind == "regression":
        return f"Regression({reading.target!r}, {layout})"
    if reading.kind == "segmentation":
        shape = f", {tuple(reading.shape)!r}" if reading.shape else ""
        several = ", multilabel=True" if reading.overlap else ""
        return f"Segmentation(CLASSES{shape}, layout={layout}{several})"
    if reading.kind == "detection":
        return f"Detection(CLASSES, {layout})"
    return f"Classification(CLASSES, {layout}{', multilabel=True' if reading.kind == 'multilabel' else ''})"


def split_of(reading: Reading, folds: int) -> str:
    if reading.time:
        return f"time_ordered(by={reading.time!r}, folds={folds}{f', gap={reading.gap:g}' if reading.gap else ''})"
    strata = "sets_in_masks" if reading.overlap else STRATIFY.get(reading.kind, "labels")
    return f"stratified_grouped(by={strata}, folds={folds})"


def sources_of(reading: Reading, slug: str | None) -> str:
    files = f"File({', '.join(repr(path) for path in reading.needs)})"
    return f"{files}, Kaggle({slug!r})" if slug else files


def tta_of(reading: Reading) -> str:
    """Views of photographs; of digits and letters a mirrored one is another, and numbers have no views."""
    of_images = reading.shape or reading.kind in ("detection", "segmentation")
    if reading.kind == "regression" or not of_images:
        return ""
    return "" if reading.load.startswith("pixels_in_csv") else '("hflip",)'


def models_of(reading: Reading) -> dict[str, str]:
    """Two that see differently, from scratch, of a size that trains on a laptop; of images and a table one each."""
    epochs = int(min(60, max(8, 40 * 500 / max(reading.rows, 1))))
    if reading.kind == "segmentation":
        crop = {"crop": tuple(reading.crop)} if reading.crop else {}
        look = "".join(f"{name}={value!r}, " for name, value in ({"channels": 3} | reading.look | crop).items())
        options = f"{look}epochs={min(epochs, 30)}, lr=2e-3, batch=8"
        pixels = "binary_cross_entropy" if reading.overlap else "cross_entropy"
        learned = f"loss={pixels} + dice, augment=Augment(hflip=0.5)"
        return {"unet": f'Smp("Unet", encoder="tu-resnet10t", {options}, {learned})'}
    if reading.kind == "detection":
        imgsz = min(max(-(-max(reading.shape) // 32) * 32, 64), 320)
        return {"nano": f'Yolo(model="yolo11n", imgsz={imgsz}, epochs=56, batch=8, optimizer=Muon())'}
    if reading.shape:
        if reading.kind == "regression" and reading.beside:
            return {"trees": 'Sklearn(trees_numbers, sees="images")', "boosting": "Sklearn(boosted_numbers)"}
        if reading.kind == "regression":
            return {"trees": "Sklearn(trees_numbers)"}
        flip = "" if reading.load.startswith("pixels_in_csv") else "hflip=0.5, "
        loss = "loss=binary_cross_entropy, " if reading.kind == "multilabel" else ""
        augment = f"augment=Augment({flip}rotate=10, brightness=0.1)"
        look = "".join(f"{name}={value!r}, " for name, value in reading.look.items())
        network = f'Timm("resnet10t", {look}epochs={epochs}, lr=2e-3, batch=16, {loss}{augment})'
        if reading.beside:
            return {"network": network, "boosting": "Sklearn(boosted_labels)"}
        small = reading.shape[0] * reading.shape[1] <= 48 * 48 and reading.kind == "classification"
        return {"network": network} | ({"trees": "Sklearn(trees_labels)"} if small else {})
    of = "numbers" if reading.kind == "regression" else "labels"
    names = ("words", "boosted") if reading.texts else ("boosted", "linear")
    return {name.replace("boosted", "boosting"): f"Sklearn({name}_{of})" for name in names}


def imports_of(source: str, of_metric: Mapping[str, str]) -> str:
    """Of everything that the source names."""
    modules: dict[str, set[str]] = {}
    for name, module in {**MODULES, **of_metric}.items():
        if re.search(rf"(?<![\w'\".]){name}\b(?!['\"=])", source):
            modules.setdefault(module, set()).add(name)
    ours = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(modules.items())]
    return "\n".join(["from pathlib import Path", "", *ours])


def formatted(source: str) -> str:
    """As `make check` wants it."""
    ruff = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "120", "-"]
    return subprocess.run(ruff, input=source, capture_output=True, text=True, check=True).stdout  # noqa: S603
