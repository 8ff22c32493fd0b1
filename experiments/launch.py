"""Starts a study: flags, devices, the work folder, errors. The only file that touches the process's environment."""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import platform
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import Any

from absl import app, flags, logging
from ml_collections import config_flags

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of this run. By default runs/STUDY-VARIANT.")
_CPU_DEVICES = flags.DEFINE_integer("cpu_devices", None, "XLA devices to make of the CPU. By default one per core.")
_WIDTH = flags.DEFINE_integer(
    "width", None, "Members that train together on a device. By default 1 on CPU, else measured."
)
_DEBUG = flags.DEFINE_bool("debug", False, "Show the full traceback of every error.")

# One single-threaded XLA device per core beats one device with all cores by 1.6 times for the small matrices of these
# networks (design: 0.76 against 1.2 ms a step and member).
_CPU_FLAGS = "--xla_cpu_multi_thread_eigen=false"


class Launched:
    """A started run: its configuration, folder, placement and clock.

    Attributes:
      study: The study's short name.
      config: The configuration (`ml_collections.ConfigDict`).
      workdir: The folder, which no other process uses while this one runs.
    """

    def __init__(self, study: str, config: Any, workdir: pathlib.Path):
        self.study, self.config, self.workdir = study, config, workdir
        self.width: dict[str, int] = {}
        self._started, self._seconds = time.time(), {}

    @contextlib.contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Adds the time within to the part's seconds in environment.json."""
        start = time.perf_counter()
        yield
        self._seconds[part] = round(self._seconds.get(part, 0) + time.perf_counter() - start, 2)

    @contextlib.contextmanager
    def bar(self, name: str, total: int, unit: str = "member") -> Iterator[Any]:
        """A progress bar with time left."""
        import tqdm

        with tqdm.tqdm(total=total, desc=name, unit=unit, dynamic_ncols=True, smoothing=0.1) as bar:
            yield bar

    @contextlib.contextmanager
    def progress(self, name: str, stages: Sequence[Any], num_members: int) -> Iterator[Callable[[Any], None]]:
        """A progress bar over the epochs of a sweep, to be given to `sweeps.sweep` as `on_segment`."""
        before, total = {}, 0
        for stage in stages:
            before[stage.name] = total
            total += stage.num_epochs
        with self.bar(f"{name}: {num_members} members", total, "epoch") as bar:

            def on_segment(progress):
                done = before[progress.stage] + progress.epoch
                if progress.resumed:
                    bar.initial = bar.n = done  # Of this process's time none went into these.
                    bar.refresh()
                bar.update(done - bar.n)
                if progress.diverged:
                    bar.set_postfix_str(f"{progress.diverged} diverged")

            yield on_segment

    def placement(self, tune: Callable[[str], Any]) -> Any:
        """Devices and width: from the flag, else 1 on a CPU, else `tune(where to remember)`."""
        import jax

        from jaxfair.sweeps import Placement, default_placement

        devices = tuple(jax.local_devices())
        if _WIDTH.value is not None:
            if _WIDTH.value < 1:
                raise ValueError(f"--width={_WIDTH.value}: give a positive number of members.")
            return Placement(devices, _WIDTH.value)
        if devices[0].platform == "cpu":
            return default_placement(devices)
        return tune(self.workdir / "widths.json")

    def write_environment(self) -> None:
        """Writes environment.json: what ran, on what, how long."""
        import jax

        names = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy", "scikit-learn", "pandas")
        device = jax.local_devices()[0]
        earlier = _read_json(self.workdir / "environment.json") or {}
        seconds = earlier.get("seconds", {})
        for part, value in self._seconds.items():
            seconds[part] = round(seconds.get(part, 0) + value, 2)
        self._seconds = {}
        write_json(
            self.workdir / "environment.json",
            {
                "command": " ".join(["python -m", f"experiments.{self.study}", *sys.argv[1:]]),
                "started": earlier.get("started") or time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self._started)),
                "starts": earlier.get("starts", 0) + (0 if getattr(self, "_counted", False) else 1),
                # All that had a part in it, where a run was resumed by other code.
                "git_commit": _joined(earlier.get("git_commit"), _git_commit()),
                "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in names},
                "platform": device.platform,
                "device_kind": device.device_kind,
                "device_count": jax.local_device_count(),
                "cpu_cores": os.cpu_count(),
                "xla_flags": os.environ.get("XLA_FLAGS", ""),
                "width": self.width,
                "seconds": seconds,
            },
        )
        self._counted = True


def main(study: str, run: Callable[[Launched], None], finished: Callable[[Launched], None]) -> None:
    """Parses the flags, prepares devices and folder, and runs a study.

    Args:
      study: The short name; its configurations are in experiments/configs/STUDY.py.
      run: The study.
      finished: Called instead of `run` for a folder whose run is complete: prints its results.
    """
    file = pathlib.Path(__file__).parent / "configs" / f"{study}.py"  # Found from every current folder.
    with _in_one_sentence(study):  # The overrides of the default variant's fields are looked at here already.
        config = config_flags.DEFINE_config_file("config", str(file), "Configuration[:VARIANT].")

    def start(_):
        chosen = config.value
        name = "-".join([study, chosen.variant] if chosen.variant else [study])
        workdir = pathlib.Path(_WORKDIR.value or pathlib.Path("runs") / name)
        with explained(study, workdir):
            _prepare_process()
            workdir.mkdir(parents=True, exist_ok=True)
            with _alone(workdir):
                launched = Launched(study, chosen, workdir)
                _same_configuration(workdir, chosen)
                if (workdir / "finished.json").exists():
                    finished(launched)
                    return
                run(launched)
                write_json(workdir / "finished.json", {"finished": time.strftime("%Y-%m-%d %H:%M:%S")})
                (workdir / "error.txt").unlink(missing_ok=True)  # Of a start before the one that got through.
                finished(launched)

    try:
        app.run(start, flags_parser=lambda argv: _parse(study, argv))
    except KeyboardInterrupt:
        sys.exit(f"{study}: interrupted; the same command again goes on from the last checkpoint.")


@contextlib.contextmanager
def explained(study: str, workdir: pathlib.Path) -> Iterator[None]:
    """Turns an error into one sentence and exit code 1; the traceback goes to error.txt in the folder."""
    try:
        yield
    except Exception as error:
        if _DEBUG.value:
            raise
        sentence = str(error).strip() or type(error).__name__
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            sentence = (
                f"the disk is full ({error.filename or workdir}); nothing half-written counts. Free some space and "
                "start the same command again."
            )
        elif isinstance(error, FileNotFoundError) and error.filename:
            sentence = f"{error.filename} is missing."
        elif not isinstance(error, (ValueError, OSError, RuntimeError)):
            sentence = f"{type(error).__name__}: {sentence}"
        where = ""
        with contextlib.suppress(OSError):
            (workdir / "error.txt").write_text(traceback.format_exc())
            where = f"\n(Traceback: {workdir / 'error.txt'}, or use --debug.)"
        sys.exit(f"{study}: {sentence}{where}")


def write_json(path: pathlib.Path, content: Any) -> None:
    """Writes a JSON file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(part, path)


def _parse(study, argv):
    """absl's own parser, but any mistake in flags or configuration is one sentence."""
    with _in_one_sentence(study):
        rest = flags.FLAGS(argv)
        _ = flags.FLAGS.config.variant  # A file that could not be loaded says so only when it is looked into.
    if len(rest) > 1:
        sys.exit(f"{study}: {rest[1]!r} is no flag; flags begin with --, as in --config.seeds=3 (--help lists all).")
    return rest


@contextlib.contextmanager
def _in_one_sentence(study):
    try:
        yield
    except (flags.Error, ValueError, AttributeError, KeyError, TypeError, OSError) as error:
        sys.exit(f"{study}: {_sentence(error)}")


def _sentence(error):
    """A parser's complaint on one line; of a traceback that it quotes only the last line, which says what is wrong."""
    text = str(error)
    if isinstance(error, (AttributeError, KeyError)):  # Its text is the representation of another error's text.
        text = text.strip("'").replace("\\'", "'").replace("\\n", ". ")
        return f"the configuration has no field {text}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(line.startswith("Traceback") for line in lines):
        return lines[-1].partition(": ")[2] or lines[-1]
    return " ".join(lines)


def _prepare_process():
    # Orbax and TFDS tell their steps, and errors that they raise besides; a progress bar and one sentence tell ours.
    logging.set_verbosity(logging.FATAL)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "xla_cpu_multi_thread_eigen" not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_CPU_FLAGS}".strip()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    import jax

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jax.config.update("jax_num_cpu_devices", _CPU_DEVICES.value or cores)


@contextlib.contextmanager
def _alone(workdir):
    """Holds the folder's lock, which the system releases however the process ends."""
    with open(workdir / ".lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise RuntimeError(
                f"{workdir}: process {lock.read().strip() or '(unknown)'} is running in this folder; wait for it, "
                "or use another --workdir."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _same_configuration(workdir, config):
    content = json.loads(config.to_json_best_effort())
    earlier = _read_json(workdir / "config.json")
    if earlier is None:
        if any((workdir / name).exists() for name in ("checkpoints", "results.parquet")):
            raise ValueError(f"{workdir}: has results but no config.json; use another --workdir.")
        write_json(workdir / "config.json", content)
        return
    old, new = _flat(earlier), _flat(content)
    changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    if changed:
        listed = "; ".join(f"{name} was {old.get(name)!r}, is {new.get(name)!r}" for name in changed[:5])
        raise ValueError(
            f"{workdir}: holds a run of another configuration ({listed}); use another --workdir, or the same "
            "configuration to go on."
        )


def _flat(content, prefix=""):
    if not isinstance(content, dict):
        return {prefix: content}
    flat = {}
    for name, value in content.items():
        flat |= _flat(value, f"{prefix}.{name}" if prefix else name)
    return flat


def _read_json(path):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: is no JSON ({error}); delete the folder or restore the file.") from None


def _joined(earlier, now):
    """Names already listed and another one, each once."""
    names = [*(earlier or "").split(", "), now]
    return ", ".join(dict.fromkeys(filter(None, names))) or None


def _git_commit():
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
