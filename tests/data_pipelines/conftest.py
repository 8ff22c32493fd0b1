"""A beat train that any test can compute, and a folder in PTB-XL's layout that holds such trains."""

import os
import pathlib

import numpy as np
import pandas as pd
import pytest
import wfdb

LEADS = ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]
INFARCTION_CODES = [
    *("IMI", "ASMI", "ILMI", "AMI", "ALMI", "LMI", "IPLMI", "IPMI", "PMI"),
    *("INJAS", "INJAL", "INJIN", "INJLA", "INJIL"),
]
# Peak in seconds from R, width in seconds, height in mV: P, Q, R, S, T.
WAVES = [(-0.16, 0.025, 0.1), (-0.03, 0.008, -0.1), (0.0, 0.012, 1.0), (0.03, 0.01, -0.25), (0.25, 0.045, 0.25)]


def beat_train(r_times, duration=10.0, fs=100, noise=0.0, seed=0):
    """`[time, 12]` mV: the same waves at each R time, in each lead with another factor on R, S and T."""
    rng = np.random.default_rng(3)
    time = np.arange(round(duration * fs)) / fs
    signal = np.zeros((len(time), 12))
    for center, width, height in WAVES:
        factors = rng.uniform(0.5, 1.5, size=12)
        for r_time in r_times:
            signal += height * factors * np.exp(-0.5 * ((time - r_time - center) / width) ** 2)[:, None]
    return signal + noise * np.random.default_rng(seed).standard_normal(signal.shape)


@pytest.fixture
def make_train():
    return beat_train


def write_record(path, signal, fs=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    wfdb.wrsamp(
        path.name,
        fs=fs,
        units=["mV"] * 12,
        sig_name=LEADS,
        p_signal=signal,
        fmt=["16"] * 12,
        adc_gain=[1000.0] * 12,
        baseline=[0] * 12,
        write_dir=str(path.parent),
    )


class TinyPtbxl:
    """A folder with `ptbxl_database.csv`, `scp_statements.csv` and `records100/`, to be spoilt by a test."""

    def __init__(self, folder, size):
        self.folder = folder
        folder.mkdir()
        self.table = pd.DataFrame(
            {
                "ecg_id": np.arange(1, size + 1),
                "patient_id": [f"{100 + number // 2}.0" for number in range(size)],  # Two records each, as floats.
                "age": [40.0 + number for number in range(size)],
                "sex": np.arange(size) % 2,
                "scp_codes": [
                    "{'IMI': 100.0, 'SR': 0.0}" if number % 3 == 0 else "{'NORM': 0.0}" for number in range(size)
                ],
                "strat_fold": [number // 2 % 10 + 1 for number in range(size)],
                "filename_lr": [f"records100/00000/{number + 1:05d}_lr" for number in range(size)],
                "filename_hr": [f"records500/00000/{number + 1:05d}_hr" for number in range(size)],
            }
        )
        for number, name in enumerate(self.table["filename_lr"]):
            interval = 0.7 + 0.01 * number
            write_record(folder / name, beat_train(np.arange(0.5, 10, interval), noise=0.01, seed=number))
        classes = {code: "MI" for code in INFARCTION_CODES} | {"NORM": "NORM", "LVH": "HYP"}
        pd.Series(classes, name="diagnostic_class").to_csv(folder / "scp_statements.csv")
        self.save()

    def save(self):
        self.table.to_csv(self.folder / "ptbxl_database.csv", index=False)

    def set(self, ecg_id, column, value):
        self.table[column] = self.table[column].astype(object)
        self.table.loc[self.table["ecg_id"] == ecg_id, column] = value
        self.save()

    def path(self, ecg_id, extension=""):
        return self.folder / f"records100/00000/{ecg_id:05d}_lr{extension}"

    def rewrite(self, ecg_id, signal):
        write_record(self.path(ecg_id), signal)


@pytest.fixture
def tiny_ptbxl(tmp_path):
    return lambda size=4: TinyPtbxl(tmp_path / "ptb-xl", size)


@pytest.fixture
def real_ptbxl():
    if "JAXFAIR_DATA_DIR" not in os.environ:
        pytest.skip("JAXFAIR_DATA_DIR is not set; see BUILD.md for how to get PTB-XL")
    folder = pathlib.Path(os.environ["JAXFAIR_DATA_DIR"]) / "ptb-xl"
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist")
    return folder


def write_ucr_file(path, labels, series):
    """Writes labelled series, NaN where a value is missing, in the form that the extension names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width = max(map(len, series))
    equal = all(len(values) == width for values in series)
    missing = "NaN" if path.suffix in (".tsv", ".txt") else "?"
    rows = [[missing if np.isnan(value) else f"{value:.8e}" for value in values] for values in series]
    if path.suffix != ".ts":
        rows = [row + [missing] * (width - len(row)) for row in rows]
    if path.suffix == ".tsv":
        lines = ["\t".join([label, *row]) for label, row in zip(labels, rows, strict=True)]
    elif path.suffix == ".txt":
        lines = ["   " + "   ".join([label, *row]) for label, row in zip(labels, rows, strict=True)]
    elif path.suffix == ".ts":
        lines = [
            *("# A problem.", "@problemName tiny", "@timeStamps false", "@missing true", "@univariate true"),
            f"@equalLength {str(equal).lower()}",
            *([f"@seriesLength {width}"] if equal else []),
            *(f"@classLabel true {' '.join(sorted(set(labels)))}", "@data"),
            *[",".join(row) + f":{label}" for label, row in zip(labels, rows, strict=True)],
        ]
    else:
        lines = [
            *("% A problem.", "@Relation tiny", *[f"@attribute att{index + 1} numeric" for index in range(width)]),
            *(f"@attribute  target {{{','.join(sorted(set(labels)))}}}", "", "@data"),
            *[",".join([*row, label]) for label, row in zip(labels, rows, strict=True)],
        ]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def write_series():
    return write_ucr_file


@pytest.fixture
def write_ucr(tmp_path):
    """Writes a problem of the UCR archive's layout into a root, which it returns."""

    def write(name="Tiny", extension=".tsv", train=None, test=None):
        rng = np.random.default_rng(0)
        for split, file in (("TRAIN", train), ("TEST", test)):
            labels, series = file or (["1", "2", "1", "2"], rng.standard_normal((4, 6)))
            write_ucr_file(tmp_path / "archive" / name / f"{name}_{split}{extension}", labels, series)
        return tmp_path / "archive"

    return write


@pytest.fixture
def real_ucr(data_dir):
    folder = pathlib.Path(data_dir) / "UCRArchive_2018"
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist")
    return folder
