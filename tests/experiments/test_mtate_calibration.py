"""What the figure of calibration draws is what the predictions hold, and what it lacks is said."""

import numpy as np
import pandas as pd
import pytest
from mtate_drawings import drawn, texts

from experiments.mtate import calibration
from experiments.mtate.styles import style

pytestmark = pytest.mark.usefixtures("page_style")


def predictions(methods, seeds=2, examples=200):
    rng = np.random.default_rng(3)
    tables = []
    for method in methods:
        for seed in range(seeds):
            risk = rng.beta(2, 5, examples)
            columns = {"prediction": risk, "target": (rng.random(examples) < risk).astype(float)}
            columns["domain_age"] = rng.choice([0, 1, np.nan], examples, p=[0.5, 0.4, 0.1])
            tables.append(pd.DataFrame({"method": method, "seed": seed} | columns))
    return pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize("decimals", [2, 15])
def test_reliability_is_that_of_quantile_bins(decimals):
    table = predictions(["lstm"]).round({"prediction": decimals})  # With two, some are equal to the edge of a bin.
    found = calibration.reliability(table)
    for seed, own in table.groupby("seed"):
        bins = own.groupby(pd.qcut(own["prediction"], 10), observed=True)
        mean, share, count = bins["prediction"].mean(), bins["target"].mean(), bins.size()
        np.testing.assert_allclose(found.predicted[seed], mean, rtol=1e-12)
        np.testing.assert_allclose(found.observed[seed], share, rtol=1e-12)
        assert found.error[seed] == pytest.approx(np.average(np.abs(mean - share), weights=count), abs=1e-12)


def test_equal_predictions_share_a_bin():
    table = pd.DataFrame({"seed": 0, "prediction": 0.25, "target": [0.0, 0.0, 1.0, 1.0] * 10})
    found = calibration.reliability(table)
    assert np.isfinite(found.predicted).sum() == 1
    np.testing.assert_allclose([np.nansum(found.observed), found.error[0]], [0.5, 0.25])


def test_calibration_is_the_mean_over_seeds_and_by_group():
    table = predictions(["lstm", "mtate", "gru_d", "laftr"], seeds=3)
    drawing = calibration.calibration(table)
    shown = {axes.get_title("left"): axes for axes in drawing.axes if axes.axison}
    assert list(shown) == ["LSTM", "MTATE", "GRU-D", "MTATE, by age", "LSTM, by age"]
    for title, axes in shown.items():
        name = next(name for name in table["method"].unique() if style(name).label == title.split(",")[0])
        own = table[table["method"] == name]
        parts = [own] if "," not in title else [own[own["domain_age"] == group] for group in (0, 1)]
        curves = [line for line in axes.lines if len(line.get_xdata()) == 10]
        assert len(curves) == len(axes.collections) == len(parts)
        for part, line, band in zip(parts, curves, axes.collections, strict=True):
            found = calibration.reliability(part)
            np.testing.assert_allclose(line.get_ydata(), found.observed.mean(0), rtol=1e-12)
            np.testing.assert_allclose(line.get_xdata(), found.predicted.mean(0), rtol=1e-12)
            ends = band.get_paths()[0].vertices[:, 1]
            np.testing.assert_allclose([ends.min(), ends.max()], [found.observed.min(), found.observed.max()])
            assert any(text.get_text().endswith(f"ECE {found.error.mean():.3f}") for text in axes.texts)
    assert {"under 65", "65 or older"} <= set(texts(drawing))


def test_calibration_of_one_seed_and_without_domains():
    table = predictions(["lstm"], seeds=1).drop(columns="domain_age")
    drawing = calibration.calibration(table)
    assert [axes.get_title("left") for axes in drawing.axes if axes.axison] == ["LSTM"]
    assert not drawing.axes[0].collections
    lost = calibration.calibration(table.assign(prediction=np.nan))
    assert "no finite prediction" in texts(lost)
    assert drawn(lost)


@pytest.mark.parametrize("table", [predictions(["lstm"])[:0], predictions(["laftr"])])
def test_no_predictions_are_said(table):
    assert any(text.startswith("this run has no predictions of Transformer") for text in
               texts(calibration.calibration(table)))  # fmt: skip


def test_calibration_is_painted_without_a_warning():
    assert drawn(calibration.calibration(predictions(calibration.MAIN))).startswith(b"\x89PNG")
