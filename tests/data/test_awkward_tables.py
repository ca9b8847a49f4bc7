"""Tables as people have them: markers of missing values, commas, encodings, dates, codes, and names like None."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.audit import audit
from harness.data.formats import asked_ids, csv_table, files_named, images_and_csv, images_and_runs, pixels_in_csv
from harness.data.samples import Dataset, Samples
from harness.data.splits import Holdout, labels, quantile_bins, stratified_grouped
from harness.data.tables.cell_values import date_parts, label_in, label_names, numbers_in
from harness.data.tables.csv_files import read_csv
from harness.data.tables.table import Table
from harness.data.tables.table_inputs import structured_like
from harness.errors import UserError
from harness.new_competition.host_files import Host, Options
from harness.tasks.classification import Classification
from harness.tasks.mask_cells import RUN_LENGTH
from harness.tasks.segmentation import Segmentation

CASES = Path(os.environ.get("SHARED", "../shared")) / "cases"


def table(folder: Path, *lines: str, encoding: str = "utf-8", name: str = "t.csv") -> Path:
    (folder / name).write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return folder / name


def picture(file: Path, colour: int = 0, size: tuple[int, int] = (3, 2)) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, colour).save(file)
    return file


def column(dataset: Dataset, name: str) -> list[Any]:
    return dataset.labelled.inputs[name].tolist()


# -- missing, or a name ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["None", "NA", "nan", "null", "NULL", "-", "?"])
def test_a_class_a_group_and_an_id_that_are_called_like_a_missing_value_are_there(tmp_path: Path, name: str) -> None:
    file = table(tmp_path, "id,x,y,g", f"{name},1,{name},{name}", f"b,2,mild,{name}", "c,3,,s")
    dataset = csv_table(file, "y", classes=("mild", name), id="id", group="g")
    assert dataset.labelled.ids.tolist() == [name, "b"]
    assert (dataset.labelled.targets.tolist(), dataset.labelled.groups.tolist()) == ([1, 0], [0, 0])
    assert dataset.official["unlabelled"].ids.tolist() == ["c"]


def test_a_marker_that_is_not_a_class_makes_a_row_unlabelled_and_that_is_said(tmp_path: Path, caplog: Any) -> None:
    file = table(tmp_path, "x,y", "1,a", "2,N/A", "3,b")
    assert len(csv_table(file, "y", classes=("a", "b")).official["unlabelled"]) == 1
    assert "1 of 3 rows have no y, the first is 'N/A' in line 3" in caplog.text


def test_pictures_and_a_table_take_a_class_none_and_an_id_none(tmp_path: Path) -> None:
    for name in ("None", "b"):
        picture(tmp_path / "images" / f"{name}.png")
    file = table(tmp_path, "file,kind", "None,None", "b,mild")
    dataset = images_and_csv(tmp_path / "images", file, "file", "kind", classes=("None", "mild"))
    assert (dataset.labelled.ids.tolist(), dataset.labelled.targets.tolist()) == (["None", "b"], [0, 1])


def test_a_message_shows_the_cell_as_it_stands(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line 3, column id: 'None' names 2 rows"):
        csv_table(table(tmp_path, "id,x,y", "a,1,1", "None,2,2", "None,3,3"), "y", id="id")


@pytest.mark.parametrize("marker", ["", "NULL", "Null", "NA", "#N/A", "n/a", "NaN", "-", "--", "?", ".", "<NA>", " - "])
def test_a_usual_marker_in_a_column_of_numbers_is_missing(tmp_path: Path, marker: str) -> None:
    values = column(csv_table(table(tmp_path, "a,y", f"{marker},1", "2.5,2", "-3,3"), "y"), "a")
    assert np.isnan(values[0])
    assert values[1:] == [2.5, -3]


def test_a_marker_of_the_host_is_declared(tmp_path: Path) -> None:
    file = table(tmp_path, "a,y", "unknown,1", "2,2", "3,unknown", "-9,3")
    dataset = csv_table(file, "y", missing=("unknown", "-9"))
    assert np.isnan(column(dataset, "a")[0]), dataset.labelled.targets.tolist()
    assert dataset.labelled.targets.tolist() == [1, 2, 3]
    assert dataset.official["unlabelled"].inputs["a"].tolist() == [3]


# -- numbers, codes and words ------------------------------------------------------------------------------------------


def test_a_column_that_is_nearly_numbers_is_said_to_be_text(tmp_path: Path, caplog: Any) -> None:
    rows = [f"{'x' if row == 5 else row + 1},1" for row in range(100)]
    assert column(csv_table(table(tmp_path, "a,y", *rows), "y"), "a")[:2] == ["1", "2"]
    assert "column a: 99 % numbers, except 'x' in line 7; it is read as text" in caplog.text


def test_a_word_in_the_test_table_alone_is_said_too(tmp_path: Path, caplog: Any) -> None:
    test = table(tmp_path, "a", "5", "six", name="test.csv")
    dataset = csv_table(table(tmp_path, "a,y", "1,1", "2,2", "3,3"), "y", test=test)
    assert dataset.official["test"].inputs["a"].tolist() == ["5", "six"]
    assert "test.csv: column a: 80 % numbers, except 'six' in line 3" in caplog.text


@pytest.mark.parametrize(
    ("cells", "separator", "values"),
    [
        (["-0,838", "0,822", "84"], ";", [-0.838, 0.822, 84]),
        (["1.234,5", "2,25", ",5"], ";", [1234.5, 2.25, 0.5]),
        (["1,234", "12,345,678", "1,000.5"], ",", [1234, 12345678, 1000.5]),
        (["1,5", "NA", "2,25"], ",", [1.5, np.nan, 2.25]),
        (["1,234", "2,500"], ";", [1.234, 2.5]),
        (["1e3", "+2.", ".5"], ",", [1000, 2, 0.5]),
        (["TRUE", "false", ""], ",", [1, 0, np.nan]),
    ],
)
def test_commas_between_digits_and_words_for_flags(cells: list[str], separator: str, values: list[float]) -> None:
    read = numbers_in(np.array(cells, object), separator=separator)
    assert not read.wrong.any()
    np.testing.assert_array_equal(read.values, values)


def test_decimal_commas_are_read_in_inputs_and_targets_and_said(tmp_path: Path, caplog: Any) -> None:
    dataset = csv_table(table(tmp_path, "a;b;y", "0,5;1;1,25", "-2,75;3;2"), "y")
    assert (column(dataset, "a"), column(dataset, "b")) == ([0.5, -2.75], [1, 3])
    assert dataset.labelled.targets.tolist() == [1.25, 2]
    assert "column a: commas are read as decimals, as in '0,5' in line 2" in caplog.text


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["00501", "10001"], "'00501' in line 2 begins with 0"),
        (["10001", "9007199254740993"], "'9007199254740993' in line 3 is beyond 2**53"),
        (["1_000", "1_001"], ""),
    ],
    ids=["zip codes", "long numbers", "underscores"],
)
def test_codes_stay_text_by_themselves_which_is_said_and_by_declaration(
    tmp_path: Path, caplog: Any, cells: list[str], said: str
) -> None:
    file = table(tmp_path, "code,x,y", *(f"{cell},{row},{row}" for row, cell in enumerate(cells)))
    assert column(csv_table(file, "y"), "code") == cells
    assert said in caplog.text
    caplog.clear()
    assert column(csv_table(file, "y", text=("code",)), "code") == cells
    assert caplog.text == ""


def test_numbers_without_a_sign_of_a_code_are_text_by_declaration(tmp_path: Path) -> None:
    file = table(tmp_path, "code,x,y", "10001,1,1", "20002,2,2")
    assert column(csv_table(file, "y"), "code") == [10001, 20002]
    assert column(csv_table(file, "y", text=("code",)), "code") == ["10001", "20002"]
    with pytest.raises(UserError, match=r"no column 'cod'; did you mean code\?"):
        csv_table(file, "y", text=("cod",))


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e999"])
@pytest.mark.parametrize("name", ["x", "y"])
def test_an_infinity_is_named(tmp_path: Path, cell: str, name: str) -> None:
    row = f"{cell},2" if name == "x" else f"1,{cell}"
    with pytest.raises(UserError, match=rf"t\.csv, line 3, column {name}: '{cell}' is not a finite number; leave"):
        csv_table(table(tmp_path, "x,y", "1,1", row), "y")


def test_numbers_are_exact_to_the_last_digit(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=500) * 10.0 ** np.arange(-250, 250)
    file = table(tmp_path, "x,y", *(f"{float(value)!r},1" for value in values))
    assert column(csv_table(file, "y"), "x") == values.tolist()


@pytest.mark.parametrize(
    ("classes", "cells", "right"),
    [
        (("0", "1"), ["1.0", "0.0", "1", "0"], [1, 0, 1, 0]),
        (("False", "True"), ["TRUE", "false", "1", "0"], [1, 0, 1, 0]),
        (("True", "False"), ["1", "0"], [0, 1]),
        (("0", "1"), ["True", "FALSE"], [1, 0]),
        (("3", "5", "8"), ["8.0", "3", "1"], [2, 0, None]),
        (("a", "A", "b"), ["a", "A", "B"], [0, 1, 2]),
        (("cat", "dog"), ["0", "1.0", "Dog"], [0, 1, 1]),
        (("01", "1"), ["01", "1", "1.0"], [0, 1, 1]),
    ],
)
def test_a_class_is_known_in_its_usual_spellings(
    classes: Sequence[str], cells: list[str], right: list[int | None]
) -> None:
    names = label_names(classes)
    assert [label_in(cell, names) for cell in cells] == right


# -- dates -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "year", "month", "day", "weekday"),
    [
        (["2024-02-29", "", "2023-12-31"], [2024, np.nan, 2023], [2, np.nan, 12], [29, np.nan, 31], [3, np.nan, 6]),
        (["2024/2/9 10:30", "2023/1/1 9:05"], [2024, 2023], [2, 1], [9, 1], [4, 6]),
        (["31.5.2024", "1.6.2024"], [2024, 2024], [5, 6], [31, 1], [4, 5]),
        (["5/31/2024", "6/1/2024"], [2024, 2024], [5, 6], [31, 1], [4, 5]),
        (["31/5/2024", "1/6/2024"], [2024, 2024], [5, 6], [31, 1], [4, 5]),
    ],
)
def test_dates_have_parts(cells: list[str], year: list, month: list, day: list, weekday: list) -> None:
    parts = date_parts(np.array(cells, object))
    assert parts is not None
    for name, values in {"year": year, "month": month, "day": day, "weekday": weekday}.items():
        np.testing.assert_array_equal(parts[name], values)


@pytest.mark.parametrize("cells", [["2024-02-30"], ["2024-01-01", "later"], [""], ["1.2.3"]])
def test_what_is_no_date_has_none(cells: list[str]) -> None:
    assert date_parts(np.array(cells, object)) is None


def test_a_column_of_dates_stays_beside_its_parts_unless_it_is_declared_as_text(tmp_path: Path) -> None:
    file = table(tmp_path, "when,y", "2024-05-31T07:00,1", "2024-06-01T23:59,2")
    inputs = csv_table(file, "y").labelled.inputs
    assert inputs.dtype.names == ("when", *(f"when.{part}" for part in ("year", "month", "day", "weekday", "hour")))
    assert inputs[1].tolist() == ("2024-06-01T23:59", 2024, 6, 1, 5, 23)
    assert csv_table(file, "y", text=("when",)).labelled.inputs.dtype.names == ("when",)


def test_new_rows_are_read_as_those_that_were_trained_on(tmp_path: Path) -> None:
    file = table(tmp_path, "id,when,zip,size,flag,y", "a,2024-05-31,00501,2.5,TRUE,1", "b,2024-06-01,10001,3,FALSE,2")
    trained = csv_table(file, "y", id="id").labelled.inputs
    new = table(
        tmp_path, "flag;zip;more;size;when", "false;00001;x;1,5;30.6.2024", "NA;2;y;NA;1.7.2024", name="new.csv"
    )
    rows = structured_like(Table.read(new), trained)
    assert rows.dtype.names == trained.dtype.names
    assert rows[0].tolist() == ("30.6.2024", 2024, 6, 30, 6, "00001", 1.5, 0)
    assert rows["zip"].tolist() == ["00001", "2"]
    assert np.isnan([rows["size"][1], rows["flag"][1]]).all()
    later = table(tmp_path, "when,zip,size,flag", "soon,1,1,TRUE", name="later.csv")
    with pytest.raises(UserError, match=r"later\.csv, column when: some cells are not dates"):
        structured_like(Table.read(later), trained)


def test_dates_of_new_rows_are_written_as_those_that_were_trained_on(tmp_path: Path) -> None:
    trained = csv_table(table(tmp_path, "id,when,y", "a,31/5/2024,1", "b,1/6/2024,2"), "y", id="id").labelled.inputs
    new = table(tmp_path, "when", "5/6/2024", name="new.csv")
    assert structured_like(Table.read(new), trained)[0].tolist() == ("5/6/2024", 2024, 6, 5, 2)


# -- rows and columns that nobody meant --------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["id", None])
def test_blank_rows_are_left_out_and_said(tmp_path: Path, caplog: Any, id: str | None) -> None:
    file = table(tmp_path, "id,x,y", "7,1,a", ",,", "", "8,2,b", ' ,"",')
    dataset = csv_table(file, "y", classes=("a", "b"), id=id)
    assert dataset.labelled.ids.tolist() == (["7", "8"] if id else ["0", "1"])
    assert dataset.official == {}
    assert "2 rows have nothing in any column and are left out, the first after line 2" in caplog.text
    with pytest.raises(UserError, match=r"line 5, column y: 'b' is not a class"):
        csv_table(file, "y", classes=("a", "c"))


@pytest.mark.parametrize("heading", ["", "Unnamed: 0"])
@pytest.mark.parametrize("numbers", [(0, 1, 2), (12, 3, 7)], ids=["in order", "shuffled"])
def test_an_index_that_pandas_wrote_is_left_out(
    tmp_path: Path, caplog: Any, heading: str, numbers: tuple[int, ...]
) -> None:
    file = table(tmp_path, f"{heading},x,y", *(f"{k},{row},{row}" for row, k in enumerate(numbers)))
    test = table(tmp_path, "x", "5", name="test.csv")
    dataset = csv_table(file, "y", test=test)
    assert dataset.labelled.inputs.dtype.names == ("x",)
    assert "column 1 has no name and only counts the rows" in caplog.text


def test_a_column_without_a_name_that_is_no_index_stays(tmp_path: Path) -> None:
    file = table(tmp_path, ",x,y", "0.5,1,1", "0.25,2,2")
    assert csv_table(file, "y").labelled.inputs.dtype.names == ("Unnamed: 0", "x")


def test_one_long_cell_is_cut_and_said(tmp_path: Path, caplog: Any) -> None:
    rows = [f"{'z' * (100_000 if row == 7 else 3)},{row}" for row in range(5000)]
    inputs = csv_table(table(tmp_path, "a,y", *rows), "y").labelled.inputs
    assert inputs.nbytes < 50e6
    assert inputs["a"][7] == "z" * 1000
    assert "the first in line 9 with 100000 characters; of each the first 1000 are kept" in caplog.text


# -- bytes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_separator_is_known_by_the_first_rows(tmp_path: Path, separator: str) -> None:
    """Also where a text or a heading holds another one more often."""
    file = table(tmp_path, separator.join(("id", '"a, b; c| d, e"', "y")), separator.join(("1", '"x,;|,;|"', "2")))
    dataset = csv_table(file, "y", id="id")
    assert column(dataset, "a, b; c| d, e") == ["x,;|,;|"]
    assert read_csv(table(tmp_path, f"sep={separator}", f"a{separator}b", f"1{separator}2")).columns.tolist() == [
        "a",
        "b",
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_known_by_its_bytes(tmp_path: Path, encoding: str, caplog: Any) -> None:
    file = table(tmp_path, "name,y", "Zoë,1", "猫,2", encoding=encoding)
    assert column(csv_table(file, "y"), "name") == ["Zoë", "猫"]
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("latin-1", ["é", "é"]),
        ("cp1252", ["Müller", "50 €"]),
        ("cp1251", ["кошка", "собака"]),
        ("gb18030", ["北京", "上海", "猫和狗"]),
        ("cp932", ["ネコ", "犬と猫"]),
    ],
)
def test_another_encoding_is_guessed_and_said(tmp_path: Path, encoding: str, words: list[str], caplog: Any) -> None:
    file = table(tmp_path, "name,y", *(f"{word},{k}" for k, word in enumerate(words)), encoding=encoding)
    assert column(csv_table(file, "y"), "name") == words
    assert f"so that line 2 is '{words[0]},0'; save the file as UTF-8 if that is wrong" in caplog.text


def test_one_line_in_another_encoding_than_the_others_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("a,y\né,1\nü,2\n".encode() + b"\xe9,3\n" + "ß,4\n".encode())
    with pytest.raises(UserError, match=r"t\.csv, line 4: byte 0xe9 is not UTF-8, though 3 other lines are"):
        csv_table(tmp_path / "t.csv", "y")


# -- ids of files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("on_disk", "in_table"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_letter_with_an_accent_is_found_in_one_code_point_or_two(tmp_path: Path, on_disk: Any, in_table: Any) -> None:
    file = picture(tmp_path / unicodedata.normalize(on_disk, "é.png"))
    name = unicodedata.normalize(in_table, "é")
    assert files_named([name], tmp_path) == {name: file}
    assert files_named([f"{name}.png"], tmp_path) == {f"{name}.png": file}


@pytest.mark.parametrize("name", ["images\\a.png", "./images/a.png", "images/a", "a"])
def test_paths_of_windows_and_of_a_shell_name_pictures(tmp_path: Path, name: str) -> None:
    file = picture(tmp_path / "images" / "a.png")
    assert files_named([name], tmp_path / "images") == {name: file}


def test_numbers_that_have_lost_their_zeros_name_pictures(tmp_path: Path, caplog: Any) -> None:
    files = [picture(tmp_path / "images" / f"{name}.png") for name in ("007", "010", "000")]
    assert list(files_named(["7", "10", "0"], tmp_path / "images").values()) == files
    assert "'7' is taken for" in caplog.text
    picture(tmp_path / "images" / "07.png")
    with pytest.raises(UserError, match="'7' names"):
        files_named(["7"], tmp_path / "images")


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a;b", "a b", "None"])
def test_every_file_that_names_ids_is_read_back(tmp_path: Path, name: str) -> None:
    """Submissions, samples and tables of ids."""
    ids = np.array([name, "c"])
    task, masks = (
        Segmentation(("no", "yes"), (2, 3), layout=RUN_LENGTH),
        np.stack([np.eye(2, 3, dtype=np.uint8)] * 2),
    )
    asked = task.table.asked(Samples(ids, np.zeros((2, 2, 3), np.uint8)))
    task.write(asked, masks, tmp_path / "s.csv")
    assert (task.read(tmp_path / "s.csv", asked) == masks).all()
    assert asked_ids(tmp_path / "s.csv", "id") == [name, "c"]
    task = Classification(("None", "mild"))
    asked = task.table.asked(Samples(ids, np.zeros(2)))
    task.write(asked, np.array([0, 1]), tmp_path / "c.csv")
    assert task.read(tmp_path / "c.csv", asked).tolist() == [0, 1]


def test_runs_that_are_missing_show_nothing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / "images" / f"{name}.png")
    masks = images_and_runs(
        tmp_path / "images", table(tmp_path, "id,rle", "a,1 2", "b,NaN"), "id", "rle", ("no", "yes")
    )
    assert masks.labelled.targets.reshape(2, -1).sum(1).tolist() == [2, 0]


def test_pixels_in_a_table_with_an_index_and_other_separators(tmp_path: Path) -> None:
    file = table(tmp_path, ";p0;p1;p2;p3;y", "0;0;255;7;0;b", "1;1;2;3;4;a")
    samples = pixels_in_csv(file, "y", classes=("a", "b")).labelled
    assert samples.inputs.tolist() == [[[0, 255], [7, 0]], [[1, 2], [3, 4]]]
    assert samples.targets.tolist() == [1, 0]


def test_tables_of_a_host_are_seen_as_they_will_be_read(tmp_path: Path) -> None:
    """By `make new`: decimal commas, markers of missing numbers, an index; a name like None stays."""
    table(tmp_path, ";ü;y", "0;0,5;None", "1;NA;b", ";;", "2;-;b", encoding="cp1252")
    seen = Host.read(tmp_path, Options("accuracy")).tables["t.csv"]
    assert seen.columns.tolist() == ["ü", "y"]
    assert seen.to_numpy().tolist() == [["0.5", "None"], ["", "b"], ["", "b"]]


# -- the cases that were reported --------------------------------------------------------------------------------------


def case(name: str) -> Dataset:
    """What the `load` of the case reads; its modules have moved since."""
    source = (CASES / name / "data.py.txt").read_text()
    for before, now in {"harness.samples": "harness.data.samples", "harness.layouts": "harness.data.formats"}.items():
        source = source.replace(before, now)
    inside: dict[str, Any] = {}
    exec(compile(source, name, "exec"), inside)
    return inside["load"](CASES / name / "raw")


ROWS = {  # labelled rows, and the kinds of the columns of a table
    "c01_none": (120, "ff"),
    "c02_litter": (60, ""),
    "c03_suffix": (90, ""),
    "c09_nfd": (30, ""),
    "o02_seg_comma_run": (40, ""),
    "t01_missing_dash": (100, "ff"),
    "t01_missing_na": (100, "ff"),
    "t01_missing_null": (100, "ff"),
    "t02_decimal_comma": (100, "ff"),
    "t03_pandas_index": (100, "f"),
    "t05_zero_inflated": (101, "ff"),
    "t05b_zero_90": (100, "ff"),
    "t06b_one_of_a_class": (60, "f"),
    "t06c_four_of_a_class": (60, "f"),
    "t08c_pipe": (100, "f"),
    "t09_latin1": (100, "Uf"),
    "t09b_utf16": (100, "f"),
    "t10_blank_rows": (100, "f"),
    "t10b_blank_rows_no_id": (100, "ff"),
    "t11_label_float": (100, "ff"),
    "t12_bool": (100, "ff"),
    "t16_dates": (100, "Ufffff"),
    "t20_big_ints": (100, "fU"),
    "t21_groups_fewer_than_folds": (100, "f"),
    "t22_group_na": (100, "f"),
    "t23_id_none": (100, "f"),
    "t25_underscore_number": (100, "Uf"),
    "t26_zip_codes": (100, "Uf"),
    "t30_long_cell": (100, "Uf"),
}


@pytest.mark.real
@pytest.mark.parametrize("name", ROWS)
def test_a_case_that_was_reported_is_read(name: str) -> None:
    rows, kinds = ROWS[name]
    dataset = case(name)
    inputs = dataset.labelled.inputs
    assert len(dataset.labelled) == rows
    assert "unlabelled" not in dataset.official
    if kinds:
        assert "".join(inputs.dtype[field].kind for field in inputs.dtype.names) == kinds


@pytest.mark.real
def test_the_infinities_that_were_reported_are_named() -> None:
    with pytest.raises(UserError, match=r"train\.csv, line 5, column x: 'inf'"):
        case("t13_inf")


@pytest.mark.real
@pytest.mark.parametrize("name", ["t05_zero_inflated", "t05b_zero_90", "t06b_one_of_a_class", "t06c_four_of_a_class"])
def test_the_thin_strata_that_were_reported_are_divided(name: str) -> None:
    samples = case(name).labelled
    split = stratified_grouped(by=quantile_bins if name.startswith("t05") else labels)
    grouped = Samples(samples.ids, samples.inputs, samples.targets, np.arange(len(samples)))
    held = split.held_out(grouped, Holdout())
    assert 0.15 < held.mean() < 0.25
    assert len(set(split.assign_folds(grouped[~held], 5))) == 5


@pytest.mark.real
def test_the_three_groups_that_were_reported_make_a_hold_out_and_two_folds() -> None:
    samples, split = case("t21_groups_fewer_than_folds").labelled, stratified_grouped(by=labels)
    held = split.held_out(samples, Holdout())
    assert len(set(samples.groups[held])) == 1
    assert set(split.assign_folds(samples[~held], 5)) == {0, 1}
    checked = audit(Dataset(samples), Classification(("a", "b")), split, Holdout())
    assert checked.groups.tolist() == samples.groups.tolist()
    assert {check.name: check.verdict for check in checked.checks}["duplicates"] == "warn"
