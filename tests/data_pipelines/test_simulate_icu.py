"""Simulated intensive care stays: what was planted is there, and the optimum is one."""

import dataclasses

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from data_pipelines.icu import windows
from data_pipelines.icu.summaries import NAMES, summaries
from data_pipelines.simulate import icu

CONFIG = icu.IcuConfig(num_stays=1500, label_bias=0.4, shift=0.8)


@pytest.fixture(scope="module")
def simulated():
    return icu.simulate(CONFIG, seed=1)


def test_a_stay_depends_on_its_number_and_not_on_the_others(simulated):
    few = icu.simulate(dataclasses.replace(CONFIG, num_stays=20), seed=1)
    same = simulated.stays.take(np.arange(20))
    np.testing.assert_array_equal(few.stays.value, same.value)
    np.testing.assert_array_equal(few.stays.hours, same.hours)
    np.testing.assert_array_equal(few.death, simulated.death[:20])
    np.testing.assert_allclose(few.optimum, simulated.optimum[:20])
    assert (icu.simulate(dataclasses.replace(CONFIG, num_stays=20), seed=2).severity != few.severity).all()


def test_the_optimum_is_the_posterior_by_numerical_integration(simulated):
    _, mean, deviation, effect, _ = map(np.array, zip(*icu.VARIABLES, strict=True))
    stays = simulated.stays
    for place in (0, 3, 8):
        own = stays.stay == place
        variable, hours = stays.variable[own], stays.hours[own].astype(float)
        domains = np.array([stays.attributes[f"domain_{d}"][place] for d in range(3)])
        centered = (stays.value[own] - mean[variable]) / deviation[variable] - 0.8 * domains[variable % 3]
        growth = effect[variable] * (1 + hours / 48)
        intercept = icu._intercept(CONFIG)

        def density(severity, growth=growth, centered=centered):
            return np.exp(stats.norm.logpdf(centered, growth * severity).sum() + stats.norm.logpdf(severity) + 300)

        # The integrand is narrow: where it is largest is where to look.
        grid = np.linspace(-5, 5, 2001)
        peak = grid[np.argmax([density(each) for each in grid])]
        bounds = (peak - 1, peak + 1)
        total = integrate.quad(density, *bounds)[0]
        dying = integrate.quad(lambda s, density=density, at=intercept: density(s) * expit(at + 1.5 * s), *bounds)[0]
        assert simulated.optimum[place] == pytest.approx(dying / total, rel=1e-4)


def test_prevalence_and_calibration(simulated):
    assert simulated.death.mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / 1500))
    for low, high in ((0, 0.1), (0.1, 0.4), (0.4, 1)):
        chosen = (simulated.optimum >= low) & (simulated.optimum < high)
        expected, error = simulated.optimum[chosen].mean(), np.sqrt(0.25 / chosen.sum())
        assert simulated.death[chosen].mean() == pytest.approx(expected, abs=3 * error)


def test_label_bias_hides_its_share_of_the_deaths_of_one_group(simulated):
    recorded = simulated.stays.outcomes["hospital_death"]
    group = simulated.stays.attributes["domain_0"] == 1
    assert (recorded[~group] == simulated.death[~group]).all()
    dead = group & simulated.death
    assert not recorded[group & ~simulated.death].any()
    assert 1 - recorded[dead].mean() == pytest.approx(0.4, abs=4 * np.sqrt(0.24 / dead.sum()))
    np.testing.assert_allclose(simulated.optimum_recorded, simulated.optimum * np.where(group, 0.6, 1))
    hours = simulated.stays.outcomes["death_hours"]
    np.testing.assert_array_equal(~np.isnan(hours), recorded == 1)
    assert np.nanmin(hours) >= 48


def test_the_shift_is_what_groups_differ_by(simulated):
    stays = simulated.stays
    found = summaries(windows.cut(stays, *windows.fixed_ends(stays, [48]), 48).values)[..., NAMES.index("mean")]
    for number, (_, _, deviation, _, _) in enumerate(icu.VARIABLES):
        for domain in range(3):
            group = stays.attributes[f"domain_{domain}"] == 1
            one, other = (found[side, number][~np.isnan(found[side, number])] / deviation for side in (group, ~group))
            error = np.sqrt(one.var() / len(one) + other.var() / len(other))
            expected = 0.8 if number % 3 == domain else 0
            assert one.mean() - other.mean() == pytest.approx(expected, abs=4.5 * float(error)), (number, domain)


def test_no_model_is_above_the_optimum_and_a_plain_one_comes_near(simulated):
    stays = simulated.stays
    found = summaries(windows.cut(stays, *windows.fixed_ends(stays, [48]), 48).values)[..., NAMES.index("mean")]
    inputs = np.concatenate(
        [np.nan_to_num(found - np.nanmean(found, 0)), np.stack(list(stays.attributes.values()), 1)], 1
    )
    inputs = (inputs - inputs.mean(0)) / inputs.std(0)
    train = np.arange(1500) < 1000
    model = LogisticRegression().fit(inputs[train], simulated.death[train])
    reached = roc_auc_score(simulated.death[~train], model.decision_function(inputs[~train]))
    best = roc_auc_score(simulated.death[~train], simulated.optimum[~train])
    assert best - 0.05 < reached < best + 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_stays": 1}, "num_stays must be a whole number from 2"),
        ({"label_bias": 1.5}, "label_bias must lie between 0 and 1, but is 1.5"),
        ({"shift": np.nan}, "shift must lie between -10 and 10"),
        ({"num_domains": 9}, "num_domains must be a whole number from 1 to 8"),
    ],
)
def test_what_cannot_be_simulated_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        icu.IcuConfig(**change)
