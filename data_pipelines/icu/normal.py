"""Normal values of intensive care measurements, which fill in for what was not measured yet, and log scales.

What is expected to be normal is seldom measured, so a normal value is a better guess than the mean of the measured.

References:
  Blood: the middle of the adult reference range of Kratz et al., Laboratory Reference Values, NEJM 2004, rounded.
  Vital signs: the middle of the ranges of KIT-LSTM, BIBM 2022, as in `mimic.items`.
"""

from collections.abc import Sequence

import numpy as np

# Units as in the Challenge; FiO2 is a share there.
CHALLENGE_2012 = {
    "ALP": 70, "ALT": 22, "AST": 22, "Albumin": 4.2, "BUN": 15, "Bilirubin": 0.65, "Cholesterol": 170,
    "Creatinine": 0.85, "DiasABP": 75, "FiO2": 0.21, "GCS": 15, "Glucose": 90, "HCO3": 25.5, "HCT": 39.5, "HR": 80,
    "K": 4.25, "Lactate": 1.2, "MAP": 87, "MechVent": 0, "Mg": 2.0, "NIDiasABP": 75, "NIMAP": 87, "NISysABP": 110,
    "Na": 140, "PaCO2": 40, "PaO2": 90, "Platelets": 250, "RespRate": 18.5, "SaO2": 97, "SysABP": 110, "Temp": 36.65,
    "TroponinI": 0.1, "TroponinT": 0.01, "Urine": 60, "WBC": 7, "Weight": 80, "pH": 7.4,
}  # fmt: skip
# Names and units of ricu, in which YAIB's cohorts are; FiO2 is in percent there.
YAIB = {
    "alb": 4.2, "alp": 70, "alt": 22, "ast": 22, "be": 0, "bicar": 25.5, "bili": 0.65, "bili_dir": 0.15, "bnd": 2,
    "bun": 15, "ca": 9.4, "cai": 1.2, "ck": 100, "ckmb": 2, "cl": 102, "crea": 0.85, "crp": 3, "dbp": 75, "fgn": 300,
    "fio2": 21, "glu": 90, "hgb": 14, "hr": 80, "inr_pt": 1.0, "k": 4.25, "lact": 1.2, "lymph": 30, "map": 87,
    "mch": 30, "mchc": 34, "mcv": 90, "methb": 0.5, "mg": 2.0, "na": 140, "neut": 60, "o2sat": 97, "pco2": 40,
    "ph": 7.4, "phos": 3.5, "plt": 250, "po2": 90, "ptt": 30, "resp": 18.5, "sbp": 110, "temp": 36.65, "tnt": 0.01,
    "urine": 60, "wbc": 7,
}  # fmt: skip

# Variables of all sources whose values span orders of magnitude: their logarithms are closer to a normal distribution.
SKEWED = frozenset(
    (
        "ALP", "ALT", "AST", "BUN", "Bilirubin", "Creatinine", "Glucose", "Lactate", "PaO2", "PaCO2", "Platelets",
        "TroponinI", "TroponinT", "Urine", "WBC",
        "alp", "alt", "ast", "bun", "bili", "bili_dir", "bnd", "ck", "ckmb", "crea", "crp", "glu", "inr_pt", "lact",
        "lymph", "pco2", "plt", "po2", "ptt", "tnt", "urine", "wbc",
        "bilirubin", "creatinine", "white_blood_cells",
    )
)  # fmt: skip


def on_log_scale(values: np.ndarray, variables: Sequence[str]) -> np.ndarray:
    """The values, with `log(1 + max(x, 0))` in place of x for the `SKEWED` variables.

    Args:
      values: `[..., variable]`, in the source's units; NaN stays NaN.
      variables: Names.

    Returns:
      `[..., variable]`, a copy.
    """
    chosen = np.array([name in SKEWED for name in variables])
    scaled = np.array(values)
    scaled[..., chosen] = np.log1p(np.maximum(scaled[..., chosen], 0))
    return scaled


def normal_values(variables: Sequence[str], table: dict[str, float], where: str) -> np.ndarray:
    """The normal value of each variable.

    Args:
      variables: Names.
      table: Normal values by name, such as `YAIB`.
      where: The folder that the variables are from, for the error.

    Returns:
      `[variable]`, float32, in the table's units.

    Raises:
      ValueError: A variable is not in the table.
    """
    unknown = [name for name in variables if name not in table]
    if unknown:
        raise ValueError(
            f"{where}: variable {unknown[0]!r} has no normal value; leave it out of the cohort, or add its value to"
            " data_pipelines/icu/normal.py."
        )
    return np.array([table[name] for name in variables], np.float32)
