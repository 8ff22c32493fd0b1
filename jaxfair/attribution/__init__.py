"""Attributions of predictions to inputs, and values of training samples.

deep_shap              contributions of inputs by DeepLIFT, for any traceable function      Lundberg, Lee 2017
                       by its rules Rescale and RevealCancel                                Shrikumar et al. 2017
integrated_gradients   by gradients along a line                                            Sundararajan et al. 2017
gradient_times_input   by the gradient at one point                                         Shrikumar et al. 2017
exact_shapley          by definition, for up to 20 players                                  Shapley 1953
sampled_shapley        by random orders, with standard errors                               Castro et al. 2009

data_values            of training samples without retraining: scores, KNN-Shapley, Data-OOB, TracIn, influence
retraining             by retraining on subsets: leave-one-out, Shapley, Beta-Shapley, Banzhaf
games                  values of players in any game, exactly and sampled
"""

from jaxfair.attribution import data_values, games, retraining
from jaxfair.attribution.deep_shap import Attribution, deep_shap
from jaxfair.attribution.gradients import gradient_times_input, integrated_gradients
from jaxfair.attribution.secant import UnsupportedPrimitive
from jaxfair.attribution.shapley_values import ShapleyValues, exact_shapley, sampled_shapley

__all__ = [
    "Attribution",
    "ShapleyValues",
    "UnsupportedPrimitive",
    "data_values",
    "deep_shap",
    "exact_shapley",
    "games",
    "gradient_times_input",
    "integrated_gradients",
    "retraining",
    "sampled_shapley",
]
