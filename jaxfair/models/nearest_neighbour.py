"""Dynamic time warping, for all pairs of two sets of series at once, and the nearest neighbour under it."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jaxfair import sweeps


class Neighbours(NamedTuple):
    """The nearest reference of every query.

    Attributes:
      indices: `[query]` int32, which reference. Of references at the same distance it is the first.
      distances: `[query]` how far.
    """

    indices: np.ndarray
    distances: np.ndarray


def dtw_distances(queries: ArrayLike, references: ArrayLike, *, window: ArrayLike | None = None) -> jax.Array:
    """The dynamic time warping distance of each query to each reference.

    `D[i, j] = (x_i - y_j)^2 + min(D[i - 1, j], D[i, j - 1], D[i - 1, j - 1])`, and the distance is the last `D`: the
    sum of squared differences along the best path, of which no root is taken (as in aeon; tslearn takes it).

    A window r allows only `|i - j| <= floor(r * time)`, the band of Sakoe and Chiba. 0 is the squared Euclidean
    distance; 1 and None are the full matrix. It is the archive's percentage over 100. A product that is an integer but
    for rounding counts as this integer (0.29 of 100 samples are 29; aeon cuts to 28). The band costs as much time as
    the full matrix, but many windows share one program.

    It runs on one device, as a part of a jitted program too; `nearest_neighbour` spreads over all of them.

    Args:
      queries: `[query, time]`.
      references: `[reference, time]`, of the same length.
      window: Share of the length, 0 to 1.

    Returns:
      `[query, reference]`, in the squared unit of the series. NaN where one of the two is not finite everywhere.

    Raises:
      ValueError: The shapes do not fit or the window is not in 0 to 1.

    References:
      Sakoe and Chiba, IEEE Transactions on Acoustics, Speech, and Signal Processing 26, 1978. Dau et al., The UCR time
      series archive, IEEE/CAA Journal of Automatica Sinica 6, 2019.
    """
    queries, references = _checked("dtw_distances", queries, references)
    radius = _radius("dtw_distances", window, queries.shape[1])
    lanes = _lanes(queries.shape[1], len(queries), jax.default_backend())
    return _all_distances(queries, references, radius, lanes)


def nearest_neighbour(
    queries: np.ndarray,
    references: np.ndarray,
    *,
    window: float | None = None,
    placement: sweeps.Placement | None = None,
    on_block: Callable[[int], None] | None = None,
) -> Neighbours:
    """The nearest reference of each query under `dtw_distances`, on all devices.

    `labels[nearest_neighbour(queries, references).indices]` is the classical 1-NN classifier. The queries are cut into
    blocks, which the devices share; besides the series nothing larger is held than the distances of one block per
    device.

    Args:
      queries: `[query, time]`.
      references: `[reference, time]`.
      window: Share of the length, 0 to 1; None is the full matrix.
      placement: The devices; by default all local ones. Its width is not used.
      on_block: Called with the number of queries done, each time that all devices have done a block.

    Returns:
      Indices and distances.

    Raises:
      ValueError: As `dtw_distances`; there is no query or no reference; a series is not finite.
    """
    queries, references = np.asarray(queries), np.asarray(references)
    for name, series in (("queries", queries), ("references", references)):
        if series.size == 0:
            raise ValueError(f"nearest_neighbour: {name} {series.shape} hold no series.")
        wrong = np.flatnonzero(~np.isfinite(series).reshape(len(series), -1).all(1))
        if wrong.size:
            raise ValueError(
                f"nearest_neighbour: {len(wrong)} of {len(series)} {name} hold NaN or infinity, number {wrong[0]} the "
                "first; fill the gaps before."
            )
    queries, references = _checked("nearest_neighbour", queries, references)
    radius = _radius("nearest_neighbour", window, queries.shape[1])
    devices = placement.devices if placement else tuple(jax.local_devices())
    lanes = _lanes(queries.shape[1], -(-len(queries) // len(devices)), devices[0].platform)
    blocks = np.asarray(_blocks(queries, lanes))
    done = 0

    def on_group(count):
        nonlocal done
        done = min(done + count * lanes, len(queries))
        on_block(done)

    indices, distances = sweeps.over_all(
        _block_nearest,
        (blocks,),
        (references, radius),
        sweeps.Placement(devices, 1),
        places=len(devices) if on_block else None,
        on_group=on_group if on_block else None,
    )
    return Neighbours(indices.reshape(-1)[: len(queries)], distances.reshape(-1)[: len(queries)])


@functools.partial(jax.jit, static_argnames="lanes")
def _all_distances(queries, references, radius, lanes):
    distances = lax.map(lambda block: _block_distances(block, references, radius), _blocks(queries, lanes))
    return distances.reshape(-1, len(references))[: len(queries)]


def _block_nearest(block, references, radius):
    distances = _block_distances(block, references, radius)
    return jnp.argmin(distances, axis=1).astype(jnp.int32), jnp.min(distances, axis=1)


def _block_distances(block, references, radius):
    """`[lane, time]` and `[reference, time]` to `[lane, reference]`, in a pipeline that no reference has to wait for.

    An anti-diagonal of `D` depends on the two before it alone, so row i may work on column `s - i` in step s. The
    references follow one another in one stream of columns: while the last rows are still at one, the first are at the
    next, and every row is busy in every step. A column of infinite cost in between makes all that came before
    unreachable.

    All queries of a block are side by side in the last axis. Three buffers `[1 + time, lane]` hold the last three
    diagonals, and a step writes over the oldest: so three steps are written out, and nothing is ever copied. Row 0 of a
    buffer is the row above `D`, where a path may begin only in front of a reference's first column.
    """
    queries, wrong = _finite(block)
    references, wrong_reference = _finite(references)
    queries = queries.T
    time, lanes = queries.shape
    period = -(-(time + 1) // 3) * 3  # Columns of a reference: the gap before it, its samples, further gaps.
    gap = jnp.full((len(references), period - time - 1), jnp.inf, queries.dtype)
    stream = jnp.column_stack([jnp.full(len(references), jnp.inf, queries.dtype), references, gap]).reshape(-1)
    stream = jnp.pad(stream, (time - 1, period), constant_values=jnp.inf)[::-1]
    rows = jnp.arange(time)

    def step(oldest, before, last, number, at):
        column = lax.dynamic_slice(stream, (len(stream) - time - number * period - at,), (time,))
        sample = (at - rows) % period - 1
        column = jnp.where(abs(sample - rows) <= radius, column, jnp.inf)
        cost = jnp.square(queries - column[:, None])
        arrived = cost + _least(_least(last[1:], last[:-1]), before[:-1])
        return lax.dynamic_update_slice(oldest, arrived, (1, 0))

    def three_steps(turn, carry):
        number, (first, second, third) = carry
        first = step(first, second, third, number, 3 * turn)
        second = step(second, third, first, number, 3 * turn + 1)
        third = step(third, first, second, number, 3 * turn + 2)
        return number, (first, second, third)

    # The last row reaches a reference's last sample `2 time - 1` steps after the first row was at the gap before it,
    # and by then the first row may be at the next reference.
    later, remaining = divmod(2 * time - 1, period)
    turn, buffer = divmod(remaining, 3)
    edge = functools.partial(jnp.full, (1, lanes), dtype=queries.dtype)

    def one_reference(buffers, number):
        first, second, third = buffers
        opened = lax.dynamic_update_slice(third, edge(0), (0, 0))
        _, (first, second, third) = three_steps(0, (number, (first, second, opened)))
        carry = number, (first, second, lax.dynamic_update_slice(third, edge(jnp.inf), (0, 0)))
        carry = lax.fori_loop(1, turn + 1, three_steps, carry)
        arrived = carry[1][buffer][-1]
        return lax.fori_loop(turn + 1, period // 3, three_steps, carry)[1], arrived

    nowhere = jnp.full((1 + time, lanes), jnp.inf, queries.dtype)
    _, arrived = lax.scan(one_reference, (nowhere,) * 3, jnp.arange(later + len(references)))
    return jnp.where(wrong[:, None] | wrong_reference, jnp.nan, arrived[later:].T)


def _least(left, right):
    """`minimum` without its care for NaN, of which there are none here: one instruction instead of several."""
    return jnp.where(left < right, left, right)


def _finite(series):
    """The series with 0 for those that are not finite, and which they are."""
    wrong = ~jnp.isfinite(series).all(axis=1)
    return jnp.where(wrong[:, None], 0, series), wrong


def _lanes(time, num_queries, platform):
    """Queries of a block, where `num_queries` are to be had."""
    # On a CPU what keeps the block's four arrays in a core's second cache: 140 samples took 3.8 µs a pair with 128
    # lanes, 4.8 with 64 and 4.6 with 256. In less than 32, or a crooked number, vector units run empty.
    most = max(32, 20480 // time // 32 * 32) if platform == "cpu" else 8192
    return min(most, -(-num_queries // 32) * 32)


def _blocks(queries, lanes):
    """`[query, time]` to `[block, lane, time]`, filled up with zeros."""
    return jnp.pad(queries, ((0, -len(queries) % lanes), (0, 0))).reshape(-1, lanes, queries.shape[1])


def _checked(name, queries, references):
    """Both as arrays of one floating type."""
    queries, references = (jnp.asarray(series) for series in (queries, references))
    if queries.ndim != 2 or references.ndim != 2 or queries.shape[1] != references.shape[1] or queries.shape[1] == 0:
        raise ValueError(
            f"{name}: queries {queries.shape} and references {references.shape} must be [series, time] and of one "
            "length."
        )
    dtype = jnp.promote_types(jnp.promote_types(queries.dtype, references.dtype), jnp.float32)
    return queries.astype(dtype), references.astype(dtype)


def _radius(name, window, time):
    """The band's half width in samples, int32. Traced windows cannot be checked."""
    if window is None:
        return jnp.int32(time)
    if not isinstance(window, jax.core.Tracer) and not 0 <= window <= 1:
        raise ValueError(f"{name}: window {window} must be a share of the length, 0 to 1.")
    # A thousandth of a sample is more than rounding can take from a share of a few digits, in float32 too.
    return jnp.floor(jnp.asarray(window) * time + 1e-3).astype(jnp.int32)
