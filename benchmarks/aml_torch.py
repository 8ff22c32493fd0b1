"""The age study's network and its first stage in PyTorch, as its users write it: eager, one member at a time."""

import multiprocessing
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn


def network(channels: Sequence[int] = (32, 64), kernel_size: int = 5, representation: int = 64) -> nn.Module:
    """Backbone and disease head with the default sizes of `jaxfair.models.ecg_cnn.EcgCnnConfig`."""
    blocks, before, length = [], 12, 58
    for features in channels:
        convolution = nn.Conv1d(before, features, kernel_size, padding=kernel_size // 2)
        blocks += [convolution, nn.ReLU(), nn.BatchNorm1d(features), nn.MaxPool1d(2)]
        before, length = features, length // 2
    dense = [nn.Flatten(), nn.Linear(before * length, representation), nn.ReLU()]
    head = [nn.Linear(representation, representation // 2), nn.ReLU(), nn.Linear(representation // 2, 2)]
    return nn.Sequential(*blocks, *dense, *head)


def train(
    inputs: torch.Tensor, labels: torch.Tensor, seed: int, steps: int, batch_size: int, learning_rate: float
) -> float:
    """One member's steps of class-weighted cross-entropy and plain SGD.

    Args:
      inputs: `[example, lead, time]`, PyTorch's own order.
      labels: `[example]` int.
      seed: Of the weights and of the order.
      steps: How many.
      batch_size: Examples in a batch.
      learning_rate: Of plain SGD.

    Returns:
      The last loss.
    """
    torch.manual_seed(seed)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    count = torch.bincount(labels, minlength=2)
    loss_of = nn.CrossEntropyLoss(weight=len(labels) / (2 * count))
    order = torch.randperm(len(inputs))
    for step in range(steps):
        indices = order[step * batch_size % len(order) :][:batch_size]
        optimizer.zero_grad()
        loss = loss_of(model(inputs[indices]), labels[indices])
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def _turns(threads, inputs, labels, seconds, arguments, start, counts):
    """A process's members one after another until the time is over; waits for the other processes once warm."""
    torch.set_num_threads(threads)
    inputs = torch.from_numpy(np.ascontiguousarray(inputs.transpose(0, 2, 1)))
    labels = torch.from_numpy(labels).long()
    steps, *rest = arguments
    train(inputs, labels, 0, 10, *rest)
    start.wait()
    begun, members = time.perf_counter(), 0
    while time.perf_counter() < begun + seconds:
        if not np.isfinite(train(inputs, labels, members, *arguments)):
            raise FloatingPointError(f"member {members}: the loss is not finite.")
        members += 1
    counts.put(members * steps / (time.perf_counter() - begun))


def step_seconds(
    processes: int,
    threads: int,
    inputs: np.ndarray,
    labels: np.ndarray,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seconds: float = 4.0,
) -> float:
    """Seconds a step and member when `processes` processes of `threads` threads train one member after another.

    PyTorch takes the members one by one, so the time of all follows from a few of them.

    Args:
      processes: How many share the members.
      threads: PyTorch's threads in each.
      inputs: `[example, time, lead]` float32.
      labels: `[example]` int.
      steps: Steps of each member.
      batch_size: Examples in a batch.
      learning_rate: Of plain SGD.
      seconds: For how long each process begins new members.
    """
    context = multiprocessing.get_context("spawn")
    start, counts = context.Barrier(processes), context.SimpleQueue()
    arguments = (threads, inputs, labels, seconds, (steps, batch_size, learning_rate), start, counts)
    workers = [context.Process(target=_turns, args=arguments, daemon=True) for _ in range(processes)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        if worker.exitcode:
            raise RuntimeError(f"a PyTorch process ended with exit code {worker.exitcode}.")
    return 1 / sum(counts.get() for _ in workers)


def matmul_rate(threads: int, seconds: float, size: int = 1024) -> tuple[float, float]:
    """float32 matmul, FLOP a second: kept up for some seconds, and the best single product within them."""
    torch.set_num_threads(threads)
    left = torch.ones(size, size)
    left @ left
    each, begun = [], time.perf_counter()
    while time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        left @ left
        each.append(time.perf_counter() - start)
    flops = 2 * size**3
    return len(each) * flops / (time.perf_counter() - begun), flops / min(each)
