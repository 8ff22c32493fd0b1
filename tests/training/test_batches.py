import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxfair import training


@pytest.mark.parametrize(("size", "count", "batch_size"), [(10, 10, 3), (10, 4, 3), (7, 7, 7), (5, 1, 8), (6, 0, 2)])
def test_every_example_of_the_mask_occurs_once(size, count, batch_size):
    mask = np.zeros(size, bool)
    mask[np.random.default_rng(0).permutation(size)[:count]] = True
    batches = training.epoch_batches(
        jax.random.key(1), jnp.asarray(mask), batch_size, training.num_batches(mask, batch_size)
    )
    seen = np.asarray(batches.indices)[np.asarray(batches.mask)]
    assert sorted(seen) == list(np.flatnonzero(mask))
    # Only the last batches may be short: a step early in the epoch is never noisier than the others.
    filled = np.asarray(batches.mask).ravel()
    assert (np.diff(filled.astype(int)) <= 0).all()


def test_order_changes_with_the_key_and_only_with_it():
    mask = jnp.ones(100, bool)
    first = training.epoch_batches(jax.random.key(1), mask, 10, 10).indices
    again = jax.jit(training.epoch_batches, static_argnums=(2, 3))(jax.random.key(1), mask, 10, 10).indices
    other = training.epoch_batches(jax.random.key(2), mask, 10, 10).indices
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_order_is_equally_likely():
    keys = jax.random.split(jax.random.key(0), 6000)
    orders = jax.vmap(lambda key: training.epoch_batches(key, jnp.ones(3, bool), 3, 1).indices[0])(keys)
    _, counts = np.unique(np.asarray(orders), axis=0, return_counts=True)
    # Six orders, 1000 each with a standard deviation of sqrt(6000 * 5 / 36) = 28.9; 5 of them never in practice.
    assert len(counts) == 6
    assert np.abs(counts - 1000).max() < 145


def test_members_with_different_masks_are_one_program():
    masks = np.array([[True] * 5 + [False] * 3, [False] * 7 + [True]])
    keys = jax.random.split(jax.random.key(0), 2)
    num = training.num_batches(masks, 2)
    together = jax.vmap(lambda key, mask: training.epoch_batches(key, mask, 2, num))(keys, jnp.asarray(masks))
    for row in range(2):
        alone = training.epoch_batches(keys[row], jnp.asarray(masks[row]), 2, num)
        np.testing.assert_array_equal(together.indices[row], alone.indices)
        np.testing.assert_array_equal(together.mask[row], alone.mask)


def test_no_step_on_an_empty_batch():
    mask = jnp.asarray([True] * 5 + [False] * 20)
    batches = training.epoch_batches(jax.random.key(0), mask, 2, 12)
    steps, examples = training.over_batches(
        lambda carry, indices, mask, number: (carry[0] + 1, carry[1] + mask.sum()), (0, 0), batches
    )
    assert (int(steps), int(examples)) == (3, 5)


def test_selected_keeps_order_and_marks_padding():
    indices, mask = training.selected(jnp.asarray([False, True, False, True, True]), 4)
    assert indices[:3].tolist() == [1, 3, 4]
    assert mask.tolist() == [True, True, True, False]
