"""Scales and charts."""

import numpy as np
import pytest

from harness.report.chart import Chart, Scale, reliability_bins
from tests.support.pages import PageReader


def test_a_scale_keeps_values_beyond_it_at_its_ends() -> None:
    linear, log = Scale(0, 10, 100, 200), Scale(0.001, 0.1, 0, 100, log=True)
    assert (linear(5), linear(-3), linear(99)) == (150, 100, 200)
    assert log(0.01) == pytest.approx(50)
    assert log.ticks == [0.001, 0.01, 0.1]
    assert Scale(1, 20, 0, 100, log=True).ticks == [1, 2, 5, 10, 20]
    assert Scale(3, 3, 100, 200)(3) == 150  # one value alone lies in the middle


def test_confidence_is_compared_with_accuracy_bin_by_bin() -> None:
    bins = reliability_bins(np.array([0.31, 0.39, 0.95, 1.0]), np.array([True, False, True, True]))
    assert [(each.accuracy, each.size) for each in bins] == [(0.5, 2), (1.0, 2)]
    assert [each.confidence for each in bins] == pytest.approx([0.35, 0.975])


def test_a_chart_is_well_formed_and_escapes_names() -> None:
    chart = Chart((0, 1), (0, 1), ("<x>", "y"))
    chart.dot(0.5, 0.5, "finished", 'a "<b>"')
    drawn = PageReader(chart.svg("<title>"))
    assert drawn.open == []
    assert "<x>" in drawn.text and 'a "<b>"' in drawn.text
    assert "style=" not in chart.svg("no inline style: the board forbids it")
