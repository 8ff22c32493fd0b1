"""Makes the page of a finished run again, from its tables.

python -m experiments.report --workdir=DIR
"""

import importlib
import importlib.util
from collections.abc import Sequence

from absl import app, flags, logging

from experiments.report.page import write_report
from experiments.results.reading import read_workdir
from experiments.run import launch  # noqa: F401  # Defines --workdir.


def rebuild(argv: Sequence[str]) -> None:
    """The page of the run in --workdir, by its study's own sections if it has some."""
    logging.set_verbosity(logging.ERROR)  # JAX tells of each accelerator that is not there.
    workdir = flags.FLAGS.workdir
    if len(argv) > 1 or not workdir:
        raise app.UsageError("Name the run's folder: python -m experiments.report --workdir=DIR")
    try:
        name = str(read_workdir(workdir).results["experiment"].iloc[0])
        if importlib.util.find_spec(f"experiments.{name}"):
            study = importlib.import_module(f"experiments.{name}.study").STUDY
            page = write_report(workdir, study.sections, title=study.title, lead=study.lead)
        else:
            page = write_report(workdir)
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(f"experiments.report: {error}") from error
    print(f"Report: {page}")


if __name__ == "__main__":
    app.run(rebuild)
