"""Changes of an input that make a classifier decide otherwise.

    deepfool                          the least change, nearly, in l2                    Moosavi-Dezfooli et al. 2016
    fast_gradient_sign                one step within a ball, l_inf or l2                Goodfellow et al. 2015
    basic_iterative                   several                                            Kurakin et al. 2017
    projected_gradient                several from a random start                        Madry et al. 2018
    smooth_adversarial_perturbation   several, smooth in time, for electrocardiograms    Han et al. 2020

Each takes the model as a function `logits: [batch, ...] -> [batch, class]` in evaluation mode, with its variables
already in it, and returns `Adversarial`. All are pure and constants to differentiation, so an attack stands inside a
training loss as it stands in an evaluation.
"""

from jaxfair.attacks.adversarial import Adversarial
from jaxfair.attacks.deepfool import deepfool
from jaxfair.attacks.gradient_sign import basic_iterative, fast_gradient_sign, projected_gradient
from jaxfair.attacks.smooth import smooth_adversarial_perturbation

__all__ = [
    "Adversarial",
    "basic_iterative",
    "deepfool",
    "fast_gradient_sign",
    "projected_gradient",
    "smooth_adversarial_perturbation",
]
