"""Starts a study: its flags, its folder, and errors in one sentence."""

import contextlib
import errno
import gc
import pathlib
import sys
import traceback
from collections.abc import Iterator

from absl import app, flags
from ml_collections import config_flags

from experiments.run import execute
from experiments.run.context import Context
from experiments.run.devices import prepare_process
from experiments.run.folder import alone, same_configuration
from experiments.run.study import Study

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of this run. By default runs/STUDY-VARIANT.")
_PART = flags.DEFINE_string("part", None, "Run this part of the study alone; experiments.status lists them.")
_DEBUG = flags.DEFINE_bool("debug", False, "Show the full traceback of every error.")


def main(study: Study, config_file: str | None = None) -> None:
    """Parses the flags, prepares devices and folder, and runs a study, or with --part a part of it.

    A folder whose run is complete is only read: its results are printed.

    Args:
      study: The study.
      config_file: The Python file with its `get_config`; by default experiments/configs/STUDY.py.
    """
    name = study.name
    # Found from every current folder.
    file = config_file or str(pathlib.Path(__file__).parents[1] / "configs" / f"{name}.py")
    with _in_one_sentence(name):  # The overrides of the default variant's fields are looked at here already.
        config = config_flags.DEFINE_config_file("config", file, "Configuration[:VARIANT].")

    def start(_):
        gc.freeze()  # What was imported stays to the end: to look through it again would cost a second or two.
        chosen = config.value
        folder = "-".join([name, chosen.variant] if chosen.variant else [name])
        workdir = pathlib.Path(_WORKDIR.value or pathlib.Path("runs") / folder)
        with explained(name, workdir):
            prepare_process()
            workdir.mkdir(parents=True, exist_ok=True)
            with alone(workdir, shared=_PART.value is not None):
                run = Context(study, chosen, workdir)
                same_configuration(workdir, chosen)
                if execute.is_finished(run):
                    execute.finish(run)
                    return
                if _PART.value is not None:
                    execute.execute_part(run, _PART.value)
                    return
                execute.execute(run)
                (workdir / "error.txt").unlink(missing_ok=True)  # Of a start before the one that got through.
                execute.finish(run)

    try:
        app.run(start, flags_parser=lambda argv: _parse(name, argv))
    except KeyboardInterrupt:
        sys.exit(f"{name}: interrupted; the same command again goes on from the last checkpoint.")


@contextlib.contextmanager
def explained(study: str, workdir: pathlib.Path) -> Iterator[None]:
    """Turns an error into one sentence and exit code 1; the traceback goes to error.txt in the folder."""
    try:
        yield
    except Exception as error:
        if _DEBUG.value:
            raise
        sentence = str(error).strip() or type(error).__name__
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            sentence = (
                f"the disk is full ({error.filename or workdir}); nothing half-written counts. Free some space and "
                "start the same command again."
            )
        elif isinstance(error, FileNotFoundError) and error.filename:
            sentence = f"{error.filename} is missing."
        elif not isinstance(error, (ValueError, OSError, RuntimeError)):
            sentence = f"{type(error).__name__}: {sentence}"
        where = ""
        with contextlib.suppress(OSError):
            (workdir / "error.txt").write_text(traceback.format_exc())
            where = f"\n(Traceback: {workdir / 'error.txt'}, or use --debug.)"
        sys.exit(f"{study}: {sentence}{where}")


def _parse(study, argv):
    """absl's own parser, but any mistake in flags or configuration is one sentence."""
    with _in_one_sentence(study):
        rest = flags.FLAGS(argv)
        _ = flags.FLAGS.config.variant  # A file that could not be loaded says so only when it is looked into.
    if len(rest) > 1:
        sys.exit(f"{study}: {rest[1]!r} is no flag; flags begin with --, as in --config.seeds=3 (--help lists all).")
    return rest


@contextlib.contextmanager
def _in_one_sentence(study):
    try:
        yield
    except (flags.Error, ValueError, AttributeError, KeyError, TypeError, OSError) as error:
        sys.exit(f"{study}: {_sentence(error)}")


def _sentence(error):
    """A parser's complaint on one line; of a traceback that it quotes only the last line, which says what is wrong."""
    text = str(error)
    if isinstance(error, (AttributeError, KeyError)):  # Its text is the representation of another error's text.
        text = text.strip("'").replace("\\'", "'").replace("\\n", ". ")
        return f"the configuration has no field {text}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(line.startswith("Traceback") for line in lines):
        return lines[-1].partition(": ")[2] or lines[-1]
    return " ".join(lines)
