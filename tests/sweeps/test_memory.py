"""Memory and checkpoints of a sweep are proportional to its places, not to its members."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = pathlib.Path(__file__).with_name("memory_of_sweep.py")


def grown(folder, num_members, places):
    """Megabytes of memory and of the largest checkpoint."""
    folder.mkdir()
    command = [sys.executable, str(SCRIPT), str(folder), str(num_members), str(places)]
    # Freed arrays go back to the system at once, so that live memory is measured. The bound holds for that alone: with
    # glibc's default, which keeps freed memory, the ratio was 1.52 and 1.57, and 1.1 without checkpoints. That many
    # saves fill the pools of Orbax's threads is likely, and was not shown.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/proc/self/clear_refs").exists(), reason="the most memory is asked of Linux")
def test_memory_and_checkpoints_are_proportional_to_the_places(tmp_path):
    """A member's state is 1 MB; what is kept of it 128 bytes."""
    few = grown(tmp_path / "few", 8, 8)
    many = grown(tmp_path / "many", 200, 8)
    assert few["checkpoint"] > 5
    assert many["checkpoint"] <= 1.5 * few["checkpoint"]
    assert many["memory"] <= 1.5 * few["memory"]
    assert many["epochs"][1] > many["epochs"][0]  # They have not all come and gone together.
    # The measure can tell: with a place for each, 40 members take more.
    everyone = grown(tmp_path / "everyone", 40, 0)
    assert everyone["checkpoint"] > 3 * few["checkpoint"]
    assert everyone["memory"] > 2 * few["memory"]
