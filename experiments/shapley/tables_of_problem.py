"""What a problem is, and its most and least valuable training beats, as tables."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from experiments.run.context import Context
from experiments.run.parts import Stored
from experiments.run.study import Output
from experiments.shapley.problem import ProblemStudy


def problem_tables(run: Context, inputs: Mapping[str, Stored], name: str) -> Output:
    """Samples by class and side, facts of the problem, and which labels a simulation planted wrong."""
    study, (problem, planted) = ProblemStudy(run, name), run.data[name]
    counts = [
        {"problem": name, "class": label, "split": split, "count": int((side["label"] == number).sum())}
        for split, side in (("train", study.data), ("test", study.test))
        for number, label in enumerate(np.array(problem.labels))
    ]
    facts = {
        "problem": name,
        "length": study.data["inputs"].shape[1],
        "padded": problem.num_padded,
        "filled": problem.num_filled,
        "deviation": problem.deviation,
        "verified": problem.verified,
        "simulated": planted is not None,
    }
    tables = {"counts": pd.DataFrame(counts), "problems": pd.DataFrame([facts])}
    return Output(tables | ({} if planted is None else {"planted": planted.assign(problem=name)}))


def valuable_tables(run: Context, inputs: Mapping[str, Stored], name: str, count: int = 4) -> Output:
    """The training beats with the largest and smallest mean over seeds of the paper's score."""
    study = ProblemStudy(run, name)
    values = pd.concat([block.table("values") for block in inputs.values()], ignore_index=True)
    rows = values[values["score"] == run.config.scores[0]]
    mean = rows.groupby("id")["value"].mean().sort_values(kind="stable")
    ids = study.problem.dataset.ids[: study.size]
    tables = []
    for kind, chosen in (("most valuable", mean.index[::-1][:count]), ("least valuable", mean.index[:count])):
        for one in chosen:
            sample = int(np.flatnonzero(ids == one)[0])
            label = study.problem.labels[study.data["label"][sample]]
            tables.append(study.picture(kind, one, label, study.data["inputs"][sample]).assign(score=mean[one]))
    return Output({"pictures": pd.concat(tables, ignore_index=True)})
