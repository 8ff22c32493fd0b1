"""The study of one problem: its arrays, how its networks are trained, and how its members are asked."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import pandas as pd

from data_pipelines.ucr import Problem
from experiments.run.context import Context
from experiments.run.sweeping import Swept, over_members, sweep
from experiments.shapley.arms import Arm
from jaxfair import sweeps, training
from jaxfair.methods import shapley, shapley_evaluation
from jaxfair.models.time_series import time_series_classifier

NETWORK = "blend_res2net"
# Seeds of what is no arm: a surrogate beside each seed, retrainings on halves, splits for the depth.
SURROGATES, HALVES, SPLITS = 10_000, 20_000, 30_000
MEMBER_COLUMNS = ("seed", "method", "score", "side", "percent", "hardening", "backbone", "depth", "num_train")


@dataclasses.dataclass(frozen=True, eq=False)
class ProblemStudy:
    """A problem with its arrays, and how to train and evaluate on it.

    Attributes:
      run: The started run.
      name: Of the problem, in tables and folders.
    """

    run: Context
    name: str

    @property
    def config(self) -> Any:
        return self.run.config

    @property
    def problem(self) -> Problem:
        return self.run.data[self.name].problem

    @functools.cached_property
    def data(self) -> dict[str, np.ndarray]:
        """The training samples; sweeps see nothing else."""
        return self._side(self.problem.train)

    @functools.cached_property
    def test(self) -> dict[str, np.ndarray]:
        """The test beats."""
        return self._side(~self.problem.train)

    def _side(self, chosen):
        dataset = self.problem.dataset
        return {"inputs": dataset.inputs[chosen], "label": dataset.targets["label"][chosen].astype(np.int32)}

    @functools.cached_property
    def attacked(self) -> np.ndarray:
        """Which test beats are attacked, the same for all members: a random part of them, in their order."""
        size = len(self.test["label"])
        return np.sort(np.random.default_rng(0).permutation(size)[: min(self.config.attacked, size)])

    @functools.cached_property
    def background(self) -> np.ndarray:
        """The training samples with which attributions compare."""
        chosen = np.sort(np.random.default_rng(1).permutation(self.size)[: min(self.config.background, self.size)])
        return self.data["inputs"][chosen]

    @property
    def size(self) -> int:
        """The number of training samples."""
        return len(self.data["label"])

    def setting(self, network: str = NETWORK, depth: int = 0, steps: int = 0) -> tuple[shapley.Setting, int]:
        """The setting of a network, and its epochs: those of the configuration, or as many as make `steps`."""
        config, size = self.config, self.size
        if network == NETWORK:
            least, largest, epochs = config.least_batch, config.largest_batch, config.epochs
            sizes = {"momentum": config.momentum, "channels": tuple(config.channels), "depth": depth}
        else:  # As Fawaz et al. train it; sizes are the published ones by default.
            least, largest, epochs, sizes = 1, 64, config.peer_epochs, {"momentum": 0.99}
        batch_size = min(max(int(config.batch_share * size), least), largest, size)
        num_batches = -(-size // batch_size)
        epochs = epochs or -(-(steps or config.steps) // num_batches)
        setting = shapley.Setting(
            network=time_series_classifier(network, len(self.problem.labels), **sizes),
            num_batches=num_batches,
            batch_size=batch_size,
            patience=max(2, epochs // 30),  # Fawaz et al. wait 50 of 1,500.
            pgd_steps=config.pgd_steps,
        )
        return setting, epochs

    def stage(self, network: str = NETWORK, depth: int = 0, steps: int = 0, hardening: str = "none") -> training.Stage:
        """How a network is trained; the same stage again for the same arguments, so that its program is kept."""
        return _stage(*self.setting(network, depth, steps), hardening)

    def sweep(
        self,
        name: str,
        stage: training.Stage,
        seeds: Sequence[int],
        train: np.ndarray,
        previous: Any = None,
        *,
        learning_rate: float | None = None,
        keep_checkpoints: bool = True,
    ) -> Swept:
        """Trains members of the given seeds on their masks, `[member, sample]`."""
        rates = {"learning_rate": learning_rate or self.config.learning_rate, "epsilon": self.config.epsilon}
        return sweep(
            self.run,
            f"{self.name}/{name}",
            [stage],
            [{"seed": seed} | rates for seed in seeds],
            self.data,
            train,
            train,
            previous=previous,
            places=lambda placement: len(placement.devices) * max(placement.width, 4),
            segments=8,
            seconds_between_saves=30.0,
            keep_checkpoints=keep_checkpoints,
        )

    def over_members(self, name: str, function: Callable, setting: shapley.Setting, each: tuple, shared: tuple) -> Any:
        """`function(setting, *each, *shared)` for every member, with a bar."""
        devices = tuple(jax.local_devices())
        # Evaluation holds several batches of a member at once, so not too many members of them.
        width = 1 if devices[0].platform == "cpu" else min(self.run.widths.get(self.name, 1), 16)
        placement = sweeps.Placement(devices, width)
        bound = _bound(function, setting)
        return over_members(self.run, f"{self.name}: {name}", bound, each, shared, placement, least_places=4)

    def predictions(self, name: str, setting: shapley.Setting, swept: Swept) -> tuple[np.ndarray, np.ndarray]:
        """Whether each member of a sweep classifies each beat correctly, and its cross-entropy: `[member, beat]`.

        The training samples first and then the test beats: one program serves those who ask for either.
        """
        shared = tuple(np.concatenate([side[name] for side in (self.data, self.test)]) for name in ("inputs", "label"))
        variables = swept.result.state["best"].kept
        return self.over_members(name, shapley_evaluation.predictions, setting, (variables,), shared)

    def members(self, rows: Sequence[dict], diverged: np.ndarray | bool, numbers: Any = None) -> pd.DataFrame:
        """The members' table of a part: what each is, and how it ended; numbered in order if not given."""
        table = pd.DataFrame(rows).reindex(columns=list(MEMBER_COLUMNS))
        table.insert(0, "problem", self.name)
        table.insert(0, "member", np.arange(len(rows)) if numbers is None else numbers)
        table["seed"] = pd.array(table["seed"], dtype="Int64")
        table["status"] = np.where(diverged, "diverged", "finished")
        return table

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

    def value_table(self, score: str, values: np.ndarray, errors: Any, seed: Any = pd.NA) -> pd.DataFrame:
        """What each training sample is worth by a score, with its standard error where there is one."""
        ids = self.problem.dataset.ids[self.problem.train]
        classes = np.array(self.problem.labels)[self.data["label"]]
        table = pd.DataFrame({"id": ids, "class": classes, "score": score, "value": np.asarray(values)})
        table["standard_error"] = np.asarray(errors)
        table.insert(0, "seed", pd.array([seed] * len(table), dtype="Int64"))
        table.insert(0, "problem", self.name)
        return table

    def picture(self, kind: str, beat: str, label: str, series: np.ndarray) -> pd.DataFrame:
        """The first channel of a beat by time."""
        table = pd.DataFrame({"time": np.arange(len(series)), "value": series[:, 0]})
        return table.assign(problem=self.name, picture=kind, id=beat, **{"class": label})


@functools.cache
def _stage(setting, epochs, hardening):
    return shapley.classifier(setting, epochs, hardening=hardening)


@functools.cache
def _bound(function, setting):
    """One function for each setting, so that its program is kept."""
    return functools.partial(function, setting)
