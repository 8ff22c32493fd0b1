"""MIMIC-III and MIMIC-IV from their official tables."""

from data_pipelines.icu.mimic.items import VARIABLES
from data_pipelines.icu.mimic.reader import RACES, read_stays

__all__ = ["RACES", "VARIABLES", "read_stays"]
