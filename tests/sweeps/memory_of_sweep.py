"""How much memory and disk a sweep takes, in a process of its own. Run by test_memory.py.

python memory_of_sweep.py FOLDER NUM_MEMBERS PLACES

A member's state is 1 MB: variables, two moments of Adam, and the best variables. Prints megabytes as JSON: by how much
the process grew at its largest while the sweep ran (all_examples is compiled before), and the largest checkpoint.
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxfair import sweeps, training

SIZE, EXAMPLES = 256, 32


def stage():
    def output(variables, data):
        return jnp.tanh(data["x"] @ variables["params"]["layer"]).mean(1)

    def loss(variables, state, member, data, batch, key, epoch):
        return jnp.mean((output(variables, data) - data["y"]) ** 2, where=member.train), {}

    def noise(state, member, data, logs):
        """As good as random, so that members stop at different epochs."""
        return logs["train/loss"] * 1e6 % 1

    return training.descent(
        "fit",
        12,
        init=lambda member, previous, data, key: {
            "variables": {"params": {"layer": jax.random.normal(key, (SIZE, SIZE)) / 16}}
        },
        loss=loss,
        trained=("layer",),
        optimizer=lambda member: optax.adam(1e-3),
        batch_size=EXAMPLES,
        num_batches=1,
        validate=noise,
        patience=3,
    )


def predictions(member, state, data):
    return jnp.tanh(data["x"] @ state["best"].kept["params"]["layer"]).mean(1)


def megabytes(field: str) -> float:
    """VmRSS, what the process has now, or VmHWM, the most it has had."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def main(folder: pathlib.Path, num_members: int, places: int | None) -> None:
    jax.config.update("jax_num_cpu_devices", 2)
    rng = np.random.default_rng(0)
    data = {"x": rng.normal(size=(EXAMPLES, SIZE)).astype(np.float32), "y": np.zeros(EXAMPLES, np.float32)}
    all_examples, stages = np.ones(EXAMPLES, bool), [stage()]
    members = sweeps.make_members([{"seed": seed} for seed in range(num_members)], all_examples, all_examples)
    options = {"places": places, "finish": predictions, "seconds_between_saves": 0, "segments": 4}
    # Orbax's and JAX's own memory, and that of the compiler.
    sweeps.prepare(stages, members, data, places=places, finish=predictions)
    few = jax.tree.map(lambda leaf: leaf[:1], members)
    sweeps.sweep(stages, few, data, directory=folder / "first", **options | {"places": 1})
    sizes = []

    def measure(progress):
        newest = max((folder / "sweep").iterdir(), key=lambda path: int(path.name) if path.name.isdigit() else -1)
        sizes.append(sum(path.stat().st_size for path in newest.rglob("*") if path.is_file()) / 2**20)

    pathlib.Path("/proc/self/clear_refs").write_text("5")  # The most so far is forgotten.
    before = megabytes("VmRSS")
    result = sweeps.sweep(stages, members, data, directory=folder / "sweep", on_segment=measure, **options)
    epochs = result.epochs_run["fit"]
    grown = megabytes("VmHWM") - before
    print(json.dumps({"memory": grown, "checkpoint": max(sizes), "epochs": [int(epochs.min()), int(epochs.max())]}))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) or None)
