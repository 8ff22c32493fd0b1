"""The archive's real files: sizes, class counts, extremes and checksums that others published."""

import numpy as np
import pytest

from data_pipelines import ucr
from data_pipelines.ucr import checksums

pytestmark = pytest.mark.real_data

# Sizes: Dau et al., 2018. Class counts: cut -f1 | sort | uniq -c. Extremes: the statistics of github.com/mat-analysis/
# datasets (uts/<Name>/<Name>-stats.md), where the same problems were read by other code.
REAL = {
    "ECG200": (100, 100, 96, ("-1", "1"), [31, 69], [36, 64], -3.0144511, 4.1991449),
    "ECG5000": (
        *(500, 4500, 140, ("1", "2", "3", "4", "5")),
        *([292, 177, 10, 19, 2], [2627, 1590, 86, 175, 22], -7.0903741, 7.4021031),
    ),
    "ECGFiveDays": (23, 861, 136, ("1", "2"), [14, 9], [428, 433], -7.1078071, 6.0327846),
    "TwoLeadECG": (23, 1139, 82, ("1", "2"), [12, 11], [569, 570], -3.7966453, 1.9292616),
}


@pytest.mark.parametrize("name", list(REAL))
def test_real_problems(real_ucr, name):
    num_train, num_test, time, labels, train_counts, test_counts, smallest, largest = REAL[name]
    problem = ucr.load(real_ucr, name)
    inputs, label = problem.dataset.inputs, problem.dataset.targets["label"]
    assert inputs.shape == (num_train + num_test, time, 1)
    assert problem.train.sum() == num_train
    assert problem.labels == labels
    assert np.bincount(label[problem.train].astype(int)).tolist() == train_counts
    assert np.bincount(label[~problem.train].astype(int)).tolist() == test_counts
    assert (inputs.min(), inputs.max()) == (np.float32(smallest), np.float32(largest))
    assert (problem.num_filled, problem.num_padded) == (0, 0)
    assert problem.deviation < 2e-8
    assert problem.verified is True
    for split, among in (("TRAIN", problem.train), ("TEST", ~problem.train)):
        table = np.loadtxt(real_ucr / name / f"{name}_{split}.tsv")
        np.testing.assert_array_equal(inputs[among, :, 0], table[:, 1:].astype(np.float32))
        np.testing.assert_array_equal([float(labels[int(one)]) for one in label[among]], table[:, 0])


def test_the_table_of_checksums_is_of_the_real_files(real_ucr):
    for name, split in checksums.SHA256:
        assert checksums.identify(real_ucr / name / f"{name}_{split}.tsv") == (name, split)
