import numpy as np
import pytest
import scipy.signal

from data_pipelines.ecg import beats
from data_pipelines.ecg.beats import AverageBeat, BeatError


def passband_gain(frequencies):
    """Gain of the filter forwards and backwards, from the analogue prototype's bilinear transform by SciPy."""
    numerator, denominator = scipy.signal.butter(3, [0.5, 40.0], "bandpass", fs=100)
    _, response = scipy.signal.freqz(numerator, denominator, worN=np.atleast_1d(frequencies), fs=100)
    return np.abs(response) ** 2


@pytest.mark.parametrize("frequency", [0.25, 0.5, 1.0, 10.0, 40.0, 45.0])
def test_filter_has_the_squared_gain_and_no_phase(frequency):
    time = np.arange(6000) / 100
    wave = np.cos(2 * np.pi * frequency * time)
    filtered = beats.filter_signal(np.stack([wave, -2 * wave], axis=1), 100)
    middle = slice(2000, 4000)
    gain = passband_gain(frequency)
    np.testing.assert_allclose(filtered[middle, 0], gain * wave[middle], atol=2e-3)
    np.testing.assert_allclose(filtered[middle, 1], -2 * gain * wave[middle], atol=4e-3)


def test_filter_is_6_db_down_at_its_corners():
    np.testing.assert_allclose(passband_gain([0.5, 40.0]), 0.5, rtol=1e-6)
    slow = beats.filter_signal(np.sin(2 * np.pi * 0.5 * np.arange(6000) / 100), 100)
    assert slow[2000:4000].max() == pytest.approx(0.5, abs=2e-3)


def test_filter_removes_an_offset():
    assert np.abs(beats.filter_signal(np.full((1000, 12), 5.0), 100)).max() < 1e-6


def test_regular_beats_by_hand():
    # Intervals 80 80 60 100 85 80, median 80: the premature beat and the one after its pause fall out, 85 just stays.
    marks = np.cumsum([100, 80, 80, 60, 100, 85, 80])
    np.testing.assert_array_equal(beats.regular_beats(marks), [1, 1, 1, 0, 0, 1, 1])
    # Intervals 60 80 80: the first beat has no interval before it and is judged by the one after.
    np.testing.assert_array_equal(beats.regular_beats(np.cumsum([100, 60, 80, 80])), [0, 0, 1, 1])


def test_average_of_a_noise_free_train_is_the_filtered_beat(make_train):
    # A train with a period of 80 samples is a Fourier series; the filter multiplies its terms by their gains.
    signal = make_train(np.arange(0.3, 60, 0.8), duration=60)
    period = signal[2400:2480]
    gains = passband_gain(np.fft.rfftfreq(80, d=0.01))
    steady = np.fft.irfft(np.fft.rfft(period, axis=0) * gains[:, None], n=80, axis=0)
    result = beats.average_beat(signal, 100)
    magnitude = np.sqrt((steady**2).sum(axis=1))
    peak = np.sqrt((result.beat**2).sum(axis=1)).argmax()
    start = magnitude.argmax() - peak
    assert 25 + 2 <= peak <= 25 + 4  # Q lies 20 to 40 ms before the peak.
    np.testing.assert_allclose(result.beat, steady[(start + np.arange(58)) % 80], atol=0.005)
    assert result.beat.shape == (58, 12)
    assert result.beat.dtype == np.float32
    assert result.num_beats >= 72
    assert result.correlation.min() > 0.999


def test_averaging_takes_the_noise_down(make_train):
    clean = beats.average_beat(make_train(np.arange(0.5, 10, 0.8)), 100).beat
    noisy = beats.average_beat(make_train(np.arange(0.5, 10, 0.8), noise=0.05), 100).beat
    # About 11 beats: white noise of 50 microvolts falls to about 50 / sqrt(11) = 15.
    assert 0.008 < np.std(noisy - clean) < 0.022


def test_premature_beats_are_left_out_of_the_average(make_train):
    regular = np.arange(0.6, 9.6, 0.8)
    premature = regular.copy()
    premature[5] -= 0.25
    whole = beats.average_beat(make_train(regular), 100)
    without = beats.average_beat(make_train(premature), 100)
    assert without.num_beats == whole.num_beats - 2  # The premature beat and the one after the pause.
    assert np.abs(whole.beat - without.beat).max() < 0.05


def test_another_sampling_rate_gives_the_same_beat(make_train):
    r_times = np.arange(0.5, 10, 0.8)
    slow = beats.average_beat(make_train(r_times), 100).beat
    fast = beats.average_beat(make_train(r_times, fs=500) + 0.7, 500).beat  # An offset leaves no step at the ends.
    assert np.abs(slow - fast).max() < 0.04
    assert np.corrcoef(slow.ravel(), fast.ravel())[0, 1] > 0.998


@pytest.fixture
def train(make_train):
    return make_train(np.arange(0.5, 10, 0.8), noise=0.01)


def test_a_flat_lead_is_named(train):
    train[:, 10] = 0.25
    with pytest.raises(BeatError, match="Lead V5 is flat") as caught:
        beats.average_beat(train, 100)
    assert caught.value.reason == "flat_lead"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_samples_are_counted(train, value):
    train[100:103, 7] = value
    with pytest.raises(BeatError, match=r"3 samples are missing \(NaN\), the first in lead V2") as caught:
        beats.average_beat(train, 100)
    assert caught.value.reason == "missing_samples"


def test_a_recording_without_beats_is_refused():
    drift = np.sin(2 * np.pi * 0.3 * np.arange(1000) / 100)[:, None] * np.full(12, 0.02)
    with pytest.raises(BeatError, match="0 beats were detected") as caught:
        beats.average_beat(drift, 100)
    assert caught.value.reason == "no_beat"


def test_a_recording_too_short_for_two_beats_is_refused(train):
    with pytest.raises(BeatError, match=r"lasts 1\.10 s"):
        beats.average_beat(train[:110], 100)


@pytest.mark.parametrize("fs", [100, 500])
def test_a_recording_without_samples_is_refused(fs):
    with pytest.raises(BeatError, match=r"^The recording has no samples\.$") as caught:
        beats.average_beat(np.zeros((0, 12)), fs)
    assert caught.value.reason == "no_beat"


@pytest.mark.parametrize("scale", [1e3, 1e8, 1e300])
@pytest.mark.parametrize("fs", [100, 500])
def test_millivolts_that_no_electrode_gives_are_refused(make_train, scale, fs):
    train = make_train(np.arange(0.5, 10, 0.8)) * np.where(np.arange(12) == 5, 1.0, 0.5)
    with pytest.raises(
        BeatError, match=r"^Lead aVF reaches [\d.e+]+ mV, above 1000 mV; .* unit or gain is wrong"
    ) as caught:
        beats.average_beat(train * scale / train[:, 5].max() * 1.01, fs)
    assert caught.value.reason == "too_large"


def test_the_largest_sample_is_not_too_large(train):
    train[500] = -1000.0
    with pytest.raises(BeatError) as caught:
        beats.average_beat(train, 100)
    assert caught.value.reason != "too_large"


def test_integers_are_millivolts_too():
    square = np.where(np.arange(1000)[:, None] % 80 < 4, 127, -128) * np.ones((1, 12))  # A range that int8 cannot hold.
    expected = beats.average_beat(square.astype(np.float64), 100)
    np.testing.assert_array_equal(beats.average_beat(square.astype(np.int8), 100).beat, expected.beat)


@pytest.mark.parametrize("fs", [0, -100, 1e9, np.nan, np.inf])
def test_the_sampling_rate_is_checked(train, fs):
    with pytest.raises(ValueError, match=r"average_beat: fs must be a sampling rate in Hz, .* but is"):
        beats.average_beat(train, fs)


def test_noise_is_of_poor_quality():
    noise = np.random.default_rng(0).standard_normal((1000, 12))
    with pytest.raises(BeatError, match="8 are needed") as caught:
        beats.average_beat(noise, 100)
    assert caught.value.reason == "poor_quality"


@pytest.mark.parametrize(("noisy_leads", "good"), [(4, True), (5, False)])
def test_eight_good_leads_are_enough(make_train, noisy_leads, good):
    signal = make_train(np.arange(0.5, 10, 0.8))
    signal[:, :noisy_leads] = np.random.default_rng(0).standard_normal((1000, noisy_leads)) * 0.1
    if good:
        result = beats.average_beat(signal, 100)
        assert (result.correlation > 0.9).sum() == 8
    else:
        with pytest.raises(BeatError, match="in 7 leads"):
            beats.average_beat(signal, 100)


def test_a_rhythm_without_two_alike_intervals_is_irregular(make_train):
    with pytest.raises(BeatError, match="within 50 ms of the median") as caught:
        beats.average_beat(make_train([0.6, 1.4, 2.7, 3.9]), 100)
    assert caught.value.reason == "irregular"


def test_the_shape_is_checked(train):
    with pytest.raises(ValueError, match=r"must be \[time, 12\], but is \[1000, 8\]"):
        beats.average_beat(train[:, :8], 100)


def test_processes_do_not_change_the_results(make_train):
    signals = [make_train(np.arange(0.5, 10, 0.7 + 0.02 * number), noise=0.02, seed=number) for number in range(40)]
    signals[3] = signals[3] * np.where(np.arange(12) == 2, 0.0, 1.0)
    # np.asarray gives the signal itself, and a new interpreter finds it by name.
    serial = beats.average_beats(np.asarray, signals, processes=1, progress=False)
    parallel = beats.average_beats(np.asarray, signals, processes=2, progress=False)
    assert len(serial) == len(parallel) == 40
    for number, (one, other) in enumerate(zip(serial, parallel, strict=True)):
        if number == 3:
            assert isinstance(other, BeatError)
            assert (other.reason, str(other)) == (one.reason, "Lead III is flat: its samples span 0.0 microvolts.")
        else:
            assert isinstance(other, AverageBeat)
            np.testing.assert_array_equal(one.beat, other.beat)
            np.testing.assert_array_equal(one.correlation, other.correlation)
            assert one.num_beats == other.num_beats


def test_errors_of_another_kind_are_raised():
    with pytest.raises(ZeroDivisionError):
        beats.average_beats(lambda item: 1 // item, [0], progress=False)


def test_progress_goes_to_the_error_stream(make_train, capsys):
    beats.average_beats(np.asarray, [make_train(np.arange(0.5, 10, 0.8))] * 2)
    output = capsys.readouterr()
    assert output.out == ""
    assert "2/2" in output.err
