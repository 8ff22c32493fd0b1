"""The study's parts that train: an arm each, its members fold by fold, what they predict and what their choice is."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.mtate import arms, networks, selection
from experiments.results.members import curves
from experiments.run.context import Context
from experiments.run.parts import Stored
from experiments.run.study import Output
from experiments.run.sweeping import make_members, over_members, sweep
from jaxfair import sweeps

DOWNSTREAM_SEEDS = 2  # Whose representation goes into other classifiers: three of them on the host, for every fold.


def train(run: Context, inputs: Mapping[str, Stored], name: str) -> Output:
    """An arm: a sweep of its members on every fold, and what those predict.

    Its arrays have, for later parts, `logit` `[member, example]` (NaN but for a member's validation and evaluation
    examples) and, of MTATE, what `networks.Program.predict` gives beside. Members stand fold after fold, within a fold
    candidate after candidate, within a candidate seed after seed.
    """
    config, data = run.config, run.data
    program = networks.program(config, data, name)
    tables, found, kept = [], [], []
    for fold in range(data.num_folds):
        arrays = data.arrays(fold, tuple(config.channels))
        masks = data.train[fold], data.evaluate[fold], data.validate[fold]
        title = f"{name}/fold-{fold + 1}"
        grid = arms.grid(config, name, fold)
        swept = sweep(run, title, program.stages, grid, arrays, *masks, places=_places, finish=_best, segments=10)
        variables = swept.result.state.kept
        found.append(over_members(run, f"{title}: predictions", program.predict, (swept.members, variables), (arrays,),
                                  swept.placement))  # fmt: skip
        members = sweeps.members_table(swept.result, swept.grid).assign(best_epoch=swept.result.state.epoch)
        tables.append((members, _curves(swept.result, members)))
        if name == "mtate" and data.other is None:
            kept.append(_of_the_chosen(run, program, members, found[-1]["logit"], variables, arrays, fold, swept))
    size = len(tables[0][0])
    joined = [
        pd.concat(
            [each[number].assign(member=each[number]["member"] + fold * size) for fold, each in enumerate(tables)],
            ignore_index=True,
        )
        for number in (0, 1)
    ]
    members, results = (table.assign(fold=table["fold"] + 1) for table in joined)
    stacked = {key: np.concatenate([each[key] for each in found]) for key in found[0]}
    if kept:
        stacked |= {
            "representation": np.stack([each.pop("representation") for each in kept]),
            "patient": kept[0]["patient"],
        }
    return Output({"members": members, "results": results}, stacked)


def refit(run: Context, inputs: Mapping[str, Stored], name: str) -> Output:
    """An arm on all of the training set, for another set: what the folds chose, for as many epochs as they took.

    Its arrays are those of `train`, `[seed, example]`; of the training examples they hold the folds' predictions,
    the first seeds' again where there are more seeds than folds were run with.
    """
    config, data = run.config, run.data
    members, folds = inputs[name].table("members"), inputs[name].arrays
    judged = selection.validation_metrics(data, folds["logit"], members["fold"].to_numpy() - 1)
    by_candidate = pd.Series(judged["roc_auc"]).groupby(members["candidate"].to_numpy()).mean()
    chosen = by_candidate.fillna(-np.inf).idxmax()
    own = members[members["candidate"] == chosen]
    epochs = int(max(own["best_epoch"].median(), 0))
    view, arrays = data.judged, data.judged.arrays(0, tuple(config.channels))
    program = networks.program(config, view, name, refit=True)
    grid = arms.refit_grid(config, name, int(chosen), epochs)
    options = {"places": _places, "finish": _best, "segments": 10}
    swept = sweep(run, f"{name}-refit", program.stages, grid, arrays, view.train[0], view.evaluate[0], **options)
    variables = swept.result.state.kept
    title = f"{name}-refit: predictions"
    found = over_members(run, title, program.predict, (swept.members, variables), (arrays,), swept.placement)
    for seed in range(config.seeds):
        for row in own[own["seed"] == seed % config.selection_seeds].itertuples():
            rows = data.validate[row.fold - 1]
            for key, values in found.items():
                values[seed, rows] = folds[key][row.member, rows]
    if name == "mtate":
        first = jax.tree.map(lambda leaf: leaf[0], variables)
        found["patient"] = _patient(config, view, first, arrays, found["logit"][0])
    table = sweeps.members_table(swept.result, swept.grid).assign(best_epoch=epochs)
    table["fold"] = pd.array([pd.NA] * len(table), "Int64")  # Folds' numbers stay whole where both tables are joined.
    table["method"] = f"{name}, all of set {config.train_set}"
    return Output({"members": table}, found)


def prepare(run: Context) -> Iterator[None]:
    """Compiles what the arms and the choice among their members need, arm by arm."""
    config, data = run.config, run.data
    placement, arrays = run.placement(None), data.arrays(0, tuple(config.channels))
    names = arms.network_arms(config)
    # The first arm compiles its own programs meanwhile.
    for name in names[1:]:
        program = networks.program(config, data, name)
        grid = arms.grid(config, name, 0)
        members = make_members(grid, data.train[0], data.evaluate[0], data.validate[0])
        options = {"placement": placement, "places": _places(placement)}
        sweeps.prepare(program.stages, members, arrays, finish=_best, **options)
        yield
        stage = program.stages[0]
        variables = jax.eval_shape(jax.vmap(lambda one, stage=stage: stage.init(one, None, arrays, one.key)), members)
        places = len(placement.devices) * placement.width
        each = members, variables["variables"]
        sweeps.prepare_over_all(program.predict, each, (arrays,), placement, places=places)
        yield
    selection.prepare(data)
    yield


def _curves(result: sweeps.Result, members: pd.DataFrame) -> pd.DataFrame:
    """Training curves; what members are selected by is logged as a loss, 1 minus the ROC AUC."""
    table = curves(result, members)
    selecting = table["split"].eq("validate") & table["metric"].eq("loss")
    value = table["value"].where(~selecting, 1 - table["value"])
    return table.assign(metric=table["metric"].mask(selecting, "roc_auc"), value=value)


def _best(member, state, data):
    """What a sweep keeps of a member: the variables of its best epoch, not the optimizer's state."""
    return state["best"]


def _places(placement: sweeps.Placement) -> int | None:
    """Where a device takes one member at a time anyway, programs without a loop over members compile in less time."""
    return len(placement.devices) if placement.width == 1 else None


def _of_the_chosen(run, program, members, logit, variables, arrays, fold, swept):
    """The representation of the first seeds' chosen candidates; on the first fold also one patient's attention."""
    config, data = run.config, run.data
    judged = selection.validation_metrics(data, logit, np.full(len(members), fold))
    chosen = selection.choose(members, judged, "roc_auc")
    rows = chosen[chosen["seed"] < DOWNSTREAM_SEEDS]["member"].to_numpy()
    own = jax.tree.map(lambda leaf: leaf[rows], variables)
    found = {"representation": over_members(
        run, f"mtate/fold-{fold + 1}: representations", program.represent, (own,), (arrays,), swept.placement
    )}  # fmt: skip
    if fold == 0:
        found["patient"] = _patient(config, data, jax.tree.map(lambda leaf: leaf[rows[0]], variables), arrays,
                                    logit[rows[0]])  # fmt: skip
    return found


def _patient(
    config: Any, data: Any, variables: Any, arrays: dict[str, np.ndarray], logit: np.ndarray
) -> dict[str, Any]:
    """Of the evaluated patient who died with the highest predicted risk: measurements and all attentions of MTATE."""
    died = data.evaluate[0] & (data.outcome == 1)
    example = int(np.argmax(np.where(died, logit, -np.inf)))
    outputs = networks.example_attention(config, data, variables, arrays, example)
    return {
        "example": np.int64(example),
        "id": data.ids[example],
        "values": data.values[example],
        "inputs": arrays["inputs"][example],
        "domains": data.domains[example],
        "probability": np.asarray(jax.nn.sigmoid(outputs.outcome))[0],
        "domain_probability": np.asarray(jax.nn.sigmoid(outputs.domains))[0],
        "weights": np.asarray(outputs.representation_weights)[0],
        "temporal_attention": np.asarray(outputs.temporal_attention[0])[0],
        "feature_attention": np.asarray(outputs.feature_attention[0])[0],
        "kept": np.asarray(outputs.kept),
    }
