"""How many members should advance together on a device: measured once per program and device, then remembered."""

import functools
import hashlib
import json
import os
import pathlib
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxfair.sweeps.engine import sweep
from jaxfair.sweeps.placement import Placement, default_placement
from jaxfair.training import Member, Stage, begin


def tune_width(
    stage: Stage,
    members: Member,
    data: Any,
    *,
    previous: Any = None,
    devices: Sequence[jax.Device] | None = None,
    widths: Sequence[int] | None = None,
    remember: str | os.PathLike | None = None,
) -> Placement:
    """The placement whose width trains the most members per second.

    Each width runs two segments of one epoch, of which the second is timed (the first one compiles), on as many
    members as fill every device once. Widths are tried upwards until one is slower per member than the best by a
    tenth, or does not fit into memory. On CPU devices nothing is measured unless `widths` is given: 1 is best there
    (see `placement.default_placement`).

    Args:
      stage: The stage whose program counts, the longest one.
      members: The members to be trained.
      data: As for `sweep`.
      previous: As for `sweep`.
      devices: By default all local ones.
      widths: Candidates, ascending. By default 1, 4, 16, ... and all.
      remember: A JSON file that holds earlier answers, and receives this one.

    Returns:
      The devices with the width chosen.

    Raises:
      RuntimeError: Not even the narrowest width fits into memory.
    """
    devices = tuple(devices or jax.local_devices())
    if widths is None and devices[0].platform == "cpu":
        return default_placement(devices)
    num_members = len(members.key)
    share = -(-num_members // len(devices))
    widths = widths or sorted({width for width in (4**power for power in range(8)) if width < share} | {share})
    known = _read(remember)
    program = _program(stage, members, data, previous, devices)
    if known.get(program) in widths:
        return Placement(devices, known[program])

    two_epochs = Stage(f"{stage.name} (width)", 2, stage.init, stage.epoch, stage.stopped)
    best_width, best_seconds = None, np.inf
    for width in widths:
        count = min(num_members, width * len(devices))
        some, before = jax.tree.map(lambda leaf, count=count: leaf[:count], (members, previous))
        moments = []
        try:
            sweep(
                [two_epochs],
                some,
                data,
                previous=before,
                placement=Placement(devices, width),
                segments=2,
                on_segment=lambda _, moments=moments: moments.append(time.perf_counter()),
            )
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            break
        seconds = (moments[-1] - moments[0]) / count
        if seconds < best_seconds:
            best_width, best_seconds = width, seconds
        elif seconds > 1.1 * best_seconds:
            break
    if best_width is None:
        raise RuntimeError(
            f"tune_width: stage {stage.name!r} does not fit into the memory of a {devices[0].device_kind} even with "
            f"{widths[0]} members at once; use a smaller batch, model or data set."
        )
    _write(remember, known | {program: best_width})
    return Placement(devices, best_width)


def _program(stage, members, data, previous, devices) -> str:
    """What a width is remembered for. Networks of one stage's name differ in the shapes of the stage's state."""
    member, before = jax.eval_shape(lambda tree: jax.tree.map(lambda leaf: leaf[0], tree), (members, previous))
    state = jax.eval_shape(functools.partial(begin, stage), member, before, data).state
    shapes = [
        (jax.tree_util.keystr(path), leaf.shape, str(leaf.dtype))
        for path, leaf in jax.tree_util.tree_leaves_with_path(
            (members, jax.eval_shape(lambda data: data, data), before, state)
        )
    ]
    described = [stage.name, len(devices), devices[0].device_kind, jax.__version__, shapes]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def _read(path) -> dict[str, int]:
    try:
        known = json.loads(pathlib.Path(path).read_text()) if path else {}
    except (FileNotFoundError, ValueError):  # Neither JSON nor text: a lost memory only means measuring again.
        known = {}
    return known if isinstance(known, dict) else {}


def _write(path, known: dict[str, int]) -> None:
    if path:
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump(known, file)
        os.replace(file.name, path)
