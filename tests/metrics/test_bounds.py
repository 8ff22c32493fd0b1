"""Intervals of means within the bounds of a figure: the formula by SciPy, its properties, and bounds by name."""

import inspect

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from jaxfair import metrics
from jaxfair.metrics import bounds_of, mean_interval, minus_control, paired_difference, summarize, verdict
from jaxfair.metrics.bounds import BOUNDS

FIGURES = [
    name
    for name in metrics.__all__
    if set(inspect.signature(getattr(metrics, name)).parameters) >= {"targets", "mask"}
    and name not in ("confusion", "bootstrap_interval")
]
SEEDS = np.array([0.35, 0.9, 0.5])


def test_every_metric_has_bounds():
    assert len(FIGURES) == 15
    for name in FIGURES:
        assert name in BOUNDS
        assert bounds_of(getattr(metrics, name)) == BOUNDS[name]


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("roc_auc", (0, 1)),
        ("score_age_pearson_healthy", (-1, 1)),
        ("probe_ridge_r2_healthy", (-np.inf, 1)),
        ("sensitivity_age_00_40", (0, 1)),
        ("predicted_age_mean", (-np.inf, np.inf)),
        ("predicted_age_std", (0, np.inf)),
        ("counterfactual_norm_ratio", (0, np.inf)),
        ("accuracy_ratio", (-np.inf, np.inf)),
        ("loss", (-np.inf, np.inf)),
        ("accuracy_difference", (-1, 1)),
        ("age_pearson_difference", (-2, 2)),
        ("r2_difference", (-np.inf, np.inf)),
        ("energy", (-np.inf, np.inf)),
    ],
)
def test_a_studys_names_have_the_bounds_of_their_last_known_word(name, bounds):
    assert bounds_of(name) == bounds


@pytest.mark.parametrize(
    ("bounds", "scale", "back", "slope"),
    [
        ((0, 1), special.logit, special.expit, lambda m: 1 / (m * (1 - m))),
        ((-1, 1), np.arctanh, np.tanh, lambda m: 1 / (1 - m**2)),
        ((-np.inf, 1), lambda m: -np.log(1 - m), lambda g: 1 - np.exp(-g), lambda m: 1 / (1 - m)),
        ((0, np.inf), np.log, np.exp, lambda m: 1 / m),
        ((-np.inf, np.inf), lambda m: m, lambda g: g, lambda m: 1),
    ],
)
def test_the_interval_is_students_on_the_scale_of_the_bounds(bounds, scale, back, slope):
    mean = SEEDS.mean()
    half = stats.t.ppf(0.95, 2) * stats.sem(SEEDS)
    expected = [back(scale(mean) + sign * half * slope(mean)) for sign in (-1, 1)]
    actual = mean_interval(SEEDS, level=0.9, bounds=bounds)
    np.testing.assert_allclose([actual.low, actual.high], expected, rtol=1e-12)
    assert actual[:2] == mean_interval(SEEDS)[:2]


def test_an_interval_stays_inside_holds_its_mean_and_mirrors():
    rng = np.random.default_rng(1)
    values = np.minimum(rng.beta(3, 0.3, (300, 3)), 1 - 1e-9)
    values[:50] = rng.integers(0, 2, (50, 3))
    values[50:100] = np.where(rng.random((50, 3)) < 0.5, 1, values[50:100])
    found = mean_interval(values, bounds=(0, 1))
    equal = np.ptp(values, axis=1) == 0
    assert 0 < equal.sum() < 50
    assert np.isnan([found.low[equal], found.high[equal]]).all()
    low, mean, high = (part[~equal] for part in (found.low, found.mean, found.high))
    assert np.all((low > 0) & (low < mean) & (mean < high) & (high <= 1))
    mirrored = mean_interval(1 - values, bounds=(0, 1))
    np.testing.assert_allclose(mirrored.low[~equal], 1 - high, atol=1e-9)
    wider = mean_interval(10 * values - 5, bounds=(np.full(300, -5.0), np.full(300, 5.0)))
    np.testing.assert_allclose(wider.high[~equal], 10 * high - 5, atol=1e-9)


def test_far_from_the_bounds_it_is_the_plain_interval():
    values = 0.6 + 1e-4 * np.array([-1.0, 0.5, 2.0, 0.3])
    plain, within = mean_interval(values), mean_interval(values, bounds=(0, 1))
    np.testing.assert_allclose(within[2:4], plain[2:4], atol=1e-7)
    assert within[2:4] != plain[2:4]


def test_values_outside_the_bounds_are_an_error_but_rounding_is_not():
    with pytest.raises(ValueError, match=r"from 0.5 to 87.0 do not lie within the bounds \[0.0, 1.0\]"):
        mean_interval([0.5, 87.0], bounds=(0, 1))
    rounded = mean_interval([1 + 1e-7, 1, 0.9], bounds=(0, 1))
    assert 0 < rounded.low < rounded.mean < rounded.high < 1


def test_a_summary_takes_bounds_by_the_metrics_name_where_they_hold():
    frame = pd.DataFrame({"metric": "accuracy", "value": SEEDS})
    percent = pd.DataFrame({"metric": "precision", "value": [40.0, 99.0, 98.0]})
    energy = pd.DataFrame({"metric": "energy", "value": SEEDS})
    table = pd.concat([frame, percent, energy])
    found = summarize(table, ["metric"]).set_index("metric")
    expected = mean_interval(SEEDS, bounds=(0, 1))
    assert found.loc["accuracy", ["low", "high"]].tolist() == [expected.low, expected.high]
    for name in ("precision", "energy"):
        plain = mean_interval(table.loc[table["metric"] == name, "value"].to_numpy())
        assert found.loc[name, ["low", "high"]].tolist() == [plain.low, plain.high]
    given = summarize(frame.assign(metric="energy"), ["metric"], bounds=(0, 1)).iloc[0]
    assert [given["low"], given["high"]] == [expected.low, expected.high]
    with pytest.raises(ValueError, match="do not lie within"):
        summarize(percent, ["metric"], bounds=(0, 1))


def test_a_difference_has_bounds_of_its_own():
    arm = pd.DataFrame({"seed": range(3), "metric": "accuracy", "value": [0.1, 0.9, 0.2]})
    control = pd.DataFrame({"seed": range(3), "metric": "accuracy", "value": [0.9, 0.1, 0.8]})
    differences = minus_control(arm, control)
    assert set(differences["metric"]) == {"accuracy_difference"}
    (row,) = summarize(differences, ["metric"]).itertuples()
    plain = mean_interval(differences["value"].to_numpy())
    assert plain.low < -1 < row.low < 0 < row.high < 1 < plain.high
    found = paired_difference(arm["value"], control["value"], bounds=bounds_of("accuracy"))
    assert (found.low, found.high) == (row.low, row.high)


def test_pairs_that_all_differ_by_the_same_have_no_interval_but_a_sign():
    for first, word in ((0.75, "holds"), (0.25, "fails"), (0.5, "equal")):
        found = paired_difference(np.full(4, first), np.full(4, 0.5))
        assert np.isnan([found.low, found.high]).all()
        assert verdict(found) == word
