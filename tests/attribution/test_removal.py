"""Which training samples go, by hand and by laws."""

import itertools

import numpy as np
import pytest

from jaxfair.attribution.removal import SIDES, kept, num_removed

# Six samples, from the most to the least valuable: 2, 0, 5, 1, 4, 3.
VALUES, LABELS = np.array([5.0, 2.0, 9.0, -3.0, 0.0, 4.0]), np.array([0, 0, 1, 1, 0, 0])
LONELY = np.array([0, 0, 1, 0, 0, 0])  # The most valuable sample is the only one of its class.


def draw(seed, size=23, classes=3):
    """Values without ties, and classes."""
    rng = np.random.default_rng(seed)
    return rng.permutation(size) / size - 0.5, rng.permutation(np.arange(size) % classes)


def gone(*arguments, **options):
    return np.flatnonzero(~kept(*arguments, **options)).tolist()


@pytest.mark.parametrize(("percent", "expected"), [(5, 1), (10, 2), (15, 3), (20, 5), (2.2, 1), (97, 22)])
def test_shares_of_the_smallest_training_sets(percent, expected):
    """1.15, 2.3, 3.45, 4.6, 0.506 and 22.31 of 23."""
    assert num_removed(percent, 23) == expected
    assert len(gone(np.arange(23.0), np.zeros(23), percent)) == expected


def test_a_half_goes_to_the_even_number():
    assert [num_removed(percent, 50) for percent in (5, 15)] == [2, 8]  # 2.5 and 7.5.


@pytest.mark.parametrize(("percent", "what"), [(0, "none"), (2, "none"), (-5, "none"), (99, "all"), (100, "all")])
def test_none_and_all_are_refused(percent, what):
    sentence = rf"{percent} % of 23 samples are {what} of them; give another share\."
    with pytest.raises(ValueError, match=sentence):
        num_removed(percent, 23)
    with pytest.raises(ValueError, match=sentence):
        kept(*draw(0), percent)


def test_both_sides_by_hand():
    assert gone(VALUES, LABELS, 17) == [2]
    assert gone(VALUES, LABELS, 30) == [0, 2]
    assert gone(VALUES, LABELS, 50) == [0, 2, 5]
    assert gone(VALUES, LABELS, 30, side="bottom") == [3, 4]
    assert gone(VALUES, LABELS, 67, side="bottom") == [1, 3, 4, 5]
    assert kept(VALUES, LABELS, 17).dtype == bool


@pytest.mark.parametrize("side", SIDES)
def test_of_equal_values_the_earlier_sample_goes_first(side):
    values = np.array([7, 0, 7, 0, 7, 0], np.uint8)  # Unsigned: −0 is less than −7, which is 249.
    assert gone(values, np.zeros(6), 33, side=side) == {"top": [0, 2], "bottom": [1, 3]}[side]
    zeros = np.array([0.0, -0.0, 0.0, -0.0])
    assert gone(zeros, np.array([0, 0, 1, 1]), 50, side=side, keep_classes=True) == [0, 2]


def test_booleans_and_infinities_have_an_order():
    assert gone(np.array([False, True, False]), np.zeros(3), 33) == [1]
    assert gone(np.array([0, np.inf, -np.inf]), np.zeros(3), 33, side="bottom") == [2]


def test_the_last_sample_of_a_class_stays_and_the_next_goes_in_its_place():
    assert gone(VALUES, LONELY, 33, keep_classes=True) == [0, 5]
    assert gone(VALUES, LONELY, 67, keep_classes=True) == [0, 1, 4, 5]
    sentence = "kept: 83 % of 6 samples cannot go without the last sample of a class; remove fewer"
    with pytest.raises(ValueError, match=sentence):
        kept(VALUES, LONELY, 83, keep_classes=True)


def test_a_class_without_samples_is_named_and_so_is_the_share():
    sentence = r"without the top 17 % no training sample of class 'ectopic' is left; remove fewer, or keep the last"
    with pytest.raises(ValueError, match=sentence):
        kept(VALUES, LONELY, 17, names=["normal", "ectopic"])
    with pytest.raises(ValueError, match=r"without the bottom 83 % no training sample of class '0' is left"):
        kept(VALUES, LONELY, 83, side="bottom")
    assert gone(VALUES, LONELY, 67, side="bottom", names=["normal", "ectopic"]) == [1, 3, 4, 5]


def test_what_cannot_be_ordered_is_refused():
    with pytest.raises(ValueError, match="kept: 2 of 4 values are NaN, so they have no order"):
        kept(np.array([1, np.nan, 2, np.nan]), np.zeros(4), 50)
    with pytest.raises(ValueError, match="kept: side 'left' is neither top nor bottom"):
        kept(VALUES, LABELS, 50, side="left")
    with pytest.raises(ValueError, match="kept: 6 values of 5 labels; give one of each for every sample"):
        kept(VALUES, LABELS[:5], 50)
    with pytest.raises(ValueError, match="kept: 5 values of 6 labels"):
        kept(VALUES[:5], LABELS, 50)


@pytest.mark.parametrize("keep_classes", [False, True])
@pytest.mark.parametrize("side", SIDES)
def test_larger_shares_remove_the_same_samples_and_more(side, keep_classes):
    for seed in range(5):
        values, labels = draw(seed)
        labels[0] = 7 if keep_classes else labels[0]  # A class of one sample.
        masks = [kept(values, labels, percent, side=side, keep_classes=keep_classes) for percent in (5, 10, 20, 40)]
        assert [(~mask).sum() for mask in masks] == [1, 2, 5, 9]
        for fewer, more in itertools.pairwise(masks):
            assert (more <= fewer).all()


@pytest.mark.parametrize("side", SIDES)
def test_the_samples_may_come_in_any_order(side):
    rng = np.random.default_rng(9)
    for seed in range(5):
        values, labels = draw(seed)
        labels[0] = 7
        order = rng.permutation(len(values))
        options = {"side": side, "keep_classes": True}
        found = kept(values, labels, 20, **options)
        np.testing.assert_array_equal(kept(values[order], labels[order], 20, **options), found[order])


def test_top_and_bottom_are_each_others_mirror():
    values, labels = draw(3)
    np.testing.assert_array_equal(kept(values, labels, 20), kept(-values, labels, 20, side="bottom"))
    assert values[~kept(values, labels, 20)].min() > values[kept(values, labels, 20)].max()
