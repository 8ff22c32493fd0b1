"""The study's part that judges: every method's figures by seed, intervals over patients, and paired differences."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from data_pipelines import splits
from experiments.mtate import attention_tables, methods, selection
from experiments.mtate.arms import hyperparameters, network_arms
from experiments.mtate.data import IcuData
from experiments.mtate.resampled import Measured, Scored, measured, patient_weights
from experiments.run.context import Context
from experiments.run.host import side_by_side
from experiments.run.parts import Stored
from experiments.run.study import Output
from jaxfair import metrics

MAIN_RULE = "roc_auc"
# Test sets as in the paper, by negatives for each positive, and at the natural prevalence.
TEST_SETS = {"evaluate": None, "evaluate_1_to_4": 4.0, "evaluate_1_to_1": 1.0}
# Asked of each pair of methods; all others are in the table of intervals.
COMPARED = (
    ("", "roc_auc"), ("", "pr_auc"), ("", "accuracy"), ("all", "demographic_parity_difference"),
    ("all", "equal_opportunity_difference"), ("all", "mean_equalized_odds_difference"),
)  # fmt: skip
BASES = ("mtate", "masking_4")  # What the others are compared with: the paper's own.


def evaluate(run: Context, inputs: Mapping[str, Stored]) -> Output:
    """Tables of all methods: `results`, `intervals`, `groups`, `comparisons`, `choices`, `predictions`, `attention`."""
    config, data = run.config, run.data
    view = data.judged
    weights = patient_weights(_evaluated_subjects(view), config.bootstrap_resamples, seed=0)
    several = any(len(hyperparameters(config, name)) > 1 for name in network_arms(config))
    # Under the other rules, candidates that were not refitted would be chosen.
    rules = selection.RULES if several and data.other is None else (MAIN_RULE,)
    results, intervals, groups, predictions = [], [], [], []
    replicates: dict[str, dict[tuple[str, str], np.ndarray]] = {}
    names = [(rule, name) for rule in rules for name in _judged(config, data, inputs, rule)]
    with run.bar("evaluation", len(names), "method") as bar:
        for rule in rules:
            main = rule == MAIN_RULE
            found = methods.scored(config, data, inputs, rule)
            for name in _judged(config, data, inputs, rule):
                scored = found[name]
                for test_set, negatives in TEST_SETS.items():
                    if not main and test_set != "evaluate":
                        continue
                    drawn = weights if main else weights[:1]
                    seeds = {
                        seed: (scored, seed, data.outcome, data.domains, data.domain_names,
                               _test_set(view, negatives, seed), drawn)
                        for seed in range(len(scored.logit))
                    }  # fmt: skip
                    each = [one for _, one in side_by_side(measured, seeds)]
                    split = test_set if main else f"{test_set}_by_{rule}"
                    results.append(_results(name, split, each))
                    if main:
                        mean = _over_seeds(each)
                        intervals.append(_intervals(name, split, mean))
                        groups.append(_groups(name, split, each))
                        if test_set == "evaluate" and name != "optimum":  # Which is no model.
                            replicates[name] = mean
                if main:
                    predictions.append(_predictions(view, name, scored))
                bar.update()
    tables = {
        "results": pd.concat(results, ignore_index=True),
        "intervals": pd.concat(intervals, ignore_index=True),
        "groups": pd.concat(groups, ignore_index=True),
        "comparisons": comparisons(replicates),
        "predictions": pd.concat(predictions, ignore_index=True),
        "choices": _choices(config, data, inputs),
        "cohort": data.cohort,
    }
    if "mtate" in network_arms(config):
        arrays = methods.judged_arrays(config, data, inputs, "mtate", MAIN_RULE)
        tables["attention"] = attention_tables.of_windows(data, arrays)
        of_patient = inputs["mtate" if data.other is None else "mtate-refit"]
        tables |= attention_tables.of_patient(data, of_patient.arrays["patient"])
    return Output(tables)


def _judged(config, data, inputs, rule):
    """The methods that are judged under a rule: under others than the main one, those whose candidates are chosen."""
    names = list(network_arms(config))
    if rule != MAIN_RULE:
        return names
    with_derived = []
    for name in names:
        derived = {"mtate": ["mtate_unlabelled"], "lstm": ["lstm_group_thresholds", "lstm_threshold_optimizer"]}
        with_derived += [name, *derived.get(name, [])]
    fitted = [name for part in ("references", "downstream") if part in inputs for name in inputs[part].arrays]
    return with_derived + fitted + (["optimum"] if data.optimum is not None else [])


def _evaluated_subjects(data: IcuData) -> np.ndarray:
    return np.where(data.evaluate.any(0), data.subject, -1)


def _test_set(data: IcuData, negatives: float | None, seed: int) -> np.ndarray:
    """`[fold, example]`; subsampled once more with every seed, so that no draw of negatives decides."""
    if negatives is None:
        return data.evaluate
    return data.evaluate & splits.with_ratio(data.outcome, negatives, seed, among=data.evaluate.any(0))


def _results(name: str, split: str, each: list[Measured]) -> pd.DataFrame:
    rows = [
        {"seed": seed, "task": domain or pd.NA, "metric": metric, "value": float(value[0])}
        for seed, one in enumerate(each)
        for (domain, metric), value in one.values.items()
    ]
    return pd.DataFrame(rows).assign(method=name, split=split, stage="evaluation")


def _over_seeds(each: list[Measured]) -> dict[tuple[str, str], np.ndarray]:
    """The mean over seeds, `[resample]`; NaN where one seed's is."""
    return {key: np.mean([one.values[key] for one in each], axis=0) for key in each[0].values}


def _intervals(name: str, split: str, mean: Mapping[tuple[str, str], np.ndarray]) -> pd.DataFrame:
    rows = []
    for (domain, metric), values in mean.items():
        low, high = _ends(values[1:])
        known = not np.isnan(values[0])
        rows.append(
            {
                "method": name, "split": split, "task": domain, "metric": metric, "estimate": values[0],
                "low": low if known else np.nan, "high": high if known else np.nan,
                "undefined": int(np.isnan(values[1:]).sum()),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _ends(values: np.ndarray) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    return tuple(np.quantile(known, [0.025, 0.975])) if len(known) > 1 else (np.nan, np.nan)


def _groups(name: str, split: str, each: list[Measured]) -> pd.DataFrame:
    """Every rate of every group, mean over seeds, with the size of the group and its interval over patients."""
    rows = []
    for (domain, group, rate), _ in each[0].groups.items():
        values = np.mean([one.groups[domain, group, rate] for one in each], axis=0)
        low, high = _ends(values[1:])
        count, positive = each[0].counts[domain, group]
        rows.append(
            {"method": name, "split": split, "task": domain, "group": group, "rate": rate, "value": values[0],
             "low": low, "high": high, "count": count, "positive": positive}
        )  # fmt: skip
    return pd.DataFrame(rows)


COMPARISON_COLUMNS = ("base", "method", "task", "metric", "difference", "low", "high", "p", "p_holm")


def comparisons(replicates: Mapping[str, Mapping[tuple[str, str], np.ndarray]]) -> pd.DataFrame:
    """The paper's method minus every other one, on the same resamples of patients.

    p is twice the smaller share of resamples on one side of 0, the observed one counted; Holm's correction is over the
    methods that are compared by one metric.

    Args:
      replicates: By method, then by (domain, metric), `[1 + resample]`, the sample first.
    """
    base = next((name for name in BASES if name in replicates), None)
    if base is None or len(replicates) < 2:
        return pd.DataFrame(columns=list(COMPARISON_COLUMNS))
    tables = []
    for domain, metric in COMPARED:
        rows = []
        for name in replicates:
            if name == base:
                continue
            difference = replicates[base][domain, metric] - replicates[name][domain, metric]
            drawn = difference[1:][~np.isnan(difference[1:])]
            low, high = _ends(difference[1:])
            side = min((drawn <= 0).sum(), (drawn >= 0).sum())
            p = min(2 * (1 + side) / (1 + len(drawn)), 1.0) if not np.isnan(difference[0]) else np.nan
            rows.append((base, name, domain, metric, difference[0], low, high, p))
        table = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS[:-1]))
        known = table["p"].notna().to_numpy()
        corrected = np.full(len(table), np.nan)
        if known.any():
            corrected[known] = metrics.holm(table["p"].to_numpy()[known])
        tables.append(table.assign(p_holm=corrected))
    return pd.concat(tables, ignore_index=True)


def _choices(config: Any, data: IcuData, inputs: Mapping[str, Stored]) -> pd.DataFrame:
    """Which candidate each member's validation examples chose under each rule."""
    tables = []
    for rule in selection.RULES:
        for name in network_arms(config):
            chosen, judged = methods.chosen_members(data, inputs[name], rule)
            table = chosen[["method", "seed", "fold", "candidate", "best_epoch", "epochs_run"]]
            tables.append(table.assign(rule=rule, validation_roc_auc=judged["roc_auc"]))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"rule": [], "method": []})


def _predictions(data: IcuData, name: str, scored: Scored) -> pd.DataFrame:
    """A row a seed, fold and evaluation example."""
    fold, example = np.nonzero(data.evaluate)
    tables = []
    for seed in range(len(scored.logit)):
        logit = scored.logit[seed, fold, example]
        decision = (logit >= scored.threshold[seed, fold]).astype(np.float32)
        if scored.decisions is not None:
            decision = scored.decisions[:, seed, fold, example].mean(0)
        table = pd.DataFrame(
            {
                "method": name,
                "seed": seed,
                "fold": fold + 1,
                "id": data.ids[example],
                "end": data.end[example],
                "target": data.outcome[example],
                "prediction": 1 / (1 + np.exp(-logit)),
                "decision": decision,
            }
        )
        groups = {f"domain_{each}": data.domains[example, place] for place, each in enumerate(data.domain_names)}
        tables.append(table.assign(**groups))
    return pd.concat(tables, ignore_index=True)
