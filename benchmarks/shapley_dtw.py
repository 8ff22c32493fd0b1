"""1-NN dynamic time warping on series of ECG5000's shape: ours against the numba code of aeon and of tslearn.

    python -m benchmarks.shapley_dtw                                # random walks, 1,000 queries, 500 references
    python -m benchmarks.shapley_dtw --data_dir=DIR --queries=4500  # ECG5000 itself; DIR is the UCR archive's folder

Everything is measured in one run on all cores, turn by turn, after a first turn that compiles; the medians of the turns
are compared. All compute every distance in full and look for the least: none stops early. The extra `bench_dtw`
installs the others, without constraints.txt.
"""

import os
import time

# As in experiments/run/devices.py: one single-threaded XLA device a core. Has to be set before JAX starts.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import numpy as np
from absl import app, flags, logging

from data_pipelines import ucr
from jaxfair.models.nearest_neighbour import nearest_neighbour

_DATA_DIR = flags.DEFINE_string("data_dir", None, "The UCR archive's folder, or the folder above it.")
_QUERIES = flags.DEFINE_integer("queries", 1000, "Series to classify, of ECG5000's 4,500.")
_REFERENCES = flags.DEFINE_integer("references", 500, "Series to compare with, of ECG5000's 500.")
_TURNS = flags.DEFINE_integer("turns", 5, "How often everything is measured.")

TIME = 140


def series() -> tuple[np.ndarray, np.ndarray]:
    """Queries and references `[series, time]` float64."""
    if _DATA_DIR.value is None:
        rng = np.random.default_rng(0)
        return tuple(
            rng.normal(size=(count, TIME)).cumsum(axis=1) / TIME**0.5 for count in (_QUERIES.value, _REFERENCES.value)
        )
    train, test = map(np.loadtxt, ucr.find_files(_DATA_DIR.value, "ECG5000"))
    return test[: _QUERIES.value, 1:], train[: _REFERENCES.value, 1:]


def contestants(queries: np.ndarray, references: np.ndarray) -> dict:
    """Functions that return the index of each query's nearest reference and its distance, not rooted."""
    import numba
    from aeon.distances import dtw_pairwise_distance
    from tslearn.metrics import cdist_dtw

    numba.set_num_threads(min(_cores(), numba.config.NUMBA_NUM_THREADS))

    def nearest(distances):
        return distances.argmin(axis=1), distances.min(axis=1)

    return {
        "jaxfair": lambda: nearest_neighbour(queries, references),
        "aeon": lambda: nearest(dtw_pairwise_distance(queries, references, n_jobs=_cores())),
        "tslearn": lambda: nearest(np.square(cdist_dtw(queries, references, n_jobs=-1))),
    }


def main(_) -> None:
    logging.set_verbosity(logging.ERROR)
    queries, references = series()
    runs = contestants(queries, references)
    found = {name: run() for name, run in runs.items()}
    seconds = {name: [] for name in runs}
    for turn in range(_TURNS.value):
        for name, run in runs.items():
            begun = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begun)
            print(f"turn {turn + 1} of {_TURNS.value}: {name} {seconds[name][-1]:.2f} s", flush=True)
    pairs = len(queries) * len(references)
    print(f"\n{len(queries)} queries x {len(references)} references of {queries.shape[1]} samples; {_cores()} cores")
    for name, (indices, distances) in found.items():
        same = np.mean(indices == found["aeon"][0])
        deviation = np.max(np.abs(distances / found["aeon"][1] - 1))
        each = np.median(seconds[name])
        print(
            f"{name:8s} {each:8.2f} s, {each / pairs * 1e6:7.2f} µs a pair; neighbours as aeon's {same:.2%}, "
            f"distances to {deviation:.0e}"
        )
    medians = {name: np.median(each) for name, each in seconds.items() if name != "jaxfair"}
    best = min(medians, key=medians.get)
    print(f"jaxfair is {medians[best] / np.median(seconds['jaxfair']):.2f} times as fast as {best}.")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", _cores())
    app.run(main)
