"""The Shapley study: what training samples are worth, by removal, attack and hardening (Ukil, Jara, Marin 2024).

python -m experiments.shapley --config=experiments/configs/shapley.py:VARIANT [--config.FIELD=VALUE ...] [--workdir=DIR]

VARIANT        what                                                     seeds  two CPU cores
(none)         simulated beats with planted wrong labels, quick             8  under 3 minutes
ECG200         100 training beats, 2 classes                               40  see docs/results/shapley.md
ECG5000        500, 5 classes                                              40
ECGFiveDays    23, 2 classes                                               40
TwoLeadECG     23, 2 classes                                               40
ucr            all four, one after the other                               40
peers          all four: ResNet and FCN as published, and 1-NN DTW        10
paper          all four with the published sizes and 1,500 epochs          40  a GPU is needed

All but the first need --config.data_dir=DIR, the UCR archive's own folder or one that holds it as `UCRArchive_2018`.
Any problem of the archive: --config.problems="('NAME',)" with one of these variants.
"""

import pathlib
from collections.abc import Iterator

from ml_collections import ConfigDict

from experiments.run.checks import NAME, SWITCH, TEXT, Rules, each, number, one_of, share, whole

PROBLEMS = ("ECG200", "ECG5000", "ECGFiveDays", "TwoLeadECG")
VARIANTS = ("", *PROBLEMS, "ucr", "peers", "paper")
SCORES = ("signed_sum", "positive_sum", "absolute_sum", "loss", "knn_shapley", "data_oob", "banzhaf")
PEERS = ("resnet", "fcn")


def get_config(variant: str = "") -> ConfigDict:
    """The configuration of a variant."""
    if variant not in VARIANTS:
        known = ", ".join(VARIANTS[1:])
        raise ValueError(f"shapley has no variant {variant!r}; use one of {known}, or none for the simulated default.")
    config = ConfigDict()
    config.variant = variant
    config.seeds = 40  # 0, 1, ..., seeds - 1; the paper has "more than 40". 0: peers only.
    config.seeds_at_once = 8  # Trained, judged and kept together; what a kill may cost.
    config.data = "ucr"  # ucr or simulated.
    config.data_dir = ""
    config.problems = (variant,) if variant in PROBLEMS else PROBLEMS

    # Not published: sizes and training. Narrow, so that CPUs can train thousands; the accuracies are the published
    # networks' (docs/results/shapley.md). Wang et al. have 64-128-128 and a learning rate of 1e-3.
    config.channels = (8, 16, 16)
    config.momentum = 0.9  # Of the running statistics; Keras's 0.99 needs thousands of steps.
    config.steps = 350  # At least: doubled, up to `most_steps`, until the training loss has converged, which is
    config.most_steps = 2800  # when it is at most the share `converged` of the entropy of the classes.
    config.converged = 0.4
    config.epochs = 0  # 0: as many as make these steps.
    config.batch_share = 0.1  # Of the training samples (Fawaz et al.), within the next two.
    config.least_batch, config.largest_batch = 8, 32
    config.learning_rate = 3e-3

    # "Restrained learning": depths tried on parts of the training set that were held out, `depth_splits` times.
    config.depths = (1, 2, 3)
    config.depth_splits = 4
    config.held_out = 0.25

    config.background = 50  # Training samples that attributions compare with, at most.
    config.neighbours = 5  # Of KNN-Shapley.
    config.halves = 64  # Retrainings on random halves, for Data-OOB and Banzhaf values.
    config.shares = (5, 10, 15, 20)  # Percent that are removed, by each of `scores`; and at random.
    config.scores = ("signed_sum",)  # The paper's.
    config.compared_scores = ("positive_sum", "absolute_sum", "loss", "knn_shapley", "data_oob", "banzhaf")
    config.compared_shares = (20,)
    config.keep_classes = True  # The last sample of a class is not removed. False: an error instead.

    config.attacked = 50  # Test beats that attacks are tried on, at most.
    config.epsilon = 0.1  # The ball of PGD, for beats of unit variance (Fawaz et al., IJCNN 2019).
    config.hardened_shares = (10, 15, 20)  # By crafted examples: the full model, without the top and a random share.
    config.pgd_steps = 5  # Of projected gradients, which harden the full model; 0: they harden none.
    config.pgd_shares = ()  # At which shares they harden the models without the top and a random share, too.

    config.peers = ()  # ResNet and FCN as they were published (Fawaz et al.), but for fewer than 1,500 epochs.
    config.peer_seeds = 10
    config.peer_epochs = 300
    config.peer_learning_rate = 1e-3

    config.simulated_train = 60
    config.simulated_test = 200
    if variant == "":
        config.data, config.problems = "simulated", ("simulated",)
        config.seeds = config.seeds_at_once = 8
        config.channels, config.depths, config.depth_splits = (8, 16), (1, 2), 2
        config.steps, config.halves = 400, 32
        config.most_steps = 400  # A tenth of its labels are planted wrong, not to be fitted.
        config.shares, config.compared_scores = (10, 20), ("absolute_sum", "knn_shapley", "data_oob")
        config.hardened_shares, config.pgd_steps = (20,), 0
    elif variant == "peers":
        config.seeds, config.peers = 0, PEERS
    elif variant == "paper":
        config.channels, config.momentum, config.learning_rate = (64, 128, 128), 0.99, 1e-3
        config.peers, config.epochs, config.peer_epochs = PEERS, 1500, 1500
        config.least_batch, config.largest_batch = 1, 64
        config.background, config.seeds_at_once = 100, 40
        config.hardened_shares = config.pgd_shares = config.compared_shares = (5, 10, 15, 20)
    return config


_EPOCHS, _RATE = whole(1, 100_000), number(1e-10, 100)
_SHARE = number(0.01, 99.99)  # Percent of the training samples.


def conflicts(config: ConfigDict) -> Iterator[str]:
    """What does not hold between fields: a sentence each."""
    if not config.seeds and not config.peers:
        yield "--config.seeds=0: give 1 or more, or 0 with peers."
    for field in ("depths", "shares"):
        if config.seeds and not config[field]:
            yield f"--config.{field}=(): give at least one."
    if max(config.depths, default=0) > len(config.channels):
        yield (
            f"--config.depths={config.depths}: a network of --config.channels={config.channels} is at most "
            f"{len(config.channels)} deep."
        )
    if config.least_batch > config.largest_batch:
        yield (
            f"--config.least_batch={config.least_batch}: is more than --config.largest_batch={config.largest_batch}."
        )
    for field in ("compared_shares", "hardened_shares", "pgd_shares"):
        unknown = [percent for percent in config[field] if percent not in config.shares]
        if unknown:
            yield f"--config.{field}: {unknown[0]:g} is not among --config.shares={tuple(config.shares)}."
    both = [score for score in config.compared_scores if score in config.scores]
    if both:
        yield f"--config.compared_scores: {both[0]!r} is among --config.scores={tuple(config.scores)} already."
    if config.data == "simulated":
        return
    if not config.data_dir:
        yield "The UCR archive is needed: say where with --config.data_dir=DIR (BUILD.md says how to get it)."
    elif not pathlib.Path(config.data_dir).is_dir():
        yield f"--config.data_dir={config.data_dir}: is no folder; name the archive's (BUILD.md says how to get it)."
    else:
        from data_pipelines import ucr  # It takes a second to import: only where the archive is used.

        for name in config.problems:
            ucr.find_files(config.data_dir, name)


# The largest values are not the largest that could work: they are beyond all use, and no typing error stays below.
RULES = Rules(
    {
        "variant": one_of(*VARIANTS),
        "seeds": whole(0, 10_000),  # Seeds from 10,000 are those of surrogates (experiments/shapley/problem.py).
        "seeds_at_once": whole(1, 10_000),  # May be more than there are.
        "data": one_of("ucr", "simulated"),
        "data_dir": TEXT,
        "problems": each(NAME, least=1),
        "channels": each(whole(1, 4096), least=1, most=16, repeats=True),
        "momentum": share(zero=True),
        "steps": whole(1, 10_000_000),
        "most_steps": whole(1, 10_000_000),  # Fewer than `steps`: never doubled.
        "converged": share(one=True),
        "epochs": whole(0, 100_000),
        "batch_share": share(one=True),
        "least_batch": whole(1, 100_000),
        "largest_batch": whole(1, 100_000),
        "learning_rate": _RATE,
        "depths": each(whole(1, 16)),
        "depth_splits": whole(1, 10_000),
        "held_out": share(),
        "background": whole(1, 1_000_000),
        "neighbours": whole(1, 1_000_000),
        "halves": whole(2, 10_000),
        "shares": each(_SHARE),
        "scores": each(one_of(*SCORES), least=1),
        "compared_scores": each(one_of(*SCORES)),
        "compared_shares": each(_SHARE),
        "keep_classes": SWITCH,
        "attacked": whole(1, 1_000_000),
        "epsilon": number(1e-10, 100),
        "hardened_shares": each(_SHARE),
        "pgd_steps": whole(0, 10_000),
        "pgd_shares": each(_SHARE),
        "peers": each(one_of(*PEERS)),
        "peer_seeds": whole(1, 10_000),
        "peer_epochs": _EPOCHS,
        "peer_learning_rate": _RATE,
        "simulated_train": whole(36, 100_000),  # Twelve of each of three classes.
        "simulated_test": whole(3, 100_000),
    },
    conflicts,
)
