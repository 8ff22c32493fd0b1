"""Training MTATE, LSTM and RETAIN: ten seeds in one sweep of ours against PyTorch eager, one process a core.

    python -m benchmarks.mtate_torch                               # every model and size, about ten minutes on 2 cores
    python -m benchmarks.mtate_torch --models=mtate --sizes=paper

Both train the same architecture on the same batches' shapes by Adam, with the same loss; parameters are counted, and
outcome, loss and gradients compared with copied weights, before anything is timed. Every repeat times ours, then
theirs, each with all cores; ratios are of neighbours in time, by the clock and by processor time, which other load on
the machine changes less. An epoch of both ends with the outcomes of the validation examples. Ours is what the studies
run: `sweeps.sweep`, with masks, batch order, and validation by ROC AUC. Theirs has no masks, as every value is there.
The extra `bench` installs PyTorch.
"""

import functools
import os
import time

# As in experiments/run/devices.py: one single-threaded XLA device a core. Has to be set before JAX starts.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp
import numpy as np
import torch
from absl import app, flags, logging

from benchmarks.sequence_models_torch import torch_network, torch_weights
from benchmarks.sequence_training import (
    BATCH,
    DOMAINS,
    SIZES,
    TIME,
    Size,
    data_set,
    members_of,
    network,
    our_loss,
    stage_of,
)
from benchmarks.sequence_training_torch import Processes, torch_loss
from jaxfair import sweeps
from jaxfair.models.mtate import MtateConfig
from jaxfair.models.mtate_modules import num_kept

_MODELS = flags.DEFINE_list("models", ["mtate", "lstm", "retain"], "What to train.")
_SIZES = flags.DEFINE_list("sizes", ["challenge", "paper"], "Shapes of the data.")
_SEEDS = flags.DEFINE_integer("seeds", 10, "Members of the sweep.")
_REPEATS = flags.DEFINE_integer("repeats", 5, "How often everything is measured.")
_PYTORCH = flags.DEFINE_bool("pytorch", True, "Measure PyTorch too.")


def check_equal(model: str, size: Size, data: dict[str, np.ndarray]) -> np.ndarray | None:
    """Refuses models that differ; returns what MTATE's masks keep.

    Raises:
      AssertionError: Parameters, outcomes, losses or gradients differ.
    """
    net, batch = network(model), {name: values[:BATCH] for name, values in data.items()}
    variables = jax.jit(net.init)(jax.random.key(0), batch["inputs"])
    params = dict(variables["params"])
    for gru in ("temporal_gru", "feature_gru") if model == "retain" else ():
        # Ours is U (r h), theirs r (U h): the same where U is diagonal. The products are no fewer in training.
        recurrent = np.array(params[gru]["recurrent_kernel"])
        recurrent[:, -len(recurrent) :] *= np.eye(len(recurrent))
        params[gru] = {**params[gru], "recurrent_kernel": jnp.asarray(recurrent)}

    @jax.jit
    def run(params):
        def loss(params):
            given = {"domain_labels": batch["domains"]} if model == "mtate" else {}
            outputs = net.apply({**variables, "params": params}, batch["inputs"], **given)
            return our_loss(model, outputs, batch), outputs.outcome

        return jax.value_and_grad(loss, has_aux=True)(params)

    (loss, outcome), gradients = run(params)
    kept = np.asarray(variables["masks"]["kept"]) if model == "mtate" else None
    theirs = torch_network(model, size.features, TIME, kept)
    trained = {name: parameter for name, parameter in theirs.named_parameters() if parameter.requires_grad}
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert count == sum(parameter.numel() for parameter in trained.values()), "parameters"
    weights = torch_weights(model, params)
    assert set(weights) == set(trained), set(weights) ^ set(trained)
    for name, value in weights.items():
        trained[name].data.copy_(torch.from_numpy(np.array(value)))
    outputs = theirs(torch.from_numpy(batch["inputs"]), torch.from_numpy(batch["domains"]))
    their_loss = torch_loss(outputs, torch.from_numpy(batch["outcome"]))
    their_loss.backward()
    np.testing.assert_allclose(outputs[0].detach().numpy(), outcome, atol=1e-4, err_msg="outcome")
    np.testing.assert_allclose(float(their_loss.detach()), loss, atol=1e-4, err_msg="loss")
    for name, value in torch_weights(model, gradients).items():
        found = trained[name].grad.numpy()
        if "gru" in name and "weight_hh" in name:  # Off the diagonal the two functions differ.
            rows = 2 * len(found) // 3
            value, found = value[:rows], found[:rows]
        np.testing.assert_allclose(found, value, atol=1e-4, err_msg=f"gradient of {name}")
    print(f"{model}: {count} parameters; outcomes, loss and gradients equal to 1e-4")
    return kept


def step_flops(model: str, features: int) -> int:
    """FLOP of a step's matrix products, two a multiply-add: a forward product and two of its gradients.

    The first products of LSTM and RETAIN need no gradient of their inputs; MTATE's only needs none of the batch.
    """
    steps, hidden = BATCH * TIME, 32
    if model == "lstm":
        of_inputs = steps * features * 4 * hidden
        return 2 * (2 * of_inputs + 3 * steps * hidden * 4 * hidden)
    if model == "retain":
        of_inputs = steps * features * hidden
        return 2 * (2 * of_inputs + 3 * (2 * steps * 2 * hidden * 3 * hidden + steps * hidden * hidden))
    config = MtateConfig(num_domains=DOMAINS)
    latent, width = num_kept(features, config.masking_rate), config.num_heads * config.head_dim
    projections = steps * features * 3 * width
    temporal = steps * width * (2 * TIME + features)
    tokens = DOMAINS * BATCH * latent
    of_features = tokens * width * (4 * TIME + 2 * latent) + 2 * DOMAINS * steps * latent * config.hidden
    return 2 * (2 * projections + 3 * (temporal + of_features))


def compare(model: str, name: str, cores: int) -> None:
    """Prints the member-steps a second of both."""
    size, seeds = SIZES[name], _SEEDS.value
    data = data_set(size)
    kept = check_equal(model, size, data)
    stage, members = stage_of(model, size), members_of(size, seeds)
    begun = time.perf_counter()
    sweeps.prepare([stage], members, data)
    compiling = time.perf_counter() - begun
    ours = functools.partial(sweeps.sweep, [stage], members, data)
    ours()
    theirs = Processes(cores, model, name, kept) if _PYTORCH.value else None
    steps, turns = seeds * size.batches * size.epochs[model], []
    for _ in range(_REPEATS.value):
        processor, begun = time.process_time(), time.perf_counter()
        result = ours()
        processor, clock = time.process_time() - processor, time.perf_counter() - begun
        assert not result.diverged.any(), "a member diverged"
        assert (result.epochs_run["classifier"] == size.epochs[model]).all()
        begun = time.perf_counter()
        their_processor = theirs(seeds) if theirs else np.nan
        turns.append((clock, time.perf_counter() - begun, processor, their_processor))
    if theirs:
        theirs.close()
    turns = np.array(turns)
    clock, their_clock, processor, their_processor = np.median(turns, axis=0)
    ratios, of_processor = turns[:, 1] / turns[:, 0], turns[:, 3] / turns[:, 2]
    flops = step_flops(model, size.features)
    print(
        f"{model} {name}: {steps / clock:.1f} member-steps a second; {processor / steps * 1e3:.2f} processor ms a step "
        f"of {flops / 1e6:.0f} MFLOP, {flops * steps / processor / 1e9:.1f} GFLOP/s; compiled in {compiling:.1f} s",
        flush=True,
    )
    if theirs:
        print(
            f"{model} {name}: PyTorch {steps / their_clock:.1f}; {their_processor / steps * 1e3:.2f} processor ms; "
            f"ratio {np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f}) by the clock, "
            f"{np.median(of_processor):.2f} ({of_processor.min():.2f} to {of_processor.max():.2f}) by processor time",
            flush=True,
        )


def matmul_rate(seconds: float = 2.0, size: int = 512) -> float:
    """float32 FLOP a processor second of one single-threaded device."""
    matrix, product = jnp.ones((size, size)), jax.jit(lambda matrix: matrix @ matrix)
    jax.block_until_ready(product(matrix))
    processor, count, begun = time.process_time(), 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        jax.block_until_ready(product(matrix))
        count += 1
    return count * 2 * size**3 / (time.process_time() - processor)


def main(_) -> None:
    logging.set_verbosity(logging.ERROR)
    torch.set_num_threads(1)
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores; {matmul_rate() / 1e9:.0f} GFLOP a processor second in products of 512 x 512", flush=True)
    for name in _SIZES.value:
        for model in _MODELS.value:
            compare(model, name, cores)


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
    app.run(main)
