"""The study's training stage: removed samples, the falling rate, the best epoch, and each step against plain Adam."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import small_beats as study

from jaxfair import sweeps
from jaxfair.methods import shapley

TRAIN = study.TRAIN


def previous(hardening):
    return study.crafted() if hardening == "crafted" else None


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def assert_close(a, b, atol=1e-5):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=atol), a, b)


def distance(a, b):
    return max(np.abs(x - y).max() for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.mark.parametrize("hardening", shapley.HARDENINGS)
def test_a_removed_sample_and_its_twin_may_be_nan_and_of_any_class(hardening):
    data, before = study.beats(), previous(hardening)
    removed = ~TRAIN[:, None, None]
    spoiled = {
        "inputs": np.where(removed, np.nan, data["inputs"]),
        "label": np.where(TRAIN, data["label"], 2 - data["label"]).astype(np.int32),
    }
    found = study.run(study.member(), hardening, previous=before, epochs=5)
    if before:
        before = {"crafted": np.where(removed, np.nan, before["crafted"])}
    assert_equal(study.run(study.member(), hardening, previous=before, data=spoiled, epochs=5), found)
    # A sample that is not removed does have an effect.
    data["inputs"][1] += 1
    other = study.run(study.member(), hardening, previous=previous(hardening), data=data, epochs=5)
    assert distance(other.state["variables"], found.state["variables"]) > 1e-3


@jax.jit
def plain_step(variables, optimizer, inputs, labels, rate):
    """One step of Adam on all examples given: no mask, no batches."""

    def loss(params):
        changed = variables | {"params": params}
        logits, statistics = study.NETWORK.apply(changed, inputs, train=True, mutable=["batch_stats"])
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean(), statistics

    (value, statistics), slope = jax.value_and_grad(loss, has_aux=True)(variables["params"])
    updates, optimizer = optax.adam(rate).update(slope, optimizer)
    return statistics | {"params": optax.apply_updates(variables["params"], updates)}, optimizer, value


@pytest.mark.parametrize("hardening", ["none", "crafted"])
def test_each_step_is_adams_on_the_training_samples_alone(hardening):
    """Hardened, the batch is the samples and their twins."""
    data, twins = study.beats(), study.crafted()["crafted"]
    inputs, labels = data["inputs"][TRAIN], data["label"][TRAIN]
    if hardening == "crafted":
        inputs, labels = np.concatenate([inputs, twins[TRAIN]]), np.concatenate([labels, labels])
    variables = study.run(study.member(), hardening, previous=previous(hardening), epochs=0).state["variables"]
    optimizer, losses = optax.adam(1.0).init(variables["params"]), []
    for _ in range(4):
        variables, optimizer, value = plain_step(variables, optimizer, inputs, labels, 0.02)
        losses.append(value)
    found = study.run(study.member(), hardening, previous=previous(hardening), epochs=4)
    assert_close(found.state["variables"], variables)
    np.testing.assert_allclose(found.logs["train/loss"][:4], losses, rtol=1e-4)
    np.testing.assert_array_equal(found.logs["train/learning_rate"][:4], np.float32(0.02))


def test_twins_that_equal_their_samples_change_nothing():
    plain = study.run(study.member(), epochs=5)
    twins = {"crafted": study.beats()["inputs"]}
    assert_close(
        study.run(study.member(), "crafted", previous=twins, epochs=5).state["variables"], plain.state["variables"]
    )
    others = study.run(study.member(), "crafted", previous=study.crafted(), epochs=5)
    assert distance(others.state["variables"], plain.state["variables"]) > 1e-2


def test_projected_gradients_in_a_ball_of_no_size_change_nothing_and_in_a_larger_one_raise_the_loss():
    plain = study.run(study.member(), epochs=5)
    none = study.run(study.member(epsilon=0), "projected_gradient", epochs=5)
    assert_close(none.state["variables"], plain.state["variables"])
    losses = [
        study.run(study.member(epsilon=epsilon), "projected_gradient", epochs=1).logs["train/loss"][0]
        for epsilon in (0, 0.1, 0.5)
    ]
    assert losses[1] > losses[0] + 0.003
    assert losses[2] > losses[1] + 0.02


def rates(losses, rate, patience=study.PATIENCE):
    """Halved after `patience` epochs in which the loss did not fall by 1e-4 below its lowest; a tenth at the least."""
    lowest, waited, share, used = np.inf, 0, 1.0, []
    for loss in losses:
        used.append(rate * share)
        if lowest - loss > 1e-4:
            lowest, waited = loss, 0
        else:
            waited += 1
        if waited == patience:
            share, waited = max(share / 2, 0.1), 0
    return used


@pytest.mark.parametrize("rate", [1e-9, 2e-5, 0.05, 2.0])
def test_the_rate_is_halved_where_the_loss_does_not_fall(rate):
    logs = study.run(study.member(learning_rate=rate)).logs
    losses = logs["train/loss"].astype(float)
    expected = rates(losses, rate)
    np.testing.assert_allclose(logs["train/learning_rate"], expected, rtol=1e-6)
    falls = -np.diff(losses)
    if rate == 1e-9:  # Nothing falls: halved every other epoch once the first is over, to a tenth.
        shares = np.repeat([1, 0.5, 0.25, 0.125, 0.1], [3, 2, 2, 2, 21])
        np.testing.assert_allclose(logs["train/learning_rate"], rate * shares, rtol=1e-6)
    elif rate == 2e-5:  # Epochs in which the loss falls, but not by enough.
        assert ((falls > 0) & (falls < 1e-4)).sum() > 5
        assert expected[-1] < rate
    elif rate == 2.0:
        assert (falls < 0).sum() > 3
        assert expected[-1] < rate


def test_the_rate_that_is_logged_is_the_one_that_moves_the_weights():
    """Where the slope stands still each of Adam's steps has the length of the rate; biases start at 0, so it shows."""
    rate = 1e-6
    runs = [study.run(study.member(learning_rate=rate), epochs=epochs) for epochs in range(13)]
    biases = np.stack([run.state["variables"]["params"]["head"]["Dense_0"]["bias"] for run in runs])
    logged = runs[-1].logs["train/learning_rate"][:12]
    np.testing.assert_allclose(np.abs(np.diff(biases, axis=0)), np.repeat(logged[:, None], 3, axis=1), rtol=2e-3)
    np.testing.assert_allclose(logged[[0, 4, 11]], [rate, rate / 2, rate / 10], rtol=1e-6)
    assert runs[-1].state["optimizer"].hyperparams["learning_rate"] == logged[-1]


def test_the_best_variables_are_those_after_the_epoch_with_the_least_loss():
    for seed in range(20):  # With this rate the loss leaps, and is seldom the least at the end.
        member = study.member(seed, learning_rate=2.0)
        whole = study.run(member)
        epoch = int(np.argmin(whole.logs["train/loss"]))
        if 0 < epoch < study.EPOCHS - 1:
            break
    assert 0 < epoch < study.EPOCHS - 1
    best = whole.state["best"]
    assert (best.epoch, best.value) == (epoch, whole.logs["train/loss"][epoch])
    assert_equal(best.kept, study.run(member, epochs=epoch + 1).state["variables"])
    assert distance(best.kept, whole.state["variables"]) > 1e-2


@pytest.mark.parametrize("hardening", [pytest.param("none", marks=pytest.mark.slow), "crafted"])
def test_a_sweep_equals_its_single_runs(hardening):
    masks = np.stack([TRAIN, np.arange(study.SIZE) < 4, np.ones(study.SIZE, bool)])
    grid = [{"seed": seed, "fold": seed, "learning_rate": 0.02, "epsilon": 0.1} for seed in range(3)]
    members, before = sweeps.make_members(grid, masks, masks), None
    if hardening == "crafted":  # No twin was found of a removed sample: that is no divergence.
        twins = np.stack([study.crafted(seed)["crafted"] for seed in range(3)])
        before = {"crafted": np.where(masks[:, :, None, None], twins, np.nan)}
    result = sweeps.sweep([study.stage(hardening)], members, study.beats(), previous=before, places=4, segments=3)
    assert not result.diverged.any()
    for number in range(3):
        one, prior = jax.tree.map(lambda leaf, number=number: leaf[number], (members, before))
        alone = study.run(one, hardening, previous=prior)
        for name in ("variables", "best", "plateau"):
            # Two programs: the same operations, rounded otherwise.
            assert_close(jax.tree.map(lambda leaf, number=number: leaf[number], result.state[name]), alone.state[name])
        for name, curve in alone.logs.items():
            np.testing.assert_allclose(result.logs["classifier"][name][number], curve, rtol=1e-4)


def test_all_hardenings_of_a_seed_start_from_the_same_weights():
    starts = [
        study.run(study.member(), hardening, previous=previous(hardening), epochs=0).state["variables"]
        for hardening in shapley.HARDENINGS
    ]
    assert_equal(starts[0], starts[1])
    assert_equal(starts[0], starts[2])
    assert distance(starts[0], study.run(study.member(seed=1), epochs=0).state["variables"]) > 1e-2


def test_another_hardening_is_refused():
    with pytest.raises(ValueError, match="hardening 'deepfool' is none of none, crafted, projected_gradient"):
        shapley.classifier(study.SETTING, 2, hardening="deepfool")
