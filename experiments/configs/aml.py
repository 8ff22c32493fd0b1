"""The age study: infarction from ECG without age (Ibrahimi, Rivolta, Sassi, Computing in Cardiology 2024).

python -m experiments.aml --config=experiments/configs/aml.py:VARIANT [--config.FIELD=VALUE ...] [--workdir=DIR]

VARIANT        what                                                     members  two CPU cores
(none)         simulated cohort, quick                                  3 seeds  under 3 minutes
ptbxl          PTB-XL, the paper's settings                             5 seeds  see docs/results/aml.md
ptbxl_40       the same                                                40 seeds
ptbxl_adam     Adam, age standardised                                   5 seeds
folds          10-fold cross-validation by strat_fold                   1 seed x 10 folds
pareto         alpha from 0 to 1 by decades                             3 seeds x 6 alphas

All but the first need --config.data_dir=DIR, PTB-XL's own folder or one that holds it as `ptb-xl`. Expected: baseline
AUC 0.94, age head correlation 0.63; docs/results/aml.md has the full table.
"""

import pathlib
from collections.abc import Iterator

from ml_collections import ConfigDict

from experiments.run.checks import SWITCH, TEXT, Rules, each, number, one_of, share, whole

VARIANTS = ("", "ptbxl", "ptbxl_40", "ptbxl_adam", "folds", "pareto")
ARMS = ("no_adversary", "reversed_mse", "ncov", "ncov_trained_adversary", "ncov_healthy")


def get_config(variant: str = "") -> ConfigDict:
    """The configuration of a variant."""
    if variant not in VARIANTS:
        known = ", ".join(VARIANTS[1:])
        raise ValueError(f"aml has no variant {variant!r}; use one of {known}, or none for the simulated default.")
    config = ConfigDict()
    config.variant = variant
    config.seeds = 5  # The number of seeds: 0, 1, ..., seeds - 1.
    config.data = "ptbxl"  # ptbxl or simulated.
    config.data_dir = ""
    config.resolution = 100  # records100, or records500 resampled to 100 Hz.
    config.keep_lvh = False  # The text excludes left ventricular hypertrophy; its counts fit better with it.
    config.max_damaged = 0.01  # A larger share of unreadable records stops the run.
    config.split = "holdout"  # holdout: strat_fold 9 and 10 against 1 to 8; folds: each of the ten in turn.

    # Section 2.6: published.
    config.batch_size = 32
    config.baseline_epochs = 100
    config.baseline_learning_rate = 1e-4
    config.age_epochs = 200
    config.age_learning_rate = 1e-3
    config.adversarial_epochs = 100
    config.adversarial_learning_rate = 1e-4  # Not published: stage 1's.
    config.alphas = (0.001,)
    config.optimizer = "sgd"  # Eqs. 1 to 3; adam is the usual choice today.
    config.standardize_age = False  # The paper does not scale age; Adam's arm does.
    config.arms = ARMS

    # Not published: the network. Sizes as in jaxfair/models/ecg_cnn.py, where the reasons are.
    config.channels = (32, 64)
    config.kernel_size = 5
    config.representation = 64
    config.disease_hidden = 32

    # Joint training from scratch with HSIC within the healthy (ours).
    config.joint = ConfigDict()
    # A batch of 512 has 400 healthy members: HSIC's bias, which only costs accuracy, falls with their number.
    config.joint.epochs = 60
    config.joint.batch_size = 512
    config.joint.learning_rate = 1e-3
    config.joint.weight_decay = 0.1
    config.joint.dropout = 0.3
    config.joint.ramp_epochs = 15
    config.joint.score_share = 0.1  # The weight of the score's own dependence on age, relative to alpha.
    config.joint.alphas = (0.0, 10.0)

    config.boosting_seeds = 5  # Boosting probes run on the host; members of the first seeds only.
    config.mlp_probe_steps = 2000
    config.bootstrap_resamples = 1000
    config.simulated_subjects = 700
    config.confounding = 1.0  # Scales the planted dependence of infarction on age (simulated data only).

    if variant == "":
        # Small and quick: a cohort of this size needs Adam to train in a minute.
        config.data, config.seeds = "simulated", 3
        config.optimizer, config.standardize_age = "adam", True
        config.baseline_epochs, config.age_epochs, config.adversarial_epochs = 20, 60, 20
        config.baseline_learning_rate = config.adversarial_learning_rate = 1e-3
        config.age_learning_rate = 3e-3
        config.alphas = (1.0,)
        config.joint.epochs, config.joint.batch_size, config.joint.ramp_epochs = 30, 128, 8
        config.mlp_probe_steps = 400
        config.bootstrap_resamples = 200
        config.boosting_seeds = 1
    elif variant == "ptbxl_40":
        config.seeds = 40
    elif variant == "ptbxl_adam":
        config.optimizer, config.standardize_age = "adam", True
    elif variant == "folds":
        config.split, config.seeds = "folds", 1
    elif variant == "pareto":
        config.seeds = 3
        config.alphas = (0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
        config.arms = ("reversed_mse", "ncov", "ncov_trained_adversary", "ncov_healthy")
        config.joint.alphas = (0.0, 0.1, 1.0, 10.0, 30.0, 100.0)
    return config


_EPOCHS, _RATE, _WIDTH = whole(1, 100_000), number(1e-10, 100), whole(1, 4096)
_ALPHA = number(0, 1e6)  # 0: the control without the term.


def conflicts(config: ConfigDict) -> Iterator[str]:
    """What does not hold between fields: a sentence each."""
    if config.data == "ptbxl" and not config.data_dir:
        yield "PTB-XL is needed: say where it is with --config.data_dir=DIR (BUILD.md says how to get it)."
    elif config.data == "ptbxl" and not pathlib.Path(config.data_dir).is_dir():
        yield f"--config.data_dir={config.data_dir}: is no folder; name PTB-XL's (BUILD.md says how to get it)."
    if config.joint.ramp_epochs > config.joint.epochs:
        yield (
            f"--config.joint.ramp_epochs={config.joint.ramp_epochs}: alpha would never reach its value in "
            f"--config.joint.epochs={config.joint.epochs}; give at most as many."
        )


# The largest values are not the largest that could work: they are beyond all use, and no typing error stays below.
RULES = Rules(
    {
        "variant": one_of(*VARIANTS),
        "seeds": whole(1, 10_000),
        "data": one_of("ptbxl", "simulated"),
        "data_dir": TEXT,
        "resolution": one_of(100, 500),
        "keep_lvh": SWITCH,
        "max_damaged": share(zero=True, one=True),
        "split": one_of("holdout", "folds"),
        "batch_size": whole(1, 100_000),
        "baseline_epochs": _EPOCHS,
        "baseline_learning_rate": _RATE,
        "age_epochs": _EPOCHS,
        "age_learning_rate": _RATE,
        "adversarial_epochs": _EPOCHS,
        "adversarial_learning_rate": _RATE,
        "alphas": each(_ALPHA, least=1),
        "optimizer": one_of("sgd", "adam", "adamw"),
        "standardize_age": SWITCH,
        "arms": each(one_of(*ARMS)),  # (): no adversarial stage.
        "channels": each(_WIDTH, least=1, most=5, repeats=True),  # Each block halves the 58 samples of a beat.
        "kernel_size": whole(1, 58),
        "representation": _WIDTH,
        "disease_hidden": _WIDTH,
        "joint.epochs": _EPOCHS,
        "joint.batch_size": whole(2, 100_000),  # HSIC is of pairs.
        "joint.learning_rate": _RATE,
        "joint.weight_decay": number(0, 100),
        "joint.dropout": share(zero=True),
        "joint.ramp_epochs": _EPOCHS,
        "joint.score_share": _ALPHA,
        "joint.alphas": each(_ALPHA),  # (): no joint training.
        "boosting_seeds": whole(0, 10_000),  # May be more than there are.
        "mlp_probe_steps": whole(50, 1_000_000, multiple=50),  # It is looked at every 50 steps.
        "bootstrap_resamples": whole(2, 1_000_000),
        "simulated_subjects": whole(20, 100_000),
        "confounding": number(-5, 5),
    },
    conflicts,
)
