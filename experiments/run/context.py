"""A started run: its configuration, data, devices, progress bars, and what it writes about itself."""

import contextlib
import functools
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import Any

from absl import flags

from experiments.run.clock import Clock
from experiments.run.folder import read_json, write_json
from experiments.run.stopping import Stop
from experiments.run.study import Study

_WIDTH = flags.DEFINE_integer(
    "width",
    None,
    "Members that train together on a device. By default 1 on CPU, else measured.",
    lower_bound=1,
    upper_bound=1_000_000,
)
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy", "scikit-learn", "pandas")


class Context:
    """A started run.

    Attributes:
      study: The study.
      config: The configuration (`ml_collections.ConfigDict`).
      workdir: The folder.
      clock: Where the seconds go.
      widths: The member width of each sweep of the part that is being computed.
      discarded: Checkpoint folders that are not needed once that part is complete.
      stop: Whether the process was asked to leave.
    """

    def __init__(self, study: Study, config: Any, workdir: pathlib.Path, stop: Stop | None = None):
        self.study, self.config, self.workdir, self.stop = study, config, workdir, stop or Stop(study.name)
        self.clock, self.widths, self.discarded = Clock(), {}, []
        self._started, self._counted = time.time(), False

    @functools.cached_property
    def data(self) -> Any:
        """The study's data, loaded at the first use."""
        with self.clock.timed("data"):
            return self.study.load(self.config)

    @contextlib.contextmanager
    def bar(self, name: str, total: int, unit: str = "member", kind: str = "evaluation") -> Iterator[Any]:
        """A progress bar with time left, around work of a kind."""
        import tqdm

        with (
            self.clock.timed(kind),
            tqdm.tqdm(total=total, desc=name, unit=unit, dynamic_ncols=True, smoothing=0.1) as bar,
        ):
            yield bar

    @contextlib.contextmanager
    def progress(self, name: str, stages: Sequence[Any], num_members: int) -> Iterator[Callable[[Any], None]]:
        """A progress bar over the epochs of a sweep, to be given to `sweeps.sweep` as `on_segment`.

        A process that is asked to leave in the meantime leaves after the segment that runs.
        """
        total = sum(stage.num_epochs for stage in stages)
        with self.stop.held(), self.bar(f"{name}: {num_members} members", total, "epoch", "training") as bar:

            def on_segment(progress):
                done = round(progress.share * total)  # Where members wait for places none is at the bar's epoch.
                if progress.resumed:
                    bar.initial = bar.n = done  # Of this process's time none went into these.
                    bar.refresh()
                bar.update(done - bar.n)
                if progress.diverged:
                    bar.set_postfix_str(f"{progress.diverged} diverged")
                self.stop.leave_if_asked()  # What was computed is saved.

            yield on_segment

    @property
    def width_is_known(self) -> bool:
        """Whether the width need not be measured: it is given, or the devices are CPUs."""
        import jax

        return _WIDTH.value is not None or jax.local_devices()[0].platform == "cpu"

    def placement(self, tune: Callable[[pathlib.Path], Any]) -> Any:
        """Devices and width: from the flag, else 1 on a CPU, else `tune(where to remember)`."""
        import jax

        from jaxfair.sweeps import Placement, default_placement

        devices = tuple(jax.local_devices())
        if _WIDTH.value is not None:
            return Placement(devices, _WIDTH.value)
        if devices[0].platform == "cpu":
            return default_placement(devices)
        return tune(self.workdir / "widths.json")

    def record(self) -> dict[str, Any]:
        """How the part that ends now was computed, for its folder; the next one begins with an empty record."""
        import jax

        device = jax.local_devices()[0]
        record = {
            "seconds": self.clock.lap(),
            "width": self.widths,
            "device": f"{jax.local_device_count()} × {device.device_kind}",
            "git_commit": _git_commit(),
        }
        self.widths = {}
        return record

    def write_environment(self, records: dict[str, dict[str, Any]]) -> None:
        """Writes environment.json: what ran, on what, how long.

        Args:
          records: By part, its record; `run` holds what belongs to no part.
        """
        import jax

        device = jax.local_devices()[0]
        path, earlier = self.workdir / "environment.json", {}
        try:
            earlier = read_json(path) or {}
        except ValueError:
            sentence = f"{path} is damaged; it is written anew, without what earlier starts had noted."
            warnings.warn(sentence, RuntimeWarning, stacklevel=2)
        commits = [record.get("git_commit") for record in records.values()]
        write_json(
            path,
            {
                "command": shlex.join(["python", "-m", f"experiments.{self.study.name}", *sys.argv[1:]]),
                "started": earlier.get("started") or time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self._started)),
                "starts": earlier.get("starts", 0) + (not self._counted),
                # All that had a part in it, where a run was resumed by other code.
                "git_commit": _joined(earlier.get("git_commit"), *commits, _git_commit()),
                "versions": {"python": platform.python_version()}
                | {name: metadata.version(name) for name in _PACKAGES},
                "platform": device.platform,
                "device_kind": device.device_kind,
                "device_count": jax.local_device_count(),
                "cpu_cores": os.cpu_count(),
                "xla_flags": os.environ.get("XLA_FLAGS", ""),
                "width": {
                    name: width for record in records.values() for name, width in record.get("width", {}).items()
                },
                "seconds": {name: record["seconds"] for name, record in records.items() if record.get("seconds")},
            },
        )
        self._counted = True


def _joined(earlier, *now):
    """Names already listed and others, each once."""
    names = [*(earlier or "").split(", "), *now]
    return ", ".join(dict.fromkeys(filter(None, names))) or None


@functools.cache
def _git_commit():
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
