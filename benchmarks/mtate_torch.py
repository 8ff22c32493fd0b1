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
import math
import multiprocessing
import os
import time
from typing import Any, NamedTuple

# As in experiments/run/devices.py: one single-threaded XLA device a core. Has to be set before JAX starts.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from absl import app, flags, logging
from torch import nn
from torch.nn import functional as F

from jaxfair import losses, metrics, sweeps, training
from jaxfair.methods import mtate
from jaxfair.models.mtate import Mtate, MtateConfig
from jaxfair.models.mtate_modules import num_kept
from jaxfair.models.recurrent import Lstm
from jaxfair.models.retain import Retain

_MODELS = flags.DEFINE_list("models", ["mtate", "lstm", "retain"], "What to train.")
_SIZES = flags.DEFINE_list("sizes", ["challenge", "paper"], "Shapes of the data.")
_SEEDS = flags.DEFINE_integer("seeds", 10, "Members of the sweep.")
_REPEATS = flags.DEFINE_integer("repeats", 5, "How often everything is measured.")
_PYTORCH = flags.DEFINE_bool("pytorch", True, "Measure PyTorch too.")

BATCH, TIME, DOMAINS, VALIDATE = 64, 48, 9, 64
RATE, WEIGHT = 1e-3, 0.1


class Size(NamedTuple):
    """Examples, of which `batches` batches train, features of each time step, and epochs by model."""

    examples: int
    features: int
    batches: int
    epochs: dict[str, int]


SIZES = {
    # 37 values, whether they were measured, and how long ago.
    "challenge": Size(2500, 111, 10, {"mtate": 1, "lstm": 5, "retain": 3}),
    "paper": Size(500, 12, 5, {"mtate": 5, "lstm": 25, "retain": 10}),
}


def data_set(size: Size) -> dict[str, np.ndarray]:
    """Noise: the time of a step does not depend on what it learns."""
    rng = np.random.default_rng(0)
    return {
        "inputs": rng.normal(size=(size.examples, TIME, size.features)).astype(np.float32),
        "outcome": (rng.random(size.examples) < 0.3).astype(np.float32),
        "domains": (rng.random((size.examples, DOMAINS)) < 0.5).astype(np.float32),
    }


# Ours.


def network(model: str) -> Any:
    """Ours, with default sizes."""
    return {"mtate": Mtate(MtateConfig(num_domains=DOMAINS)), "lstm": Lstm(), "retain": Retain()}[model]


def stage_of(model: str, size: Size) -> training.Stage:
    """MTATE's own stage, and for the others one of the same form whose loss is the outcome's cross-entropy."""
    epochs, net = size.epochs[model], network(model)
    if model == "mtate":
        return mtate.classifier(mtate.Setting(net, size.batches, VALIDATE, BATCH, patience=epochs), epochs)

    def init(member, previous, data, key):
        return {"variables": net.init(key, data["inputs"][:1])}

    def loss(variables, state, member, data, batch, key, epoch):
        outputs = net.apply(variables, data["inputs"][batch.indices], mask=batch.mask, train=True)
        error = optax.sigmoid_binary_cross_entropy(outputs.outcome, data["outcome"][batch.indices])
        return losses.masked_mean(error, batch.mask), {}

    def validate(state, member, data, logs):
        batch = training.selected(member.validate, VALIDATE)
        outcome = net.apply(state["variables"], data["inputs"][batch.indices]).outcome
        return 1 - metrics.roc_auc(outcome, data["outcome"][batch.indices], batch.mask)

    return training.descent(
        "classifier",
        epochs,
        init=init,
        loss=loss,
        trained=tuple(jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, TIME, size.features)))["params"]),
        optimizer=lambda member: optax.flatten(optax.adam(member.hyperparameters["learning_rate"])),
        batch_size=BATCH,
        num_batches=size.batches,
        validate=validate,
        patience=epochs,
    )


def members_of(size: Size, seeds: int):
    grid = sweeps.product(seed=range(seeds), learning_rate=[RATE], domain_weight=[WEIGHT], contrastive_weight=[WEIGHT])
    example = np.arange(size.examples)
    train, validate = example < size.batches * BATCH, example >= size.examples - VALIDATE
    return sweeps.make_members(grid, train, np.zeros(size.examples, bool), validate=validate)


def our_loss(model: str, outputs, data) -> jax.Array:
    mask = jnp.ones(len(data["outcome"]), bool)
    if model == "mtate":
        return mtate.total_loss(outputs, data, mask, {"contrastive_weight": WEIGHT, "domain_weight": WEIGHT})
    return losses.masked_mean(optax.sigmoid_binary_cross_entropy(outputs.outcome, data["outcome"]), mask)


# Theirs.


class TorchMtate(nn.Module):
    """All domains at once: [domain, batch, ...] and batched products."""

    def __init__(self, features: int, kept: np.ndarray, config: MtateConfig):
        super().__init__()
        self.config, num_latent = config, kept.shape[1]
        width, inner = config.num_heads * config.head_dim, config.feature_heads * config.feature_head_dim

        def matrix(*shape):
            return nn.Parameter(torch.randn(config.num_domains, *shape) / math.sqrt(shape[0]))

        def vector(length, value):
            return nn.Parameter(torch.full((config.num_domains, 1, length), float(value)))

        self.temporal_qkv = nn.Linear(features, 3 * width, bias=False)
        self.temporal_out = nn.Linear(width, features, bias=False)
        self.temporal_norm = nn.LayerNorm(features)
        self.feature_qkv, self.feature_out = matrix(TIME, 3 * inner), matrix(inner, TIME)
        self.attention_scale, self.attention_bias = vector(TIME, 1), vector(TIME, 0)
        self.kernel_1, self.bias_1 = matrix(num_latent, config.hidden), vector(config.hidden, 0)
        self.kernel_2, self.bias_2 = matrix(config.hidden, num_latent), vector(num_latent, 0)
        self.forward_scale, self.forward_bias = vector(num_latent, 1), vector(num_latent, 0)
        self.classifier = matrix(num_latent, 1)
        self.classifier_bias = nn.Parameter(torch.zeros(config.num_domains, 1))
        self.attend_hidden = nn.Linear(features + 1, config.attention_dim, bias=False)
        self.attend_score = nn.Linear(config.attention_dim, 1, bias=False)
        self.outcome_head = nn.Linear(features, 1)
        self.register_buffer("kept", torch.from_numpy(np.array(kept, np.int64)))
        angle = torch.arange(TIME)[:, None] * 10000.0 ** (-(torch.arange(features) // 2 * 2) / features)
        wave = torch.where(torch.arange(features) % 2 == 0, angle.sin(), angle.cos())
        self.register_buffer("positions", wave)

    def forward(self, x, labels):
        config, kept, batch = self.config, self.kept, len(x)
        domains, num_latent = kept.shape
        x = x + self.positions
        query, key, value = (
            self.temporal_qkv(x).view(batch, TIME, 3, config.num_heads, config.head_dim).permute(2, 0, 3, 1, 4)
        )
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(batch, TIME, -1)
        z = self.temporal_norm(x + self.temporal_out(attended))

        # [batch, time, domain * latent] to [domain, batch * latent, time].
        tokens = z[:, :, kept.view(-1)].view(batch, TIME, domains, num_latent).permute(2, 0, 3, 1)
        tokens = tokens.reshape(domains, batch * num_latent, TIME)
        heads, dim = config.feature_heads, config.feature_head_dim
        projected = torch.bmm(tokens, self.feature_qkv).view(domains * batch, num_latent, 3, heads, dim)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value)
        attended = attended.transpose(1, 2).reshape(domains, batch * num_latent, heads * dim)
        tokens = torch.baddbmm(tokens, attended, self.feature_out)
        tokens = F.layer_norm(tokens, (TIME,)) * self.attention_scale + self.attention_bias
        latent = tokens.view(domains, batch, num_latent, TIME).transpose(2, 3).reshape(domains, -1, num_latent)

        hidden = torch.relu(torch.baddbmm(self.bias_1, latent, self.kernel_1))
        latent = latent + torch.baddbmm(self.bias_2, hidden, self.kernel_2)
        latent = F.layer_norm(latent, (num_latent,)) * self.forward_scale + self.forward_bias
        pooled = latent.view(domains, batch, TIME, num_latent).amax(2)

        judged = (torch.bmm(pooled, self.classifier)[..., 0] + self.classifier_bias).T
        of_domains = F.binary_cross_entropy_with_logits(judged, labels, reduction="none")
        candidates = pooled.new_zeros(batch, domains, x.shape[-1])
        candidates = candidates.scatter(2, kept.expand(batch, -1, -1), pooled.transpose(0, 1))
        joined = torch.cat([candidates, of_domains.detach()[..., None]], dim=-1)
        weights = torch.softmax(self.attend_score(torch.tanh(self.attend_hidden(joined)))[..., 0], dim=1)
        representation = torch.bmm(weights[:, None], candidates)[:, 0]
        return self.outcome_head(representation)[:, 0], representation, of_domains


class TorchLstm(nn.Module):
    def __init__(self, features: int, hidden: int = 32):
        super().__init__()
        self.lstm, self.outcome_head = nn.LSTM(features, hidden, batch_first=True), nn.Linear(hidden, 1)

    def forward(self, x, labels):
        return self.outcome_head(self.lstm(x)[1][0][0])[:, 0], None, None


class TorchRetain(nn.Module):
    def __init__(self, features: int, embedding: int = 32, hidden: int = 32):
        super().__init__()
        self.embedding = nn.Linear(features, embedding, bias=False)
        self.temporal_gru = nn.GRU(embedding, hidden, batch_first=True)
        self.feature_gru = nn.GRU(embedding, hidden, batch_first=True)
        self.temporal_score = nn.Linear(hidden, 1, bias=False)
        self.feature_attention = nn.Linear(hidden, embedding)
        self.outcome_head = nn.Linear(embedding, 1)

    def forward(self, x, labels):
        values = self.embedding(x)
        back = values.flip(1)
        alpha = torch.softmax(self.temporal_score(self.temporal_gru(back)[0]), dim=1).flip(1)
        beta = torch.tanh(self.feature_attention(self.feature_gru(back)[0])).flip(1)
        return self.outcome_head((alpha * beta * values).sum(1))[:, 0], None, None


def torch_network(model: str, features: int, kept: np.ndarray | None) -> nn.Module:
    """A new one. Of the two biases of PyTorch's recurrent layers, one is 0 and stays so: the sum is what counts."""
    if model == "mtate":
        return TorchMtate(features, kept, MtateConfig(num_domains=DOMAINS))
    net = {"lstm": TorchLstm, "retain": TorchRetain}[model](features)
    for name, parameter in net.named_parameters():
        if "bias_hh" in name:
            nn.init.zeros_(parameter).requires_grad_(False)
    return net


def torch_loss(outputs, labels) -> torch.Tensor:
    outcome, representation, of_domains = outputs
    loss = F.binary_cross_entropy_with_logits(outcome, labels)
    if representation is None:
        return loss
    h = F.normalize(representation, dim=1)
    itself = torch.eye(len(h), dtype=bool)
    likeness = (h @ h.T / 0.1).masked_fill(itself, -math.inf)
    positive = (labels[:, None] == labels) & ~itself
    log_ratio = (likeness - likeness.logsumexp(1, keepdim=True)).masked_fill(~positive, 0)
    contrast = -(log_ratio.sum(1) / positive.sum(1).clamp(min=1)).mean()
    return loss + WEIGHT * contrast + WEIGHT * of_domains.mean()


def torch_train(model, features, kept, tensors, seed, batches, epochs) -> float:
    """One member's training; its last loss."""
    torch.manual_seed(seed)
    net = torch_network(model, features, kept)
    # The fastest of PyTorch's three on a CPU.
    optimizer = torch.optim.Adam((p for p in net.parameters() if p.requires_grad), lr=RATE, fused=True)
    inputs, outcome, domains = (tensors[name] for name in ("inputs", "outcome", "domains"))
    for _ in range(epochs):
        for indices in torch.randperm(batches * BATCH).split(BATCH):
            optimizer.zero_grad()
            loss = torch_loss(net(inputs[indices], domains[indices]), outcome[indices])
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            net(inputs[-VALIDATE:], domains[-VALIDATE:])
    return float(loss.detach())


def _worker(pipe, model, name, kept):
    """Trains the seeds that it is sent, until it is sent none."""
    torch.set_num_threads(1)
    size = SIZES[name]
    tensors = {key: torch.from_numpy(value) for key, value in data_set(size).items()}
    train = functools.partial(torch_train, model, size.features, kept, tensors)
    train(0, 2, 1)
    pipe.send("warm")
    while seeds := pipe.recv():
        begun = time.process_time()
        for seed in seeds:
            if not math.isfinite(train(seed, size.batches, size.epochs[model])):
                raise FloatingPointError(f"seed {seed}: the loss is not finite.")
        pipe.send(time.process_time() - begun)


class Processes:
    """One process of one thread a core, which trains its share of the seeds at each call."""

    def __init__(self, count, *arguments):
        context = multiprocessing.get_context("spawn")
        self.pipes, self.workers = [], []
        for _ in range(count):
            here, there = context.Pipe()
            self.pipes.append(here)
            self.workers.append(context.Process(target=_worker, args=(there, *arguments), daemon=True))
            self.workers[-1].start()
            there.close()
        for pipe in self.pipes:
            pipe.recv()

    def __call__(self, seeds: int) -> float:
        """Returns the processor seconds of all."""
        for number, pipe in enumerate(self.pipes):
            pipe.send(list(range(number, seeds, len(self.pipes))))
        return sum(pipe.recv() for pipe in self.pipes)

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.send([])
        for worker in self.workers:
            worker.join()


# That both are the same.


def torch_weights(model: str, params: Any) -> dict[str, np.ndarray]:
    """Ours under their names and in their layout; the map is linear, so it takes gradients too."""
    params = jax.tree.map(np.asarray, params)
    head = params["outcome_head"]
    weights = {"outcome_head.weight": head["kernel"].T, "outcome_head.bias": head["bias"]}
    if model == "lstm":
        return weights | _recurrent("lstm", params["layer_0"])
    if model == "retain":
        attend = params["feature_attention"]
        return (
            weights
            | {"embedding.weight": params["embedding"]["kernel"].T}
            | {"temporal_score.weight": params["temporal_score"]["kernel"].T}
            | {"feature_attention.weight": attend["kernel"].T, "feature_attention.bias": attend["bias"]}
            | _recurrent("temporal_gru", params["temporal_gru"])
            | _recurrent("feature_gru", params["feature_gru"])
        )
    temporal, feature, attend = (params[name] for name in ("temporal_0", "feature_0", "representation_attention"))

    def joined(attention):
        """[..., row, 3 * head * column] of the three kernels [..., row, head, column]."""
        kernels = (attention[name]["kernel"] for name in ("query", "key", "value"))
        return np.concatenate([kernel.reshape(*kernel.shape[:-2], -1) for kernel in kernels], axis=-1)

    norm, forward, last = (feature[name] for name in ("attention_norm", "feed_forward", "feed_forward_norm"))
    out = feature["attention"]["out"]["kernel"]
    return weights | {
        "temporal_qkv.weight": joined(temporal["attention"]).T,
        "temporal_out.weight": temporal["attention"]["out"]["kernel"].reshape(-1, temporal["norm"]["bias"].size).T,
        "temporal_norm.weight": temporal["norm"]["scale"],
        "temporal_norm.bias": temporal["norm"]["bias"],
        "feature_qkv": joined(feature["attention"]),
        "feature_out": out.reshape(len(out), -1, out.shape[-1]),
        "attention_scale": norm["scale"][:, None],
        "attention_bias": norm["bias"][:, None],
        "kernel_1": forward["kernel_1"],
        "bias_1": forward["bias_1"][:, None],
        "kernel_2": forward["kernel_2"],
        "bias_2": forward["bias_2"][:, None],
        "forward_scale": last["scale"][:, None],
        "forward_bias": last["bias"][:, None],
        "classifier": params["domain_classifiers"]["kernel"],
        "classifier_bias": params["domain_classifiers"]["bias"][:, None],
        "attend_hidden.weight": attend["hidden"]["kernel"].T,
        "attend_score.weight": attend["score"]["kernel"].T,
    }


def _recurrent(name, layer):
    kernels = layer["input_kernel"].T, layer["recurrent_kernel"].T, layer["bias"]
    if "gru" in name:  # Their z stands for our 1 - z.
        sign = np.repeat(np.float32([1, -1, 1]), len(kernels[2]) // 3)
        kernels = sign[:, None] * kernels[0], sign[:, None] * kernels[1], sign * kernels[2]
    names = (f"{name}.{of}_l0" for of in ("weight_ih", "weight_hh", "bias_ih"))
    return dict(zip(names, kernels, strict=True))


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
    theirs = torch_network(model, size.features, kept)
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


# The measurement.


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
