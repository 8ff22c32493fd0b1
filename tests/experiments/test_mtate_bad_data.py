"""Data that the fairness study cannot use are refused with one sentence that names what is wrong."""

import mtate_folders
import pandas as pd
import pytest

from data_pipelines.icu.mimic import tables
from experiments.mtate import data

pytestmark = pytest.mark.usefixtures("no_tfds_cache")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("mtate")
    mtate_folders.eicu(base / "eicu")
    mtate_folders.mimic(base / "mimic")
    return base


def edited(path, good, bad):
    text = path.read_text()
    assert good in text
    path.write_text(text.replace(good, bad, 1))


def refusal(own):
    """The sentence with which data are refused."""
    with pytest.raises((ValueError, FileNotFoundError)) as refused:
        data.load(own)
    sentence = str(refused.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_a_domain_of_which_one_group_has_no_window_is_named(tmp_path):
    """Women are in the unit for 10 hours only."""
    folder = mtate_folders.eicu(tmp_path)
    patient = pd.read_csv(folder / "patient.csv")
    patient["unitdischargeoffset"] = patient["unitdischargeoffset"].mask(patient["gender"] == "Female", 600)
    patient.to_csv(folder / "patient.csv", index=False)
    own = mtate_folders.config("eicu_demo", folder, window=12)
    with pytest.raises(ValueError, match=r"^--config\.domains: all \d+ .* of one group of domain 'sex' \(men\)"):
        data.load(own)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda folder: (folder / "Outcomes-a.txt").unlink(), "Outcomes-a.txt is missing; expected the Challenge's"),
        (
            lambda folder: (folder / "set-a/132500.txt").write_text("Time,Parameter,Value\n"),
            "132500.txt has no rows",
        ),
        (lambda folder: edited(folder / "Outcomes-a.txt", "132502,", "132500,"), "RecordID 132500 is there a second"),
        (lambda folder: edited(folder / "set-a/132504.txt", "Age,", "Age,x"), "132504.txt, line 3: Age is 'x"),
        (lambda folder: edited(folder / "set-a/132506.txt", "00:00,Age", "09:00,Age"), "132506.txt, line 4: time goes"),
    ],
    ids=["no outcomes", "no rows", "twice", "no number", "out of order"],
)
def test_a_bad_challenge_folder_is_named(tmp_path, spoil, expected):
    folder = mtate_folders.challenge(tmp_path, stays=12)
    spoil(folder)
    assert expected in refusal(mtate_folders.config("challenge2012", folder))


def test_the_other_set_is_looked_for_too(tmp_path):
    folder = mtate_folders.challenge(tmp_path, stays=12)
    sentence = refusal(mtate_folders.config("challenge2012", folder, evaluate_on="set-b"))
    assert sentence.startswith(f"{folder / 'Outcomes-b.txt'} is missing")


@pytest.mark.parametrize("name", tables.WHAT_FOR)
def test_a_mimic_folder_without_a_table_is_named_with_what_it_is_for(folder, tmp_path, name):
    for path in (folder / "mimic").iterdir():
        if path.stem != name:
            (tmp_path / path.name).symlink_to(path)
    sentence = refusal(mtate_folders.config("mimic", tmp_path))
    assert f"no table {name} ({tables.WHAT_FOR[name]}" in sentence


def test_a_mimic_folder_without_the_papers_cohort_is_named(folder, tmp_path):
    for path in (folder / "mimic").iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("3995", "9904"))
    sentence = refusal(mtate_folders.config("mimic", tmp_path))
    assert "acute kidney injury" in sentence
    assert "--config.dialysed_injury=False" in sentence
    found = data.load(mtate_folders.config("mimic", tmp_path, dialysed_injury=False, window=24))
    assert len(found.outcome)


@pytest.mark.parametrize(
    ("variant", "changed", "expected"),
    [
        ("eicu_demo", {"window": 81}, "--config.window=81: no stay is left with a window of 81 hours"),
        ("eicu_demo", {"task": "rolling", "window": 81}, "a window of 81 hours; the longest of 72 has 80"),
        ("eicu_demo", {"task": "rolling", "ends": (90, 99)}, "--config.window=24: no stay is left with a window"),
        ("mimic", {"window": 60}, "no stay is as long as a window of 60 hours; the longest of 50 has 56"),
    ],
)  # fmt: skip
def test_windows_longer_than_any_stay_are_refused(folder, variant, changed, expected):
    where = folder / ("eicu" if variant == "eicu_demo" else variant)
    assert expected in refusal(mtate_folders.config(variant, where, **changed))


def test_too_few_deaths_for_the_folds_are_named(tmp_path):
    folder = mtate_folders.challenge(tmp_path)
    text = (folder / "Outcomes-a.txt").read_text().splitlines()
    kept = [line if place in (1, 4) else line.rsplit(",", 2)[0] + ",-1,0" for place, line in enumerate(text)]
    (folder / "Outcomes-a.txt").write_text("\n".join([text[0], *kept[1:]]) + "\n")
    sentence = refusal(mtate_folders.config("challenge2012", folder))
    assert "deaths" in sentence
    assert "--config.folds" in sentence


def test_stays_without_any_measurement_are_refused(tmp_path):
    folder = mtate_folders.challenge(tmp_path, stays=30)
    for path in (folder / "set-a").iterdir():
        lines = path.read_text().splitlines()
        path.write_text("\n".join(line for line in lines[:7] if "Weight" not in line) + "\n")
    sentence = refusal(mtate_folders.config("challenge2012", folder))
    assert sentence.startswith(f"--config.data_dir={folder}: none of 30 windows has a single measurement")
