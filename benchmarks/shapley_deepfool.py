"""DeepFool on 200 beats of 140 samples: ours against foolbox on PyTorch, the same weights, the same beats.

    python -m benchmarks.shapley_deepfool                       # some minutes on 2 cores
    python -m benchmarks.shapley_deepfool --data_dir=DIR        # ECG5000 itself; DIR is the UCR archive's folder
    python -m benchmarks.shapley_deepfool --network=blend_res2net --features=8,16,16    # the Shapley study's on CPUs
    python -m benchmarks.shapley_deepfool --norivals            # without PyTorch and foolbox

The network is one of the library's, batch normalisation in evaluation mode, for five classes of simulated beats, or of
ECG5000, trained here for some steps so that boundaries lie where a classifier puts them. Foolbox takes all beats in
one call on all cores; ours takes a part on each core, one single-threaded XLA device a core, as the study does. Both
are asked for the same: 50 steps at most, all classes, overshoot 0.02.

Everything is measured in one run, ours and theirs in turns. Other load on the machine touches both, so a turn's ratio
counts and of the turns the median; processor time is printed beside it, which other load hardly touches. The extra
`bench` installs PyTorch and foolbox.
"""

import functools
import os
import time

# As in experiments/run/devices.py: one single-threaded XLA device a core. Has to be set before JAX starts.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import numpy as np
import optax
from absl import app, flags, logging

from data_pipelines import ucr
from jaxfair import sweeps
from jaxfair.attacks import Adversarial, deepfool
from jaxfair.models.time_series import BACKBONES, TimeSeriesClassifier, time_series_classifier

_BEATS = flags.DEFINE_integer("beats", 200, "Beats that are attacked.", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 5, "How often everything is measured.", lower_bound=1)
_WIDTH = flags.DEFINE_integer("width", 8, "Beats that a device of ours computes at a time; the study's on CPUs is 8.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "The UCR archive's folder, or the folder above it.")
_NETWORK = flags.DEFINE_enum("network", "fcn", sorted(BACKBONES), "Which network is attacked.")
_FEATURES = flags.DEFINE_list("features", None, "Features of its convolutions or blocks; by default as published.")
_TRAIN = flags.DEFINE_integer("train_steps", 300, "Steps of training before, 32 beats each.", lower_bound=1)
_RIVALS = flags.DEFINE_bool("rivals", True, "Measure foolbox too.")

TIME, CLASSES, BATCH = 140, 5, 32


def beats(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Five classes of z-normalised beats, `[count, 140, 1]`: P, QRS and T waves of differing size, width and place."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    places = np.array([[0.2, 0.4, 0.7], [0.2, 0.4, 0.7], [0.1, 0.35, 0.6], [0.2, 0.45, 0.7], [0.3, 0.4, 0.8]])
    sizes = np.array([[0.2, 1.0, 0.3], [0.2, 1.0, -0.2], [0.0, 1.2, -0.4], [0.1, 0.8, 0.6], [0.3, 0.7, 0.1]])
    widths = np.array(
        [[0.03, 0.012, 0.05], [0.03, 0.012, 0.05], [0.03, 0.04, 0.06], [0.03, 0.02, 0.03], [0.04, 0.01, 0.08]]
    )
    place = places[labels] + 0.02 * rng.normal(size=(count, 3))
    size = sizes[labels] * (1 + 0.2 * rng.normal(size=(count, 3)))
    waves = np.exp(-(((np.linspace(0, 1, TIME) - place[..., None]) / widths[labels][..., None]) ** 2) / 2)
    values = (size[..., None] * waves).sum(1) + 0.1 * rng.normal(size=(count, TIME))
    values = (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)
    return values[..., None].astype(np.float32), labels.astype(np.int32)


def real_beats() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """ECG5000's training and test beats with their labels."""
    problem = ucr.load(_DATA_DIR.value, "ECG5000")
    inputs, labels = problem.dataset.inputs, problem.dataset.targets["label"].astype(np.int32)
    return tuple((inputs[part], labels[part]) for part in (problem.train, ~problem.train))


def trained(model: TimeSeriesClassifier, steps: int, train: tuple[np.ndarray, np.ndarray] | None = None) -> dict:
    """Variables of the network after some steps of Adam, on simulated beats unless there are others to learn from."""
    optimizer = optax.adam(1e-3)
    if train is None:
        inputs, labels = beats(steps * BATCH, 0)
    else:
        order = np.random.default_rng(0).integers(0, len(train[0]), steps * BATCH)
        inputs, labels = train[0][order], train[1][order]
    variables = model.init(jax.random.key(0), inputs[:1])

    def step(carry, batch):
        params, stats, state = carry

        def loss(params):
            variables = {"params": params, "batch_stats": stats}
            logits, new = model.apply(variables, batch[0], train=True, mutable=["batch_stats"])
            return optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]).mean(), new["batch_stats"]

        gradients, stats = jax.grad(loss, has_aux=True)(params)
        updates, state = optimizer.update(gradients, state, params)
        return (optax.apply_updates(params, updates), stats, state), None

    @jax.jit
    def fit(params, stats, inputs, labels):
        batches = inputs.reshape(steps, BATCH, TIME, 1), labels.reshape(steps, BATCH)
        (params, stats, _), _ = jax.lax.scan(step, (params, stats, optimizer.init(params)), batches)
        return {"params": params, "batch_stats": stats}

    return fit(variables["params"], variables["batch_stats"], inputs, labels)


@functools.cache
def _attack(model: TimeSeriesClassifier, width: int):
    return lambda inputs, variables: deepfool(lambda values: model.apply(variables, values), inputs, width=width)


def attack(model: TimeSeriesClassifier, variables: dict, inputs: np.ndarray, width: int) -> Adversarial:
    """Ours, a part of the beats on each device; the labels are the network's own decisions."""
    devices = min(jax.local_device_count(), len(inputs))
    size = -(-len(inputs) // devices)
    parts = inputs[np.arange(devices * size) % len(inputs)].reshape(devices, size, *inputs.shape[1:])
    found = sweeps.over_all(_attack(model, width), (parts,), (variables,))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[: len(inputs)], found)


def _timed(run) -> tuple[float, float]:
    """Seconds by the clock and of all processors."""
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - clock, time.process_time() - processor


def _norms(perturbation: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.asarray(perturbation, np.float64).reshape(len(perturbation), -1), axis=1)


def main(_) -> None:
    logging.set_verbosity(logging.ERROR)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    rivals = {}
    if _RIVALS.value:
        try:
            from benchmarks import shapley_deepfool_torch as theirs
            from benchmarks.time_series_torch import classifier
        except ModuleNotFoundError as error:
            raise SystemExit(
                f"benchmarks.shapley_deepfool compares with foolbox on PyTorch, but {error.name} is not installed: "
                'pip install -c constraints.txt -e ".[bench]", or measure ours alone with --norivals.'
            ) from None
    train = None
    inputs, labels = beats(_BEATS.value, 1)
    if _DATA_DIR.value:
        train, test = real_beats()
        inputs, labels = (part[: _BEATS.value] for part in test)
    if _FEATURES.value and (len(_FEATURES.value) != 3 or not all(number.isdigit() for number in _FEATURES.value)):
        raise SystemExit(f"--features={','.join(_FEATURES.value)}: give 3 numbers, as 8,16,16.")
    sizes = {"channels": tuple(int(number) for number in _FEATURES.value)} if _FEATURES.value else {}
    # What the running statistics start from must be gone after the few steps of this training.
    model = time_series_classifier(_NETWORK.value, CLASSES, momentum=0.9, **sizes)
    variables = trained(model, _TRAIN.value, train)
    begun = time.perf_counter()
    found = attack(model, variables, inputs, _WIDTH.value)
    first = time.perf_counter() - begun
    if _RIVALS.value:
        network = functools.partial(classifier, _NETWORK.value, jax.tree.map(np.asarray, variables), **sizes)
        before = found.decision_before
        rivals = {
            "foolbox": theirs.attack(network(), inputs, before, cores),
            "foolbox, weights without gradients": theirs.attack(network().requires_grad_(False), inputs, before, cores),
        }
    runs = {"jaxfair": lambda: attack(model, variables, inputs, _WIDTH.value)} | rivals
    print(
        f"{_BEATS.value} beats [{TIME}, 1], {_NETWORK.value} {model.backbone.config.channels}, {cores} cores, "
        f"{_TURNS.value} turns; accuracy before {np.mean(found.decision_before == labels):.2f}"
    )
    print(
        f"steps of ours: mean {found.steps.mean():.1f}, median {np.median(found.steps):.0f}, most {found.steps.max()}; "
        f"fooled {found.success.mean():.3f}, ||r||/||x|| {np.mean(found.relative_norm):.4f}; first call {first:.1f} s"
    )
    for name, run in rivals.items():
        changed = run()
        deviation = np.abs(_norms(changed - inputs) / _norms(found.perturbation) - 1)
        print(
            f"{name}: norms differ by {np.median(deviation):.1e} in the median, {deviation.max():.1e} at most, of "
            f"{np.sum(deviation > 0.01)} beats by more than 1 %",
            flush=True,
        )
    times = {name: [] for name in runs}
    for turn in range(_TURNS.value):
        for name, run in runs.items():
            times[name].append(_timed(run))
            print(
                f"turn {turn + 1} {name}: {times[name][-1][0]:.2f} s, {times[name][-1][1]:.2f} processor s", flush=True
            )
    ours = np.array(times.pop("jaxfair"))
    for name, seconds in times.items():
        clock, processor = np.median(np.array(seconds) / ours, axis=0)
        print(f"jaxfair is {clock:.1f} times as fast as {name}, {processor:.1f} times by processor time (medians).")


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    app.run(main)
