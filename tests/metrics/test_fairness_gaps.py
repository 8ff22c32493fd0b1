"""Rates by group and gaps against fairlearn, scikit-learn and plain loops; what is absent; laws."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fairness_tables import plain_rates, plain_xauc, table, tables
from sklearn import metrics as sklearn_metrics

from jaxfair import metrics
from jaxfair.metrics import bounds_of, fairness
from jaxfair.metrics.bounds import UNBOUNDED

GOLDEN = Path(__file__).parent / "golden" / "fairness_fairlearn.npz"
NAMES = [name for name in fairness.GAPS if not name.startswith("mean_")]
SEEDS = range(40)


@functools.partial(jax.jit, static_argnums=3)
def everything(scores, targets, groups, num_groups, mask, weights, min_count):
    """All rates and gaps in one program, `{name: values}`: for thirty to compile takes little longer than for one."""
    arguments = scores, targets, groups, num_groups, mask, weights
    rates = {name: fairness.by_group(name, *arguments, min_count=min_count) for name in fairness.RATES}
    rates["xauc"] = fairness.cross_group_auc(*arguments, min_count=min_count)
    gaps = {name: getattr(fairness, name)(*arguments, min_count=min_count) for name in NAMES}
    for kind in ("difference", "ratio"):
        odds = getattr(fairness, f"equalized_odds_{kind}")
        gaps[f"mean_equalized_odds_{kind}"] = odds(*arguments, agg="mean", min_count=min_count)
    return rates, gaps


@pytest.fixture(scope="module")
def of_tables():
    columns = tables(SEEDS, 4)
    scores, targets, groups, mask, weights = columns
    return columns, *everything(scores, targets, groups, 4, mask, weights, 1)


@pytest.mark.parametrize("num_groups", [2, 4])
def test_equals_fairlearn(num_groups):
    golden = np.load(GOLDEN)
    columns = tables(range(300), num_groups)
    assert sum(float(np.sum(column)) for column in columns) == pytest.approx(float(golden[f"checksum_{num_groups}"]))
    names, expected = list(golden["gaps"]), golden[f"groups_{num_groups}"]
    # Tables one after another in rows as many as `of_tables` has: one program serves both.
    parts = [[column[start : start + 40] for column in columns] for start in range(0, 280, 40)]
    parts.append([column[260:] for column in columns])
    found = [everything(*part[:3], num_groups, *part[3:], 1) for part in parts]
    for place, name in enumerate(names):
        actual = np.concatenate([*(np.asarray(gaps[name]) for _, gaps in found[:-1]), found[-1][1][name][20:]])
        wanted = expected[:, place]
        if name.startswith("predictive_parity"):
            # fairlearn leaves out a group that has no positive call; here the gap over all groups is then unknown.
            called = [np.asarray(rates["positive_predictive_value"].values) for rates, _ in found]
            called = np.concatenate([*called[:-1], called[-1][20:]])
            wanted = np.where(np.isnan(called).any(-1), np.nan, wanted)
        if "odds_ratio" in name:
            # Python's min and mean of a ratio 0 / 0 beside another: what comes out depends on their order.
            wanted = np.where(np.isnan(actual), np.nan, wanted)
            assert np.isnan(actual).mean() < 0.05
        np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=2e-6, err_msg=name)


def test_rates_equal_plain_loops(of_tables):
    columns, rates, _ = of_tables
    for row, single in enumerate(zip(*(column[:20] for column in columns), strict=True)):
        for name, expected in plain_rates(*single, 4).items():
            np.testing.assert_allclose(rates[name].values[row], expected, rtol=1e-5, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(rates["xauc"].values[row], plain_xauc(*single, 4), rtol=1e-5)


def test_areas_equal_scikit_learn_in_each_group(of_tables):
    columns, rates, gaps = of_tables
    for row, (scores, targets, groups, mask, weights) in enumerate(zip(*(c[:20] for c in columns), strict=True)):
        for name, function in [
            ("roc_auc", sklearn_metrics.roc_auc_score),
            ("pr_auc", sklearn_metrics.average_precision_score),
        ]:
            own = [mask & (groups == group) for group in range(4)]
            expected = [function(targets[who], scores[who], sample_weight=weights[who]) for who in own]
            np.testing.assert_allclose(rates[name].values[row], expected, rtol=1e-5)
            assert gaps[f"{name}_difference"][row] == pytest.approx(np.ptp(expected), abs=1e-6)
        np.testing.assert_allclose(np.diag(rates["xauc"].values[row]), rates["roc_auc"].values[row], rtol=1e-5)


def test_gaps_are_those_of_their_rates(of_tables):
    _, rates, gaps = of_tables
    ends = {name: (np.min(rate.values, -1), np.max(rate.values, -1)) for name, rate in rates.items()}
    for name, rate in [
        ("demographic_parity", "selection_rate"),
        ("equal_opportunity", "true_positive_rate"),
        ("predictive_parity", "positive_predictive_value"),
    ]:
        low, high = ends[rate]
        np.testing.assert_allclose(gaps[f"{name}_difference"], high - low, atol=1e-6)
        np.testing.assert_allclose(gaps[f"{name}_ratio"], np.where(high > 0, low / np.where(high > 0, high, 1), np.nan))
    np.testing.assert_array_equal(gaps["worst_group_accuracy"], ends["accuracy"][0])
    matrix = np.asarray(rates["xauc"].values)
    np.testing.assert_allclose(gaps["xauc_difference"], np.abs(matrix - matrix.transpose(0, 2, 1)).max((1, 2)))
    for name, values in gaps.items():
        low, high = bounds_of(name) if name != "calibration_bias_difference" else (0, 2)
        assert (low, high) != UNBOUNDED
        assert (np.isnan(values) | ((low <= values) & (values <= high))).all(), name


def test_counts_are_of_what_the_rate_needs(of_tables):
    (scores, targets, groups, mask, _), rates, _ = of_tables
    inside = mask[:, None] & (groups[:, None] == np.arange(4)[:, None])
    kinds = {"accuracy": True, "true_positive_rate": targets == 1, "false_positive_rate": targets == 0}
    kinds["positive_predictive_value"] = scores >= 0.5
    for name, which in kinds.items():
        which = np.broadcast_to(which, mask.shape)
        np.testing.assert_array_equal(rates[name].counts, (inside & which[:, None]).sum(-1))
    fewer = np.minimum(rates["true_positive_rate"].counts, rates["false_positive_rate"].counts)
    np.testing.assert_array_equal(rates["roc_auc"].counts, fewer)


def test_signed_between_two_groups_and_absolute():
    scores, targets, groups, mask, weights = table(1, 4)
    arguments = scores, targets, np.array(["a", "b", "c", "d"])[groups], None, mask, weights
    rate = plain_rates(scores, targets, groups, mask, weights, 4)
    accuracies, (first, _, third, _) = rate["accuracy"], rate["selection_rate"]
    apart = [abs(rate[name][0] - rate[name][2]) for name in ("true_positive_rate", "false_positive_rate")]
    matrix = plain_xauc(scores, targets, groups, mask, weights, 4)

    @jax.jit
    def found():
        return [
            fairness.accuracy_difference(*arguments, between=("b", "d")),
            fairness.accuracy_difference(*arguments, between=("d", "b")),
            fairness.accuracy_difference(*arguments, between=("d", "b"), absolute=True),
            fairness.accuracy_difference(scores, targets, groups, 4, mask, weights, between=(1, 3)),
            fairness.equalized_odds_difference(*arguments, between=("a", "c"), agg="mean"),
            fairness.demographic_parity_ratio(*arguments, between=("a", "c")),
            fairness.demographic_parity_ratio(*arguments, between=("a", "c"), absolute=True),
            fairness.xauc_difference(*arguments, between=("a", "c")),
        ]

    apart_bd = accuracies[3] - accuracies[1]
    expected = [apart_bd, -apart_bd, abs(apart_bd), apart_bd, np.mean(apart), third / first]
    expected += [min(first, third) / max(first, third), matrix[2, 0] - matrix[0, 2]]
    np.testing.assert_allclose(found(), expected, atol=1e-6)


def changed(**changes):
    """One table, changed and copied 40 times, so that the program of `of_tables` serves again: its rates and gaps."""
    columns = dict(zip(("scores", "targets", "groups", "mask", "weights"), table(37, 4), strict=True))
    columns |= {name: change(columns) for name, change in changes.items()}
    columns = [np.broadcast_to(column, (40, column.shape[-1])) for column in columns.values()]
    rates, gaps = everything(columns[0], columns[1], columns[2], 4, *columns[3:], 1)
    return jax.tree.map(lambda values: np.asarray(values)[0], (rates, gaps))


def test_what_is_masked_or_in_no_group_or_weighs_nothing_changes_nothing():
    expected = changed()
    out = np.arange(160) % 5 == 0
    removed = changed(mask=lambda c: c["mask"] & ~out)
    assert not np.array_equal(removed[1]["accuracy_difference"], expected[1]["accuracy_difference"])
    hidden = [
        changed(mask=lambda c: c["mask"] & ~out, scores=lambda c: np.where(out, np.nan, c["scores"]).astype("float32")),
        changed(weights=lambda c: np.where(out, 0, c["weights"])),
        changed(groups=lambda c: np.where(out, -1, c["groups"]).astype(np.int32)),
    ]
    for other in hidden:
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), other, removed)


def test_order_does_not_matter_and_a_weight_of_two_is_two_examples():
    expected = changed(weights=lambda c: np.where(np.arange(160) < 20, 2.0, 1.0), mask=lambda c: np.arange(160) < 80)
    twice = np.concatenate([np.arange(80), np.arange(20), np.arange(100, 160)])
    again = {name: lambda c, name=name: c[name][twice] for name in ("scores", "targets", "groups")}
    doubled = changed(**again, weights=lambda c: np.ones(160), mask=lambda c: np.arange(160) < 100)
    order = np.random.default_rng(0).permutation(160)
    shuffled = changed(
        **{name: lambda c, name=name: c[name][order] for name in ("scores", "targets", "groups")},
        weights=lambda c: np.where(np.arange(160) < 20, 2.0, 1.0)[order],
        mask=lambda c: order < 80,
    )
    for other in (doubled, shuffled):
        np.testing.assert_allclose(list(other[1].values()), list(expected[1].values()), atol=2e-6)
        for name, rate in expected[0].items():
            np.testing.assert_allclose(other[0][name].values, rate.values, atol=2e-6, err_msg=name)


def test_a_group_that_is_absent_or_lacks_a_class_is_nan_and_so_are_the_gaps_that_need_it():
    rates, gaps = changed(groups=lambda c: np.where(c["groups"] == 2, 1, c["groups"]))
    for name, rate in rates.items():
        values, counts = (rate.values, rate.counts) if name != "xauc" else (rate.values[2], rate.counts[2])
        where = 2 if name != "xauc" else slice(None)
        assert np.isnan(values[where]).all(), name
        assert (counts[where] == 0).all()
    assert np.isnan(list(gaps.values())).all()
    # Group 2 without positives: only what needs positives is lost.
    rates, gaps = changed(targets=lambda c: np.where(c["groups"] == 2, 0, c["targets"]))
    lost = {name for name, value in gaps.items() if np.isnan(value)}
    assert lost == {name for name in gaps if name.startswith(("equal", "mean", "roc", "pr_", "xauc"))}
    assert rates["true_positive_rate"].counts[2] == 0
    assert np.isfinite(rates["true_positive_rate"].values[[0, 1, 3]]).all()


def test_too_few_examples_are_nan_and_a_nan_stays_in_its_group(of_tables):
    columns, rates, _ = of_tables
    strict, strict_gaps = everything(*columns[:3], 4, *columns[3:], 8)
    for name, rate in strict.items():
        expected = np.where(rates[name].counts >= 8, rates[name].values, np.nan)
        np.testing.assert_array_equal(rate.values, expected)
    few = (rates["true_positive_rate"].counts < 8).any(-1)
    assert 0 < few.mean() < 1
    np.testing.assert_array_equal(np.isnan(strict_gaps["equal_opportunity_difference"]), few)
    spoiled, _ = changed(scores=lambda c: np.where(np.arange(160) == 0, np.nan, c["scores"]).astype(np.float32))
    for name in fairness.RATES:
        assert np.isnan(spoiled[name].values).tolist() == [True, False, False, False], name


def test_one_group_has_no_gap_but_a_worst():
    scores, targets = np.array([0.9, 0.2, 0.6, 0.1]), np.array([1, 0, 0, 1])
    for groups, number in ((["a", "a", "a", None], None), (np.zeros(4, int), 1)):
        assert np.isnan(fairness.demographic_parity_difference(scores, targets, groups, number))
        assert np.isnan(fairness.xauc_difference(scores, targets, groups, number))
    assert fairness.worst_group_accuracy(scores, targets, np.zeros(4, int)) == 0.5
    absent = {"between": ("a", "z")}
    assert np.isnan(fairness.accuracy_difference(scores, targets, ["a", "a", "b", None], **absent))
    assert np.isnan(fairness.xauc_difference(scores, targets, ["a", "a", "b", None], **absent))
    nobody = [None] * 4
    assert np.isnan(fairness.worst_group_accuracy(scores, targets, nobody))
    assert fairness.by_group("accuracy", scores, targets, nobody).values.shape == (0,)


def test_a_batch_equals_single_calls_and_vmap(of_tables):
    columns, rates, gaps = of_tables
    mapped = jax.jit(jax.vmap(lambda s, t, g, m, w: fairness.gap("equalized_odds_difference", s, t, g, 4, m, w)))
    np.testing.assert_allclose(mapped(*columns), gaps["equalized_odds_difference"], atol=1e-6)
    scores, targets, groups, mask, weights = (column[5] for column in columns)
    single = fairness.by_group("accuracy", scores, targets, groups, 4, mask, weights)
    np.testing.assert_allclose(single.values, rates["accuracy"].values[5], rtol=1e-6)


def test_float64_and_thresholds_of_ones_own():
    near = 0.5 + np.array([-1e-12, 1e-12, -1e-12, 1e-12])
    groups = np.array([0, 0, 1, 1])
    found = fairness.by_group("selection_rate", near, np.array([0, 1, 0, 1]), groups, 2)
    np.testing.assert_array_equal(found.values, [0.5, 0.5])
    np.testing.assert_array_equal(fairness.by_group("roc_auc", near, [0, 1, 1, 0], groups, 2).values, [1, 0])
    members = jnp.array([[0.1, 0.4, 0.2, 0.9], [0.1, 0.4, 0.2, 0.9]])
    found = fairness.by_group("selection_rate", members, groups, groups, 2, threshold=np.array([0.3, 0.15]))
    np.testing.assert_array_equal(found.values, [[0.5, 0.5], [0.5, 1]])
    own = fairness.by_group(metrics.f1, members, np.array([0, 1, 0, 1]), groups, 2)
    np.testing.assert_array_equal(own.values, [[0, 1], [0, 1]])


def test_a_logit_is_no_probability():
    arguments = np.array([0.3, 0.6, 1.7, 0.5]), np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1]), 2
    for name in ("calibration_bias", "expected_calibration_error"):
        assert np.isnan(fairness.by_group(name, *arguments).values).tolist() == [False, True]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda *a: fairness.by_group("recall", *a), "no rate 'recall'"),
        (lambda *a: fairness.gap("fairness", *a), "no gap 'fairness'"),
        (lambda p, t, _: fairness.accuracy_difference(p, t, [0, 1, 1, 0], 2, between=(0, 2)), "two of the groups"),
        (lambda *a: fairness.gap(fairness.Gap(("accuracy",), between=("a", "b")), *a), "codes of two groups"),
        (lambda p, t, g: fairness.accuracy_difference(p, t, g[:3]), "last axis"),
        (lambda p, t, g: fairness.accuracy_difference(p, t, [0, 1, 2, 0], 2), "whole codes"),
        (lambda p, t, g: fairness.accuracy_difference(p, t, g, 2), "integer codes"),
        (lambda *a: fairness.equalized_odds_difference(*a, agg="max"), "worst_case"),
        (lambda *a: fairness.gap(fairness.Gap(("calibration_bias",), "ratio"), *a), "may be negative"),
        (lambda p, t, g: jax.jit(lambda g: fairness.accuracy_difference(p, t, g))(np.arange(4)), "give num_groups"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.array([0.1, 0.8, 0.3, 0.6]), np.array([0, 1, 1, 0]), np.array(["a", "b", "a", "b"]))
