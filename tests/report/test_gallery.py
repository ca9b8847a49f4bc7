"""The rows of a worst-to-best gallery."""

import numpy as np
import pytest

from harness.report import gallery
from tests.support.tiny_data import tiny_declaration


@pytest.mark.parametrize(("rows", "shown"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (5, [2, 2, 1]), (30, [8, 8, 8])])
def test_no_row_is_shown_twice_and_few_rows_are_shown_all(rows: int, shown: list[int]) -> None:
    scores = np.random.default_rng(0).random(rows)
    parts = gallery.worst_to_best(tiny_declaration().metric, scores, 8)
    every = [row for of_part in parts for row in of_part]
    assert sorted(map(len, parts), reverse=True) == sorted(shown, reverse=True)
    assert len(every) == len(set(every)) == min(rows, 24)
    assert [scores[row] for row in every] == sorted(scores[row] for row in every)


def test_rows_without_a_score_of_their_own_are_left_out() -> None:
    parts = gallery.worst_to_best(tiny_declaration().metric, np.array([0.5, np.nan, 0.25]), 8)
    assert [row for of_part in parts for row in of_part] == [2, 0]


def test_a_row_is_scored_alone() -> None:
    metric, masks = tiny_declaration().metric, np.ones((2, 2, 2), np.uint8)
    said = masks.copy()
    said[1, 0] = 2  # half of the second mask
    assert gallery.row_scores(metric, metric.statistics(masks, said)).tolist() == [1.0, 0.25]


def test_a_grey_picture_is_stretched_and_a_coloured_one_is_left_alone() -> None:
    grey, coloured = np.array([[10, 20]], np.uint8), np.full((1, 2, 3), 7, np.uint8)
    assert gallery.rgb(grey).tolist() == [[[0, 0, 0], [255, 255, 255]]]
    assert gallery.rgb(coloured) is coloured
