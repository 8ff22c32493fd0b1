"""The verdicts on both hypotheses, on tables whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from experiments.shapley import hypotheses
from experiments.shapley.arms import FULL, Arm
from jaxfair import metrics
from jaxfair.metrics.paired import EQUAL, FAILS, HOLDS, TOO_FEW, UNDECIDED

SEEDS = 12
NOISE = np.random.default_rng(0).normal(0, 0.01, (100, SEEDS))


def table(means):
    """Final values whose means by arm and metric are given; noise differs by arm and seed."""
    rows = []
    for number, ((arm, metric), mean) in enumerate(means.items()):
        for seed in range(SEEDS):
            value = mean + NOISE[number, seed]
            rows.append(arm._asdict() | {"problem": "p", "seed": seed, "metric": metric, "value": value})
    frame = pd.DataFrame(rows)
    return frame.assign(percent=frame["percent"].astype(float))


def outcome(tops, randoms, full=0.9, metric="accuracy", hardening="none"):
    means = {(FULL._replace(hardening=hardening), metric): full}
    for score, values in (("signed_sum", tops), ("random", randoms), ("matched", randoms)):
        means |= {(Arm(score, "top", share, hardening), metric): value for share, value in values.items()}
    return hypotheses.test_hypotheses(table(means), "signed_sum").set_index(["hypothesis", "percent"])


def test_less_data_does_harm_but_no_more_than_chance():
    found = outcome({10: 0.85, 20: 0.8}, {10: 0.85, 20: 0.8})
    assert found.loc[1, "verdict"].tolist() == [HOLDS, HOLDS]
    assert found.loc[2, "verdict"].tolist() == [HOLDS]
    np.testing.assert_allclose(found["mean_random"], 0, atol=0.015)
    assert found.loc[(1, 20), "mean"] == pytest.approx(0.1, abs=0.01)


def test_a_score_that_matters_does_more_harm_than_chance():
    found = outcome({10: 0.80, 20: 0.6}, {10: 0.89, 20: 0.88})
    assert set(found["verdict_random"]) == {HOLDS}
    assert found.loc[(1, 20), "mean_random"] == pytest.approx(0.28, abs=0.02)
    assert found.loc[(2, 20), "mean_random"] == pytest.approx(0.19, abs=0.02)  # 0.2 lost where chance loses 0.01.


def test_removing_the_easy_ones_does_good():
    found = outcome({10: 0.95}, {10: 0.85})
    assert found.loc[(1, 10), ["verdict", "verdict_random"]].tolist() == [FAILS, FAILS]


def test_each_statement_looks_at_its_own_models():
    found = outcome({20: 0.5}, {20: 0.7}, metric="counterfactual_accuracy_full", hardening="crafted")
    assert found["mean_matched"].tolist() == pytest.approx(found["mean_random"].tolist(), abs=0.02)
    assert found["statement"].tolist() == ["3a. hardened, counterfactuals of M"]
    assert found.loc[(1, 20), "better"] == pytest.approx(0.9, abs=0.01)


def test_adjusted_p_values_are_holms_over_the_problem():
    found = outcome({10: 0.80, 20: 0.6}, {10: 0.89, 20: 0.88})
    np.testing.assert_allclose(found["p_holm"], metrics.holm(found["p"].to_numpy()))
    assert (found["p_holm"] >= found["p"]).all()


def test_equal_by_construction_is_neither():
    same = metrics.paired_difference(np.zeros(5), np.zeros(5))
    assert metrics.verdict(same) == EQUAL
    assert metrics.verdict(metrics.paired_difference(np.array([1, -1, 0.5]), np.zeros(3))) == UNDECIDED
    assert metrics.verdict(metrics.paired_difference(np.ones(1), np.zeros(1))) == TOO_FEW


def test_pairs_are_by_seed():
    scores = ("signed_sum", "random", "matched")
    means = {(arm, "accuracy"): 0.9 for arm in (FULL, *(Arm(score, "top", 10) for score in scores))}
    frame = table(means)
    shuffled = frame.sample(frac=1, random_state=0)
    first, second = (hypotheses.test_hypotheses(one, "signed_sum") for one in (frame, shuffled))
    pd.testing.assert_frame_equal(first, second)
    # A seed that one arm lacks is left out of the pairs.
    lacking = frame[~((frame["seed"] == 3) & (frame["score"] == "signed_sum"))]
    assert hypotheses.test_hypotheses(lacking, "signed_sum")["n"].tolist() == [SEEDS - 1]


def test_a_share_at_which_nothing_was_measured_has_no_row():
    """As where no beat was fooled: NaN for every seed."""
    found = outcome({10: np.nan, 20: 0.6}, {10: 0.89, 20: 0.88})
    assert found.index.tolist() == [(1, 20)]
