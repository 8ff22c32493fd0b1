"""DeepSHAP of 100 beats of 140 samples with 100 background beats: ours against shap.DeepExplainer on PyTorch.

    python -m benchmarks.shapley_deep_shap                 # some minutes on 2 cores
    python -m benchmarks.shapley_deep_shap --noshap        # without PyTorch and shap

The network is the FCN of Wang et al. (128-256-128 features, kernels 8-5-3, batch normalisation in evaluation mode) with
seeded weights, for five classes. Both explain every class of the same beats against the same background; the values
are compared. Ours and theirs take turns in one run, so that a turn's ratio compares the same moments; theirs explains
fewer beats a turn, as its time is proportional to them. The extra `bench` installs PyTorch and shap.
"""

import functools
import os
import time

# As in experiments/launch.py: one single-threaded XLA device a core. Has to be said before JAX starts.
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
_SHAP = flags.DEFINE_bool("shap", True, "Measure shap too.")

TIME, CLASSES = 140, 5
LAYERS = ((128, 8), (256, 5), (128, 3))


def weights() -> dict[str, np.ndarray]:
    """Seeded weights of the network, by layer and part."""
    rng, before, given = np.random.default_rng(0), 1, {}
    for number, (features, taps) in enumerate(LAYERS):
        given[f"kernel_{number}"] = rng.normal(size=(taps, before, features)) * np.sqrt(2 / (taps * before))
        given[f"scale_{number}"], given[f"bias_{number}"] = rng.normal(1, 0.2, features), rng.normal(0, 0.2, features)
        before = features
    given["dense"] = rng.normal(size=(before, CLASSES)) / np.sqrt(before)
    return {name: value.astype(np.float32) for name, value in given.items()}


def logits(given: dict, values: jax.Array) -> jax.Array:
    """The network, `[batch, 140, 1]` to `[batch, 5]`; its normalisation's statistics are 0 and 1."""
    for number, (_, taps) in enumerate(LAYERS):
        padding = [((taps - 1) // 2, taps // 2)]
        values = conv(values, given[f"kernel_{number}"], padding=padding)
        values = jax.nn.relu(values * given[f"scale_{number}"] + given[f"bias_{number}"])
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
    layers = []
    for number, (_, taps) in enumerate(LAYERS):
        kernel = torch.tensor(given[f"kernel_{number}"]).permute(2, 1, 0).contiguous()
        convolution = torch.nn.Conv1d(kernel.shape[1], kernel.shape[0], taps, bias=False)
        norm = torch.nn.BatchNorm1d(len(kernel), eps=0)
        convolution.weight.data = kernel
        norm.weight.data, norm.bias.data = (torch.tensor(given[f"{part}_{number}"]) for part in ("scale", "bias"))
        layers += [torch.nn.ConstantPad1d(((taps - 1) // 2, taps // 2), 0.0), convolution, norm, torch.nn.ReLU()]
    dense = torch.nn.Linear(*given["dense"].shape, bias=False)
    dense.weight.data = torch.tensor(given["dense"]).T.contiguous()
    model = torch.nn.Sequential(*layers, torch.nn.AvgPool1d(TIME), torch.nn.Flatten(), dense).eval()

    def explain(inputs, background):
        explainer = shap.DeepExplainer(model, torch.tensor(background).permute(0, 2, 1))
        values = explainer.shap_values(torch.tensor(inputs).permute(0, 2, 1))
        return np.asarray(values).transpose(0, 3, 2, 1)  # [example, channel, time, output] as ours.

    return explain


@functools.cache
def _ours():
    def one(beat, given, background):
        return deep_shap(lambda values: logits(given, values), beat[None], background).values[0]

    return one


def ours(given: dict, inputs: np.ndarray, background: np.ndarray) -> np.ndarray:
    """All beats, spread over all devices."""
    return sweeps.over_all(_ours(), (inputs,), (given, background), places=2 * jax.local_device_count())


def main(_) -> None:
    logging.set_verbosity(logging.ERROR)
    rng = np.random.default_rng(1)
    given = weights()
    inputs, background = (
        rng.normal(size=(size, TIME, 1)).astype(np.float32) for size in (_BEATS.value, _BACKGROUND.value)
    )
    explain = theirs(given) if _SHAP.value else None
    begun = time.perf_counter()
    values = ours(given, inputs, background)
    total = values.reshape(len(inputs), CLASSES, -1).sum(-1)
    expected = logits(given, jnp.asarray(inputs)) - logits(given, jnp.asarray(background)).mean(0)
    apart = np.abs(total - expected).max() / np.abs(expected).max()
    print(f"{len(inputs)} beats [{TIME}, 1], {len(background)} background beats, {CLASSES} classes, "
          f"{jax.local_device_count()} devices; first call {time.perf_counter() - begun:.1f} s")  # fmt: skip
    print(f"ours sums to the prediction minus the mean to {apart:.1e}", flush=True)
    ratios = []
    for turn in range(_TURNS.value):
        begun = time.perf_counter()
        ours(given, inputs, background)
        own = (time.perf_counter() - begun) / len(inputs)
        print(f"turn {turn}: ours {1e3 * own:.0f} ms a beat", end="", flush=True)
        if explain:
            begun = time.perf_counter()
            said = explain(inputs[: _THEIRS.value], background)
            other = (time.perf_counter() - begun) / _THEIRS.value
            ratios.append(other / own)
            print(f", shap {1e3 * other:.0f} ms, ratio {ratios[-1]:.1f}", end="", flush=True)
            if not turn:
                difference = np.abs(said - values[: _THEIRS.value]).max() / np.abs(values).max()
                print(f", values differ by {difference:.1e} of the largest", end="")
        print()
    if ratios:
        print(f"throughput of ours against shap's: {np.median(ratios):.1f} (median of {len(ratios)} turns)")


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    app.run(main)
