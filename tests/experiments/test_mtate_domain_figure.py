"""What the fairness study's figures by domain draw is what the tables hold, and what they lack is said."""

import numpy as np
import pandas as pd
import pytest
from mtate_drawings import GAP, bars, crosses, drawn, intervals, lines, texts

from experiments.mtate import domain_figure
from experiments.mtate.domains import DOMAINS
from experiments.mtate.styles import METHODS, style

pytestmark = pytest.mark.usefixtures("page_style")


def test_marks_and_intervals_by_domain_are_the_tables():
    table = intervals(["lstm", "mtate", "gru_d", "laftr"])
    other = table.assign(split="evaluate_1_to_1", estimate=9.0)
    drawing = domain_figure.by_domain(pd.concat([table, other]), GAP)
    assert [axes.get_title("left") for axes in drawing.axes] == list(domain_figure.PANELS)[:3]
    for axes, names in zip(drawing.axes, (["lstm", "mtate"], ["gru_d"], ["laftr"]), strict=True):
        segments = bars(axes)
        places = []
        for name in names:
            own = table[(table["method"] == name) & (table["metric"] == GAP)]
            line = lines(axes, style(name).label)
            np.testing.assert_array_equal(line.get_ydata(), own["estimate"])
            assert (line.get_color(), line.get_marker()) == (style(name).color, style(name).marker)
            assert np.all(np.abs(line.get_xdata() - np.arange(3)) < 0.4)
            places.extend(line.get_xdata())
            for x, low, high in zip(line.get_xdata(), own["low"], own["high"], strict=True):
                assert [x, low, high] in segments.tolist()
        assert len(set(places)) == len(segments) == 3 * len(names)
        assert not len(crosses(axes))
        assert axes.get_ylim()[1] > table.loc[table["metric"] == GAP, "high"].max()
    assert [text.get_text() for text in drawing.axes[-1].get_xticklabels()] == ["age", "sex", "mean"]
    own = table[(table["method"] == "mtate") & (table["metric"] == GAP)]
    for axes, expected in zip(drawing.axes, (0, 1, 1), strict=True):
        level = [part for each in axes.collections for part in getattr(each, "get_segments", list)()]
        level = [part[0, 1] for part in level if part[0, 1] == part[1, 1]]
        assert level == list(own["estimate"]) * expected


def test_every_method_has_its_place_and_an_unknown_one_too():
    drawing = domain_figure.by_domain(intervals([*METHODS, "my_own"]), GAP)
    assert [axes.get_title("left") for axes in drawing.axes] == [*domain_figure.PANELS, "Others"]
    named = {str(line.get_label()).replace("\n", " ") for axes in drawing.axes for line in axes.lines}
    assert {each.label for each in METHODS.values()} | {"my_own"} <= named


def test_what_is_not_defined_is_crossed_and_what_is_absent_is_not():
    table = intervals(["lstm", "mtate", "dann"])
    lost = table["method"].isin(["mtate", "dann"]) & (table["task"] == "sex")
    table.loc[lost, ["estimate", "low", "high"]] = np.nan
    table = table[~((table["method"] == "dann") & (table["task"] == "age"))]
    drawing = domain_figure.by_domain(table, GAP)
    (axes,) = drawing.axes
    expected = [lines(axes, style(name).label).get_xdata()[1] for name in ("dann", "mtate")]
    np.testing.assert_array_equal(sorted(crosses(axes)), sorted(expected))
    assert "undefined" in texts(drawing)
    assert len(bars(axes)) == 3 + 2 + 1
    assert "undefined" not in texts(domain_figure.by_domain(intervals(["lstm"]), GAP))


@pytest.mark.parametrize("table", [intervals([]), intervals(["lstm"]).query("task == ''")])
def test_no_interval_by_domain_is_said(table):
    assert "this run has no mean equalized odds difference by domain" in texts(domain_figure.by_domain(table, GAP))


def test_nothing_but_undefined_values_by_domain():
    table = intervals(["lstm", "mtate"], domains=("age",)).assign(estimate=np.nan, low=np.nan, high=np.nan)
    drawing = domain_figure.by_domain(table, GAP)
    assert len(crosses(drawing.axes[0])) == 4
    assert drawn(drawing)


def test_the_figure_by_domain_is_painted_without_a_warning():
    assert drawn(domain_figure.by_domain(intervals(list(METHODS), tuple(DOMAINS)[:9]), GAP)).startswith(b"\x89PNG")
