"""What the fairness study measures of a method, against the metrics one by one, scikit-learn and loops."""

import functools

import jax
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from experiments.mtate import resampled
from experiments.mtate.resampled import Scored, measured, patient_weights
from jaxfair.metrics import fairness

FOLDS, EXAMPLES, RESAMPLES, SEEDS = 3, 480, 5, 2
NAMES = ("age", "sex")
# Of decisions, of scores, of probabilities.
OF_DECISIONS = (
    "demographic_parity_difference", "equal_opportunity_difference", "mean_equalized_odds_difference",
    "equalized_odds_difference", "worst_group_accuracy",
)  # fmt: skip
OF_SCORES = ("roc_auc_difference", "pr_auc_difference")
ALL_GAPS = (*OF_DECISIONS, *OF_SCORES, "calibration_bias_difference")


class Case:
    """Logits in eighths, so that there are ties, in folds of patients with two examples each."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.subject = np.repeat(np.arange(EXAMPLES // 2), 2)
        self.outcome = (rng.random(EXAMPLES) < 0.3).astype(np.float32)
        self.domains = (rng.random((EXAMPLES, 2)) < 0.4).astype(np.float32)
        self.domains[::7, 0] = np.nan
        self.evaluate = self.subject % FOLDS == np.arange(FOLDS)[:, None]
        logit = np.round(4 * rng.normal(self.outcome - 0.5, 1.0, (SEEDS, FOLDS, EXAMPLES))) / 4
        self.logit = np.where(self.evaluate, logit, np.nan).astype(np.float32)
        self.threshold = np.float32([[-0.25, 0.0, 0.25], [0.5, 0.25, 0.0]])
        self.weights = patient_weights(self.subject, RESAMPLES, seed=3)

    def measured(self, seed=0, **changed):
        own = vars(self) | changed
        scored = Scored(own["logit"], own["threshold"], own.get("decisions"))
        return measured(scored, seed, own["outcome"], own["domains"], NAMES, own["evaluate"], own["weights"])


@pytest.fixture(scope="module")
def case():
    return Case()


@pytest.fixture(scope="module")
def found(case):
    return [case.measured(seed) for seed in range(SEEDS)]


@functools.partial(jax.jit, static_argnums=0)
def gap(which, predictions, outcome, codes, weights):
    """The library's, `[resample]`."""
    return jax.vmap(lambda own: fairness.gap(which, predictions, outcome, codes, 2, weights=own))(weights)


def pooled(case, seed):
    """Of the evaluation cells in example order: logit, score within its fold, decision."""
    own = case.evaluate.argmax(0)
    logit = case.logit[seed, own, np.arange(EXAMPLES)]
    centred = logit - case.threshold[seed, own]
    return logit, centred, (centred >= 0).astype(np.float32)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_gaps_of_every_resample_are_those_of_the_library(case, found, seed):
    logit, centred, decided = pooled(case, seed)
    for place, name in enumerate(NAMES):
        codes = np.nan_to_num(case.domains[:, place], nan=-1).astype(np.int32)
        for which in ALL_GAPS:
            given = decided if which in OF_DECISIONS else centred
            if which == "calibration_bias_difference":
                given = 1 / (1 + np.exp(-logit))
            expected = gap(which, given, case.outcome, codes, case.weights)
            assert np.isfinite(expected).all(), which
            np.testing.assert_allclose(found[seed].values[name, which], expected, rtol=0, atol=2e-6, err_msg=which)


def test_areas_are_of_each_fold_and_then_averaged(case, found):
    for seed, each in enumerate(found):
        for metric, function in (("roc_auc", roc_auc_score), ("pr_auc", average_precision_score)):
            expected = np.zeros((FOLDS, 1 + RESAMPLES))
            for (fold, resample), _ in np.ndenumerate(expected):
                own = np.flatnonzero(case.evaluate[fold])
                weights = case.weights[resample, own]
                score = case.logit[seed, fold, own]
                assert len(np.unique(score)) < len(score) / 2  # Ties there are.
                expected[fold, resample] = function(case.outcome[own], score, sample_weight=weights)
            np.testing.assert_allclose(each.values["", metric], expected.mean(0), rtol=0, atol=2e-6)


def test_areas_of_groups_are_of_scores_from_their_folds_threshold(case, found):
    for seed, each in enumerate(found):
        _, centred, _ = pooled(case, seed)
        for place, name in enumerate(NAMES):
            for group in (0, 1):
                own = case.domains[:, place] == group
                for metric, function in (("roc_auc", roc_auc_score), ("pr_auc", average_precision_score)):
                    expected = [function(case.outcome[own], centred[own], sample_weight=w[own]) for w in case.weights]
                    np.testing.assert_allclose(each.groups[name, group, metric], expected, rtol=0, atol=2e-6)


def plain_rates(outcome, decided, risk, weights):
    """By loops, of one resample."""
    total = sick = called = right = false = correct = excess = squares = 0.0
    columns = (column.tolist() for column in (outcome, decided, risk, weights))  # Python's numbers, of float64.
    for label, decision, probability, weight in zip(*columns, strict=True):
        total += weight
        sick += weight * label
        called += weight * decision
        right += weight * decision * label
        false += weight * decision * (1 - label)
        correct += weight * (decision == label)
        excess += weight * (probability - label)
        squares += weight * (probability - label) ** 2
    sensitivity, false_rate = right / sick, false / (total - sick)
    return {
        "selection_rate": called / total, "true_positive_rate": sensitivity, "false_positive_rate": false_rate,
        "accuracy": correct / total, "calibration_bias": excess / total, "brier": squares / total,
        "balanced_accuracy": (sensitivity + 1 - false_rate) / 2,
    }  # fmt: skip


def test_rates_of_all_and_of_groups_equal_loops(case, found):
    for seed, each in enumerate(found):
        logit, _, decided = pooled(case, seed)
        risk = 1 / (1 + np.exp(-logit.astype(np.float64)))
        for resample, weights in enumerate(case.weights):
            for metric, expected in plain_rates(case.outcome, decided, risk, weights).items():
                if metric != "calibration_bias":
                    assert each.values["", metric][resample] == pytest.approx(expected, abs=1e-9), metric
            for place, name in enumerate(NAMES):
                for group in (0, 1):
                    own = case.domains[:, place] == group
                    assert each.counts[name, group] == (own.sum(), case.outcome[own].sum())
                    expected = plain_rates(case.outcome[own], decided[own], risk[own], weights[own])
                    for rate in set(expected) & {*resampled.RATES, "calibration_bias"}:
                        actual = each.groups[name, group, rate][resample]
                        assert actual == pytest.approx(expected[rate], abs=1e-9), rate


def test_the_mean_over_domains_and_the_worst_group_of_all(found):
    for each in found:
        for which in ALL_GAPS:
            own = np.stack([each.values[name, which] for name in NAMES])
            expected = own.min(0) if which == "worst_group_accuracy" else own.mean(0)
            np.testing.assert_array_equal(each.values["all", which], expected)


NEED_POSITIVES = ("equal_opportunity_difference", "mean_equalized_odds_difference", "equalized_odds_difference")


def test_a_group_without_positives_leaves_no_gap_that_needs_them(case):
    outcome = np.where(case.domains[:, 1] == 1, 0, case.outcome)
    each = case.measured(outcome=outcome)
    for rate in ("true_positive_rate", "roc_auc", "pr_auc"):
        assert np.isnan(each.groups["sex", 1, rate]).all()
        assert np.isfinite(each.groups["sex", 0, rate]).all()
        assert np.isfinite(each.groups["age", 1, rate]).all()
    for which in ALL_GAPS:
        gone = which in (*NEED_POSITIVES, *OF_SCORES)
        for domain in ("sex", "all"):
            assert np.isnan(each.values[domain, which]).all() == gone, which
            assert np.isnan(each.values[domain, which]).any() == gone, which
        assert np.isfinite(each.values["age", which]).all()
    assert np.isfinite(each.values["", "roc_auc"]).all()


def test_a_group_absent_from_a_resample_is_undefined_in_it_alone(case):
    """Group 1 of the second domain is two patients, who are not drawn in resample 2."""
    domains, weights, outcome = case.domains.copy(), case.weights.copy(), case.outcome.copy()
    domains[:, 1] = np.isin(case.subject, (0, 1))
    outcome[:4] = 0, 1, 0, 1
    weights[:, :4] = 1
    weights[2, :4] = 0
    each = case.measured(domains=domains, weights=weights, outcome=outcome)
    for which in ALL_GAPS:
        for domain in ("sex", "all"):
            assert np.flatnonzero(np.isnan(each.values[domain, which])).tolist() == [2], (domain, which)
        assert np.isfinite(each.values["age", which]).all()
    for rate in resampled.RATES:
        assert np.flatnonzero(np.isnan(each.groups["sex", 1, rate])).tolist() == [2]
        assert np.isfinite(each.groups["sex", 0, rate]).all()
    assert each.counts["sex", 1] == (4, 2)


def test_patients_of_unknown_group_count_for_all_and_in_no_group(case, found):
    unknown = np.isnan(case.domains[:, 0])
    counts = [found[0].counts["age", group][0] for group in (0, 1)]
    assert sum(counts) == EXAMPLES - unknown.sum()
    changed = np.where(unknown, -case.logit, case.logit)
    other = case.measured(logit=changed)
    for which in ALL_GAPS:
        np.testing.assert_array_equal(other.values["age", which], found[0].values["age", which])
    assert (other.values["", "accuracy"] != found[0].values["", "accuracy"]).all()


def test_a_domain_that_nobody_is_known_of_is_undefined(case):
    domains = case.domains.copy()
    domains[:, 0] = np.nan
    each = case.measured(domains=domains)
    for which in ALL_GAPS:
        assert np.isnan(each.values["age", which]).all()
        assert np.isnan(each.values["all", which]).all()
        assert np.isfinite(each.values["sex", which]).all()
    assert each.counts["age", 0] == each.counts["age", 1] == (0, 0)


def test_a_diverged_member_is_undefined_everywhere(case):
    logit, threshold = case.logit.copy(), case.threshold.copy()
    logit[0, 1], threshold[0, 1] = np.nan, np.nan
    each = case.measured(logit=logit, threshold=threshold)
    for key, values in each.values.items():
        assert np.isnan(values).all(), key
    for key, values in each.groups.items():
        assert np.isnan(values).all(), key
    other = case.measured(1, logit=logit, threshold=threshold)
    assert np.isfinite(list(other.values.values())).all()


def test_what_is_no_evaluation_example_does_not_matter(case, found):
    logit = np.where(case.evaluate, case.logit, 7.0)
    same = case.measured(logit=logit)
    for key, values in found[0].values.items():
        np.testing.assert_array_equal(same.values[key], values)


def test_a_subset_is_measured_as_if_the_others_had_weight_0(case):
    rng = np.random.default_rng(1)
    kept = rng.random(EXAMPLES) < 0.6
    subset = case.measured(evaluate=case.evaluate & kept)
    weighted = case.measured(weights=case.weights * kept)
    for key, values in subset.values.items():
        np.testing.assert_allclose(values, weighted.values[key], rtol=0, atol=2e-6, err_msg=str(key))


def test_a_test_set_of_which_nobody_is_drawn_is_undefined_without_a_warning(case):
    """Warnings are errors here."""
    weights = case.weights.copy()
    weights[1, case.subject < 120] = 0
    each = case.measured(evaluate=case.evaluate & (case.subject < 120), weights=weights)
    for key, values in each.values.items():
        assert np.flatnonzero(np.isnan(values)).tolist() == [1], key


def test_decisions_that_depend_on_the_domain(case):
    """Each domain's gaps are of its own decisions; what has no domain is of their mean."""
    rng = np.random.default_rng(2)
    chance = np.round(rng.random((2, SEEDS, FOLDS, EXAMPLES)), 1).astype(np.float32)
    each = case.measured(1, decisions=chance)
    fold = case.evaluate.argmax(0)
    own = chance[:, 1, fold, np.arange(EXAMPLES)].astype(np.float64)
    for place, name in enumerate(NAMES):
        for group in (0, 1):
            inside = case.domains[:, place] == group
            sick = inside & (case.outcome == 1)
            weight = case.weights
            selected = (weight * own[place])[:, inside].sum(1) / weight[:, inside].sum(1)
            sensitivity = (weight * own[place])[:, sick].sum(1) / weight[:, sick].sum(1)
            np.testing.assert_allclose(each.groups[name, group, "selection_rate"], selected, rtol=1e-6)
            np.testing.assert_allclose(each.groups[name, group, "true_positive_rate"], sensitivity, rtol=1e-6)
    right = np.where(case.outcome == 1, own.mean(0), 1 - own.mean(0))
    expected = (case.weights * right).sum(1) / case.weights.sum(1)
    np.testing.assert_allclose(each.values["", "accuracy"], expected, rtol=1e-6)
    plain = case.measured(1)
    for metric in ("roc_auc", "pr_auc", "brier"):
        np.testing.assert_array_equal(each.values["", metric], plain.values["", metric])


def test_decisions_at_the_threshold_given_as_such_change_nothing(case, found):
    decided = np.where(case.evaluate, case.logit >= case.threshold[..., None], np.nan).astype(np.float32)
    same = case.measured(decisions=np.stack([decided, decided]))
    for key, values in found[0].values.items():
        np.testing.assert_allclose(same.values[key], values, rtol=0, atol=1e-12, err_msg=str(key))


def test_a_threshold_that_calls_nobody_keeps_the_order_of_its_fold(case):
    """Validation may find that calling nobody is best: the fold's scores still rank its patients."""
    threshold = case.threshold.copy()
    threshold[0] = np.inf
    one = case.evaluate & (np.arange(FOLDS)[:, None] == 1)
    each = case.measured(threshold=threshold, evaluate=one)
    own = one.any(0) & (case.domains[:, 1] == 0)
    for metric, function in (("roc_auc", roc_auc_score), ("pr_auc", average_precision_score)):
        expected = [function(case.outcome[own], case.logit[0, 1, own], sample_weight=w[own]) for w in case.weights]
        np.testing.assert_allclose(each.groups["sex", 0, metric], expected, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(each.groups["sex", 0, "selection_rate"], np.zeros(1 + RESAMPLES))


def test_patients_are_drawn_with_all_their_examples():
    subject = np.array([4, 0, 4, -1, 2, 0, 7, -1])
    weights = patient_weights(subject, 200, seed=0)
    assert weights.shape == (201, 8)
    np.testing.assert_array_equal(weights[0], subject >= 0)
    for name in (0, 4):
        own = weights[:, subject == name]
        np.testing.assert_array_equal(own, own[:, :1].repeat(2, axis=1))
    assert (weights[:, subject < 0] == 0).all()
    # As many draws as patients, of windows more or fewer.
    first = weights[:, [1, 0, 4, 6]]
    np.testing.assert_array_equal(first.sum(1), np.full(201, 4))
    # Each patient is in a resample with 1 - (3/4)^4 = 0.684; 200 draws have a deviation of 0.033.
    np.testing.assert_allclose((first[1:] > 0).mean(0), 0.684, atol=0.13)
    np.testing.assert_allclose(first[1:].mean(0), 1, atol=0.25)


def test_the_same_seed_draws_the_same_patients():
    subject = np.repeat(np.arange(30), 2)
    one, same, other = (patient_weights(subject, 20, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one[1:] != other[1:]).any(1).all()
    # Windows of a patient who takes no part do not change the draws of the others.
    more = patient_weights(np.append(subject, [-1, -1]), 20, seed=1)
    np.testing.assert_array_equal(more[:, :60], one)
