"""The simulator through the pipeline: a cohort, and a folder in the layout of PTB-XL."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import wfdb
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data_pipelines import ptbxl
from data_pipelines.ecg import beats
from data_pipelines.simulate import ecg

QUIET = ecg.SimulationConfig(num_subjects=40, noise=0.0, faulty_electrodes=0.0)


@pytest.fixture(scope="module")
def cohort():
    return ecg.load(ecg.SimulationConfig(num_subjects=300), 0, processes=1, progress=False)


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


@pytest.mark.slow  # test_beats.py has the fast one.
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


@pytest.mark.parametrize("rate", [100, pytest.param(500, marks=pytest.mark.slow)])
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
