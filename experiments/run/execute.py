"""The one runner: computes what is missing of a study's parts, in order, then joins them into what a run leaves."""

import contextlib
import pathlib
import threading
import time
import warnings
from collections.abc import Iterator

from experiments.report import page
from experiments.results import reading
from experiments.results.contract import conform
from experiments.results.tensorboard import write_tensorboard
from experiments.run.clock import in_words
from experiments.run.context import Context
from experiments.run.folder import write_json
from experiments.run.parts import Parts, described
from experiments.run.study import Output, Part
from experiments.run.sweeping import discard_checkpoints
from jaxfair import manifest

_MARK = "finished.json"
_FOLDERS = ("figures", "tensorboard")  # Of files that follow from the tables, as the page does.


def execute(run: Context) -> None:
    """Runs the study, or what is left of it; of what is damaged it says so and computes it again."""
    plan, parts = _begin(run)
    for part in plan:
        parts.discard_damaged(part.name)
    missing = [part for part in plan if not parts.is_done(part.name)]
    with _compiling_ahead(run, len(missing)):
        for part in missing:
            _compute(run, parts, part)
            run.write_environment(_records(parts, plan))
    with run.clock.timed("report"):
        parts.join([part.name for part in plan])
        run.write_environment(_records(parts, plan))
        _write_what_follows(run)
    records = _records(parts, plan) | {"run": run.record()}
    run.write_environment(records)
    _finish(run.workdir)
    parts.remove()


def is_finished(run: Context) -> bool:
    """Whether the run is complete, and all of it is what was written.

    Of a damaged file it says so. What follows from the tables is made again here; for a table, the run is no longer
    finished, and its parts are computed again.
    """
    mark = run.workdir / _MARK
    if not mark.exists() and not _was_finished(run.workdir):
        return False
    damaged = manifest.damaged(run.workdir)
    if not damaged:
        return True
    sentence = next(iter(damaged.values()))
    if all(_follows(name) for name in damaged):
        warnings.warn(f"{sentence}; it is made again from the tables.", RuntimeWarning, stacklevel=2)
        _write_what_follows(run)
        _finish(run.workdir)
        return True
    warnings.warn(f"{sentence}; the run's parts are computed again.", RuntimeWarning, stacklevel=2)
    mark.unlink(missing_ok=True)
    return False


def _was_finished(workdir):
    """Whether only the mark of a finished run is gone."""
    try:
        return _MARK in manifest.read(workdir)
    except manifest.DamagedError:
        return False


def _finish(workdir):
    write_json(workdir / _MARK, {"finished": time.strftime("%Y-%m-%d %H:%M:%S")})
    manifest.write(workdir, finished_files(workdir))


def execute_part(run: Context, name: str) -> None:
    """Runs one part of the study, whose needs other processes have left in the folder; nothing if it is there.

    Raises:
      ValueError: A part that it needs is not there.
    """
    plan, parts = _begin(run)
    chosen = {part.name: part for part in plan}[name]
    for need in filter(parts.is_done, chosen.needs):
        if damage := parts.damage(need):
            raise ValueError(f"--part={name}: {damage}; compute it again with --part={need}.")
    missing = [need for need in chosen.needs if not parts.is_done(need)]
    if missing:
        raise ValueError(
            f"--part={name}: needs {', '.join(missing)}, which {run.workdir} does not hold yet; run that first."
        )
    _compute(run, parts, chosen)


def finish(run: Context) -> None:
    """Prints a finished run's results."""
    results = reading.read_workdir(run.workdir)
    print((run.study.summary or _ended)(results))
    seconds: dict[str, float] = {}
    for part in (results.environment.get("seconds") or {}).values():
        for kind, value in part.items():
            seconds[kind] = seconds.get(kind, 0.0) + value
    print(f"\nThe parts took {in_words(seconds)}.\nReport: {run.workdir / 'report.html'}")


def finished_files(workdir: pathlib.Path) -> list[str]:
    """What belongs to a finished run: tables, what it says about itself, and what follows from these."""
    own = [path for path in workdir.iterdir() if path.suffix in (".parquet", ".json")]
    files = [*own, workdir / "report.html", *(file for name in _FOLDERS for file in (workdir / name).rglob("*"))]
    names = [path.relative_to(workdir).as_posix() for path in files if path.is_file()]
    return [name for name in names if name not in (manifest.NAME, "widths.json")]


def _follows(name: str) -> bool:
    return name in ("report.html", _MARK) or name.partition("/")[0] in _FOLDERS


def _write_what_follows(run: Context) -> None:
    write_tensorboard(run.workdir)
    page.write_report(run.workdir, run.study.sections, title=run.study.title, lead=run.study.lead)


@contextlib.contextmanager
def _compiling_ahead(run: Context, num_missing: int) -> Iterator[None]:
    """Compiles in a thread what later parts need, while earlier ones train; not for one part, which comes at once."""
    if run.study.prepare is None or num_missing < 2 or not run.width_is_known:
        yield
        return
    _ = run.data  # Loaded here, so that the thread need not.
    steps, ended = run.study.prepare(run), threading.Event()

    def compile_all():
        with contextlib.suppress(Exception):  # The part meets the same error where it can be seen.
            for _ in steps:
                if ended.is_set():
                    return

    thread = threading.Thread(target=compile_all)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _begin(run: Context) -> tuple[list[Part], Parts]:
    plan = run.study.checked_parts(run.config)
    write_json(run.workdir / "parts.json", described(plan))
    return plan, Parts(run.workdir)


def _compute(run: Context, parts: Parts, part: Part) -> None:
    with parts.claimed(part.name):
        parts.discard_damaged(part.name)
        if parts.is_done(part.name):  # By the process that held the lock before.
            return
        run.record()  # What came before belongs to no part.
        output = part.compute(run, {need: parts.read(need) for need in part.needs})
        tables = dict(output.tables)
        if "results" in tables:
            tables["results"] = conform(tables["results"], run.study.name, run.study.units)
        with run.stop.held():
            parts.write(part.name, Output(tables, output.arrays), run.record())
        discard_checkpoints(run)


def _records(parts: Parts, plan: list[Part]) -> dict[str, dict]:
    return {part.name: parts.read(part.name).record for part in plan if parts.is_done(part.name)}


def _ended(results: reading.Run) -> str:
    counts = results.members.groupby("status").size()
    return "Members: " + ", ".join(f"{count} {status}" for status, count in counts.items())
