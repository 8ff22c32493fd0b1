"""The simulated signals: leads obey their definitions, noise its bands, age and infarction act where they should."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.ecg import beats
from data_pipelines.simulate import ecg, ecg_waves

LEAD = {name: number for number, name in enumerate(beats.LEADS)}
QUIET = ecg.SimulationConfig(num_subjects=40, noise=0.0, faulty_electrodes=0.0)


@pytest.fixture(scope="module")
def records() -> ecg.SimulatedRecords:
    return ecg.simulate(ecg.SimulationConfig(num_subjects=60, faulty_electrodes=0.3), 3)


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
