import jax
import numpy as np
import pytest

from jaxfair import sweeps

ALL = np.ones(4, bool)
FIRST = np.arange(4) == 0


def test_product_varies_the_last_axis_fastest():
    assert sweeps.product(seed=[0, 1], alpha=[0.1, 0.2]) == [
        {"seed": 0, "alpha": 0.1},
        {"seed": 0, "alpha": 0.2},
        {"seed": 1, "alpha": 0.1},
        {"seed": 1, "alpha": 0.2},
    ]


def test_zip_goes_in_step_and_composes():
    pairs = sweeps.zip_(alpha=[1, 2], beta=[3, 4])
    assert pairs == [{"alpha": 1, "beta": 3}, {"alpha": 2, "beta": 4}]
    assert sweeps.product(pairs, seed=[5]) + sweeps.product(seed=[6], alpha=[0], beta=[0]) == [
        {"alpha": 1, "beta": 3, "seed": 5},
        {"alpha": 2, "beta": 4, "seed": 5},
        {"seed": 6, "alpha": 0, "beta": 0},
    ]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: sweeps.zip_(a=[1], b=[1, 2]), "different lengths"),
        (lambda: sweeps.product(sweeps.product(a=[1]), a=[2]), "more than one factor"),
        (lambda: sweeps.make_members([], ALL, ALL), "empty"),
        (lambda: sweeps.make_members([{"alpha": 1}], ALL, ALL), "no 'seed'"),
        (lambda: sweeps.make_members([{"seed": 0, "a": 1}, {"seed": 1}], ALL, ALL), "row 1 .* no 'a'"),
        (lambda: sweeps.make_members([{"seed": 0, "a": "x"}], ALL, ALL), "no number"),
        (lambda: sweeps.make_members([{"seed": 0}], ALL[None, None], ALL), "3 axes"),
        (
            lambda: sweeps.make_members([{"seed": 0}] * 3, np.stack([ALL] * 2), ALL),
            "train has 2 rows for 3 members; give a row to each member, or a fold to each row of the grid",
        ),
        (
            lambda: sweeps.make_members([{"seed": 0, "fold": 0}, {"seed": 1}], np.stack([ALL] * 2), ALL),
            "row 1 of the grid has no fold and row 0 has one; give a fold to every row",
        ),
        (
            lambda: sweeps.make_members([{"seed": 0, "fold": 1}], ALL, ALL[None]),
            "row 0 of the grid has fold 1, but evaluate has 1 folds; give a whole number from 0 to 0",
        ),
        (
            lambda: sweeps.make_members([{"seed": 0, "fold": 0.5}], np.stack([ALL] * 2), ALL),
            "row 0 of the grid has fold 0.5, but train has 2 folds",
        ),
        (
            lambda: sweeps.make_members(sweeps.product(seed=[0, 1], fold=[0]), np.stack([ALL] * 2), ALL),
            "train has as many rows as there are members, 2, but only 1 of them are chosen by a fold",
        ),
        (lambda: sweeps.make_members([{"seed": 0}], ALL, ALL[1:]), "different numbers of examples"),
        (
            lambda: sweeps.make_members([{"seed": 0}, {"seed": 7}], ALL, ~ALL, np.stack([~ALL, FIRST])),
            r"member 1 \(seed 7\) has 1 examples in both train and validate; .* must be disjoint",
        ),
        (
            lambda: sweeps.make_members([{"seed": 0, "fold": 0}], ~ALL, FIRST, FIRST),
            r"member 0 \(seed 0, fold 0\) has 1 examples in both validate and evaluate",
        ),
        (lambda: sweeps.make_members([{"seed": 0}], FIRST, FIRST, ~ALL), "in both train and evaluate"),
    ],
)
def test_mistakes_are_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_members_are_stacked_by_row():
    grid = sweeps.product(seed=[3, 4], fold=[0, 1], alpha=[0.5])
    masks = np.array([[True, False], [False, True]])
    members = sweeps.make_members(grid, masks, ~masks)
    assert members.train.tolist() == [[True, False], [False, True]] * 2
    assert members.evaluate.tolist() == [[False, True], [True, False]] * 2
    assert members.validate.tolist() == [[False, False]] * 4
    assert list(members.hyperparameters) == ["alpha"]
    assert members.hyperparameters["alpha"].shape == (4,)
    expected = [jax.random.key_data(jax.random.key(row["seed"], impl="threefry2x32")) for row in grid]
    np.testing.assert_array_equal(jax.random.key_data(members.key), np.stack(expected))


def test_each_mask_may_be_everyones_the_folds_or_the_members():
    folds = np.eye(3, 6, dtype=bool)
    by_fold = sweeps.make_members(
        sweeps.product(seed=[0, 1], fold=[2, 0]), folds, np.arange(6) == 5, validate=np.roll(folds, 1, axis=1)
    )
    assert by_fold.train.argmax(1).tolist() == [2, 0, 2, 0]
    assert by_fold.validate.argmax(1).tolist() == [3, 1, 3, 1]
    assert by_fold.evaluate.argmax(1).tolist() == [5] * 4
    own = sweeps.make_members([{"seed": 0}] * 3, folds, np.roll(folds, 3, axis=1), validate=np.zeros(6, bool))
    np.testing.assert_array_equal(own.train, folds)
    np.testing.assert_array_equal(own.evaluate, np.roll(folds, 3, axis=1))
    assert not own.validate.any()
    # A mask for each member and a fold that numbers the member are the same.
    same = sweeps.make_members([{"seed": 0, "fold": fold} for fold in range(3)], folds, ~folds)
    np.testing.assert_array_equal(same.train, folds)


def test_without_a_validation_mask_what_is_evaluated_on_may_be_what_was_learnt():
    members = sweeps.make_members([{"seed": 0, "rate": 1}], ALL, ALL, hyperparameters=[])
    assert members.train.all()
    assert members.evaluate.all()
    assert not members.validate.any()
    assert members.hyperparameters == {}
