"""Records mutated at random: what is read is what wfdb reads, all else is a BeatError, and never another exception."""

import numpy as np
import pytest
import wfdb
from mutated_wfdb import mutate_header, mutate_samples

from data_pipelines.ecg import beats
from data_pipelines.ptbxl.records import read_signal

LENGTH = 20
BITS = {"16": 16, "24": 24, "32": 32, "80": 8, "212": 12}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Header and samples of a valid record in each format that wfdb writes."""
    folder = tmp_path_factory.mktemp("original")
    records = []
    for fmt, bits in BITS.items():
        largest = 2 ** min(bits - 1, 15) - 1
        wfdb.wrsamp(
            *("r", 100, ["mV"] * 12, list(beats.LEADS)),
            d_signal=np.random.default_rng(bits).integers(-largest, largest, (LENGTH, 12)),
            fmt=[fmt] * 12,
            adc_gain=[1000.0] * 12,
            baseline=[0] * 12,
            write_dir=str(folder),
        )
        records.append(((folder / "r.hea").read_text(), (folder / "r.dat").read_bytes()))
    return records


def error_of(call, *arguments):
    """What a call gives and None, or None and its BeatError."""
    try:
        return call(*arguments), None
    except beats.BeatError as error:
        return None, error


def read_mutated(folder, originals, seed):
    """Whether the mutated record of this seed could be read."""
    rng = np.random.default_rng(seed)
    header, samples = originals[seed % len(originals)]
    (folder / "r.hea").write_bytes(mutate_header(rng, header).encode("latin-1"))
    (folder / "r.dat").write_bytes(mutate_samples(rng, samples))
    signal, error = error_of(read_signal, str(folder / "r"), 100)
    if error is None:
        np.testing.assert_array_equal(signal, wfdb.rdrecord(str(folder / "r")).p_signal)
        return True
    assert error.reason in ("missing_file", "unreadable", "truncated", "wrong_checksum")
    assert str(error).startswith(str(folder))
    assert str(error).isprintable()
    assert len(str(error)) < len(str(folder)) + 400
    return False


def test_mutated_records_read_as_in_wfdb_or_are_refused(tmp_path, originals):
    read = sum(read_mutated(tmp_path, originals, seed) for seed in range(200))
    assert 30 < read < 120  # Neither half of the law is empty.


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 6000, 1000))
def test_many_mutated_records_read_as_in_wfdb_or_are_refused(tmp_path, originals, start):
    assert sum(read_mutated(tmp_path, originals, seed) for seed in range(start, start + 1000)) > 100


def odd_signal(rng, train):
    """A beat train that something happened to, or something that was never an ECG; of any length."""
    length = int(rng.choice([0, 1, 2, 57, 58, 115, 116, 117, 130, 200, 400, 1000]))
    time = np.arange(length)[:, None] / 100
    scale = 1.0 if rng.random() < 0.5 else 10.0 ** rng.integers(-4, 12)
    signal = [
        lambda: train[:length] * scale,
        lambda: train[:length] + scale,
        lambda: rng.standard_normal((length, 12)) * scale,
        lambda: np.sign(np.sin(2 * np.pi * rng.uniform(0.1, 50) * time)) * scale * np.ones(12),
        lambda: time * scale * np.ones(12),
        lambda: (time == time[length // 2 : length // 2 + 1]) * scale * np.ones(12) if length else np.zeros((0, 12)),
        lambda: train[:length] * np.where(np.arange(12) < rng.integers(12), scale, 1.0),
        lambda: np.where(time % 1.0 < 0.01, scale, 0.0) * np.arange(1, 13),
        lambda: np.clip(rng.standard_cauchy((length, 12)) * scale, -1e300, 1e300),
        lambda: (train[:length] * 1000).astype(np.int16),
        lambda: train[:length].astype(np.float32),
        lambda: np.cumsum(rng.standard_normal((length, 12)), axis=0) * scale,
    ][rng.integers(12)]()
    if length and rng.random() < 0.1:
        signal = signal.astype(np.float64)
        signal[rng.integers(length), rng.integers(12)] = rng.choice([np.nan, np.inf, -np.inf, 1e308])
    return signal


def average_odd(train, seeds):
    """How many odd signals gave a beat; the others a BeatError."""
    given = 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        fs = float(rng.choice([100, 100, 50, 250, 333.3, 500]))
        result, error = error_of(beats.average_beat, odd_signal(rng, train), fs)
        if error is not None:
            assert str(error).endswith(".")
            continue
        assert result.beat.shape == (beats.BEAT_SAMPLES, 12)
        assert np.isfinite(result.beat).all()
        given += 1
    return given


def test_odd_signals_give_a_beat_or_a_beat_error(make_train):
    assert average_odd(make_train(np.arange(0.5, 10, 0.8), noise=0.01), range(150)) > 5


@pytest.mark.slow
def test_many_odd_signals_give_a_beat_or_a_beat_error(make_train):
    assert average_odd(make_train(np.arange(0.5, 10, 0.8), noise=0.01), range(1000, 5000)) > 100
