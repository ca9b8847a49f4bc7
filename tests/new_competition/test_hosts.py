"""Well-known competitions in their hosts' formats: what `make new` takes and reads, and what goes back to the host.

The checker of official files is independent: pandas and the sample submission alone.
"""

import csv
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

import competitions
import harness
from harness.competition import find
from harness.data.samples import Dataset
from harness.errors import UserError
from harness.new_competition.host_files import Host, Options
from harness.new_competition.new_declaration import declaration
from harness.new_competition.reading import Reading
from harness.new_competition.recognise import recognise
from tests.new_competition import hosts_pictures as pictures
from tests.new_competition import hosts_tables as tables
from tests.support.checkout import Checkout


class Taken(NamedTuple):
    """What is taken of a host: by which metric, and parts of the declaration."""

    make: Callable[[Path], None]
    metric: str
    task: str  # as it stands in the declaration, without its imports
    load: tuple[str, ...] = ()  # parts of the call that reads
    rows: tuple[int, int] = (0, 0)  # labelled, and asked for
    options: Mapping[str, str] = MappingProxyType({})


HOSTS = {
    "titanic": Taken(tables.titanic, "accuracy", 'Layout(Label("Survived"), {"PassengerId": "{id}"})',
                     ('id="PassengerId"',), (150, 70)),
    "house prices": Taken(tables.house_prices, "rmsle", 'Layout(Numbers(("SalePrice",), least=0), {"Id": "{id}"})',
                          ('id="Id"',), (160, 80)),
    "give me some credit": Taken(tables.give_me_some_credit, "auc",
                                 'Layout(Probability("Probability"), {"Id": "{id}"})',
                                 ("first_row=1", 'target="SeriousDlqin2yrs"'), (180, 80)),
    "porto seguro": Taken(tables.porto_seguro, "gini", 'Layout(Probability("target"))', (), (140, 140)),
    "icr": Taken(tables.icr, "balanced log loss", 'Layout(Probabilities(("class_0", "class_1")), {"Id": "{id}"})',
                 ('target="Class"',), (140, 60)),
    "spaceship titanic": Taken(tables.spaceship_titanic, "accuracy",
                               'Layout(Label("Transported", CLASSES), {"PassengerId": "{id}"})',
                               (r'group=part_of_id("(.+)_")',), (110, 37), {"group": "(.+)_"}),
    "sf crime": Taken(tables.sf_crime, "log loss", 'Layout(Probabilities(), {"Id": "{id}"})',
                      ('test_id="Id"', 'drop=["Descript", "Resolution"]'), (160, 80)),
    "bike sharing": Taken(tables.bike_sharing, "rmsle", 'Layout(Numbers(("count",), least=0), {"datetime": "{id}"})',
                          ('drop=["casual", "registered"]',), (228, 108)),
    "store sales": Taken(tables.store_sales, "rmsle", 'Layout(Numbers(("sales",), least=0))', (), (225, 45)),
    "walmart": Taken(tables.walmart, "mae",
                     'Layout(Numbers(("Weekly_Sales",), least=0), {"Id": "{Store}_{Dept}_{Date}"})', (), (180, 60)),
    "feedback prize": Taken(tables.feedback_prize, "mcrmse", '{"text_id": "{id}"}', (), (140, 40)),
    "toxic comments": Taken(tables.toxic_comments, "auc", "Layout(Probabilities()), multilabel=True",
                            ("target=CLASSES",), (180, 80)),
    "movie reviews": Taken(tables.movie_reviews, "accuracy", 'Layout(Label("Sentiment"), {"PhraseId": "{id}"})',
                           ('group="SentenceId"', 'raw / "train.tsv"'), (140, 60), {"group": "sentenceid"}),
    "mercari": Taken(tables.mercari, "rmsle", 'Layout(Numbers(("price",), least=0), {"test_id": "{id}"})',
                     ('id="train_id"', 'test_id="test_id"'), (150, 70)),
    "whats cooking": Taken(tables.whats_cooking, "accuracy", 'Layout(Label("cuisine", CLASSES))',
                           ('raw / "train.json"',), (110, 50)),
    "iceberg": Taken(tables.iceberg, "log loss", 'Layout(Probability("is_iceberg"))',
                     ('pixels=("band_1", "band_2")',), (40, 20)),
    "mechanisms of action": Taken(tables.mechanisms_of_action, "log loss",
                                  'Layout(Probabilities(), {"sig_id": "{id}"})',
                                  ('raw / "train_features.csv"', 'answers=raw / "train_targets_scored.csv"'),
                                  (110, 50)),
    "dog breed": Taken(pictures.dog_breed, "log loss", "Layout(Probabilities())", ("size=(32, 32)",), (72, 28)),
    "plant seedlings": Taken(pictures.plant_seedlings, "micro f1",
                             'Layout(Label("species", CLASSES), {"file": "{id}"})',
                             ("class_folders(",), (66, 24)),
    "cassava": Taken(pictures.cassava, "accuracy", 'Layout(Label("label"), {"image_id": "{id}"})', (), (66, 24)),
    "cifar": Taken(pictures.cifar, "accuracy", 'Layout(Label("label", CLASSES))', (), (90, 40)),
    "dogs vs cats": Taken(pictures.dogs_vs_cats, "log loss", 'Layout(Probability("label"))',
                          ("classes_in_names(", r'label=part_of_id(r"^([A-Za-z]+)[ ._-]?\d+")'), (60, 24),
                          {"class_": "dog"}),
    "state farm": Taken(pictures.state_farm, "log loss", 'Layout(Probabilities(), {"img": "{id}"})',
                        ('group="subject"',), (80, 28)),
    "plant pathology": Taken(pictures.plant_pathology, "auc", 'Layout(Probabilities(), {"image_id": "{id}"})',
                             ("target=CLASSES",), (66, 24)),
    "retinopathy": Taken(pictures.retinopathy, "qwk", 'Layout(Label("level"), {"image": "{id}"})',
                         (r'group=part_of_id(r"(\d+)_")',), (72, 28), {"group": r"(\d+)_"}),
    "planet": Taken(pictures.planet, "f2", 'Layout(Labels("tags"), {"image_name": "{id}"}), multilabel=True',
                    ('raw / "test-jpg", raw / "test-jpg-additional"',), (80, 30)),
    "imet": Taken(pictures.imet, "f2", 'Layout(Labels("attribute_ids")), multilabel=True', (), (72, 28)),
    "humpback": Taken(pictures.humpback, "map@5", 'Layout(Best(5, "Id"), {"Image": "{id}"})', (), (76, 24)),
    "hotel id": Taken(pictures.hotel_id, "map@5", 'Layout(Best(5, "hotel_id"), {"image_id": "{id}"})',
                      ("class_folders(",), (76, 24)),
    "protein atlas": Taken(pictures.protein_atlas, "macro f1", 'Layout(Labels("Predicted"), {"Id": "{id}"})',
                           ('files_matched(raw / "train", *PATHS)',), (40, 20)),
    "haemorrhage": Taken(pictures.haemorrhage, "log loss", 'Layout(Probability("Label"), {"ID": "{id}_{class}"})',
                         ('key="{id}_{class}"',), (50, 20)),
    "tgs salt": Taken(pictures.tgs_salt, "tgs", 'Runs("rle_mask", RUNS)', ('raw / "train/images"',), (66, 24)),
    "carvana": Taken(pictures.carvana, "dice", 'Runs("rle_mask", RUNS)',
                     ('group=part_of_id("^([^_]+)_")',), (56, 24), {"group": "^([^_]+)_"}),
    "uw madison": Taken(pictures.uw_madison, "dice", 'Runs("predicted", RUNS), {"id": "{id}", "class": "{class}"}',
                        ('label="class"', 'files_matched(raw / "train", *PATHS)'), (60, 24)),
    "clouds": Taken(pictures.clouds, "dice", 'Runs("EncodedPixels", RUNS), {"Image_Label": "{id}_{class}"}',
                    (), (42, 18)),
    "rsna pneumonia": Taken(pictures.rsna_pneumonia, "wheat",
                            'Layout(Boxes("PredictionString", "score x y w h"), {"patientId": "{id}"})',
                            ('box=("x", "y", "width", "height")',), (42, 18)),
    "vinbigdata": Taken(pictures.vinbigdata, "map@0.4",
                        'Boxes("PredictionString", "class score x1 y1 x2 y2", texts=CLASSES, none="14 1 0 0 1 1")',
                        ('label="class_id"',), (40, 14)),
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", HOSTS)


def looked_at(raw: Path, metric: str, **options: str) -> tuple[Host, Reading, str]:
    """What is recognised, and the declaration's source."""
    host = Host.read(raw, Options(metric, **options))
    reading = recognise(host)
    return host, reading, declaration("it", "It", "" if host.assumed else host.sample or "", reading)


def read(source: str, raw: Path) -> Dataset:
    """What the declaration's own `load` reads."""
    names: dict[str, object] = {}
    exec(compile(source, "competition.py", "exec"), names)
    return names["competition"].read(raw)  # type: ignore[attr-defined]


def close(source: str) -> str:
    """Without white space, and commas before a bracket."""
    return re.sub(r",(?=[)}\]])", "", re.sub(r"\s", "", source))


@EVERY
def test_a_host_s_folder_is_recognised_and_read(name: str, tmp_path: Path) -> None:
    taken = HOSTS[name]
    taken.make(tmp_path)
    host, reading, source = looked_at(tmp_path, taken.metric, **taken.options)
    for part in (taken.task, *taken.load):
        assert close(part) in close(source), source
    dataset = read(source, tmp_path)
    assert (len(dataset.labelled), len(dataset.official["test"])) == taken.rows
    asked = host.frame(host.sample)
    for column in [name for name, key in reading.keys.items() if key == "{id}"]:
        assert set(dataset.official["test"].ids.tolist()) == set(asked[column])


# -- what is asked, or refused in one sentence -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "metric", "options", "why"),
    [
        (pictures.dogs_vs_cats, "log loss", {}, "Say CLASS=cat or CLASS=dog"),
        (pictures.dogs_vs_cats, "log loss", {"class_": "cow"}, "Say CLASS=cat or CLASS=dog"),
        (pictures.retinopathy, "qwk", {"group": "(.+"}, "is not a regular expression"),
        (pictures.retinopathy, "qwk", {"group": r"(\d+)_top"}, "'10_left' has no part"),
        (pictures.retinopathy, "qwk", {"group": "(a)(b)"}, "2 pairs of parentheses"),
        (pictures.retinopathy, "qwk", {"group": "person"}, "no column 'person'"),
        (pictures.haemorrhage, "accuracy", {}, "METRIC= of probabilities"),
        (tables.facial_keypoints, "rmse", {}, "by RowId, which only IdLookupTable.csv lists.*TASK="),
    ],
)
def test_what_is_not_clear_is_an_error_with_the_option(make, metric: str, options, why: str, tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(UserError, match=why):
        looked_at(tmp_path, metric, **options)


@pytest.mark.parametrize(("class_", "layout"), [("dog", 'Probability("label")'), ("cat", 'Probability("label", of=0)')])
def test_of_two_classes_the_one_that_was_said_is_the_probable_one(class_: str, layout: str, tmp_path: Path) -> None:
    pictures.dogs_vs_cats(tmp_path)
    assert layout in looked_at(tmp_path, "log loss", class_=class_)[2]


def test_rows_later_than_all_of_train_make_a_split_in_time_with_the_gap_before_them(tmp_path: Path) -> None:
    tables.store_sales(tmp_path)
    assert 'split=time_ordered(by="date", folds=5),' in looked_at(tmp_path, "rmsle")[2]
    test = pd.read_csv(tmp_path / "test.csv")
    test[test["date"] >= "2017-07-25"].to_csv(tmp_path / "test.csv", index=False)
    sample = pd.read_csv(tmp_path / "sample_submission.csv")
    sample[-len(test[test["date"] >= "2017-07-25"]) :].to_csv(tmp_path / "sample_submission.csv", index=False)
    assert 'split=time_ordered(by="date", folds=5, gap=11),' in looked_at(tmp_path, "rmsle")[2]  # 14 to 25 July


def several_rows_an_id(folder: Path) -> None:
    """Monthly statements of a customer, and one answer for each: American Express."""
    rows = [[f"c{k // 3}", k % 3, k / 60] for k in range(60)]
    tables.table(folder / "train_data.csv", "customer_ID,S_2,P_2", rows[:45])
    tables.table(folder / "train_labels.csv", "customer_ID,target", [[f"c{k}", k % 2] for k in range(15)])
    tables.table(folder / "test_data.csv", "customer_ID,S_2,P_2", rows[45:])
    tables.table(folder / "sample_submission.csv", "customer_ID,prediction", [[f"c{k}", 0] for k in range(15, 20)])


def a_column_a_row(folder: Path) -> None:
    """Three answers for every image, each in a row: Bengali graphemes."""
    for k in range(12):
        pictures.save(folder / ("train" if k < 8 else "test") / f"I_{k}.png", np.full((8, 8), k, np.uint8))
    tables.table(folder / "train.csv", "image_id,root,vowel", [[f"I_{k}", k % 2, k % 3] for k in range(8)])
    asked = [[f"I_{k}_{name}", f"I_{k}", name] for k in range(8, 12) for name in ("root", "vowel")]
    tables.table(folder / "test.csv", "row_id,image_id,component", asked)
    tables.table(folder / "sample_submission.csv", "row_id,target", [[row[0], 0] for row in asked])


def names_of_two_columns(folder: Path) -> None:
    """train/1_2.png is the image 2 of the subject 1, and test/2.png has one number: nerves in ultrasound."""
    for k in range(1, 7):
        pictures.save(folder / "train" / f"1_{k}.png", np.full((8, 8), k, np.uint8))
        pictures.save(folder / "test" / f"{k}.png", np.full((8, 8), k, np.uint8))
    tables.table(folder / "train.csv", "subject,img,kind", [[1, k, "ab"[k % 2]] for k in range(1, 7)])
    tables.table(folder / "sample_submission.csv", "img,kind", [[k, "a"] for k in range(1, 7)])


def labels_of_annotations(folder: Path) -> None:
    """Folders of images whose names are not the labels, which a JSON of another form holds: herbarium sheets."""
    for k in range(12):
        pictures.save(folder / "train" / f"{k % 3:03d}" / f"{k}.png", np.full((8, 8), k, np.uint8))
        pictures.save(folder / "test" / f"t{k}.png", np.full((8, 8), k, np.uint8))
    (folder / "train" / "metadata.json").write_text('{"annotations": [{"id": 1, "category_id": 7}]}')
    tables.table(folder / "sample_submission.csv", "Id,Predicted", [[f"t{k}", 7] for k in range(12)])


@pytest.mark.parametrize(
    ("make", "metric", "why"),
    [
        (several_rows_an_id, "auc", r"test_data\.csv has 15 rows for 5 of customer_ID.*one of them"),
        (a_column_a_row, "accuracy", r"asks for root, vowel in rows of their own \(column component.*TASK="),
        (names_of_two_columns, "accuracy", r"train\.csv names images of the test, such as 1, .*TASK="),
        (labels_of_annotations, "accuracy", "are such as 7, but the classes of images would be 000.*TASK="),
    ],
)
def test_what_make_new_cannot_read_is_one_sentence(make, metric: str, why: str, tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(UserError, match=why) as refused:
        looked_at(tmp_path, metric)
    assert "\n" not in str(refused.value)


def test_many_classes_are_lines_of_a_file_beside_the_declaration(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(competitions, "__path__", [str(own_home / "competitions")])
    for k in range(150):
        pictures.save(tmp_path / "host" / "train" / f"kind {k % 50}" / f"{k}.png", np.full((8, 8), k, np.uint8))
    pictures.save(tmp_path / "host" / "test" / "a.png", np.zeros((8, 8), np.uint8))
    tables.table(tmp_path / "host" / "sample_submission.csv", "file,kind", [["a.png", "kind 7"]])
    harness.new("many", str(tmp_path / "host"), "accuracy", say=lambda line: None)
    declared = find("many")
    assert declared.task.classes == tuple(sorted(f"kind {k}" for k in range(50)))
    assert len((own_home / "competitions" / "many" / "competition.py").read_text().splitlines()) < 50
    dataset = declared.read(own_home / "data" / "many" / "raw")
    assert [declared.task.classes[c] for c in dataset.labelled.targets[:2]] == ["kind 0", "kind 1"]


def test_what_cannot_be_read_and_labels_that_train_lacks_are_said(tmp_path: Path) -> None:
    tables.whats_cooking(tmp_path)
    (tmp_path / "more.7z").write_bytes(b"7z")
    said = looked_at(tmp_path, "accuracy")[0].said
    assert said[0] == "not read: more.7z; unpack it with 7z and give the folder as FROM="
    assert any("the sample holds italian, no class" in line for line in said)


def test_without_labels_the_error_says_where_they_were_looked_for(tmp_path: Path) -> None:
    pictures.imet(tmp_path)
    (tmp_path / "train.csv").unlink()
    with pytest.raises(UserError, match=r"what is learned from\? None of labels\.csv, sample_submission\.csv"):
        looked_at(tmp_path, "f2")


# -- without a sample submission ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "metric", "layout", "load"),
    [
        (tables.titanic, "accuracy", 'Layout(Label("Survived"), {"PassengerId": "{id}"})', 'test=raw / "test.csv"'),
        (pictures.cassava, "accuracy", 'Layout(Label("label"), {"image_id": "{id}"})', 'test=raw / "test_images"'),
        (pictures.dog_breed, "log loss", "Layout(Probabilities())", 'test=raw / "test"'),
        (pictures.plant_seedlings, "accuracy", 'Layout(Label("label", CLASSES))', 'test=raw / "test"'),
        (pictures.tgs_salt, "tgs", 'Layout(Runs("rle_mask", RUNS))', 'test=raw / "test/images"'),
        (pictures.rsna_pneumonia, "wheat", 'Boxes("PredictionString", "score x y w h")',
         'test=raw / "stage_2_test_images"'),
        (pictures.plant_pathology, "auc", 'Layout(Probabilities(), {"image_id": "{id}"})',
         'test=files_named(asked_ids(raw / "test.csv", "image_id"), raw / "images")'),
    ],
)  # fmt: skip
def test_without_a_sample_the_layout_is_id_and_target(
    make, metric: str, layout: str, load: str, tmp_path: Path
) -> None:
    make(tmp_path)
    (sample,) = (file for file in tmp_path.iterdir() if re.search("sample|submission", file.name))
    rows = len(pd.read_csv(sample))
    sample.unlink()
    host, _, source = looked_at(tmp_path, metric)
    assert "SAMPLE" not in source and "sample=" not in source and "SAMPLE=" in host.said[0]
    assert close(layout) in close(source) and close(load) in close(source)
    assert len(read(source, tmp_path).official["test"]) == rows


def test_without_test_rows_there_is_no_official_part(tmp_path: Path) -> None:
    tables.titanic(tmp_path)
    for name in ("test.csv", "gender_submission.csv"):
        (tmp_path / name).unlink()
    _, _, source = looked_at(tmp_path, "accuracy", target="Survived")
    assert read(source, tmp_path).official == {}


def test_a_table_that_could_be_the_sample_is_asked_about(tmp_path: Path) -> None:
    tables.titanic(tmp_path)
    (tmp_path / "gender_submission.csv").rename(tmp_path / "solution.csv")
    with pytest.raises(UserError, match=r"solution\.csv names the rows of the test; say SAMPLE=solution\.csv"):
        looked_at(tmp_path, "accuracy")
    assert 'SAMPLE = "solution.csv"' in looked_at(tmp_path, "accuracy", sample="solution.csv")[2]


# -- what goes back to the host ----------------------------------------------------------------------------------------


def probability(cell: str) -> bool:
    return re.fullmatch(r"(0|1)(\.\d+)?|\d(\.\d+)?e-\d+", cell) is not None and 0 <= float(cell) <= 1


def positive(cell: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?", cell) is not None


def five_whales(cell: str) -> bool:
    known = {"new_whale", "w_1287fbc", "w_98baff9", "w_7554f44", "w_1eafe46", "w_f48451c"}
    return len(cell.split(" ")) == len(set(cell.split(" ")) & known) == 5


def runs_along_rows(cell: str) -> bool:
    """Pairs in order, apart from each other, in 24 x 32 pixels from 1."""
    if cell == "":
        return True
    numbers = np.array(cell.split(" "), int).reshape(-1, 2)
    starts, ends = numbers[:, 0], numbers.sum(1)
    return bool(
        starts[0] >= 1 and (numbers[:, 1] >= 1).all() and (starts[1:] > ends[:-1]).all() and ends[-1] <= 24 * 32 + 1
    )


def accepted(official: Path, sample: Path, keys: list[str], allowed: Callable[[str], bool]) -> None:
    """The header byte for byte, the sample's keys in the sample's order, and every other cell as the host takes it."""
    assert official.read_bytes().split(b"\n")[0] == sample.read_bytes().split(b"\n")[0]
    given, asked = (pd.read_csv(file, dtype=str, keep_default_na=False) for file in (official, sample))
    pd.testing.assert_frame_equal(given[keys], asked[keys])
    for column in given.columns.drop(keys):
        wrong = [cell for cell in given[column] if not allowed(cell)]
        assert not wrong, f"{column}: {wrong[0]!r}"
    with official.open(newline="") as lines:
        assert {len(row) for row in csv.reader(lines)} == {asked.shape[1]}


@pytest.mark.parametrize(
    ("name", "keys", "allowed"),
    [
        ("give me some credit", ["Id"], probability),
        pytest.param("walmart", ["Id"], positive, marks=pytest.mark.soak),
        pytest.param("sf crime", ["Id"], probability, marks=pytest.mark.soak),
        pytest.param("humpback", ["Image"], five_whales, marks=pytest.mark.soak),
        pytest.param("haemorrhage", ["ID"], probability, marks=pytest.mark.soak),
        pytest.param("uw madison", ["id", "class"], runs_along_rows, marks=pytest.mark.soak),
    ],
)
def test_the_official_file_is_as_the_host_takes_it(name: str, keys: list[str], allowed, tmp_path: Path) -> None:
    taken, checkout = HOSTS[name], Checkout(tmp_path)
    taken.make(tmp_path / "host")
    checkout.run(f"make new COMP=it FROM=host METRIC='{taken.metric}'")
    checkout.run("make submit COMP=it FAST=1")
    (official,) = tmp_path.glob("submissions/it/*/*-official.csv")
    (sample,) = (file for file in (tmp_path / "host").iterdir() if re.search("sample", file.name))
    accepted(official, sample, keys, allowed)
