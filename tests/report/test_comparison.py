"""A against B on the rows that both predict, as JSON and as a page."""

import pytest

from harness import paths
from harness.errors import UserError
from harness.report import comparison
from tests.report.conftest import Finished
from tests.support.pages import PageReader
from tests.support.tiny_runs import RUNS


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The competition has no folder."""
    monkeypatch.setattr(comparison, "find", lambda name: RUNS[name]())


def test_swapping_the_sides_turns_the_difference_around(finished: Finished) -> None:
    finished("labels")
    a, b = (next(paths.root().glob(f"runs/labels/*/{name}-*")) for name in ("first", "second"))
    there, back = comparison.compare_files(a, b), comparison.compare_files(b, a)
    assert there["difference"] == pytest.approx(-back["difference"]) != 0
    assert there["rows"] == 45
    assert {row["difference"] for row in there["most_different"]} <= {1.0, -1.0}  # a row alone is right or wrong
    page = PageReader((paths.root() / there["report"]).read_text())
    assert page.open == [] and page.loads == []
    assert "By class" in page.text and "Rows that differ most" in page.text


def test_the_ensemble_of_a_submission_is_compared_with_itself_and_other_files_are_refused(finished: Finished) -> None:
    run = finished("labels")
    file = paths.submissions("labels", run.prepared.data_hash) / run.file.name
    same = comparison.compare_files(file, file)
    assert (same["difference"], same["verdict"], same["most_different"]) == (0, "cannot tell", [])
    assert same["a"]["score"] == pytest.approx(run.manifest["cv"]["score"])
    with pytest.raises(UserError, match="neither a run"):
        comparison.compare_files(paths.root(), paths.root())
