"""What simple methods reach on the same beats, and boosting as a probe: scikit-learn, on the host."""

from collections.abc import Iterator, Mapping

import jax
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from experiments.results.contract import long
from experiments.run.context import Context
from experiments.run.host import side_by_side
from experiments.run.parts import Stored
from experiments.run.study import Output
from jaxfair.methods.aml_evaluation import age_prediction, detection


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

    def score(model, x):
        return model.fit(x[train], infarction[train]).predict_proba(x)[:, 1]

    return side_by_side(score, models)


def predicted_ages(beats: np.ndarray, age: np.ndarray, train: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Method by method its name and ages, `[example]`: ridge (generalised cross-validation) and boosting."""
    rows = beats.reshape(len(beats), -1)
    models = {
        "ridge": (make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11))),),
        "gradient_boosting": (HistGradientBoostingRegressor(random_state=0),),
    }
    return side_by_side(lambda model: model.fit(rows[train], age[train]).predict(rows), models)


def reference_tables(run: Context, inputs: Mapping[str, Stored], fold: int) -> Output:
    """Simple methods on the same beats and the split of one fold: a table of results."""
    data = run.data
    beats, infarction, age = (data.arrays[name] for name in ("inputs", "infarction", "age"))
    train, evaluated = data.train[fold], data.evaluate[fold]
    number = fold + 1 if run.config.split == "folds" else pd.NA
    tables = []
    with run.bar(f"references {fold + 1} of {len(data.train)}", NUM_METHODS, "method", "references") as bar:
        scores = infarction_scores(beats, age, infarction, train)
        ages = predicted_ages(beats, age, train)  # Both begin before the first is waited for.
        for method, score in scores:
            tables.append(_table(number, method, _detection(score, infarction, age, evaluated)))
            bar.update()
        for method, predicted in ages:
            tables.append(_table(number, method, _age_prediction(predicted, age, evaluated)))
            bar.update()
    return Output({"results": pd.concat(tables, ignore_index=True)})


# One operation at a time, each metric would be dozens of programs.
_detection, _age_prediction = jax.jit(detection), jax.jit(age_prediction)


def prepare_references(run: Context) -> None:
    """Compiles the metrics of the references."""
    infarction, age = run.data.arrays["infarction"], run.data.arrays["age"]
    _detection.lower(infarction, infarction, age, run.data.evaluate[0]).compile()
    _age_prediction.lower(infarction, age, run.data.evaluate[0]).compile()


def _table(fold, method, values):
    row = pd.DataFrame({"member": [pd.NA], "seed": [pd.NA], "fold": [fold], "method": [method]})
    return long(
        row, {name: np.asarray(value)[None] for name, value in values.items()}, stage="reference", split="evaluate"
    )
