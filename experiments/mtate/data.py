"""What the fairness study computes on: windows of intensive care stays as arrays, domains, folds of patients."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from data_pipelines import splits
from data_pipelines.icu import normal, windows
from experiments.mtate import sources
from experiments.mtate.domains import check_groups, domain_labels

OUTLIER = 5.0  # Standard deviations, at which inputs are cut off.
ICU_TYPES = (1, 2, 3, 4)
_FOLD_SEED = 0


@dataclasses.dataclass(frozen=True, eq=False)
class IcuData:
    """Windows of a configuration; an example is a window.

    Attributes:
      variables: Names.
      values: `[example, hour, variable]`, the source's units; NaN where an hour has no measurement.
      normal: `[variable]`, what stands before the first measurement.
      static: `[example, static]`, NaN where not known.
      static_names: Their names.
      outcome: `[example]`, 0 or 1.
      domains: `[example, domain]`, 0, 1 or NaN.
      domain_names: Keys of `domains.DOMAINS`.
      ids: `[example]`, the stays' ids.
      end: `[example]`, the hour at which a window ends.
      subject: `[example]`, integers from 0: the patient.
      train: `[fold, example]` boolean.
      validate: `[fold, example]` boolean.
      evaluate: `[fold, example]` boolean; with another set to be judged, none: folds only select.
      cohort: A row a step of the selection: step, stays, patients, windows, deaths.
      other: `[example]` boolean, the other set, which is judged by models of all of the training set; None: the folds'
        own evaluation examples are judged.
      optimum: `[example]`, the best possible score; None but for simulated stays.
    """

    variables: tuple[str, ...]
    values: np.ndarray
    normal: np.ndarray
    static: np.ndarray
    static_names: tuple[str, ...]
    outcome: np.ndarray
    domains: np.ndarray
    domain_names: tuple[str, ...]
    ids: np.ndarray
    end: np.ndarray
    subject: np.ndarray
    train: np.ndarray
    validate: np.ndarray
    evaluate: np.ndarray
    cohort: pd.DataFrame
    other: np.ndarray | None = None
    optimum: np.ndarray | None = None

    @property
    def num_folds(self) -> int:
        return len(self.train)

    @property
    def judged(self) -> "IcuData":
        """The data with the masks of the models that are judged: of another set, one fold of all that may train.

        Thresholds for that set are chosen on the predictions of its training examples by models that had not seen them,
        those of the folds, so `validate` is all of the training set too.
        """
        if self.other is None:
            return self
        own = ~self.other[None]
        return dataclasses.replace(self, train=own, validate=own, evaluate=self.other[None], other=None)

    def arrays(self, fold: int, channels: tuple[str, ...] = ("measured", "since")) -> dict[str, np.ndarray]:
        """What networks take: skewed variables on a logarithmic scale, standardised by a fold's training examples.

        Args:
          fold: From 0.
          channels: What stands beside the values: `measured` (0 or 1) and `since` (hours since the last measurement,
            divided by the window's length).

        Returns:
          `inputs` `[example, hour, channel]`, the values first; `measured` `[example, hour, variable]` boolean;
          `static` `[example, static]`; `outcome` `[example]`; `domains` `[example, domain]`.
        """
        train = self.train[fold]
        values, ordinary = (normal.on_log_scale(each, self.variables) for each in (self.values, self.normal))
        mean, deviation = windows.normalization(values, train)
        filled, measured, since = windows.filled(values, ordinary)
        inputs = [np.clip((filled - mean) / deviation, -OUTLIER, OUTLIER)]
        inputs += [{"measured": measured, "since": since / self.values.shape[1]}[name] for name in channels]
        return {
            "inputs": np.concatenate(inputs, axis=2, dtype=np.float32),
            "measured": measured,
            "static": standardized(self.static, train),
            "outcome": self.outcome,
            "domains": self.domains,
        }


def standardized(columns: np.ndarray, train: np.ndarray) -> np.ndarray:
    """`[example, column]` with the training examples' mean 0 and deviation 1; 0 where not known."""
    known = ~np.isnan(columns[train])
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, columns[train], 0).sum(0) / count
    deviation = np.sqrt(np.where(known, (columns[train] - mean) ** 2, 0).sum(0) / count)
    scaled = (columns - mean) / np.where(deviation > 0, deviation, 1)
    return np.nan_to_num(np.clip(scaled, -OUTLIER, OUTLIER)).astype(np.float32)


def load(config: Any) -> IcuData:
    """The data of a configuration."""
    source = sources.read(config, config.train_set)
    if not config.evaluate_on:
        return _with_folds(config, [_windows(config, source)])
    other = sources.read(config, config.evaluate_on.removeprefix("set-"))
    return _with_folds(config, [_windows(config, each) for each in (source, other)])


def _windows(config, source):
    """The fields of `IcuData` but for the folds, and what folds keep together."""
    stays = source.stays
    steps = [_step("all stays", stays, np.arange(len(stays)))]
    labels = domain_labels(stays, config.domains)
    if config.task == "hospital_death":
        stay, end = windows.fixed_ends(stays, [config.window])
        outcome = stays.outcomes["hospital_death"].astype(np.float32)
        kept = source.hours >= config.window
        what = f"in the unit for {config.window} hours"
        steps.append(_step(what, stays, stay[kept]))
        if config.data != "challenge2012":  # Its official task is of all stays, and its deaths are by the day.
            kept &= ~(source.death <= config.window)
            steps.append(_step("alive then", stays, stay[kept]))
        kept &= ~np.isnan(outcome)
        steps.append(_step("outcome known", stays, stay[kept], outcome[kept]))
        cut = windows.cut(stays, stay[kept], end[kept], config.window) if kept.any() else None
        outcome = outcome[kept]
    else:
        if config.ends:
            stay, end = windows.fixed_ends(stays, config.ends)
            inside = source.hours[stay] >= end
            stay, end = stay[inside], end[inside]
        else:
            rolling = {"step": config.step, "most": config.most_windows, "seed": 0}
            stay, end = windows.rolling_ends(stays, source.hours, config.window, **rolling)
        steps.append(_step(f"windows of {config.window} hours", stays, stay))
        cut = windows.cut(stays, stay, end, config.window)
        outcome = windows.death_within(source.death, cut, config.horizon)
        kept = ~np.isnan(outcome)
        cut, outcome = cut.take(kept), outcome[kept]
        steps.append(_step("alive at its end", stays, cut.stay, outcome))
    if cut is None or not len(cut):
        raise ValueError(
            f"--config.window={config.window}: no stay is left with a window of {config.window} hours and a known "
            f"outcome; the longest of {len(stays)} stays has {np.nanmax(source.hours):.0f} hours."
        )
    _check_measured(config, cut)
    static, names = _static(config, stays)
    at = cut.stay
    check_groups(labels[at], config.domains)
    return {
        "variables": cut.variables,
        "values": cut.values,
        "normal": source.normal,
        "static": static[at],
        "static_names": names,
        "outcome": outcome.astype(np.float32),
        "domains": labels[at],
        "ids": stays.ids[at],
        "end": cut.end,
        "subject": stays.subject[at],
        "cohort": pd.DataFrame(steps),
        "optimum": None if source.optimum is None else source.optimum[at],
    }, source.together[at]


def _step(what, stays, stay, outcome=None):
    deaths = stays.outcomes["hospital_death"][stay] if outcome is None else outcome
    return {
        "step": what,
        "stays": len(np.unique(stay)),
        "patients": len(np.unique(stays.subject[stay])),
        "windows": len(stay),
        "positive": int(np.nansum(deaths)),
    }


def _check_measured(config, cut):
    if np.isnan(cut.values).all():
        raise ValueError(
            f"--config.data_dir={config.data_dir}: none of {len(cut)} windows has a single measurement; name the"
            " folder of the source."
        )


def _static(config, stays):
    """`[stay, column]` and the columns' names."""
    columns = {}
    for name, values in stays.static.items():
        if name == "icu_type":
            columns |= {f"icu_type_{kind}": (values == kind).astype(np.float32) for kind in ICU_TYPES}
        else:
            columns[name] = values
    if config.data == "mimic":  # As in the paper: race, body mass index and Charlson index are inputs.
        columns["body_mass_index"] = columns["weight"] / (columns.pop("height") / 100) ** 2
        race = stays.attributes["race"]
        columns["not_white"] = np.where(np.isnan(race), np.nan, race > 0)
        columns["charlson_index"] = stays.attributes["charlson_index"]
    if not columns:
        return np.zeros((len(stays), 0), np.float32), ()
    return np.stack([np.asarray(column, np.float32) for column in columns.values()], axis=1), tuple(columns)


def _with_folds(config, parts):
    fields, together = parts[0]
    size = len(fields["outcome"])
    fold = splits.k_fold_by_subject(together, config.folds, seed=_FOLD_SEED) - 1
    held_out = fold == np.arange(config.folds)[:, None]
    if len(parts) > 1:
        others, _ = parts[1]
        train = np.pad(~held_out, ((0, 0), (0, len(others["outcome"]))))
        validate = np.pad(held_out, ((0, 0), (0, len(others["outcome"]))))
        evaluate = np.zeros_like(train)
        fields = _joined(fields, others, config) | {"other": np.arange(train.shape[1]) >= size}
    else:
        evaluate, validate = held_out, np.zeros_like(held_out)
        for number, rest in enumerate(~held_out):
            validate[number] = _held_out(fields["outcome"], together, rest, config.validation_share, number)
        train = ~evaluate & ~validate
    data = IcuData(
        domain_names=tuple(config.domains),
        train=train,
        validate=validate,
        evaluate=evaluate,
        **fields | {"subject": np.unique(fields["subject"], return_inverse=True)[1]},
    )
    _check_classes(data)
    return data


def _held_out(outcome, together, among, share, seed):
    """`[example]`, a share of those who are kept together, the same of those with a positive window and the others."""
    names, code = np.unique(together, return_inverse=True)
    positive, there = np.zeros(len(names), np.int64), np.zeros(len(names), bool)
    np.maximum.at(positive, code[among], (outcome[among] == 1).astype(np.int64))
    there[code[among]] = True
    for kind in (0, 1):
        if (positive[there] == kind).sum() == 1:  # The only one of its kind trains.
            there &= positive != kind
    _, chosen = splits.holdout_by_class(positive, share, seed, among=there, names=("without deaths", "with deaths"))
    return among & chosen[code]


def _joined(one, other, config):
    """Two sets as one; the second is only evaluated on."""
    cohorts = [
        part["cohort"].assign(step=f"{name}: " + part["cohort"]["step"])
        for name, part in ((f"set {config.train_set}", one), (config.evaluate_on.replace("-", " "), other))
    ]
    both = ("values", "static", "outcome", "domains", "ids", "end", "subject")
    joined = {name: np.concatenate([one[name], other[name]]) for name in both}
    return one | joined | {"cohort": pd.concat(cohorts, ignore_index=True)}


def _check_classes(data):
    for name in ("train", "validate", "evaluate"):
        for number, mask in enumerate(getattr(data.judged if name == "evaluate" else data, name)):
            deaths = int(data.outcome[mask].sum())
            if deaths in (0, mask.sum()):
                raise ValueError(
                    f"fold {number + 1}: {mask.sum()} windows to {name} with {deaths} deaths, and both classes are "
                    "needed; use fewer --config.folds or more stays."
                )
