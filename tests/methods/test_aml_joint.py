"""Joint training: its loss written out, its limits, and who is never asked for an age."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import small_age_study as study
from flax import linen as nn

from jaxfair import training
from jaxfair.methods import aml

EPOCHS = 4
INDEX = np.flatnonzero(study.TRAIN)


@pytest.fixture(scope="module")
def data():
    return study.dataset()


def joint(data, **changed):
    return study.run("joint", study.member(**changed), None, data, num_epochs=EPOCHS)


@pytest.fixture(scope="module")
def first(data):
    """The initial parameters, which a learning rate of 0 leaves as they are."""
    return joint(data, joint_learning_rate=0).state["variables"]["params"]


def training_outputs(params, data):
    """Representation and logits of the training examples, normalised by their own statistics."""
    representation, _ = study.NETWORK.apply(
        {"params": params, "batch_stats": FRESH},
        data["inputs"][INDEX],
        train=True,
        method="represent",
        mutable=["batch_stats"],
    )
    return representation, study.NETWORK.apply({"params": params}, representation, method="disease")


FRESH = {"backbone": {f"norm_{number}": {"mean": np.zeros(4), "var": np.ones(4)} for number in (0, 1)}}


def cross_entropy(params, data):
    labels = data["infarction"][INDEX].astype(int)
    weights = len(labels) / (2 * jnp.bincount(labels, length=2))
    _, logits = training_outputs(params, data)
    likelihood = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]
    return -jnp.mean(weights[labels] * likelihood)


def dependence(values, age, sigma):
    """The normalised HSIC of standardised values and age by its definition, in NumPy."""
    matrices = []
    for columns, width in ((values.reshape(len(age), -1), sigma), (age[:, None], 0.5**0.5)):
        columns = columns.astype(np.float64)
        spread = columns.std(0)
        columns = (columns - columns.mean(0)) / np.where(spread > 0, spread, 1)
        squares = ((columns[:, None] - columns[None]) ** 2).sum(-1)
        center = np.eye(len(age)) - 1 / len(age)
        matrices.append(center @ np.exp(-squares / (2 * width**2)) @ center)
    a, b = matrices
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def test_the_loss_is_cross_entropy_and_dependence_within_the_healthy_and_alpha_rises(data, first):
    healthy = data["infarction"][INDEX] == 0
    representation, logits = map(np.asarray, jax.jit(training_outputs)(first, data))
    age, score = data["age"][INDEX][healthy], (logits[:, 1] - logits[:, 0])[healthy]
    total = dependence(representation[healthy], age, 8.0) + 0.5 * dependence(score, age, 0.5**0.5)
    ramp = np.array([1 / 3, 2 / 3, 1, 1])
    logged = joint(data, joint_learning_rate=0, alpha=5.0).logs["train/loss"]
    np.testing.assert_allclose(logged, float(jax.jit(cross_entropy)(first, data)) + 5 * ramp * total, rtol=1e-4)
    assert total > 0.05


def test_alpha_0_is_cross_entropy_by_adamw_with_a_falling_rate(data, first):
    rule = optax.inject_hyperparams(optax.adamw)(learning_rate=1e-2, weight_decay=0.1)
    groups = {group: first[group] for group in ("backbone", "disease_head")}
    state, slope, losses = rule.init(groups), jax.jit(jax.value_and_grad(cross_entropy)), []
    for share in (1, 0.853553, 0.5, 0.146447):  # (1 + cos(pi step / 4)) / 2
        value, gradient = slope(groups, data)
        state.hyperparams["learning_rate"] = jnp.float32(1e-2 * share)
        updates, state = rule.update(gradient, state, groups)
        groups, losses = optax.apply_updates(groups, updates), [*losses, value]
    run = joint(data, alpha=0)
    np.testing.assert_allclose(run.logs["train/loss"], losses, rtol=1e-3)
    for group, expected in groups.items():
        after = run.state["variables"]["params"][group]
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=5e-4), after, expected)
        assert not study.equal(after, first[group])
    assert study.equal(run.state["variables"]["params"]["age_head"], first["age_head"])


def test_without_alpha_the_share_of_the_score_does_not_matter(data):
    one, other = (joint(data, alpha=0, score_share=share).state["variables"] for share in (0.5, 7.0))
    assert study.equal(one, other)
    one, other = (joint(data, alpha=5, score_share=share).state["variables"] for share in (0.5, 7.0))
    assert not study.equal(one, other)


def test_neither_the_age_of_an_infarction_nor_an_example_outside_the_mask_is_seen(data):
    spoiled = {name: values.copy() for name, values in data.items()}
    spoiled["age"][data["infarction"] == 1] = np.nan
    for values in spoiled.values():
        values[~study.TRAIN] = np.nan
    run, clean = joint(spoiled, alpha=5.0), joint(data, alpha=5.0)
    assert study.equal(run.state["variables"], clean.state["variables"])
    assert study.equal(run.logs["train/loss"], clean.logs["train/loss"])
    assert np.isfinite(run.logs["train/loss"]).all()


class Rows(nn.Module):
    """A network whose representation of an example is a row of parameters, so that its gradient lies open."""

    def setup(self):
        self.backbone = Table()
        # Zero weights let nothing of the cross-entropy through to the rows.
        self.disease_head = nn.Dense(2, kernel_init=nn.initializers.zeros)
        self.age_head = nn.Dense(1)

    def __call__(self, inputs):
        rows = self.represent(inputs)
        return self.disease(rows), self.age(rows)

    def represent(self, inputs, *, train=False, mask=None):
        return self.backbone(inputs[:, 0, 0].astype(int))

    def disease(self, representation):
        return self.disease_head(representation)

    def age(self, representation):
        return self.age_head(representation)[..., 0]


class Table(nn.Module):
    @nn.compact
    def __call__(self, index):
        return self.param("rows", nn.initializers.normal(), (study.SIZE, 3))[index]


def test_only_the_rows_of_healthy_training_examples_feel_the_dependence():
    data = jax.tree.map(jnp.asarray, study.dataset())
    data["inputs"] = jnp.broadcast_to(jnp.arange(study.SIZE, dtype=jnp.float32)[:, None, None], (study.SIZE, 16, 3))
    member = study.member(alpha=5.0, weight_decay=0)
    stage = aml.joint(study.setting(Rows()), 1, ramp_epochs=1)

    def rows(member, data):
        before = training.begin(stage, member, None, data)
        after = training.advance(stage, member, before, data, 0, 1)
        return [run.state["variables"]["params"]["backbone"]["rows"] for run in (before, after)]

    before, after = map(np.asarray, jax.jit(rows)(member, data))
    moved = (before != after).any(1)
    np.testing.assert_array_equal(moved, study.TRAIN & (np.asarray(data["infarction"]) == 0))
