"""What is measured of a model of the age study: how well it detects infarction, and how much age is in it."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair import metrics, probes
from jaxfair.methods.aml_model import Predictions, Setting, predict
from jaxfair.training import Member, selected

AGE_BANDS = {"00_40": (0, 40), "40_55": (40, 55), "55_70": (55, 70), "70_plus": (70, np.inf)}
RATES = ("accuracy", "sensitivity", "specificity", "f1", "g_mean")
DETECTION = (
    "accuracy",
    "sensitivity",
    "specificity",
    "f1",
    "g_mean",
    "roc_auc",
    "pr_auc",
    "majority_share",
)


class Subjects(NamedTuple):
    """Whose examples the data are, for cross-validation and resampling by subject.

    Attributes:
      code: `[example]` int, 0 to `count` - 1.
      count: How many subjects, static.
      fold: `[example]` int, folds of subjects for the probes' own regularisation.
      num_folds: How many folds, static.
    """

    code: jax.Array
    count: int
    fold: jax.Array
    num_folds: int


class Evaluation(NamedTuple):
    """A model evaluated on its evaluation mask.

    Attributes:
      metrics: By name, scalars.
      intervals: By name, bootstrap intervals over subjects (`metrics.Interval`).
      predictions: What it says of every example.
    """

    metrics: dict[str, jax.Array]
    intervals: dict[str, metrics.Interval]
    predictions: Predictions


def detection(score: jax.Array, infarction: jax.Array, age: jax.Array, mask: jax.Array) -> dict[str, jax.Array]:
    """How well a score detects infarction, by age band too, and how it goes with age within the healthy.

    Args:
      score: `[example]`, probability of infarction.
      infarction: `[example]`, 0 or 1.
      age: `[example]`, years.
      mask: `[example]` boolean, the examples to evaluate on.
    """
    low, high = np.array(list(AGE_BANDS.values())).T
    # Everyone and each band as rows of one computation: every sum is several kernels to compile.
    rows = jnp.concatenate([mask[None], mask & (age >= low[:, None]) & (age < high[:, None])])
    rates = {name: getattr(metrics, name)(score, infarction, rows) for name in RATES}
    values = {
        name: rates[name][0] if name in rates else getattr(metrics, name)(score, infarction, mask) for name in DETECTION
    }
    healthy = mask & (infarction == 0)
    values["score_age_pearson_healthy"] = metrics.pearson(score, age, healthy)
    values["score_age_spearman_healthy"] = metrics.spearman(score, age, healthy)
    by_band = {"error_rate": 1 - rates["accuracy"], "sensitivity": rates["sensitivity"]}
    by_band["specificity"] = rates["specificity"]
    for name, rate in by_band.items():
        values |= {f"{name}_age_{band}": rate[1 + number] for number, band in enumerate(AGE_BANDS)}
    return values


def age_prediction(predicted: jax.Array, age: jax.Array, mask: jax.Array) -> dict[str, jax.Array]:
    """How a predicted age goes with the true one, and its mean and spread: a constant or a runaway must be visible."""
    mean = jnp.mean(predicted, where=mask)
    return {
        "age_pearson": metrics.pearson(predicted, age, mask),
        "age_r2": metrics.r2(predicted, age, mask),
        "predicted_age_mean": mean,
        "predicted_age_std": jnp.sqrt(jnp.mean((predicted - mean) ** 2, where=mask)),
    }


def probe_ages(
    representation: jax.Array, data: Any, subjects: Subjects, train: jax.Array, key: jax.Array, mlp_steps: int = 2000
) -> dict[str, jax.Array]:
    """Ages that fresh probes read from a frozen representation, `[example]` by probe.

    `ridge` and `mlp` are fitted on all training examples; `ridge_healthy` and `mlp_healthy` on the healthy ones. A
    reading beyond the ages fitted on is taken back to them: a unit that is all but dead in training and alive in one
    evaluated example would otherwise decide R2 alone.
    """

    def read(mask):
        arguments = (representation, data["age"], subjects.fold, subjects.num_folds, mask)
        ages = {
            "ridge": probes.ridge_probe(*arguments),
            "mlp": probes.mlp_probe(key, *arguments, num_steps=mlp_steps),
        }
        low = jnp.min(data["age"], where=mask, initial=jnp.inf)
        high = jnp.max(data["age"], where=mask, initial=-jnp.inf)
        # Not `jnp.clip`: fused on a CPU it may turn NaN, the reading of a diverged member, into an age.
        return {name: jnp.where(age < low, low, jnp.where(age > high, high, age)) for name, age in ages.items()}

    # One after the other by one program: compiling the probes takes longer than a small cohort's fit.
    both = jax.lax.map(read, jnp.stack([train, train & (data["infarction"] == 0)]))
    return {f"{name}{suffix}": both[name][row] for row, suffix in enumerate(("", "_healthy")) for name in both}


def evaluate(
    setting: Setting,
    variables: Any,
    member: Member,
    data: Any,
    subjects: Subjects,
    *,
    num_resamples: int = 1000,
    mlp_steps: int = 2000,
) -> Evaluation:
    """Evaluates a model of one member on its evaluation mask.

    Args:
      setting: As in training.
      variables: The model's. What is said of its age head means nothing if that was not trained.
      member: Its masks and key.
      data: The data set (see `methods.aml`).
      subjects: Whose examples they are.
      num_resamples: Of the bootstrap.
      mlp_steps: Of the MLP probe.
    """
    predictions = predict(setting, variables, data, member.train)
    key = jax.random.fold_in(member.key, 0x50B0E)
    ages = probe_ages(predictions.representation, data, subjects, member.train, key, mlp_steps)
    # Everything below concerns evaluated examples only; the bootstrap is five times cheaper without the others.
    indices, mask = selected(member.evaluate, setting.num_evaluated)
    infarction, age = data["infarction"][indices], data["age"][indices]
    healthy = mask & (infarction == 0)
    score, predicted = predictions.infarction[indices], predictions.age[indices]
    names = list(ages)
    read = jnp.stack([ages[name][indices] for name in names])
    where = jnp.stack([healthy if name.endswith("_healthy") else mask for name in names])

    values = detection(score, infarction, age, mask) | age_prediction(predicted, age, mask)
    correlations = metrics.pearson(read, age, where)
    values |= {_probe_metric(name, "pearson"): correlations[number] for number, name in enumerate(names)}
    rows = {
        "score_age_pearson_healthy": (metrics.pearson, score, age, healthy),
        "age_pearson": (metrics.pearson, predicted, age, mask),
        "accuracy": (metrics.accuracy, score, infarction, mask),
        "roc_auc": (metrics.roc_auc, score, infarction, mask),
    }
    for number, name in enumerate(names):
        rows[_probe_metric(name, "r2")] = (metrics.r2, read[number], age, where[number])
    kinds, outputs, targets, masks = zip(*rows.values(), strict=True)
    # One bootstrap of all rows: they share their draws, and its program is compiled once.
    intervals = metrics.bootstrap_interval(
        _row_by_row(kinds),
        jnp.stack(outputs),
        jnp.stack(targets),
        subjects.code[indices],
        key=key,
        mask=jnp.stack(masks),
        num_resamples=num_resamples,
        num_subjects=subjects.count,
    )
    intervals = {name: jax.tree.map(lambda leaf, row=row: leaf[row], intervals) for row, name in enumerate(rows)}
    values |= {name: interval.estimate for name, interval in intervals.items() if name not in values}
    return Evaluation(values, intervals, predictions)


@functools.cache  # The bootstrap's program is kept by the metric's identity.
def _row_by_row(kinds):
    """The metric of `[row, example]` that is `kinds[row]` of each row; rows of one kind are computed together."""

    def metric(predictions, targets, mask, weights=None):
        values = [None] * len(kinds)
        for kind in dict.fromkeys(kinds):
            rows = np.flatnonzero([each is kind for each in kinds])
            chosen = [array if array is None else array[rows] for array in (predictions, targets, mask, weights)]
            for row, value in zip(rows, kind(*chosen), strict=True):
                values[row] = value
        return jnp.stack(values)

    return metric


def _probe_metric(name: str, metric: str) -> str:
    """`ridge_healthy`, `r2` -> `probe_ridge_r2_healthy`."""
    probe, *group = name.split("_")
    return "_".join(["probe", probe, metric, *group])
