"""Values of training samples that no single network gives: KNN-Shapley, Data-OOB and Banzhaf."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.results.contract import long
from experiments.run.context import Context
from experiments.run.parts import Stored
from experiments.run.study import Output
from experiments.shapley import arms
from experiments.shapley.depth import chosen
from experiments.shapley.problem import HALVES, NETWORK, ProblemStudy
from jaxfair.attribution import data_values, games


def value_tables(run: Context, inputs: Mapping[str, Stored], name: str) -> Output:
    """KNN-Shapley on the series, and Data-OOB and Banzhaf values from retrainings on random halves."""
    study, config = ProblemStudy(run, name), run.config
    size, choice = study.size, chosen(inputs, name)
    neighbours = min(config.neighbours, size - 1)
    knn = data_values.knn_shapley_among(study.data["inputs"], study.data["label"], neighbours)
    values = {"knn_shapley": (knn, np.full(size, np.nan))}
    masks = arms.halves(config.halves, size, name)
    stage = study.stage(**choice._asdict())
    swept = study.sweep("halves", stage, [HALVES + number for number in range(len(masks))], masks)
    setting, _ = study.setting(**choice._asdict())
    right, _ = study.predictions("halves evaluated", setting, swept)
    accuracy = right[:, size:].mean(1)
    rows = [{"method": "half", "backbone": NETWORK, "depth": choice.depth, "num_train": n} for n in masks.sum(1)]
    members = study.members(rows, swept.result.diverged)
    values["data_oob"] = data_values.out_of_bag(right[:, :size], masks)
    values["banzhaf"] = games.banzhaf_from_masks(jnp.asarray(accuracy), masks)
    table = pd.concat([study.value_table(score, *value) for score, value in values.items()], ignore_index=True)
    results = long(members, {"accuracy": accuracy}, stage="halves", split="evaluate")
    return Output({"members": members, "results": results, "values": table})
