"""The Shapley study's peers, trained here: published results of theirs show whether our training can be trusted."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from experiments.results.contract import long
from experiments.run.context import Context
from experiments.run.parts import Stored
from experiments.run.study import Output
from experiments.shapley.problem import ProblemStudy
from jaxfair.models.nearest_neighbour import nearest_neighbour


def peer_tables(run: Context, inputs: Mapping[str, Stored], name: str) -> Output:
    """The published networks, and the nearest neighbour under dynamic time warping, on the same split."""
    study, config = ProblemStudy(run, name), run.config
    every_sample = np.ones((config.peer_seeds, study.size), bool)
    rows, diverged, accuracy, losses = [], [], [], []
    for network in config.peers:
        rate, seeds = config.peer_learning_rate, range(config.peer_seeds)
        swept = study.sweep(f"peer-{network}", study.stage(network), seeds, every_sample, learning_rate=rate)
        right, loss = study.predictions("peers evaluated", study.setting(network)[0], swept)
        rows += [{"seed": seed, "method": network, "backbone": network, "num_train": study.size} for seed in seeds]
        diverged.append(swept.result.diverged)
        accuracy.append(right[:, study.size :].mean(1))
        losses.append(loss[:, study.size :].mean(1))
    series = [side["inputs"][..., 0] for side in (study.test, study.data)]
    with run.bar(f"{name}: nearest neighbour", len(series[0]), "series", "references") as bar:
        nearest = nearest_neighbour(*series, on_block=lambda done: bar.update(done - bar.n))
    right = study.data["label"][nearest.indices] == study.test["label"]
    rows.append({"method": "nearest_neighbour_dtw", "num_train": study.size})
    members = study.members(rows, np.concatenate([*diverged, [False]]))
    networks = members.iloc[:-1]
    tables = [
        long(members, {"accuracy": np.concatenate([*accuracy, [right.mean()]])}),
        long(networks, {"loss": np.concatenate(losses)}),
    ]
    results = pd.concat(tables, ignore_index=True).assign(stage="peer", split="evaluate")
    return Output({"members": members, "results": results})
