"""Randomised thresholds by group against fairlearn and linear programmes; laws of what was fitted; what is absent."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog
from scored_groups import sample

from jaxfair.methods import threshold_optimizer
from jaxfair.methods.threshold_optimizer import CONSTRAINTS, OBJECTIVES, GroupRules, fit
from jaxfair.metrics import fairness

GOLDEN = Path(__file__).parent / "golden" / "threshold_optimizer_fairlearn.npz"
SEEDS = range(30)
HELD = {
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "demographic_parity": ("selection_rate",),
    "true_positive_rate_parity": ("true_positive_rate",),
    "false_positive_rate_parity": ("false_positive_rate",),
}
# Many rules to as many samples, in one program.
chances = jax.jit(jax.vmap(threshold_optimizer.apply))


def rates(chance, targets):
    """What decisions with these probabilities are expected to reach, in float64."""
    chance = np.asarray(chance, np.float64)
    true, false = chance[targets == 1].mean(), chance[targets == 0].mean()
    return {
        "selection_rate": chance.mean(),
        "true_positive_rate": true,
        "false_positive_rate": false,
        "accuracy": np.where(targets == 1, chance, 1 - chance).mean(),
        "balanced_accuracy": (true + 1 - false) / 2,
    }


def by_group(chance, targets, groups):
    return [rates(chance[groups == group], targets[groups == group]) for group in np.unique(groups)]


def reached(chance, targets, groups, constraint, objective):
    """The objective as it was optimised."""
    if constraint == "equalized_odds":
        return rates(chance, targets)[objective]
    shares = np.bincount(groups) / len(groups)
    return shares @ [own[objective] for own in by_group(chance, targets, groups)]


@functools.cache
def fitted(num_groups, grid_size=None):
    """Of all seeds and cases: samples, test samples, rules, and probabilities on both `[seed, case, example]`."""
    cases = [(constraint, objective) for constraint in CONSTRAINTS for objective in OBJECTIVES]
    parts = [[np.stack(column) for column in zip(*(sample(seed, num_groups, part) for seed in SEEDS), strict=True)]
             for part in (0, 1)]  # fmt: skip
    rules = [
        fit(*(column[seed] for column in parts[0]), *case, num_groups, grid_size=grid_size)
        for seed in SEEDS
        for case in cases
    ]
    rules = GroupRules(*(np.stack(field) for field in zip(*rules, strict=True)))
    found = []
    for scores, _, groups in parts:
        columns = (np.repeat(column, len(cases), axis=0) for column in (scores, groups))
        found.append(np.asarray(chances(rules, *columns)).reshape(len(SEEDS), len(cases), -1))
    return cases, parts, rules, found


@pytest.mark.parametrize("num_groups", [1, 2, 4])
def test_equals_fairlearn(num_groups):
    golden = np.load(GOLDEN)
    cases, parts, rules, found = fitted(num_groups, 1000)
    assert [" ".join(case) for case in cases] == list(golden["cases"])
    checksum = sum(float(np.sum(column, dtype=np.float64)) for columns in parts for column in columns)
    assert checksum == pytest.approx(float(golden[f"checksum_{num_groups}"]), rel=1e-6)
    expected = golden[f"chances_{num_groups}"]
    # A threshold itself is called positive here, as everywhere in this library, and negative by fairlearn.
    thresholds = rules.thresholds.reshape(len(SEEDS), len(cases), num_groups, 2)
    (_, targets, groups), (new_scores, _, new_groups) = parts
    own = np.take_along_axis(thresholds, new_groups[:, None, :, None], axis=2)
    on_threshold = (new_scores[:, None, :, None] == own).any(-1)
    assert on_threshold.mean() < 0.01
    apart = np.abs(found[0] - expected[:, :, 0]).max(-1)
    apart = np.maximum(apart, np.where(on_threshold, 0, np.abs(found[1] - expected[:, :, 1])).max(-1))
    same = apart < 1e-6
    assert same.mean() > 0.85
    # Elsewhere there are several optima: rates that are equally good, or thresholds on one line of a hull.
    for seed, case in zip(*np.nonzero(~same), strict=True):
        constraint, objective = cases[case]
        theirs, columns = expected[seed, case, 0], (targets[seed], groups[seed])
        best = [reached(chance, *columns, *cases[case]) for chance in (found[0][seed, case], theirs)]
        assert best[0] == pytest.approx(best[1], abs=1e-6)
        rate = rules.constant.reshape(len(SEEDS), len(cases), num_groups)[seed, case, 0]
        if abs(rate - golden[f"rates_{num_groups}"][seed, case]) < 1e-6:
            for ours, other in zip(by_group(found[0][seed, case], *columns), by_group(theirs, *columns), strict=True):
                for name in {*HELD[constraint], objective}:
                    assert ours[name] == pytest.approx(other[name], abs=1e-6)


def best_by_linear_programme(scores, targets, groups, constraint, objective):
    """Mixtures of all thresholds of each group, with no curve and no hull."""
    columns, owner = [], []
    for group in np.unique(groups):
        own, labels = scores[groups == group], targets[groups == group]
        for threshold in [*np.unique(own), np.inf]:
            columns.append(rates(own >= threshold, labels))
            owner.append(group)
    owner, num_groups = np.array(owner), owner[-1] + 1
    values = {name: np.array([column[name] for column in columns]) for name in columns[0]}
    rows = [(owner == group).astype(float) for group in range(num_groups)]
    sums = [1.0] * num_groups
    for name in HELD[constraint]:
        for group in range(1, num_groups):
            rows.append(np.where(owner == group, values[name], np.where(owner == 0, -values[name], 0)))
            sums.append(0.0)
    if constraint == "equalized_odds":
        # The same point (FPR, TPR) in all groups: the first group's is that of all.
        share = targets.mean() if objective == "accuracy" else 0.5
        gain = share * values["true_positive_rate"] - (1 - share) * values["false_positive_rate"]
        gain, constant = np.where(owner == 0, gain, 0), 1 - share
    else:
        gain, constant = (np.bincount(groups) / len(groups))[owner] * values[objective], 0
    result = linprog(-gain, A_eq=np.array(rows), b_eq=sums, method="highs")
    assert result.status == 0
    return constant - result.fun


@pytest.mark.parametrize("num_groups", [2, 4])
def test_no_mixture_of_thresholds_is_better(num_groups):
    cases, ((scores, targets, groups), _), _, (found, _) = fitted(num_groups)
    for seed in range(8):
        for place, case in enumerate(cases):
            best = best_by_linear_programme(scores[seed], targets[seed], groups[seed], *case)
            own = reached(found[seed, place], targets[seed], groups[seed], *case)
            assert own == pytest.approx(best, abs=1e-6), (seed, case)


@pytest.mark.parametrize("grid_size", [None, 1000])
def test_rates_are_the_same_in_all_groups(grid_size):
    cases, ((_, targets, groups), _), rules, (found, _) = fitted(4, grid_size)
    shared = rules.constant.reshape(len(SEEDS), len(cases), 4)
    for seed in SEEDS:
        for place, (constraint, _) in enumerate(cases):
            own = by_group(found[seed, place], targets[seed], groups[seed])
            for name in HELD[constraint]:
                assert np.ptp([each[name] for each in own]) < 1e-6
            x = HELD[constraint][-1]  # Of equalized odds, the FPR.
            np.testing.assert_allclose([each[x] for each in own], shared[seed, place], atol=1e-6)
    np.testing.assert_allclose(rules.probabilities.sum(-1), 1, atol=1e-6)
    assert ((rules.p_ignore >= 0) & (rules.p_ignore <= 1)).all()
    assert (rules.thresholds[..., 0] >= rules.thresholds[..., 1]).all()


def test_is_no_worse_than_a_constant_or_a_grid():
    cases, ((_, targets, groups), _), _, (found, _) = fitted(4)
    *_, (on_grid, _) = fitted(4, 1000)
    gained = []
    for seed in SEEDS:
        for place, case in enumerate(cases):
            columns = targets[seed], groups[seed], *case
            own, other = (reached(chance[seed, place], *columns) for chance in (found, on_grid))
            assert own >= max(reached(np.full(targets.shape[1], call), *columns) for call in (0.0, 1.0)) - 1e-6
            assert own >= other - 1e-6
            gained.append(own - other)
    assert max(gained) > 1e-5  # The optimum is seldom on the grid.


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_one_group_gets_its_best_threshold(objective):
    cases, ((scores, targets, _), _), rules, (found, _) = fitted(1)
    for seed in SEEDS:
        best = max(rates(scores[seed] >= cut, targets[seed])[objective] for cut in [*scores[seed], np.inf])
        for place, (_, own) in enumerate(cases):
            if own == objective:
                assert set(found[seed, place]) <= {0.0, 1.0}
                assert rates(found[seed, place], targets[seed])[objective] == pytest.approx(best, abs=1e-12)
    assert (rules.p_ignore == 0).all()


def test_decisions_have_the_probabilities_and_go_into_metrics():
    _, ((scores, targets, groups), _), rules, (found, _) = fitted(2)
    rules = GroupRules(*(field[0] for field in rules))  # Seed 0, equalized odds, accuracy.
    chance = found[0, 0]
    assert ((chance > 0) & (chance < 1)).any()
    keys = jax.random.split(jax.random.key(0), 2000)
    draw = jax.jit(jax.vmap(threshold_optimizer.decide, (None, None, None, 0)))
    decisions = np.asarray(draw(rules, scores[0], groups[0], keys))
    assert set(np.unique(decisions)) == {0.0, 1.0}
    np.testing.assert_array_less(np.abs(decisions.mean(0) - chance), 5 * np.sqrt(chance * (1 - chance) / 2000) + 1e-6)
    np.testing.assert_array_equal(decisions[0], threshold_optimizer.decide(rules, scores[0], groups[0], keys[0]))
    for rate in HELD["equalized_odds"]:
        own = np.asarray(fairness.by_group(rate, decisions, targets[0], groups[0], 2).values, np.float64)
        expected = [each[rate] for each in by_group(chance, targets[0], groups[0])]
        np.testing.assert_array_less(np.abs(own.mean(0) - expected), 5 * own.std(0) / np.sqrt(2000) + 1e-6)
        assert expected[0] == pytest.approx(expected[1], abs=1e-6)


def test_what_is_masked_or_in_no_group_changes_nothing():
    scores, targets, groups = sample(3, 2)
    expected = fit(scores, targets, groups)
    more = [np.concatenate([column, column[:5]]) for column in (scores, targets.astype(float), groups)]
    more[0][-5:-1] = more[1][-5:-1] = np.nan
    mask = np.arange(125) < 120
    for name, columns in {
        "masked": (more[0], more[1], more[2], mask),
        "in no group": (more[0], more[1], np.where(mask, more[2], -1), None),
    }.items():
        found = fit(*columns[:3], num_groups=2, mask=columns[3])
        for own, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(own, other, err_msg=name)


def test_a_group_without_data_has_no_rule():
    scores, targets, groups = sample(3, 2)
    rules, fewer = fit(scores, targets, 2 * groups, num_groups=3), fit(scores, targets, groups)
    for own, other in zip(rules, fewer, strict=True):
        np.testing.assert_array_equal(own[[0, 2]], other)
        assert np.isnan(own[1]).all()
    chance = threshold_optimizer.apply(rules, [0.0, 0.0, 0.0, np.nan], [0, 1, -1, 2])
    decided = threshold_optimizer.decide(rules, [0.0, 0.0, 0.0, np.nan], [0, 1, -1, 2], jax.random.key(0))
    for values in (chance, decided):
        np.testing.assert_array_equal(np.isnan(values), [False, True, True, True])


def test_groups_by_name_and_leading_axes():
    scores, targets, groups = sample(5, 2)
    names = np.array(["f", "m"])[groups]
    rules = fit(scores, targets, names, "demographic_parity")
    for own, other in zip(rules, fit(scores, targets, groups, "demographic_parity", num_groups=2), strict=True):
        np.testing.assert_array_equal(own, other)
    models = jnp.stack([scores, scores + 1])
    both = threshold_optimizer.apply(rules, models, groups)
    for own, model in zip(both, models, strict=True):
        np.testing.assert_array_equal(own, threshold_optimizer.apply(rules, model, groups))


def test_thresholds_part_neighbours_in_float32():
    low = np.float32(1)
    high = np.nextafter(low, np.float32(2))
    rules = fit([low, high, low, high], [0, 1, 0, 1], [0, 0, 1, 1])
    np.testing.assert_array_equal(threshold_optimizer.apply(rules, [low, high], [0, 1]), [0, 1])
    # Nobody is called at infinity, whatever the score.
    nobody = GroupRules(np.full((1, 2), np.inf), np.array([[0.5, 0.5]]), np.zeros(1), np.zeros(1))
    assert threshold_optimizer.apply(nobody, [np.inf], [0])[0] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"constraint": "fairness"}, "no constraint 'fairness'"),
        ({"objective": "f1"}, "objective 'f1'"),
        ({"targets": [0, 1, 1, 1]}, "the 2 examples of group 1 are all positive"),
        ({"targets": [0, 0, 0, 1]}, "group 0 are all negative"),
        ({"targets": [0, 2, 0, 1]}, "other than 0 and 1"),
        ({"scores": [0.1, np.nan, 0.3, 0.4]}, "not finite"),
        ({"scores": [0.1, np.inf, 0.3, 0.4]}, "not finite"),
        ({"scores": [[0.1, 0.2, 0.3, 0.4]]}, "one shape"),
        ({"mask": [True]}, "one shape"),
        ({"mask": np.zeros(4, bool)}, "no example that counts"),
        ({"groups": [0, 0, 2, 2], "num_groups": 2}, "whole codes"),
        ({"grid_size": 0}, "grid_size"),
        ({"grid_size": 2.5}, "grid_size"),
    ],
)
def test_says_what_cannot_be_fitted(change, message):
    given = {"scores": [0.1, 0.2, 0.3, 0.4], "targets": [0, 1, 0, 1], "groups": [0, 0, 1, 1]}
    fit(**given)
    with pytest.raises(ValueError, match=message):
        fit(**(given | change))


def test_says_which_codes_have_no_rule():
    rules = fit([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1], [0, 0, 1, 1])
    with pytest.raises(ValueError, match="whole codes"):
        threshold_optimizer.apply(rules, [0.5], [2])
