"""Stage 1 of the age study for 40 members: ours against PyTorch eager and against the machine's matmul peak.

    python -m benchmarks.aml_sweep                    # throughput, about two minutes on 2 cores
    python -m benchmarks.aml_sweep --report=compile   # compile time and memory against members

Everything is measured in one run, turn by turn, and the least of the turns counts: other load on the machine can
only add time. Ours is the study's own stage on the study's own engine, with its masks, class weights, batch order and
running statistics. The extra `bench` installs PyTorch.
"""

import itertools
import os
import time

# As in experiments/run/devices.py: one single-threaded XLA device a core. Has to be set before JAX starts.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags, logging

from jaxfair import sweeps
from jaxfair.methods import aml
from jaxfair.methods.aml_model import Setting
from jaxfair.models.ecg_cnn import EcgCnn, EcgCnnConfig
from jaxfair.sweeps.placement import over_members, put
from jaxfair.training import stage as training

_REPORT = flags.DEFINE_enum("report", "throughput", ["throughput", "compile"], "What to measure.")
_MEMBERS = flags.DEFINE_integer("members", 40, "Members of the sweep.")
_STEPS = flags.DEFINE_integer("steps", 100, "Steps of each member.")
_TURNS = flags.DEFINE_integer("turns", 5, "How often everything is measured.")
_WIDTH = flags.DEFINE_integer("width", 1, "Members that advance together on a device.")
_PYTORCH = flags.DEFINE_bool("pytorch", True, "Measure PyTorch too.")

EXAMPLES, TIME, LEADS, BATCH = 5600, 58, 12, 32
RATE = 1e-4


def step_flops() -> int:
    """FLOP that one step of stage 1 cannot do without: the matrix products alone, two a multiply-add.

    A layer has a forward product, one for the gradient of its weights, and one for the gradient of its inputs; the
    first layer's inputs need none.
    """
    config, length, channels, forward = EcgCnnConfig(), TIME, LEADS, []
    for features in config.channels:
        forward.append(length * config.kernel_size * channels * features)
        length, channels = length // 2, features
    widths = (length * channels, config.representation, config.disease_hidden, config.num_classes)
    forward += [before * after for before, after in itertools.pairwise(widths)]
    return 2 * BATCH * (3 * sum(forward) - forward[0])


def data_set() -> dict[str, np.ndarray]:
    """Noise of the study's shape: the time of a step does not depend on what it learns."""
    rng = np.random.default_rng(0)
    return {
        "inputs": rng.normal(size=(EXAMPLES, TIME, LEADS)).astype(np.float32),
        "infarction": (rng.random(EXAMPLES) < 0.2).astype(np.int32),
        "age": rng.uniform(20, 90, EXAMPLES).astype(np.float32),
    }


def program(num_members: int, steps: int, width: int, data: dict[str, np.ndarray]):
    """The compiled epoch of `steps` steps for all members, its arguments, and the seconds of compiling it."""
    train = np.arange(EXAMPLES) < steps * BATCH
    if not train[-1] and steps * BATCH > EXAMPLES:
        raise ValueError(f"--steps={steps}: an epoch of {EXAMPLES} examples has {EXAMPLES // BATCH} whole batches.")
    # Curves are drawn from one example here: they belong to an epoch, not to a step.
    setting = Setting(EcgCnn(), num_batches=steps, num_evaluated=1, batch_size=BATCH)
    stage = aml.baseline(setting, num_epochs=1)
    grid = sweeps.product(seed=range(num_members), baseline_learning_rate=[RATE])
    members = sweeps.make_members(grid, train, np.arange(EXAMPLES) == EXAMPLES - 1)
    placement = sweeps.Placement(tuple(jax.local_devices()), width)
    data = put(data, placement, split=False)
    filled = put(jnp.ones(num_members, bool), placement, split=True)
    members = put(members, placement, split=True)

    def begin(each, data):
        return training.begin(stage, each, None, data)

    def advance(each, data):
        return training.advance(stage, *each, data, 0, 1)

    runs = jax.jit(over_members(begin, placement))(filled, members, data)
    arguments = filled, (members, runs), data
    lowered = jax.jit(over_members(advance, placement)).lower(*arguments)
    begun = time.perf_counter()
    compiled = lowered.compile()
    return compiled, arguments, time.perf_counter() - begun


def matmul_rate(seconds: float, size: int = 512, times: int = 20) -> tuple[float, float]:
    """float32 matmul of all XLA devices at once, FLOP a second: kept up for some seconds, and the best burst.

    A burst of 60 ms finds moments in which a shared machine is all ours and a clock that falls under load has not
    fallen yet; what runs for seconds is to be compared with what is kept up for as long.
    """
    placement = sweeps.Placement(tuple(jax.local_devices()), 1)
    count = len(placement.devices)

    def chain(left, _):
        return jax.lax.fori_loop(0, times, lambda _, product: product @ left * (1 / size), left)

    matrices = put(jnp.ones((count, size, size)), placement, split=True)
    filled = put(jnp.ones(count, bool), placement, split=True)
    run = jax.jit(over_members(chain, placement))
    jax.block_until_ready(run(filled, matrices, ()))
    each, begun = [], time.perf_counter()
    while time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        jax.block_until_ready(run(filled, matrices, ()))
        each.append(time.perf_counter() - start)
    flops = count * times * 2 * size**3
    return len(each) * flops / (time.perf_counter() - begun), flops / min(each)


def _least(run, turns: int) -> float:
    jax.block_until_ready(run())
    seconds = []
    for _ in range(turns):
        begun = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def throughput() -> None:
    """Prints milliseconds a step and member of each contestant, their ratio, and the share of the peak."""
    cores, members, steps, data = _cores(), _MEMBERS.value, _STEPS.value, data_set()
    if members % (jax.local_device_count() * _WIDTH.value):
        raise ValueError(f"--members={members} must be a multiple of {jax.local_device_count()} devices x --width.")
    compiled, arguments, _ = program(members, steps, _WIDTH.value, data)
    rivals = {}
    if _PYTORCH.value:
        from benchmarks import aml_torch

        rivals = {f"PyTorch, one process of {cores} threads": (1, cores)}
        if cores > 1:
            rivals[f"PyTorch, {cores} processes of one thread"] = (cores, 1)
    peaks, times = [], {"jaxfair": []} | {name: [] for name in rivals}
    for turn in range(_TURNS.value):
        ours = _least(lambda: compiled(*arguments), 2)
        times["jaxfair"].append(ours / members / steps)
        peaks.append(matmul_rate(ours))
        for name, (processes, threads) in rivals.items():
            peaks.append(aml_torch.matmul_rate(cores, ours))
            times[name].append(
                aml_torch.step_seconds(processes, threads, data["inputs"], data["infarction"], steps, BATCH, RATE)
            )
        print(f"turn {turn + 1} of {_TURNS.value}", flush=True)
    each = {name: min(seconds) for name, seconds in times.items()}
    (peak, burst), flops = np.max(peaks, axis=0), step_flops()
    print(f"\n{members} members x {steps} steps of {BATCH} examples; {cores} cores, {jax.local_device_count()} devices")
    print(
        f"matmul peak {peak / 1e9:.0f} GFLOP/s kept up, {burst / 1e9:.0f} in a burst; a step is {flops / 1e6:.1f} MFLOP"
    )
    for name, seconds in each.items():
        share = flops / seconds / peak
        print(
            f"{name:36s} {seconds * 1e3:7.3f} ms a step and member {share:6.1%} of the peak kept up, "
            f"{share * peak / burst:.1%} of the burst"
        )
    if rivals:
        best = min(rivals, key=each.get)
        print(f"jaxfair is {each[best] / each['jaxfair']:.2f} times as fast as {best}.")


def compilation() -> None:
    """Prints compile time and memory of the program against the number of members."""
    data, seconds = data_set(), {}
    print("members  compile seconds  arguments MB  outputs MB  temporary MB")
    for members in (8, 8, 16, 24, 40):  # The first one also warms up the compiler and is measured again.
        compiled, _, seconds[members] = program(members, _STEPS.value, _WIDTH.value, data)
        memory = compiled.memory_analysis()
        sizes = (memory.argument_size_in_bytes, memory.output_size_in_bytes, memory.temp_size_in_bytes)
        print(f"{members:7d} {seconds[members]:16.2f} " + " ".join(f"{size / 1e6:12.2f}" for size in sizes))
    print(f"\n40 members compile in {seconds[40] / seconds[8]:.2f} times the time of 8.")


def main(_) -> None:
    logging.set_verbosity(logging.ERROR)
    throughput() if _REPORT.value == "throughput" else compilation()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", _cores())
    app.run(main)
