"""The age study's sweeps judged, as tables: metrics, intervals, predictions, and what simple methods reach."""

import dataclasses
import functools
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from data_pipelines import beats, splits
from data_pipelines.cohort import Cohort
from experiments import aml_references, results
from jaxfair import metrics, sweeps
from jaxfair.methods import aml_evaluation
from jaxfair.methods.aml_model import Setting

NUM_PROBE_FOLDS = 5


class Swept(NamedTuple):
    """A finished sweep; its members are numbered from `first` on, so that a number is a member of one sweep only."""

    first: int
    grid: sweeps.Grid
    members: Any
    result: sweeps.Result
    placement: sweeps.Placement


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """What is judged on: the cohort as arrays, its masks, and whose examples they are."""

    config: Any
    setting: Setting
    cohort: Cohort
    data: dict[str, np.ndarray]
    subjects: aml_evaluation.Subjects
    train: np.ndarray
    evaluate: np.ndarray
    _taken: list[int] = dataclasses.field(default_factory=lambda: [0])

    def next_member(self, count: int) -> int:
        """The first of `count` member numbers that no sweep of this study has yet."""
        first = self._taken[0]
        self._taken[0] += count
        return first

    @classmethod
    def of(cls, config, setting: Setting, cohort: Cohort, train: np.ndarray, evaluate: np.ndarray) -> "Study":
        dataset = cohort.dataset
        names, code = np.unique(dataset.subject, return_inverse=True)
        fold = splits.k_fold_by_subject(dataset.subject, NUM_PROBE_FOLDS, seed=0) - 1
        data = {
            "inputs": dataset.inputs.astype(np.float32),
            "infarction": dataset.targets["infarction"].astype(np.float32),
            "age": dataset.sensitive["age"].astype(np.float32),
        }
        subjects = aml_evaluation.Subjects(code, len(names), fold, NUM_PROBE_FOLDS)
        return cls(config, setting, cohort, data, subjects, train, evaluate)

    def judge(self, launched, swept: Swept, stage: str) -> dict[str, pd.DataFrame]:
        """The tables of a sweep that ended in `stage`: members, results, intervals, predictions."""
        num_members = len(swept.grid)
        with launched.timed("probes"), launched.bar(f"{stage}: probes", num_members) as bar:
            evaluation = self._evaluate(swept, bar)
        boosted = [number for number, row in enumerate(swept.grid) if row["seed"] < self.config.boosting_seeds]
        with launched.timed("boosting probes"), launched.bar(f"{stage}: boosting probes", len(boosted)) as bar:
            boosting = self._boosting(swept, boosted, evaluation.predictions.representation, bar)
        members = sweeps.members_table(swept.result, swept.grid)
        members["fold"] = self._folds(members)
        members["member"] += swept.first
        everything = functools.partial(results.long, "aml", members)
        values, intervals = evaluation.metrics | boosting, evaluation.intervals
        ages = {name: value for name, value in values.items() if name.startswith(("age_", "predicted_age"))}
        rest = {name: value for name, value in values.items() if name not in ages}
        if stage == "joint":  # It has no age head.
            intervals = {name: value for name, value in intervals.items() if name not in ages}
            tables = [everything(rest, stage=stage, split="evaluate")]
        elif stage == "baseline":
            # The sweep holds two stages: the disease head and the probes are judged as baseline, the age head alone.
            age_members = members.assign(method="age_head")
            tables = [
                everything(rest, stage="baseline", split="evaluate"),
                results.long("aml", age_members, ages, stage="age_head", split="evaluate"),
            ]
        else:
            tables = [everything(values, stage=stage, split="evaluate")]
        tables.append(self._curves(swept, members))
        return {
            "members": members,
            "results": pd.concat(tables, ignore_index=True),
            "intervals": self._intervals(intervals, members, stage),
            "predictions": self._predictions(evaluation.predictions, members, stage),
        }

    def references(self, fold: int, bar) -> dict[str, pd.DataFrame]:
        """Simple methods on the same beats and the split of one fold: a table of results."""
        tables = []
        infarction, age, beats_ = self.data["infarction"], self.data["age"], self.data["inputs"]
        train, evaluate = self.train[fold], self.evaluate[fold]
        row = pd.DataFrame({"member": [pd.NA], "seed": [pd.NA], "fold": [self._fold(fold)]})
        scores = aml_references.infarction_scores(beats_, age, infarction, train)
        ages = aml_references.predicted_ages(beats_, age, train)  # Both begin before the first is waited for.
        for method, score in scores:
            tables.append(self._reference(row, method, aml_evaluation.detection(score, infarction, age, evaluate)))
            bar.update()
        for method, predicted in ages:
            tables.append(self._reference(row, method, aml_evaluation.age_prediction(predicted, age, evaluate)))
            bar.update()
        return {"results": pd.concat(tables, ignore_index=True)}

    def _reference(self, row, method, values):
        values = {name: np.asarray(value)[None] for name, value in values.items()}
        return results.long("aml", row.assign(method=method), values, stage="reference", split="evaluate")

    @functools.cached_property
    def _evaluator(self):
        """One function for all sweeps, so that it is compiled once."""

        def one(member, variables, data, code, fold):
            return aml_evaluation.evaluate(
                self.setting,
                variables,
                member,
                data,
                self.subjects._replace(code=code, fold=fold),
                num_resamples=self.config.bootstrap_resamples,
                mlp_steps=self.config.mlp_probe_steps,
            )

        return one

    def _evaluate(self, swept, bar):
        return sweeps.over_all(
            self._evaluator,
            (swept.members._replace(hyperparameters={}), swept.result.state["variables"]),
            (self.data, self.subjects.code, self.subjects.fold),
            swept.placement,
            # A few at a time, so that the bar moves and the representations of all fit into memory.
            places=len(swept.placement.devices) * swept.placement.width,
            on_group=bar.update,
        )

    def _boosting(self, swept, boosted, representation, bar):
        names = [f"probe_boosting_{what}{where}" for what in ("r2", "pearson") for where in ("", "_healthy")]
        values = {name: np.full(len(swept.grid), np.nan) for name in names}
        healthy, age = self.data["infarction"] == 0, self.data["age"]
        groups = {"": np.ones_like(healthy), "_healthy": healthy}
        probes = {}
        for number in boosted:
            train = self.train[swept.grid[number]["fold"]]
            for where, kept in groups.items():
                probes[number, where] = representation[number], age, train & kept
        for (number, where), read in aml_references.side_by_side(aml_references.boosting_probe, probes):
            evaluate = self.evaluate[swept.grid[number]["fold"]] & groups[where]
            for what, value in _agreement(read, age, evaluate).items():
                values[f"probe_boosting_{what}{where}"][number] = value
            bar.update(1 / len(groups))
        return values

    def _fold(self, fold):
        return fold + 1 if self.config.split == "folds" else pd.NA

    def _folds(self, members):
        return pd.array([self._fold(fold) for fold in members["fold"]], dtype="Int64")

    def _curves(self, swept, members):
        curves = sweeps.logs_table(swept.result, swept.grid)
        curves["method"] = members["method"].to_numpy()[curves["member"]]
        curves["fold"] = members["fold"].array[curves["member"]]
        curves["member"] += swept.first
        curves.loc[curves["stage"] == "age_head", "method"] = "age_head"
        curves[["split", "metric"]] = curves["metric"].str.split("/", expand=True)
        return results.conform(curves, "aml")

    def _intervals(self, intervals, members, stage):
        columns = members[["member", "method", "seed", "fold"]]
        return pd.concat(
            [
                columns.assign(stage=stage, metric=name, estimate=part.estimate, low=part.low, high=part.high)
                for name, part in intervals.items()
            ],
            ignore_index=True,
        )

    def _predictions(self, predictions, members, stage):
        dataset = self.cohort.dataset
        tables = []
        for number, (_, row) in enumerate(members.iterrows()):
            index = np.flatnonzero(self.evaluate[0 if pd.isna(row["fold"]) else row["fold"] - 1])
            tables.append(
                pd.DataFrame(
                    {
                        "member": row["member"],
                        "method": row["method"],
                        "seed": row["seed"],
                        "fold": row["fold"],
                        "alpha": row.get("alpha"),
                        "stage": stage,
                        "split": "evaluate",
                        "id": dataset.ids[index],
                        "subject": dataset.subject[index],
                        "target": self.data["infarction"][index],
                        "prediction": predictions.infarction[number, index],
                        "age": self.data["age"][index],
                        "predicted_age": predictions.age[number, index] if stage != "joint" else np.float32(np.nan),
                        "sex": dataset.sensitive["sex"][index],
                    }
                ).astype({"fold": "Int64", "alpha": "float64"})
            )
        return pd.concat(tables, ignore_index=True)


@jax.jit
def _agreement(read, age, mask):
    return {"r2": metrics.r2(read, age, mask), "pearson": metrics.pearson(read, age, mask)}


def cohort_tables(cohort: Cohort) -> dict[str, pd.DataFrame]:
    """The cohort's account, the rejected records, and the average beat of each class."""
    dataset, beat_tables = cohort.dataset, []
    for infarction in (0, 1):
        chosen = dataset.inputs[dataset.targets["infarction"] == infarction]
        times = np.arange(*beats.BEAT_WINDOW) * 1000 // beats.SAMPLING_RATE
        for number, lead in enumerate(beats.LEADS):
            beat_tables.append(
                pd.DataFrame(
                    {
                        "infarction": infarction,
                        "lead": lead,
                        "time_ms": times,
                        "mean": chosen[:, :, number].mean(0),
                        "std": chosen[:, :, number].std(0),
                        "count": len(chosen),
                    }
                )
            )
    rejected = cohort.rejected.astype({name: "string" for name in cohort.rejected.columns})
    return {"cohort": cohort.steps, "rejected": rejected, "average_beats": pd.concat(beat_tables, ignore_index=True)}


def summary(workdir: pathlib.Path) -> str:
    """Mean and standard deviation over members of the main metrics by method, as text."""
    table = pd.read_parquet(workdir / "results.parquet")
    members = pd.read_parquet(workdir / "members.parquet")
    shown = ["accuracy", "roc_auc", "age_pearson", "probe_ridge_r2_healthy", "score_age_pearson_healthy"]
    final = table[table["epoch"].isna() & table["metric"].isin(shown)]
    if "alpha" in members:
        final = final.merge(members[["member", "alpha"]].dropna(), on="member", how="left")
        final["method"] = final["method"] + final["alpha"].map(lambda alpha: "" if pd.isna(alpha) else f" {alpha:g}")
    cells = final.groupby(["method", "metric"], sort=False)["value"].agg(["mean", "std", "count"])
    text = [
        "–" if not row["count"] else f"{row['mean']:.3f}" + (f" ± {row['std']:.3f}" if row["count"] > 1 else "")
        for _, row in cells.iterrows()
    ]
    wide = pd.Series(text, cells.index).unstack("metric", sort=False).reindex(columns=shown).fillna("–")
    return "mean ± standard deviation over members\n" + wide.to_string()
