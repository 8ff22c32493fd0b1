"""A started run: its clock, bars, devices and what it writes about itself."""

import contextlib
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import Any

from absl import flags

from experiments.workdir import read_json, write_json

_WIDTH = flags.DEFINE_integer(
    "width", None, "Members that train together on a device. By default 1 on CPU, else measured."
)


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
        self._started, self._seconds, self._counted = time.time(), {}, False

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
        total = sum(stage.num_epochs for stage in stages)
        with self.bar(f"{name}: {num_members} members", total, "epoch") as bar:

            def on_segment(progress):
                done = round(progress.share * total)  # Where members wait for places none is at the bar's epoch.
                if progress.resumed:
                    bar.initial = bar.n = done  # Of this process's time none went into these.
                    bar.refresh()
                bar.update(done - bar.n)
                if progress.diverged:
                    bar.set_postfix_str(f"{progress.diverged} diverged")

            yield on_segment

    def placement(self, tune: Callable[[pathlib.Path], Any]) -> Any:
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
        earlier = read_json(self.workdir / "environment.json") or {}
        seconds = earlier.get("seconds", {})
        for part, value in self._seconds.items():
            seconds[part] = round(seconds.get(part, 0) + value, 2)
        self._seconds = {}
        write_json(
            self.workdir / "environment.json",
            {
                "command": shlex.join(["python", "-m", f"experiments.{self.study}", *sys.argv[1:]]),
                "started": earlier.get("started") or time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self._started)),
                "starts": earlier.get("starts", 0) + (not self._counted),
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
