"""The cache of compiled programs is this user's alone."""

import os
import stat

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
