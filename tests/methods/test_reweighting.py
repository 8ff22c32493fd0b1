"""Reweighting: Kamiran's closed form, several domains at once, and what it does to predictions."""

import jax
import numpy as np
import small_tabular
from small_tabular import EPOCHS, SETTING, TRAIN

from jaxfair.methods import classifier, reweighting

weigh = jax.jit(reweighting.weights, static_argnums=3)


def tables(size, num_domains, seed=0):
    """Domains that hang together with the outcome and each other; what is outside the mask is NaN."""
    rng = np.random.default_rng(seed)
    outcome = np.float32(rng.random(size) < 0.3)
    domains = np.float32(rng.random((size, num_domains)) < 0.2 + 0.5 * outcome[:, None])
    domains[:, -1] = np.where(rng.random(size) < 0.6, domains[:, 0], domains[:, -1])
    mask = rng.random(size) < 0.9
    outcome[~mask] = domains[~mask] = np.nan
    return domains, outcome, mask


def test_one_domain_is_the_closed_form():
    domains, outcome, mask = tables(300, 1)
    outcome[np.flatnonzero(mask)[:5]] = np.nan
    counted = mask & ~np.isnan(outcome)
    domain = domains[:, 0]

    def share(*conditions):
        return np.mean(np.logical_and.reduce([condition[counted] for condition in conditions]))

    expected = np.zeros(300)
    for i in np.flatnonzero(counted):
        same, as_ill = domain == domain[i], outcome == outcome[i]
        expected[i] = share(same) * share(as_ill) / share(same, as_ill)
    assert len(np.unique(expected)) == 5
    for num_iterations in (1, 100):
        np.testing.assert_allclose(weigh(domains, outcome, mask, num_iterations), expected, rtol=1e-6)


def test_several_domains_are_all_independent_of_the_outcome_and_keep_their_margins():
    domains, outcome, mask = tables(600, 3)
    found = np.float64(weigh(domains, outcome, mask, 100))
    assert (found[mask] > 0).all()
    assert (found[~mask] == 0).all()
    before = mask / mask.sum()
    after = found / mask.sum()  # The mean weight is 1.
    gap_before = []
    for domain in domains.T:
        for value in (0, 1):
            np.testing.assert_allclose(after @ (domain == value), before @ (domain == value), rtol=1e-5)
            for ill in (0, 1):
                product = (before @ (domain == value)) * (before @ (outcome == ill))
                np.testing.assert_allclose(after @ ((domain == value) & (outcome == ill)), product, rtol=1e-5)
                gap_before.append(before @ ((domain == value) & (outcome == ill)) / product - 1)
    np.testing.assert_allclose(after @ (outcome == 1), before @ (outcome == 1), rtol=1e-5)
    assert np.abs(gap_before).max() > 0.2


def test_raking_gives_the_nearest_weights_in_relative_entropy():
    domains, outcome, mask = tables(400, 2, seed=3)
    found = np.float64(weigh(domains, outcome, mask, 100))
    # At that minimum log w is a sum of one function of (a_d, y) for each domain: the rows of the design fit it exactly.
    cells = [(domains[:, d] == a) & (outcome == y) for d in range(2) for a in (0, 1) for y in (0, 1)]
    design = np.stack(cells, axis=1)[mask].astype(float)
    residual = np.log(found[mask]) - design @ np.linalg.lstsq(design, np.log(found[mask]))[0]
    np.testing.assert_allclose(residual, 0, atol=1e-5)


def test_a_domain_asks_nothing_of_an_example_whose_label_is_not_known():
    domains, outcome, mask = tables(600, 2)
    domains[::3, 1] = np.nan
    domains[::5, 0] = np.nan
    found = np.float64(weigh(domains, outcome, mask, 100))
    nothing = mask & np.isnan(domains).all(1)
    assert nothing.sum() > 20
    np.testing.assert_array_equal(found[nothing], 1)
    for domain in domains.T:
        known = mask & ~np.isnan(domain)
        rates = [np.average(outcome[known & (domain == a)], weights=found[known & (domain == a)]) for a in (0, 1)]
        np.testing.assert_allclose(rates[0], rates[1], rtol=1e-4)
        np.testing.assert_allclose(rates[0], outcome[known].mean(), rtol=1e-4)


def test_an_empty_cell_leaves_weights_finite():
    domains = np.float32([[0], [0], [1], [1], [1]])
    outcome = np.float32([0, 1, 1, 1, 1])  # Nobody with the value 1 is well.
    found = weigh(domains, outcome, np.ones(5, bool), 100)
    np.testing.assert_allclose(found, [0.4, 1.6, 0.8, 0.8, 0.8], rtol=1e-6)  # E.g. (2/5 · 1/5) / (1/5) for the first.


def test_balanced_data_weigh_one():
    domains, outcome = np.float32(np.indices((2, 2, 2)).reshape(3, 8).T[:, :2]), np.float32([0, 1] * 4)
    np.testing.assert_array_equal(weigh(domains, outcome, np.ones(8, bool), 100), np.ones(8))


def balanced(data):
    """Every outcome as often in every group of the training examples whose outcome is known."""
    cells = np.float32(np.indices((2, 2, 2)).reshape(3, 8)[:, np.arange(TRAIN.sum()) % 8])
    data["outcome"][TRAIN], data["domains"][TRAIN] = cells[0], cells[1:].T
    data["outcome"][np.flatnonzero(TRAIN)[TRAIN.sum() // 8 * 8 :]] = np.nan
    return data


STAGE = reweighting.reweighted(SETTING, EPOCHS)


def test_on_balanced_data_it_is_plain():
    data = balanced(small_tabular.draw(0.9))
    plain, reweighted = (
        small_tabular.train(stage, data, seed=[0, 1, 2]) for stage in (classifier.plain(SETTING, EPOCHS), STAGE)
    )
    np.testing.assert_array_equal(np.unique(reweighted.state["weights"]), [0, 1])
    assert not plain.diverged.any()
    small_tabular.assert_same_network(reweighted, plain)


def test_a_biased_sample_no_longer_shows_in_who_is_called_positive():
    result = small_tabular.train(STAGE, small_tabular.draw(0.9), seed=[0, 1, 2])
    plain = small_tabular.selection_gap(small_tabular.plain(0.9)).mean()
    assert plain > 0.4
    assert abs(small_tabular.selection_gap(result).mean()) < plain / 2
