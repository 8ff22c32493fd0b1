"""Where MTATE's attention goes, as tables: over all windows that are judged, and within one patient."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from experiments.mtate.data import IcuData


def of_windows(data: IcuData, arrays: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Figure 4 of MTATE's first seed, a row an evaluation example and domain: both losses, attention.

    Args:
      data: Of the study.
      arrays: MTATE's chosen members (`methods.judged_arrays`): `logit` `[seed, fold, example]`, `domain_loss` and
        `weight` `[seed, fold, example, domain]`.
    """
    tables = []
    for fold, evaluate in enumerate(data.judged.evaluate):
        example = np.flatnonzero(evaluate)
        logit = arrays["logit"][0, fold, example].astype(np.float64)
        loss = np.logaddexp(0, np.where(data.outcome[example] == 1, -logit, logit))
        for place, name in enumerate(data.domain_names):
            tables.append(
                pd.DataFrame(
                    {
                        "fold": fold + 1,
                        "id": data.ids[example],
                        "end": data.end[example],
                        "domain": name,
                        "group": data.domains[example, place],
                        "outcome_loss": loss,
                        "domain_loss": arrays["domain_loss"][0, fold, example, place],
                        "weight": arrays["weight"][0, fold, example, place],
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def of_patient(data: IcuData, patient: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """One patient's attentions as tables: by hour and variable, by domain, and from hour to hour.

    Args:
      data: Of the study.
      patient: Measurements and attentions of one patient, as `trained.py` leaves them with the arm.
    """
    hours, variables = patient["values"].shape
    num = len(data.variables)
    kept, feature = patient["kept"], patient["feature_attention"].mean(1)  # Over heads.
    received = np.full((len(data.domain_names), num), np.nan)
    for domain, places in enumerate(kept):
        of_values = places < num  # Inputs beyond the values are flags and times since a measurement.
        received[domain, places[of_values]] = feature[domain].mean(0)[of_values]
    start = int(data.end[patient["example"]]) - hours
    hour, variable = (axis.ravel() for axis in np.meshgrid(np.arange(hours), np.arange(variables), indexing="ij"))
    values = pd.DataFrame(
        {
            "hour": hour + start,
            "variable": np.array(data.variables)[variable],
            "value": patient["values"][hour, variable],
            "standardized": patient["inputs"][hour, variable],
        }
    )
    by_hour = pd.DataFrame({"hour": np.arange(hours) + start, "attention": patient["temporal_attention"].mean((0, 1))})
    domain, number = (axis.ravel() for axis in np.meshgrid(*map(np.arange, received.shape), indexing="ij"))
    by_variable = pd.DataFrame(
        {
            "domain": np.array(data.domain_names)[domain],
            "variable": np.array(data.variables)[number],
            "attention": received[domain, number],
        }
    )
    by_domain = pd.DataFrame(
        {
            "domain": list(data.domain_names),
            "group": patient["domains"],
            "probability": patient["domain_probability"],
            "weight": patient["weights"],
            "id": patient["id"],
            "risk": float(patient["probability"]),
        }
    )
    return {
        "patient_values": values,
        "patient_hours": by_hour,
        "patient_variables": by_variable,
        "patient_domains": by_domain,
    }
