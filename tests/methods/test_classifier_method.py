"""The common part of fair training: the loss, what is selected, what is masked, and which programs are shared."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_tabular
from flax import linen as nn
from sklearn.metrics import roc_auc_score
from small_tabular import EPOCHS, SIZE, VALIDATE
from small_tabular import SELECTED as SETTING

from jaxfair import training
from jaxfair.methods import classifier
from jaxfair.models.recurrent import Lstm

DATA = small_tabular.draw(0.7)


def test_the_loss_is_the_mean_cross_entropy_of_what_is_known():
    logits, _, outcome, _, mask = small_tabular.tiny_batch()
    weights = np.random.default_rng(2).random(12)
    weights[~mask] = np.nan
    known = mask & ~np.isnan(outcome)

    def plain(logits, weights):
        return np.mean([weights[i] * small_tabular.entropy(logits[i], outcome[i]) for i in np.flatnonzero(known)])

    for given in (None, weights):
        small_tabular.assert_loss_and_gradient(
            lambda logits, given=given: classifier.outcome_loss(
                logits, jnp.float32(outcome), mask, None if given is None else jnp.float32(given)
            ),
            lambda logits, given=given: plain(logits, np.ones(12) if given is None else given),
            logits,
        )
    # Nothing known: no loss and no gradient.
    value, gradient = jax.value_and_grad(classifier.outcome_loss)(jnp.full(12, jnp.nan), jnp.full(12, jnp.nan), mask)
    assert value == 0
    assert (gradient == 0).all()


def test_the_best_epoch_is_kept_and_padding_may_be_nan():
    result = small_tabular.train(classifier.plain(SETTING, EPOCHS), DATA, seed=[0, 1])
    assert not result.diverged.any()  # 200 examples in 4 batches of 64, padded by the first, which is all NaN.
    logged = result.logs["classifier"]["validate/loss"]
    best = result.state["best"]
    np.testing.assert_array_equal(best.epoch, logged.argmin(1))
    known = VALIDATE & ~np.isnan(DATA["outcome"])
    for member, logits in enumerate(small_tabular.predict(result, DATA, SETTING).outcome):
        np.testing.assert_allclose(1 - best.value[member], roc_auc_score(DATA["outcome"][known], logits[known]))
    assert (result.logs["classifier"]["train/loss"][:, -1] < result.logs["classifier"]["train/loss"][:, 0]).all()


def test_a_known_number_of_epochs_is_kept_exactly_and_one_more_is_run():
    setting = dataclasses.replace(SETTING, validation="constant", warm_up="epochs", patience=1)
    result = small_tabular.train(classifier.plain(setting, 8), DATA, epochs=[0, 1, 2, 7])
    np.testing.assert_array_equal(result.epochs_run["classifier"], [2, 3, 4, 8])
    np.testing.assert_array_equal(result.state["best"].epoch, [0, 1, 2, 7])
    # A member's last variables are those of the epoch after its own, which the next member is to keep.
    kept, last = result.state["best"].kept, result.state["variables"]
    for one, other in zip(jax.tree.leaves(kept), jax.tree.leaves(last), strict=True):
        np.testing.assert_array_equal(one[1:3], other[:2])
        np.testing.assert_array_equal(one[3], other[3])  # The stage ended with that epoch.
        assert (one[0] != other[0]).any()


class Noisy(nn.Module):
    """Has batch statistics, wants dropout and another random stream, and takes arguments by names of its own."""

    @nn.compact
    def __call__(self, table, extra, *, mask=None, train=False):
        values = jnp.concatenate([table, extra], axis=1)
        values = nn.BatchNorm(use_running_average=not train, name="norm")(
            values, mask=None if mask is None else mask[:, None]
        )
        values = nn.Dropout(0.5)(values, deterministic=not train)
        if train:
            values += 0.01 * jax.random.normal(self.make_rng("masks"), values.shape)
        return small_tabular.Outputs(nn.Dense(1)(values)[:, 0], values)


def noisy_arguments(data):
    return {"table": data["inputs"], "extra": data["inputs"][:, :1]}


def step(setting, data):
    """Loss, collections and gradient of one batch, of which five examples are padding."""
    batch = training.Batches(np.where(np.arange(32) < 27, np.arange(1, 33), 0), np.arange(32) < 27)
    variables = classifier.initial(setting, data, jax.random.key(0))

    def loss(params):
        given = {**variables, "params": params}
        return classifier.plain_loss(setting)(given, {}, None, data, batch, jax.random.key(1), 0)

    return jax.jit(jax.value_and_grad(loss, has_aux=True))(variables["params"])


def test_other_collections_and_arguments_of_any_name():
    setting = dataclasses.replace(SETTING, network=Noisy(), arguments=noisy_arguments)
    (_, collections), gradient = step(setting, DATA)
    # Batch statistics begin at 0 and move with momentum 0.99 to those of the examples that exist.
    expected = 0.01 * DATA["inputs"][1:28][:, [0, 1, 2, 0]].mean(0)
    np.testing.assert_allclose(collections["batch_stats"]["norm"]["mean"], expected, rtol=1e-5)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_equal_settings_are_one_program():
    def setting(hidden):
        return classifier.Setting(Lstm(hidden), num_batches=2, num_validate=5)

    assert classifier.plain(setting(8), 3) is classifier.plain(setting(8), 3)
    assert classifier.plain(setting(8), 3) is not classifier.plain(setting(9), 3)


def test_another_validation_is_refused():
    with pytest.raises(ValueError, match="validation must be"):
        dataclasses.replace(SETTING, validation="accuracy")


def test_sequences_with_masks_and_static_features():
    rng = np.random.default_rng(0)
    data = {"inputs": rng.normal(size=(SIZE, 3, 2)), "static": rng.normal(size=(SIZE, 1)), "outcome": DATA["outcome"]}
    data = {name: np.float32(values) for name, values in data.items()}
    data["time_mask"] = np.arange(3) < rng.integers(1, 4, (SIZE, 1))
    data["inputs"][~data["time_mask"]] = np.nan
    assert set(classifier.standard_arguments(data)) == {"inputs", "static", "time_mask"}
    setting = dataclasses.replace(SETTING, network=Lstm(4, dropout=0.1))
    (value, _), gradient = step(setting, data)
    assert value > 0
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    variables = classifier.initial(setting, data, jax.random.key(0))
    assert jax.eval_shape(lambda: classifier.apply(setting, variables, data)).representation.shape == (SIZE, 5)
