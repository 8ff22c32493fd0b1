import numpy as np
import pytest

from data_pipelines.ecg import beats, qrs


def test_vector_magnitude_by_hand():
    np.testing.assert_array_equal(qrs.vector_magnitude(np.array([[3.0, 4.0], [0.0, -2.0]])), [5.0, 2.0])


def test_detection_marks_every_beat_just_before_its_peak(make_train):
    r_times = np.arange(0.8, 9.6, 0.83)
    magnitude = qrs.vector_magnitude(beats.filter_signal(make_train(r_times, noise=0.02), 100))
    marks = qrs.detect_beats(magnitude)
    assert len(marks) >= len(r_times) - 1  # gqrs may miss the last beat of a recording.
    delay = np.round(r_times * 100)[: len(marks)] - marks
    assert delay.min() >= 2
    assert delay.max() <= 4


def test_detection_finds_nothing_in_microvolts_of_noise():
    noise = np.abs(np.random.default_rng(0).standard_normal(1000)) * 0.002
    assert len(qrs.detect_beats(noise)) == 0


def placed(wave, marks, length=1000):
    """`wave` from each mark on; the waves must not overlap."""
    magnitude = np.zeros(length)
    for mark in marks:
        magnitude[mark : mark + len(wave)] += wave
    return magnitude


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_woody_recovers_known_shifts(noise):
    rng = np.random.default_rng(1)
    wave = np.exp(-0.5 * ((np.arange(12) - 4) / 1.5) ** 2)
    true = np.arange(60, 940, 80)
    shifts = np.array([0, 1, -1, 2, -2, 0, 1, 3, -3, 0, -1])
    magnitude = placed(wave, true) + noise * rng.standard_normal(1000)
    aligned = qrs.woody_align(magnitude, true + shifts, window=(0, 12), max_lag=8)
    np.testing.assert_array_equal(aligned, true)  # The median shift is 0: the detector is right in the middle.


def test_woody_keeps_the_detectors_middle():
    true = np.arange(60, 940, 80)
    wave = np.exp(-0.5 * ((np.arange(12) - 4) / 1.5) ** 2)
    shifts = np.array([3, 3, 3, 1, 3, 3, 5, 3, 3, 3, 3])
    aligned = qrs.woody_align(placed(wave, true), true + shifts, window=(0, 12))
    np.testing.assert_array_equal(aligned, true + 3)


def test_woody_does_not_depend_on_the_scale_or_the_order():
    rng = np.random.default_rng(2)
    magnitude = np.abs(rng.standard_normal(1000))
    marks = np.sort(rng.choice(np.arange(50, 900), 9, replace=False))
    aligned = qrs.woody_align(magnitude, marks)
    np.testing.assert_array_equal(qrs.woody_align(7 * magnitude + 3, marks), aligned)
    np.testing.assert_array_equal(qrs.woody_align(magnitude, marks[::-1])[::-1], aligned)


def test_woody_moves_nothing_in_a_constant_and_accepts_no_beats():
    np.testing.assert_array_equal(qrs.woody_align(np.ones(1000), np.array([200, 300])), [200, 300])
    assert len(qrs.woody_align(np.ones(1000), np.array([], dtype=int))) == 0
    assert len(qrs.woody_align(np.ones(1000), np.array([3, 998]))) == 0  # Their windows leave the recording.


def test_qrs_correlation_is_the_mean_of_pearsons():
    rng = np.random.default_rng(4)
    signal = rng.standard_normal((400, 3)).cumsum(axis=0)
    signal[:, 2] = 1.5  # A flat lead agrees with nothing.
    marks = np.array([20, 90, 200, 311])
    waves = np.array([signal[mark - 2 : mark + 10] for mark in marks])
    expected = [np.mean([np.corrcoef(wave, waves[..., lead].mean(axis=0))[0, 1] for wave in waves[..., lead]])
                for lead in range(2)]  # fmt: skip
    np.testing.assert_allclose(qrs.qrs_correlation(signal, marks), [*expected, 0.0], atol=1e-12)
