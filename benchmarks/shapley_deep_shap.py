"""DeepSHAP of 100 beats of 140 samples with 100 background beats: ours against shap.DeepExplainer on PyTorch.

    python -m benchmarks.shapley_deep_shap                 # some minutes on 2 cores
    python -m benchmarks.shapley_deep_shap --network=resnet --features=8,16,16 --their_beats=20
    python -m benchmarks.shapley_deep_shap --noshap        # without PyTorch and shap

The network is the FCN of Wang et al. (128-256-128 features, kernels 8-5-3, batch normalisation in evaluation mode), or
their residual network (three blocks of three such convolutions, 64-128-128 features), with seeded weights, for five
classes. 8-16-16 features are those of the Shapley study's network on CPUs. Both explain every class of the same beats
against the same background; the values are compared. Ours and theirs take turns in one run, so that a turn's ratio
compares the same moments; theirs explains fewer beats a turn, as its time is proportional to them. The extra `bench`
installs PyTorch and shap.
"""

import functools
import os
import time

# As in experiments/run/devices.py: one single-threaded XLA device a core. Has to be set before JAX starts.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags, logging

from jaxfair import sweeps
from jaxfair.attribution import deep_shap
from jaxfair.models.conv import conv

_BEATS = flags.DEFINE_integer("beats", 100, "Beats that ours explains in a turn.", lower_bound=1)
_BACKGROUND = flags.DEFINE_integer("background", 100, "Background beats.", lower_bound=1)
_THEIRS = flags.DEFINE_integer("their_beats", 4, "Beats that shap explains in a turn.", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 3, "How often both are measured.", lower_bound=1)
_NETWORK = flags.DEFINE_enum("network", "fcn", ["fcn", "resnet"], "Which network is explained.")
_FEATURES = flags.DEFINE_list("features", None, "Three numbers of features; by default the published ones.")
_AT_ONCE = flags.DEFINE_integer("at_once", 4, "Beats that a device explains together.", lower_bound=1)
_PAIRS = flags.DEFINE_integer("pairs_at_once", 20, "Pairs of beats that a device holds together.", lower_bound=1)
_SHAP = flags.DEFINE_bool("shap", True, "Measure shap too.")

TIME, CLASSES = 140, 5
TAPS = (8, 5, 3)
PUBLISHED = {"fcn": ("128", "256", "128"), "resnet": ("64", "128", "128")}


def blocks() -> tuple[tuple[int, ...], ...]:
    """Features of each block's convolutions; a residual network adds a shortcut to each block."""
    features = tuple(int(number) for number in _FEATURES.value or PUBLISHED[_NETWORK.value])
    if len(features) != len(TAPS):
        raise SystemExit(f"--features={','.join(map(str, features))}: give {len(TAPS)} numbers.")
    return (features,) if _NETWORK.value == "fcn" else tuple((number,) * len(TAPS) for number in features)


def weights(network: str) -> dict[str, np.ndarray]:
    """Seeded weights by place (block and layer, or block and "shortcut") and part."""
    rng, before, given = np.random.default_rng(0), 1, {}

    def normalisation(place, features):
        given[f"scale_{place}"], given[f"bias_{place}"] = rng.normal(1, 0.2, features), rng.normal(0, 0.2, features)

    def convolution(place, taps, channels, features):
        given[f"kernel_{place}"] = rng.normal(size=(taps, channels, features)) * np.sqrt(2 / (taps * channels))
        normalisation(place, features)

    for block, sizes in enumerate(blocks()):
        entered = before
        for number, (features, taps) in enumerate(zip(sizes, TAPS, strict=True)):
            convolution(f"{block}_{number}", taps, before, features)
            before = features
        if network == "resnet":
            if entered == before:
                normalisation(f"{block}_shortcut", before)
            else:
                convolution(f"{block}_shortcut", 1, entered, before)
    given["dense"] = rng.normal(size=(before, CLASSES)) / np.sqrt(before)
    return {name: value.astype(np.float32) for name, value in given.items()}


def logits(given: dict, values: jax.Array) -> jax.Array:
    """The network, `[batch, 140, 1]` to `[batch, 5]`; its normalisation's statistics are 0 and 1."""

    def layer(place, values):
        kernel = given.get(f"kernel_{place}")
        if kernel is not None:
            values = conv(values, kernel, padding=[((len(kernel) - 1) // 2, len(kernel) // 2)])
        return values * given[f"scale_{place}"] + given[f"bias_{place}"]

    block = 0
    while f"kernel_{block}_0" in given:
        inside = values
        for number in range(len(TAPS)):
            inside = layer(f"{block}_{number}", inside if number == 0 else jax.nn.relu(inside))
        values = jax.nn.relu(
            inside + layer(f"{block}_shortcut", values) if f"scale_{block}_shortcut" in given else inside
        )
        block += 1
    return values.mean(1) @ given["dense"]


def theirs(given: dict):
    """The same network in PyTorch, `[batch, 1, 140]`, and shap's explainer of it against a background."""
    try:
        import shap
        import torch
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"benchmarks.shapley_deep_shap compares with shap on PyTorch, but {error.name} is not installed: "
            'pip install -c constraints.txt -e ".[bench]", or measure ours alone with --noshap.'
        ) from None

    def layer(place):
        parts = []
        if f"kernel_{place}" in given:
            kernel = torch.tensor(given[f"kernel_{place}"]).permute(2, 1, 0).contiguous()
            features, channels, taps = kernel.shape
            convolution = torch.nn.Conv1d(channels, features, taps, bias=False)
            convolution.weight.data = kernel
            parts += [torch.nn.ConstantPad1d(((taps - 1) // 2, taps // 2), 0.0), convolution]
        norm = torch.nn.BatchNorm1d(len(given[f"scale_{place}"]), eps=0)
        norm.weight.data, norm.bias.data = (torch.tensor(given[f"{part}_{place}"]) for part in ("scale", "bias"))
        return [*parts, norm]

    class Block(torch.nn.Module):
        """Three layers and perhaps a shortcut; no module is used twice, where shap would be wrong."""

        def __init__(self, block):
            super().__init__()
            first, second, third = (layer(f"{block}_{number}") for number in range(len(TAPS)))
            self.inside = torch.nn.Sequential(*first, torch.nn.ReLU(), *second, torch.nn.ReLU(), *third)
            residual = f"scale_{block}_shortcut" in given
            self.shortcut = torch.nn.Sequential(*layer(f"{block}_shortcut")) if residual else None
            self.last = torch.nn.ReLU()

        def forward(self, values):
            inside = self.inside(values)
            return self.last(inside if self.shortcut is None else inside + self.shortcut(values))

    stack = [Block(block) for block in range(len(blocks()))]
    dense = torch.nn.Linear(*given["dense"].shape, bias=False)
    dense.weight.data = torch.tensor(given["dense"]).T.contiguous()
    model = torch.nn.Sequential(*stack, torch.nn.AvgPool1d(TIME), torch.nn.Flatten(), dense).eval()

    def explain(inputs, background):
        explainer = shap.DeepExplainer(model, torch.tensor(background).permute(0, 2, 1))
        values = explainer.shap_values(torch.tensor(inputs).permute(0, 2, 1))
        return np.asarray(values).transpose(0, 3, 2, 1)  # [example, channel, time, output] as ours.

    return explain


@functools.cache
def _ours(pairs_at_once):
    def some(beats, given, background):
        return deep_shap(lambda values: logits(given, values), beats, background, pairs_at_once=pairs_at_once).values

    return some


def ours(given: dict, inputs: np.ndarray, background: np.ndarray) -> np.ndarray:
    """All beats, some at a time on each device."""
    size = min(_AT_ONCE.value, len(inputs))
    indices = np.arange(-(-len(inputs) // size) * size) % len(inputs)
    groups = inputs[indices].reshape(-1, size, *inputs.shape[1:])
    places = 2 * jax.local_device_count()
    values = sweeps.over_all(_ours(_PAIRS.value), (groups,), (given, background), places=places)
    return values.reshape(-1, *values.shape[2:])[: len(inputs)]


def main(_) -> None:
    logging.set_verbosity(logging.ERROR)
    rng = np.random.default_rng(1)
    given = weights(_NETWORK.value)
    inputs, background = (
        rng.normal(size=(size, TIME, 1)).astype(np.float32) for size in (_BEATS.value, _BACKGROUND.value)
    )
    explain = theirs(given) if _SHAP.value else None
    begun = time.perf_counter()
    values = ours(given, inputs, background)
    total = values.reshape(len(inputs), CLASSES, -1).sum(-1)
    expected = logits(given, jnp.asarray(inputs)) - logits(given, jnp.asarray(background)).mean(0)
    deviation = np.abs(total - expected).max() / np.abs(expected).max()
    first = time.perf_counter() - begun
    print(
        f"{_NETWORK.value} {blocks()}: {len(inputs)} beats [{TIME}, 1], {len(background)} background beats, "
        f"{CLASSES} classes, {jax.local_device_count()} devices; first call {first:.1f} s"
    )
    print(f"ours sums to the prediction minus the mean to {deviation:.1e}", flush=True)
    if explain:
        explain(inputs[:1], background[:2])  # What its first call sets up takes seconds.
    ratios, by_processor = [], []
    for turn in range(_TURNS.value):
        own = _timed(lambda: ours(given, inputs, background)) / len(inputs)
        print(f"turn {turn}: ours {1e3 * own[0]:.0f} ms a beat ({1e3 * own[1]:.0f} of processors)", end="", flush=True)
        if explain:
            found = []
            few = inputs[: _THEIRS.value]
            other = _timed(lambda few=few, found=found: found.append(explain(few, background))) / len(few)
            ratios.append(other[0] / own[0])
            by_processor.append(other[1] / own[1])
            print(f", shap {1e3 * other[0]:.0f} ({1e3 * other[1]:.0f}), ratio {ratios[-1]:.1f}", end="", flush=True)
            if not turn:
                difference = np.abs(found[0] - values[: _THEIRS.value]).max() / np.abs(values).max()
                print(f", values differ by {difference:.1e} of the largest", end="")
        print()
    if ratios:
        print(f"throughput of ours against shap's: {np.median(ratios):.1f} (median of {len(ratios)} turns); "
              f"by processor time {np.median(by_processor):.1f}")  # fmt: skip


def _timed(run) -> np.ndarray:
    """Seconds by the clock and of all processors; other work on the machine hardly touches the latter."""
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return np.array([time.perf_counter() - clock, time.process_time() - processor])


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    app.run(main)
