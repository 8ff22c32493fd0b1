"""What simple methods reach on the same beats, and boosting as a probe: scikit-learn, on the host."""

from collections.abc import Iterator

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def boosting_probe(features: np.ndarray, attribute: np.ndarray, train: np.ndarray, seed: int = 0) -> np.ndarray:
    """What gradient boosting reads of an attribute from a representation: `[example]`, in the attribute's unit.

    NaN for a representation that holds a NaN (a diverged member).

    Args:
      features: `[example, feature]`.
      attribute: `[example]`.
      train: `[example]` boolean.
      seed: Of the early stopping's split.
    """
    if not np.isfinite(features).all():
        return np.full(len(features), np.nan)
    model = HistGradientBoostingRegressor(random_state=seed)
    return model.fit(features[train], attribute[train]).predict(features)


NUM_METHODS = 5  # That `infarction_scores` and `predicted_ages` yield together.


def infarction_scores(
    beats: np.ndarray, age: np.ndarray, infarction: np.ndarray, train: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Method by method its name and probabilities, `[example]`: balanced logistic regression, boosting, age alone.

    Args:
      beats: `[example, ...]`, flattened to one row an example.
      age: `[example]`, years.
      infarction: `[example]`, 0 or 1.
      train: `[example]` boolean.
    """
    rows, ages = beats.reshape(len(beats), -1), age[:, None]

    def logistic():
        return LogisticRegression(class_weight="balanced", C=0.01, max_iter=500)

    models = {
        "logistic_regression": (make_pipeline(StandardScaler(), logistic()), rows),
        "gradient_boosting": (HistGradientBoostingClassifier(random_state=0), rows),
        "age_alone": (make_pipeline(StandardScaler(), logistic()), ages),
    }
    for name, (model, x) in models.items():
        yield name, model.fit(x[train], infarction[train]).predict_proba(x)[:, 1]


def predicted_ages(beats: np.ndarray, age: np.ndarray, train: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Method by method its name and ages, `[example]`: ridge (generalised cross-validation) and boosting."""
    rows = beats.reshape(len(beats), -1)
    models = {
        "ridge": make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11))),
        "gradient_boosting": HistGradientBoostingRegressor(random_state=0),
    }
    for name, model in models.items():
        yield name, model.fit(rows[train], age[train]).predict(rows)
