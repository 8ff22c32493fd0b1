"""Codes of groups, intersections and bands; tables; dependence on a continuous attribute."""

import jax
import numpy as np
import pandas as pd
import pytest
from fairness_tables import plain_rates, table
from sklearn.metrics.pairwise import rbf_kernel

from jaxfair import losses
from jaxfair.metrics import fairness


@pytest.mark.parametrize(
    ("values", "names", "codes"),
    [
        (["f", "m", None, "f"], ["f", "m"], [0, 1, -1, 0]),
        (["f", float("nan"), "m", "m"], ["f", "m"], [0, -1, 1, 1]),
        (np.array([30.0, np.nan, 70.0, 30.0]), [30, 70], [0, -1, 1, 0]),
        (np.array([2, -1, 0, 2]), [0, 2], [1, -1, 0, 1]),
        (np.array([True, False, True, True]), [False, True], [1, 0, 1, 1]),
        (pd.Series(["a", pd.NA, "b", "a"]), ["a", "b"], [0, -1, 1, 0]),
        (pd.Categorical(["old", "young", None, "old"]), ["old", "young"], [0, 1, -1, 0]),
        (np.array([1, pd.NA, -1, 2], dtype=object), [1, 2], [0, -1, -1, 1]),
    ],
)
def test_codes_of_anything_that_sorts(values, names, codes):
    found, found_names = fairness.group_codes(values)
    assert (found.tolist(), list(found_names)) == (codes, names)


def test_a_group_of_masked_examples_alone_does_not_occur():
    codes, names = fairness.group_codes(["a", "b", "c", "b"], [True, True, False, True])
    assert (codes.tolist(), list(names)) == ([0, 1, -1, 1], ["a", "b"])
    rows = np.array([[True, False, False, False], [False, False, True, False]])
    codes, names = fairness.group_codes(["a", "b", "c", "b"], rows)
    assert (codes.tolist(), list(names)) == ([0, -1, 1, -1], ["a", "c"])
    codes, names = fairness.group_codes(["c", "a", "d", None], names=["a", "b", "c"])
    assert (codes.tolist(), list(names)) == ([2, 0, -1, -1], ["a", "b", "c"])
    with pytest.raises(ValueError, match="one type"):
        fairness.group_codes(["a", 1])


def test_intersections_are_all_combinations_and_an_absent_one_has_no_gap():
    sex, age = ["f", "m", "f", None, "m"], ["old", "old", "young", "old", None]
    codes, names = fairness.intersection({"sex": sex, "age": age})
    assert names == ["sex=f & age=old", "sex=f & age=young", "sex=m & age=old", "sex=m & age=young"]
    assert codes.tolist() == [0, 2, 1, -1, -1]
    found = fairness.by_group("accuracy", np.ones(5), np.ones(5), codes, len(names))
    np.testing.assert_array_equal(found.values, [1, 1, 1, np.nan])
    assert np.isnan(fairness.worst_group_accuracy(np.ones(5), np.ones(5), codes, len(names)))
    with pytest.raises(ValueError, match="at least one"):
        fairness.intersection({})


def test_tables_have_a_row_for_each_member_attribute_group_and_metric():
    scores, targets, groups, mask, weights = table(37, 4)
    names = np.array(list("abcd"))[groups]
    both = np.stack([scores, 1 - scores])
    attributes = {"ward": names, "half": np.arange(160) % 2}
    options = {"mask": mask, "weights": weights}
    found = fairness.group_table(both, targets, attributes, ["accuracy", "true_positive_rate"], **options)
    assert list(found.columns) == ["member", "attribute", "group", "metric", "value", "count"]
    assert len(found) == 2 * 2 * (4 + 1 + 2 + 1)
    rates = plain_rates(scores, targets, groups, mask, weights, 4)["accuracy"]
    own = found.query("member == 0 and attribute == 'ward' and metric == 'accuracy'").set_index("group")
    np.testing.assert_allclose(own.loc[list("abcd"), "value"], rates, rtol=1e-5)
    assert own.loc["all", "count"] == mask.sum() == own.loc[list("abcd"), "count"].sum()
    everyone = plain_rates(scores, targets, 0 * groups, mask, weights, 1)["accuracy"][0]
    assert own.loc["all", "value"] == pytest.approx(everyone, rel=1e-5)
    gaps = {"worst": "worst_group_accuracy", "f1_difference": fairness.Gap(("f1",))}
    table_of_gaps = fairness.gap_table(both, targets, attributes, gaps, **options)
    assert list(table_of_gaps.columns) == ["member", "attribute", "metric", "value"]
    row = table_of_gaps.query("member == 0 and attribute == 'ward' and metric == 'worst'")
    assert row["value"].item() == pytest.approx(rates.min(), rel=1e-5)
    sure = fairness.gap_table(
        both, targets, attributes, gaps, **options, subject=np.arange(160), key=jax.random.key(0), num_resamples=20
    )
    np.testing.assert_allclose(sure["value"], table_of_gaps["value"], rtol=1e-5)
    assert (sure["low"] <= sure["high"]).all()
    assert (sure["num_subjects"] == mask.sum()).all()
    # Without leading axes, and with several.
    single = fairness.gap_table(scores, targets, {"ward": names}, gaps, **options)
    assert list(single.columns) == ["attribute", "metric", "value"]
    assert single["value"][0] == pytest.approx(rates.min(), rel=1e-5)
    deep = fairness.group_table(both[None], targets, names, {"acc": "accuracy"}, axes=["fold", "seed"], **options)
    assert deep.loc[0, ["fold", "seed", "attribute", "group", "metric"]].tolist() == [0, 0, "group", "a", "acc"]
    with pytest.raises(ValueError, match="leading axes"):
        fairness.group_table(both, targets, names, axes=[])
    with pytest.raises(ValueError, match="both subject and key"):
        fairness.gap_table(both, targets, names, subject=np.arange(160))


def test_bands_hold_equally_many_and_code_other_samples_alike():
    age = np.random.default_rng(0).uniform(20, 90, 400)
    age[:3] = np.nan
    edges, names = fairness.quantile_bands(age, 4, np.arange(400) < 203)
    codes = fairness.band_codes(age, edges)
    np.testing.assert_array_equal(np.bincount(codes[3:203]), 50)
    assert (codes[:3] == -1).all()
    assert len(names) == 4
    assert names[0].startswith("(-inf")
    assert fairness.band_codes(edges, edges).tolist() == [1, 2, 3]
    traced = jax.jit(fairness.band_codes)(age.astype(np.float32), edges.astype(np.float32))
    assert np.mean(np.asarray(traced) == codes) > 0.99
    with pytest.raises(ValueError, match="known value"):
        fairness.quantile_bands([np.nan], 2)


def test_hsic_is_that_of_the_loss_and_of_kernel_matrices():
    rng = np.random.default_rng(1)
    age = rng.normal(50, 15, 60)
    scores = np.stack([(age - 50) ** 2, rng.normal(size=60)])
    mask, weights = rng.random(60) < 0.8, rng.choice([1.0, 2.0, 0.0], 60)
    normalized = jax.jit(losses.normalized_hsic)
    dependent, independent = found = fairness.hsic(scores, age, mask)
    for row, own in zip(scores, found, strict=True):
        standard = [(values - values[mask].mean()) / values[mask].std() for values in (row, age)]
        np.testing.assert_allclose(own, normalized(*np.float32(standard), mask), rtol=1e-4)
    assert dependent > 2 * independent
    repeated = np.repeat(np.arange(60), np.where(mask, weights, 0).astype(int))
    center = np.eye(len(repeated)) - 1 / len(repeated)
    standard = [(values - values.mean()) / values.std() for values in (scores[0][repeated], age[repeated])]
    first, second = (center @ rbf_kernel(values[:, None], gamma=0.5) @ center for values in standard)
    found = fairness.hsic(scores, age, mask, np.where(mask, weights, np.nan), normalized=False)
    np.testing.assert_allclose(found[0], np.mean(first * second), rtol=1e-4)


def test_hsic_of_a_constant_or_of_one_example_is_nan():
    age = np.arange(6.0)
    assert np.isnan(fairness.hsic(np.full(6, 0.3), age))
    assert np.isnan(fairness.hsic(age, age, age == 2))
    assert np.isnan(fairness.hsic(age, age, age > 9))
    assert np.isnan(fairness.hsic(np.where(age == 1, np.nan, age), age))
    assert fairness.hsic(age, age) == pytest.approx(1)
    with pytest.raises(ValueError, match="bandwidth"):
        fairness.hsic(age, age, bandwidth=0)
