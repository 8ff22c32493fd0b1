"""The fairness study: MTATE on intensive care time series, its baselines and ablations, and fairness between groups.

python -m experiments.mtate --config=experiments/configs/mtate.py:VARIANT [--config.FIELD=VALUE ...] [--workdir=DIR]

VARIANT          what                                                        seeds x folds  two CPU cores
(none)           simulated stays with a planted shift between groups, quick          2 x 2  under 3 minutes
challenge2012    Challenge 2012, hospital death from the first 48 hours             10 x 5  2 h 45 min
rolling          Challenge 2012, death within 72 hours, windows end at 24, 36, 48   10 x 5
eicu_demo        eICU demo, hospital death from the first 24 hours, nine domains     5 x 5  54 min
mimic            MIMIC-III or -IV, death within 72 hours, rolling windows           10 x 5  demo, 1 seed: 10 min
ablation         Challenge 2012, MTATE without each of its parts                     4 x 5
masking          Challenge 2012, MTATE with masking rates from 0 to 0.9              4 x 5

All but the first need --config.data_dir=DIR: the source's own folder, or one that holds it under the name that BUILD.md
gives. `--config.evaluate_on=set-b` trains on all of set A and judges set B of the Challenge (57 min). What all of them
gave is in docs/results/mtate.md.
"""

import pathlib
from collections.abc import Iterator

from ml_collections import ConfigDict

from experiments.run.checks import SWITCH, TEXT, Rules, each, number, one_of, share, whole

VARIANTS = ("", "challenge2012", "rolling", "eicu_demo", "mimic", "ablation", "masking")
NETWORK_ARMS = (
    "lstm", "gru_d", "transformer", "retain", "dann", "mtate", "reweighted", "group_dro", "just_train_twice", "laftr",
    "domain_invariant", "domain_specific",
)  # fmt: skip
ABLATIONS = (
    "mtate", "without_temporal", "without_feature", "without_representation", "without_masking", "without_domain_loss",
    "without_contrastive", "without_temporal_wider", "without_feature_wider", "without_representation_wider",
    "domain_loss_gradient", "redrawn_masks",
)  # fmt: skip
MASKING = tuple(f"masking_{rate}" for rate in range(10))  # Tenths.
REFERENCES = ("logistic_regression", "gradient_boosting")
DOWNSTREAM = ("gradient_boosting", "svm", "random_forest")
DOMAINS = (
    "age", "sex", "race", "charlson", "diabetes", "hypertension", "cardiovascular_disease", "chronic_kidney_disease",
    "sepsis", "unit", *(f"domain_{number}" for number in range(8)),
)  # fmt: skip


def get_config(variant: str = "") -> ConfigDict:
    """The configuration of a variant."""
    if variant not in VARIANTS:
        known = ", ".join(VARIANTS[1:])
        raise ValueError(f"mtate has no variant {variant!r}; use one of {known}, or none for the simulated default.")
    config = ConfigDict()
    config.variant = variant
    config.seeds = 10  # 0, 1, ..., seeds - 1.
    config.folds = 5  # Of patients; of hospitals where the data know them.
    config.validation_share = 0.2  # Of the patients of the other folds.
    config.data = "challenge2012"  # challenge2012, mimic, eicu or simulated.
    config.data_dir = ""
    config.cohort_dir = ""  # eICU: the cohort that YAIB exported; by default yaib-demo/eicu_demo within data_dir.
    config.train_set = "a"  # Of the Challenge.
    config.evaluate_on = ""  # set-b or set-c of the Challenge: all of the training set trains, and this is judged.
    config.selection_seeds = 2  # With evaluate_on: seeds of the folds, which choose candidates and epochs.
    config.dialysed_injury = False  # MIMIC: the paper's cohort alone, acute kidney injury with dialysis.

    config.task = "hospital_death"  # From the first `window` hours; or rolling: death within `horizon` of a window.
    config.window = 48
    config.ends = ()  # Hours at which rolling windows end; (): every `step` hours, `most_windows` a patient.
    config.step = 1
    config.most_windows = 30
    config.horizon = 72
    config.channels = ("measured",)  # Beside the values; "since", hours since the last measurement, too if wanted.
    config.domains = ("age", "sex", "unit")

    config.arms = NETWORK_ARMS
    config.references = REFERENCES
    config.downstream = DOWNSTREAM  # Of MTATE's representation, as in the paper; not with evaluate_on.

    # Not published but for the masking rate. Chosen on validation patients of two folds of the Challenge's set A.
    config.epochs = 30
    config.patience = 6
    config.batch_size = 64
    config.lstm = ConfigDict({"hidden": 32, "dropout": 0.3, "learning_rate": 3e-3})
    config.gru_d = ConfigDict({"hidden": 64, "dropout": 0.5, "learning_rate": 3e-3})
    config.transformer = ConfigDict({"width": 32, "heads": 4, "blocks": 1, "dropout": 0.2, "learning_rate": 3e-3})
    config.retain = ConfigDict({"hidden": 32, "dropout": 0.3, "learning_rate": 3e-3})
    config.mtate = ConfigDict(
        {
            "masking_rate": 0.4, "redraw_masks": False, "heads": 4, "head_dim": 8, "hidden": 64, "blocks": 1,
            "dropout": 0.2, "feature_norm": "feature", "domain_weight": 0.1, "contrastive_weight": 0.1,
            "learning_rate": 1e-3,
        }
    )  # fmt: skip

    # Two candidates of every arm, of which each member's validation patients choose one: its own coefficient, or where
    # it has none the learning rate, as a multiple of the network's.
    config.learning_rates = (1.0, 0.3)
    config.domain_weights = (1.0, 10.0)  # Multiples of `mtate.domain_weight`.
    config.reversals = (0.1, 1.0)
    config.step_sizes = (0.01, 0.1)  # GroupDRO.
    config.upweights = (2.0, 6.0)  # Just train twice.
    config.identification_epochs = 3
    config.fairness_weights = (0.1, 1.0)  # LAFTR.

    config.bootstrap_resamples = 1000
    config.simulated = ConfigDict({"stays": 1200, "shift": 0.6, "label_bias": 0.3})

    if variant == "":
        config.data, config.seeds, config.folds = "simulated", 2, 2
        config.window, config.domains = 12, ("domain_0", "domain_1", "domain_2")
        config.epochs, config.patience, config.batch_size = 8, 4, 64
        config.lstm.hidden = config.gru_d.hidden = config.retain.hidden = config.transformer.width = 16
        config.mtate.hidden, config.mtate.heads, config.mtate.head_dim = 32, 2, 4
        config.mtate.learning_rate = 3e-3
        config.identification_epochs = 2
    elif variant == "rolling":
        config.task, config.window, config.ends = "rolling", 24, (24, 36, 48)
        config.epochs, config.patience = 12, 3  # Each of three windows a patient.
        # One candidate an arm, for time: one of the two that the other variants choose from.
        config.learning_rates = config.domain_weights = config.reversals = config.fairness_weights = (1.0,)
        config.step_sizes, config.upweights = (0.01,), (6.0,)
    elif variant == "eicu_demo":
        config.data, config.window, config.domains = "eicu", 24, DOMAINS[:9]
        config.seeds = 5  # Intervals over its few deaths are far wider than anything that seeds do.
    elif variant == "mimic":
        config.data, config.task, config.domains = "mimic", "rolling", DOMAINS[:9]
        config.dialysed_injury = True
    elif variant == "ablation":
        config.arms, config.references, config.seeds = ABLATIONS, (), 4
        config.learning_rates = config.domain_weights = (1.0,)  # MTATE's own, so that parts differ by one thing alone.
    elif variant == "masking":
        config.arms, config.references, config.downstream, config.seeds = MASKING, (), (), 4
        config.learning_rates = config.domain_weights = (1.0,)
    return config


_EPOCHS, _RATE, _WIDTH = whole(1, 100_000), number(1e-10, 100), whole(1, 4096)
_WEIGHT = number(0, 1e6)
_DROPOUT = share(zero=True)


def conflicts(config: ConfigDict) -> Iterator[str]:
    """What does not hold between fields: a sentence each."""
    if config.data != "simulated" and not config.data_dir:
        yield f"{config.data} is needed: say where it is with --config.data_dir=DIR (BUILD.md says how to get it)."
    elif config.data != "simulated" and not pathlib.Path(config.data_dir).is_dir():
        yield f"--config.data_dir={config.data_dir}: is no folder; name the source's (BUILD.md says how to get it)."
    if config.evaluate_on and config.data != "challenge2012":
        yield f"--config.evaluate_on={config.evaluate_on}: only the Challenge has sets; use folds with {config.data}."
    if config.evaluate_on == f"set-{config.train_set}":
        yield f"--config.evaluate_on={config.evaluate_on}: is the set that trains; name another one."
    own = [name for name in config.domains if name.startswith("domain_")]
    if config.data != "simulated" and own:
        yield f"--config.domains={tuple(config.domains)}: {own[0]} is of simulated stays alone; leave it out."
    if config.data == "simulated" and tuple(config.domains) != tuple(f"domain_{n}" for n in range(len(config.domains))):
        yield f"--config.domains={tuple(config.domains)}: simulated stays have domain_0, domain_1 and so on, in order."
    for end in config.ends:
        if end < config.window:
            yield f"--config.ends={tuple(config.ends)}: a window of {config.window} hours cannot end at hour {end}."
    if config.data == "challenge2012" and max((config.window, *config.ends)) > 48:
        yield f"--config.window={config.window}: the Challenge has 48 hours of each stay."
    if not config.arms and not config.references:
        yield "--config.arms=(): nothing is left to run; name an arm or a reference."


RULES = Rules(
    {
        "variant": one_of(*VARIANTS),
        "seeds": whole(1, 10_000),
        "selection_seeds": whole(1, 10_000),
        "folds": whole(2, 100),
        "validation_share": share(),
        "data": one_of("challenge2012", "mimic", "eicu", "simulated"),
        "data_dir": TEXT,
        "cohort_dir": TEXT,
        "train_set": one_of("a", "b", "c"),
        "evaluate_on": one_of("", "set-a", "set-b", "set-c"),
        "dialysed_injury": SWITCH,
        "task": one_of("hospital_death", "rolling"),
        "window": whole(1, 10_000),
        "ends": each(whole(1, 10_000)),
        "step": whole(1, 10_000),
        "most_windows": whole(1, 10_000),
        "horizon": whole(1, 100_000),
        "channels": each(one_of("measured", "since")),
        "domains": each(one_of(*DOMAINS), least=1),
        "arms": each(one_of(*dict.fromkeys((*NETWORK_ARMS, *ABLATIONS, *MASKING)))),
        "references": each(one_of(*REFERENCES)),
        "downstream": each(one_of(*DOWNSTREAM)),
        "epochs": _EPOCHS,
        "patience": _EPOCHS,
        "batch_size": whole(2, 100_000),  # The contrastive loss is of pairs.
        **{f"{name}.hidden": _WIDTH for name in ("lstm", "gru_d", "retain", "mtate")},
        **{f"{name}.dropout": _DROPOUT for name in ("lstm", "gru_d", "transformer", "retain", "mtate")},
        **{f"{name}.learning_rate": _RATE for name in ("lstm", "gru_d", "transformer", "retain", "mtate")},
        "transformer.width": _WIDTH,
        "transformer.heads": whole(1, 256),
        "transformer.blocks": whole(1, 100),
        "mtate.masking_rate": share(zero=True),
        "mtate.redraw_masks": SWITCH,
        "mtate.heads": whole(1, 256),
        "mtate.head_dim": _WIDTH,
        "mtate.blocks": whole(1, 100),
        "mtate.feature_norm": one_of("feature", "time"),
        "mtate.domain_weight": _WEIGHT,
        "mtate.contrastive_weight": _WEIGHT,
        "learning_rates": each(_RATE, least=1),
        "domain_weights": each(_WEIGHT, least=1),
        "reversals": each(_WEIGHT, least=1),
        "step_sizes": each(_WEIGHT, least=1),
        "upweights": each(number(1, 1e6), least=1),
        "identification_epochs": _EPOCHS,
        "fairness_weights": each(_WEIGHT, least=1),
        "bootstrap_resamples": whole(2, 1_000_000),
        "simulated.stays": whole(40, 1_000_000),
        "simulated.shift": number(-10, 10),
        "simulated.label_bias": share(zero=True, one=True),
    },
    conflicts,
)
