"""Sections that every page has or may have: what was run, how members ended, and an overview of all metrics."""

import json
from typing import Any

import pandas as pd

from experiments.report.blocks import Figure, Section, Table, Text
from experiments.report.cells import MEAN_INTERVAL, Cell, cell, number
from experiments.report.curves import training_curves
from experiments.results.reading import Run
from experiments.results.summaries import arm_members, final_values
from experiments.run.clock import KINDS
from jaxfair.metrics import summarize

_MOST_OPEN = 20  # Rows of a table about the run, beyond which it is folded.


def overview(run: Run) -> list[Section]:
    """A page for a study without one of its own: every metric of every arm, and the training curves."""
    values = final_values(run.results)
    names = ["method"] + (["backbone"] if values["backbone"].notna().any() else [])
    counts = arm_members(run.members, ["method"]).set_index("method")
    rows = []
    for _, row in summarize(values, [*names, "metric", "unit"]).iterrows():
        known = row["method"] in counts.index and len(names) == 1
        members = int(counts.loc[row["method"], "members"] if known else row["n"] + row["missing"])
        diverged = int(counts.loc[row["method"], "diverged"]) if known else 0
        words = ["–" if pd.isna(row[name]) else str(row[name]) for name in [*names, "metric"]]
        rows.append([*words, cell(row, row["unit"], members, diverged), str(int(row["n"]))])
    table = Table(
        "Every metric on the evaluation split after training: mean ± standard deviation over members, and below "
        f"it {MEAN_INTERVAL}.",
        [*names, "metric", "value", "n"],
        rows,
        text_columns=len(names) + 1,
    )
    empty = Text("This run holds no value after training on the evaluation split.")
    blocks: list[Any] = [table if rows else empty]
    curves = run.results[run.results["epoch"].notna()]
    if len(curves):
        blocks.append(
            Figure(
                "curves",
                "Mean over members of each metric by epoch.",
                training_curves(curves, {}, {name: name for name in curves["metric"].unique()}),
            )
        )
    return [Section("Results", blocks)]


def _listed(value: Any) -> Any:
    return ", ".join(f"{name} {entry}" for name, entry in value.items()) if isinstance(value, dict) else value


# The definition is `metrics.mean_interval`'s, its measured coverage is in docs/intervals.md.
INTERVALS = (
    "Intervals of a mean over members are Student's 95 % intervals. Where a figure has bounds (a share, a correlation, "
    "R² up to 1, a difference of two of them) they are taken on the scale on which the bounds are infinitely far away: "
    "the logit of the mean between two bounds, the logarithm of its distance from a single one. So they never leave "
    "what the figure can be, and near a bound they are not symmetric. Members that are all equal show no spread: they "
    "have no interval."
)


def provenance(run: Run) -> Section:
    """What was run, on what and for how long."""
    environment = run.environment
    device = (
        f"{environment.get('device_count', '?')} × {environment['device_kind']}"
        if "device_kind" in environment
        else None
    )
    facts = [
        ("command", environment.get("command")),
        ("commit", environment.get("git_commit")),
        ("started", environment.get("started")),
        ("device", device),
        ("platform", environment.get("platform")),
        ("members side by side on a device", _listed(environment.get("width"))),
        ("versions", _listed(environment.get("versions"))),
    ]
    blocks: list[Any] = []
    if environment:
        rows = [[name, str(value)] for name, value in facts if value not in (None, "")]
        blocks.append(Table("The run.", ["", ""], rows, text_columns=2))
    else:
        blocks.append(Text("The run left no environment.json, so its device and versions are not known."))
    if environment.get("seconds"):
        blocks.append(_seconds(environment["seconds"]))
    blocks += [how_members_ended(run), Text(INTERVALS)]
    for name, content in (("Configuration", run.config), ("Environment", run.environment)):
        if content:
            blocks.append(Text(json.dumps(content, indent=2, default=str), title=name, code=True))
    return Section("What was run", blocks)


def how_members_ended(run: Run) -> Table:
    """By method, how many members finished, stopped early or diverged."""
    rows = []
    for method, members, diverged in arm_members(run.members, ["method"]).itertuples(index=False):
        stopped = int((run.members["method"].eq(method) & run.members["status"].eq("stopped")).sum())
        alarming = Cell(f"{diverged} of {members}", alarm=True) if diverged else "0"
        rows.append([str(method), str(members), str(members - diverged - stopped), str(stopped), alarming])
    header = ["method", "members", "finished", "stopped early", "diverged"]
    return Table("How the members ended.", header, rows, folded=len(rows) > _MOST_OPEN)


def _seconds(by_part: dict[str, dict[str, float]]) -> Table:
    kinds = [kind for kind in KINDS if any(kind in part for part in by_part.values())]
    rows = [
        [name, *(number(part.get(kind), "s") for kind in kinds), number(sum(part.values()), "s")]
        for name, part in by_part.items()
    ]
    sums = [sum(part.get(kind, 0.0) for part in by_part.values()) for kind in kinds]
    rows.append(["together", *(number(value, "s") for value in sums), number(sum(sums), "s")])
    caption = "Where the seconds went, by part. Compilation is counted separately, wherever it happened."
    return Table(caption, ["part", *kinds, "together"], rows, folded=len(rows) > _MOST_OPEN)
