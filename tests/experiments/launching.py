"""Starts a study as a user does, on data so small that little but compilation takes time."""

import contextlib
import fcntl
import json
import os
import pathlib
import subprocess
import sys
import time

import pandas as pd
import pytest

from data_pipelines.simulate import beat_classes, ecg

ROOT = pathlib.Path(__file__).parents[2]
SUBJECTS = 105
TINY = [
    f"--config.simulated_subjects={SUBJECTS}",
    *(f"--config.{part}_epochs=2" for part in ("baseline", "age", "adversarial")),
    "--config.bootstrap_resamples=10",
    "--config.mlp_probe_steps=50",
    "--config.channels=(4, 4)",
    "--config.representation=8",
    "--config.disease_hidden=4",
    "--config.joint.epochs=2",
    "--config.joint.ramp_epochs=1",
    "--config.joint.batch_size=32",
]
FEW_ARMS = ["--config.seeds=2", "--config.arms=('no_adversary', 'ncov')", "--config.boosting_seeds=1"]
NO_JOINT = ["--config.joint.alphas=()", "--config.boosting_seeds=0"]

# Of results.parquet, whichever the study.
COLUMNS = ["experiment", "unit", "problem", "task", "member", "seed", "fold", "backbone"]
COLUMNS += ["method", "stage", "epoch", "split", "metric", "value"]
UNITS = {"fraction", "correlation", "share of variance", "years", "nats", "per step"}
TINY_SHAPLEY = [
    "--config.simulated_train=36",
    "--config.simulated_test=12",
    "--config.channels=(4,)",
    "--config.depths=(1,)",
    "--config.depth_splits=1",
    "--config.steps=6",
    "--config.most_steps=6",
    "--config.halves=16",
    "--config.attacked=6",
    "--config.background=4",
    "--config.seeds=2",
    "--config.seeds_at_once=1",
    "--config.peers=()",
]

# Imports once, then runs each case in a fork of its own, as `python -m MODULE` or `python FILE`: seconds less for each.
# A fork ends without tearing its interpreter down, which would first copy every page of what was imported.
_EACH_IN_A_FORK = """
import gc
gc.disable()
import importlib, json, os, pathlib, runpy, sys, traceback
for name in sys.argv[1:]:
    importlib.import_module(name)
gc.freeze()
gc.enable()
codes = {}
for name, (target, *arguments) in json.load(sys.stdin).items():
    child = os.fork()
    if not child:
        for stream, number in (("out", 1), ("err", 2)):
            os.dup2(os.open(f"{name}.{stream}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv = [target, *arguments]
        code = 0
        try:
            if target.endswith(".py"):
                sys.path.insert(0, str(pathlib.Path(target).parent))
                runpy.run_path(target, run_name="__main__")
            else:
                runpy.run_module(target, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    codes[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(codes))
"""


def variant(name="", study="aml"):
    """The flag that chooses a variant."""
    return f"--config={ROOT / 'experiments/configs' / study}.py" + (f":{name}" if name else "")


def environment(folder):
    """A user's environment with its caches in `folder`, and one thread for OpenMP, whose waiting starves the rest."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XLA_", "JAX_", "PYTEST_"))}
    return kept | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": os.environ["XLA_FLAGS"],  # See conftest.py.
        "XDG_CACHE_HOME": str(folder / "cache"),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "programs"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


def start(folder, *arguments, study="aml"):
    """`python -m experiments.STUDY` with `arguments`, to its end, in `folder`."""
    command = [sys.executable, "-m", f"experiments.{study}", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)


def kill_when(folder, condition, *arguments, study="aml"):
    """Starts the command and kills it (kill -9) once `condition()` holds; its return code."""
    command = [sys.executable, "-m", f"experiments.{study}", *arguments]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=folder, env=environment(folder), **quiet) as process:
        while process.poll() is None and not condition():
            time.sleep(0.005)
        process.kill()
    return process.returncode


def start_each(folder, cases, *imported):
    """Starts every case (module or file, and arguments, by name), one after the other, in forks of a process.

    Args:
      folder: In which they run.
      cases: By name; the module of a study is its package's `__main__`.
      imported: What is imported before the forks beside the runner, so that each of them need not.

    Returns:
      Return codes, standard outputs and errors by name.
    """
    done = subprocess.run(
        [sys.executable, "-c", _EACH_IN_A_FORK, "experiments.run.launch", "experiments.run.execute", *imported],
        input=json.dumps(cases),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout.splitlines()[-1])
    read = {name: [(folder / f"{name}.{stream}").read_text() for stream in ("out", "err")] for name in codes}
    return {name: (codes[name], *read[name]) for name in codes}


def start_one(folder, *arguments, study="aml"):
    """Return code, standard output and error of a study that does little, without the seconds of a process's end."""
    module = f"experiments.{study}"
    return start_each(folder, {"one": [module, *arguments]}, f"{module}.study")["one"]


@contextlib.contextmanager
def first_only(folder, name):
    """Whether this is the first process of the test run to come here; the others wait until it is through."""
    with open(folder / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / f"{name}.done"
        yield not done.exists()
        done.touch()


def shared_folder(tmp_path_factory):
    """One folder for all workers of a test run, so that no program is compiled and no run started twice."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "launches"
    folder.mkdir(exist_ok=True)
    return folder


def start_real(study, name, data_dir, data_set, folder, *arguments):
    """The workdir of a variant's run on real data, to its end; skips the test where the data set is not there."""
    if not (pathlib.Path(data_dir) / data_set).is_dir():
        pytest.skip(f"JAXFAIR_DATA_DIR has no {data_set} (BUILD.md)")
    where = [f"--config.data_dir={pathlib.Path(data_dir).resolve()}", f"--workdir={folder / 'run'}"]
    done = start(folder, variant(name, study), *where, *arguments, study=study)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def read(workdir):
    """All tables that a run left, by name."""
    return {path.stem: pd.read_parquet(path) for path in workdir.glob("*.parquet")}


def write_ptbxl(folder):
    """The default variant's cohort as a PTB-XL folder, with two records more: an age of 300, and a cut `.dat`."""
    ecg.write_ptbxl_folder(ecg.simulate(ecg.SimulationConfig(num_subjects=SUBJECTS), seed=0), folder)
    path = folder / "ptbxl_database.csv"
    table = pd.read_csv(path)
    more = table[table["strat_fold"] == 1].head(2).copy()
    for offset, column in ((50_000, "ecg_id"), (50_000.0, "patient_id")):
        more[column] += offset
    more.iloc[0, table.columns.get_loc("age")] = 300
    cut = more.iloc[1]
    more.iloc[1, table.columns.get_loc("filename_lr")] = "records100/cut_lr"
    source = folder / cut["filename_lr"]
    header = source.with_suffix(".hea").read_text().replace(source.name, "cut_lr")
    (folder / "records100/cut_lr.hea").write_text(header)
    (folder / "records100/cut_lr.dat").write_bytes(source.with_suffix(".dat").read_bytes()[:10_000])
    pd.concat([table, more]).to_csv(path, index=False)
    return int(more["ecg_id"].iloc[0]), int(cut["ecg_id"])


def write_ucr(folder, names=("ECG200", "TwoLeadECG")):
    """Small problems in the archive's layout: 36 training and 12 test beats of three classes each."""
    for seed, name in enumerate(names):
        config = beat_classes.BeatClassesConfig(num_train=36, num_test=12, time=32)
        problem = beat_classes.load(config, seed=seed)
        (folder / name).mkdir(parents=True)
        for split, chosen in (("TRAIN", problem.train), ("TEST", ~problem.train)):
            label = problem.dataset.targets["label"][chosen].astype(int) + 1
            table = pd.DataFrame(problem.dataset.inputs[chosen, :, 0])
            table.insert(0, "label", label)
            table.to_csv(folder / name / f"{name}_{split}.tsv", sep="\t", header=False, index=False)
