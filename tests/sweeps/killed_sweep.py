"""Kills a sweep (kill -9) at random moments and starts it again, until it is finished. Run by test_kill.py.

python killed_sweep.py FOLDER NUM_KILLS

Every attempt is a process of its own, forked before JAX has started anything: what it knows is on disk only. Writes
`undisturbed.npz`, `killed-0.npz`, ... (the final arrays) and prints what happened.
"""

import json
import os
import pathlib
import random
import signal
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import regression

from jaxfair import sweeps

EPOCHS = 400


def final(member, state, data):
    """What is kept of a member."""
    return {"weights": state["weights"], "predictions": data["x"] @ state["weights"]}


def attempt(folder: pathlib.Path, name: str) -> None:
    """Runs the sweep `name`, or what is left of it, and writes its arrays."""
    jax.config.update("jax_num_cpu_devices", 2)
    jax.config.update("jax_compilation_cache_dir", str(folder / "programs"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    data = regression.dataset()
    everyone = np.ones(len(data["y"]), bool)
    grid = sweeps.product(seed=range(5), learning_rate=[1e-4, 1e-3])
    members = sweeps.make_members(grid, everyone, everyone)
    # Members end after 60 to 400 epochs, so that others take their places, and the chance decides which.
    stages = regression.stages(
        EPOCHS, patience=lambda state: 60 + (jnp.abs(state["weights"][0]) * 1e6).astype(int) % 340
    )
    placement = sweeps.tune_width(stages[0], members, data, widths=(1, 3), remember=folder / "widths.json")
    result = sweeps.sweep(
        stages,
        members,
        data,
        placement=placement,
        places=4,
        finish=final,
        directory=folder / name,
        seconds_between_saves=0,
    )
    leaves = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(result)}
    with open(folder / f"{name}.part", "wb") as file:
        np.savez(file, width=placement.width, **leaves)
    os.replace(folder / f"{name}.part", folder / f"{name}.npz")


def fork(folder: pathlib.Path, name: str, kill_after: float | None = None) -> int:
    """One attempt; its exit code, or minus the signal that ended it."""
    child = os.fork()
    if not child:
        attempt(folder, name)
        sys.stderr.flush()
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder: pathlib.Path, num_kills: int) -> None:
    code = fork(folder, "first")  # Measures the width and fills the cache of programs.
    start = time.perf_counter()
    code = code or fork(folder, "undisturbed")
    duration = time.perf_counter() - start
    if code:
        sys.exit(f"The undisturbed sweep ended with {code}")
    memory = (folder / "widths.json").read_bytes()
    moments, kills, finished, begun = random.Random(0), 0, 0, False
    while kills < num_kills or begun:
        name = f"killed-{finished}"
        after = None if kills >= num_kills else moments.uniform(0.1, 0.9) * duration
        start = time.perf_counter()
        code = fork(folder, name, after)
        if code == -signal.SIGKILL:
            kills, begun = kills + 1, True
        elif code == 0:
            finished, begun = finished + 1, False
            duration = min(duration, time.perf_counter() - start)  # A machine less busy than before needs less.
        else:
            sys.exit(f"{name} ended with {code}")
    unchanged = (folder / "widths.json").read_bytes() == memory
    print(json.dumps({"kills": kills, "finished": finished, "widths_unchanged": unchanged}))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
