"""What models without a series reach: scikit-learn on summaries of the windows, and on MTATE's representation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from data_pipelines.icu.summaries import summaries
from experiments.mtate.data import IcuData, standardized
from experiments.run.context import Context
from experiments.run.host import side_by_side
from experiments.run.parts import Stored
from experiments.run.study import Output

_LEAST = 1e-6  # Of a probability, whose logit is then 14.


def _boosting() -> Any:
    return HistGradientBoostingClassifier(
        max_iter=200, learning_rate=0.04, max_leaf_nodes=12, l2_regularization=5.0, min_samples_leaf=30, random_state=0
    )


def _of_summaries(name: str) -> Any:
    if name == "gradient_boosting":
        return _boosting()
    return LogisticRegression(C=0.01, max_iter=1000)


def _of_representation(name: str) -> Any:
    if name == "gradient_boosting":
        return _boosting()
    if name == "random_forest":
        return RandomForestClassifier(500, min_samples_leaf=5, random_state=0, n_jobs=1)
    return make_pipeline(StandardScaler(), SVC(C=1.0))  # Radial basis functions, scikit-learn's default width.


def reference(run: Context, inputs: Mapping[str, Stored]) -> Output:
    """Models of the windows' summaries and static features: `{method: {"logit": [fold, example]}}`.

    With another set to be judged there is one row: of that set what a model of all of the training set says, of the
    training examples what the folds' models do.
    """
    data, columns = run.data, _columns(run.data)
    views = {fold: (data, fold) for fold in range(data.num_folds)}
    if data.other is not None:
        views["all"] = data.judged, 0
    jobs = {
        (name, place): (_of_summaries(name), _features(columns, view.train[fold], name), view, fold)
        for name in run.config.references
        for place, (view, fold) in views.items()
    }
    logits = _fitted(run, "references", jobs)
    found = {}
    for name in run.config.references:
        each = np.stack([logits[name, fold] for fold in range(data.num_folds)])
        if data.other is not None:
            out_of_fold = np.select(list(data.validate), list(each), np.nan)
            each = np.where(data.other, logits[name, "all"], out_of_fold)[None]
        found[name] = each
    return Output(arrays={name: {"logit": logit} for name, logit in found.items()})


def downstream(run: Context, inputs: Mapping[str, Stored]) -> Output:
    """Models of MTATE's representation, as in the paper: `{method: {"logit": [fold, seed, example]}}`."""
    data, given = run.data, inputs["mtate"].arrays["representation"]
    shape = given.shape[:2]
    jobs = {
        (name, *place): (_of_representation(name), given[place], data, place[0])
        for name in run.config.downstream
        for place in np.ndindex(shape)
    }
    logits = _fitted(run, "downstream", jobs)
    found = {
        f"mtate_{name}": np.stack([logits[name, *place] for place in np.ndindex(shape)]).reshape(*shape, -1)
        for name in run.config.downstream
    }
    return Output(arrays={name: {"logit": logit} for name, logit in found.items()})


def _fitted(run: Context, what: str, jobs: Mapping[Any, tuple]) -> dict[Any, np.ndarray]:
    with run.bar(what, len(jobs), "model", "references") as bar:
        found = {}
        for key, logit in side_by_side(_fit, jobs):
            found[key] = logit
            bar.update()
    return found


def _fit(model, features, data, fold):
    """The logits of the fold's validation and evaluation examples, `[example]`; NaN for the others.

    What no training example has says nothing: boosting, which takes what is unknown as it is, could not bin it.
    """
    train, asked = data.train[fold], data.validate[fold] | data.evaluate[fold]
    logit = np.full(len(features), np.nan, np.float32)
    features = features[:, ~np.isnan(features[train]).all(0)]
    unusable = not np.isfinite(features[train]).all() and not isinstance(model, HistGradientBoostingClassifier)
    if unusable or not features.shape[1]:
        return logit  # Of a diverged member.
    model.fit(features[train], data.outcome[train])
    if hasattr(model, "predict_proba"):
        probability = np.clip(model.predict_proba(features[asked])[:, 1], _LEAST, 1 - _LEAST)
        logit[asked] = np.log(probability) - np.log1p(-probability)
    else:
        logit[asked] = model.decision_function(features[asked])
    return logit


def _columns(data: IcuData) -> np.ndarray:
    """`[example, feature]`: statistics of every variable, and the static features, NaN where not known."""
    found = summaries(data.values)
    return np.concatenate([found.reshape(len(found), -1), data.static], axis=1)


def _features(columns: np.ndarray, train: np.ndarray, name: str) -> np.ndarray:
    """The columns as a model takes them: boosting as they are, the others standardised, with a flag where unknown."""
    if name == "gradient_boosting":
        return columns
    unknown = np.isnan(columns)
    some = unknown.any(0) & ~unknown.all(0)
    return np.concatenate([standardized(columns, train), unknown[:, some]], axis=1)
