"""Which items of MIMIC's charts and laboratory are which variable, in which unit, and what values they can have.

References:
  D_ITEMS and D_LABITEMS of MIMIC-III 1.4 and MIMIC-IV; items below 220000 are of CareVue, which MIMIC-IV has no more.
  Harutyunyan et al.: Multitask learning and benchmarking with clinical time series data, Scientific Data 2019 (its
  resources list the same items by variable, and ranges of plausible values).
"""

from typing import NamedTuple


class Variable(NamedTuple):
    """A variable of the study.

    Attributes:
      unit: Of its values.
      charted: Items of CHARTEVENTS.
      laboratory: Items of LABEVENTS.
      least: The least value that is plausible; others are dropped.
      most: The largest one.
      normal: What stands where nothing was measured: the middle of the normal range.
    """

    unit: str
    charted: tuple[int, ...]
    laboratory: tuple[int, ...]
    least: float
    most: float
    normal: float


# The 12 of the study of acute kidney injury with dialysis: KIT-LSTM, BIBM 2022, whose normal ranges these are.
VARIABLES = {
    "systolic_pressure": Variable("mmHg", (51, 442, 455, 6701, 220050, 220179, 225309), (), 20, 300, 110),
    "diastolic_pressure": Variable("mmHg", (8368, 8440, 8441, 8555, 220051, 220180, 225310), (), 5, 225, 75),
    "heart_rate": Variable("/min", (211, 220045), (), 10, 300, 80),
    "respiratory_rate": Variable("/min", (615, 618, 220210, 224690), (), 2, 100, 18.5),
    "temperature": Variable("°C", (676, 677, 678, 679, 223761, 223762), (), 25, 45, 36.65),
    "creatinine": Variable("mg/dL", (), (50912,), 0.1, 60, 0.85),
    "bicarbonate": Variable("mmol/L", (), (50882,), 2, 66, 25.5),
    "hematocrit": Variable("%", (), (51221,), 5, 75, 39.5),
    "potassium": Variable("mmol/L", (), (50971,), 0.5, 15, 4.25),
    "bilirubin": Variable("mg/dL", (), (50885,), 0.05, 80, 0.65),
    "sodium": Variable("mmol/L", (), (50983,), 80, 190, 140),
    "white_blood_cells": Variable("10⁹/L", (), (51300, 51301), 0.05, 1000, 7),
}
# Of the whole stay: the first plausible value of it.
STATIC = {
    "weight": Variable("kg", (762, 763, 3580, 3581, 3693, 224639, 226512, 226531), (), 20, 350, 80),
    "height": Variable("cm", (920, 1394, 3485, 3486, 4187, 4188, 226707, 226730), (), 100, 230, 170),
}
# Items in a unit other than the variable's: (factor, what is added afterwards).
FAHRENHEIT = (5 / 9, -160 / 9)
CONVERTED = {
    **dict.fromkeys((678, 679, 223761), FAHRENHEIT),
    **dict.fromkeys((3581, 226531), (0.45359237, 0.0)),  # Pounds.
    **dict.fromkeys((920, 1394, 3486, 4187, 226707), (2.54, 0.0)),  # Inches.
}
# Units of laboratory values as they are written there, in lower case: by variable, the factor to its own.
UNITS = {
    "creatinine": {"mg/dl": 1.0, "umol/l": 1 / 88.42, "µmol/l": 1 / 88.42},
    "bilirubin": {"mg/dl": 1.0, "umol/l": 1 / 17.104, "µmol/l": 1 / 17.104},
    "bicarbonate": {"meq/l": 1.0, "mmol/l": 1.0},
    "potassium": {"meq/l": 1.0, "mmol/l": 1.0},
    "sodium": {"meq/l": 1.0, "mmol/l": 1.0},
    "hematocrit": {"%": 1.0, "l/l": 100.0},
    "white_blood_cells": {"k/ul": 1.0, "10e9/l": 1.0, "#/ul": 0.001, "/ul": 0.001},
}
