"""The domains of the fairness study: yes-or-no questions of a patient, by which its groups are compared."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from data_pipelines.icu.stays import Stays


class Domain(NamedTuple):
    """A question that splits patients into two groups.

    Attributes:
      title: As it stands on the page.
      groups: The names of groups 0 and 1.
      needs: The stays' fields that answer it: `static` or `attributes`, and a name.
      answer: From these values, `[stay]`, 0, 1 or NaN where it is not known.
    """

    title: str
    groups: tuple[str, str]
    needs: tuple[str, str]
    answer: Callable[[np.ndarray], np.ndarray]


OLD = 65.0  # Years: the paper's Figure 3.
COMORBID = 2.0  # Charlson index; the paper does not say where it divides.
_SURGICAL = (2, 4)  # Unit types of the Challenge: cardiac surgery recovery and surgical.


def _at_least(limit: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda values: np.where(np.isnan(values), np.nan, values >= limit)


def _as_is(values: np.ndarray) -> np.ndarray:
    return values


# Race is a place in a list that begins with white (`eicu.RACES`, `mimic.RACES`), whose last entry is "unknown".
def _not_white(values: np.ndarray, unknown: int) -> np.ndarray:
    return np.where(np.isnan(values) | (values == unknown), np.nan, values > 0)


def _comorbidity(title: str) -> tuple[str, tuple[str, str]]:
    return title, (f"without {title}", f"with {title}")


DOMAINS: Mapping[str, Domain] = {
    "age": Domain("age", ("under 65", "65 or older"), ("static", "age"), _at_least(OLD)),
    "sex": Domain("sex", ("women", "men"), ("static", "male"), _as_is),
    "race": Domain("race", ("white", "not white"), ("attributes", "race"), lambda race: _not_white(race, 5)),
    "charlson": Domain(
        "Charlson index", ("index below 2", "index 2 or more"), ("attributes", "charlson_index"), _at_least(COMORBID)
    ),
    "diabetes": Domain(*_comorbidity("diabetes"), ("attributes", "diabetes"), _as_is),
    "hypertension": Domain(*_comorbidity("hypertension"), ("attributes", "hypertension"), _as_is),
    "cardiovascular_disease": Domain(
        *_comorbidity("cardiovascular disease"), ("attributes", "cardiovascular_disease"), _as_is
    ),
    "chronic_kidney_disease": Domain(
        *_comorbidity("chronic kidney disease"), ("attributes", "chronic_kidney_disease"), _as_is
    ),
    "sepsis": Domain(*_comorbidity("sepsis"), ("attributes", "sepsis"), _as_is),
    "unit": Domain(
        "unit", ("medical", "surgical"), ("static", "icu_type"),
        lambda kind: np.where(np.isnan(kind), np.nan, np.isin(kind, _SURGICAL)),
    ),
    # Of simulated stays.
    **{
        f"domain_{number}": Domain(
            f"domain {number}", ("group 0", "group 1"), ("attributes", f"domain_{number}"), _as_is
        )
        for number in range(8)
    },
}  # fmt: skip
NINE = (
    "age", "sex", "race", "charlson", "diabetes", "hypertension", "cardiovascular_disease", "chronic_kidney_disease",
    "sepsis",
)  # fmt: skip


def domain(name: str) -> Domain:
    """A domain's title and groups; one that the study does not know keeps its name."""
    return DOMAINS.get(name, Domain(name, ("group 0", "group 1"), ("", ""), np.asarray))


def domain_labels(stays: Stays, names: Sequence[str]) -> np.ndarray:
    """`[stay, domain]`, float32: 0, 1 or NaN.

    Raises:
      ValueError: The stays do not have what a domain needs.
    """
    columns = []
    for name in names:
        asked = DOMAINS[name]
        kind, field = asked.needs
        fields: Mapping[str, Any] = getattr(stays, kind)
        if field not in fields:
            known = ", ".join(key for key, each in DOMAINS.items() if each.needs[1] in getattr(stays, each.needs[0]))
            raise ValueError(f"--config.domains: {name!r} needs {field}, which these stays do not have; use {known}.")
        columns.append(asked.answer(np.asarray(fields[field], np.float64)).astype(np.float32))
    return np.stack(columns, axis=1)


def check_groups(labels: np.ndarray, names: Sequence[str]) -> None:
    """Checks that of each domain there are both groups among the windows `[window, domain]` that are judged.

    Raises:
      ValueError: All whose group is known are in one.
    """
    for name, label in zip(names, labels.T, strict=True):
        groups = np.unique(label[~np.isnan(label)])
        if len(groups) < 2:
            whose = DOMAINS[name].groups[int(groups[0])] if len(groups) else "no known group"
            raise ValueError(
                f"--config.domains: all {len(label)} windows are of one group of domain {name!r} ({whose}), so nothing"
                " can be compared; leave it out."
            )
