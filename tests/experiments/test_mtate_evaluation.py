"""The fairness study's comparisons of methods, test sets of another prevalence, and intervals, against plain loops."""

import types

import numpy as np
import pandas as pd
import pytest

from experiments.mtate import evaluation

RESAMPLES = 200
OTHERS = ("lstm", "retain", "transformer")


@pytest.fixture(scope="module")
def replicates():
    """By method and metric `[1 + resample]`, the sample first; methods share part of what chance does."""
    rng = np.random.default_rng(0)
    shared = {key: rng.normal(size=1 + RESAMPLES) for key in evaluation.COMPARED}
    better = {"mtate": 0.0, "lstm": 0.3, "retain": 1.0, "transformer": 4.0}
    return {
        name: {key: shared[key] - shift + 0.5 * rng.normal(size=1 + RESAMPLES) for key in evaluation.COMPARED}
        for name, shift in better.items()
    }


def plain_holm(p):
    """Holm's step-down correction by a loop."""
    order, corrected, least = np.argsort(p), np.zeros(len(p)), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = least
    return corrected


def test_differences_are_paired_with_an_interval_and_a_corrected_p(replicates):
    table = evaluation.comparisons(replicates)
    assert tuple(table.columns) == evaluation.COMPARISON_COLUMNS
    assert len(table) == len(evaluation.COMPARED) * len(OTHERS)
    for (domain, metric), rows in table.groupby(["task", "metric"], sort=False):
        assert rows["method"].tolist() == list(OTHERS)
        expected = []
        for row in rows.itertuples():
            pairs = zip(replicates["mtate"][domain, metric], replicates[row.method][domain, metric], strict=True)
            observed, *drawn = [one - other for one, other in pairs]
            assert row.difference == observed
            np.testing.assert_allclose([row.low, row.high], np.quantile(drawn, [0.025, 0.975]))
            smaller = min(sum(value <= 0 for value in drawn), sum(value >= 0 for value in drawn))
            expected.append(min(1.0, 2 * (smaller + 1) / (RESAMPLES + 1)))
        np.testing.assert_allclose(rows["p"], expected)
        np.testing.assert_allclose(rows["p_holm"], plain_holm(np.array(expected)))


def test_what_is_not_defined_is_not_compared_and_corrects_nothing(replicates):
    key = ("all", "equal_opportunity_difference")
    broken = {name: dict(values) for name, values in replicates.items()}
    broken["lstm"][key] = np.full(1 + RESAMPLES, np.nan)
    broken["retain"][key] = np.where(np.arange(1 + RESAMPLES) % 3 == 1, np.nan, broken["retain"][key])
    table = evaluation.comparisons(broken)
    rows = table[(table["task"] == key[0]) & (table["metric"] == key[1])].set_index("method")
    assert rows.loc["lstm", ["difference", "low", "high", "p", "p_holm"]].isna().all()
    drawn = (broken["mtate"][key] - broken["retain"][key])[1:]
    drawn = drawn[~np.isnan(drawn)]
    smaller = min((drawn <= 0).sum(), (drawn >= 0).sum())
    assert rows.loc["retain", "p"] == pytest.approx(2 * (smaller + 1) / (len(drawn) + 1))
    known = rows.loc[["retain", "transformer"]]
    np.testing.assert_allclose(known["p_holm"], plain_holm(known["p"].to_numpy()))


def test_without_the_papers_method_or_anything_beside_it_there_is_nothing_to_compare(replicates):
    for names in (("lstm", "retain"), ("mtate",)):
        table = evaluation.comparisons({name: replicates[name] for name in names})
        assert table.empty
        assert tuple(table.columns) == evaluation.COMPARISON_COLUMNS
    renamed = {"masking_4": replicates["mtate"], "masking_0": replicates["lstm"]}
    assert set(evaluation.comparisons(renamed)["base"]) == {"masking_4"}


def test_test_sets_have_the_papers_prevalence_and_differ_between_seeds():
    rng = np.random.default_rng(0)
    outcome = (rng.random(500) < 0.1).astype(np.float32)
    evaluate = np.arange(500) % 3 == np.arange(2)[:, None]  # A third is judged by nobody.
    data = types.SimpleNamespace(outcome=outcome, evaluate=evaluate)
    judged = evaluate.any(0)
    deaths = int(outcome[judged].sum())
    assert evaluation._test_set(data, None, 0) is evaluate
    for name, ratio in (("evaluate_1_to_4", 4), ("evaluate_1_to_1", 1)):
        assert evaluation.TEST_SETS[name] == ratio
        one, same, other = (evaluation._test_set(data, float(ratio), seed) for seed in (0, 0, 1))
        np.testing.assert_array_equal(one, same)
        assert (one != other).any()
        chosen = one.any(0)
        assert not (one & ~evaluate).any()
        assert outcome[chosen].sum() == deaths
        assert (outcome[chosen] == 0).sum() == ratio * deaths


def test_intervals_are_quantiles_of_what_is_defined():
    values = np.r_[0.5, np.linspace(0, 1, 101), np.full(20, np.nan)]
    table = evaluation._intervals("lstm", "evaluate", {("age", "gap"): values, ("", "gone"): np.full(4, np.nan)})
    first, second = table.to_dict("records")
    assert (first["estimate"], first["undefined"]) == (0.5, 20)
    assert (first["low"], first["high"]) == pytest.approx((0.025, 0.975))
    assert second["undefined"] == 3
    assert pd.isna([second["estimate"], second["low"], second["high"]]).all()
    # Of what is not defined in the sample there is no interval, whatever resamples say.
    absent = evaluation._intervals("lstm", "evaluate", {("", "gone"): np.r_[np.nan, np.linspace(0, 1, 101)]})
    assert absent[["estimate", "low", "high"]].isna().all(axis=None)
