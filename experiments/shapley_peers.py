"""The Shapley study's peers, trained here: what is published of them tells whether our training can be trusted."""

import numpy as np
import pandas as pd

from experiments import results
from experiments.shapley_trial import FIRST, Trial
from jaxfair.models.nearest_neighbour import nearest_neighbour


def peer_tables(trial: Trial) -> dict[str, pd.DataFrame]:
    """The published networks, and the nearest neighbour under dynamic time warping, on the same split."""
    config, tables = trial.config, []
    if not config.peers:
        return {}
    everybody = np.ones((config.peer_seeds, trial.size), bool)
    for number, network in enumerate(config.peers):
        stage = trial.stage(network)
        rate, seeds = config.peer_learning_rate, range(config.peer_seeds)
        result = trial.sweep(f"peer-{network}", stage, seeds, everybody, learning_rate=rate)
        right, loss = trial.predictions("peers judged", trial.setting(network)[0], result)
        rows = [
            {"seed": seed, "method": network, "backbone": network, "num_train": trial.size}
            for seed in range(config.peer_seeds)
        ]
        members = trial.members(FIRST["peers"] + 1000 * number + np.arange(len(rows)), rows, result.diverged)
        tables.append((members, {"accuracy": right[:, trial.size :].mean(1), "loss": loss[:, trial.size :].mean(1)}))
    series = [part["inputs"][..., 0] for part in (trial.test, trial.data)]
    bar_of = trial.launched.bar(f"{trial.name}: nearest neighbour", len(series[0]), "series")
    with trial.launched.timed("nearest neighbour"), bar_of as bar:
        nearest = nearest_neighbour(*series, on_block=lambda done: bar.update(done - bar.n))
    right = trial.data["label"][nearest.indices] == trial.test["label"]
    rows = [{"method": "nearest_neighbour_dtw", "num_train": trial.size}]
    tables.append((trial.members([FIRST["reference"]], rows, False), {"accuracy": [right.mean()]}))
    long = [results.long("shapley", members, value, stage="peer", split="evaluate") for members, value in tables]
    return {
        "members": pd.concat([members for members, _ in tables], ignore_index=True),
        "results": pd.concat(long, ignore_index=True),
    }
