"""What early stopping saves: epochs that a sweep computes for members that stop at different times, against plain vmap.

    python -m benchmarks.sweep_refill                             # about a minute on 2 cores
    python -m benchmarks.sweep_refill --width=8 --places=16

A member's own epochs are drawn from a tenth of the longest to the longest. Every epoch that is computed is counted
where it is computed, idle ones included: those of members in a vmap that have stopped while another has not, and those
of empty places. Then the same study is timed without counting.
"""

import os
import time

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from jaxfair import sweeps, training

_MEMBERS = flags.DEFINE_integer("members", 200, "Members of the study.")
_EPOCHS = flags.DEFINE_integer("epochs", 100, "Epochs of the longest member; the shortest has a tenth of it.")
_WIDTHS = flags.DEFINE_multi_integer("width", [1, 4, 8], "Members that advance together on a device; may be repeated.")
_PLACES = flags.DEFINE_integer("places", None, "Members that train at a time. By default a group on each device.")
_SIZE = flags.DEFINE_integer("size", 128, "Rows and columns of the matrix that a member trains.")

EXAMPLES, STEPS = 64, 10


def stage(num_epochs: int, count: bool) -> tuple[training.Stage, list]:
    """Least squares that stops after the member's `own` epochs, and the list that grows by each epoch computed."""
    computed, size = [], _SIZE.value

    def init(member, previous, data, key):
        return {"matrix": jax.random.normal(key, (size, size)) / size**0.5, "ran": jnp.int32(0), "own": own(member)}

    def own(member):
        return member.hyperparameters["own"]

    def epoch(member, state, data, key, epoch):
        if count:
            jax.debug.callback(lambda ran: computed.append(1), state["ran"])

        def step(_, matrix):
            error = jnp.tanh(data["x"] @ matrix) - data["y"]
            return matrix - 0.01 * data["x"].T @ error / EXAMPLES

        matrix = jax.lax.fori_loop(0, STEPS, step, state["matrix"])
        return state | {"matrix": matrix, "ran": state["ran"] + 1}, {}

    return training.Stage("fit", num_epochs, init, epoch, lambda state: state["ran"] >= state["own"]), computed


def study() -> tuple[training.Member, dict, np.ndarray]:
    """Members, data, and each member's own epochs."""
    rng = np.random.default_rng(0)
    own = rng.integers(_EPOCHS.value // 10, _EPOCHS.value + 1, _MEMBERS.value)
    own[:2] = _EPOCHS.value // 10, _EPOCHS.value
    all_examples = np.ones(EXAMPLES, bool)
    grid = [{"seed": seed, "own": count} for seed, count in enumerate(own)]
    data = {name: rng.normal(size=(EXAMPLES, _SIZE.value)).astype(np.float32) for name in "xy"}
    return sweeps.make_members(grid, all_examples, all_examples), data, own


def matrix(member, state, data):
    return state["matrix"]


def plain_vmap(count: bool):
    """All members in one `vmap` of `training.train`: what it runs, and the list of epochs."""
    chosen, computed = stage(_EPOCHS.value, count)
    program = jax.jit(jax.vmap(lambda member, data: training.train([chosen], member, data)[0]["matrix"], (0, None)))
    return (lambda members, data: program(members, data)), computed


def refilled(width: int, count: bool):
    """A sweep in which members that wait take the places of those that have stopped."""
    chosen, computed = stage(_EPOCHS.value, count)
    placement = sweeps.Placement(tuple(jax.local_devices()), width)
    places = _PLACES.value or max(width, 4) * len(placement.devices)

    def run(members, data):
        return sweeps.sweep([chosen], members, data, placement=placement, places=places, finish=matrix).state

    return run, computed


def main(_) -> None:
    members, data, own = study()
    rows = {"plain vmap of all": plain_vmap}
    rows |= {
        f"sweep, width {width}": lambda count, width=width: refilled(width, count)
        for width in sorted(set(_WIDTHS.value))
    }
    spread = f"{own.min()} to {own.max()} epochs, {own.sum()} in all"
    print(f"{len(own)} members of {spread}; {jax.local_device_count()} devices")
    expected = None
    for name, make in rows.items():
        run, computed = make(count=True)
        jax.block_until_ready(run(members, data))
        jax.effects_barrier()
        run, _ = make(count=False)
        outputs = np.asarray(run(members, data))  # Compiles.
        expected = outputs if expected is None else expected
        np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-4)
        begun = time.perf_counter()
        jax.block_until_ready(run(members, data))
        seconds = time.perf_counter() - begun
        share = len(computed) / own.sum()
        print(f"{name:20s} {len(computed):6d} epochs computed, {share:.3f} of the own; {seconds:6.2f} s")


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
    app.run(main)
