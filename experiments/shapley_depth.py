"""Restrained learning: the depth of the Shapley study's network, chosen on held-out parts of the training set."""

import numpy as np
import pandas as pd

from data_pipelines import splits
from experiments import results
from experiments.shapley_trial import FIRST, NETWORK, SPLITS, Trial


def depth_tables(trial: Trial) -> dict[str, pd.DataFrame]:
    """Every depth on held-out parts of the training set; the table `depths` says which is chosen."""
    config = trial.config
    masks = [
        splits.holdout_by_class(trial.data["label"].astype(float), config.held_out, split, names=trial.problem.labels)
        for split in range(config.depth_splits)
    ]
    train, held_out = (np.stack(part) for part in zip(*masks, strict=True))
    losses, tables = [], []
    for depth in config.depths:
        seeds = [SPLITS + split for split in range(len(train))]
        result = trial.sweep(f"depth-{depth}", trial.stage(depth=depth), seeds, train)
        right, loss = trial.predictions("held-out part", trial.setting(depth=depth)[0], result)
        loss, accuracy = ((part[:, : trial.size] * held_out).sum(1) / held_out.sum(1) for part in (loss, right))
        rows = [{"method": f"depth_{depth}", "backbone": NETWORK, "depth": depth, "num_train": n} for n in train.sum(1)]
        members = trial.members(FIRST["depth"] + 100 * depth + np.arange(len(rows)), rows, result.diverged)
        values = {"accuracy": accuracy, "loss": loss}
        tables.append((members, results.long("shapley", members, values, stage="depth", split="held_out")))
        losses.append(loss)
    table = choose_depth(np.array(config.depths), np.stack(losses))
    table.insert(0, "problem", trial.name)
    members, long = (pd.concat(part, ignore_index=True) for part in zip(*tables, strict=True))
    return {"members": members, "results": long, "depths": table}


def choose_depth(depths: np.ndarray, losses: np.ndarray) -> pd.DataFrame:
    """The shallowest depth whose mean held-out loss is within one standard error of the least: restrained learning.

    The paper's rule is not public; this one is that of Breiman et al. for the size of trees.

    Args:
      depths: `[depth]`, increasing.
      losses: `[depth, split]`.

    Returns:
      A row a depth: depth, loss (mean), standard_error, chosen.

    References:
      Breiman, Friedman, Olshen, Stone: Classification and Regression Trees, 1984, section 3.4.3.
    """
    mean = losses.mean(1)
    error = losses.std(1, ddof=1) / np.sqrt(losses.shape[1]) if losses.shape[1] > 1 else np.zeros(len(losses))
    if not np.isfinite(mean).any():
        raise ValueError("choose_depth: no depth has a finite held-out loss; lower --config.learning_rate.")
    best = np.nanargmin(mean)
    chosen = np.flatnonzero(mean <= mean[best] + error[best])[0]
    return pd.DataFrame(
        {"depth": depths, "loss": mean, "standard_error": error, "chosen": np.arange(len(depths)) == chosen}
    )
