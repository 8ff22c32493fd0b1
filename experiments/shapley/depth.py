"""Restrained learning: the depth of the Shapley study's network, chosen on held-out parts of the training set."""

from collections.abc import Mapping

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
    """Every depth on held-out parts of the training set; the table `depths` says which is chosen.

    The paper's rule is not public. Here it is the shallowest depth whose mean held-out loss is within one standard
    error of the least.
    """
    study, config = ProblemStudy(run, name), run.config
    masks = [
        splits.holdout_by_class(study.data["label"].astype(float), config.held_out, split, names=study.problem.labels)
        for split in range(config.depth_splits)
    ]
    train, held_out = (np.stack(side) for side in zip(*masks, strict=True))
    losses, rows, diverged, values = [], [], [], []
    for depth in config.depths:
        seeds = [SPLITS + split for split in range(len(train))]
        swept = study.sweep(f"depth-{depth}", study.stage(depth=depth), seeds, train)
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
    return Output({"members": members, "results": results, "depths": _table(name, config.depths, np.stack(losses))})


def chosen_depth(inputs: Mapping[str, Stored], name: str) -> int:
    """The depth that was chosen for a problem."""
    depths = inputs[f"{name}-depth"].table("depths")
    return int(depths.loc[depths["chosen"], "depth"].iloc[0])


def _table(name, depths, losses):
    mean, error, chosen = one_standard_error(losses)
    table = pd.DataFrame({"problem": name, "depth": np.array(depths), "loss": mean, "standard_error": error})
    return table.assign(chosen=np.arange(len(depths)) == chosen)
