"""Programs compiled ahead, in a thread, are those that the sweep runs: it compiles nothing."""

import contextlib
import dataclasses
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import regression

from jaxfair import sweeps

DATA = regression.dataset()
ALL = np.ones(len(DATA["y"]), bool)


@contextlib.contextmanager
def compilations():
    """The names of the programs that are compiled meanwhile, in any thread."""
    names = []

    def listen(event, seconds, **about):
        if event.endswith("backend_compile_duration"):
            names.append(about.get("fun_name"))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield names
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def members(count=5):
    return sweeps.make_members([{"seed": seed, "learning_rate": 0.01} for seed in range(count)], ALL, ~ALL)


def fresh(name="fit"):
    """Stages that no other test has compiled, of a shape and functions of their own."""
    first, second = regression.stages(4)
    return [
        dataclasses.replace(first, name=name, init=lambda *given: first.init(*given)),
        dataclasses.replace(second, init=lambda *given: second.init(*given)),
    ]


def weights(member, state, data):
    return state["weights"]


def shapes(tree):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)


@pytest.mark.parametrize("width", [1, 2])
def test_what_was_prepared_in_a_thread_is_not_compiled_again(width):
    options = {"placement": sweeps.Placement(tuple(jax.devices()), width), "places": 4, "finish": weights}
    data, stages, trained = DATA | {"scale": 1.0}, fresh(), members()
    with compilations() as names:
        ahead = threading.Thread(target=sweeps.prepare, args=(stages, trained, shapes_of_arrays(data)), kwargs=options)
        ahead.start()
        sweeps.sweep(fresh("other"), members(3), DATA, segments=2)
        ahead.join()
        assert names
    with compilations() as names:
        result = sweeps.sweep(stages, trained, data, segments=2, **options)
    assert names == []
    with compilations() as names:  # The count can tell: these are other functions.
        again = sweeps.sweep(fresh(), trained, data, segments=2, **options)
    assert len(names) == 4  # `finish` is the same one.
    np.testing.assert_array_equal(result.state, again.state)


def shapes_of_arrays(data):
    """A Python number stays one, as JAX takes it otherwise than an array."""
    return {name: value if isinstance(value, float) else shapes(value) for name, value in data.items()}


def test_the_state_before_need_not_be_there_yet():
    (first, second), trained = fresh(), members()
    state = jax.eval_shape(jax.vmap(first.init, in_axes=(0, None, None, 0)), trained, None, DATA, trained.key)
    sweeps.prepare([second], trained, DATA, previous=state)
    before = sweeps.sweep([first], trained, DATA)
    with compilations() as names:
        result = sweeps.sweep([second], trained, DATA, previous=before.state)
    assert names == []
    both = sweeps.sweep([first, second], trained, DATA)
    np.testing.assert_array_equal(result.state["weights"], both.state["weights"])


def test_a_sweep_waits_for_a_program_that_is_being_compiled():
    """Asked for by both at once, each program is compiled once."""
    stages, trained, threads = fresh(), members(), []
    with compilations() as names:
        for function in (sweeps.prepare, sweeps.sweep):
            threads.append(threading.Thread(target=function, args=(stages, trained, DATA)))
            threads[-1].start()
        for thread in threads:
            thread.join()
    assert len([name for name in names if name and "local" in name]) == 4


def test_a_function_over_all_is_prepared():
    def function(member, values, shift):
        return {"sum": values.sum() + shift, "drawn": jax.random.uniform(member.key)}

    each = (members(7), np.ones((7, 3), np.float32))
    given = each[0], shapes(each[1])
    sweeps.prepare_over_all(function, given, (jax.ShapeDtypeStruct((), jnp.float32),), places=4)
    with compilations() as names:
        outputs = sweeps.over_all(function, each, (np.float32(2),), places=4)
    assert names == []
    np.testing.assert_array_equal(outputs["sum"], np.full(7, 5.0))
    expected = [jax.random.uniform(jax.random.key(seed)) for seed in range(7)]
    np.testing.assert_array_equal(outputs["drawn"], expected)


def test_a_precision_set_for_one_thread_is_not_taken_over():
    """What was compiled ahead under other settings is not used by mistake."""
    stages, trained = fresh(), members()
    sweeps.prepare(stages, trained, DATA)
    with jax.default_matmul_precision("highest"), compilations() as names:
        sweeps.sweep(stages, trained, DATA)
    assert names != []


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="prepare: 0 places take no member"):
        sweeps.prepare(fresh(), members(), DATA, places=0)
    with pytest.raises(ValueError, match=r"prepare: stages .* need distinct names"):
        sweeps.prepare([*fresh(), fresh()[0]], members(), DATA)
    with pytest.raises(ValueError, match="sweep: 0 segments hold no epoch"):
        sweeps.sweep(fresh(), members(), DATA, segments=0)
