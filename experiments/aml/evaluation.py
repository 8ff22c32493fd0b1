"""The age study's members evaluated, as tables: metrics, intervals over subjects, predictions, training curves."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.aml.references import boosting_probe
from experiments.results.contract import long
from experiments.results.members import curves, predictions
from experiments.run.context import Context
from experiments.run.host import side_by_side
from experiments.run.sweeping import Swept, over_members
from jaxfair import metrics, sweeps
from jaxfair.methods import aml_evaluation
from jaxfair.methods.aml_model import Setting
from jaxfair.training import Member


def evaluate(run: Context, setting: Setting, swept: Swept, stage: str) -> dict[str, pd.DataFrame]:
    """The tables of a sweep that ended in `stage`: members, results, intervals, predictions.

    Args:
      run: The started run.
      setting: In which the networks are applied.
      swept: The sweep.
      stage: `baseline`, `adversarial` or `joint`, which has no age head.
    """
    evaluation = _evaluate(run, setting, swept, stage)
    boosting = _boosting(run, swept, stage, evaluation.predictions.representation)
    members = sweeps.members_table(swept.result, swept.grid)
    members["fold"] = fold_numbers(run.config, members["fold"])
    values, intervals = evaluation.metrics | boosting, evaluation.intervals
    ages = {name: value for name, value in values.items() if name.startswith(("age_", "predicted_age"))}
    rest = {name: value for name, value in values.items() if name not in ages}
    if stage == "joint":
        intervals = {name: value for name, value in intervals.items() if name not in ages}
        tables = [long(members, rest, stage=stage, split="evaluate")]
    elif stage == "baseline":
        # The sweep holds two stages: the disease head and the probes belong to the baseline, the age head is its own.
        age_members = members.assign(method="age_head")
        tables = [
            long(members, rest, stage="baseline", split="evaluate"),
            long(age_members, ages, stage="age_head", split="evaluate"),
        ]
    else:
        tables = [long(members, values, stage=stage, split="evaluate")]
    by_epoch = curves(swept.result, members)
    by_epoch["method"] = by_epoch["method"].mask(by_epoch["stage"] == "age_head", "age_head")
    return {
        "members": members,
        "results": pd.concat([*tables, by_epoch], ignore_index=True),
        "intervals": _intervals(intervals, members, stage),
        "predictions": _predictions(run, evaluation.predictions, swept, members, stage),
    }


def fold_numbers(config: Any, folds: Sequence[int]) -> Any:
    """Folds as tables name them: PTB-XL's strat_fold, null where there is one split."""
    return pd.array([fold + 1 if config.split == "folds" else pd.NA for fold in folds], dtype="Int64")


@functools.cache
def _evaluator(setting, num_subjects, num_probe_folds, num_resamples, mlp_steps):
    """One function for all sweeps, so that it is compiled once."""

    def one(member, variables, data, code, fold):
        subjects = aml_evaluation.Subjects(code, num_subjects, fold, num_probe_folds)
        return aml_evaluation.evaluate(
            setting, variables, member, data, subjects, num_resamples=num_resamples, mlp_steps=mlp_steps
        )

    return one


def prepare_evaluation(run: Context, setting: Setting, members: Member, variables: Any, placement: Any) -> None:
    """Compiles the program that evaluates members; of `variables` only the shapes count."""
    function, each, shared = _evaluated(run, setting, members, variables)
    places = len(placement.devices) * placement.width
    sweeps.prepare_over_all(function, each, shared, placement, places=places)
    age = run.data.arrays["age"]
    _agreement.lower(age, age, run.data.evaluate[0]).compile()


def _evaluated(run, setting, members, variables):
    config, subjects = run.config, run.data.subjects
    evaluator = _evaluator(
        setting, subjects.count, subjects.num_folds, config.bootstrap_resamples, config.mlp_probe_steps
    )
    each = members._replace(hyperparameters={}), variables
    return evaluator, each, (run.data.arrays, subjects.code, subjects.fold)


def _evaluate(run, setting, swept, stage) -> aml_evaluation.Evaluation:
    evaluated = _evaluated(run, setting, swept.members, swept.result.state["variables"])
    return over_members(run, f"{stage}: probes", *evaluated, swept.placement)


def _boosting(run, swept, stage, representation):
    """Gradient boosting as a probe, on the host: of the members of the first seeds, NaN for the others."""
    boosted = [number for number, row in enumerate(swept.grid) if row["seed"] < run.config.boosting_seeds]
    names = [f"probe_boosting_{what}{where}" for what in ("r2", "pearson") for where in ("", "_healthy")]
    values = {name: np.full(len(swept.grid), np.nan) for name in names}
    healthy, age = run.data.arrays["infarction"] == 0, run.data.arrays["age"]
    groups = {"": np.ones_like(healthy), "_healthy": healthy}
    probes = {}
    for number in boosted:
        train = run.data.train[swept.grid[number]["fold"]]
        for where, kept in groups.items():
            probes[number, where] = representation[number], age, train & kept
    with run.bar(f"{stage}: boosting probes", len(probes), "probe") as bar:
        for (number, where), read in side_by_side(boosting_probe, probes):
            evaluated = run.data.evaluate[swept.grid[number]["fold"]] & groups[where]
            for what, value in _agreement(read, age, evaluated).items():
                values[f"probe_boosting_{what}{where}"][number] = value
            bar.update()
    return values


@jax.jit
def _agreement(read, age, mask):
    return {"r2": metrics.r2(read, age, mask), "pearson": metrics.pearson(read, age, mask)}


def _intervals(intervals, members, stage):
    columns = members[["member", "method", "seed", "fold"]]
    tables = [
        columns.assign(
            stage=stage,
            metric=name,
            estimate=part.estimate,
            low=part.low,
            high=part.high,
            undefined=part.num_undefined,
            subjects=part.num_subjects,
        )
        for name, part in intervals.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _predictions(run, predicted, swept, members, stage):
    dataset, arrays = run.data.cohort.dataset, run.data.arrays
    examples = pd.DataFrame(
        {
            "id": dataset.ids,
            "subject": dataset.subject,
            "target": arrays["infarction"],
            "age": arrays["age"],
            "sex": dataset.sensitive["sex"],
        }
    )
    age = predicted.age if stage != "joint" else np.full_like(predicted.age, np.nan)
    return predictions(
        members.reindex(columns=["member", "method", "seed", "fold", "alpha"]).astype({"alpha": "float64"}),
        examples,
        {"prediction": predicted.infarction, "predicted_age": age},
        run.data.evaluate[[row["fold"] for row in swept.grid]],
        stage=stage,
        split="evaluate",
    )
