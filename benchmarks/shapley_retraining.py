"""Retrainings per minute for data Shapley on 100 beats: ours against pyDVL with scikit-learn, on the same cores.

    python3 -m venv .venv-pydvl && .venv-pydvl/bin/pip install "pyDVL>=0.10"
    python -m benchmarks.shapley_retraining --pydvl=.venv-pydvl/bin/python                  # simulated beats
    python -m benchmarks.shapley_retraining --pydvl=.venv-pydvl/bin/python --data_dir=DIR   # ECG200 of the UCR archive
    python -m benchmarks.shapley_retraining                                                 # without pyDVL

Each retraining is a network of one hidden layer (32 ReLUs) with Adam at 0.01, batches of 16 and 50 epochs, worth its
accuracy on the test beats; ours starts from Glorot's uniform weights as scikit-learn's MLPClassifier does. Both add the
samples one by one in random orders and retrain for every prefix, nothing is truncated. pyDVL uses one process a core;
its retrainings are counted where they happen. It has an environment of its own, as it wants an older NumPy than JAX.
Both take turns in one run, so that a turn's ratio compares the same moments.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import time

# As in experiments/run/devices.py: one single-threaded XLA device a core. Has to be set before JAX starts.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import app, flags, logging
from scipy import stats

from data_pipelines import ucr
from data_pipelines.simulate import beat_classes
from jaxfair import training
from jaxfair.attribution import retraining

_DATA_DIR = flags.DEFINE_string("data_dir", None, "The UCR archive's folder.")
_PAIRS = flags.DEFINE_integer("pairs", 10, "Orders, each with its reverse, of ours in a turn.", lower_bound=1)
_THEIRS = flags.DEFINE_integer("their_orders", 4, "Orders of pyDVL's in a turn.", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 3, "How often both are measured.", lower_bound=1)
_PYDVL = flags.DEFINE_string("pydvl", None, "Python of an environment with pyDVL, to measure that too.")

HIDDEN, EPOCHS, BATCH, RATE = 32, 50, 16, 0.01


def beats() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs `[example, time]`, labels 0 or 1, and which are training samples."""
    if _DATA_DIR.value is None:
        config = beat_classes.BeatClassesConfig(num_classes=2, num_train=100, num_test=100)
        problem = beat_classes.load(config, seed=0)
    else:
        problem = ucr.load(_DATA_DIR.value, "ECG200")
    inputs = np.asarray(problem.dataset.inputs)[..., 0].astype(np.float32)
    return inputs, np.asarray(problem.dataset.targets["label"]).astype(np.float32), problem.train


def logits(params: dict, inputs: jax.Array) -> jax.Array:
    """`[batch, time]` to `[batch]`."""
    hidden = jax.nn.relu(inputs @ params["net"]["kernel"] + params["net"]["bias"])
    return hidden @ params["net"]["out"] + params["net"]["shift"]


def stage(time_: int, num_batches: int) -> training.Stage:
    """Adam on the mean cross-entropy of a batch."""

    def init(member, previous, data, key):
        wide, narrow = np.sqrt(6 / (time_ + HIDDEN)), np.sqrt(6 / (HIDDEN + 1))
        shapes = {"kernel": (time_, HIDDEN), "bias": (HIDDEN,), "out": (HIDDEN,), "shift": ()}
        bounds = {"kernel": wide, "bias": wide, "out": narrow, "shift": narrow}
        net = {
            name: bounds[name] * jax.random.uniform(jax.random.fold_in(key, number), shape, minval=-1)
            for number, (name, shape) in enumerate(shapes.items())
        }
        return {"variables": {"params": {"net": net}}}

    def loss(variables, state, member, data, batch, key, epoch):
        found = logits(variables["params"], data["inputs"][batch.indices])
        losses = optax.sigmoid_binary_cross_entropy(found, data["labels"][batch.indices])
        return jnp.where(batch.mask, losses, 0).sum() / jnp.maximum(batch.mask.sum(), 1), {}

    return training.descent(
        "fit",
        EPOCHS,
        init=init,
        loss=loss,
        trained=("net",),
        optimizer=lambda member: optax.adam(RATE),
        batch_size=BATCH,
        num_batches=num_batches,
    )


def accuracy(member: training.Member, state: dict, data: dict) -> jax.Array:
    """On what the member is evaluated on."""
    right = (logits(state["variables"]["params"], data["inputs"]) > 0) == (data["labels"] > 0.5)
    return jnp.where(member.evaluate, right, False).sum() / member.evaluate.sum()


class Rival:
    """pyDVL's process, which answers seeds with values."""

    def __init__(self, python: str, folder: str, inputs: np.ndarray, labels: np.ndarray, train: np.ndarray):
        file = pathlib.Path(folder) / "beats.npz"
        np.savez(file, inputs=inputs, labels=labels, train=train)
        sizes = {"hidden": HIDDEN, "epochs": EPOCHS, "batch": BATCH, "rate": RATE}
        sizes |= {"orders": _THEIRS.value, "cores": jax.local_device_count()}
        command = [python, str(pathlib.Path(__file__).with_name("shapley_retraining_pydvl.py")), str(file)]
        command += [f"--{name}={value}" for name, value in sizes.items()]
        # Its environment is its own, and a process of its pool has one core.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.accuracy = self._answer()["accuracy"]

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"benchmarks.shapley_retraining: {_PYDVL.value} ended early; see its message above.")
        return json.loads(line)

    def values(self, seed: int) -> dict:
        """Values `[sample]`, the number of fits and the seconds of some orders."""
        self.process.stdin.write(f"{seed}\n")
        self.process.stdin.flush()
        return self._answer()


def main(_) -> None:
    logging.set_verbosity(logging.ERROR)
    inputs, labels, train = beats()
    players = np.flatnonzero(train)
    data = {"inputs": inputs, "labels": labels}
    stages = [stage(inputs.shape[1], training.num_batches(train, BATCH))]
    worth_of = retraining.worth_by_retraining(stages, accuracy, data, jax.random.key(0), players, ~train)
    every_player = np.ones((1, len(players)), bool)
    begun = time.perf_counter()
    own = float(worth_of(every_player)[0])
    print(
        f"{len(players)} samples [{inputs.shape[1]}], {(~train).sum()} test beats, {jax.local_device_count()} devices"
    )
    print(f"ours trained on all: accuracy {own:.3f}; first call {time.perf_counter() - begun:.1f} s", flush=True)
    found, others, ratios = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        rival = Rival(_PYDVL.value, folder, inputs, labels, train) if _PYDVL.value else None
        if rival:
            print(f"scikit-learn's trained on all: accuracy {rival.accuracy:.3f}", flush=True)
            others.append(rival.values(0)["values"])  # Starts the pool too.
        for turn in range(_TURNS.value):
            key = jax.random.key(turn + 1)
            begun = time.perf_counter()
            estimate = retraining.sampled_semivalues(worth_of, len(players), key, num_pairs=_PAIRS.value)
            # The empty and the whole subset once, the other prefixes of every order.
            rate = 60 * (2 + 2 * _PAIRS.value * (len(players) - 1)) / (time.perf_counter() - begun)
            found.append(np.asarray(estimate.values))
            print(f"turn {turn}: ours {rate:.0f} retrainings a minute", end="", flush=True)
            if rival:
                answer = rival.values(turn + 1)
                others.append(answer["values"])
                their_rate = 60 * answer["fits"] / answer["seconds"]
                ratios.append(rate / their_rate)
                print(f", pyDVL {their_rate:.0f}, ratio {ratios[-1]:.1f}", end="", flush=True)
            print()
        if rival:
            rival.process.stdin.close()
            rival.process.wait()
    if ratios:
        print(f"ours retrains {np.median(ratios):.1f} times as often as pyDVL (median of {len(ratios)} turns)")
        ranks = stats.spearmanr(np.mean(others, axis=0), np.mean(found, axis=0)).statistic
        orders = _THEIRS.value * len(others)
        key, most = jax.random.key(0), 2 * _PAIRS.value * len(found)
        alike = retraining.sampled_semivalues(worth_of, len(players), key, num_pairs=max(1, orders // 2)).values
        noise = stats.spearmanr(alike, np.mean(found, axis=0)).statistic
        print(f"rank correlation with our values of {most} orders: pyDVL's of {orders} orders or somewhat more "
              f"{ranks:.2f}, ours of {orders} other orders {noise:.2f}")  # fmt: skip


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    app.run(main)
