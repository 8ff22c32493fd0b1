"""Losses that know which examples count.

A loss of single examples has the form `loss(predictions, targets) -> [batch]`, and `masked_mean` divides it.
A statistic of a batch (covariance, HSIC, distance correlation, contrastive) takes the mask and returns a scalar.
A mask is boolean, `None` counts everything, and an example that does not count may hold NaN.
Where too few examples count for a value to exist, the value and its gradient are 0.
"""

from jaxfair.losses.classification import class_weights, weighted_cross_entropy
from jaxfair.losses.contrastive import supervised_contrastive
from jaxfair.losses.covariance import (
    covariance,
    negative_squared_covariance,
    squared_correlation,
    unbiased_squared_covariance,
)
from jaxfair.losses.dependence import (
    distance_correlation,
    hsic,
    normalized_hsic,
    squared_distance_correlation,
)
from jaxfair.losses.pairwise import gaussian_kernel
from jaxfair.losses.reduction import masked_mean, masked_sum, standardize, weighted_mean

__all__ = [
    "class_weights",
    "covariance",
    "distance_correlation",
    "gaussian_kernel",
    "hsic",
    "masked_mean",
    "masked_sum",
    "negative_squared_covariance",
    "normalized_hsic",
    "squared_correlation",
    "squared_distance_correlation",
    "standardize",
    "supervised_contrastive",
    "unbiased_squared_covariance",
    "weighted_cross_entropy",
    "weighted_mean",
]
