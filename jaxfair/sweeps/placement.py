"""Where the members of a sweep run: which devices, how many at once on each, and in what order."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

AXIS = "member"


class Placement(NamedTuple):
    """Where members run.

    Attributes:
      devices: They share the members evenly.
      width: Members that advance together on one device, by `vmap`; the device takes such groups one after another.
    """

    devices: tuple[jax.Device, ...]
    width: int


class Order(NamedTuple):
    """Which member takes which place.

    Attributes:
      members: `[place]` int, the member in each place (0 where the place is empty).
      filled: `[place]` boolean.
    """

    members: np.ndarray
    filled: np.ndarray


def arrange(running: np.ndarray, capacity: int, num_devices: int, first: int = 0) -> Order:
    """Deals the running members out over the devices, so that no device has two more than another.

    Args:
      running: `[n]` int, members that still run.
      capacity: Places in all, a multiple of `num_devices`; each device has a contiguous block of them.
      num_devices: Devices.
      first: The device that is dealt to first, counted on beyond the last: who deals twice and goes on from where the
        first deal ended keeps the devices even.
    """
    members = np.zeros((num_devices, capacity // num_devices), np.int64)
    filled = np.zeros(members.shape, bool)
    for turn in range(num_devices):
        mine, device = running[turn::num_devices], (first + turn) % num_devices
        members[device, : len(mine)] = mine
        filled[device, : len(mine)] = True
    return Order(members.reshape(-1), filled.reshape(-1))


def capacity_for(count: int, placement: Placement) -> int:
    """Places of a program for `count` members: whole groups on every device."""
    group = len(placement.devices) * placement.width
    return -(-count // group) * group


def check_places(name: str, places: int | None) -> None:
    """Refuses a number of places that takes no member."""
    if places is not None and places < 1:
        raise ValueError(f"{name}: {places} places take no member; give 1 or more, or None for all.")


def narrowed(placement: Placement, num_running: int) -> Placement:
    """The same devices with the width halved as often as `num_running` members still fit into one group."""
    width = placement.width
    while width > 1 and -(-width // 2) * len(placement.devices) >= num_running:
        width = -(-width // 2)
    return placement._replace(width=width)


def over_members(function: Callable, placement: Placement) -> Callable[[jax.Array, Any, Any], Any]:
    """`function(each, shared)` for every place: over devices by `shard_map`, groups by `lax.map`, within by `vmap`.

    Each device has its own loop and no device waits for another: the program holds no collective. A group without a
    filled place is skipped, and what it returns is 0. At width 1 there is no `vmap` at all, so a `lax.cond` in
    `function` stays a branch.

    Returns:
      `mapped(filled, each, shared)`: `filled` `[place]`, `each` a pytree with leading place axis, `shared` a pytree
      that all members see; the number of places is a multiple of devices times width.
    """
    mesh = jax.sharding.Mesh(np.asarray(placement.devices), (AXIS,))
    width = placement.width
    grouped = function if width == 1 else jax.vmap(function, in_axes=(0, None))

    def group(filled, each, shared):
        if width == 1:
            each = jax.tree.map(lambda leaf: leaf[0], each)
        outputs = jax.eval_shape(grouped, each, shared)
        outputs = jax.lax.cond(
            filled.any(),
            lambda: grouped(each, shared),
            lambda: jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), outputs),
        )
        return outputs if width > 1 else jax.tree.map(lambda leaf: leaf[None], outputs)

    def local(filled, each, shared):
        split = jax.tree.map(lambda leaf: leaf.reshape(-1, width, *leaf.shape[1:]), (filled, each))
        outputs = jax.lax.map(lambda part: group(*part, shared), split)
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), outputs)

    member, everywhere = jax.P(AXIS), jax.P()
    return jax.shard_map(local, mesh=mesh, in_specs=(member, member, everywhere), out_specs=member, check_vma=False)


def sharding(placement: Placement, *, split: bool) -> jax.NamedSharding:
    """Over the devices of a placement: the leading axis split, or a copy on each."""
    mesh = jax.sharding.Mesh(np.asarray(placement.devices), (AXIS,))
    return jax.NamedSharding(mesh, jax.P(AXIS) if split else jax.P())


def put(tree: Any, placement: Placement, *, split: bool) -> Any:
    """Puts a pytree on the devices: its leading axis split over them, or a copy on each."""
    return jax.device_put(tree, sharding(placement, split=split))


def default_placement(devices: Sequence[jax.Device] | None = None, width: int | None = None) -> Placement:
    """All local devices; one member at a time on a CPU device.

    On a CPU a member's own matrices fill a core's cache and vector units, and a second member beside it only makes
    both slower: for the age study's network, width 1 on one device per core took 0.76 ms a step and member, width 8
    to 40 took 1.6 to 1.8 ms. Elsewhere the width must be measured (`sweeps.width`) or given.
    """
    devices = tuple(devices or jax.local_devices())
    if width is None:
        if devices[0].platform != "cpu":
            raise ValueError(f"Give a width for {devices[0].platform} devices, or measure one with sweeps.tune_width.")
        width = 1
    return Placement(devices, width)
