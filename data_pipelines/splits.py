"""Who trains and who is judged, as boolean masks over examples; no subject is ever on both sides."""

from collections.abc import Collection, Sequence

import numpy as np


def holdout_by_fold(
    fold: np.ndarray, evaluate: Collection[int] = (9, 10), *, subject: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Holds out whole folds; the default is PTB-XL's own, whose labels of folds 9 and 10 were all seen by a human.

    Args:
      fold: `[example]`, integers.
      evaluate: The folds to hold out.
      subject: `[example]`; where given, it is checked that no subject is divided.

    Returns:
      `train`, `evaluate`: `[example]`, boolean.

    Raises:
      ValueError: A side is empty, or a subject is on both.
    """
    held_out = np.isin(fold, list(evaluate))
    return _checked(~held_out, held_out, subject)


def holdout_by_subject(subject: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Holds out a random share of the subjects, each with all of its examples.

    The share is of subjects: where some have more examples than others, the share of examples differs a little.

    Args:
      subject: `[example]`.
      fraction: Between 0 and 1, of the subjects to evaluate on; at least one subject is left on either side.
      seed: Same seed, same split, whatever the order of the examples.

    Returns:
      `train`, `evaluate`: `[example]`, boolean.

    Raises:
      ValueError: `fraction` is not between 0 and 1, or there are fewer than two subjects.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"holdout_by_subject: fraction must lie between 0 and 1, but is {fraction}.")
    names, number = np.unique(subject, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"holdout_by_subject: two sides need at least two subjects, but there are {len(names)}.")
    size = min(max(round(fraction * len(names)), 1), len(names) - 1)
    chosen = np.random.default_rng(seed).permutation(len(names))[:size]
    held_out = np.isin(number, chosen)
    return _checked(~held_out, held_out, subject)


def holdout_by_class(
    label: np.ndarray,
    fraction: float,
    seed: int,
    *,
    among: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    subject: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Holds out the same random share of each class (stratified), of a training set for instance.

    The share is rounded for each class by itself, but at least one example of each is held out and at least one left:
    with few examples the held-out part is larger or smaller than `fraction` says.

    Args:
      label: `[example]`, 0 to C - 1. An example of unknown label (NaN) is on neither side.
      fraction: Between 0 and 1, of each class to evaluate on.
      seed: Same seed and order of the examples, same split.
      among: `[example]`, boolean; examples outside are on neither side. None takes all.
      names: By class, what to call it in an error.
      subject: `[example]`; where given, it is checked that no subject is divided.

    Returns:
      `train`, `evaluate`: `[example]`, boolean.

    Raises:
      ValueError: `fraction` is not between 0 and 1, a class has a single example, or a subject is on both sides.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"holdout_by_class: fraction must lie between 0 and 1, but is {fraction}.")
    among = ~np.isnan(label) if among is None else among & ~np.isnan(label)
    held_out = np.zeros(len(label), dtype=bool)
    for one in np.unique(label[among]).astype(int):
        members = np.flatnonzero(among & (label == one))
        if len(members) < 2:
            name = int(one) if names is None else names[one]
            raise ValueError(
                f"holdout_by_class: class {name!r} has a single example, which cannot be both trained on and held"
                " out; do without a held-out part, or leave the class out."
            )
        size = min(max(round(fraction * len(members)), 1), len(members) - 1)
        held_out[np.random.default_rng([seed, one]).permutation(members)[:size]] = True
    return _checked(among & ~held_out, held_out, subject)


def k_fold_by_subject(subject: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Deals the subjects at random into k folds whose numbers of subjects differ by at most one.

    Args:
      subject: `[example]`.
      k: Number of folds, at least 2.
      seed: Same seed, same folds, whatever the order of the examples.

    Returns:
      `[example]`, integers 1 to k, as PTB-XL counts its folds.

    Raises:
      ValueError: There are fewer subjects than folds, or fewer than two folds.
    """
    names, number = np.unique(subject, return_inverse=True)
    if not 2 <= k <= len(names):
        raise ValueError(f"k_fold_by_subject: k must be 2 to {len(names)}, the number of subjects, but is {k}.")
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of_subject = np.empty(len(names), dtype=np.int64)
    fold_of_subject[order] = np.arange(len(names)) % k + 1
    return fold_of_subject[number]


def folds_as_masks(fold: np.ndarray, *, subject: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Cross-validation: each fold in turn, in increasing order, is evaluated on, and all others train.

    Args:
      fold: `[example]`, integers with k different values.
      subject: `[example]`; where given, it is checked that no subject is divided.

    Returns:
      `train`, `evaluate`: `[k, example]`, boolean.

    Raises:
      ValueError: There is only one fold, or a subject is in two.
    """
    held_out = fold[None, :] == np.unique(fold)[:, None]
    return _checked(~held_out, held_out, subject)


def leave_one_center_out(center: np.ndarray, *, subject: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Each center in turn, in sorted order, is evaluated on, and all others train.

    An example of unknown center (NaN) is on neither side of any split: it could be from the one held out.

    Args:
      center: `[example]`, numbers or names.
      subject: `[example]`; where given, it is checked that no subject is divided.

    Returns:
      `train`, `evaluate`: `[center, example]`, boolean.

    Raises:
      ValueError: There is only one center, or a subject is in two.
    """
    known = center == center  # Only NaN differs from itself; also right for names, which np.isnan refuses.
    held_out = center[None, :] == np.unique(center[known])[:, None]
    return _checked(known & ~held_out, held_out, subject)


def with_ratio(label: np.ndarray, negatives: float, seed: int, *, among: np.ndarray | None = None) -> np.ndarray:
    """A random part in which there are `negatives` negatives for each positive, as large as there can be.

    All positives and as many negatives as that takes; where these are too few, all of them and fewer positives.
    For test sets: figures that depend on the prevalence (precision, accuracy, PR AUC) are those of this ratio alone.

    Args:
      label: `[example]`, 0 or 1; NaN, unknown, is left out.
      negatives: For each positive, such as 4 or 1.
      seed: Same seed and order of the examples, same part.
      among: `[example]`, boolean; examples outside are left out. None takes all.

    Returns:
      `[example]`, boolean.

    Raises:
      ValueError: `negatives` is not positive, a label is neither 0 nor 1, or one of both classes is not there.
    """
    if not (negatives > 0 and np.isfinite(negatives)):
        raise ValueError(f"with_ratio: negatives for each positive must be more than 0, but are {negatives}.")
    label = np.asarray(label, float)
    among = ~np.isnan(label) if among is None else among & ~np.isnan(label)
    if not np.isin(label[among], (0, 1)).all():
        raise ValueError("with_ratio: labels must be 0 or 1, or NaN where unknown.")
    positive, negative = (np.flatnonzero(among & (label == value)) for value in (1, 0))
    if not len(positive) or not len(negative):
        raise ValueError(
            f"with_ratio: needs both classes, but there are {len(positive)} positives and {len(negative)} negatives."
        )
    rng = np.random.default_rng(seed)
    num_negative = min(round(negatives * len(positive)), len(negative))
    num_positive = min(round(num_negative / negatives), len(positive))
    chosen = np.zeros(len(label), bool)
    for places, size in ((positive, num_positive), (negative, num_negative)):
        chosen[rng.choice(places, max(size, 1), replace=False)] = True
    return chosen


def _checked(train: np.ndarray, evaluate: np.ndarray, subject: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    sides = zip(np.atleast_2d(train), np.atleast_2d(evaluate), strict=True)
    for number, (one_train, one_evaluate) in enumerate(sides):
        if not one_train.any() or not one_evaluate.any():
            raise ValueError(
                f"Split {number} has {one_train.sum()} examples to train and {one_evaluate.sum()} to evaluate;"
                " neither may be 0."
            )
        both = [] if subject is None else np.intersect1d(subject[one_train], subject[one_evaluate])
        if len(both):
            others = f" (and {len(both) - 1} more)" if len(both) > 1 else ""
            raise ValueError(
                f"Subject {both[0]}{others} would be on both sides of split {number};"
                " keep all examples of a subject on one side."
            )
    return train, evaluate
