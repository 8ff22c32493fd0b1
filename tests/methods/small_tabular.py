"""Small tables for the tests of fair training: one feature says the outcome roughly, one the first domain clearly."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from sklearn.linear_model import LogisticRegression

from jaxfair import sweeps
from jaxfair.methods import classifier

SIZE, EPOCHS = 600, 30


class Outputs(NamedTuple):
    outcome: jax.Array
    representation: jax.Array


class Network(nn.Module):
    """One hidden layer, so narrow that it must choose what to keep of the three features.

    It does nothing for what is NaN outside the mask: the stages must.
    """

    @nn.compact
    def __call__(self, inputs, *, mask=None, train=False):
        representation = nn.tanh(nn.Dense(2, name="hidden")(inputs))
        return Outputs(nn.Dense(1, name="outcome_head")(representation)[:, 0], representation)


def draw(agreement, unknown=True, seed=0):
    """Patients of whom the share `agreement` has the outcome that is the first domain's value.

    A quarter of the second domain's labels and some outcomes are NaN. The first example is all NaN and in no split:
    padding points at it.
    """
    rng = np.random.default_rng(seed)
    domains = rng.integers(0, 2, (SIZE, 2))
    outcome = np.where(rng.random(SIZE) < agreement, domains[:, 0], 1 - domains[:, 0])
    inputs = rng.normal(size=(SIZE, 3))
    inputs[:, 0] += 2 * outcome - 1
    inputs[:, 1] = 0.3 * inputs[:, 1] + 2 * domains[:, 0] - 1
    data = {"inputs": inputs, "outcome": outcome, "domains": domains}
    data = {name: values.astype(np.float32) for name, values in data.items()}
    if unknown:
        data["domains"][::4, 1] = np.nan
        data["outcome"][5:30:5] = np.nan
    for values in data.values():
        values[0] = np.nan
    return data


THIRD = np.where(np.arange(SIZE) == 0, -1, np.arange(SIZE) % 3)
TRAIN, VALIDATE, EVALUATE = THIRD == 0, THIRD == 1, THIRD == 2
SELECTED = classifier.Setting(Network(), num_batches=4, num_validate=200, batch_size=64, patience=None)
# What a method does in training shows in the last epoch, whatever a selection by AUC would prefer.
SETTING = dataclasses.replace(SELECTED, validation="constant", warm_up=EPOCHS - 1)


def members(**hyperparameters):
    grid = sweeps.product(**{"seed": [0], "learning_rate": [0.02]} | hyperparameters)
    return sweeps.make_members(grid, TRAIN, EVALUATE, validate=VALIDATE)


def train(stages, data, **hyperparameters):
    """The sweep of a grid's members."""
    return sweeps.sweep(stages if isinstance(stages, list) else [stages], members(**hyperparameters), data)


@functools.cache
def _outputs(setting):
    return jax.jit(jax.vmap(functools.partial(classifier.apply, setting), (0, None)))


def predict(result, data, setting=SETTING):
    """Outputs of every member's best epoch, `[member, example, ...]` in NumPy."""
    return jax.tree.map(np.asarray, _outputs(setting)(result.state["best"].kept, data))


def assert_same_network(one, other, members=slice(None)):
    """The networks that the members of `one` end with are those of all of `other`, up to rounding."""
    for name in ("hidden", "outcome_head"):
        pairs = (result.state["variables"]["params"][name] for result in (one, other))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a[members], b, rtol=1e-4, atol=1e-4), *pairs)


@functools.cache
def plain(agreement):
    """Three seeds of `classifier.plain`."""
    return train(classifier.plain(SETTING, EPOCHS), draw(agreement), seed=[0, 1, 2])


@functools.cache
def population():
    """Other patients, in whom the outcome does not hang together with any domain."""
    return draw(0.5, unknown=False, seed=1)


def cells():
    """Masks of the first domain's four groups of the population that is judged, `[value, outcome, example]`."""
    data = population()
    of = [[(data["domains"][:, 0] == a) & (data["outcome"] == y) & EVALUATE for y in (0, 1)] for a in (0, 1)]
    return np.array(of)


def worst_accuracy(result):
    """The least accuracy in any of `cells`, for each member."""
    correct = (predict(result, population()).outcome > 0) == (population()["outcome"] == 1)
    return np.min([correct[:, cell].mean(1) for cell in cells().reshape(4, SIZE)], axis=0)


def selection_gap(result):
    """How much more often the population is called positive with the value 1 of the first domain than with 0."""
    called = predict(result, population()).outcome > 0
    return np.diff([called[:, of.any(0)].mean(1) for of in cells()], axis=0)[0]


def probe_accuracy(result, data):
    """Accuracy of a fresh linear probe of the first domain, for each member."""
    domain, found = data["domains"][:, 0], []
    for representation in predict(result, data).representation:
        probe = LogisticRegression().fit(representation[TRAIN], domain[TRAIN])
        found.append(probe.score(representation[EVALUATE], domain[EVALUATE]))
    return np.array(found)


def assert_fairer_than_plain(result, members):
    """A probe reads the first domain less well from these members than from `plain`, and selection rates are nearer.

    Trained on `draw(0.75)`, where the first feature alone tells the domain to about 0.7, as it tells the outcome.
    """
    without, data = plain(0.75), draw(0.75)
    before, after = probe_accuracy(without, data).mean(), probe_accuracy(result, data)[members].mean()
    assert before > 0.85
    assert after < (before + 0.7) / 2
    before, after = selection_gap(without).mean(), selection_gap(result)[members].mean()
    assert before > 0.1
    assert abs(after) < before / 2


def entropy(logits, labels):
    """Cross-entropy in float64 NumPy, as it is written."""
    p = 1 / (1 + np.exp(-np.float64(logits)))
    return -(labels * np.log(p) + (1 - labels) * np.log(1 - p))


def differences(function, x, step=1e-6):
    """The gradient of a function of a float64 array by central differences."""
    gradient = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        moved = np.zeros_like(x)
        moved[place] = step
        gradient[place] = (function(x + moved) - function(x - moved)) / (2 * step)
    return gradient


def tiny_batch(seed=1):
    """Twelve examples: logits, logits of two domains, labels with NaN, a mask outside of which all is NaN."""
    rng = np.random.default_rng(seed)
    logits, of_domains = rng.normal(size=12), rng.normal(size=(12, 2))
    outcome, domains = np.float64(rng.integers(0, 2, 12)), np.float64(rng.integers(0, 2, (12, 2)))
    outcome[[2, 7]] = domains[[1, 4], 0] = domains[[4, 6], 1] = np.nan
    mask = np.arange(12) % 5 != 3
    for values in (logits, of_domains, outcome, domains):
        values[~mask] = np.nan
    return logits, of_domains, outcome, domains, mask


def assert_loss_and_gradient(loss, plain, x, atol=1e-6):
    """`loss` in JAX of float32 and `plain` in NumPy agree, and so do their gradients, which are 0 where x is NaN."""
    value, gradient = jax.value_and_grad(loss)(jnp.float32(x))
    exists = ~np.isnan(x)
    np.testing.assert_allclose(value, plain(x), rtol=1e-5)
    # What is NaN has no part in the plain form.
    expected = differences(lambda values: plain(np.where(exists, values, np.nan)), np.where(exists, x, 0))
    np.testing.assert_allclose(gradient, expected, atol=atol)
    assert (np.asarray(gradient)[~exists] == 0).all()
