import numpy as np
import pytest

from data_pipelines import splits

SUBJECT = np.array([5, 5, 2, 9, 9, 9, 1, 3, 4, 8])


def test_holdout_by_fold_by_hand():
    fold = np.array([1, 1, 9, 8, 8, 8, 10, 2, 3, 9])
    train, evaluate = splits.holdout_by_fold(fold, subject=SUBJECT)
    np.testing.assert_array_equal(evaluate, [0, 0, 1, 0, 0, 0, 1, 0, 0, 1])
    np.testing.assert_array_equal(train, ~evaluate)
    _, evaluate = splits.holdout_by_fold(fold, evaluate=[1])
    np.testing.assert_array_equal(evaluate, fold == 1)


def test_a_divided_subject_is_named():
    fold = np.array([1, 9, 9, 8, 8, 8, 10, 2, 3, 9])
    with pytest.raises(ValueError, match="Subject 5 would be on both sides of split 0"):
        splits.holdout_by_fold(fold, subject=SUBJECT)
    with pytest.raises(ValueError, match=r"Subject 5 would be on both sides of split 0"):
        splits.folds_as_masks(fold, subject=SUBJECT)
    center = np.array(["a", "a", "b", "a", "b", "b", "c", "c", "c", "c"])
    with pytest.raises(ValueError, match="Subject 9 would be on both sides"):
        splits.leave_one_center_out(center, subject=SUBJECT)


def test_an_empty_side_is_refused():
    with pytest.raises(ValueError, match="3 examples to train and 0 to evaluate"):
        splits.holdout_by_fold(np.array([1, 2, 3]))
    with pytest.raises(ValueError, match="0 examples to train and 3 to evaluate"):
        splits.folds_as_masks(np.array([4, 4, 4]))


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.99])
def test_holdout_by_subject_divides_nobody(fraction):
    subject = np.random.default_rng(0).integers(0, 40, size=200)
    train, evaluate = splits.holdout_by_subject(subject, fraction, seed=1)
    np.testing.assert_array_equal(train, ~evaluate)
    assert not set(subject[train]) & set(subject[evaluate])
    expected = min(max(round(fraction * len(np.unique(subject))), 1), len(np.unique(subject)) - 1)
    assert len(np.unique(subject[evaluate])) == expected


def test_seeds_and_order():
    order = np.random.default_rng(3).permutation(len(SUBJECT))
    for split in (
        lambda subject, seed: splits.holdout_by_subject(subject, 0.4, seed)[1],
        lambda subject, seed: splits.k_fold_by_subject(subject, 3, seed),
    ):
        np.testing.assert_array_equal(split(SUBJECT, 7), split(SUBJECT, 7))
        np.testing.assert_array_equal(split(SUBJECT[order], 7), split(SUBJECT, 7)[order])
        assert len({tuple(split(SUBJECT, seed)) for seed in range(10)}) > 3


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.2])
def test_a_fraction_outside_is_refused(fraction):
    with pytest.raises(ValueError, match="fraction must lie between 0 and 1"):
        splits.holdout_by_subject(SUBJECT, fraction, 0)


def test_one_subject_cannot_be_split():
    with pytest.raises(ValueError, match="at least two subjects, but there are 1"):
        splits.holdout_by_subject(np.array([4, 4]), 0.5, 0)
    with pytest.raises(ValueError, match="k must be 2 to 7"):
        splits.k_fold_by_subject(SUBJECT, 8, 0)


@pytest.mark.parametrize("k", [2, 3, 7])
def test_k_folds_are_of_equal_size_and_whole_subjects(k):
    fold = splits.k_fold_by_subject(SUBJECT, k, seed=0)
    assert set(fold) == set(range(1, k + 1))
    of_subject = {subject: set(fold[subject == SUBJECT]) for subject in SUBJECT}
    assert all(len(folds) == 1 for folds in of_subject.values())
    sizes = [sum(fold in folds for folds in of_subject.values()) for fold in range(1, k + 1)]
    assert max(sizes) - min(sizes) <= 1


def test_folds_as_masks_cover_every_example_once():
    fold = np.array([2, 2, 7, 3, 3, 3, 7, 2, 7, 3])
    train, evaluate = splits.folds_as_masks(fold, subject=SUBJECT)
    assert train.shape == evaluate.shape == (3, 10)
    assert train.dtype == evaluate.dtype == bool
    np.testing.assert_array_equal(evaluate.sum(axis=0), 1)
    np.testing.assert_array_equal(train, ~evaluate)
    np.testing.assert_array_equal(evaluate[1], fold == 3)


def test_leave_one_center_out_knows_names_and_leaves_the_unknown_out():
    train, evaluate = splits.leave_one_center_out(np.array(["F", "A", "F", "C"]))
    np.testing.assert_array_equal(evaluate, [[0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 1, 0]])
    np.testing.assert_array_equal(train, ~evaluate)
    train, evaluate = splits.leave_one_center_out(np.array([2.0, np.nan, 1.0, 2.0]))
    np.testing.assert_array_equal(evaluate, [[0, 0, 1, 0], [1, 0, 0, 1]])
    np.testing.assert_array_equal(train, [[1, 0, 0, 1], [0, 0, 1, 0]])


LABEL = np.array([0, 1, 1, 0, 2, 1, 0, 0, 2, 1, 1, 1, np.nan, 0, 2])


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.99])
def test_holdout_by_class_takes_the_same_share_of_each(fraction):
    label = np.repeat([0, 1, 2], [200, 50, 2])
    train, evaluate = splits.holdout_by_class(label, fraction, seed=1)
    np.testing.assert_array_equal(train, ~evaluate)
    expected = [round(min(max(fraction * count, 1), count - 1)) for count in (200, 50, 2)]
    np.testing.assert_array_equal(np.bincount(label[evaluate]), expected)


def test_holdout_by_class_leaves_out_what_is_outside_or_unknown():
    among = np.arange(len(LABEL)) > 0
    train, evaluate = splits.holdout_by_class(LABEL, 0.4, seed=3, among=among)
    assert not (train | evaluate)[[0, 12]].any()
    np.testing.assert_array_equal(train ^ evaluate, among & ~np.isnan(LABEL))
    assert [int(evaluate[one == LABEL].sum()) for one in range(3)] == [2, 2, 1]


def test_holdout_by_class_is_drawn_by_seed_and_for_each_class_by_itself():
    assert len({tuple(splits.holdout_by_class(LABEL, 0.4, seed)[1]) for seed in range(10)}) > 3
    _, evaluate = splits.holdout_by_class(LABEL, 0.4, 7)
    _, again = splits.holdout_by_class(LABEL, 0.4, 7)
    np.testing.assert_array_equal(evaluate, again)
    _, without = splits.holdout_by_class(LABEL, 0.4, 7, among=LABEL != 2)
    np.testing.assert_array_equal(without, evaluate & (LABEL != 2))
    every = np.mean([splits.holdout_by_class(LABEL, 0.4, seed)[1] for seed in range(2000)], axis=0)
    np.testing.assert_allclose(every[LABEL == 1], 2 / 6, atol=5 * np.sqrt(2 / 9 / 2000))


def test_a_class_with_one_example_is_named():
    label = np.array([0, 0, 1, 2, 2, 1])
    among = np.array([True, True, True, True, True, False])
    splits.holdout_by_class(label, 0.5, 0)
    with pytest.raises(ValueError, match="class 1 has a single example, which cannot be both"):
        splits.holdout_by_class(label, 0.5, 0, among=among)
    with pytest.raises(ValueError, match="class 'ectopic' has a single example"):
        splits.holdout_by_class(label, 0.5, 0, among=among, names=("normal", "ectopic", "other"))


def test_holdout_by_class_refuses_what_the_others_refuse():
    for fraction in (0.0, 1.0, -0.2, np.nan):
        with pytest.raises(ValueError, match="holdout_by_class: fraction must lie between 0 and 1"):
            splits.holdout_by_class(LABEL, fraction, 0)
    with pytest.raises(ValueError, match=r"Subject 1 .*would be on both sides"):
        splits.holdout_by_class(LABEL, 0.5, 0, subject=np.ones(len(LABEL), dtype=int))


@pytest.mark.parametrize(("negatives", "positive", "negative"), [(4, 10, 40), (1, 10, 10), (9, 6, 50), (0.5, 10, 5)])
def test_with_ratio_takes_as_much_as_the_ratio_allows(negatives, positive, negative):
    label = np.repeat([1.0, 0.0, np.nan], [10, 50, 7])
    chosen = splits.with_ratio(label, negatives, 0)
    assert (label[chosen] == 1).sum() == positive
    assert (label[chosen] == 0).sum() == negative
    assert not chosen[60:].any()


def test_with_ratio_is_drawn_by_seed_and_among():
    label = np.repeat([1.0, 0.0], [10, 50])
    assert len({tuple(splits.with_ratio(label, 1, seed)) for seed in range(5)}) == 5
    np.testing.assert_array_equal(splits.with_ratio(label, 1, 3), splits.with_ratio(label, 1, 3))
    among = np.arange(60) % 2 == 0
    assert not (splits.with_ratio(label, 4, 0, among=among) & ~among).any()


@pytest.mark.parametrize(
    ("label", "negatives", "message"),
    [
        ([1.0, 0.0], 0, "must be more than 0, but are 0"),
        ([1.0, 2.0], 1, "labels must be 0 or 1"),
        ([1.0, np.nan], 1, "1 positives and 0 negatives"),
    ],
)
def test_with_ratio_needs_both_classes(label, negatives, message):
    with pytest.raises(ValueError, match=message):
        splits.with_ratio(np.array(label), negatives, 0)
