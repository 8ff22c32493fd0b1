"""A run's workdir -> PNG figures and one self-contained HTML page, the same way for every study.

Every aggregate is a mean with its standard deviation, 95 % interval and n over members, and no other. What was not
measured is an en dash; what was measured and is not a number is called NaN or diverged, with how many of how many.
"""

import base64
import io
import os
import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import jinja2
import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg

from experiments.report.blocks import Figure, Section
from experiments.report.sections import overview, provenance
from experiments.report.style import STYLE
from experiments.results.reading import Run, read_workdir
from jaxfair import manifest


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
    written = [path.name, *(f"figures/{name}.png" for name in images)]
    manifest.write(run.workdir, written, others=manifest.read(run.workdir))
    return path


def _facts(environment: dict[str, Any]) -> list[str]:
    device = (
        [f"{environment.get('device_count', '?')} × {environment['device_kind']}"]
        if "device_kind" in environment
        else []
    )
    commit = [f"commit {environment['git_commit']}"] if environment.get("git_commit") else []
    started = [f"started {environment['started']}"] if environment.get("started") else []
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
