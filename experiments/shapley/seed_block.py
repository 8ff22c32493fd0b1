"""A block of seeds of one problem: train, value, remove, attack, harden, evaluate."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from experiments.results.contract import long
from experiments.results.members import curves, predictions
from experiments.run.context import Context
from experiments.run.parts import Stored
from experiments.run.study import Output
from experiments.run.sweeping import Swept
from experiments.shapley import arms as arms_of
from experiments.shapley.arms import FULL, Arm
from experiments.shapley.depth import Choice, chosen
from experiments.shapley.problem import SURROGATES, ProblemStudy
from jaxfair import sweeps
from jaxfair.methods import shapley_evaluation, shapley_scores


def block_tables(run: Context, inputs: Mapping[str, Stored], name: str, seeds: Sequence[int]) -> Output:
    """Members, results, predictions, values and removed samples of the block of `seeds`, all arms of each."""
    values = inputs[f"{name}-values"].table("values")
    shared = {score: rows["value"].to_numpy() for score, rows in values.groupby("score")}
    return Output(Block(ProblemStudy(run, name), seeds, chosen(inputs, name), shared).tables())


class Trained(NamedTuple):
    """Trained members of the block: an arm of a seed each.

    Attributes:
      seeds: `[member]` int, places in the block.
      arms: `[member]`.
      masks: `[member, sample]`.
      variables: With a leading member axis.
      diverged: `[member]`.
      logs: By name, `[member, epoch]`.
      epochs_run: `[member]`.
    """

    seeds: np.ndarray
    arms: list[Arm]
    masks: np.ndarray
    variables: Any
    diverged: np.ndarray
    logs: dict[str, np.ndarray]
    epochs_run: np.ndarray

    @classmethod
    def of(cls, seeds, arms, masks, swept: Swept) -> "Trained":
        result = swept.result
        (logs,), (epochs_run,) = result.logs.values(), result.epochs_run.values()
        return cls(np.asarray(seeds), list(arms), masks, result.state["best"].kept, result.diverged, logs, epochs_run)

    def taken(self, members: Sequence[int]) -> "Trained":
        """Some of the members."""
        members = np.asarray(members)
        rest = jax.tree.map(lambda leaf: leaf[members], self._replace(arms=()))
        return rest._replace(arms=[self.arms[member] for member in members])


class Block:
    """Some seeds of a problem, all arms of each."""

    def __init__(
        self, study: ProblemStudy, seeds: Sequence[int], choice: Choice, shared_values: Mapping[str, np.ndarray]
    ):
        self.study, self.seeds, self.choice = study, np.asarray(seeds), choice
        self.setting, _ = study.setting(**choice._asdict())
        self.name = f"seeds-{self.seeds[0]:03d}"
        self._shared = dict(shared_values)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Members, results, predictions, values and removed samples of the block."""
        full, surrogate = self._all()
        scores = self._scores(full)
        base = _joined([full, self._removed(scores)])
        trained = [base]
        for hardening in ("crafted", "projected_gradient"):
            arms = arms_of.hardened(self.study.config, hardening)
            if arms:
                trained.append(self._hardened(base, hardening, arms))
        every_member = _joined(trained)
        made = [self._crafted("counterfactuals", models, self._attacked) for models in (full, surrogate)]
        evaluation = self._evaluated(every_member, full, *made)
        tables = self._tables(every_member, scores, evaluation)
        if not self.seeds[0]:
            tables["pictures"] = self._pictures(scores, made[0])
        return tables

    def _sweep(self, what, stage, seeds, masks, previous=None):
        # The others are hundreds of networks; the full ones stay.
        return self.study.sweep(f"{self.name}-{what}", stage, seeds, masks, previous, keep_checkpoints=what == "full")

    def _all(self) -> tuple[Trained, Trained]:
        """Models trained on everything: one of each seed, and its surrogate, from other initial weights."""
        count = len(self.seeds)
        masks = np.ones((2 * count, self.study.size), bool)
        seeds = [*self.seeds, *(SURROGATES + self.seeds)]
        swept = self._sweep("full", self.study.stage(**self.choice._asdict()), seeds, masks)
        both = Trained.of(np.tile(np.arange(count), 2), [FULL] * 2 * count, masks, swept)
        return both.taken(range(count)), both.taken(range(count, 2 * count))

    def _scores(self, full: Trained) -> shapley_scores.Scores:
        scores = self.study.over_members(
            "scores",
            shapley_scores.training_scores,
            self.setting,
            (full.variables,),
            (self.study.data["inputs"], self.study.data["label"], self.study.background),
        )
        for seed, share in zip(self.seeds, np.asarray(scores.residual_of_allowed).max(1), strict=True):
            if share > 1:
                warnings.warn(
                    f"{self.study.name}, seed {seed}: the contributions do not sum to the predictions; the largest "
                    f"residual is {share:.1f} times what rounding allows. Do not trust this seed's attributions.",
                    stacklevel=2,
                )
        return scores

    def _removed(self, scores) -> Trained:
        study, config = self.study, self.study.config
        arms = arms_of.removals(config)
        masks = []
        for place, seed in enumerate(self.seeds):
            values = {name: value[place] for name, value in scores.by_name.items()} | self._shared
            values["random"] = arms_of.random_values(int(seed), study.size)
            try:
                masks.append(
                    arms_of.masks(
                        arms, values, study.data["label"], study.problem.labels, config.keep_classes, config.scores[0]
                    )
                )
            except ValueError as error:
                raise ValueError(f"{study.name}, seed {seed}: {error}") from error
        places = np.repeat(np.arange(len(self.seeds)), len(arms))
        masks = np.concatenate(masks)
        swept = self._sweep("removed", study.stage(**self.choice._asdict()), self.seeds[places], masks)
        return Trained.of(places, arms * len(self.seeds), masks, swept)

    def _hardened(self, base: Trained, hardening: str, arms: list[Arm]) -> Trained:
        study = self.study
        known = {(place, arm): member for member, (place, arm) in enumerate(zip(base.seeds, base.arms, strict=True))}
        chosen = [known[place, arm._replace(hardening="none")] for place in range(len(self.seeds)) for arm in arms]
        start, previous = base.taken(chosen), None
        if hardening == "crafted":
            made = self._crafted("crafting", start, study.data)
            previous = {"crafted": made.inputs}
        stage = study.stage(**self.choice._asdict(), hardening=hardening)
        swept = self._sweep(hardening, stage, self.seeds[start.seeds], start.masks, previous)
        return Trained.of(start.seeds, arms * len(self.seeds), start.masks, swept)

    @property
    def _attacked(self):
        return {name: part[self.study.attacked] for name, part in self.study.test.items()}

    def _crafted(self, name, models, data):
        shared = (data["inputs"], data["label"])
        return self.study.over_members(
            name, shapley_evaluation.counterfactuals, self.setting, (models.variables,), shared
        )

    def _evaluated(self, trained, full, of_full, of_surrogate) -> shapley_evaluation.Evaluation:
        study = self.study
        own, other, variables = jax.tree.map(lambda leaf: leaf[trained.seeds], (of_full, of_surrogate, full.variables))
        keys = jax.vmap(jax.random.key)(self.seeds.astype(np.uint32))[trained.seeds]
        return study.over_members(
            "evaluation",
            shapley_evaluation.evaluate,
            self.setting,
            (trained.variables, variables, own, other, keys),
            (study.test, self._attacked, np.float32(study.config.epsilon)),
        )

    def _tables(self, trained, scores, evaluation):
        study = self.study
        rows = [
            study.row(int(self.seeds[place]), arm, self.choice.depth, mask)
            for place, arm, mask in zip(trained.seeds, trained.arms, trained.masks, strict=True)
        ]
        # Numbers that do not depend on how the seeds are cut into blocks: seed after seed, its members in their order.
        order = pd.Series(trained.seeds).groupby(trained.seeds).cumcount().to_numpy()
        numbers = trained.seeds * (len(rows) // len(self.seeds)) + order
        members = study.members(rows, trained.diverged, numbers)
        values = [
            study.value_table(name, value[place], np.nan, int(seed))
            for place, seed in enumerate(self.seeds)
            for name, value in (*scores.by_name.items(), ("probability", scores.probability))
        ]
        residual = {
            "attribution_residual": scores.residual.max(1),
            "attribution_residual_of_allowed": scores.residual_of_allowed.max(1),
        }
        # Training losses of the arms with all samples; those of the others say no more.
        whole = np.flatnonzero(trained.masks.all(1))
        logs = sweeps.Result(None, {"classifier": trained.logs}, {"classifier": trained.epochs_run}, trained.diverged)
        results = [
            long(members, evaluation.metrics, stage="classifier", split="evaluate"),
            long(members[: len(self.seeds)], residual, stage="attribution", split="train"),
            curves(logs, members, whole),
        ]
        return {
            "members": members,
            "results": pd.concat(results, ignore_index=True),
            "predictions": self._predictions(members, evaluation),
            "values": pd.concat(values, ignore_index=True),
            "removed": self._removed_samples(members, trained),
        }

    def _predictions(self, members, evaluation):
        problem, labels = self.study.problem, np.array(self.study.problem.labels)
        targets = pd.Categorical(labels[self.study.test["label"]])
        examples = pd.DataFrame({"subject": pd.Categorical(problem.dataset.ids[~problem.train]), "target": targets})
        decision = np.where(evaluation.decision < 0, "none", labels[evaluation.decision])
        values = {"prediction": decision, "probability": evaluation.probability.astype(np.float32)}
        columns = members[["member", "problem", "method", "seed"]]
        table = predictions(columns, examples, values, stage="classifier", split="evaluate")
        return table.astype({"prediction": "category"})

    def _pictures(self, scores, made):
        """Of the first seed and each class: a training beat with its contributions, a test beat with its twin."""
        study = self.study
        labels, ids = np.array(study.problem.labels), study.problem.dataset.ids
        tables = []
        signed = scores.by_name["signed_sum"][0]
        for number, name in enumerate(labels):
            own = np.flatnonzero(study.data["label"] == number)
            middle = own[np.argsort(signed[own], kind="stable")[len(own) // 2]]
            tables.append(
                study.picture("attribution", ids[middle], name, study.data["inputs"][middle]).assign(
                    contribution=scores.contributions[0, middle]
                )
            )
            fooled = np.flatnonzero(made.fooled[0] & (self._attacked["label"] == number))
            if len(fooled):
                beat = study.attacked[fooled[0]]
                tables.append(
                    study.picture("counterfactual", ids[study.size + beat], name, study.test["inputs"][beat]).assign(
                        changed=made.inputs[0, fooled[0], :, 0], relative_norm=made.relative_norm[0, fooled[0]]
                    )
                )
        return pd.concat(tables, ignore_index=True)

    def _removed_samples(self, members, trained):
        study = self.study
        member, sample = np.nonzero(~trained.masks)
        ids = study.problem.dataset.ids[study.problem.train]
        classes = np.array(study.problem.labels)[study.data["label"]]
        return pd.DataFrame(
            {
                "problem": study.name,
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
