"""The cache of compiled programs is this user's alone, and says so where it cannot be written."""

import errno
import os
import stat
import tempfile

import pytest

from experiments.run.devices import private_folder


def test_a_new_folder_is_the_users_alone(tmp_path):
    folder = private_folder(tmp_path / "cache" / "programs")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert private_folder(folder) == folder


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_can_write_is_refused(tmp_path, mode):
    tmp_path.chmod(mode)
    with pytest.raises(PermissionError, match="others can write there; make it yours alone"):
        private_folder(tmp_path)


def test_another_users_folder_is_refused(tmp_path, monkeypatch):
    folder = private_folder(tmp_path / "programs")
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(PermissionError, match="--nocompilation_cache"):
        private_folder(folder)


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        PermissionError, match=r"file/programs: cannot be written \(Not a directory\), .* XDG_CACHE_HOME"
    ):
        private_folder(tmp_path / "file" / "programs")


def test_a_cache_on_a_disk_that_is_read_only_or_full(tmp_path, monkeypatch):
    def fails(number):
        def refuse(**_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)

    fails(errno.EROFS)
    with pytest.raises(PermissionError, match=r"\(Read-only file system\).*, or use --nocompilation_cache"):
        private_folder(tmp_path)
    fails(errno.ENOSPC)
    with pytest.raises(OSError, match="No space left") as full:
        private_folder(tmp_path)
    assert full.value.errno == errno.ENOSPC
