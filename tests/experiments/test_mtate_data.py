"""The fairness study's data: folds, what inputs are made of and what they never see, windows and their labels."""

import dataclasses

import mtate_folders
import numpy as np
import pandas as pd
import pytest

from data_pipelines.icu import challenge2012, mimic, normal, windows
from experiments.mtate import data, domains, sources

pytestmark = pytest.mark.usefixtures("no_tfds_cache")
CHANNELS = ("measured", "since")
NINE = domains.NINE
SOURCES = {
    "simulated": {"data": "simulated"},
    "challenge": {},
    "rolling": {},
    "set b": {"evaluate_on": "set-b"},
    "eicu": {"window": 12},
    "mimic": {"window": 24, "horizon": 72},
}
VARIANT = {"simulated": "", "challenge": "challenge2012", "set b": "challenge2012", "eicu": "eicu_demo"}
FOLDER = {"rolling": "challenge", "set b": "challenge"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("mtate")
    for name in ("a", "b"):
        mtate_folders.challenge(base / "challenge", name)
    mtate_folders.eicu(base / "eicu")
    mtate_folders.mimic(base / "mimic")
    return base


def config(folder, name):
    own = mtate_folders.config(VARIANT.get(name, name), folder / FOLDER.get(name, name), **SOURCES[name])
    own.simulated.stays = 150
    return own


@pytest.fixture(scope="module")
def loaded(folder, no_tfds_cache):
    return {name: data.load(config(folder, name)) for name in SOURCES}


@pytest.mark.parametrize("name", SOURCES)
def test_every_example_is_on_one_side_and_no_patient_on_two(loaded, name):
    own = loaded[name]
    size = len(own.outcome)
    # With another set to be judged, folds only select, and that set is on no side of theirs.
    evaluate = own.evaluate if own.other is None else own.evaluate | own.other
    sides = own.train.astype(int) + own.validate + evaluate
    assert sides.shape == (3, size)
    np.testing.assert_array_equal(sides, 1)
    for fold in range(own.num_folds):
        whose = [set(own.subject[side[fold]]) for side in (own.train, own.validate, evaluate)]
        assert all(whose)
        assert not whose[0] & whose[1] | whose[0] & whose[2] | whose[1] & whose[2]
    if name != "set b":
        np.testing.assert_array_equal(own.evaluate.sum(0), 1)
    if name in ("rolling", "eicu", "mimic"):  # Patients with several windows there are.
        assert np.bincount(own.subject).max() > 1


def test_hospitals_are_never_divided(loaded, folder):
    own = loaded["eicu"]
    patient = pd.read_csv(folder / "eicu" / "patient.csv").set_index("patientunitstayid")
    hospital = patient.loc[own.ids, "hospitalid"].to_numpy()
    assert len(np.unique(hospital)) < len(np.unique(own.subject))
    for fold in range(own.num_folds):
        whose = [set(hospital[side[fold]]) for side in (own.train, own.validate, own.evaluate)]
        assert sum(map(len, whose)) == len(np.unique(hospital))


def test_the_other_set_judges_and_the_whole_training_set_trains(loaded, folder):
    own, alone = loaded["set b"], loaded["challenge"]
    size = len(alone.outcome)
    first = np.arange(len(own.outcome)) < size
    np.testing.assert_array_equal(own.other, ~first)
    assert not own.evaluate.any()
    np.testing.assert_array_equal(own.train | own.validate, np.tile(first, (3, 1)))
    np.testing.assert_array_equal(own.validate.sum(0), first)
    view = own.judged
    np.testing.assert_array_equal(view.train, first[None])
    np.testing.assert_array_equal(view.validate, first[None])
    np.testing.assert_array_equal(view.evaluate, ~first[None])
    # What trains on the whole set is standardised by it, and by nobody of the other.
    known = own.values[first][..., own.variables.index("HR")]
    values = (known - np.nanmean(known)) / np.nanstd(known)
    found = view.arrays(0)["inputs"][first, :, own.variables.index("HR")]
    measured = ~np.isnan(known)
    np.testing.assert_allclose(found[measured], np.clip(values[measured], -5, 5), atol=1e-4)
    assert alone.judged is alone
    other = challenge2012.read_set(folder / "challenge", "b")
    np.testing.assert_array_equal(own.ids, [*alone.ids, *other.ids])
    np.testing.assert_array_equal(own.outcome[size:], other.outcomes["hospital_death"])
    np.testing.assert_array_equal(own.values[:size], alone.values)
    steps = own.cohort.set_index("step")
    assert steps.loc["set a: outcome known", "windows"] == size
    assert steps.loc["set b: outcome known", "positive"] == other.outcomes["hospital_death"].sum()


EXPECTED = {
    "challenge": (
        challenge2012.VARIABLES,
        ("age", "male", "height", "icu_type_1", "icu_type_2", "icu_type_3", "icu_type_4", "weight"),
    ),
    "eicu": (("hr", "temp", "crea", "crp"), ("age", "height", "weight", "male")),
    "mimic": (tuple(mimic.VARIABLES), ("age", "male", "weight", "body_mass_index", "not_white", "charlson_index")),
    "simulated": (None, ()),
}
EXPECTED |= {"rolling": EXPECTED["challenge"], "set b": EXPECTED["challenge"]}
NEVER = ("saps", "sofa", "surviv", "length", "death", "discharge", "label", "hospital")


@pytest.mark.parametrize("name", SOURCES)
def test_every_input_is_a_variable_or_known_at_admission(loaded, name):
    """Channel by channel, by loops: the value carried forward, whether it is measured, since when."""
    own = loaded[name]
    variables, static = EXPECTED[name]
    assert own.static_names == static
    assert variables is None or own.variables == variables
    assert not [word for word in (*own.variables, *own.static_names) for part in NEVER if part in word.lower()]
    arrays = own.arrays(1, CHANNELS)
    assert set(arrays) == {"inputs", "measured", "static", "outcome", "domains"}
    count, hours = len(own.variables), own.values.shape[1]
    inputs = arrays["inputs"]
    assert inputs.shape == (len(own.outcome), hours, 3 * count)
    assert np.isfinite(inputs).all()
    scaled = np.array(own.values, np.float64)
    usual = np.array(own.normal, np.float64)
    for place, variable in enumerate(own.variables):
        if variable in normal.SKEWED:
            scaled[..., place] = np.log1p(np.maximum(scaled[..., place], 0))
            usual[place] = np.log1p(usual[place])
    train = scaled[own.train[1]].reshape(-1, count)
    for example in np.linspace(0, len(own.outcome) - 1, 6).astype(int):
        for place in range(count):
            known = train[~np.isnan(train[:, place]), place]
            center, spread = (known.mean(), known.std()) if len(known) else (0.0, 1.0)
            last, since = usual[place], -1
            for hour in range(hours):
                value = scaled[example, hour, place]
                since = 0 if not np.isnan(value) else since + 1
                last = last if np.isnan(value) else value
                expected = np.clip((last - center) / (spread or 1.0), -data.OUTLIER, data.OUTLIER)
                found = inputs[example, hour, place::count]
                np.testing.assert_allclose(found, [expected, not np.isnan(value), since / hours], atol=2e-4)


def permute(monkeypatch, field):
    """Gives every stay what another one has in a field of the stays: `outcomes` or `attributes`."""
    source = sources.read

    def permuted(*arguments):
        found = source(*arguments)
        order = np.random.default_rng(0).permutation(len(found.stays))
        others = {key: values[order] for key, values in getattr(found.stays, field).items()}
        return dataclasses.replace(found, stays=dataclasses.replace(found.stays, **{field: others}))

    monkeypatch.setattr(sources, "read", permuted)


@pytest.mark.parametrize("name", SOURCES)
def test_inputs_do_not_depend_on_outcomes(loaded, folder, name, monkeypatch):
    """The outcomes of other stays in the place of one's own: death, survival, length of stay, SAPS and SOFA."""
    permute(monkeypatch, "outcomes")
    before, after = loaded[name], data.load(config(folder, name))
    if name not in ("rolling", "mimic"):  # Whose labels are of the hours of death, which decide what windows there are.
        assert (before.outcome != after.outcome).any()
    np.testing.assert_array_equal(after.ids, before.ids)
    np.testing.assert_array_equal(after.values, before.values)
    np.testing.assert_array_equal(after.static, before.static)
    same = dataclasses.replace(after, train=before.train)  # Validation patients are drawn by their outcome.
    for key in ("inputs", "measured", "static"):
        np.testing.assert_array_equal(same.arrays(0)[key], before.arrays(0)[key])


@pytest.mark.parametrize("name", SOURCES)
def test_inputs_do_not_depend_on_who_the_patient_has_been(loaded, folder, name, monkeypatch):
    """But for MIMIC, where race and Charlson's index are inputs as in the paper."""
    permute(monkeypatch, "attributes")
    before, after = loaded[name], data.load(config(folder, name))
    np.testing.assert_array_equal(after.values, before.values)
    changed = {own for place, own in enumerate(before.static_names)
               if not np.array_equal(before.static[:, place], after.static[:, place], equal_nan=True)}  # fmt: skip
    assert changed == ({"not_white", "charlson_index"} if name == "mimic" else set())


@pytest.mark.parametrize("side", ["evaluate", "validate"])
def test_who_does_not_train_changes_nobody_elses_inputs(loaded, side):
    rng = np.random.default_rng(0)
    for name in ("challenge", "mimic"):
        own = loaded[name]
        example = np.flatnonzero(getattr(own, side)[0])[3]
        values, static = own.values.copy(), own.static.copy()
        values[example] = 1000 * rng.random(values[example].shape)
        static[example] = 500
        other = dataclasses.replace(own, values=values, static=static)
        rest = np.arange(len(own.outcome)) != example
        before, after = own.arrays(0), other.arrays(0)
        for key in ("inputs", "measured", "static"):
            np.testing.assert_array_equal(after[key][rest], before[key][rest])
            assert (after[key][example] != before[key][example]).any()


def test_who_trains_sets_the_scale(loaded):
    own = loaded["challenge"]
    example = np.flatnonzero(own.train[0])[0]
    values, static = own.values.copy(), own.static.copy()
    values[example], static[example] = values[example] + 50, 500
    other = dataclasses.replace(own, values=values, static=static)
    rest = np.arange(len(own.outcome)) != example
    for key in ("inputs", "static"):
        assert (other.arrays(0)[key][rest] != own.arrays(0)[key][rest]).any()


def test_static_features_are_standardized_by_those_who_train():
    columns = np.float32([[1, np.nan, 5], [3, np.nan, 5], [5, np.nan, 5], [1000, 7, 9], [np.nan, 2, np.nan]])
    train = np.array([True, True, True, False, False])
    found = data.standardized(columns, train)
    spread = np.sqrt(8 / 3)
    np.testing.assert_allclose(found[:, 0], [-2 / spread, 0, 2 / spread, data.OUTLIER, 0], rtol=1e-6)
    np.testing.assert_array_equal(found[:, 1], [0, 0, 0, data.OUTLIER, 2])  # Nobody who trains has it.
    np.testing.assert_array_equal(found[:, 2], [0, 0, 0, 4, 0])


def test_a_variable_that_nobody_measured_is_its_normal_value_for_all(loaded):
    own = loaded["eicu"]
    place, count = own.variables.index("crp"), len(own.variables)
    assert np.isnan(own.values[..., place]).all()
    inputs = own.arrays(0)["inputs"]
    np.testing.assert_allclose(inputs[..., place], np.log1p(normal.YAIB["crp"]), rtol=1e-6)
    np.testing.assert_array_equal(inputs[..., place + count], 0)


def test_rolling_windows_of_the_challenge_and_their_labels(loaded, folder):
    """Death within 72 hours of a window's end, by the middle of what the days of survival allow."""
    own = loaded["rolling"]
    stays = challenge2012.read_set(folder / "challenge", "a")
    expected = []
    for place, record in enumerate(stays.ids):
        days = stays.outcomes["survival_days"][place]
        hours = 60.0 if days == 1 else 24 * days + 24
        expected += [(record, end, float(hours - end <= 72)) for end in (24, 36, 48)]
    assert list(zip(own.ids, own.end, own.outcome, strict=True)) == expected
    cut = windows.cut(stays, np.repeat(np.arange(len(stays)), 3), own.end, 24)
    np.testing.assert_array_equal(own.values, cut.values)
    assert (own.outcome[own.end == 48] != own.outcome[own.end == 24]).any()
    assert own.outcome.sum() < 3 * stays.outcomes["hospital_death"].sum()


def test_rolling_windows_of_mimic_and_their_labels(loaded, folder):
    own = loaded["mimic"]
    stays = mimic.read_stays(folder / "mimic")
    death = dict(zip(stays.ids, stays.outcomes["death_hours"], strict=True))
    hours = dict(zip(stays.ids, stays.outcomes["unit_hours"], strict=True))
    assert (own.end >= 24).all()
    assert np.bincount(own.subject).max() == 30
    for stay, end, outcome in zip(own.ids, own.end, own.outcome, strict=True):
        assert end <= hours[stay]
        assert not death[stay] <= end
        assert outcome == (not np.isnan(death[stay]) and death[stay] - end <= 72)
    assert 0 < own.outcome.mean() < 1
    # Everybody who died did so, and windows of a patient differ in their label where the death is far enough away.
    labels = pd.Series(own.outcome).groupby(own.subject).nunique()
    assert labels.max() == 2


def test_who_had_died_or_left_before_the_windows_end_is_left_out(loaded, folder):
    patient = pd.read_csv(folder / "eicu" / "patient.csv").set_index("patientunitstayid")
    before = patient["hospitaldischargeoffset"].mask(patient["hospitaldischargestatus"] == "Alive") <= 24 * 60
    left = patient["unitdischargeoffset"] < 24 * 60
    assert before.sum()
    assert left.sum()
    own = data.load(mtate_folders.config("eicu_demo", folder / "eicu", window=24))
    expected = patient.index[~before & ~left]
    np.testing.assert_array_equal(own.ids, expected)
    assert set(loaded["eicu"].ids) == set(patient.index)
    steps = own.cohort.set_index("step")["windows"]
    assert steps["all stays"] - steps["in the unit for 24 hours"] == left.sum()
    assert steps["in the unit for 24 hours"] - steps["alive then"] == (before & ~left).sum()


def test_domains_of_a_source(loaded, folder):
    own = loaded["eicu"]
    assert own.domain_names == NINE
    patient = pd.read_csv(folder / "eicu" / "patient.csv").set_index("patientunitstayid").loc[own.ids]
    ages = patient["age"].replace("> 89", "90").astype(float).to_numpy()
    np.testing.assert_array_equal(own.domains[:, NINE.index("age")], ages >= 65)
    np.testing.assert_array_equal(own.domains[:, NINE.index("sex")], patient["gender"] == "Male")
    race = patient["ethnicity"].map({"Caucasian": 0.0, "African American": 1.0, "Asian": 1.0}).to_numpy()
    np.testing.assert_array_equal(own.domains[:, NINE.index("race")], race)


def test_an_icd_code_means_the_same_with_and_without_its_dot(folder, tmp_path, loaded):
    for path in (folder / "mimic").iterdir():
        text = path.read_text()
        if path.stem in ("diagnoses_icd", "procedures_icd"):
            for code in ("5845", "4280", "25000", "4019", "5859", "0389"):
                text = text.replace(f",{code}\n", f",{code[:3]}.{code[3:]}\n")
            text = text.replace(",3995\n", ",39.95\n")
            assert text.count(".")
        (tmp_path / path.name).write_text(text)
    found = data.load(mtate_folders.config("mimic", tmp_path, **SOURCES["mimic"]))
    np.testing.assert_array_equal(found.domains, loaded["mimic"].domains)
    np.testing.assert_array_equal(found.static, loaded["mimic"].static)
    np.testing.assert_array_equal(found.ids, loaded["mimic"].ids)


@pytest.mark.parametrize("dead", [True, False])
def test_the_only_one_of_its_kind_trains(dead):
    """Of hospitals, one without a death (or with one) in a fold's training part is no reason to stop."""
    hospital = np.repeat(np.arange(10), 2)
    outcome = np.where((hospital == 3) == dead, 1.0, 0.0).astype(np.float32)
    for seed in range(5):
        validate = data._held_out(outcome, hospital, hospital != 9, 0.2, seed)
        assert validate.sum() == 4
        assert not validate[hospital == 3].any()
        assert not validate[hospital == 9].any()


def test_the_best_possible_score_of_simulated_stays_beats_chance(loaded):
    own = loaded["simulated"]
    assert own.optimum.shape == own.outcome.shape
    dead = own.outcome == 1
    assert own.optimum[dead].mean() > own.optimum[~dead].mean() + 0.1
    assert all(each.optimum is None for name, each in loaded.items() if name != "simulated")
