"""How long the Shapley study trains: doubled until the training loss has converged, within a budget."""

import types

import launching
import numpy as np
import pandas as pd
import pytest

from experiments.configs.shapley import get_config
from experiments.shapley import depth
from experiments.shapley.depth import Choice


def lengths(monkeypatch, left, **fields):
    """The lengths that are tried where each leaves a share of the entropy, and the one whose output is kept."""
    tried = []

    def every_depth(study, steps):
        tried.append(steps)
        return steps, left[len(tried) - 1]

    monkeypatch.setattr(depth, "_every_depth", every_depth)
    config = get_config("ECG200")
    config.update(fields)
    kept = depth.depth_tables(types.SimpleNamespace(config=config), {}, "ECG200")
    assert kept == tried[-1]
    return tried


def test_what_has_converged_is_trained_once(monkeypatch):
    assert lengths(monkeypatch, [0.3]) == [350]


def test_length_is_doubled_until_the_loss_has_converged_or_the_budget_is_spent(monkeypatch):
    assert lengths(monkeypatch, [0.9, 0.5, 0.4]) == [350, 700, 1400]
    assert lengths(monkeypatch, [0.9] * 4) == [350, 700, 1400, 2800]
    assert lengths(monkeypatch, [np.nan] * 4) == [350, 700, 1400, 2800]
    assert lengths(monkeypatch, [0.9] * 2, most_steps=1399) == [350, 700]
    assert lengths(monkeypatch, [0.9], most_steps=1) == [350]


def test_given_epochs_are_kept(monkeypatch):
    assert lengths(monkeypatch, [0.9], epochs=1500) == [350]


def test_the_entropy_is_that_of_the_frequencies():
    np.testing.assert_allclose(depth._entropy(np.array([0, 0, 2, 2])), np.log(2))
    np.testing.assert_allclose(depth._entropy(np.array([1, 1, 1])), 0)


def test_the_choice_is_the_depth_and_its_length():
    table = pd.DataFrame({"depth": [1, 2], "chosen": [False, True], "steps": [700, 700]})
    stored = types.SimpleNamespace(table=lambda name: {"depths": table}[name])
    assert depth.chosen({"x-depth": stored}, "x") == Choice(2, 700)


@pytest.mark.slow
def test_a_run_trains_all_its_networks_as_long_as_the_depth_was(tmp_path):
    arguments = [*launching.TINY_SHAPLEY, "--config.most_steps=24", "--config.converged=0.01", f"--workdir={tmp_path}"]
    done = launching.start(tmp_path, launching.variant("", "shapley"), *arguments, study="shapley")
    assert done.returncode == 0, done.stderr
    depths = pd.read_parquet(tmp_path / "depths.parquet")
    assert depths["steps"].tolist() == [24]
    assert (depths["unexplained"] > 0.01).all()
    results = pd.read_parquet(tmp_path / "results.parquet")
    epochs = results[results["method"].eq("full") & results["metric"].eq("loss") & results["epoch"].notna()]
    num_batches = -(-36 // 8)
    assert epochs.groupby("member").size().eq(-(-24 // num_batches)).all()
    assert "training did not converge: after 24 steps" in (tmp_path / "report.html").read_text()
