"""Representations to be probed, and each probe compiled once: for the tests of probes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.preprocessing import StandardScaler

from jaxfair import probes

NUM_FOLDS = 4
QUICK_MLP = functools.partial(probes.mlp_probe, jax.random.key(0), num_steps=100, steps_between_checks=20)
PROBES = {"ridge": probes.ridge_probe, "logistic": probes.logistic_probe, "mlp": QUICK_MLP}


def representation(seed, size=400, dim=8, train_share=0.75):
    """Correlated features of unequal scale and offset, folds of equal size, an attribute that is linear in part."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(size, dim)) @ rng.normal(size=(dim, dim)) * np.logspace(-2, 2, dim) + 3
    features = features.astype(np.float32)
    standard = (features - features.mean(0)) / features.std(0)
    attribute = 60 + 4 * standard @ rng.normal(size=dim) + 10 * rng.normal(size=size)
    train = np.arange(size) < train_share * size
    return features, attribute.astype(np.float32), np.arange(size) % NUM_FOLDS, train


def standardized(features, train):
    """In float64 to the end: scikit-learn computes in the type that it is given."""
    return StandardScaler().fit(features[train].astype(float)).transform(features.astype(float))


def binary(attribute):
    return (attribute > 65).astype(np.float32)


@functools.cache
def compiled(name):
    return jax.jit(lambda x, y, fold, train: PROBES[name](x, y, fold, NUM_FOLDS, train))


@functools.cache
def with_penalty(name):
    return jax.jit(
        lambda x, y, fold, train, penalty: PROBES[name](x, y, fold, NUM_FOLDS, train, penalties=jnp.asarray([penalty]))
    )


def run(name, features, attribute, fold, train):
    return np.asarray(compiled(name)(features, binary(attribute) if name == "logistic" else attribute, fold, train))
