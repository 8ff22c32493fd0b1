"""Data Shapley by pyDVL with scikit-learn, which `benchmarks.shapley_retraining` starts in pyDVL's own environment.

It needs neither JAX nor this project. A line with a seed on its input is answered by a line of JSON: values, fits and
seconds.
"""

import argparse
import json
import os
import pathlib
import sys
import time
import warnings

import joblib
import numpy as np
from pydvl.valuation import Dataset, MinUpdates, ModelUtility, PermutationSampler, ShapleyValuation, SupervisedScorer
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neural_network import MLPClassifier


class CountedClassifier(ClassifierMixin, BaseEstimator):
    """`MLPClassifier` with one hidden layer, or the only class of its samples; every fit adds a byte to a file."""

    def __init__(self, log: str, hidden: int, epochs: int, batch: int, rate: float):
        self.log, self.hidden, self.epochs, self.batch, self.rate = log, hidden, epochs, batch, rate

    def fit(self, inputs: np.ndarray, labels: np.ndarray) -> "CountedClassifier":
        """Trains anew; of one class alone it is that class."""
        descriptor = os.open(self.log, os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, b".")
        os.close(descriptor)
        self.classes_ = np.unique(labels)
        self.only_ = labels[0] if len(self.classes_) == 1 else None
        # Started from the same weights each time, as ours; never stopped before its epochs are over.
        self.model_ = MLPClassifier(
            (self.hidden,), alpha=0, batch_size=min(self.batch, len(labels)), learning_rate_init=self.rate,
            max_iter=self.epochs, n_iter_no_change=self.epochs, tol=0, random_state=0,
        )  # fmt: skip
        if self.only_ is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # That it has not converged.
                self.model_.fit(inputs, labels)
        return self

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Labels."""
        return self.model_.predict(inputs) if self.only_ is None else np.full(len(inputs), self.only_)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="An .npz file of inputs, labels and train.")
    for name, kind in (
        ("orders", int),
        ("cores", int),
        ("hidden", int),
        ("epochs", int),
        ("batch", int),
        ("rate", float),
    ):
        parser.add_argument(f"--{name}", type=kind, required=True)
    given = parser.parse_args()
    data = np.load(given.data)
    train, labels = data["train"], data["labels"].astype(int)
    samples, rest = (Dataset(data["inputs"][part], labels[part]) for part in (train, ~train))
    log = pathlib.Path(given.data).with_suffix(".fits")
    log.touch()
    model = CountedClassifier(str(log), given.hidden, given.epochs, given.batch, given.rate)
    scorer = SupervisedScorer("accuracy", rest, default=0.5)
    whole = model.fit(data["inputs"][train], labels[train]).score(data["inputs"][~train], labels[~train])
    print(json.dumps({"accuracy": whole}), flush=True)
    for line in sys.stdin:
        utility = ModelUtility(model, scorer, catch_errors=False)
        sampler, enough = PermutationSampler(seed=int(line)), MinUpdates(given.orders)
        valuation = ShapleyValuation(utility, sampler, enough)
        before, begun = log.stat().st_size, time.perf_counter()
        with joblib.parallel_config(n_jobs=given.cores):
            valuation.fit(samples)
        seconds, result = time.perf_counter() - begun, valuation.result
        values = np.zeros(len(result.values))
        values[result.indices] = result.values
        answer = {"values": values.tolist(), "fits": log.stat().st_size - before, "seconds": seconds}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
