"""A study of your own in one file: can a score that does not follow age still detect a disease? Two arms, two folds.

PYTHONPATH=. python examples/own_study.py [--workdir=DIR] [--config.seeds=4] [--part=NAME]
"""

import functools

import numpy as np
import pandas as pd
from ml_collections import ConfigDict
from own_stage import fit, simulate

from experiments.report.blocks import Figure, Section
from experiments.report.curves import training_curves
from experiments.report.sections import how_members_ended
from experiments.report.style import BLUE, GREEN, Style
from experiments.report.tables import arm_table, control_table
from experiments.results.contract import long
from experiments.results.members import curves, predictions
from experiments.results.summaries import arm_members, final_values
from experiments.run import launch
from experiments.run.checks import Rules, number, one_of, whole
from experiments.run.study import Output, Part, Study
from experiments.run.sweeping import sweep
from jaxfair import metrics, sweeps

ARMS = {"plain": Style("Plain", BLUE), "without_age": Style("Without age", GREEN, control="plain")}
METRICS = {"roc_auc": ("ROC AUC", "fraction"), "age_pearson_healthy": ("score and age r, healthy", "correlation")}


def get_config(variant: str = "") -> ConfigDict:
    """The configuration; every field is a flag."""
    return ConfigDict({"variant": variant, "seeds": 3, "patients": 900, "alpha": 3.0, "learning_rate": 0.3})


# What the fields may be; a value that is not is refused with its flag before anything is computed.
COUNTS = {"seeds": whole(1, 1000), "patients": whole(30, 1_000_000)}
RULES = Rules(COUNTS | {"alpha": number(0, 1e6), "learning_rate": number(1e-6, 10), "variant": one_of("")})


def parts(config: ConfigDict) -> list[Part]:
    """One part an arm, and one that compares: it needs what the arms have left."""
    arms = [Part(arm, (), functools.partial(train, arm=arm)) for arm in ARMS]
    return [*arms, Part("difference", tuple(ARMS), compare)]


def load(config: ConfigDict) -> dict:
    """Simulated patients, and by fold who trains, who says when to stop, and who is only evaluated."""
    third = np.arange(config.patients) % 3
    masks = {"train": [third == 0, third == 1], "validate": [third == 1, third == 0], "evaluate": [third == 2] * 2}
    return {"arrays": simulate(config.patients)} | {name: np.stack(mask) for name, mask in masks.items()}


def train(run, inputs, arm: str) -> Output:
    """All seeds and folds of an arm as one sweep: members, results, predictions."""
    config, data, arrays = run.config, run.data, run.data["arrays"]
    alpha = config.alpha if arm == "without_age" else 0.0
    axes = {"seed": range(config.seeds), "fold": range(2), "method": [arm]}
    grid = sweeps.product(**axes, alpha=[alpha], learning_rate=[config.learning_rate])
    masks = {name: data[name] for name in ("train", "validate", "evaluate")}
    swept = sweep(run, arm, [fit()], grid, arrays, **masks)
    score = swept.result.state["best"].kept["params"]["score"] @ arrays["features"].T
    members, evaluated = sweeps.members_table(swept.result, grid), np.asarray(swept.members.evaluate)
    values = {
        "roc_auc": metrics.roc_auc(score, arrays["disease"], evaluated),
        "age_pearson_healthy": metrics.pearson(score, arrays["age"], evaluated & (arrays["disease"] == 0)),
    }
    results = [long(members, values, stage="fit", split="evaluate"), curves(swept.result, members)]
    examples = pd.DataFrame({"subject": np.arange(len(score[0])), "target": arrays["disease"], "age": arrays["age"]})
    predicted = predictions(members[["member", "method", "seed", "fold"]], examples, {"prediction": score}, evaluated)
    return Output({"members": members, "results": pd.concat(results, ignore_index=True), "predictions": predicted})


def compare(run, inputs) -> Output:
    """What the term against age costs in detection, paired by seed and fold, as a table of its own."""
    plain, other = (inputs[arm].table("results").query("metric == 'roc_auc'") for arm in ARMS)
    bounds = metrics.bounds_of("roc_auc")
    change = metrics.paired_difference(other["value"].to_numpy(), plain["value"].to_numpy(), bounds=bounds)
    return Output({"difference": pd.DataFrame([change._asdict()])})


def sections(run) -> list[Section]:
    """The page: both arms, their training, and how members ended."""
    values = final_values(run.results).assign(arm=lambda rows: rows["method"].map(lambda name: ARMS[name].label))
    arms = arm_members(run.members, ["method"]).assign(arm=[style.label for style in ARMS.values()])
    own, control = (values[values["method"] == method] for method in ("without_age", "plain"))
    pairs = [("Without age", own, "Plain", control)]
    spread = "Mean ± SD over seeds and folds, below it the 95 % interval of the mean."
    drawing = training_curves(run.results[run.results["epoch"].notna()], ARMS, {"loss": "loss"})
    tables = [arm_table(values, arms, METRICS, spread), control_table(pairs, METRICS, "The same, minus the control.")]
    return [
        Section("Arms", tables),
        Section("Training", [Figure("training", "Loss by epoch, mean ± SD.", drawing)]),
        Section("Members", [how_members_ended(run)]),
    ]


def summary(run) -> str:
    """The cost in one line."""
    change = run.table("difference", ["mean", "low", "high", "n"]).iloc[0]
    return "ROC AUC, without age - plain: {mean:+.3f} [{low:+.3f}, {high:+.3f}], n = {n:g}".format(**change)


UNITS = {"pearson": "correlation", "loss": "nats"}
STUDY = Study("own", parts, load, UNITS, sections, "Detection without age", "Simulated patients.", summary, rules=RULES)

if __name__ == "__main__":
    launch.main(STUDY, __file__)
