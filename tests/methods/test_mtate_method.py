"""MTATE's training: its loss by hand, what each weight teaches, selection, and members side by side."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from jaxfair import sweeps
from jaxfair.methods import mtate
from jaxfair.models.mtate import Mtate, MtateConfig

CONFIG = MtateConfig(num_domains=2, masking_rate=0.25, num_heads=1, head_dim=3, feature_heads=1, feature_head_dim=3)
CONFIG = dataclasses.replace(CONFIG, hidden=4, attention_dim=3)
SIZE, EPOCHS = 48, 3


def draw(seed=0):
    """The first feature's level says the outcome, the second's the first domain."""
    rng = np.random.default_rng(seed)
    outcome, domains = rng.integers(0, 2, SIZE), rng.integers(0, 2, (SIZE, 2)).astype(np.float32)
    inputs = rng.normal(size=(SIZE, 5, 4))
    inputs[..., 0] += 2 * outcome[:, None] * np.arange(5) / 4
    inputs[..., 1] += 2 * domains[:, :1] * np.arange(5) / 4
    domains[3, 1] = np.nan
    outcome = outcome.astype(np.float32)
    outcome[5] = np.nan
    static = rng.normal(size=(SIZE, 2))
    return {
        "inputs": inputs.astype(np.float32),
        "outcome": outcome,
        "domains": domains,
        "static": static.astype(np.float32),
        "time_mask": np.arange(5) < rng.integers(2, 6, (SIZE, 1)),
    }


DATA = draw()
TRAIN, VALIDATE = np.arange(SIZE) % 4 < 2, np.arange(SIZE) % 4 == 2
SETTING = mtate.Setting(Mtate(CONFIG), num_batches=2, num_validate=16, batch_size=16, patience=50)
WEIGHTS = {"domain_weight": 0.5, "contrastive_weight": 0.2}


def members(**values):
    usual = {"seed": [0], "learning_rate": [0.01], "domain_weight": [0.5], "contrastive_weight": [0.2]}
    return sweeps.make_members(sweeps.product(**usual | values), TRAIN, ~(TRAIN | VALIDATE), validate=VALIDATE)


@pytest.fixture(scope="module")
def result():
    stage = mtate.classifier(SETTING, EPOCHS)
    return stage, sweeps.sweep([stage], members(seed=[0, 1], domain_weight=[0.0, 0.5]), DATA)


def test_equal_settings_are_one_program(result):
    again = dataclasses.replace(SETTING, network=Mtate(dataclasses.replace(CONFIG)))
    assert mtate.classifier(again, EPOCHS) is result[0]
    assert mtate.classifier(dataclasses.replace(SETTING, reverse=True), EPOCHS) is not result[0]


def test_reversal_grows_from_nothing_in_the_first_epoch():
    stage = mtate.classifier(dataclasses.replace(SETTING, reverse=True), 2)
    swept = sweeps.sweep([stage], members(reversal=[0.0, 5.0]), DATA)
    first, second = swept.logs["classifier"]["train/loss"].T
    np.testing.assert_allclose(first[1], first[0], rtol=1e-6)
    assert abs(second[1] - second[0]) > 1e-4


def test_the_loss_is_its_three_parts():
    rng = np.random.default_rng(1)
    outcome, domains, mask = DATA["outcome"], DATA["domains"], np.arange(SIZE) % 5 != 0
    logits, of_domains, h = rng.normal(size=SIZE), rng.normal(size=(SIZE, 2)), rng.normal(size=(SIZE, 3))
    outputs = mtate.MtateOutputs(*(jnp.float32(each) for each in (logits, h, of_domains, of_domains)), *[None] * 5)
    found = mtate.total_loss(outputs, DATA, jnp.asarray(mask), WEIGHTS)

    def entropy(logit, label):
        return np.log1p(np.exp(-logit)) + (1 - label) * logit

    known = mask & ~np.isnan(outcome)
    labelled = mask[:, None] & ~np.isnan(domains)
    unit = h / np.linalg.norm(h, axis=1, keepdims=True)
    contrast, count = 0.0, known.sum()
    for i in np.flatnonzero(known):
        others = [j for j in np.flatnonzero(known) if j != i]
        likeness = {j: unit[i] @ unit[j] / 0.1 for j in others}
        total = np.log(sum(np.exp(each) for each in likeness.values()))
        same = [j for j in others if outcome[j] == outcome[i]]
        contrast -= sum(likeness[j] - total for j in same) / len(same) / count
    expected = entropy(logits, outcome)[known].mean() + 0.2 * contrast
    expected += 0.5 * entropy(of_domains, domains)[labelled].mean()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_best_epoch_is_kept_by_the_validation_auc(result):
    _, swept = result
    best = jax.tree.map(lambda leaf: leaf[3], swept.state["best"])
    logged = swept.logs["classifier"]["validate/loss"][3]
    assert best.value == np.nanmin(logged)
    assert best.epoch == np.nanargmin(logged)
    outputs = jax.jit(lambda variables: mtate.apply(SETTING, variables, DATA))(best.kept)
    known = VALIDATE & ~np.isnan(DATA["outcome"])
    auc = roc_auc_score(DATA["outcome"][known], outputs.outcome[known])
    np.testing.assert_allclose(1 - best.value, auc, atol=1e-6)


def test_domain_classifiers_learn_by_their_weight_alone(result):
    _, swept = result
    # Biases begin at 0, and nothing else has a gradient to them.
    classifiers = swept.state["variables"]["params"]["domain_classifiers"]
    biases = [np.asarray(leaf).reshape(4, -1) for leaf in jax.tree.leaves(classifiers) if leaf.shape == (4, 2)]
    assert biases
    for bias in biases:
        assert (bias[[0, 2]] == 0).all() == (swept_weights()[0] == 0)
        assert (bias[[1, 3]] != 0).all()


def swept_weights():
    return np.asarray(members(seed=[0, 1], domain_weight=[0.0, 0.5]).hyperparameters["domain_weight"])


def test_labels_of_domains_are_seen_only_where_asked_for(result):
    _, swept = result
    variables = jax.tree.map(lambda leaf: leaf[1], swept.state["best"]).kept
    program = jax.jit(
        lambda domains, labelled: mtate.apply(SETTING, variables, DATA | {"domains": domains}, domain_labels=labelled),
        static_argnums=1,
    )
    flipped = 1 - DATA["domains"]
    hidden = program(DATA["domains"], False).outcome
    np.testing.assert_array_equal(hidden, program(flipped, False).outcome)
    assert np.abs(program(DATA["domains"], True).outcome - program(flipped, True).outcome).max() > 1e-4
