"""The ECG simulator: leads obey their definitions, and the planted confounding is what `truth` says."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import wfdb
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data_pipelines import beats, ptbxl
from data_pipelines.simulate import ecg, ecg_cohort, ecg_waves

LEAD = {name: number for number, name in enumerate(beats.LEADS)}
QUIET = ecg.SimulationConfig(num_subjects=40, noise=0.0, faulty_electrodes=0.0)
BIG = ecg.SimulationConfig(num_subjects=200_000)


@pytest.fixture(scope="module")
def records() -> ecg.SimulatedRecords:
    return ecg.simulate(ecg.SimulationConfig(num_subjects=60, faulty_electrodes=0.3), 3)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return ecg.draw_table(BIG, 5)


@pytest.fixture(scope="module")
def cohort():
    return ecg.load(ecg.SimulationConfig(num_subjects=300), 0, processes=1, progress=False)


# Configuration.


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


# The cohort and its truth.


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


# The leads.


def test_dower_matrix_is_the_one_whose_inverse_is_published():
    # Edenbrandt and Pahlm, Vectorcardiogram synthesized from a 12-lead ECG, J. Electrocardiol. 21, 1988: for the leads
    # V1 to V6, I, II.
    published = [
        [-0.172, -0.074, 0.122, 0.231, 0.239, 0.194, 0.156, -0.010],
        [0.057, -0.019, -0.106, -0.022, 0.041, 0.048, -0.227, 0.887],
        [-0.229, -0.310, -0.246, -0.063, 0.055, 0.108, 0.022, 0.102],
    ]
    order = [2, 3, 4, 5, 6, 7, 0, 1]
    np.testing.assert_allclose(np.linalg.pinv(ecg_waves.DOWER[order]), published, atol=0.0006)


def test_limb_leads_obey_einthoven_and_goldberger(records):
    lead = {name: records.signals[:, :, number].astype(np.float64) for name, number in LEAD.items()}
    for name, expected in {
        "II": lead["I"] + lead["III"],
        "aVR": -(lead["I"] + lead["II"]) / 2,
        "aVL": (lead["I"] - lead["III"]) / 2,
        "aVF": (lead["II"] + lead["III"]) / 2,
    }.items():
        np.testing.assert_allclose(lead[name], expected, atol=2e-6)


def test_electrodes_reach_the_leads_by_their_definitions():
    potential = np.random.default_rng(0).normal(size=9)
    right, left, foot = potential[:3]
    leads = ecg_waves.EIGHT_TO_TWELVE @ ecg_waves.ELECTRODES_TO_EIGHT @ potential
    center = (right + left + foot) / 3
    augmented = [right - (left + foot) / 2, left - (right + foot) / 2, foot - (right + left) / 2]
    np.testing.assert_allclose(leads, [left - right, foot - right, foot - left, *augmented, *(potential[3:] - center)])


def test_rotation_turns_by_the_right_hand_and_keeps_lengths():
    quarter = np.pi / 2 * np.eye(3)
    turned = np.einsum("rij,rj->ri", ecg_waves.rotation(quarter), np.eye(3)[[1, 2, 0]])
    np.testing.assert_allclose(turned, np.eye(3)[[2, 0, 1]], atol=1e-12)
    matrices = ecg_waves.rotation(np.random.default_rng(0).normal(size=(5, 3)))
    np.testing.assert_allclose(matrices @ matrices.swapaxes(-1, -2), np.broadcast_to(np.eye(3), (5, 3, 3)), atol=1e-12)


# The records.


def test_records_have_the_shape_and_size_of_ecgs(records):
    assert records.signals.shape == (len(records.table), 1000, 12)
    assert records.signals.dtype == np.float32
    assert np.isfinite(records.signals).all()
    clean = records.signals[(records.table["fault"] == "none").to_numpy()]
    swing = np.ptp(clean, axis=1)
    assert 0.3 < np.median(swing) < 3.0
    assert swing.max() < 15.0


def test_a_record_can_be_made_alone(records):
    config = ecg.SimulationConfig(num_subjects=60, faulty_electrodes=0.3)
    for index in (0, 17, len(records.table) - 1):
        np.testing.assert_array_equal(ecg.simulate_record(config, 3, index), records.signals[index])
    smaller = ecg.simulate(dataclasses.replace(config, num_subjects=10), 3)
    np.testing.assert_array_equal(smaller.signals, records.signals[: len(smaller.signals)])


def test_seeds_and_records_differ(records):
    flat = records.signals.reshape(len(records.signals), -1)
    assert len(np.unique(flat, axis=0)) == len(flat)
    other = ecg.simulate_record(ecg.SimulationConfig(num_subjects=60, faulty_electrodes=0.3), 4, 0)
    assert not np.array_equal(other, records.signals[0])


def test_both_sampling_rates_show_the_same_heart():
    slow = ecg.simulate(dataclasses.replace(QUIET, num_subjects=5), 1)
    fast = ecg.simulate(dataclasses.replace(QUIET, num_subjects=5, sampling_rate=500), 1)
    assert fast.signals.shape[1] == 5000
    np.testing.assert_allclose(fast.signals[:, ::5], slow.signals, atol=1e-3)


def test_heart_rate_is_human_and_varies():
    rng = np.random.default_rng(0)
    person = ecg_waves.Subject(age=50, sex=0, infarction=0, territory="none", severity=0.0)
    intervals = [ecg_waves.beat_times(QUIET, person, 0.25, rng)[1] for _ in range(200)]
    means = np.array([interval.mean() for interval in intervals])
    assert 40 < 60 / means.max() < 60 / means.min() < 120
    variation = np.array([interval.std() / interval.mean() for interval in intervals])
    assert (variation > 0.005).all()
    assert 0.01 < np.median(variation) < 0.08


def test_beats_cover_the_whole_record():
    rng = np.random.default_rng(1)
    person = ecg_waves.Subject(age=50, sex=0, infarction=0, territory="none", severity=0.0)
    for _ in range(50):
        times, intervals = ecg_waves.beat_times(QUIET, person, 0.25, rng)
        assert times[0] < -0.35
        assert times[-1] > QUIET.duration
        np.testing.assert_allclose(np.diff(times), intervals[1:])


def test_noise_has_the_size_its_bands_promise():
    config = dataclasses.replace(QUIET, noise=1.0, duration=60.0, sampling_rate=500)
    rng = np.random.default_rng(0)
    noise = np.stack([ecg.electrode_noise(config, "none", rng) for _ in range(20)])
    frequency = np.fft.rfftfreq(noise.shape[1], 1 / 500)
    power = np.abs(np.fft.rfft(noise, axis=1)) ** 2 * 2 / (noise.shape[1] * 500)
    density = power.mean(axis=(0, 2))
    floor = density[frequency > 220].mean()  # Beyond the muscle's band only the amplifier is left.
    assert floor == pytest.approx(0.004**2 / 50, rel=0.1)
    middle, side = (density[abs(frequency - at) < 4].mean() - floor for at in (60, 20))
    assert middle / side == pytest.approx(np.exp(0.5 * (40 / 35) ** 2), rel=0.1)
    wander, above = (density[(frequency > low) & (frequency < high)].mean() for low, high in ((0, 0.3), (0.9, 1.2)))
    assert wander > 20 * above


def test_noise_below_fifty_hertz_does_not_depend_on_the_sampling_rate():
    spectra = []
    for rate in (100, 500):
        config = dataclasses.replace(QUIET, noise=1.0, sampling_rate=rate)
        noise = ecg.electrode_noise(config, "noisy V2", np.random.default_rng(4))
        spectra.append(np.fft.rfft(noise, axis=0)[1:450] / len(noise))  # Bins of 0.1 Hz.
    slow, fast = spectra
    assert (np.abs(slow - fast).max(axis=0) < 0.01 * np.abs(slow).max(axis=0)).all()


def test_hum_is_a_line_at_fifty_hertz():
    config = dataclasses.replace(QUIET, num_subjects=1, sampling_rate=500)
    difference = ecg.simulate_record(dataclasses.replace(config, hum=0.2), 0, 0) - ecg.simulate_record(config, 0, 0)
    power = np.abs(np.fft.rfft(difference, axis=0)) ** 2
    assert (power.argmax(axis=0) == 500).all()  # 10 s: bins of 0.1 Hz.
    assert (power[500] > 0.99 * power.sum(axis=0)).all()


def test_a_faulty_electrode_spoils_its_leads_and_no_other():
    table = ecg.draw_table(ecg.SimulationConfig(num_subjects=600, faulty_electrodes=1.0), 0)
    config = ecg.SimulationConfig(num_subjects=600, faulty_electrodes=1.0)
    chest = [LEAD[f"V{number}"] for number in range(1, 7)]
    rough = {}
    for fault in ("noisy RA", "noisy LL", "noisy V3", "detached V2"):
        signal = ecg.simulate_record(config, 0, table.index[table["fault"] == fault][0])
        rough[fault] = np.abs(np.diff(signal, 2, axis=0)).mean(axis=0)
    assert rough["noisy V3"].argmax() == LEAD["V3"]
    assert (np.delete(rough["noisy V3"], LEAD["V3"]) < 0.5 * rough["noisy V3"][LEAD["V3"]]).all()
    assert (rough["noisy RA"][[LEAD["I"], LEAD["II"], LEAD["aVR"]]] > 2 * rough["noisy RA"][LEAD["III"]]).all()
    assert (rough["noisy LL"][[LEAD["II"], LEAD["III"], LEAD["aVF"]]] > 2 * rough["noisy LL"][LEAD["I"]]).all()
    assert rough["detached V2"][LEAD["V2"]] == 0
    assert (rough["detached V2"][np.delete(chest, 1)] > 0).all()


# What age and infarction do.


def hearts_differing_in(**changes) -> tuple[ecg_waves.Heart, ecg_waves.Heart]:
    person = ecg_waves.Subject(age=40, sex=0, infarction=0, territory="none", severity=0.0)
    return tuple(
        ecg_waves.draw_heart(QUIET, subject, np.random.default_rng(2))
        for subject in (person, dataclasses.replace(person, **changes))
    )


def leads_at_scar(heart: ecg_waves.Heart) -> np.ndarray:
    """`[12]`, mV, at the time when an infarction shows in the QRS."""
    at = heart.center[ecg_waves.WAVES.index("scar")]
    waves = np.exp(-0.5 * ((at - heart.center) / heart.width) ** 2)
    return ecg_waves.EIGHT_TO_TWELVE @ (heart.leads @ (waves @ heart.vector))


@pytest.mark.parametrize(
    ("territory", "facing", "opposite"),
    [
        ("anterior", ["V1", "V2", "V3", "V4"], ["aVR"]),
        ("inferior", ["II", "III", "aVF"], ["aVL"]),
        ("lateral", ["I", "aVL", "V5", "V6"], ["aVR"]),
    ],
)
def test_infarction_takes_the_early_qrs_from_the_leads_that_face_it(territory, facing, opposite):
    healthy, ill = hearts_differing_in(infarction=1, territory=territory, severity=0.7)
    change = leads_at_scar(ill) - leads_at_scar(healthy)
    assert (change[[LEAD[name] for name in facing]] < -0.1).all()
    assert (change[[LEAD[name] for name in opposite]] > 0.1).all()
    _, slight = hearts_differing_in(infarction=1, territory=territory, severity=0.1)
    small = leads_at_scar(slight) - leads_at_scar(healthy)
    np.testing.assert_allclose(small, change / 7, rtol=1e-6, atol=1e-9)


def test_infarction_leaves_the_atria_and_all_timing_alone():
    healthy, ill = hearts_differing_in(infarction=1, territory="anterior", severity=0.9)
    np.testing.assert_array_equal(healthy.center, ill.center)
    np.testing.assert_array_equal(healthy.vector[:2], ill.vector[:2])
    np.testing.assert_array_equal(healthy.leads, ill.leads)


def test_effects_of_size_zero_change_nothing():
    config = dataclasses.replace(QUIET, age_effect=0.0, infarction_effect=0.0)
    hearts = [
        ecg_waves.draw_heart(config, subject, np.random.default_rng(0))
        for subject in (
            ecg_waves.Subject(20, 1, 0, "none", 0.0),
            ecg_waves.Subject(85, 1, 1, "inferior", 0.9),
        )
    ]
    for before, after in zip(*hearts, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("overlap", [0.0, 1.0])
def test_overlap_says_where_age_acts(overlap):
    config = dataclasses.replace(QUIET, overlap=overlap)
    young, old = (
        ecg_waves.draw_heart(config, ecg_waves.Subject(age, 0, 0, "none", 0.0), np.random.default_rng(0))
        for age in (30, 80)
    )
    pr_and_qt_are_the_same = np.array_equal(young.center, old.center)
    after = ecg_waves.WAVES.index("T")
    t_has_the_same_size = np.isclose(np.linalg.norm(young.vector[after]), np.linalg.norm(old.vector[after]))
    assert pr_and_qt_are_the_same == (overlap == 1.0)
    assert t_has_the_same_size == (overlap == 0.0)


# The pipeline on them.


def test_load_gives_a_cohort_and_accounts_for_every_record(cohort):
    config = ecg.SimulationConfig(num_subjects=300)
    table = ecg.draw_table(config, 0).set_index("id")
    dataset = cohort.dataset
    assert dataset.inputs.shape[1:] == (58, 12)
    assert dataset.inputs.dtype == np.float32
    assert set(dataset.ids) | set(cohort.rejected["id"]) == set(table.index)
    assert not set(dataset.ids) & set(cohort.rejected["id"])
    rows = table.loc[dataset.ids]
    np.testing.assert_array_equal(dataset.targets["infarction"], rows["infarction"])
    np.testing.assert_array_equal(dataset.sensitive["age"], rows["age"])
    np.testing.assert_array_equal(dataset.sensitive["sex"], rows["sex"])
    np.testing.assert_array_equal(dataset.subject, rows["subject"])
    np.testing.assert_array_equal(cohort.fold, rows["fold"])
    assert cohort.steps["records"].tolist() == [len(table), len(dataset)]
    assert (cohort.steps["infarction"] + cohort.steps["healthy"] == cohort.steps["records"]).all()


def test_the_quality_step_rejects_faults_and_hardly_anything_else(cohort):
    table = ecg.draw_table(ecg.SimulationConfig(num_subjects=300), 0).set_index("id")
    fault = table["fault"]
    reason = cohort.rejected.set_index("id")["reason"]
    detached = fault.index[fault.str.startswith("detached")]
    assert len(detached) > 0
    assert (reason.loc[detached] == "flat_lead").all()
    clean = fault.index[fault == "none"]
    assert reason.index.isin(clean).sum() < 0.03 * len(clean)


def test_processes_do_not_change_the_cohort():
    config = ecg.SimulationConfig(num_subjects=12, faulty_electrodes=0.3)
    one, two = (ecg.load(config, 1, processes=count, progress=False) for count in (1, 2))
    np.testing.assert_array_equal(one.dataset.inputs, two.dataset.inputs)
    np.testing.assert_array_equal(one.dataset.ids, two.dataset.ids)
    pd.testing.assert_frame_equal(one.rejected, two.rejected)


def test_a_cohort_without_a_single_usable_record_is_an_error():
    config = ecg.SimulationConfig(num_subjects=3, noise=20.0)
    with pytest.raises(ValueError, match="none of 3 simulated records has an average beat"):
        ecg.load(dataclasses.replace(config, records_per_subject=1.0), 0, processes=1, progress=False)


def test_infarction_can_be_found_and_the_score_is_confounded_by_age(cohort):
    dataset = cohort.dataset
    features = dataset.inputs[:, ::2].reshape(len(dataset), -1)
    infarction, age = dataset.targets["infarction"], dataset.sensitive["age"]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=3e-3, class_weight="balanced", max_iter=500))
    score = cross_val_predict(
        model, features, infarction, groups=dataset.subject, cv=GroupKFold(5), method="predict_proba"
    )[:, 1]
    healthy = infarction == 0
    assert 0.8 < roc_auc_score(infarction, score) < 0.99
    # A blind perfect predictor would have 0 here; sampling gives it a standard deviation of about 0.05.
    assert np.corrcoef(score[healthy], age[healthy])[0, 1] > 0.15


# The folder.


@pytest.mark.parametrize("rate", [100, 500])
def test_folder_in_ptbxl_layout_goes_through_the_real_reader(tmp_path, rate):
    config = ecg.SimulationConfig(num_subjects=20, sampling_rate=rate)
    records = ecg.simulate(config, 2)
    ecg.write_ptbxl_folder(records, tmp_path / "ptb-xl")
    read = ptbxl.load(tmp_path / "ptb-xl", cache_dir=tmp_path / "cache", resolution=rate, processes=1, progress=False)
    direct = ecg.load(config, 2, processes=1, progress=False)
    np.testing.assert_array_equal(read.dataset.ids, direct.dataset.ids)
    rounded = np.rint(records.signals[direct.dataset.ids - 1].astype(np.float64) * 1000) / 1000
    expected = np.stack([beats.average_beat(signal, rate).beat for signal in rounded])
    np.testing.assert_allclose(read.dataset.inputs, expected, atol=1e-6)
    # Half a microvolt may move a mark to the next sample in a rare record, never in most.
    difference = np.abs(read.dataset.inputs - direct.dataset.inputs).max(axis=(1, 2))
    assert np.quantile(difference, 0.8) < 1e-3
    for name in ("age", "sex"):
        np.testing.assert_array_equal(read.dataset.sensitive[name], direct.dataset.sensitive[name])
    np.testing.assert_array_equal(read.dataset.targets["infarction"], direct.dataset.targets["infarction"])
    np.testing.assert_array_equal(read.dataset.subject, direct.dataset.subject)
    np.testing.assert_array_equal(read.fold, direct.fold)


def test_wfdb_reads_the_folder_to_half_a_microvolt(tmp_path):
    records = ecg.simulate(dataclasses.replace(QUIET, num_subjects=2), 2)
    ecg.write_ptbxl_folder(records, tmp_path)
    database = pd.read_csv(tmp_path / "ptbxl_database.csv")
    assert len(database.columns) == 28
    for name, signal in zip(database["filename_lr"], records.signals, strict=True):
        record = wfdb.rdrecord(str(tmp_path / name))
        assert record.fs == 100
        assert [lead.upper() for lead in beats.LEADS] == [lead.upper() for lead in record.sig_name]
        np.testing.assert_allclose(record.p_signal, signal, atol=5.1e-4)


def test_a_folder_that_holds_something_is_not_written_into(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="is not empty"):
        ecg.write_ptbxl_folder(ecg.simulate(dataclasses.replace(QUIET, num_subjects=1), 0), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
