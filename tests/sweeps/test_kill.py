import json
import pathlib
import subprocess
import sys

import killed_sweep
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]


# In one process, cut at every segment, the fast tests of the queue say the same.
@pytest.mark.slow
@pytest.mark.parametrize("kills", [3, 10])
def test_a_sweep_killed_again_and_again_ends_bit_by_bit_as_an_undisturbed_one(tmp_path, kills):
    command = [sys.executable, killed_sweep.__file__, str(tmp_path), str(kills)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    happened = json.loads(done.stdout.splitlines()[-1])
    assert happened["kills"] == kills
    assert happened["finished"] >= 1
    assert happened["widths_unchanged"]
    undisturbed = np.load(tmp_path / "undisturbed.npz", allow_pickle=False)
    assert len(undisturbed.files) == 8  # Weights, predictions, logs and epochs run of both stages, diverged, width.
    epochs = undisturbed[".epochs_run['fit']"]
    assert len(set(epochs.tolist())) > 4
    for number in range(happened["finished"]):
        killed = np.load(tmp_path / f"killed-{number}.npz", allow_pickle=False)
        assert killed.files == undisturbed.files
        for name in undisturbed.files:
            np.testing.assert_array_equal(killed[name], undisturbed[name], err_msg=f"killed-{number}: {name}")
