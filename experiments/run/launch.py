"""Starts a study: its flags, its configuration checked, its folder, and errors in one sentence."""

import concurrent.futures
import contextlib
import gc
import importlib
import pathlib
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator

from absl import app, flags
from ml_collections import config_flags

from data_pipelines.tfds_cache import default_cache_dir
from experiments.run import checks
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
    try:
        # Found from every current folder.
        define_config(name, rules, config_file or str(pathlib.Path(__file__).parents[1] / "configs" / f"{name}.py"))

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

        app.run(start, flags_parser=lambda argv: parse(name, rules, argv))
    except Stopped:
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


def define_config(study: str, rules: checks.Rules, file: str, values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flag --config, and those of its fields that are on the command line."""
    with _in_one_sentence(study, rules, values):  # The default variant's fields are looked at here already.
        config_flags.DEFINE_config_file("config", file, "Configuration[:VARIANT].", flag_values=values)


def parse(study: str, rules: checks.Rules, argv: list[str], values: flags.FlagValues = flags.FLAGS) -> list[str]:
    """absl's own parser, and the configuration's check: any mistake is one sentence, with which the process exits."""
    with _in_one_sentence(study, rules, values):
        rest = values(argv)
        config = values.config
        _ = config.variant  # A file that could not be loaded says so only when it is looked into.
    if len(rest) > 1:
        sys.exit(f"{study}: {rest[1]!r} is no flag; flags begin with --, as in --config.seeds=3 (--help lists all).")
    if "variant" in config_flags.get_override_values(values["config"]):
        sys.exit(
            f"{study}: --config.variant={config.variant}: is no field to set; name it as in --config=FILE:VARIANT."
        )
    with _in_one_sentence(study, rules, values):
        for sentence in checks.violations(config, rules):
            raise ValueError(sentence)
    return rest


@contextlib.contextmanager
def _in_one_sentence(study, rules, values):
    try:
        yield
    except (flags.Error, ValueError, AttributeError, KeyError, TypeError, OSError) as error:
        sys.exit(f"{study}: {_sentence(error, rules, values)}")


def _sentence(error, rules, values):
    """A parser's complaint on one line; of a traceback that it quotes only the last line, which says what is wrong."""
    text = str(error)
    if isinstance(error, (AttributeError, KeyError)):  # Its text is the representation of another error's text.
        text = text.strip("'").replace("\\'", "'").replace("\\n", ". ")
        return f"the configuration has no field {text}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(line.startswith("Traceback") for line in lines):
        return lines[-1].partition(": ")[2] or lines[-1]
    flag = re.match(r"flag --([\w.]+)=(.*?): ", text, re.DOTALL)
    if flag and (wanted := _wanted(flag[1], rules, values)):
        return f"--{flag[1]}={flag[2]}: must be {wanted}."
    return " ".join(lines)


def _wanted(name, rules, values):
    """What a flag's value must be, in words."""
    if name.startswith("config."):
        field = name.removeprefix("config.")
        inner = [known for known in rules.fields if known.startswith(f"{field}.")]
        if inner:
            return f"set field by field, as by --config.{inner[0]}"
        return rules.fields[field].says if field in rules.fields else None
    parser = values[name].parser if name in values else None
    return "true or false" if isinstance(parser, flags.BooleanParser) else getattr(parser, "syntactic_help", None)
