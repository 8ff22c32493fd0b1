"""One problem of the Shapley study: its sweeps, and what they leave as tables."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from data_pipelines.ucr import Problem
from experiments import results, shapley_grids
from experiments.shapley_grids import Arm
from jaxfair import sweeps, training
from jaxfair.attribution import data_values, games
from jaxfair.methods import shapley, shapley_evaluation
from jaxfair.models.time_series import time_series_classifier

NETWORK = "blend_res2net"
# Seeds of what is no arm: a surrogate beside each seed, retrainings on halves, splits for the depth.
SURROGATES, _HALVES, SPLITS = 10_000, 20_000, 30_000
# Member numbers: the problem's, then of each seed's arms, then of what has no seed.
_PER_PROBLEM, PER_SEED = 1_000_000, 1_000
FIRST = {"depth": 500_000, "halves": 600_000, "peers": 700_000, "reference": 800_000}


@dataclasses.dataclass(frozen=True, eq=False)
class Trial:
    """A problem with its arrays, and how to train and judge on it.

    Attributes:
      launched: The run.
      problem: As loaded.
      number: Of the problem in the run.
      name: Of the problem, in tables and folders.
      planted: Of a simulated problem what was planted in its training samples (id, mislabelled); None for a real one.
    """

    launched: Any
    problem: Problem
    number: int
    name: str
    planted: pd.DataFrame | None = None

    @functools.cached_property
    def config(self):
        return self.launched.config

    @functools.cached_property
    def data(self) -> dict[str, np.ndarray]:
        """The training samples; sweeps see nothing else."""
        return self._part(self.problem.train)

    @functools.cached_property
    def test(self) -> dict[str, np.ndarray]:
        return self._part(~self.problem.train)

    def _part(self, chosen):
        dataset = self.problem.dataset
        return {"inputs": dataset.inputs[chosen], "label": dataset.targets["label"][chosen].astype(np.int32)}

    @functools.cached_property
    def attacked(self) -> np.ndarray:
        """Which test beats are attacked, the same for all members: a random part of them, in their order."""
        size = len(self.test["label"])
        return np.sort(np.random.default_rng(0).permutation(size)[: min(self.config.attacked, size)])

    @functools.cached_property
    def background(self) -> np.ndarray:
        size = self.size
        chosen = np.sort(np.random.default_rng(1).permutation(size)[: min(self.config.background, size)])
        return self.data["inputs"][chosen]

    @property
    def size(self) -> int:
        return len(self.data["label"])

    def setting(self, network: str = NETWORK, depth: int = 0) -> tuple[shapley.Setting, int]:
        """The setting of a network, and its epochs."""
        config, size = self.config, self.size
        if network == NETWORK:
            least, largest, epochs = config.least_batch, config.largest_batch, config.epochs
            sizes = {"momentum": config.momentum, "channels": tuple(config.channels), "depth": depth}
        else:  # As Fawaz et al. train it; sizes are the published ones by default.
            least, largest, epochs, sizes = 1, 64, config.peer_epochs, {"momentum": 0.99}
        batch_size = min(max(int(config.batch_share * size), least), largest, size)
        num_batches = -(-size // batch_size)
        epochs = epochs or -(-config.steps // num_batches)
        setting = shapley.Setting(
            network=time_series_classifier(network, len(self.problem.labels), **sizes),
            num_batches=num_batches,
            batch_size=batch_size,
            patience=max(2, epochs // 30),  # Fawaz et al. wait 50 of 1,500.
            pgd_steps=config.pgd_steps,
        )
        return setting, epochs

    def stage(self, network: str = NETWORK, depth: int = 0, hardening: str = "none") -> training.Stage:
        """How a network is trained; the same stage again for the same arguments, so that its program is kept."""
        return _stage(*self.setting(network, depth), hardening)

    def sweep(
        self,
        name: str,
        stage: training.Stage,
        seeds: Sequence[int],
        train: np.ndarray,
        previous: Any = None,
        *,
        learning_rate: float | None = None,
    ) -> sweeps.Result:
        """Trains members of the given seeds on their masks, `[member, sample]`."""
        launched, config = self.launched, self.config
        rates = {"learning_rate": learning_rate or config.learning_rate, "epsilon": config.epsilon}
        grid = [{"seed": seed, "fold": place} | rates for place, seed in enumerate(seeds)]
        members = sweeps.make_members(grid, train, train)
        tune = functools.partial(sweeps.tune_width, stage, members, self.data, previous=previous)
        # Stages of one name need different memory: hardening by projected gradients, the peers' networks.
        kind = "-".join([self.name, *(part for part in name.split("-") if not part.isdigit())])
        placement = launched.placement(lambda remember: tune(remember=remember.with_name(f"widths-{kind}.json")))
        launched.width[self.name] = placement.width
        with launched.timed(name.split("-")[0]), launched.progress(f"{self.name}: {name}", [stage], len(grid)) as tell:
            return sweeps.sweep(
                [stage],
                members,
                self.data,
                previous=previous,
                placement=placement,
                places=self.places(placement),
                segments=8,
                directory=launched.workdir / "checkpoints" / self.name / name,
                seconds_between_saves=30.0,
                on_segment=tell,
            )

    def places(self, placement) -> int:
        return len(placement.devices) * max(placement.width, 4)

    def over_all(self, name: str, function, setting: shapley.Setting, each: tuple, shared: tuple):
        """`function(setting, *each, *shared)` for every member on this run's devices, with a bar."""
        devices = tuple(jax.local_devices())
        # Judging holds several batches of a member at once, so not too many members of them.
        width = 1 if devices[0].platform == "cpu" else min(self.launched.width.get(self.name, 1), 16)
        placement = sweeps.Placement(devices, width)
        count = len(jax.tree.leaves(each)[0])
        with self.launched.timed(name), self.launched.bar(f"{self.name}: {name}", count) as bar:
            return sweeps.over_all(
                _bound(function, setting), each, shared, placement, places=self.places(placement), on_group=bar.update
            )

    def members(self, numbers: np.ndarray, rows: Sequence[dict], diverged: np.ndarray | bool) -> pd.DataFrame:
        """The members' table: what each is, and how it ended; `numbers` are the problem's own."""
        columns = ["seed", "method", "score", "side", "percent", "hardening", "backbone", "depth", "num_train"]
        table = pd.DataFrame(rows).reindex(columns=columns)
        table.insert(0, "problem", self.name)
        table.insert(0, "member", self.number * _PER_PROBLEM + np.asarray(numbers))
        table["seed"] = pd.array(table["seed"], dtype="Int64")
        table["status"] = np.where(diverged, "diverged", "finished")
        return table

    # Values that no single model gives.

    def value_tables(self, depth: int) -> dict[str, pd.DataFrame]:
        """KNN-Shapley on the series, and Data-OOB and Banzhaf values from retrainings on random halves."""
        config, size = self.config, self.size
        neighbours = min(config.neighbours, size - 1)
        knn = data_values.knn_shapley_among(self.data["inputs"], self.data["label"], neighbours)
        values = {"knn_shapley": (knn, np.full(size, np.nan))}
        masks = shapley_grids.halves(config.halves, size, self.name)
        seeds = [_HALVES + number for number in range(len(masks))]
        result = self.sweep("halves", self.stage(depth=depth), seeds, masks)
        setting, _ = self.setting(depth=depth)
        right, _ = self.predictions("halves judged", setting, result)
        accuracy = right[:, size:].mean(1)
        rows = [{"method": "half", "backbone": NETWORK, "depth": depth, "num_train": n} for n in masks.sum(1)]
        members = self.members(FIRST["halves"] + np.arange(len(rows)), rows, result.diverged)
        values["data_oob"] = data_values.out_of_bag(right[:, :size], masks)
        values["banzhaf"] = games.banzhaf_from_masks(jnp.asarray(accuracy), masks)
        table = pd.concat([self.value_table(name, *value) for name, value in values.items()], ignore_index=True)
        long = results.long("shapley", members, {"accuracy": accuracy}, stage="halves", split="evaluate")
        return {"members": members, "results": long, "values": table}

    def predictions(self, name: str, setting: shapley.Setting, result: sweeps.Result) -> tuple[np.ndarray, np.ndarray]:
        """Whether each member of a sweep tells each beat rightly, and its cross-entropy: `[member, beat]`.

        The training samples first and then the test beats: one program serves those who ask for either.
        """
        shared = tuple(np.concatenate([part[name] for part in (self.data, self.test)]) for name in ("inputs", "label"))
        variables = result.state["best"].kept
        return self.over_all(name, shapley_evaluation.predictions, setting, (variables,), shared)

    def value_table(self, score: str, values: np.ndarray, errors: Any, seed: Any = pd.NA) -> pd.DataFrame:
        """What each training sample is worth by a score, with its standard error where there is one."""
        ids = self.problem.dataset.ids[self.problem.train]
        classes = np.array(self.problem.labels)[self.data["label"]]
        table = pd.DataFrame({"id": ids, "class": classes, "score": score, "value": np.asarray(values)})
        table["standard_error"] = np.asarray(errors)
        table.insert(0, "seed", pd.array([seed] * len(table), dtype="Int64"))
        table.insert(0, "problem", self.name)
        return table

    # What pictures are made of.

    def problem_tables(self) -> dict[str, pd.DataFrame]:
        """What the problem is: samples by class and side, and the training series, for pictures."""
        labels, problem = np.array(self.problem.labels), self.problem
        counts = [
            {"problem": self.name, "class": name, "split": split, "count": int((part["label"] == number).sum())}
            for split, part in (("train", self.data), ("test", self.test))
            for number, name in enumerate(labels)
        ]
        facts = {
            "problem": self.name,
            "length": self.data["inputs"].shape[1],
            "padded": problem.num_padded,
            "filled": problem.num_filled,
            "deviation": problem.deviation,
            "verified": problem.verified,
            "simulated": self.planted is not None,
        }
        tables = {"counts": pd.DataFrame(counts), "problems": pd.DataFrame([facts])}
        return tables | ({} if self.planted is None else {"planted": self.planted.assign(problem=self.name)})

    def valuable_tables(self, values: pd.DataFrame, count: int = 4) -> dict[str, pd.DataFrame]:
        """The training beats with the largest and smallest mean over seeds of the paper's score."""
        rows = values[values["score"] == self.config.scores[0]]
        mean = rows.groupby("id")["value"].mean().sort_values(kind="stable")
        ids = self.problem.dataset.ids[: self.size]
        tables = []
        for kind, chosen in (("most valuable", mean.index[::-1][:count]), ("least valuable", mean.index[:count])):
            for one in chosen:
                sample = int(np.flatnonzero(ids == one)[0])
                name = self.problem.labels[self.data["label"][sample]]
                table = self.picture(kind, one, name, self.data["inputs"][sample])
                tables.append(table.assign(score=mean[one]))
        return {"pictures": pd.concat(tables, ignore_index=True)}

    def picture(self, kind: str, beat: str, name: str, series: np.ndarray) -> pd.DataFrame:
        """The first channel of a beat by time."""
        table = pd.DataFrame({"time": np.arange(len(series)), "value": series[:, 0]})
        return table.assign(problem=self.name, picture=kind, id=beat, **{"class": name})

    def row(self, seed: int, arm: Arm, depth: int, mask: np.ndarray) -> dict:
        """The members' table's row of an arm."""
        return arm._asdict() | {
            "seed": seed,
            "method": arm.method,
            "percent": float(arm.percent),
            "backbone": NETWORK,
            "depth": depth,
            "num_train": int(mask.sum()),
        }


@functools.cache
def _stage(setting, epochs, hardening):
    return shapley.classifier(setting, epochs, hardening=hardening)


@functools.cache
def _bound(function, setting):
    """One function for each setting, so that its program is kept."""
    return functools.partial(function, setting)
