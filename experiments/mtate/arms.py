"""The arms of the fairness study: which network, trained how, with which candidates of its coefficient."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from jaxfair import sweeps


@dataclasses.dataclass(frozen=True)
class Arm:
    """An arm.

    Attributes:
      network: `lstm`, `gru_d`, `transformer`, `retain` or `mtate`.
      training: `plain`, a method of `jaxfair.methods`, or for MTATE `mtate` or `reversed`.
      candidates: The hyperparameter of which the validation patients choose a value, and the configuration's field that
        holds the values.
      changed: Fields of `MtateConfig` that differ from the configuration's.
      matched: Whether the point-wise network is made wider until there are as many parameters as in MTATE.
      fixed: Hyperparameters that differ from the configuration's.
    """

    network: str
    training: str = "plain"
    candidates: tuple[str, str] = ("learning_rate", "learning_rates")
    changed: tuple[tuple[str, Any], ...] = ()
    matched: bool = False
    fixed: tuple[tuple[str, float], ...] = ()


_DOMAIN_WEIGHT = ("domain_weight", "domain_weights")
_REVERSAL = ("reversal", "reversals")


def _ablation(**changed: Any) -> Arm:
    return Arm("mtate", "mtate", _DOMAIN_WEIGHT, tuple(changed.items()))


_REMOVED = {name: {f"{name}_attention": False} for name in ("temporal", "feature", "representation")}

ARMS: Mapping[str, Arm] = {
    "lstm": Arm("lstm"),
    "gru_d": Arm("gru_d"),
    "transformer": Arm("transformer"),
    "retain": Arm("retain"),
    "dann": Arm("mtate", "reversed", _REVERSAL, fixed=(("domain_weight", 1.0),)),
    "mtate": _ablation(),
    # Methods of today on the plainest network.
    "reweighted": Arm("lstm", "reweighted"),
    "group_dro": Arm("lstm", "group_dro", ("step_size", "step_sizes")),
    "just_train_twice": Arm("lstm", "just_train_twice", ("upweight", "upweights")),
    # The two that are to know nothing of a patient's groups do not get the static features that say them.
    "laftr": Arm("lstm", "laftr", ("fairness_weight", "fairness_weights")),
    "domain_invariant": Arm("lstm", "domain_adversarial", _REVERSAL),
    "domain_specific": Arm("lstm", "domain_specific"),
    # The paper's Table 3.
    **{f"without_{name}": _ablation(**removed) for name, removed in _REMOVED.items()},
    **{
        f"without_{name}_wider": dataclasses.replace(_ablation(**removed), matched=True)
        for name, removed in _REMOVED.items()
    },
    "without_masking": _ablation(masking_rate=0.0),
    "without_domain_loss": Arm("mtate", "mtate", fixed=(("domain_weight", 0.0),)),
    "without_contrastive": dataclasses.replace(_ablation(), fixed=(("contrastive_weight", 0.0),)),
    # What the text leaves open.
    "domain_loss_gradient": _ablation(stop_domain_loss=False),
    "redrawn_masks": _ablation(redraw_masks=True),
    # Appendix A.4.
    **{f"masking_{tenths}": _ablation(masking_rate=tenths / 10) for tenths in range(10)},
}


def hyperparameters(config: Any, name: str) -> list[dict[str, float]]:
    """Those of every candidate of an arm: numbers by name."""
    arm = ARMS[name]
    own = config[arm.network]
    common = {"learning_rate": own.learning_rate}
    if arm.network == "mtate":
        common |= {weight: own[weight] for weight in ("domain_weight", "contrastive_weight")}
    common |= dict(arm.fixed)
    varied, field = arm.candidates
    # Rates and weights are given as multiples of the network's own.
    return [common | {varied: value * common.get(varied, 1.0)} for value in config[field]]


def grid(config: Any, name: str, fold: int) -> sweeps.Grid:
    """The members of an arm on a fold: every candidate with every seed; `candidate` is a word, as it is no number."""
    return [
        {"seed": seed, "fold": fold, "method": name, "candidate": str(number)} | values
        for number, values in enumerate(hyperparameters(config, name))
        for seed in range(config.selection_seeds if config.evaluate_on else config.seeds)
    ]


def refit_grid(config: Any, name: str, candidate: int, epochs: int) -> sweeps.Grid:
    """The members that are trained on all of the training set: one candidate, for so many epochs (from 0)."""
    values = hyperparameters(config, name)[candidate] | {"epochs": epochs}
    who = {"fold": 0, "method": name, "candidate": str(candidate)}
    return [{"seed": seed} | who | values for seed in range(config.seeds)]


def network_arms(config: Any) -> Sequence[str]:
    """The arms of a configuration, in the order of the page."""
    return [name for name in ARMS if name in config.arms]
