"""`make new FROM=`: what is recognised in a host's files, what is asked where two readings are possible."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.data.run_lengths import RunLengths
from harness.errors import UserError
from harness.new_competition.host_files import Host, Options
from harness.new_competition.new_declaration import declaration
from harness.new_competition.reading import Reading
from harness.new_competition.recognise import recognise
from harness.new_competition.unpack import bring

ROWS = range(24)


def png(seed: int = 0, size: tuple[int, int] = (8, 12), mask: np.ndarray | None = None) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 60, (*size, 3), dtype=np.uint8)
    if mask is not None:
        pixels[mask] += 150
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def table(*rows: object) -> bytes:
    return "\n".join(",".join(map(str, row)) if isinstance(row, tuple) else str(row) for row in rows).encode()


def looked_at(raw: Path, files: dict[str, bytes], **options: str) -> tuple[Reading, str]:
    """What is recognised, and the declaration's source."""
    for name, content in files.items():
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_bytes(content)
    host = Host.read(raw, Options(**{"metric": "accuracy", **options}))
    reading = recognise(host)
    source = declaration("it", "It", host.sample or "", reading)
    compile(source, "competition.py", "exec")
    return reading, source


def images(folder: str, names: list[str]) -> dict[str, bytes]:
    return {f"{folder}/{name}.png": png(k) for k, name in enumerate(names)}


TITANIC = {
    "train.csv": table("PassengerId,Survived,Age,Sex", *((k, k % 2, 20 + k, "fm"[k % 2]) for k in ROWS)),
    "test.csv": table("PassengerId,Age,Sex", *((100 + k, 20 + k, "fm"[k % 2]) for k in ROWS)),
    "gender_submission.csv": table("PassengerId,Survived", *((100 + k, 0) for k in ROWS)),
}


def test_a_table_with_ids_and_a_label(tmp_path: Path) -> None:
    reading, source = looked_at(tmp_path, TITANIC)
    assert (reading.kind, reading.classes, reading.cells) == ("classification", ("0", "1"), "Label('Survived')")
    assert reading.keys == {"PassengerId": "{id}"}
    assert "csv_table(" in source and 'id="PassengerId"' in source and 'test=raw / "test.csv"' in source
    assert looked_at(tmp_path, {}, metric="auc")[0].cells == "Probability('Survived')"


def test_the_metric_decides_between_labels_and_numbers(tmp_path: Path) -> None:
    files = {
        "train.csv": table("id,x,grade", *((k, k, k % 4) for k in ROWS)),
        "test.csv": table("id,x", *((k, k) for k in ROWS)),
        "sample_submission.csv": table("id,grade", *((k, 0) for k in ROWS)),
    }
    assert looked_at(tmp_path, files, metric="qwk")[0].kind == "classification"
    reading, _ = looked_at(tmp_path, files, metric="rmse")
    assert (reading.kind, reading.cells) == ("regression", "Numbers(('grade',), least=0)")
    with pytest.raises(UserError, match=r"METRIC=rmsee .*did you mean rmse"):
        looked_at(tmp_path, files, metric="rmsee")


def test_row_numbers_are_ids_where_nothing_else_is(tmp_path: Path) -> None:
    pixels = ",".join(f"pixel{k}" for k in range(64))
    row = ",".join(["7"] * 64)
    files = {
        "train.csv": table(f"label,{pixels}", *(f"{k % 3},{row}" for k in ROWS)),
        "test.csv": table(pixels, *(row for _ in ROWS)),
        "sample_submission.csv": table("ImageId,Label", *((k + 1, 0) for k in ROWS)),
    }
    reading, source = looked_at(tmp_path, files)
    assert (reading.shape, reading.keys) == ((8, 8), {"ImageId": "{id}"})
    assert "pixels_in_csv(" in source and "first_row=1" in source


def test_repeated_columns_without_an_id(tmp_path: Path) -> None:
    rows = [(f"a {k % 3} b c d", "x" if k % 4 else "") for k in ROWS]
    files = {
        "train.csv": table("Bad,Text,Date", *((k % 2, *row) for k, row in enumerate(rows))),
        "test.csv": table("Text,Date", *rows),
        "sample_submission_null.csv": table("Bad,Text,Date", *((0, *row) for row in rows)),
    }
    reading, source = looked_at(tmp_path, files, metric="auc")
    assert reading.keys == {"Text": "{Text}", "Date": "{Date}"}
    assert 'columns=("Bad", "Text", "Date")' in source


def test_images_beside_a_table_a_probability_a_class(tmp_path: Path) -> None:
    known, asked = [f"a{k}" for k in ROWS], [f"b{k}" for k in ROWS]
    files = images("train", known) | images("test", asked)
    files["labels.csv"] = table("image,kind", *((name, ("cat", "dog", "fox")[k % 3]) for k, name in enumerate(known)))
    files["sample_submission.csv"] = table("image,p_fox,p_cat,p_dog", *((name, 1, 0, 0) for name in asked))
    reading, source = looked_at(tmp_path, files, metric="log loss")
    assert (reading.kind, reading.classes) == ("classification", ("fox", "cat", "dog"))
    assert reading.cells == "Probabilities(('p_fox', 'p_cat', 'p_dog'))"
    assert 'files_named(asked_ids(raw / SAMPLE, "image"), raw / "test")' in source


def test_deep_images_of_several_bands_are_declared_with_how_networks_see_them(tmp_path: Path) -> None:
    known, asked = [f"a{k}" for k in ROWS], [f"b{k}" for k in ROWS]
    files = {}
    for name in [*(f"train/{name}" for name in known), *(f"test/{name}" for name in asked)]:
        out = io.BytesIO()
        np.save(out, np.arange(64 * 48 * 5, dtype=np.uint16).reshape(64, 48, 5) % 4000)
        files[f"{name}.npy"] = out.getvalue()
    files["labels.csv"] = table("image,kind", *((name, ("wheat", "rye")[k % 2]) for k, name in enumerate(known)))
    files["sample_submission.csv"] = table("image,kind", *((name, "rye") for name in asked))
    reading, source = looked_at(tmp_path, files)
    assert reading.shape == (64, 48)
    assert "channels=5,test=" in "".join(source.split())
    assert np.allclose(reading.look["mean"], 0.4825, atol=0.001)  # of 0 to 3999 three times, and 0 to 3359
    assert f"channels=5,mean={reading.look['mean']},std=".replace(" ", "") in "".join(source.split())
    for name in files:
        if name.endswith(".npy"):
            Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)).save(tmp_path / f"{name[:-4]}.png")
            (tmp_path / name).unlink()
    reading, source = looked_at(tmp_path, {})
    assert "channels=" not in source
    assert reading.look["mean"] == (0.5,)
    assert "mean=(0.5,)" in source


def test_several_labels_in_a_cell_and_in_columns(tmp_path: Path) -> None:
    known, asked = [f"a{k}.png" for k in ROWS], [f"b{k}.png" for k in ROWS]
    files = {f"train/{name}": png() for name in known} | {f"test/{name}": png() for name in asked}
    cells = ["rust", "scab", "rust scab", "healthy"]
    files["train.csv"] = table("image,labels", *((name, cells[k % 4]) for k, name in enumerate(known)))
    files["sample_submission.csv"] = table("image,labels", *((name, "healthy") for name in asked))
    reading, _ = looked_at(tmp_path / "cell", files, metric="mean f1")
    assert (reading.kind, reading.cells) == ("multilabel", "Labels('labels')")
    assert reading.classes == ("healthy", "rust", "scab")
    files["train.csv"] = (
        table("image,rust,scab", *((name, k % 2, k % 3 == 0) for k, name in enumerate(known)))
        .replace(b"True", b"1")
        .replace(b"False", b"0")
    )
    files["sample_submission.csv"] = table("image,rust,scab", *((name, 0.5, 0.5) for name in asked))
    reading, _ = looked_at(tmp_path / "columns", files, metric="auc")
    assert (reading.kind, reading.classes, reading.cells) == ("multilabel", ("rust", "scab"), "Probabilities()")


def test_class_folders_and_two_samples_of_which_one_asks_for_more(tmp_path: Path) -> None:
    files = {f"train/{kind}/{kind}{k}.png": png(k) for kind in ("ant", "bee") for k in range(8)}
    files |= images("test_a", [f"y{k}" for k in range(4)]) | images("test_b", [f"x{k}" for k in range(4)])
    first = [f"y{k}.png" for k in range(4)]
    second = [f"test_b/x{k}.png" for k in range(4)]
    files["sample_stage1.csv"] = table("image,ant,bee", *((name, 0.5, 0.5) for name in first))
    files["sample_stage2.csv"] = table("image,ant,bee", *((name, 0.5, 0.5) for name in [*first, *second]))
    reading, source = looked_at(tmp_path, files, metric="log loss")
    assert reading.classes == ("ant", "bee") and 'SAMPLE = "sample_stage2.csv"' in source
    assert 'raw / "test_a", raw / "test_b"' in source


def test_several_images_of_a_patient_are_one_row(tmp_path: Path) -> None:
    pairs = [(f"{k:03d}_{i}", f"{k:03d}") for k in ROWS for i in range(1 + k % 2)]
    files = images("train", [name for name, _ in pairs]) | images("test", [f"9{name}" for name, _ in pairs])
    files["train.csv"] = table("image_id,patient_id,label", *((*pair, "AB"[int(pair[1]) % 2]) for pair in pairs))
    files["test.csv"] = table("image_id,patient_id", *((f"9{name}", f"9{patient}") for name, patient in pairs))
    files["sample_submission.csv"] = table("patient_id,A,B", *((f"9{k:03d}", 0.5, 0.5) for k in ROWS))
    reading, source = looked_at(tmp_path, files, metric="weighted log loss")
    assert reading.keys == {"patient_id": "{id}"} and 'row="patient_id"' in source


def test_what_tables_say_of_images_is_learned_from_too(tmp_path: Path) -> None:
    """But not who the patient is, what the test lacks, what never changes, and texts of one row each."""
    known, asked = [f"a{k}" for k in ROWS], [f"b{k}" for k in ROWS]
    files = images("train", known) | images("test", asked)

    def said(k: int, name: str) -> tuple[object, ...]:
        return name, f"p{k // 2}", 20 + k, "fm"[k % 2], 3, f"taken by {name}"

    known_rows = ((*said(k, name), "mole", k % 3 % 2) for k, name in enumerate(known))
    files["train.csv"] = table("image,patient_id,age,sex,year,note,diagnosis,target", *known_rows)
    files["test.csv"] = table("image,patient_id,age,sex,year,note", *(said(k, name) for k, name in enumerate(asked)))
    files["sample_submission.csv"] = table("image,target", *((name, 0) for name in asked))
    reading, source = looked_at(tmp_path, files, metric="auc")
    assert (reading.beside, reading.needs[:2]) == (("age", "sex"), ["train.csv", "test.csv"])
    assert 'columns=("age", "sex")' in source and 'test_table=raw / "test.csv"' in source
    assert 'group="patient_id"' in source and "Timm(" in source and "Sklearn(boosted_labels)" in source
    reading, source = looked_at(tmp_path, files, metric="rmse", task="regression")
    assert 'Sklearn(trees_numbers, sees="images")' in source and "tta=" not in source


@pytest.mark.parametrize("by_columns", [True, False])
def test_run_lengths_a_line_for_every_class(by_columns: bool, tmp_path: Path) -> None:
    coding, files, rows = RunLengths(by_columns), dict[str, bytes](), list[tuple[str, str]]()
    for k in ROWS:
        mask = np.zeros((8, 12), bool)
        mask[1:3, 2 + k % 3 : 9] = True
        files[f"train/a{k}.png"], files[f"test/b{k}.png"] = png(k, mask=mask), png(k)
        rows += [(f"a{k}.png_1", coding.encode(mask)), (f"a{k}.png_2", "")]
    files["train.csv"] = table("Image_Class,Pixels", *rows)
    files["sample_submission.csv"] = table(
        "Image_Class,Pixels", *((f"b{k}.png_{c}", "1 1") for k in ROWS for c in (1, 2))
    )
    reading, source = looked_at(tmp_path, files, metric="dice")
    assert (reading.kind, reading.classes) == ("segmentation", ("background", "1", "2"))
    assert reading.keys == {"Image_Class": "{id}_{class}"}
    assert f"by_columns={by_columns}" in source


def test_where_the_order_of_pixels_cannot_be_told_it_is_asked(tmp_path: Path) -> None:
    files = {f"{part}/{part}{k}.png": png(k, (8, 8)) for part in ("train", "test") for k in ROWS}
    files["train.csv"] = table("id,rle", *((f"train{k}", "9 3 17 3") for k in ROWS))
    files["sample_submission.csv"] = table("id,rle", *((f"test{k}", "1 1") for k in ROWS))
    with pytest.raises(UserError, match="PIXELS=columns or PIXELS=rows"):
        looked_at(tmp_path, files, metric="dice")
    assert "by_columns=True" in looked_at(tmp_path, files, metric="dice", pixels="columns")[1]


def test_masks_in_files_beside_images_of_the_same_names(tmp_path: Path) -> None:
    files, mask = dict[str, bytes](), np.zeros((8, 12), np.uint8)
    mask[2:5, 3:7] = 255
    out = io.BytesIO()
    Image.fromarray(mask).save(out, "PNG")
    for k in ROWS:
        files |= {
            f"train/images/a{k}.png": png(k),
            f"train/masks/a{k}.png": out.getvalue(),
            f"test/images/b{k}.png": png(k),
        }
    files["sample_submission.csv"] = table("id,rle_mask", *((f"b{k}", "1 1") for k in ROWS))
    with pytest.raises(UserError, match="PIXELS=columns or PIXELS=rows"):
        looked_at(tmp_path, files, metric="dice")
    reading, source = looked_at(tmp_path, {}, metric="dice", pixels="columns")
    assert reading.classes == ("background", "object") and "values=(0, 255)" in source
    assert 'images_and_masks(\n        raw / "train/images",\n        raw / "train/masks"' in source


def nuclei() -> dict[str, bytes]:
    """As the 2018 Data Science Bowl: a folder for every image, and in those of train a mask for every object."""
    files, mask = dict[str, bytes](), np.zeros((8, 12), np.uint8)
    mask[2:5, 3:7] = 255
    out = io.BytesIO()
    Image.fromarray(mask).save(out, "PNG")
    for k in ROWS:
        files[f"stage1_train/a{k}/images/a{k}.png"], files[f"stage1_test/b{k}/images/b{k}.png"] = png(k), png(k)
        files |= {f"stage1_train/a{k}/masks/{k}f{part}.png": out.getvalue() for part in range(k % 3)}
    files["stage1_sample_submission.csv"] = table("ImageId,EncodedPixels", *((f"b{k}", "") for k in ROWS))
    return files


def test_a_mask_file_for_every_object(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="PIXELS=columns or PIXELS=rows"):
        looked_at(tmp_path, nuclei(), metric="dsb")
    reading, source = looked_at(tmp_path, {}, metric="dsb", pixels="columns")
    assert reading.classes == ("background", "object")
    assert reading.cells == "Runs('EncodedPixels', RUNS, each_object=True)"
    assert 'images_and_objects(\n        raw / "stage1_train"' in source and "stage1_test" in source
    large = {"stage1_train/z/images/z.png": png(1, (16, 16))}
    reading, source = looked_at(tmp_path, large, metric="dsb", pixels="columns")
    assert reading.shape == () and "crop=(32, 32)" in source


def test_a_table_of_objects_beside_their_mask_files_tells_the_order_of_pixels(tmp_path: Path) -> None:
    files, rows = nuclei(), list[tuple[str, str]]()
    for k in ROWS:
        masks = np.zeros((2, 8, 12), bool)
        masks[0, 1:3, 2:5], masks[1, 3:6, 2 + k % 4 : 9] = True, True
        files[f"stage1_train/a{k}/images/a{k}.png"] = png(k, mask=masks.any(0))
        rows += [(f"a{k}", RunLengths(by_columns=True).encode(mask)) for mask in masks]
    files["stage1_train_labels.csv"] = table("ImageId,EncodedPixels", *rows)
    reading, source = looked_at(tmp_path, files, metric="dsb")
    assert reading.cells == "Runs('EncodedPixels', RUNS, each_object=True)"
    assert "images_and_runs(" in source and "apart=True" in source and "by_columns=True" in source


@pytest.mark.parametrize(
    ("sizes", "shape", "crop"),
    [
        (((8, 12),), "CLASSES, (8, 12), layout", ""),
        (((520, 40),), "CLASSES, (520, 40), layout", "crop=(256, 64)"),  # steps of 32, up to 256
        (((8, 12), (40, 70), (40, 66)), "CLASSES, layout", "crop=(64, 96)"),  # the median is 40 x 66
    ],
    ids=["small", "large", "several"],
)
def test_networks_see_crops_of_large_images_and_of_several_sizes(
    sizes: tuple[tuple[int, int], ...], shape: str, crop: str, tmp_path: Path
) -> None:
    files, rows, coding = dict[str, bytes](), list[tuple[str, str]](), RunLengths(True)
    for k in ROWS:
        mask = np.zeros(sizes[k % len(sizes)], bool)
        mask[1:6, 2 + k % 3 : 9] = True
        files |= {f"train/a{k}.png": png(k, mask.shape, mask), f"test/b{k}.png": png(k, mask.shape)}
        rows.append((f"a{k}", coding.encode(mask)))
    files["train.csv"] = table("ImageId,EncodedPixels", *rows)
    files["sample_submission.csv"] = table("ImageId,EncodedPixels", *((f"b{k}", "1 1") for k in ROWS))
    _, source = looked_at(tmp_path, files, metric="dice")
    assert shape in source
    assert crop in source if crop else "crop" not in source


def test_run_lengths_and_masks_in_files_are_told_by_the_images(tmp_path: Path) -> None:
    """As TGS Salt: train/images and train/masks hold files of the same names, and a table has the same masks."""
    coding, files, rows = RunLengths(True), dict[str, bytes](), list[tuple[str, str]]()
    for k in ROWS:
        mask = np.zeros((8, 12), bool)
        mask[1:3, 2 + k % 3 : 9] = True
        files |= {f"train/images/a{k}.png": png(k, mask=mask), f"train/masks/a{k}.png": png(k)}
        files[f"test/images/b{k}.png"] = png(k)
        rows.append((f"a{k}", coding.encode(mask) if k % 2 else ""))
    files["train.csv"] = table("id,rle_mask", *rows)
    files["sample_submission.csv"] = table("id,rle_mask", *((f"b{k}", "1 1") for k in ROWS))
    _, source = looked_at(tmp_path, files, metric="tgs")
    assert 'raw / "train/images"' in source and "by_columns=True" in source


def test_boxes_in_columns_with_classes_as_shares(tmp_path: Path) -> None:
    files = images("train", [f"a{k}" for k in ROWS]) | images("test", [f"b{k}" for k in ROWS])
    boxes = ((f"a{k}", "/m/x" if k % 2 else "/m/y", 0.1, 0.5, 0.2, 0.9) for k in ROWS)
    files["train-bbox.csv"] = table("ImageID,LabelName,XMin,XMax,YMin,YMax", *boxes)
    files["sample_submission.csv"] = table("ImageId,PredictionString", *((f"b{k}", "/m/x 0.5 0 0 1 1") for k in ROWS))
    reading, source = looked_at(tmp_path, files, metric="open images")
    assert (reading.kind, reading.classes) == ("detection", ("/m/x", "/m/y"))
    assert 'Boxes("PredictionString", "class score x1 y1 x2 y2", texts=CLASSES, shares=True)' in source
    assert 'box=("XMin", "YMin", "XMax", "YMax")' in source


# -- asked, where two readings are possible ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "options", "why"),
    [
        ({"gender_submission.csv": b"id,x"}, {}, "no column of gender_submission.csv"),
        ({"other_submission.csv": table("PassengerId,Survived", (7, 0))}, {}, "SAMPLE=gender_submission.csv or "),
        ({}, {"sample": "gender_submision.csv"}, r"SAMPLE=.* did you mean gender_submission\.csv"),
        ({}, {"target": "Surviving"}, r"no column 'Surviving'.*Survived"),
        ({}, {"group": "Famly"}, "no column 'Famly'"),
        ({"gender_submission.csv": table("PassengerId,Answer", *((100 + k, 0) for k in ROWS)),
          "train.csv": table("PassengerId,Survived,Cabin,Age,Sex", *((k, k % 2, k, 1, "f") for k in ROWS))}, {},
         "TARGET= and one of Survived, Cabin"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_an_error_with_the_option(changed, options, why: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=why):
        looked_at(tmp_path, TITANIC | changed, **options)


# -- the files ---------------------------------------------------------------------------------------------------------


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_zips_in_a_zip_are_unpacked_and_litter_is_left_out(tmp_path: Path) -> None:
    inner = {"train.zip": zipped({"a.png": b"1", "b.png": b"2", "__MACOSX/._a.png": b"x"})}
    inner |= {
        "test.zip": zipped({"test/c.png": b"3"}),
        "train.csv.zip": zipped({"train.csv": b"4"}),
        "x/y.zip": zipped({"z": b"5"}),
    }
    (tmp_path / "all.zip").write_bytes(zipped({f"comp/{name}": content for name, content in inner.items()}))
    bring(str(tmp_path / "all.zip"), None, tmp_path / "raw")
    files = {file.relative_to(tmp_path / "raw").as_posix() for file in (tmp_path / "raw").rglob("*") if file.is_file()}
    assert files == {"train/a.png", "train/b.png", "test/c.png", "train.csv", "x/z"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "does not exist"),
        (b"id,x", "neither a folder nor an archive"),
        (zipped({"a.zip": b"PK"}), "cannot be unpacked"),
    ],
    ids=["none", "a table", "broken"],
)
def test_what_cannot_be_brought_leaves_nothing(content: bytes | None, why: str, tmp_path: Path) -> None:
    origin = tmp_path / ("it.csv" if content == b"id,x" else "it.zip")
    if content is not None:
        origin.write_bytes(content)
    with pytest.raises(UserError, match=why):
        bring(str(origin), None, tmp_path / "data" / "raw")
    assert not (tmp_path / "data").exists() or list((tmp_path / "data").iterdir()) == []
