"""The simulator of beat classes: that what it says was planted is there, and that nothing else is."""

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from data_pipelines import splits
from data_pipelines.simulate import beat_classes
from data_pipelines.simulate.beat_classes import BeatClassesConfig

CONFIG = BeatClassesConfig(num_train=240, num_test=600)


@pytest.fixture(scope="module")
def simulated():
    return beat_classes.load(CONFIG, 0), beat_classes.truth(CONFIG, 0)


def arrays(problem):
    return problem.dataset.inputs[..., 0], problem.dataset.targets["label"].astype(int), problem.train


def test_the_problem_is_as_one_of_the_archive(simulated):
    problem, _ = simulated
    inputs, label, train = arrays(problem)
    assert problem.dataset.inputs.shape == (840, 96, 1)
    assert problem.dataset.inputs.dtype == np.float32
    assert train.sum() == 240
    assert train[:240].all()
    assert problem.dataset.ids[[0, 239, 240]].tolist() == ["TRAIN-0001", "TRAIN-0240", "TEST-0001"]
    assert problem.labels == ("normal", "ST elevation", "ectopic")
    assert set(label) == {0, 1, 2}
    np.testing.assert_allclose(inputs.mean(axis=1), 0.0, atol=1e-6)
    np.testing.assert_allclose(inputs.std(axis=1, ddof=1), 1.0, atol=1e-6)
    held_out = splits.holdout_by_class(label, 0.2, 0, among=train, names=problem.labels)[1]
    assert abs(held_out.sum() - 0.2 * 240) < 3  # Each class is rounded by itself.


def test_seed_and_configuration_decide_all(simulated):
    problem, truth = simulated
    again = beat_classes.load(CONFIG, 0)
    np.testing.assert_array_equal(problem.dataset.inputs, again.dataset.inputs)
    np.testing.assert_array_equal(problem.dataset.targets["label"], again.dataset.targets["label"])
    other, other_truth = beat_classes.load(CONFIG, 1), beat_classes.truth(CONFIG, 1)
    assert not np.isclose(problem.dataset.inputs, other.dataset.inputs).all(axis=1).any()
    assert (truth.mislabelled != other_truth.mislabelled).any()
    np.testing.assert_array_equal(truth.difference, other_truth.difference)


def test_the_truth_given_away_is_a_copy(simulated):
    beat_classes.truth(CONFIG, 0).mislabelled[:] = True
    beat_classes.truth(CONFIG, 0).difference[:] = 0.0
    again = beat_classes.truth(CONFIG, 0)
    np.testing.assert_array_equal(again.mislabelled, simulated[1].mislabelled)
    np.testing.assert_array_equal(again.difference, simulated[1].difference)


@pytest.mark.parametrize("num_classes", [2, 3, 5])
@pytest.mark.parametrize(("mislabelled", "duplicates"), [(0.0, 0.0), (0.1, 0.1), (0.3, 0.2)])
def test_the_shares_are_exact_and_do_not_overlap(num_classes, mislabelled, duplicates):
    config = BeatClassesConfig(
        num_classes=num_classes, num_train=12 * num_classes + 1, mislabelled=mislabelled, duplicates=duplicates
    )
    for seed in range(5):
        truth = beat_classes.truth(config, seed)
        label = beat_classes._labels(config, seed)
        copies = np.flatnonzero(truth.duplicate_of >= 0)
        originals = truth.duplicate_of[copies]
        assert truth.mislabelled.sum() == round(mislabelled * config.num_train)
        assert len(copies) == round(duplicates * config.num_train)
        np.testing.assert_array_equal(label != truth.true_label, truth.mislabelled)
        involved = np.concatenate([copies, originals, np.flatnonzero(truth.mislabelled)])
        assert len(np.unique(involved)) == len(involved)
        assert (involved < config.num_train).all()
        np.testing.assert_array_equal(truth.true_label[copies], truth.true_label[originals])
        for side in (truth.true_label[: config.num_train], truth.true_label[config.num_train :]):
            counts = np.bincount(side, minlength=num_classes)
            assert counts.max() - counts.min() <= 1
        assert (np.bincount(label[: config.num_train], minlength=num_classes) > 1).all()


def test_near_duplicates_are_each_others_nearest_and_no_others_are_so_near(simulated):
    problem, truth = simulated
    inputs, _, train = arrays(problem)
    distance = np.linalg.norm(inputs[train][:, None] - inputs[train][None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    copies = np.flatnonzero(truth.duplicate_of >= 0)
    originals = truth.duplicate_of[copies]
    np.testing.assert_array_equal(distance[copies].argmin(axis=1), originals)
    np.testing.assert_array_equal(distance[originals].argmin(axis=1), copies)
    single = np.setdiff1d(np.arange(240), np.concatenate([copies, originals]))
    assert distance[copies].min(axis=1).max() < distance[single].min(axis=1).min()
    assert distance[copies].min(axis=1).min() > 0.0


def test_mislabelled_samples_disagree_with_their_neighbours(simulated):
    problem, truth = simulated
    inputs, label, train = arrays(problem)
    # Of the true classes, which learn from all but the sample itself.
    others = KNeighborsClassifier(11).fit(inputs[train], label[train])
    neighbours = others.kneighbors(inputs[train], return_distance=False)[:, 1:]
    agreement = (label[neighbours] == label[train][:, None]).mean(axis=1)
    assert agreement[truth.mislabelled[train]].mean() < 0.35
    assert agreement[~truth.mislabelled[train]].mean() > 0.65


def test_mislabelled_samples_do_harm(simulated):
    problem, truth = simulated
    inputs, label, train = arrays(problem)
    clean = train & ~truth.mislabelled
    accuracy = [
        KNeighborsClassifier(1).fit(inputs[among], label[among]).score(inputs[~train], label[~train])
        for among in (train, clean)
    ]
    assert accuracy[1] - accuracy[0] > 0.03
    assert 0.75 < accuracy[1] < 0.99  # Neither hopeless nor saturated.


@pytest.mark.parametrize(("other", "low", "high"), [(1, 0.04, 0.35), (2, -0.19, 0.10)])
def test_the_window_holds_nearly_all_that_tells_a_class_from_normal(simulated, other, low, high):
    problem, truth = simulated
    inputs, label, train = arrays(problem)
    window = truth.window[other]
    assert truth.seconds[window].min() == pytest.approx(low, abs=0.02)
    assert truth.seconds[window].max() == pytest.approx(high, abs=0.02)
    assert window.mean() < 0.5
    both = np.isin(truth.true_label, [0, other])

    def accuracy(times):
        model = LogisticRegression(C=1.0, max_iter=2000).fit(
            inputs[train & both][:, times], truth.true_label[train & both]
        )
        return model.score(inputs[~train & both][:, times], label[~train & both])

    everything = accuracy(np.full(96, True))
    assert everything > 0.9
    assert accuracy(window) > everything - 0.03
    assert accuracy(~window) < 0.6  # Guessing gives 0.5.


def test_the_difference_is_that_of_the_beats():
    config = BeatClassesConfig(num_classes=5, num_train=60, num_test=1500, noise=0.0, mislabelled=0.0, duplicates=0.0)
    problem, truth = beat_classes.load(config, 0), beat_classes.truth(config, 0)
    inputs, label, train = arrays(problem)
    assert not truth.window[0].any()
    assert not truth.difference[0].any()
    normal = inputs[~train & (label == 0)].mean(axis=0)
    for one in range(1, 5):
        # Other hearts, strengths and the normalisation stand between the two: their shape in time is compared.
        found = inputs[~train & (label == one)].mean(axis=0) - normal
        assert np.corrcoef(found, truth.difference[one])[0, 1] > 0.95
        assert truth.window[one, np.abs(found).argmax()]
    np.testing.assert_array_equal(
        truth.window[1:], np.abs(truth.difference[1:]) > 0.05 * np.abs(truth.difference[1:]).max(axis=1, keepdims=True)
    )


def test_without_an_effect_nothing_can_be_learned():
    config = dataclasses.replace(CONFIG, effect=0.0, num_test=1500, mislabelled=0.0)
    problem, truth = beat_classes.load(config, 0), beat_classes.truth(config, 0)
    inputs, label, train = arrays(problem)
    assert not truth.window.any()
    model = LogisticRegression(C=0.1, max_iter=2000).fit(inputs[train], label[train])
    assert abs(model.score(inputs[~train], label[~train]) - 1 / 3) < 4 * np.sqrt(2 / 9 / 1500)


def test_a_finer_beat_is_the_same_beat():
    coarse = dataclasses.replace(CONFIG, num_train=36, num_test=3, noise=0.0, time=76)
    fine = dataclasses.replace(coarse, time=151)
    one, other = (beat_classes.load(config, 0).dataset.inputs[..., 0] for config in (coarse, fine))
    for beat, finer in zip(one, other[:, ::2], strict=True):
        assert np.corrcoef(beat, finer)[0, 1] > 1.0 - 1e-6


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_classes", 1),
        ("num_classes", 6),
        ("num_classes", 2.5),
        ("num_train", 35),
        ("num_test", 2),
        ("time", 8),
        ("effect", -0.1),
        ("noise", np.nan),
        ("mislabelled", 0.31),
        ("duplicates", 0.21),
    ],
)
def test_a_configuration_outside_its_range_is_refused(field, value):
    with pytest.raises(ValueError, match=f"BeatClassesConfig: {field} must "):
        BeatClassesConfig(**{field: value})


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed must not be negative, but is -1"):
        beat_classes.load(CONFIG, -1)
