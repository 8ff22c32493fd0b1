"""Which candidate of an arm counts: chosen by the validation patients, by one rule for all arms.

The rule of the main tables is fixed beforehand: the highest ROC AUC. Under the two others fairness takes part in the
choice; they are shown to say how much of a result is the choice's.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxfair import metrics
from jaxfair.metrics import fairness

RULES = {
    "roc_auc": "highest ROC AUC",
    "worst_group": "highest ROC AUC of the group with the lowest",
    "closest_to_ideal": "nearest to ROC AUC 1 and mean equalized odds difference 0",
}


def validation_metrics(data, logit: np.ndarray, fold: np.ndarray) -> dict[str, np.ndarray]:
    """What the rules look at, of the validation examples of every member, `[member]` each, the more the better.

    `roc_auc`; `worst_group`: the lowest ROC AUC of all groups of all domains that have both outcomes among the
    validation examples; `closest_to_ideal`: minus the distance of (ROC AUC, mean equalized odds difference over the
    domains, at the member's threshold) from (1, 0). Also `threshold`: that of the best balanced accuracy.

    Args:
      data: The study's (`IcuData`).
      logit: `[member, example]`.
      fold: `[member]`, from 0.
    """
    # Only validation examples; how many differs a little between folds.
    size = int(data.validate.sum(1).max())
    found = []
    for member, number in enumerate(fold):
        rows = np.flatnonzero(data.validate[number])
        padded = np.pad(rows, (0, size - len(rows)))
        real = np.arange(size) < len(rows)
        found.append(_validation(logit[member][padded], data.outcome[padded], data.domains[padded].T, real))
    return {name: np.array([float(each[name]) for each in found]) for name in found[0]}


def prepare(data) -> None:
    """Compiles `validation_metrics` for this data."""
    size = int(data.validate.sum(1).max())
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((size,), (size,), (data.domains.shape[1], size))]
    _validation.lower(*shapes, jax.ShapeDtypeStruct((size,), bool)).compile()


@jax.jit
def _validation(logit, outcome, domains, mask):
    codes = jnp.where(jnp.isnan(domains), -1, domains).astype(jnp.int32)
    threshold = fairness.choose_threshold(logit, outcome, "balanced_accuracy", mask)
    auc = metrics.roc_auc(logit, outcome, mask)
    of_groups = jnp.stack([metrics.roc_auc(logit, outcome, mask & (codes == value)) for value in (0, 1)])
    decisions = jnp.where(logit >= threshold, 1.0, 0.0)
    odds = jax.vmap(lambda code: fairness.gap("mean_equalized_odds_difference", decisions, outcome, code, 2, mask))(
        codes
    )
    distance = jnp.hypot(1 - auc, jnp.nanmean(odds))
    return {
        "roc_auc": auc,
        "worst_group": jnp.nanmin(of_groups),
        "closest_to_ideal": -distance,
        "threshold": threshold,
    }


def choose(members: pd.DataFrame, judged: dict[str, np.ndarray], rule: str) -> pd.DataFrame:
    """The rows of the chosen members: of each seed and fold the candidate that is best by `rule`, the first of equals.

    A member whose figure is NaN (diverged) is chosen only where all candidates' are.

    Args:
      members: `member`, `seed`, `fold`, in the order of the arrays.
      judged: Of `validation_metrics`.
      rule: One of `RULES`.
    """
    order = np.argsort(-np.nan_to_num(judged[rule], nan=-np.inf), kind="stable")
    return members.iloc[order].drop_duplicates(["seed", "fold"]).sort_values(["fold", "seed"], kind="stable")
