"""Every method of the study as it is judged: logits and thresholds of the chosen members, and what is made of them."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from experiments.mtate import arms, selection
from experiments.mtate.data import IcuData
from experiments.mtate.resampled import Scored
from experiments.run.parts import Stored
from jaxfair.methods import threshold_optimizer
from jaxfair.metrics import fairness


def chosen_members(data: IcuData, stored: Stored, rule: str) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The chosen members of an arm, fold after fold, and what they are on their validation examples."""
    members, judged = _validated(data, stored)
    chosen = selection.choose(members, judged, rule)
    rows = chosen["member"].to_numpy()
    return chosen, {name: values[rows] for name, values in judged.items()}


@functools.lru_cache(maxsize=64)  # Every rule and table asks again.
def _validated(data: IcuData, stored: Stored) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """All members of an arm, and what they are on their validation examples."""
    members = stored.table("members")
    return members, selection.validation_metrics(data, stored.arrays["logit"], members["fold"].to_numpy() - 1)


def judged_arrays(config: Any, data: IcuData, inputs: Mapping[str, Stored], name: str, rule: str) -> dict[str, Any]:
    """What an arm's chosen members say, `[seed, fold, example, ...]` by name: of the folds, or of the other set."""
    if data.other is not None:
        arrays = inputs[f"{name}-refit"].arrays
        return {key: values[:, None] for key, values in arrays.items() if key != "patient"}
    chosen, _ = chosen_members(data, inputs[name], rule)
    rows = chosen["member"].to_numpy().reshape(data.num_folds, config.seeds).T
    arrays = inputs[name].arrays
    return {key: values[rows] for key, values in arrays.items() if key not in ("patient", "representation")}


def scored(config: Any, data: IcuData, inputs: Mapping[str, Stored], rule: str) -> dict[str, Scored]:
    """By method, in the order of the page, what it says of the judged examples under a rule of selection."""
    found, view = {}, data.judged
    for name in arms.network_arms(config):
        arrays = judged_arrays(config, data, inputs, name, rule)
        found[name] = with_threshold(view, arrays["logit"])
        if name == "mtate":
            found["mtate_unlabelled"] = with_threshold(view, arrays["logit_unlabelled"])
        if name == "lstm":
            found["lstm_group_thresholds"] = _by_group(view, found[name], _group_thresholds)
            found["lstm_threshold_optimizer"] = _by_group(view, found[name], _optimized)
    for part in ("references", "downstream"):
        for name, arrays in (inputs[part].arrays if part in inputs else {}).items():
            logit = arrays["logit"]
            found[name] = with_threshold(view, logit[None] if logit.ndim == 2 else np.moveaxis(logit, 1, 0))
    if data.optimum is not None:
        logit = np.log(data.optimum) - np.log1p(-data.optimum)
        found["optimum"] = with_threshold(view, np.tile(logit, (1, view.num_folds, 1)))
    return found


def with_threshold(data: IcuData, logit: np.ndarray) -> Scored:
    """Logits `[seed, fold, example]` with the thresholds of their validation examples."""
    num_seeds, num_folds = logit.shape[:2]
    fold = np.tile(np.arange(num_folds), num_seeds)
    judged = selection.validation_metrics(data, logit.reshape(-1, logit.shape[-1]), fold)
    return Scored(logit, judged["threshold"].reshape(num_seeds, num_folds))


def _by_group(data: IcuData, own: Scored, decide: Any) -> Scored:
    """The decisions of a method that treats the groups of a domain differently, for one domain after the other.

    A patient whose group is not known is judged at the threshold for all.
    """
    num_seeds, num_folds, num_examples = own.logit.shape
    decisions = np.full((len(data.domain_names), num_seeds, num_folds, num_examples), np.nan, np.float32)
    for domain, seed, fold in np.ndindex(decisions.shape[:3]):
        logit = own.logit[seed, fold]
        code = np.where(np.isnan(data.domains[:, domain]), -1, data.domains[:, domain]).astype(np.int32)
        decided = decide(logit, data.outcome, code, data.validate[fold])
        alone = np.where(np.isnan(logit), np.nan, logit >= own.threshold[seed, fold])
        decisions[domain, seed, fold] = np.where(code < 0, alone, decided)
    return own._replace(decisions=decisions)


def _group_thresholds(logit, outcome, code, validate):
    """A threshold for each group, at which its true positive rate is the one that all have at one threshold."""
    rows = np.flatnonzero(validate)
    thresholds = fairness.group_thresholds(logit[rows], outcome[rows], code[rows], 2)
    return np.asarray(fairness.apply_threshold(logit, thresholds, code))


def _optimized(logit, outcome, code, validate):
    """Hardt et al.: equalized odds by randomised thresholds, as fairlearn's ThresholdOptimizer.

    NaN where the validation examples of a group have one outcome only, or the member diverged: nothing can be fitted.
    """
    rows = np.flatnonzero(validate & (code >= 0))
    if len(np.unique(2 * code[rows] + outcome[rows])) < 4 or np.isnan(logit[rows]).any():
        return np.full(len(logit), np.nan, np.float32)
    rules = threshold_optimizer.fit(
        logit[rows], outcome[rows], code[rows], constraint="equalized_odds", objective="balanced_accuracy", num_groups=2
    )
    return np.asarray(threshold_optimizer.apply(rules, logit, code))
