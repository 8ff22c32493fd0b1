"""A block of seeds of one problem: train, value, remove, attack, harden, judge."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from experiments import results, shapley_grids
from experiments.shapley_grids import FULL, Arm
from experiments.shapley_trial import PER_SEED, SURROGATES, Trial
from jaxfair import sweeps
from jaxfair.methods import shapley_evaluation, shapley_scores


class Trained(NamedTuple):
    """Trained members of the block: an arm of a seed each.

    Attributes:
      seeds: `[member]` int, places in the block.
      arms: `[member]`.
      masks: `[member, sample]`.
      variables: With a leading member axis.
      diverged: `[member]`.
      logs: By name, `[member, epoch]`.
    """

    seeds: np.ndarray
    arms: list[Arm]
    masks: np.ndarray
    variables: Any
    diverged: np.ndarray
    logs: dict[str, np.ndarray]

    @classmethod
    def of(cls, seeds, arms, masks, result: sweeps.Result) -> "Trained":
        (logs,) = result.logs.values()
        return cls(np.asarray(seeds), list(arms), masks, result.state["best"].kept, result.diverged, logs)

    def taken(self, members: Sequence[int]) -> "Trained":
        """Some of the members."""
        members = np.asarray(members)
        arms = [self.arms[member] for member in members]
        pick = jax.tree.map(lambda leaf: leaf[members], (self.variables, self.logs))
        return Trained(self.seeds[members], arms, self.masks[members], pick[0], self.diverged[members], pick[1])


class Block:
    """The seeds `first`, ..., `last` of a trial, all arms of each."""

    def __init__(self, trial: Trial, seeds: Sequence[int], depth: int, shared_values: Mapping[str, np.ndarray]):
        self.trial, self.seeds, self.depth = trial, np.asarray(seeds), depth
        self.setting, _ = trial.setting(depth=depth)
        self.name = f"seeds-{self.seeds[0]:03d}"
        self._shared = dict(shared_values)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Members, results, predictions, values and removed samples of the block."""
        full, surrogate = self._all()
        scores = self._scores(full)
        base = _joined([full, self._removed(scores)])
        trained = [base]
        for hardening in ("crafted", "projected_gradient"):
            arms = shapley_grids.hardened(self.trial.config, hardening)
            if arms:
                trained.append(self._hardened(base, hardening, arms))
        everybody = _joined(trained)
        made = [self._crafted("counterfactuals", models, self._attacked) for models in (full, surrogate)]
        judged = self._judged(everybody, full, *made)
        tables = self._tables(everybody, scores, judged)
        if not self.seeds[0]:
            tables["pictures"] = self._pictures(scores, made[0])
        return tables

    def _sweep(self, what, stage, seeds, masks, previous=None):
        return self.trial.sweep(f"{self.name}-{what}", stage, seeds, masks, previous)

    def _all(self) -> tuple[Trained, Trained]:
        """Models trained on everything: one of each seed, and its surrogate, from other initial weights."""
        count = len(self.seeds)
        masks = np.ones((2 * count, self.trial.size), bool)
        seeds = [*self.seeds, *(SURROGATES + self.seeds)]
        result = self._sweep("full", self.trial.stage(depth=self.depth), seeds, masks)
        both = Trained.of(np.tile(np.arange(count), 2), [FULL] * 2 * count, masks, result)
        return both.taken(range(count)), both.taken(range(count, 2 * count))

    def _scores(self, full: Trained) -> shapley_scores.Scores:
        return self.trial.over_all(
            "scores",
            shapley_scores.training_scores,
            self.setting,
            (full.variables,),
            (self.trial.data["inputs"], self.trial.data["label"], self.trial.background),
        )

    def _removed(self, scores) -> Trained:
        trial, config = self.trial, self.trial.config
        arms = shapley_grids.removals(config)
        masks = []
        for place, seed in enumerate(self.seeds):
            values = {name: value[place] for name, value in scores.by_name.items()} | self._shared
            values["random"] = shapley_grids.random_values(int(seed), trial.size)
            try:
                masks.append(
                    shapley_grids.masks(
                        arms, values, trial.data["label"], trial.problem.labels, config.keep_classes, config.scores[0]
                    )
                )
            except ValueError as error:
                raise ValueError(f"{trial.name}, seed {seed}: {error}") from error
        places = np.repeat(np.arange(len(self.seeds)), len(arms))
        masks = np.concatenate(masks)
        result = self._sweep("removed", trial.stage(depth=self.depth), self.seeds[places], masks)
        return Trained.of(places, arms * len(self.seeds), masks, result)

    def _hardened(self, base: Trained, hardening: str, arms: list[Arm]) -> Trained:
        trial = self.trial
        known = {(place, arm): member for member, (place, arm) in enumerate(zip(base.seeds, base.arms, strict=True))}
        chosen = [known[place, arm._replace(hardening="none")] for place in range(len(self.seeds)) for arm in arms]
        start, previous = base.taken(chosen), None
        if hardening == "crafted":
            made = self._crafted("crafting", start, trial.data)
            previous = {"crafted": made.inputs}
        stage = trial.stage(depth=self.depth, hardening=hardening)
        result = self._sweep(hardening, stage, self.seeds[start.seeds], start.masks, previous)
        return Trained.of(start.seeds, arms * len(self.seeds), start.masks, result)

    @property
    def _attacked(self):
        return {name: part[self.trial.attacked] for name, part in self.trial.test.items()}

    def _crafted(self, name, models, data):
        shared = (data["inputs"], data["label"])
        return self.trial.over_all(name, shapley_evaluation.counterfactuals, self.setting, (models.variables,), shared)

    def _judged(self, trained, full, of_full, of_surrogate) -> shapley_evaluation.Judged:
        trial = self.trial
        own, other, variables = jax.tree.map(lambda leaf: leaf[trained.seeds], (of_full, of_surrogate, full.variables))
        keys = jax.vmap(jax.random.key)(self.seeds.astype(np.uint32))[trained.seeds]
        return trial.over_all(
            "judgement",
            shapley_evaluation.judge,
            self.setting,
            (trained.variables, variables, own, other, keys),
            (trial.test, self._attacked, np.float32(trial.config.epsilon)),
        )

    def _tables(self, trained, scores, judged):
        trial = self.trial
        rows = [
            trial.row(int(self.seeds[place]), arm, self.depth, mask)
            for place, arm, mask in zip(trained.seeds, trained.arms, trained.masks, strict=True)
        ]
        # Numbers that do not depend on how the seeds are cut into blocks: a seed's members in their order.
        order = pd.Series(trained.seeds).groupby(trained.seeds).cumcount().to_numpy()
        members = trial.members(PER_SEED * (self.seeds[trained.seeds] + 1) + order, rows, trained.diverged)
        values = [
            trial.value_table(name, value[place], np.nan, int(seed))
            for place, seed in enumerate(self.seeds)
            for name, value in (*scores.by_name.items(), ("probability", scores.probability))
        ]
        residual = {"attribution_residual": scores.residual.max(1)}
        long = [
            results.long("shapley", members, judged.metrics, stage="classifier", split="evaluate"),
            results.long("shapley", members[: len(self.seeds)], residual, stage="attribution", split="train"),
            self._curves(trained, members),
        ]
        return {
            "members": members,
            "results": pd.concat(long, ignore_index=True),
            "predictions": self._predictions(members, judged),
            "values": pd.concat(values, ignore_index=True),
            "removed": self._gone(members, trained),
        }

    def _curves(self, trained, members):
        """Training losses of the arms with all samples; those of the others say no more."""
        whole = np.flatnonzero(trained.masks.all(1))
        tables = []
        for name, curve in trained.logs.items():
            member, epoch = np.nonzero(np.isfinite(curve[whole]))
            table = members.iloc[whole[member]].assign(epoch=epoch, metric=name, value=curve[whole][member, epoch])
            tables.append(table)
        curves = pd.concat(tables, ignore_index=True).assign(stage="classifier")
        curves[["split", "metric"]] = curves["metric"].str.split("/", expand=True)
        return results.conform(curves, "shapley")

    def _predictions(self, members, judged):
        trial = self.trial
        ids, labels = trial.problem.dataset.ids[~trial.problem.train], np.array(trial.problem.labels)
        size = len(ids)
        repeated = members[["member", "problem", "method", "seed"]].loc[members.index.repeat(size)]
        decision = judged.decision.reshape(-1)
        return repeated.reset_index(drop=True).assign(
            stage="classifier",
            split="evaluate",
            subject=pd.Categorical(np.tile(ids, len(members))),
            target=pd.Categorical(np.tile(labels[trial.test["label"]], len(members))),
            prediction=pd.Categorical(np.where(decision < 0, "none", labels[decision])),
            probability=judged.probability.reshape(-1).astype(np.float32),
        )

    def _pictures(self, scores, made):
        """Of the first seed and each class: a training beat with its contributions, a test beat with its twin."""
        trial = self.trial
        labels, ids = np.array(trial.problem.labels), trial.problem.dataset.ids
        tables = []
        signed = scores.by_name["signed_sum"][0]
        for number, name in enumerate(labels):
            own = np.flatnonzero(trial.data["label"] == number)
            middle = own[np.argsort(signed[own], kind="stable")[len(own) // 2]]
            tables.append(
                trial.picture("attribution", ids[middle], name, trial.data["inputs"][middle]).assign(
                    contribution=scores.contributions[0, middle]
                )
            )
            fooled = np.flatnonzero(made.fooled[0] & (self._attacked["label"] == number))
            if len(fooled):
                beat = trial.attacked[fooled[0]]
                tables.append(
                    trial.picture("counterfactual", ids[trial.size + beat], name, trial.test["inputs"][beat]).assign(
                        changed=made.inputs[0, fooled[0], :, 0], relative_norm=made.relative_norm[0, fooled[0]]
                    )
                )
        return pd.concat(tables, ignore_index=True)

    def _gone(self, members, trained):
        member, sample = np.nonzero(~trained.masks)
        ids = self.trial.problem.dataset.ids[self.trial.problem.train]
        classes = np.array(self.trial.problem.labels)[self.trial.data["label"]]
        return pd.DataFrame(
            {
                "problem": self.trial.name,
                "member": members["member"].to_numpy()[member],
                "id": pd.Categorical(ids[sample]),
                "class": pd.Categorical(classes[sample]),
            }
        )


def _joined(parts: Sequence[Trained]) -> Trained:
    arms = [arm for part in parts for arm in part.arms]
    rest = [part._replace(arms=()) for part in parts]
    # Curves of hardened stages are of the same epochs.
    joined = jax.tree.map(lambda *leaves: np.concatenate(leaves), *rest)
    return joined._replace(arms=arms)
