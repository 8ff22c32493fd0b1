"""What the system refuses is a sentence that says what to do; where the traceback goes; nothing in others' folders."""

import concurrent.futures.process
import errno
import os
import types

import pytest

from experiments.run import launch
from experiments.run.stopping import Stop, Stopped


@pytest.fixture(autouse=True)
def _no_debug(monkeypatch):
    """No command line is parsed here."""
    monkeypatch.setattr(launch, "_DEBUG", types.SimpleNamespace(value=False))


def refused(error, workdir=None):
    with pytest.raises(SystemExit) as end, launch.explained("study", Stop("study"), workdir):
        raise error
    return str(end.value)


def of_system(number, path):
    return OSError(number, os.strerror(number), str(path))


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOTDIR, errno.ENOENT])
@pytest.mark.parametrize("inside", ["jaxfair/beats/1.0.0", "jaxfair", ""])
def test_a_cache_that_cannot_be_written_is_named_with_the_variable_that_moves_it(number, inside, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "cache" / inside
    assert refused(of_system(number, path)) == (
        f"study: {path}: the cache in {tmp_path / 'cache' / 'jaxfair'} cannot be used ({os.strerror(number)}); set "
        "XDG_CACHE_HOME to a folder that can be written, where the cache is made anew."
    )


def test_what_else_cannot_be_read_or_written(tmp_path):
    path = tmp_path / "table.csv"
    assert refused(of_system(errno.ENOENT, path)) == f"study: {path} is missing."
    assert refused(of_system(errno.EACCES, path)) == (
        f"study: {path}: cannot be read or written (Permission denied); change its permissions, or name another path."
    )
    assert refused(of_system(errno.ENOSPC, path)).startswith(f"study: the disk is full ({path}); nothing half-written")


def test_the_traceback_goes_to_the_folder_of_this_run_only(tmp_path):
    assert refused(ValueError("column x is missing.")) == "study: column x is missing."
    message = refused(KeyError("x"), tmp_path)
    assert message == f"study: KeyError: 'x'\n(Traceback: {tmp_path / 'error.txt'}, or use --debug.)"
    assert "KeyError" in (tmp_path / "error.txt").read_text()


def test_a_worker_that_died_is_explained_unless_the_process_was_asked_to_leave(monkeypatch):
    monkeypatch.setattr(launch.time, "sleep", lambda seconds: None)
    broken = concurrent.futures.process.BrokenProcessPool("A process in the process pool was terminated abruptly")
    assert "most likely because memory ran out" in refused(broken)
    stop = Stop("study")
    stop._signal = 15
    with pytest.raises(Stopped), launch.explained("study", stop):
        raise broken


@pytest.mark.parametrize(
    ("number", "why"), [(errno.EROFS, "Read-only file system"), (errno.EACCES, "Permission denied")]
)
def test_a_workdir_that_cannot_be_written(number, why, tmp_path, monkeypatch):
    def refuse(**_):
        raise of_system(number, tmp_path)

    monkeypatch.setattr(launch.tempfile, "TemporaryFile", refuse)
    with pytest.raises(ValueError, match=rf"--workdir=.*: is no folder that can be written \({why}\); name one where"):
        launch._make_writable(tmp_path)
