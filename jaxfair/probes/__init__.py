"""How much of an attribute can still be read from a frozen representation.

A probe is a fresh model trained on the features that a network leaves behind. That a network fools the one head it
was trained against says little; that no fresh probe finds the attribute says more. Each gives only a lower bound of
what is there, so there are several:

    ridge_probe      linear, a number        closed form
    logistic_probe   linear, a class         Newton's method
    mlp_probe        not linear, a number    `num_folds` small networks, averaged

All read `probe(features, attribute, fold, num_folds, train)` and return one prediction for every example; `mlp_probe`
takes a key before them. Judge the predictions with `jaxfair.metrics` and `bootstrap_interval` on a mask of other
subjects than `train`. A probe from elsewhere (boosted trees, say) fits in by the same rule: fit on `train`, choose by
`fold`, predict everything.

They are pure functions of fixed shapes: `vmap` or `jax.lax.map` them over the members of a sweep. Examples outside
`train` affect only their own prediction, whatever they hold. A representation that is not finite on `train`, or a fold
that holds all of `train`, gives NaN.
"""

from jaxfair.probes.linear import LOGISTIC_PENALTIES, RIDGE_PENALTIES, logistic_probe, ridge_probe
from jaxfair.probes.network import mlp_probe

__all__ = ["LOGISTIC_PENALTIES", "RIDGE_PENALTIES", "logistic_probe", "mlp_probe", "ridge_probe"]
