"""Which candidate counts, by three rules, against plain loops; and the decisions that depend on groups."""

import types

import numpy as np
import pandas as pd
import pytest
from ml_collections import ConfigDict
from sklearn.metrics import roc_auc_score

from experiments.mtate import methods, selection
from experiments.mtate.data import IcuData
from jaxfair.metrics import fairness

FOLDS, SEEDS, CANDIDATES, EXAMPLES = 2, 3, 2, 200
MEMBERS = FOLDS * CANDIDATES * SEEDS
DIVERGED = 4  # Fold 1, the second candidate of seed 1.


class Fields(types.SimpleNamespace):
    """Stands for data or a finished part, which are told apart by identity."""

    __hash__ = object.__hash__


def study_data(**fields):
    """What of `IcuData` takes part in a choice; folds judge their own evaluation examples."""
    found = Fields(**{"other": None, "optimum": None} | fields)
    found.judged = found
    return found


class Case:
    """Members stand fold after fold, candidate after candidate, seed after seed, as `trained.train` leaves them."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.outcome = (rng.random(EXAMPLES) < 0.4).astype(np.float32)
        domains = (rng.random((EXAMPLES, 2)) < 0.4).astype(np.float32)
        domains[::9, 0] = np.nan
        self.data = study_data(
            outcome=self.outcome,
            domains=domains,
            domain_names=("age", "sex"),
            num_folds=FOLDS,
            # Folds' validation examples differ in number.
            validate=np.stack([np.arange(EXAMPLES) < 90, np.arange(EXAMPLES) >= 100]),
        )
        place = np.unravel_index(np.arange(MEMBERS), (FOLDS, CANDIDATES, SEEDS))
        self.fold = place[0]
        self.members = pd.DataFrame(
            {"member": np.arange(MEMBERS), "fold": place[0] + 1, "candidate": place[1].astype(str), "seed": place[2]}
        )
        logit = np.round(3 * rng.normal(0.6 * self.outcome, 1.0, (MEMBERS, EXAMPLES))) / 3
        logit[DIVERGED] = np.nan
        self.logit = np.where(self.data.validate[self.fold], logit, np.nan).astype(np.float32)
        self.judged = selection.validation_metrics(self.data, self.logit, self.fold)


@pytest.fixture(scope="module")
def case():
    return Case()


def plain(case, member):
    """The rules' figures by loops over the member's validation examples."""
    rows = np.flatnonzero(case.data.validate[case.fold[member]])
    logit, outcome, domains = case.logit[member, rows], case.outcome[rows], case.data.domains[rows]
    thresholds = [*np.unique(logit), np.inf]

    def rates(threshold, own):
        called = logit[own] >= threshold
        return called[outcome[own] == 1].mean(), called[outcome[own] == 0].mean()

    everyone = np.ones(len(rows), bool)
    balanced = [(1 + np.subtract(*rates(threshold, everyone))) / 2 for threshold in thresholds]
    best = max(threshold for threshold, value in zip(thresholds, balanced, strict=True) if value > max(balanced) - 1e-6)
    auc = roc_auc_score(outcome, logit)
    of_groups, odds = [], []
    for domain in domains.T:
        groups = [domain == group for group in (0, 1)]
        of_groups += [roc_auc_score(outcome[own], logit[own]) for own in groups]
        odds.append(np.abs(np.subtract(*(rates(best, own) for own in groups))).mean())
    distance = np.hypot(1 - auc, np.mean(odds))
    return {"roc_auc": auc, "worst_group": min(of_groups), "closest_to_ideal": -distance, "threshold": best}


def test_the_rules_figures_equal_loops(case):
    assert set(case.judged) == {*selection.RULES, "threshold"}
    for member in range(MEMBERS):
        if member == DIVERGED:
            continue
        for name, expected in plain(case, member).items():
            assert case.judged[name][member] == pytest.approx(expected, abs=1e-6), (member, name)


def test_thresholds_are_those_that_the_library_chooses(case):
    for member in range(MEMBERS):
        rows = case.data.validate[case.fold[member]]
        expected = fairness.choose_threshold(case.logit[member, rows], case.outcome[rows])
        np.testing.assert_array_equal(case.judged["threshold"][member], expected)


def test_a_diverged_member_has_no_figures(case):
    for rule in selection.RULES:
        assert np.flatnonzero(np.isnan(case.judged[rule])).tolist() == [DIVERGED]


def test_a_group_with_one_outcome_is_no_worst_group(case):
    """As its ROC AUC is not defined, the others decide."""
    domains = case.data.domains.copy()
    domains[:, 1] = (np.arange(EXAMPLES) % 5 == 0) & (case.outcome == 0)
    data = study_data(**vars(case.data) | {"domains": domains})
    judged = selection.validation_metrics(data, case.logit[:1], case.fold[:1])
    rows = np.flatnonzero(data.validate[0])
    groups = [domains[rows, 0] == 0, domains[rows, 0] == 1, domains[rows, 1] == 0]
    logit, outcome = case.logit[0, rows], case.outcome[rows]
    expected = min(roc_auc_score(outcome[own], logit[own]) for own in groups)
    assert judged["worst_group"][0] == pytest.approx(expected, abs=1e-6)
    assert np.isfinite(judged["closest_to_ideal"][0])


@pytest.mark.parametrize("rule", selection.RULES)
def test_of_every_seed_and_fold_the_best_candidate(case, rule):
    chosen = selection.choose(case.members, case.judged, rule)
    expected = []
    for fold in range(1, FOLDS + 1):
        for seed in range(SEEDS):
            own = case.members[(case.members["fold"] == fold) & (case.members["seed"] == seed)]["member"]
            values = {member: case.judged[rule][member] for member in own}
            expected.append(max((m for m in values if not np.isnan(values[m])), key=values.get))
    assert chosen["member"].tolist() == expected
    assert DIVERGED not in expected
    assert {"0", "1"} == set(chosen["candidate"])


def test_of_equals_the_first_and_of_diverged_ones_any(case):
    value = np.zeros(MEMBERS)
    value[[0, 3]] = np.nan, np.nan  # Both candidates of seed 0 in the first fold.
    value[1] = np.nan
    chosen = selection.choose(case.members, {"roc_auc": value}, "roc_auc")
    assert chosen["member"].tolist() == [0, 4, 2, 6, 7, 8]
    assert list(zip(chosen["fold"], chosen["seed"], strict=True)) == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]


class Stored:
    """What a part has left."""

    def __init__(self, members, logit):
        self.arrays, self._members = {"logit": logit}, members

    def table(self, name):
        assert name == "members"
        return self._members


@pytest.fixture(scope="module")
def scored(case):
    config = ConfigDict({"seeds": SEEDS, "arms": ("lstm",)})
    return methods.scored(config, case.data, {"lstm": Stored(case.members, case.logit)}, "roc_auc")


def test_a_method_is_its_chosen_members_seed_by_seed(case, scored):
    chosen = selection.choose(case.members, case.judged, "roc_auc")
    own = scored["lstm"]
    for row in chosen.itertuples():
        np.testing.assert_array_equal(own.logit[row.seed, row.fold - 1], case.logit[row.member])
        assert own.threshold[row.seed, row.fold - 1] == case.judged["threshold"][row.member]


def test_thresholds_by_group_give_every_group_the_rate_of_all(case, scored):
    decisions = scored["lstm_group_thresholds"].decisions
    own = scored["lstm"]
    for domain, seed, fold in np.ndindex(decisions.shape[:3]):
        rows = np.flatnonzero(case.data.validate[fold])
        code, outcome = case.data.domains[rows, domain], case.outcome[rows]
        decided, logit = decisions[domain, seed, fold, rows], own.logit[seed, fold, rows]
        known = ~np.isnan(code)
        alone = logit >= own.threshold[seed, fold]
        np.testing.assert_array_equal(decided[~known], alone[~known])
        one = float(fairness.choose_threshold(logit, outcome, mask=known))
        wanted = (logit[known & (outcome == 1)] >= one).mean()
        for group in (0, 1):
            sick = np.flatnonzero((code == group) & (outcome == 1))
            # The nearest that a threshold of the group's own can come.
            reached = [(logit[sick] >= each).mean() for each in [*logit[sick], np.inf]]
            nearest = min(abs(rate - wanted) for rate in reached)
            assert abs(decided[sick].mean() - wanted) == pytest.approx(nearest, abs=1e-6)


def test_the_threshold_optimizer_equalizes_both_rates_where_it_was_fitted(case, scored):
    decisions = scored["lstm_threshold_optimizer"].decisions
    assert ((decisions >= 0) & (decisions <= 1) | np.isnan(decisions)).all()
    for domain, seed, fold in np.ndindex(decisions.shape[:3]):
        rows = np.flatnonzero(case.data.validate[fold])
        code, outcome = case.data.domains[rows, domain], case.outcome[rows]
        decided = decisions[domain, seed, fold, rows]
        for label in (0, 1):
            rates = [decided[(code == group) & (outcome == label)].mean() for group in (0, 1)]
            assert rates[0] == pytest.approx(rates[1], abs=1e-5)


def test_a_group_without_deaths_in_validation_has_no_decisions_and_stops_nothing(case):
    """A run of hours must not end because of the smallest group of one fold."""
    domains = case.data.domains.copy()
    domains[:, 0] = (case.outcome == 0) & (np.arange(EXAMPLES) % 4 == 0) & (np.arange(EXAMPLES) < 100)
    domains[190:, 0] = 1
    data = study_data(**vars(case.data) | {"domains": domains})
    assert case.outcome[190:].sum() not in (0, 10)
    config = ConfigDict({"seeds": SEEDS, "arms": ("lstm",)})
    found = methods.scored(config, data, {"lstm": Stored(case.members, case.logit)}, "roc_auc")
    first = data.validate[0]
    for name in ("lstm_group_thresholds", "lstm_threshold_optimizer"):
        decisions = found[name].decisions
        assert np.isnan(decisions[0, :, 0, first][domains[first, 0] == 1]).all()
        assert np.isfinite(decisions[:, :, 1, data.validate[1]]).all()
        assert np.isfinite(decisions[1, :, 0, first]).all()


def test_a_diverged_arm_has_no_decisions_and_stops_nothing(case):
    logit = case.logit.copy()
    logit[(case.members["fold"] == 1) & (case.members["seed"] == 1)] = np.nan
    config = ConfigDict({"seeds": SEEDS, "arms": ("lstm",)})
    found = methods.scored(config, case.data, {"lstm": Stored(case.members, logit)}, "roc_auc")
    for name in ("lstm_group_thresholds", "lstm_threshold_optimizer"):
        decisions = found[name].decisions
        assert np.isnan(decisions[:, 1, 0]).all()
        assert np.isfinite(decisions[:, 1, 1][:, case.data.validate[1]]).all()


def test_another_set_is_judged_at_thresholds_of_the_folds_own_predictions(case):
    """Of training examples a refitted arm holds what models that had not seen them said; all of them choose."""
    other = np.arange(EXAMPLES) >= 150
    sides = np.stack([np.arange(EXAMPLES) < 75, (np.arange(EXAMPLES) >= 75) & ~other])
    nothing = np.zeros((EXAMPLES, 1), np.float32)
    data = IcuData(
        variables=("hr",), values=nothing[:, None], normal=np.zeros(1), static=nothing, static_names=("age",),
        outcome=case.outcome, domains=case.data.domains, domain_names=("age", "sex"), ids=np.arange(EXAMPLES),
        end=np.zeros(EXAMPLES), subject=np.arange(EXAMPLES), train=sides[::-1], validate=sides,
        evaluate=np.zeros_like(sides), cohort=pd.DataFrame(), other=other,
    )  # fmt: skip
    rng = np.random.default_rng(4)
    logit = rng.normal(case.outcome, 1.0, (SEEDS, EXAMPLES)).astype(np.float32)
    config = ConfigDict({"seeds": SEEDS, "arms": ("lstm",)})
    stored = Fields(arrays={"logit": logit, "patient": {}})
    found = methods.scored(config, data, {"lstm-refit": stored}, "roc_auc")["lstm"]
    np.testing.assert_array_equal(found.logit[:, 0], logit)
    for seed in range(SEEDS):
        expected = fairness.choose_threshold(logit[seed, ~other], case.outcome[~other])
        assert found.threshold[seed, 0] == expected
