"""A run's workdir -> tables, PNG figures and one self-contained HTML page, the same way for every study.

Every aggregate is a mean with its standard deviation, 95 % interval and n over members, and no other. What was not
measured is an en dash; what was measured and is not a number is called NaN or diverged, with how many of how many.

  python -m experiments.report --workdir=DIR    # builds the page of any finished run again
"""

import base64
import dataclasses
import importlib
import io
import json
import os
import pathlib
import re
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jinja2
import matplotlib
import matplotlib.figure
import matplotlib.lines
import pandas as pd
from absl import app, flags
from matplotlib.backends.backend_agg import FigureCanvasAgg

from experiments.report_run import Run, read_workdir
from experiments.report_tables import Cell, arm_members, cell, final_values, number, summarize

__all__ = ["Figure", "Run", "Section", "Statements", "Table", "Text", "read_workdir", "summarize", "write_report"]

# A study that has a page of its own; any other gets `overview`.
STUDIES = {"aml": "experiments.aml_report", "shapley": "experiments.shapley_report"}

_MOST_OPEN = 20  # Rows of a table about the run, beyond which it is folded.

STYLE = {
    "font.family": "DejaVu Sans",  # the one family that matplotlib brings along
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a8f98",
    "axes.labelcolor": "#333a45",
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e8ec",
    "grid.linewidth": 0.6,
    "xtick.color": "#555c68",
    "ytick.color": "#555c68",
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "savefig.dpi": 170,
    "savefig.facecolor": "white",
}


class Table(NamedTuple):
    """Rows of strings and `report_tables.Cell`s; the first `text_columns` are words, the others numbers."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    text_columns: int = 1
    folded: bool = False
    kind: str = "table"


class Figure(NamedTuple):
    """A drawing, saved as figures/`name`.png and embedded in the page."""

    name: str
    caption: str
    drawing: matplotlib.figure.Figure
    kind: str = "figure"


class Text(NamedTuple):
    """A paragraph, or, with `code`, something to be shown letter by letter and folded under its title."""

    text: str
    title: str = ""
    code: bool = False
    kind: str = "text"


class Statements(NamedTuple):
    """Questions and their answers, side by side: (question, answer, [(name, value, remark), ...], note) each."""

    items: Sequence[tuple[str, str, Sequence[tuple[str, str, str]], str]]
    kind: str = "statements"


@dataclasses.dataclass(frozen=True)
class Section:
    title: str
    blocks: Sequence[Table | Figure | Text | Statements]

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def write_report(
    workdir: str | os.PathLike,
    sections: Callable[[Run], Sequence[Section]] | None = None,
    *,
    title: str = "",
    lead: str = "",
) -> pathlib.Path:
    """Writes `workdir`/report.html and `workdir`/figures/*.png from the files a run left there.

    The page loads nothing: figures and styles are inside it. Each file appears whole or not at all.

    Args:
      workdir: The run's folder.
      sections: What the study says about its run; `overview` if not given. What was run follows by itself.
      title: The page's heading; the experiment's name if not given.
      lead: One sentence under the heading.

    Returns:
      The path of the page.

    Raises:
      FileNotFoundError, ValueError: As `read_workdir`.
    """
    run = read_workdir(workdir)
    with matplotlib.rc_context(STYLE):
        pages = [*(sections or overview)(run), provenance(run)]
        images = {block.name: _png(block) for page in pages for block in page.blocks if block.kind == "figure"}
    folder = run.workdir / "figures"
    folder.mkdir(exist_ok=True)
    for name, image in images.items():
        _write_whole(folder / f"{name}.png", image)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent / "templates"),
        autoescape=True,  # ids, labels and error details come from data
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("report.html.jinja").render(
        title=title or f"Study '{run.results['experiment'].iloc[0]}'",
        lead=lead,
        sections=pages,
        images={name: base64.b64encode(image).decode() for name, image in images.items()},
        facts=", ".join(_facts(run.environment)),
    )
    path = run.workdir / "report.html"
    _write_whole(path, html.encode())
    return path


def _facts(told: dict[str, Any]) -> list[str]:
    device = [f"{told.get('device_count', '?')} × {told['device_kind']}"] if "device_kind" in told else []
    commit = [f"commit {told['git_commit']}"] if told.get("git_commit") else []
    started = [f"started {told['started']}"] if told.get("started") else []
    return started + device + commit


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.drawing.set_dpi(matplotlib.rcParams["savefig.dpi"])
    FigureCanvasAgg(figure.drawing).print_png(stream)  # `savefig` draws everything twice.
    return stream.getvalue()


def _write_whole(path: pathlib.Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(temporary, 0o644)  # mkstemp's files are private, a report is there to be shown
        os.replace(temporary, path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise


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
        "it the 95 % interval of the mean.",
        [*names, "metric", "value", "n"],
        rows,
        text_columns=len(names) + 1,
    )
    empty = Text("This run holds no value after training on the evaluation split.")
    blocks: list[Any] = [table if rows else empty]
    curves = run.results[run.results["epoch"].notna()]
    if len(curves):
        blocks.append(Figure("curves", "Mean over members of each metric by epoch.", _plain_curves(curves)))
    return [Section("Results", blocks)]


def _plain_curves(curves: pd.DataFrame) -> matplotlib.figure.Figure:
    metrics, methods = list(curves["metric"].unique()), list(curves["method"].unique())
    colors = {method: f"C{place % 10}" for place, method in enumerate(methods)}
    splits = dict(zip(curves["split"].unique(), ["--", "-", ":", "-."] * len(curves), strict=False))
    drawing = matplotlib.figure.Figure(figsize=(8.4, 1 + 0.2 * len(methods) + 1.6 * len(metrics)), layout="constrained")
    for axes, metric in zip(drawing.subplots(len(metrics), squeeze=False)[:, 0], metrics, strict=True):
        rows = summarize(curves[curves["metric"] == metric], ["method", "split", "epoch"])
        for (method, split), line in rows.groupby(["method", "split"], sort=False):
            line = line.sort_values("epoch")
            axes.plot(line["epoch"], line["mean"], splits[split], color=colors[method])
        axes.set(title=metric, xlabel="epoch")
    handles = [matplotlib.lines.Line2D([], [], color=color, label=str(name)) for name, color in colors.items()]
    handles += [matplotlib.lines.Line2D([], [], color="black", ls=ls, label=str(name)) for name, ls in splits.items()]
    drawing.legend(handles=handles, loc="outside lower center", ncols=3)
    return drawing


def _listed(value: Any) -> Any:
    return ", ".join(f"{name} {entry}" for name, entry in value.items()) if isinstance(value, dict) else value


def provenance(run: Run) -> Section:
    """What was run, on what and for how long."""
    told = run.environment
    seconds, trained = told.get("seconds") or {}, told.get("members") or {}
    facts = [
        ("command", told.get("command")),
        ("commit", told.get("git_commit")),
        ("started", told.get("started")),
        ("device", f"{told.get('device_count', '?')} × {told['device_kind']}" if "device_kind" in told else None),
        ("platform", told.get("platform")),
        ("members side by side on a device", _listed(told.get("width"))),
        ("versions", _listed(told.get("versions"))),
    ]
    blocks: list[Any] = []
    if told:
        rows = [[name, str(value)] for name, value in facts if value not in (None, "")]
        blocks.append(Table("The run.", ["", ""], rows, text_columns=2))
    else:
        blocks.append(Text("The run left no environment.json, so its device and versions are not known."))
    if seconds:
        rows = [[part, number(value, "s")] for part, value in seconds.items()]
        rows.append(["together", number(sum(seconds.values()), "s")])
        blocks.append(Table("How long each part took.", ["part", "seconds"], rows))
    if trained:
        rows = [[sweep, number(count, "count")] for sweep, count in trained.items()]
        blocks.append(Table("Members trained side by side.", ["sweep", "members"], rows))
    counts = arm_members(run.members, ["method"])
    rows = []
    for method, members, diverged in counts.itertuples(index=False):
        stopped = int((run.members["method"].eq(method) & run.members["status"].eq("stopped")).sum())
        called = Cell(f"{diverged} of {members}", alarm=True) if diverged else "0"
        rows.append([str(method), str(members), str(members - diverged - stopped), str(stopped), called])
    header = ["method", "members", "finished", "stopped early", "diverged"]
    blocks.append(Table("How the members ended.", header, rows, folded=len(rows) > _MOST_OPEN))
    for name, content in (("Configuration", run.config), ("Environment", run.environment)):
        if content:
            blocks.append(Text(json.dumps(content, indent=2, default=str), title=name, code=True))
    return Section("What was run", blocks)


def rebuild(argv: Sequence[str]) -> None:
    """The page of the run in --workdir, by its study's own module if it has one."""
    workdir = flags.FLAGS.workdir
    if len(argv) > 1 or not workdir:
        raise app.UsageError("Name the run's folder: python -m experiments.report --workdir=DIR")
    try:
        study = STUDIES.get(str(read_workdir(workdir).results["experiment"].iloc[0]))
        write = importlib.import_module(study).write if study else write_report
        print(f"Report: {write(workdir)}")
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(f"experiments.report: {error}") from error


if __name__ == "__main__":
    # Defined here alone: a study's main, which imports this file, has a --workdir of its own.
    flags.DEFINE_string("workdir", None, "Folder of the run whose page is to be built again.")
    app.run(rebuild)
