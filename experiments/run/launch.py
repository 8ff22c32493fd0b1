"""Starts a study: its flags, its configuration checked, its folder, and errors in one sentence."""

import concurrent.futures
import contextlib
import gc
import importlib
import pathlib
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator

from absl import app, flags

from data_pipelines.tfds_cache import default_cache_dir
from experiments.run import command_line
from experiments.run.context import Context
from experiments.run.devices import FULL, prepare_process
from experiments.run.folder import alone, same_configuration
from experiments.run.stopping import Stop, Stopped
from experiments.run.study import Study

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of this run. By default runs/STUDY-VARIANT.")
_PART = flags.DEFINE_string("part", None, "Run this part of the study alone; experiments.status lists them.")
_DEBUG = flags.DEFINE_bool("debug", False, "Show the full traceback of every error.")


def main(study: Study | str, config_file: str | None = None) -> None:
    """Parses the flags, checks the configuration, prepares devices and folder, and runs a study or a part of it.

    A folder whose run is complete is only read: its results are printed.

    Args:
      study: The study; or the name of one in a package here, `STUDY` of experiments/NAME/study.py, which takes seconds
        to import and is imported only once its flags and its configuration are found to be good.
      config_file: The Python file with its `get_config`; by default experiments/configs/STUDY.py.
    """
    name = study if isinstance(study, str) else study.name
    rules = importlib.import_module(f"experiments.configs.{name}").RULES if isinstance(study, str) else study.rules
    stop = Stop(name)
    stop.install()
    with contextlib.suppress(Stopped):  # And with it what its traceback holds: pools, whose locks are given back.
        # Found from every current folder.
        command_line.define_config(
            name, rules, config_file or str(pathlib.Path(__file__).parents[1] / "configs" / f"{name}.py")
        )

        def start(_):
            config = flags.FLAGS.config
            folder = "-".join([name, config.variant] if config.variant else [name])
            workdir = pathlib.Path(_WORKDIR.value or pathlib.Path("runs") / folder)
            with explained(name, stop):
                _make_writable(workdir)
                prepare_process()
            chosen = study if isinstance(study, Study) else importlib.import_module(f"experiments.{name}.study").STUDY
            gc.freeze()  # What was imported stays to the end: to look through it again would cost a second or two.
            _start(chosen, config, workdir, stop)

        app.run(start, flags_parser=lambda argv: command_line.parse(name, rules, argv))
    gc.collect()
    sys.exit(stop.ended())


def _start(study, config, workdir, stop):
    # Until the folder is this process's, nothing is left in it: it may be that of a run which is alive.
    with explained(study.name, stop):
        names = [part.name for part in study.checked_parts(config)]
        if _PART.value is not None and _PART.value not in names:
            raise ValueError(f"--part={_PART.value}: is no part of this run, whose parts are {', '.join(names)}.")
        with alone(workdir, shared=_PART.value is not None):
            same_configuration(workdir, config)
            stop.workdir = workdir
            with explained(study.name, stop, workdir):
                _run(Context(study, config, workdir, stop))


def _run(run):
    from experiments.run import execute  # Brings in what draws and reads tables.

    if execute.is_finished(run):
        execute.finish(run)
    elif _PART.value is not None:
        execute.execute_part(run, _PART.value)
    else:
        execute.execute(run)
        (run.workdir / "error.txt").unlink(missing_ok=True)  # Of a start before the one that got through.
        execute.finish(run)


def _make_writable(workdir):
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=workdir).close()
    except OSError as error:
        if error.errno in FULL:
            raise
        why = "it is a file" if workdir.is_file() else error.strerror
        raise ValueError(
            f"--workdir={workdir}: is no folder that can be written ({why}); name one where you may write, new or not."
        ) from error


@contextlib.contextmanager
def explained(study: str, stop: Stop, workdir: pathlib.Path | None = None) -> Iterator[None]:
    """Turns an error into one sentence and exit code 1; the traceback goes to error.txt in the folder, if there is one.

    Raises:
      Stopped: The process was asked to leave, and the error is what came of it.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, concurrent.futures.BrokenExecutor):
            time.sleep(0.5)  # A scheduler's signal that ended the worker is on its way here, too.
        stop.leave_if_asked()
        if _DEBUG.value:
            raise
        where = ""
        if workdir:
            with contextlib.suppress(OSError):
                (workdir / "error.txt").write_text(traceback.format_exc())
                where = f"\n(Traceback: {workdir / 'error.txt'}, or use --debug.)"
        sys.exit(f"{study}: {_explanation(error, workdir)}{where}")


def _explanation(error, workdir):
    sentence = str(error).strip() or type(error).__name__
    if isinstance(error, OSError) and error.errno in FULL:
        return (
            f"the disk is full ({error.filename or workdir or sentence}); nothing half-written counts. Free some space "
            "and start the same command again."
        )
    if isinstance(error, OSError) and error.filename:
        path = pathlib.Path(str(error.filename))
        cache = default_cache_dir()
        if cache in (path, *path.parents) or path in cache.parents:
            return (
                f"{path}: the cache in {cache} cannot be used ({error.strerror}); set XDG_CACHE_HOME to a folder that "
                "can be written, where the cache is made anew."
            )
        if isinstance(error, FileNotFoundError):
            return f"{path} is missing."
        return f"{path}: cannot be read or written ({error.strerror}); change its permissions, or name another path."
    if isinstance(error, concurrent.futures.BrokenExecutor):
        return (
            "a worker process ended before its work, most likely because memory ran out; start the same command again "
            "with more memory, or on fewer cores (taskset)."
        )
    return sentence if isinstance(error, (ValueError, OSError, RuntimeError)) else f"{type(error).__name__}: {sentence}"
