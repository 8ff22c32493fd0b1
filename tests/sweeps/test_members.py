import jax
import numpy as np
import pytest

from jaxfair import sweeps

ALL = np.ones(4, bool)


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
        (lambda: sweeps.make_members([{"seed": 0}], ALL[None], ALL), "needs a fold"),
        (lambda: sweeps.make_members([{"seed": 0, "fold": 1}], ALL[None], ALL), "needs a fold"),
        (lambda: sweeps.make_members([{"seed": 0}], ALL[None, None], ALL), "3 axes"),
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
    assert list(members.hyperparameters) == ["alpha"]
    assert members.hyperparameters["alpha"].shape == (4,)
    expected = [jax.random.key_data(jax.random.key(row["seed"], impl="threefry2x32")) for row in grid]
    np.testing.assert_array_equal(jax.random.key_data(members.key), np.stack(expected))
