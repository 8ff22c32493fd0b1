"""The Shapley study's members: which samples each is trained on, and how it is hardened, as rows of grids."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxfair.attribution import data_values, removal

CONTROLS = ("random", "matched")
# Of the random numbers that choose which samples go at random; apart from all other streams.
_RANDOM_STREAM = 31


class Arm(NamedTuple):
    """One way to train, for every seed.

    Attributes:
      score: By which samples are removed; "random", "matched" for random ones of the classes that the first score's top
        removal takes them from, or "" for none.
      side: "top", "bottom", or "" for none.
      percent: Of the training samples.
      hardening: "none", "crafted" or "projected_gradient".
    """

    score: str = ""
    side: str = ""
    percent: float = 0.0
    hardening: str = "none"

    @property
    def method(self) -> str:
        """The arm's name in tables."""
        if not self.score:
            base = "full"
        elif self.score in CONTROLS:
            base = f"without_{self.score}_{self.percent:g}"
        else:
            base = f"without_{self.side}_{self.percent:g}_{self.score}"
        return base if self.hardening == "none" else f"{base}+{self.hardening}"


FULL = Arm()


def removals(config) -> list[Arm]:
    """What is retrained without: by score and side, and at random."""
    arms = [Arm(control, "top", percent) for percent in config.shares for control in CONTROLS]
    for scores, shares in ((config.scores, config.shares), (config.compared_scores, config.compared_shares)):
        arms += [Arm(score, side, percent) for score in scores for percent in shares for side in removal.SIDES]
    return arms


def hardened(config, hardening: str) -> list[Arm]:
    """What is hardened: the full model, without the top by the first score, and without as many of the controls'."""
    shares = config.hardened_shares if hardening == "crafted" else config.pgd_shares
    wanted = bool(shares) if hardening == "crafted" else config.pgd_steps > 0
    if not wanted:
        return []
    bases = [FULL, *(Arm(score, "top", share) for share in shares for score in (config.scores[0], *CONTROLS))]
    return [base._replace(hardening=hardening) for base in bases]


def halves(count: int, size: int, name: str) -> np.ndarray:
    """Random subsets of a problem's training samples: `[half, sample]`; see `data_values.random_halves`."""
    try:
        return data_values.random_halves(count, size, seed=2)
    except ValueError as error:
        raise ValueError(
            f"--config.halves={count}: a training sample of {name} is in all of these random halves or in none, and "
            "has no Data-OOB or no Banzhaf value; give more."
        ) from error


def random_values(seed: int, size: int) -> np.ndarray:
    """Values that put the samples in random order, another for each seed: `[sample]`."""
    return np.random.default_rng([_RANDOM_STREAM, seed]).random(size)


def masks(
    arms: Iterable[Arm],
    values: Mapping[str, np.ndarray],
    labels: np.ndarray,
    names: Sequence[str],
    keep_classes: bool,
    first: str = "signed_sum",
) -> np.ndarray:
    """Which training samples each arm of one seed is trained on: `[arm, sample]` boolean.

    Args:
      arms: The arms.
      values: By score, `[sample]`; `random` among them.
      labels: `[sample]` int.
      names: By class, its label in the archive.
      keep_classes: See `removal.kept`.
      first: The score whose classes the arms "matched" follow.
    """

    def kept(score, arm):
        return removal.kept(values[score], labels, arm.percent, side=arm.side, keep_classes=keep_classes, names=names)

    rows = []
    for arm in arms:
        if not arm.score:
            rows.append(np.ones(len(labels), bool))
            continue
        try:
            if arm.score == "matched":
                rows.append(removal.matched(kept(first, arm), labels, values["random"]))
            else:
                rows.append(kept(arm.score, arm))
        except ValueError as error:
            raise ValueError(f"{arm.method}: {str(error).partition(': ')[2]}") from error
    return np.stack(rows)
