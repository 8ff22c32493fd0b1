"""A disk that is really full: a small file system in memory, where this process may mount one."""

import contextlib
import os
import pathlib
import subprocess

import pytest


class SmallDisk:
    """A mounted file system of a few megabytes."""

    def __init__(self, folder):
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, leave=0):
        """Takes all space but `leave` bytes."""
        status = os.statvfs(self.folder)
        with open(self._ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - leave)

    def free(self):
        """Gives the space back."""
        self._ballast.unlink()


@contextlib.contextmanager
def mounted(folder: pathlib.Path, megabytes: int):
    """Mounts a small disk at `folder` for a while, or skips the test where that is not permitted."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("a full disk needs mount, which is not installed")
    if done.returncode:
        pytest.skip(f"a full disk needs permission to mount one ({done.stderr.strip()})")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
