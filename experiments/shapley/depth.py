"""Restrained learning: depth and length of the Shapley study's training, chosen on parts of the training set alone."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from data_pipelines import splits
from experiments.results.contract import long
from experiments.run.context import Context
from experiments.run.parts import Stored
from experiments.run.study import Output
from experiments.shapley.problem import NETWORK, SPLITS, ProblemStudy
from jaxfair.metrics import one_standard_error


class Choice(NamedTuple):
    """How the networks of a problem are trained.

    Attributes:
      depth: Of the network.
      steps: Of training.
    """

    depth: int
    steps: int


def chosen(inputs: Mapping[str, Stored], name: str) -> Choice:
    """What was chosen for a problem."""
    depths = inputs[f"{name}-depth"].table("depths")
    row = depths[depths["chosen"]].iloc[0]
    return Choice(int(row["depth"]), int(row["steps"]))


def depth_tables(run: Context, inputs: Mapping[str, Stored], name: str) -> Output:
    """Every depth on held-out parts of the training set; the table `depths` says which is chosen, and for how long.

    The paper's rule is not public. Here it is the shallowest depth whose mean held-out loss is within one standard
    error of the least. If the training loss of that depth has not converged, all depths are trained again, twice as
    long, up to `most_steps`.

    Converged: the lowest cross-entropy of the training samples is, in the median over the splits, at most the share
    `converged` of what answering with the frequencies of the classes costs, their entropy.
    """
    study, config = ProblemStudy(run, name), run.config
    steps = config.steps
    while True:
        output, unexplained = _every_depth(study, steps)
        if config.epochs or unexplained <= config.converged or 2 * steps > config.most_steps:
            return output
        steps *= 2


def _every_depth(study: ProblemStudy, steps: int) -> tuple[Output, float]:
    """What a length of training gives, and the share of the entropy that it leaves to the chosen depth."""
    config, name = study.config, study.name
    masks = [
        splits.holdout_by_class(study.data["label"].astype(float), config.held_out, split, names=study.problem.labels)
        for split in range(config.depth_splits)
    ]
    train, held_out = (np.stack(side) for side in zip(*masks, strict=True))
    losses, rows, diverged, values, unexplained = [], [], [], [], []
    for depth in config.depths:
        seeds = [SPLITS + split for split in range(len(train))]
        sweep = f"depth-{depth}" if steps == config.steps else f"depth-{depth}-{steps}"
        swept = study.sweep(sweep, study.stage(depth=depth, steps=steps), seeds, train)
        right, loss = study.predictions("held-out part", study.setting(depth=depth)[0], swept)
        loss, accuracy = ((part[:, : study.size] * held_out).sum(1) / held_out.sum(1) for part in (loss, right))
        rows += [
            {"method": f"depth_{depth}", "backbone": NETWORK, "depth": depth, "num_train": n} for n in train.sum(1)
        ]
        diverged.append(swept.result.diverged)
        losses.append(loss)
        values.append({"accuracy": accuracy, "loss": loss})
        unexplained.append(float(np.median(swept.result.state["best"].value)) / _entropy(study.data["label"]))
    members = study.members(rows, np.concatenate(diverged))
    joined = {metric: np.concatenate([value[metric] for value in values]) for metric in values[0]}
    results = long(members, joined, stage="depth", split="held_out")
    mean, error, best = one_standard_error(np.stack(losses))
    depths = pd.DataFrame({"problem": name, "depth": np.array(config.depths), "loss": mean, "standard_error": error})
    depths = depths.assign(chosen=np.arange(len(mean)) == best, steps=steps, unexplained=unexplained)
    return Output({"members": members, "results": results, "depths": depths}), unexplained[best]


def _entropy(labels: np.ndarray) -> float:
    """Of the classes' frequencies, in nats."""
    shares = np.bincount(labels) / len(labels)
    shares = shares[shares > 0]
    return float(-np.sum(shares * np.log(shares)))
