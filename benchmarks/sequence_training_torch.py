"""Training the PyTorch models of sequences: one member after another, in one process of one thread a core."""

import functools
import math
import multiprocessing
import time

import torch
from torch.nn import functional as F

from benchmarks.sequence_models_torch import torch_network
from benchmarks.sequence_training import BATCH, RATE, SIZES, TIME, VALIDATE, WEIGHT, data_set


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
    net = torch_network(model, features, TIME, kept)
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
