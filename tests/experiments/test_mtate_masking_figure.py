"""What the figure by masking rate draws is what the results hold, and what it lacks is said."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from mtate_drawings import GAP, bars, bars_of, crosses, drawn, lines, results, texts
from scipy import special, stats

from experiments.mtate import masking_figure

pytestmark = pytest.mark.usefixtures("page_style")


def test_masking_is_the_mean_over_seeds_with_students_interval():
    table = results([f"masking_{tenths}" for tenths in range(10)])
    drawing = masking_figure.masking(
        pd.concat([table, results(["mtate"]), table.assign(split="evaluate_1_to_1", value=0.9)])
    )
    for axes, panel in zip(drawing.axes, masking_figure.PANELS.values(), strict=True):
        for (_, metric), (label, color, _) in panel.items():
            own = table[table["metric"] == metric]
            values = np.array([own.loc[own["method"] == name, "value"] for name in own["method"].unique()])
            line = lines(axes, label)
            np.testing.assert_allclose(line.get_xdata(), np.arange(10) / 10)
            np.testing.assert_allclose(line.get_ydata(), values.mean(1), rtol=1e-12)
            assert line.get_color() == color
            mean, half = values.mean(1), stats.t.ppf(0.975, 2) * values.std(1, ddof=1) / np.sqrt(3)
            ends = [special.expit(special.logit(mean) + sign * half / (mean * (1 - mean))) for sign in (-1, 1)]
            expected = np.column_stack([np.arange(10) / 10, *ends])
            same = [each for each in axes.collections if np.allclose(each.get_colors()[0][:3], to_rgb(color))]
            np.testing.assert_allclose(bars_of(same), expected, rtol=1e-9)
    assert not any("not in this run" in text for text in texts(drawing))


def test_masking_rates_that_are_absent_or_undefined_are_named():
    table = results(["masking_0", "masking_4"], seeds=1)
    table.loc[(table["method"] == "masking_4") & (table["metric"] == GAP), "value"] = np.nan
    drawing = masking_figure.masking(table)
    assert "not in this run: 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9" in texts(drawing)
    assert [len(bars(axes)) for axes in drawing.axes] == [0, 0]
    assert [crosses(axes).tolist() for axes in drawing.axes] == [[], [0.4]]
    assert "undefined" in texts(drawing)


@pytest.mark.parametrize("table", [results([]), results(["mtate"])])
def test_no_masking_rate_is_said(table):
    assert texts(masking_figure.masking(table)).count("this run has no arm by masking rate") == 2


def test_masking_is_painted_without_a_warning():
    drawing = masking_figure.masking(results([f"masking_{tenths}" for tenths in range(0, 10, 3)]))
    assert drawn(drawing).startswith(b"\x89PNG")
