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


def depth_tables(run: Context, inputs: Mapping[str, Stored], name: str) -> Output:
    """Every depth on held-out parts of the training set; the table `depths` says which is chosen, and for how long.

    The paper's rule is not public. Here it is the shallowest depth whose mean held-out loss is within one standard
    error of the least. Each depth is trained until its training loss has converged (`_until_converged`), and all
    networks of the problem are then trained for as many steps as the chosen depth was.
    """
    study, config = ProblemStudy(run, name), run.config
    masks = [
        splits.holdout_by_class(study.data["label"].astype(float), config.held_out, split, names=study.problem.labels)
        for split in range(config.depth_splits)
    ]
    train, held_out = (np.stack(side) for side in zip(*masks, strict=True))
    losses, rows, diverged, values, lengths = [], [], [], [], []
    for depth in config.depths:
        seeds = [SPLITS + split for split in range(len(train))]
        swept, length = _until_converged(study, depth, seeds, train)
        lengths.append(length)
        right, loss = study.predictions("held-out part", study.setting(depth=depth)[0], swept)
        loss, accuracy = ((part[:, : study.size] * held_out).sum(1) / held_out.sum(1) for part in (loss, right))
        rows += [
            {"method": f"depth_{depth}", "backbone": NETWORK, "depth": depth, "num_train": n} for n in train.sum(1)
        ]
        diverged.append(swept.result.diverged)
        losses.append(loss)
        values.append({"accuracy": accuracy, "loss": loss})
    members = study.members(rows, np.concatenate(diverged))
    joined = {metric: np.concatenate([value[metric] for value in values]) for metric in values[0]}
    results = long(members, joined, stage="depth", split="held_out")
    return Output(
        {"members": members, "results": results, "depths": _table(name, config.depths, np.stack(losses), lengths)}
    )


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


def _until_converged(study, depth, seeds, train):
    """Trains for the configured steps, and from scratch for twice as many until the training loss has converged.

    Converged: the lowest cross-entropy of the training samples is, in the median over the splits, at most the share
    `converged` of what the frequencies of the classes alone give (their entropy). Length is doubled up to `most_steps`.
    """
    config = study.config
    shares = np.bincount(study.data["label"]) / study.size
    entropy = -np.sum(shares * np.log(shares, where=shares > 0, out=np.zeros_like(shares)))
    steps = config.steps
    while True:
        name = f"depth-{depth}" if steps == config.steps else f"depth-{depth}-{steps}"
        swept = study.sweep(name, study.stage(depth=depth, steps=steps), seeds, train)
        unexplained = float(np.median(swept.result.state["best"].value)) / entropy
        if config.epochs or unexplained <= config.converged or 2 * steps > config.most_steps:
            return swept, {"steps": steps, "unexplained": unexplained}
        steps *= 2


def _table(name, depths, losses, lengths):
    mean, error, chosen = one_standard_error(losses)
    table = pd.DataFrame({"problem": name, "depth": np.array(depths), "loss": mean, "standard_error": error})
    table = pd.concat([table, pd.DataFrame(lengths)], axis=1)
    return table.assign(chosen=np.arange(len(depths)) == chosen)
