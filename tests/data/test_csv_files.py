"""CSV files are read strictly: every broken row is named by its line."""

from pathlib import Path

import pytest

from harness.data.tables.csv_files import line_of_row, read_csv
from harness.errors import UserError


def written(folder: Path, content: str | bytes) -> Path:
    file = folder / "table.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def test_cells_stay_text_and_missing_ones_are_empty(tmp_path: Path) -> None:
    cells = read_csv(written(tmp_path, '\ufeffid,value\r\n007,NA\r\n\r\n1e3,\r\n" x","a\nb"\r\n'))
    assert cells.columns.tolist() == ["id", "value"]
    assert cells.to_numpy().tolist() == [["007", "NA"], ["1e3", ""], [" x", "a\nb"]]
    semicolons = written(tmp_path, "id;value\n1;2,5\n")  # the first line decides
    assert read_csv(semicolons).to_numpy().tolist() == [["1", "2,5"]]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a,b\n1,2\n3\n", "line 3: 1 "),
        ("a,b\n1,2\n\n3,4,5\n", "line 4: 3 "),
        ('a,b\n"1\n2",3\n4\n', "line 4: 1 "),
        ('a,b\n1,"2"x\n', "line 1"),
        ('a,b\n1,2\n3,"4\n', "line 2"),
    ],
    ids=["short", "long", "short after a quoted line break", "text after a quote", "quote never closed"],
)
def test_a_broken_row_is_named_by_its_line(text: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=line):
        read_csv(written(tmp_path, text))


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"PK\x03\x04a,b\n", b"\xff\xfea,b\n1", None],
    ids=["empty", "blank", "a workbook", "half a letter", "absent"],
)
def test_a_file_that_is_no_table_is_named(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "table.csv" if content is None else written(tmp_path, content)
    with pytest.raises(UserError, match=r"table\.csv"):
        read_csv(file)


def test_a_row_is_found_in_its_file_despite_blank_lines_and_line_breaks(tmp_path: Path) -> None:
    file = written(tmp_path, 'a,b\n\n"1\n2",3\n \n4,5\n')
    assert read_csv(file).to_numpy().tolist() == [["1\n2", "3"], ["4", "5"]]
    assert [line_of_row(file, row) for row in range(2)] == [4, 6]
