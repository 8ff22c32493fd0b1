"""Writes a workdir as a run of the age study leaves it, with planted numbers: for the tests of the report."""

import json
import pathlib

import numpy as np
import pandas as pd

from experiments.aml import report
from experiments.report import page as page_module
from jaxfair import manifest

LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
BANDS = ["00_40", "40_55", "55_70", "70_plus"]
# By method: stage, alpha, AUC, accuracy, the head's r, R² of a fresh ridge probe, r of score and age in the healthy.
PLANTED = {
    "baseline": ("baseline", np.nan, 0.943, 0.890, np.nan, 0.42, 0.45),
    "age_head": ("age_head", np.nan, np.nan, np.nan, 0.64, np.nan, np.nan),
    "no_adversary": ("adversarial", 0.0, 0.949, 0.907, 0.60, 0.41, 0.45),
    "reversed_mse": ("adversarial", 0.001, 0.74, 0.20, -0.30, 0.35, 0.30),
    "ncov": ("adversarial", 0.001, 0.947, 0.905, -0.02, 0.38, 0.44),
    "ncov_trained_adversary": ("adversarial", 0.001, 0.946, 0.903, 0.10, 0.33, 0.40),
    "ncov_healthy": ("adversarial", 0.001, 0.947, 0.904, 0.02, 0.37, 0.41),
    "joint_control": ("joint", 0.0, 0.969, 0.940, np.nan, 0.44, 0.44),
    "joint_hsic": ("joint", 10.0, 0.965, 0.935, np.nan, 0.03, 0.13),
}
REFERENCES = {"logistic_regression": 0.939, "ridge": np.nan, "gradient_boosting": 0.976, "age_alone": 0.81}
WORDS = ("experiment", "unit", "problem", "task", "backbone", "method", "stage", "split", "metric")
DIVERGED = 3  # members of reversed_mse: from half of the epochs on, everything is NaN


def write_run(workdir: pathlib.Path, *, seeds: int = 5, alphas: tuple = (), examples: int = 300) -> pathlib.Path:
    """A run of every arm over `seeds` seeds; with `alphas`, NCOV and HSIC are swept over them.

    Returns:
      The workdir, which holds every file that the report reads.
    """
    rng = np.random.default_rng(7)
    workdir.mkdir(parents=True, exist_ok=True)
    age = np.clip(rng.normal(58, 17, examples), 18, 89)
    target = (rng.random(examples) < 0.17 + 0.004 * (age - 58)).astype(float)
    members, results, intervals, predictions, counts = [], [], [], [], {}
    for method, (stage, own_alpha, *_) in PLANTED.items():
        for alpha in alphas if alphas and method in ("ncov", "joint_hsic") else (own_alpha,):
            for seed in range(seeds):
                # Sweeps count their members from 0: the baseline's holds the age head, the joint one its control.
                sweep = {"age_head": "baseline", "joint_control": "joint", "joint_hsic": "joint"}.get(method, method)
                member = seed if method == "age_head" else counts.setdefault(sweep, 0)
                counts[sweep] = max(member + 1, counts[sweep])
                lost = method == "reversed_mse" and seed < min(DIVERGED, seeds)
                status = "diverged" if lost else "finished"
                who = {"member": member, "seed": seed, "fold": None, "method": method, "stage": stage}
                if method != "age_head":
                    members.append({**who, "alpha": alpha, "epochs_run": 40, "status": status})
                metrics = _metrics(method, alpha, rng)
                results += [_row(who, unit, metric, np.nan if lost else value) for metric, unit, value in metrics]
                results += _curves(who, dict((name, value) for name, _, value in metrics), lost, rng)
                own = {**who, "method": "baseline"} if method == "age_head" else who
                intervals += [
                    {**own, "metric": metric, "estimate": value, "low": value - 0.02, "high": value + 0.02}
                    for metric, _, value in metrics
                    if metric in ("accuracy", "roc_auc", "age_pearson", "probe_ridge_r2_healthy") and not lost
                ]
                if method != "baseline":  # the head's predictions stand with the baseline's
                    predictions.append(_predictions(method, own, alpha, lost, age, target, rng))
    for method, auc in REFERENCES.items():
        who = {"member": None, "seed": None, "fold": None, "method": method, "stage": "reference"}
        results += [_row(who, "fraction", "roc_auc", auc), _row(who, "fraction", "accuracy", auc - 0.05)]
        results.append(_row(who, "correlation", "age_pearson", 0.74 if method == "ridge" else np.nan))
    tables = {
        "members": pd.DataFrame(members).drop(columns="stage"),
        "results": pd.DataFrame(results).astype(
            {name: "Int64" for name in ("member", "seed", "fold", "epoch")} | {name: "string" for name in WORDS}
        ),
        "intervals": pd.DataFrame(intervals),
        "predictions": pd.concat(predictions, ignore_index=True),
        "cohort": pd.DataFrame(
            [
                ("all records", 7450, 6480, 1400, 5950),
                ("labels and exclusions", 7050, 6200, 1195, 5855),
                ("quality", 6750, 5990, 1090, 5660),
            ],
            columns=["step", "records", "subjects", "infarction", "healthy"],
        ),
        "rejected": pd.DataFrame(
            [(str(index), "quality", f"only {index % 8} leads < 0.9 & noisy") for index in range(120)],
            columns=["id", "reason", "detail"],
        ),
        "average_beats": _beats(),
    }
    for name, table in tables.items():
        table.to_parquet(workdir / f"{name}.parquet")
    (workdir / "config.json").write_text(json.dumps({"variant": "ptbxl", "batch_size": 32, "note": "<b>&"}))
    environment = {
        "command": "python -m experiments.aml --config=experiments/configs/aml.py:ptbxl",
        "git_commit": "0123456789abcdef",
        "versions": {"python": "3.11", "jax": "0.10.2"},
        "platform": "cpu",
        "device_kind": "cpu",
        "device_count": 2,
        "width": {"stages": 1},
        "started": "2026-01-01 10:00:00",
        "seconds": {"cohort": {"data": 51.0}, "baseline": {"compiling": 20.0, "training": 1200.5}},
    }
    (workdir / "environment.json").write_text(json.dumps(environment))
    manifest.write(workdir)
    return workdir


def _row(who, unit, metric, value, epoch=None, split="evaluate"):
    row = {"experiment": "aml", "unit": unit, "problem": None, "task": None, **who, "backbone": None}
    row |= {"epoch": epoch, "split": split}
    return row | {"metric": metric, "value": value}


def _metrics(method, alpha, rng):
    _, planted, auc, accuracy, head, r2, score = PLANTED[method]
    if method in ("ncov", "joint_hsic") and alpha != planted:
        r2 = 0.42 * np.exp(-alpha * (2 if method == "joint_hsic" else 0.5))
        auc -= 0.01 * alpha / (1 + alpha)
    noise = rng.normal(0, 0.004, 40)
    metrics = []
    if np.isfinite(auc):
        metrics = [
            ("roc_auc", "fraction", auc + noise[0] / 2),
            ("pr_auc", "fraction", auc - 0.15 + noise[1]),
            ("accuracy", "fraction", accuracy + noise[2]),
            ("sensitivity", "fraction", 0.84 + noise[3]),
            ("specificity", "fraction", 0.90 + noise[4]),
            ("majority_share", "fraction", 0.83),
        ]
        for place, band in enumerate(BANDS):
            metrics.append((f"error_rate_age_{band}", "fraction", 0.03 + 0.05 * place + noise[5 + place]))
            metrics.append((f"sensitivity_age_{band}", "fraction", 0.70 + 0.05 * place + 4 * noise[9 + place]))
            metrics.append((f"specificity_age_{band}", "fraction", 0.98 - 0.06 * place + noise[13 + place]))
        for probe, more in (("ridge", 0.0), ("mlp", 0.02), ("boosting", 0.01)):
            for suffix, less in (("", 0.02), ("_healthy", 0.0)):
                value = r2 + more + less + noise[20]
                metrics.append((f"probe_{probe}_r2{suffix}", "fraction", value))
                metrics.append((f"probe_{probe}_pearson{suffix}", "correlation", np.sqrt(max(value, 0))))
        metrics.append(("score_age_pearson_healthy", "correlation", score + noise[21]))
    if np.isfinite(head):
        far = method == "reversed_mse"
        metrics.append(("age_pearson", "correlation", head + 10 * noise[22]))
        metrics.append(("predicted_age_mean", "years", -83_000.0 if far else 58.0 + noise[23]))
        metrics.append(("predicted_age_std", "years", 124_000.0 if far else 11.0 + noise[24]))
    return metrics


def _curves(who, final, lost, rng, epochs=40):
    rows = []
    names = {"loss": "", "accuracy": "fraction", "roc_auc": "fraction", "age_pearson": "correlation"}
    for metric, unit in names.items():
        end = {"loss": 0.3}.get(metric, final.get(metric))
        if end is None:
            continue
        for split in ("train", "evaluate"):
            for epoch in range(0, epochs, 2):
                way = 0.4 * np.exp(-epoch / 10) * (1 if metric == "loss" else -1)
                value = end + way + rng.normal(0, 0.006) - (0.03 if (split, metric) == ("train", "loss") else 0)
                if lost:
                    value = np.nan if epoch > epochs // 2 else value * np.exp(epoch / 4) * (metric == "loss") or value
                rows.append(_row(who, unit, metric, value, epoch, split))
    return rows


def _predictions(method, who, alpha, lost, age, target, rng):
    *_, score = PLANTED["baseline" if method == "age_head" else method]
    head = PLANTED[method][4]
    noise = rng.normal(0, 1, (2, len(age)))
    z = (age - 58) / 17
    predicted = 58 + 11 * (head * z + np.sqrt(1 - head**2) * noise[0])
    if method == "reversed_mse":
        predicted = -83_000 + 124_000 * (head * z + noise[0])
    logits = 3.2 * target - 2.2 + score * z + 0.8 * noise[1]
    return pd.DataFrame(
        {
            **who,
            "alpha": alpha,
            "split": "evaluate",
            "id": np.arange(len(age)).astype(str),
            "subject": np.arange(len(age)) // 2,
            "target": target,
            "prediction": np.full(len(age), np.nan) if lost else 1 / (1 + np.exp(-logits)),
            "age": age,
            "predicted_age": np.nan if lost else predicted,
            "sex": 0.0,
        }
    )


def _beats():
    time = np.arange(-250, 330, 10)
    frames = []
    for infarction in (0, 1):
        for place, lead in enumerate(LEADS):
            qrs = np.exp(-((time - 25) ** 2) / 400) - 0.3 * np.exp(-((time - 55) ** 2) / 300)
            wave = 0.12 * np.exp(-((time + 130) ** 2) / 900) + 0.25 * (1 - 1.6 * infarction) * np.exp(
                -((time - 270) ** 2) / 4000
            )
            mean = np.cos(place) * (qrs + wave)
            frame = {"infarction": infarction, "lead": lead, "time_ms": time, "mean": mean, "std": 0.08 + 0.1 * qrs**2}
            frames.append(pd.DataFrame(frame).assign(count=1090 if infarction else 5660))
    return pd.concat(frames, ignore_index=True)


def write_page(workdir):
    """The age study's page of a run."""
    return page_module.write_report(workdir, report.sections, title=report.TITLE, lead=report.LEAD)


def change(workdir, name, function):
    """Writes one of a run's tables again, changed, as if the run had written it so."""
    path = workdir / f"{name}.parquet"
    function(pd.read_parquet(path)).to_parquet(path)
    manifest.write(workdir)
