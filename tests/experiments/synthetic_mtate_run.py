"""A made-up run of the fairness study, with everything that its page is made of, and what tests of it share."""

import dataclasses
import json

import numpy as np
import pandas as pd

from experiments.mtate import judged
from jaxfair import manifest

DOMAINS = ("age", "sex")
PLAIN = (
    "transformer", "lstm", "retain", "dann", "mtate", "mtate_unlabelled", "gradient_boosting", "lstm_group_thresholds",
    "lstm_threshold_optimizer", "mtate_svm",
)  # fmt: skip
DERIVED = PLAIN[-5:]  # Without members of their own.
ABLATIONS = (
    "mtate", "without_temporal", "without_feature", "without_representation", "without_masking", "without_contrastive",
)  # fmt: skip
MASKING = tuple(f"masking_{rate}" for rate in range(10))
SPLITS = ("evaluate", "evaluate_1_to_4", "evaluate_1_to_1")
OVERALL = (
    "roc_auc", "pr_auc", "accuracy", "balanced_accuracy", "selection_rate", "true_positive_rate", "false_positive_rate",
    "brier",
)  # fmt: skip
RATES = (
    "selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "roc_auc", "pr_auc", "calibration_bias",
)  # fmt: skip
GAPS = (*judged.GAPS, "calibration_bias_difference")
RESULT = ("experiment", "unit", "problem", "task", "backbone", "method", "stage", "split", "metric")


def write_run(workdir, methods=PLAIN, base="mtate", config=(), seeds=3):
    """A run of made-up figures: no method differs from the base by a decided difference."""
    rng = np.random.default_rng(5)
    workdir.mkdir(parents=True, exist_ok=True)
    results, intervals, groups, choices, members, predictions = [], [], [], [], [], []
    for method in methods:
        trained = method not in DERIVED
        for split in (*SPLITS, "evaluate_by_worst_group", "evaluate_by_closest_to_ideal"):
            if split not in SPLITS and not trained:
                continue
            for task in ("", *DOMAINS, "all"):
                for metric in GAPS if task else OVERALL:
                    values = rng.uniform(0.05, 0.3, seeds) if task else rng.uniform(0.6, 0.8, seeds)
                    if method == "gradient_boosting":
                        values = values[:1]
                    for seed, value in enumerate(values):
                        results.append(_row(method, "evaluation", split, metric, value, seed=seed, task=task or None))
                    if split in SPLITS:
                        mean = values.mean()
                        one = {"method": method, "split": split, "task": task, "metric": metric}
                        intervals.append(one | {"estimate": mean, "low": mean - 0.02, "high": mean + 0.05})
            for name in DOMAINS if split in SPLITS else ():
                for group, count, positive in ((0, 40, 12), (1, 20, 40)):
                    for rate in RATES:
                        value = rng.uniform(0.3, 0.9)
                        one = {"method": method, "split": split, "task": name, "group": group, "rate": rate}
                        one |= {"value": value, "low": value - 0.1, "high": value + 0.1}
                        groups.append(one | {"count": count + positive, "positive": positive})
        for seed in range(seeds):
            for fold in (1, 2) if trained else ():
                for candidate in ("0", "1"):
                    who = {"member": len(members), "seed": seed, "fold": fold, "method": method, "candidate": candidate}
                    members.append(
                        who | {"status": "finished", "epochs_run": 4, "best_epoch": 2, "learning_rate": 1e-3}
                    )
                    members[-1]["learning_rate"] *= 0.3 if candidate == "1" else 1.0
                    for split in ("train", "validate"):
                        for epoch in range(4):
                            value = np.exp(-epoch) + 0.1 * int(candidate)
                            metric, value = ("loss", value) if split == "train" else ("roc_auc", 1 - value)
                            results.append(
                                _row(method, "classifier", split, metric, value, epoch, len(members) - 1, seed, fold)
                            )
                for rule in ("roc_auc", "worst_group", "closest_to_ideal"):
                    one = {"method": method, "seed": seed, "fold": fold, "candidate": "1", "best_epoch": 2 + seed % 2}
                    choices.append(one | {"epochs_run": 4, "rule": rule})
        for number in range(60):
            one = {"method": method, "seed": 0, "fold": 1, "id": number, "end": 48, "target": float(number % 5 == 0)}
            one |= {"prediction": rng.uniform(), "decision": 1.0}
            predictions.append(one | {"domain_age": float(number % 2), "domain_sex": float(number % 3 == 0)})
    compared = [
        {"base": base, "method": name, "task": task, "metric": metric, "difference": 0.01, "low": -0.02, "high": 0.03}
        | {"p": 0.4, "p_holm": 1.0}
        for task, metric in judged.MAIN
        for name in methods
        if name != base
    ]
    frames = {
        "results": pd.DataFrame(results).astype(
            {name: "Int64" for name in ("member", "seed", "fold", "epoch")} | dict.fromkeys(RESULT, "string")
        ),
        "members": pd.DataFrame(members),
        "intervals": pd.DataFrame(intervals).assign(undefined=0),
        "groups": pd.DataFrame(groups),
        "comparisons": pd.DataFrame(compared, columns=judged.COMPARISON_COLUMNS),
        "choices": pd.DataFrame(choices),
        "predictions": pd.DataFrame(predictions),
        "cohort": pd.DataFrame([("all stays", 130, 120, 120, 60), ("outcome known", 112, 112, 112, 52)],
                               columns=judged.COHORT_COLUMNS),
    }  # fmt: skip
    if "mtate" in methods:
        frames |= _attention(rng)
    for name, frame in frames.items():
        frame.to_parquet(workdir / f"{name}.parquet")
    stated = {"data": "challenge2012", "task": "hospital_death", "window": 48, "seeds": seeds, "folds": 2, "epochs": 4}
    stated |= {"domains": list(DOMAINS), "bootstrap_resamples": 1000, "train_set": "a", "evaluate_on": ""}
    (workdir / "config.json").write_text(json.dumps(stated | dict(config)))
    (workdir / "environment.json").write_text(json.dumps({"command": "python -m experiments.mtate"}))
    manifest.write(workdir)
    return workdir


def _row(method, stage, split, metric, value, epoch=None, member=None, seed=None, fold=None, task=None):
    row = {"experiment": "mtate", "unit": "fraction", "problem": None, "task": task, "member": member, "seed": seed}
    row |= {"fold": fold, "backbone": None, "method": method, "stage": stage, "epoch": epoch, "split": split}
    return row | {"metric": metric, "value": value}


def _attention(rng):
    table = pd.DataFrame(
        [
            {"fold": 1 + number % 2, "id": number, "end": 48, "domain": name, "group": 0.0}
            | dict(zip(("outcome_loss", "domain_loss", "weight"), rng.uniform(0.1, 0.9, 3), strict=True))
            for number in range(30)
            for name in DOMAINS
        ]
    )
    hours, variables = range(3), ("heart rate", "sodium")
    return {
        "attention": table,
        "patient_hours": pd.DataFrame({"hour": hours, "attention": [0.2, 0.3, 0.5]}),
        "patient_values": pd.DataFrame(
            [
                {"hour": hour, "variable": name, "value": 80.0 + hour, "standardized": hour - 1.0}
                for hour in hours
                for name in variables
            ]
        ),
        "patient_variables": pd.DataFrame(
            [{"domain": name, "variable": one, "attention": 0.5} for name in DOMAINS for one in variables]
        ),
        "patient_domains": pd.DataFrame(
            {"domain": DOMAINS, "group": 0.0, "probability": 0.4, "weight": 0.5, "id": 132539, "risk": 0.875}
        ),
    }


def planted(found, method, key, difference, low, high, p_holm):
    """The same findings with another difference."""
    changed = found.comparisons.copy()
    columns = ["difference", "low", "high", "p_holm"]
    changed.loc[(method, *key), columns] = difference, low, high, p_holm
    return dataclasses.replace(found, comparisons=changed)


def written(value):
    """A number as the page has it."""
    return f"{value:.3f}".replace("-", "−")


def plus(value):
    """A difference as the page has it."""
    return ("+" if value > 0 else "") + written(value)
