"""A run that is asked to leave: within seconds, with a sentence, its own exit code, and nobody left behind."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import launching
import pandas as pd
import pytest

from experiments.run.stopping import Stop, Stopped

# What the main thread does meanwhile, and the signals sent to it; with exit code, what is said and what is not.
SCRIPT = """
import hashlib, pathlib, sys, time
from experiments.run import stopping
stopping.GRACE, stopping.HELD = 0.5, 3.0
stop = stopping.Stop("study")
stop.install()

def rest():
    while True:
        time.sleep(0.01)

def computes():  # In C, where no handler of Python's runs.
    hashlib.pbkdf2_hmac("sha512", b"", b"", (1 << 31) - 1)

def held():
    with stop.held():
        while not stop.asked:
            time.sleep(0.01)
        time.sleep(0.3)
        print("saved")
    rest()

def held_and_goes_on():
    with stop.held():
        rest()

def never_unwinds():
    try:
        rest()
    finally:
        rest()

print("ready", flush=True)
try:
    locals()[sys.argv[1]]()
except stopping.Stopped:
    sys.exit(stop.ended())
"""
CASES = {
    "SIGTERM": ("rest", [signal.SIGTERM], 143, "study: stopped by SIGTERM; nothing was computed yet", "saving"),
    "SIGINT": ("rest", [signal.SIGINT], 130, "study: interrupted by Ctrl-C; nothing was computed yet", "Traceback"),
    "SIGHUP": ("rest", [signal.SIGHUP], 129, "study: stopped by SIGHUP; ", "Traceback"),
    "in C": ("computes", [signal.SIGTERM], 143, "study: stopped by SIGTERM; ", "Traceback"),
    "held": ("held", [signal.SIGTERM], 143, "study: saving what is complete, at most 3 seconds;", "Traceback"),
    "held too long": ("held_and_goes_on", [signal.SIGTERM], 143, "study: stopped by SIGTERM; ", "Traceback"),
    "impatient": ("held_and_goes_on", [signal.SIGINT] * 2, 130, "study: interrupted by Ctrl-C; ", "Traceback"),
    "no end": ("never_unwinds", [signal.SIGINT], 130, "study: interrupted by Ctrl-C; ", "Traceback"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """By case: exit code, standard output and error, and the seconds from the first signal to the end; side by side."""
    folder, begun = tmp_path_factory.mktemp("stopping"), {}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = launching.environment(folder)
    for name, (what, signals, *_) in CASES.items():
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, what], cwd=folder, env=environment, **pipes)
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        begun[name] = process, time.monotonic()
        for number in signals:
            process.send_signal(number)
            time.sleep(0.2 * (len(signals) > 1))
    done = {}
    for name, (process, since) in begun.items():
        out, error = process.communicate(timeout=60)
        done[name] = process.returncode, out, error, time.monotonic() - since
    return done


@pytest.mark.parametrize("name", CASES)
def test_a_signal_ends_the_process_with_a_sentence_and_its_code(outcomes, name):
    _, _, code, expected, absent = CASES[name]
    returned, out, error, seconds = outcomes[name]
    assert returned == code, error
    assert expected in error
    assert error.count("the same command starts again.") == 1
    assert absent not in error
    assert seconds < 10
    assert ("saved" in out) == (name == "held")


def test_what_the_process_was_started_to_ignore_stays_ignored(tmp_path):
    script = SCRIPT.replace("\n", "\nimport signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n", 1)
    command = [sys.executable, "-c", script, "rest"]
    with subprocess.Popen(command, env=launching.environment(tmp_path), stdout=-1, stderr=-1, text=True) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert process.poll() is None
        process.terminate()
        assert process.wait(timeout=10) == 143


def test_nothing_is_asked_before_a_signal_and_held_passes_errors():
    stop = Stop("study")
    assert not stop.asked
    stop.leave_if_asked()
    with pytest.raises(ZeroDivisionError), stop.held():
        _ = 1 / 0
    assert not issubclass(Stopped, Exception)  # Handlers of errors let it pass.


def _children(pid):
    """Who descends from a process, of those that are alive."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *_children(int(child))]
    return found


def _alive(pids):
    states = []
    for pid in pids:
        try:
            states.append(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0])
        except OSError:
            continue
    return [state for state in states if state != "Z"]


def stopped_when(folder, condition, number, *arguments, group=False):
    """Sends a signal to the age study once `condition(process)` holds: code, error, seconds to the end, who is left."""
    command = [sys.executable, "-m", "experiments.aml", *arguments]
    environment = launching.environment(folder) | {"JAX_COMPILATION_CACHE_DIR": str(folder / "own programs")}
    with (
        open(folder / "stopped.err", "w+") as error,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=error, start_new_session=True
        ) as process,
    ):
        while not condition(process):
            assert process.poll() is None, pathlib.Path(error.name).read_text()
            time.sleep(0.02)
        children, begun = _children(process.pid), time.monotonic()
        os.killpg(process.pid, number) if group else process.send_signal(number)
        code, seconds = process.wait(timeout=60), time.monotonic() - begun
    until = time.monotonic() + 5
    while _alive(children) and time.monotonic() < until:
        time.sleep(0.02)
    return code, pathlib.Path(error.name).read_text(), seconds, _alive(children)


PREPARATION = {
    "Ctrl-C at a terminal": (signal.SIGINT, True, 130, 4),
    "SIGTERM to the process": (signal.SIGTERM, False, 143, 10),
    "SIGTERM to the job": (signal.SIGTERM, True, 143, 10),
    "kill -9": (signal.SIGKILL, False, -9, 10),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PREPARATION)
def test_no_worker_is_left_by_the_preparation_of_data(tmp_path, name):
    number, group, expected, limit = PREPARATION[name]

    def prepares(process):  # Some records are done.
        return re.search(r"average beats: .*\| [1-9]\d*/", (tmp_path / "stopped.err").read_text())

    arguments = ["--config.simulated_subjects=3000", f"--workdir={tmp_path / 'run'}"]
    code, error, seconds, left = stopped_when(tmp_path, prepares, number, *arguments, group=group)
    assert code == expected, error
    assert not left
    assert seconds < limit
    if expected > 0:
        assert "0 of 5 parts; the same command again goes on from there." in error
        assert "Traceback" not in error
    assert not (tmp_path / "run" / "error.txt").exists()


@pytest.mark.slow
def test_stopped_while_it_compiles_and_while_it_trains_a_run_ends_as_an_undisturbed_one(folder, tmp_path):
    few = [*launching.TINY, *launching.FEW_ARMS, *launching.NO_JOINT, "--config.baseline_epochs=400"]
    undisturbed = launching.start(folder, *few, f"--workdir={tmp_path / 'undisturbed'}")
    assert undisturbed.returncode == 0, undisturbed.stderr
    workdir = tmp_path / "run"
    arguments = [*few, f"--workdir={workdir}"]

    def compiles(process):
        if not (workdir / "parts" / "cohort").exists():
            return False
        time.sleep(1.0)  # Tracing is over, and nothing has trained.
        return not list(workdir.glob("checkpoints/baseline/*"))

    code, error, seconds, left = stopped_when(tmp_path, compiles, signal.SIGTERM, *arguments)
    assert (code, left) == (143, []), error
    assert seconds < 10
    assert f"aml: stopped by SIGTERM; {workdir} holds 1 of 4 parts" in error

    def trains(process):  # Some epochs are done.
        return re.search(r"baseline: .*\| [1-9]\d*/", (tmp_path / "stopped.err").read_text())

    code, error, seconds, left = stopped_when(tmp_path, trains, signal.SIGTERM, *arguments)
    assert (code, left) == (143, []), error
    assert seconds < 10
    assert "holds 1 of 4 parts, the last checkpoint of " in error
    assert "Traceback" not in error
    done = launching.start(folder, *arguments)
    assert done.returncode == 0, done.stderr
    for name, table in launching.read(tmp_path / "undisturbed").items():
        pd.testing.assert_frame_equal(pd.read_parquet(workdir / f"{name}.parquet"), table, check_exact=True)
