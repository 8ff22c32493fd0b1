"""The fairness study's data on real intensive care stays, and what a model without a series reaches on them."""

import contextlib
import pathlib
import types

import mtate_folders
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from experiments.mtate import data, references, sources

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def load(data_dir):
    """The data of a variant, parsed once; the cache has tests of its own (test_challenge2012.py)."""
    loaded = {}

    def of(variant, source, **changed):
        if not (pathlib.Path(data_dir) / source).is_dir():
            pytest.skip(f"JAXFAIR_DATA_DIR has no {source} (BUILD.md)")
        key = variant, *sorted(changed.items())
        if key not in loaded:
            loaded[key] = data.load(mtate_folders.config(variant, data_dir, **{"folds": 5} | changed))
        return loaded[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "default_cache_dir", lambda: None)
        yield of


def assert_nobody_is_divided(own, together):
    np.testing.assert_array_equal(own.train.astype(int) + own.validate + own.evaluate, 1)
    for fold in range(own.num_folds):
        whose = [set(together[side[fold]]) for side in (own.train, own.validate, own.evaluate)]
        assert sum(map(len, whose)) == len(set(together))


def test_set_a_is_the_official_cohort(load):
    own = load("challenge2012", "challenge-2012")
    assert len(own.outcome) == len(np.unique(own.ids)) == 4000
    assert own.outcome.sum() == 554
    assert own.values.shape == (4000, 48, 37)
    np.testing.assert_array_equal(own.evaluate.sum(0), 1)
    np.testing.assert_array_equal(own.evaluate.sum(1), 800)
    assert_nobody_is_divided(own, own.subject)
    # Nobody's evaluation fold is much easier: shares of deaths.
    shares = [own.outcome[mask].mean() for mask in own.evaluate]
    assert 0.10 < min(shares) < max(shares) < 0.18
    for name, (low, high) in {"age": (0.5, 0.7), "sex": (0.5, 0.6), "unit": (0.4, 0.6)}.items():
        assert low < np.nanmean(own.domains[:, own.domain_names.index(name)]) < high


def test_set_b_judges_who_trained_on_the_whole_of_set_a(load):
    own = load("challenge2012", "challenge-2012", evaluate_on="set-b")
    assert len(own.outcome) == 8000
    assert own.outcome.sum() == 554 + 568
    view = own.judged
    assert own.outcome[view.evaluate[0]].sum() == 568
    np.testing.assert_array_equal(view.evaluate, np.arange(8000)[None] >= 4000)
    np.testing.assert_array_equal(view.train, ~view.evaluate)
    assert not own.train[:, 4000:].any()


def test_rolling_windows_of_set_a(load, data_dir):
    own, official = load("rolling", "challenge-2012"), load("challenge2012", "challenge-2012")
    ends, counts = np.unique(own.end, return_counts=True)
    assert ends.tolist() == [24, 36, 48]
    deaths = [int(own.outcome[own.end == end].sum()) for end in ends]
    # Three survive for 0 days though they did not die in hospital: no window of theirs has a label.
    assert counts.tolist() == [3997, 3997, 3997]
    # Death comes nearer with every end.
    table = pd.read_csv(pathlib.Path(data_dir, "challenge-2012", "Outcomes-a.txt"))
    days = table["Survival"]
    # Within 72 hours of hours 24, 36 and 48: day k is hour 24 k + 24, but day 1 is hour 60.
    assert deaths == [days.between(1, most).sum() for most in (3, 3, 4)]
    assert_nobody_is_divided(own, own.subject)
    at_48 = own.values[own.end == 48]
    np.testing.assert_array_equal(at_48, official.values[np.isin(official.ids, own.ids), 24:])


def test_the_eicu_demo_keeps_hospitals_together(load, data_dir):
    own = load("eicu_demo", "eicu-demo-2.0.1")
    assert (len(own.outcome), own.outcome.sum()) == (1571, 138)
    patient = pd.read_csv(next(pathlib.Path(data_dir, "eicu-demo-2.0.1").glob("patient.csv*")))
    hospital = patient.set_index("patientunitstayid").loc[own.ids, "hospitalid"].to_numpy()
    assert_nobody_is_divided(own, hospital)
    assert own.domains.shape == (1571, 9)
    race = own.domains[:, own.domain_names.index("race")]
    assert 0 < np.isnan(race).mean() < 0.15
    known = ~np.isnan(own.domains).all(0)
    assert known.all()


def test_the_mimic_demo_goes_the_whole_way_to_windows(load):
    own = load("mimic", "mimic-iii-demo-1.4", dialysed_injury=False, folds=2)
    assert own.values.shape[1:] == (48, 12)
    assert (len(own.outcome), own.outcome.sum(), own.subject.max() + 1) == (1291, 213, 55)
    assert np.bincount(own.subject).max() <= 30
    assert_nobody_is_divided(own, own.subject)
    arrays = own.arrays(0)
    assert np.isfinite(arrays["inputs"]).all()
    assert np.isfinite(arrays["static"]).all()


def test_gradient_boosting_on_set_a_is_as_accurate_as_published_models(load):
    """Below 0.84 something is lost on the way; above 0.88 the inputs know what came later."""
    own = load("challenge2012", "challenge-2012")
    run = types.SimpleNamespace(
        config=types.SimpleNamespace(references=("gradient_boosting",)),
        data=own,
        bar=lambda *arguments: contextlib.nullcontext(types.SimpleNamespace(update=lambda: None)),
    )
    logit = references.reference(run, {}).arrays["gradient_boosting"]["logit"]
    areas = [roc_auc_score(own.outcome[mask], each[mask]) for each, mask in zip(logit, own.evaluate, strict=True)]
    assert 0.84 < np.mean(areas) < 0.88, areas
    assert np.isnan(logit[own.train]).all()
