"""Comorbidities from diagnosis codes: Charlson's conditions and index, and the domains of the fairness study.

Codes are prefixes: 410 stands for 410.01 too, whether the source writes the dot or not.

References:
  Quan et al.: Coding algorithms for defining comorbidities in ICD-9-CM and ICD-10 administrative data, Medical Care
  2005, table 1 (Charlson: "Enhanced ICD-9-CM" and ICD-10) and table 2 (Elixhauser: hypertension).
  Charlson et al.: A new method of classifying prognostic comorbidity in longitudinal studies, J Chron Dis
  1987 (weights).
  Martin et al.: The epidemiology of sepsis in the United States, NEJM 2003 (septicaemia, 038); the codes that name
  sepsis and septic shock since, 995.91, 995.92, 785.52, A40, A41 and R65.2, are added.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np

# Of each condition: ICD-9-CM and ICD-10 codes, and its weight in the index.
_CHARLSON = {
    "myocardial_infarction": ("410 412", "I21 I22 I25.2", 1),
    "congestive_heart_failure": (
        "398.91 402.01 402.11 402.91 404.01 404.03 404.11 404.13 404.91 404.93 425.4-425.9 428",
        "I09.9 I11.0 I13.0 I13.2 I25.5 I42.0 I42.5-I42.9 I43 I50 P29.0",
        1,
    ),
    "peripheral_vascular_disease": (
        "093.0 437.3 440 441 443.1-443.9 447.1 557.1 557.9 V43.4",
        "I70 I71 I73.1 I73.8 I73.9 I77.1 I79.0 I79.2 K55.1 K55.8 K55.9 Z95.8 Z95.9",
        1,
    ),
    "cerebrovascular_disease": ("362.34 430-438", "G45 G46 H34.0 I60-I69", 1),
    "dementia": ("290 294.1 331.2", "F00-F03 F05.1 G30 G31.1", 1),
    "chronic_pulmonary_disease": (
        "416.8 416.9 490-505 506.4 508.1 508.8",
        "I27.8 I27.9 J40-J47 J60-J67 J68.4 J70.1 J70.3",
        1,
    ),
    "rheumatic_disease": (
        "446.5 710.0-710.4 714.0-714.2 714.8 725",
        "M05 M06 M31.5 M32-M34 M35.1 M35.3 M36.0",
        1,
    ),
    "peptic_ulcer_disease": ("531-534", "K25-K28", 1),
    "mild_liver_disease": (
        "070.22 070.23 070.32 070.33 070.44 070.54 070.6 070.9 570 571 573.3 573.4 573.8 573.9 V42.7",
        "B18 K70.0-K70.3 K70.9 K71.3-K71.5 K71.7 K73 K74 K76.0 K76.2-K76.4 K76.8 K76.9 Z94.4",
        1,
    ),
    "diabetes_without_complication": (
        "250.0-250.3 250.8 250.9",
        " ".join(f"E{group}.{last}" for group in range(10, 15) for last in "01689"),
        1,
    ),
    "diabetes_with_complication": (
        "250.4-250.7",
        " ".join(f"E{group}.{last}" for group in range(10, 15) for last in "23457"),
        2,
    ),
    "hemiplegia_or_paraplegia": (
        "334.1 342 343 344.0-344.6 344.9",
        "G04.1 G11.4 G80.1 G80.2 G81 G82 G83.0-G83.4 G83.9",
        2,
    ),
    "renal_disease": (
        "403.01 403.11 403.91 404.02 404.03 404.12 404.13 404.92 404.93 582 583.0-583.7 585 586 588.0 V42.0 V45.1 V56",
        "I12.0 I13.1 N03.2-N03.7 N05.2-N05.7 N18 N19 N25.0 Z49.0-Z49.2 Z94.0 Z99.2",
        2,
    ),
    "malignancy": (
        "140-172 174-194 195.0-195.8 200-208 238.6",
        "C00-C26 C30-C34 C37-C41 C43 C45-C58 C60-C76 C81-C85 C88 C90-C97",
        2,
    ),
    "moderate_or_severe_liver_disease": (
        "456.0-456.2 572.2-572.8",
        "I85.0 I85.9 I86.4 I98.2 K70.4 K71.1 K72.1 K72.9 K76.5 K76.6 K76.7",
        3,
    ),
    "metastatic_tumor": ("196-199", "C77-C80", 6),
    "aids": ("042-044", "B20-B22 B24", 6),
}
_OTHERS = {
    "hypertension": ("401-405", "I10-I13 I15"),
    "sepsis": ("038 995.91 995.92 785.52", "A40 A41 R65.2"),
}
# Who has the more serious one is not counted for the other as well.
_INCLUDED_IN = {
    "diabetes_without_complication": "diabetes_with_complication",
    "mild_liver_disease": "moderate_or_severe_liver_disease",
    "malignancy": "metastatic_tumor",
}
CHARLSON = tuple(_CHARLSON)
WEIGHTS = {name: weight for name, (_, _, weight) in _CHARLSON.items()}
CONDITIONS = (*CHARLSON, *_OTHERS)
# Domains of the study, each any of these conditions.
DOMAINS = {
    "diabetes": ("diabetes_without_complication", "diabetes_with_complication"),
    "hypertension": ("hypertension",),
    "cardiovascular_disease": (
        "myocardial_infarction",
        "congestive_heart_failure",
        "peripheral_vascular_disease",
        "cerebrovascular_disease",
    ),
    "chronic_kidney_disease": ("renal_disease",),
    "sepsis": ("sepsis",),
}
_CODE = {9: re.compile(r"(\d{3}|V\d{2})\d{0,2}|E\d{3}\d?", re.ASCII), 10: re.compile(r"[A-Z]\d[0-9A-Z]{1,5}", re.ASCII)}


def _prefixes(written: str) -> tuple[str, ...]:
    """Codes without dots; of a range, each: 425.4-425.9 is 4254 to 4259, C00-C26 is C00 to C26."""
    found = []
    for part in written.replace(".", "").split():
        first, _, last = part.partition("-")
        letters = first.rstrip("0123456789")
        digits = len(first) - len(letters)
        numbers = range(int(first[len(letters) :]), int((last or first)[len(letters) :]) + 1)
        found += [f"{letters}{number:0{digits}d}" for number in numbers]
    return tuple(found)


# By version and condition, codes without dots.
PREFIXES = {
    version: {name: _prefixes(codes[version == 10]) for name, codes in (_CHARLSON | _OTHERS).items()}
    for version in (9, 10)
}


def conditions_of(code: str, version: int | None = None) -> frozenset[str]:
    """Which of `CONDITIONS` a diagnosis code means.

    Args:
      code: ICD-9-CM or ICD-10, with its dot or without, with all its zeros: 038.9 is sepsis and 38.9 is none.
      version: 9 or 10; None tells by the first character: a digit or V is ICD-9 (of ICD-10's chapter V, accidents, none
        is looked for here).

    Raises:
      ValueError: It is no such code.
    """
    if not isinstance(code, str):
        raise ValueError(f"ICD code {code!r} is not text: as a number it has lost its zeros; read the column as text.")
    plain = code.strip().upper().replace(".", "")
    if version is None:
        version = 9 if plain[:1].isdigit() or plain[:1] == "V" else 10
    if version not in _CODE or not _CODE[version].fullmatch(plain):
        raise ValueError(f"{code!r} is no code of ICD-{version}.")
    return frozenset(name for name, prefixes in PREFIXES[version].items() if plain.startswith(prefixes))


def condition_table(
    stay: Sequence[int], codes: Sequence[str], num_stays: int, versions: Iterable[int | None] | None = None
) -> dict[str, np.ndarray]:
    """By condition of `CONDITIONS`, `[stay]`, boolean: whether one of a stay's codes means it.

    Args:
      stay: `[code]`, whose it is, from 0.
      codes: `[code]`, as in `conditions_of`.
      num_stays: How many stays there are; those without a code have none of the conditions.
      versions: `[code]`; None tells by the code.
    """
    versions = [None] * len(codes) if versions is None else list(versions)
    known: dict[tuple[str, int | None], frozenset[str]] = {}
    table = {name: np.zeros(num_stays, bool) for name in CONDITIONS}
    for place, code, version in zip(stay, codes, versions, strict=True):
        if (code, version) not in known:
            known[code, version] = conditions_of(code, version)
        for name in known[code, version]:
            table[name][place] = True
    return table


def charlson_index(table: dict[str, np.ndarray]) -> np.ndarray:
    """`[stay]`, the weighted sum of Charlson's conditions, without points for age.

    Of mild and severe liver disease, of diabetes without and with complications, and of a tumour and its metastases the
    more serious one alone counts.
    """
    total = 0
    for name in CHARLSON:
        counted = table[name] & ~table[_INCLUDED_IN[name]] if name in _INCLUDED_IN else table[name]
        total = total + WEIGHTS[name] * counted
    return np.asarray(total, np.int64)


def domains(table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By domain of `DOMAINS`, `[stay]`, boolean: whether the stay has any of its conditions."""
    return {name: np.any([table[condition] for condition in of], axis=0) for name, of in DOMAINS.items()}
