"""The reference methods learn from the training mask alone, find what is planted, and say NaN of a NaN."""

import numpy as np
import pytest
from sklearn.metrics import r2_score, roc_auc_score

from experiments.aml import references

SIZE = 160
TRAIN = np.arange(SIZE) % 4 > 0


@pytest.fixture(scope="module")
def cohort():
    """Short beats of two leads: one shows the infarction, the other the age, and the old have the infarctions."""
    rng = np.random.default_rng(0)
    age = rng.uniform(20, 90, SIZE)
    infarction = (age + 20 * rng.normal(size=SIZE) > 60).astype(np.float32)
    beats = rng.normal(size=(SIZE, 5, 2))
    beats[:, 2, 0] += 3 * infarction
    beats[:, 3, 1] += (age - 55) / 8
    return beats.astype(np.float32), age.astype(np.float32), infarction


def spoiled(values):
    """Other values outside the training mask, in the same range."""
    return np.where(TRAIN, values, values[::-1])


def test_infarction_is_found(cohort):
    scores = dict(references.infarction_scores(*cohort, TRAIN))
    assert list(scores) == ["logistic_regression", "gradient_boosting", "age_alone"]
    infarction = cohort[2][~TRAIN]
    for name, score in scores.items():
        assert score.shape == (SIZE,)
        assert ((score >= 0) & (score <= 1)).all()
        assert roc_auc_score(infarction, score[~TRAIN]) > 0.7, name
    # Any increasing function of age has the area of age itself.
    age_alone = roc_auc_score(infarction, scores["age_alone"][~TRAIN])
    assert age_alone == pytest.approx(roc_auc_score(infarction, cohort[1][~TRAIN]))


def test_age_is_found(cohort):
    beats, age, _ = cohort
    ages = dict(references.predicted_ages(beats, age, TRAIN))
    assert list(ages) == ["ridge", "gradient_boosting"]
    for name, predicted in ages.items():
        assert predicted.shape == (SIZE,)
        assert r2_score(age[~TRAIN], predicted[~TRAIN]) > 0.5, name


def test_labels_and_ages_outside_the_training_mask_are_never_seen(cohort):
    beats, age, infarction = cohort
    scores = dict(references.infarction_scores(beats, age, infarction, TRAIN))
    for name, score in references.infarction_scores(beats, age, spoiled(infarction), TRAIN):
        np.testing.assert_array_equal(score, scores[name], err_msg=name)
    ages = dict(references.predicted_ages(beats, age, TRAIN))
    for name, predicted in references.predicted_ages(beats, spoiled(age), TRAIN):
        np.testing.assert_array_equal(predicted, ages[name], err_msg=name)
    assert len(scores) + len(ages) == references.NUM_METHODS
    rows = beats.reshape(SIZE, -1)
    read = references.boosting_probe(rows, age, TRAIN)
    np.testing.assert_array_equal(references.boosting_probe(rows, spoiled(age), TRAIN), read)


def test_boosting_reads_what_no_line_shows():
    rng = np.random.default_rng(1)
    features = rng.uniform(-1, 1, size=(400, 3))
    attribute = 50 + 20 * np.abs(features[:, 1])  # Uncorrelated with every feature.
    train = np.arange(400) < 300
    read = references.boosting_probe(features, attribute, train)
    assert read.shape == (400,)
    assert r2_score(attribute[~train], read[~train]) > 0.8
    shuffled = references.boosting_probe(features, rng.permutation(attribute), train)
    assert r2_score(attribute[~train], shuffled[~train]) < 0.2


def test_boosting_reads_nothing_of_a_diverged_representation():
    features = np.ones((20, 2))
    for value in (np.nan, np.inf):
        features[3, 1] = value
        read = references.boosting_probe(features, np.arange(20.0), np.ones(20, bool))
        assert read.shape == (20,)
        assert np.isnan(read).all()
