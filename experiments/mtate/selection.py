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

_CHUNK = 16  # Members judged by one call.
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
    order = np.argsort(~data.validate, axis=1, kind="stable")[:, :size]
    rows, real = order[fold], np.take_along_axis(data.validate, order, axis=1)[fold]
    of_rows = np.take_along_axis(logit, rows, axis=1), data.outcome[rows], data.domains[rows].swapaxes(1, 2), real
    found = []
    for start in range(0, len(fold), _CHUNK):
        # The last members again fill the last call up, so that one program serves any number of members.
        chosen = np.minimum(np.arange(start, start + _CHUNK), len(fold) - 1)
        found.append(_of_members(*(values[chosen] for values in of_rows)))
    return {name: np.concatenate([each[name] for each in found])[: len(fold)].astype(float) for name in found[0]}


def prepare(data) -> None:
    """Compiles `validation_metrics` for this data."""
    size = int(data.validate.sum(1).max())
    each = (size,), (size,), (data.domains.shape[1], size)
    shapes = [jax.ShapeDtypeStruct((_CHUNK, *shape), jnp.float32) for shape in each]
    _of_members.lower(*shapes, jax.ShapeDtypeStruct((_CHUNK, size), bool)).compile()


@jax.jit
def _of_members(*each):
    return jax.lax.map(lambda own: _validation(*own), each)


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
