"""The members of the age study's sweeps: seeds and folds by rates, coefficients and arms, as a configuration asks."""

from typing import Any

from experiments.aml.data import num_folds
from jaxfair import sweeps

# The arms of the third stage: the hyperparameters that differ from the paper's NCOV (a word is the configuration's
# field). All arms are members of one sweep.
ARMS = {
    "no_adversary": {"alpha": 0.0},
    "reversed_mse": {"reversed_mse": 1.0},
    "ncov": {},
    "ncov_trained_adversary": {"adversary_learning_rate": "age_learning_rate"},
    "ncov_healthy": {"healthy_only": 1.0},
}


def baseline(config: Any) -> sweeps.Grid:
    """Stages 1 and 2: every seed on every fold."""
    rates = {name: [config[name]] for name in ("baseline_learning_rate", "age_learning_rate")}
    return sweeps.product(seed=range(config.seeds), fold=range(num_folds(config)), method=["baseline"], **rates)


def adversarial(config: Any, base: sweeps.Grid) -> tuple[sweeps.Grid, list[int]]:
    """Stage 3: the configuration's arms, and the row of `base` from whose end each member starts."""
    grid, start = [], []
    for arm in config.arms:
        changed = {name: config[value] if isinstance(value, str) else value for name, value in ARMS[arm].items()}
        rates = {"adversarial_learning_rate": config.adversarial_learning_rate, "adversary_learning_rate": 0.0}
        rates |= {"healthy_only": 0.0, "reversed_mse": 0.0}
        for number, row in enumerate(base):
            for alpha in [changed["alpha"]] if "alpha" in changed else config.alphas:
                who = {"seed": row["seed"], "fold": row["fold"], "method": arm}
                grid.append(who | rates | {"alpha": alpha} | changed)
                start.append(number)
    return grid, start


def joint(config: Any) -> sweeps.Grid:
    """Joint training: alpha 0 is its control."""
    rates = {"joint_learning_rate": [config.joint.learning_rate]}
    rates |= {name: [config.joint[name]] for name in ("weight_decay", "score_share")}
    grid = sweeps.product(seed=range(config.seeds), fold=range(num_folds(config)), alpha=config.joint.alphas, **rates)
    return [row | {"method": "joint_hsic" if row["alpha"] else "joint_control"} for row in grid]
