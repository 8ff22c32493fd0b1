"""The simulated cohort: its table is what the configuration says, and the planted confounding what `truth` says."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from data_pipelines.simulate import ecg, ecg_cohort

QUIET = ecg.SimulationConfig(num_subjects=40, noise=0.0, faulty_electrodes=0.0)
BIG = ecg.SimulationConfig(num_subjects=200_000)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return ecg.draw_table(BIG, 5)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_subjects", 0),
        ("num_subjects", 2.5),
        ("num_subjects", float("nan")),
        ("records_per_subject", 0.9),
        ("records_per_subject", 3.1),
        ("prevalence", 0.0),
        ("confounding", float("nan")),
        ("age_effect", -0.1),
        ("overlap", 1.1),
        ("infarction_effect", -1.0),
        ("noise", -1.0),
        ("hum", -1.0),
        ("faulty_electrodes", 1.5),
        ("sampling_rate", 250),
        ("duration", 1.0),
    ],
)
def test_a_senseless_configuration_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"SimulationConfig: {field} must"):
        ecg.SimulationConfig(**{field: value})


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed must not be negative, but is -1"):
        ecg.draw_table(QUIET, -1)


def test_table_has_its_columns_and_healthy_rows_have_no_infarction(table):
    assert list(table) == ["id", "subject", "age", "sex", "infarction", "territory", "severity", "fold", "fault"]
    healthy = table["infarction"] == 0
    assert (table.loc[healthy, "territory"] == "none").all()
    assert (table.loc[healthy, "severity"] == 0).all()
    assert table.loc[~healthy, "territory"].isin(ecg_cohort.TERRITORIES).all()
    assert table.loc[~healthy, "severity"].between(0, 1, inclusive="neither").all()
    assert table["id"].tolist() == list(range(1, len(table) + 1))
    assert table["age"].between(18, 89).all()


def test_subjects_keep_all_but_the_fault_from_record_to_record(table):
    of_subject = table.drop(columns=["id", "fault"]).groupby("subject")
    assert (of_subject.nunique() == 1).all(axis=None)
    assert set(of_subject.size()) == {1, 2, 3}


def test_mean_number_of_records_is_the_configured_one(table):
    assert len(table) / BIG.num_subjects == pytest.approx(BIG.records_per_subject, abs=0.005)
    once = ecg.draw_table(dataclasses.replace(QUIET, records_per_subject=1.0), 0)
    thrice = ecg.draw_table(dataclasses.replace(QUIET, records_per_subject=3.0), 0)
    assert (len(once), len(thrice)) == (40, 120)


def test_folds_are_balanced_over_subjects(table):
    counts = table.drop_duplicates("subject")["fold"].value_counts()
    assert counts.to_dict() == dict.fromkeys(range(1, 11), BIG.num_subjects // 10)


def test_a_cohort_begins_like_a_larger_one():
    small, large = (ecg.draw_table(dataclasses.replace(BIG, num_subjects=size), 9) for size in (37, 90))
    pd.testing.assert_frame_equal(small, large.iloc[: len(small)])


def test_changing_a_drawn_table_does_not_change_the_next():
    table = ecg.draw_table(QUIET, 0)
    table["age"] = 0
    assert (ecg.draw_table(QUIET, 0)["age"] > 0).all()


def test_share_of_faults_is_the_configured_one(table):
    faulty = (table["fault"] != "none").mean()
    assert faulty == pytest.approx(BIG.faulty_electrodes, abs=5 * np.sqrt(0.04 * 0.96 / len(table)))


@pytest.mark.parametrize("confounding", [-0.5, 0.0, 0.9, 3.0])
@pytest.mark.parametrize("prevalence", [0.1, 0.25])
def test_prevalence_does_not_depend_on_confounding(confounding, prevalence):
    config = ecg.SimulationConfig(confounding=confounding, prevalence=prevalence)
    assert ecg.truth(config).prevalence == pytest.approx(prevalence, abs=1e-9)


def test_ten_years_multiply_the_odds_by_the_confounding():
    probability = ecg.infarction_probability(ecg.SimulationConfig(confounding=0.9))
    odds = probability / (1 - probability)
    np.testing.assert_allclose(odds[:, 10:] / odds[:, :-10], np.exp(0.9), rtol=1e-9)
    np.testing.assert_allclose(odds[0] / odds[1], ecg_cohort.MALE_ODDS_RATIO, rtol=1e-9)


def test_truth_is_what_a_large_cohort_shows(table):
    truth = ecg.truth(BIG)
    people = table.drop_duplicates("subject")
    age, infarction = people["age"], people["infarction"]
    # Sampling errors at 200,000 people are below 0.0025 for each of these but the means' 0.09 years: 5 of them.
    assert infarction.mean() == pytest.approx(truth.prevalence, abs=0.006)
    assert age.corr(infarction) == pytest.approx(truth.age_correlation, abs=0.012)
    assert roc_auc_score(infarction, age) == pytest.approx(truth.age_auc, abs=0.008)
    for label in (0, 1):
        assert age[infarction == label].mean() == pytest.approx(truth.mean_age[label], abs=0.45)
    decade = pd.cut(age, [17, 35, 45, 55, 65, 75, 89])
    ages = pd.Series(truth.ages)
    weights = pd.Series(truth.age_probability)
    expected = (weights * truth.prevalence_by_age).groupby(pd.cut(ages, [17, 35, 45, 55, 65, 75, 89]), observed=True)
    expected = expected.sum() / weights.groupby(pd.cut(ages, [17, 35, 45, 55, 65, 75, 89]), observed=True).sum()
    np.testing.assert_allclose(infarction.groupby(decade, observed=True).mean(), expected, atol=0.015)


def test_territory_and_severity_do_not_depend_on_age(table):
    people = table.drop_duplicates("subject").query("infarction == 1")
    bound = 5 / np.sqrt(len(people))
    assert abs(people["age"].corr(people["severity"])) < bound
    for territory in ecg_cohort.TERRITORIES:
        assert abs(people["age"].corr((people["territory"] == territory).astype(float))) < bound


def test_without_confounding_age_tells_nothing():
    truth = ecg.truth(ecg.SimulationConfig(confounding=0.0))
    assert truth.age_correlation == pytest.approx(0.0, abs=1e-12)
    assert truth.age_auc == pytest.approx(0.5, abs=1e-12)
    for knows_age in (False, True):
        np.testing.assert_allclose(truth.score_correlation(0.9, knows_age=knows_age), 0.0, atol=1e-12)


def test_more_confounding_means_more_age():
    truths = [ecg.truth(ecg.SimulationConfig(confounding=slope)) for slope in (0.0, 0.3, 0.6, 0.9, 1.5)]
    for name in ("age_correlation", "age_auc"):
        assert (np.diff([getattr(truth, name) for truth in truths]) > 0).all()


def test_a_perfect_predictor_shows_the_correlation_of_the_label_and_none_within_the_healthy():
    truth = ecg.truth(BIG)
    overall, within = truth.score_correlation(1 - 1e-9, knows_age=False)
    assert overall == pytest.approx(truth.age_correlation, abs=1e-4)
    assert within == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("knows_age", [False, True])
def test_score_correlation_against_sampled_posteriors(knows_age):
    truth, auc, size = ecg.truth(BIG), 0.93, 400_000
    rng = np.random.default_rng(0)
    index = rng.choice(len(truth.ages), size, p=truth.age_probability)
    age, prior = truth.ages[index], truth.prevalence_by_age[index]
    infarction = rng.random(size) < prior
    separation = np.sqrt(2) * stats.norm.ppf(auc)
    evidence = rng.normal(separation * infarction, 1.0)
    ratio = stats.norm.pdf(evidence, separation) / stats.norm.pdf(evidence)
    base = prior if knows_age else np.full(size, truth.prevalence)
    score = base * ratio / (base * ratio + 1 - base)
    overall, within = truth.score_correlation(auc, knows_age=knows_age)
    assert np.corrcoef(score, age)[0, 1] == pytest.approx(overall, abs=0.01)
    assert np.corrcoef(score[~infarction], age[~infarction])[0, 1] == pytest.approx(within, abs=0.01)
    assert (within > 0.2) if knows_age else (abs(within) < 1e-9)


@pytest.mark.parametrize("auc", [0.5, 1.0])
def test_score_correlation_needs_an_auc_between_chance_and_perfection(auc):
    with pytest.raises(ValueError, match="auc must lie between"):
        ecg.truth(BIG).score_correlation(auc, knows_age=True)
