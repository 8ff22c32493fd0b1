"""Early stopping in `descent` against a run that never stops and plain Python, which stops it by its curve."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from plain_stopping import follow

from jaxfair import training

SIZE, EPOCHS = 30, 40
THIRD = np.arange(SIZE) % 3
# Each member's own patience and warm-up; one that is patient to the end.
PATIENCE, WARM_UP = np.array([1, 2, 3, 5, 8, 100]), np.array([0, 4, 0, 7, 2, 0])


def dataset():
    """A line with much noise, so that the loss on the validation third rises and falls."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=SIZE).astype(np.float32)
    return {"x": x, "y": (x + rng.normal(size=SIZE)).astype(np.float32)}


def members():
    count = len(PATIENCE)
    masks = [jnp.asarray(np.broadcast_to(part == THIRD, (count, SIZE))) for part in range(3)]
    numbers = {"patience": jnp.asarray(PATIENCE, jnp.float32), "warm_up": jnp.asarray(WARM_UP, jnp.float32)}
    return training.Member(jax.vmap(jax.random.key)(jnp.arange(count)), numbers, *masks)


def stage(**early):
    def error(variables, data, mask, indices=slice(None)):
        residual = jnp.where(mask, data["y"][indices] - variables["params"]["slope"] * data["x"][indices], 0)
        return jnp.sum(residual**2) / mask.sum()

    return training.descent(
        "fit",
        EPOCHS,
        init=lambda member, previous, data, key: {"variables": {"params": {"slope": jnp.float32(-1)}}},
        loss=lambda variables, state, member, data, batch, *_: (error(variables, data, batch.mask, batch.indices), {}),
        trained=("slope",),
        optimizer=lambda member: optax.sgd(0.15),
        batch_size=2,
        num_batches=5,
        evaluate=lambda state, member, data: {"slope": state["variables"]["params"]["slope"]},
        **{"validate": lambda state, member, data, logs: error(state["variables"], data, member.validate)} | early,
    )


def train(stage, data=None):
    """All members side by side, in NumPy."""
    data = data or dataset()
    run = jax.jit(jax.vmap(lambda member: training.train([stage], member, data)[1]["fit"]))(members())
    return jax.tree.map(np.asarray, run)


@functools.cache
def endless():
    return train(stage())


def assert_stopped(run, patience, warm_up):
    curves, slopes = endless().logs["validate/loss"], endless().logs["slope"]
    for number in range(len(PATIENCE)):
        epochs, best = follow(curves[number], patience[number], warm_up[number])
        assert (run.epochs_run[number], run.state["best"].epoch[number]) == (epochs, best)
        kept = run.state["best"].kept["params"]["slope"][number]
        np.testing.assert_allclose(kept, slopes[number, best] if best >= 0 else -1, rtol=1e-6)
        assert run.state["stopped"][number] == (epochs < EPOCHS)
        np.testing.assert_allclose(run.logs["validate/loss"][number, :epochs], curves[number, :epochs], rtol=1e-6)
        assert np.isnan(run.logs["validate/loss"][number, epochs:]).all()


def test_without_patience_the_best_is_kept_and_every_epoch_run():
    run = endless()
    assert (run.epochs_run == EPOCHS).all()
    assert "stopped" not in run.state
    best = run.state["best"]
    np.testing.assert_array_equal(best.epoch, run.logs["validate/loss"].argmin(1))
    np.testing.assert_array_equal(best.value, run.logs["validate/loss"].min(1))
    slopes = np.take_along_axis(run.logs["slope"], best.epoch[:, None], axis=1)[:, 0]
    np.testing.assert_array_equal(best.kept["params"]["slope"], slopes)
    assert (best.epoch < EPOCHS - 1).any()


def test_every_member_stops_by_its_own_patience_and_warm_up():
    run = train(stage(patience="patience", warm_up="warm_up"))
    assert len(set(run.epochs_run.tolist())) >= 4
    assert_stopped(run, PATIENCE, WARM_UP)


def test_a_number_is_everyones():
    count = len(PATIENCE)
    assert_stopped(train(stage(patience=4, warm_up=3)), [4] * count, [3] * count)


def test_nothing_in_the_warm_up_is_kept():
    run = train(stage(patience=1, warm_up=EPOCHS))
    assert (run.epochs_run == EPOCHS).all()
    assert (run.state["best"].epoch == -1).all()
    assert (run.state["best"].kept["params"]["slope"] == -1).all()  # The initial ones.


def test_a_log_of_the_epoch_may_decide():
    run = train(stage(validate=lambda state, member, data, logs: logs["train/loss"]))
    np.testing.assert_array_equal(run.logs["validate/loss"], run.logs["train/loss"])
    np.testing.assert_array_equal(run.state["best"].epoch, run.logs["train/loss"].argmin(1))


def test_what_is_evaluated_on_at_the_end_decides_nothing():
    data = dataset()
    spoiled = {name: np.where(THIRD == 2, np.nan, values) for name, values in data.items()}
    runs = [train(stage(patience=3), each) for each in (data, spoiled)]
    jax.tree.map(np.testing.assert_array_equal, *runs)
    spoiled = data | {"y": np.where(THIRD == 1, -data["y"], data["y"])}
    assert (train(stage(patience=3), spoiled).epochs_run != runs[0].epochs_run).any()


@pytest.mark.parametrize(
    ("early", "sentence"),
    [
        ({"validate": None, "patience": 3}, "stage 'fit' has a patience or a warm-up but no validate"),
        ({"validate": None, "warm_up": 3}, "stage 'fit' has a patience or a warm-up but no validate"),
        ({"patience": 0}, "stage 'fit' has a patience of 0 epochs; give 1 or more, or None"),
        ({"patience": "endurance"}, "patience='endurance' is no hyperparameter; the members have patience, warm_up"),
    ],
)
def test_mistakes_are_named(early, sentence):
    with pytest.raises(ValueError, match=sentence):
        train(stage(**early))
