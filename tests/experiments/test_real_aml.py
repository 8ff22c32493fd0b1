"""The age study on real ECGs: what its report must show (docs/results/aml.md has more seeds and arms)."""

import launching
import pytest

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def mean(data_dir, tmp_path_factory):
    """Means over two seeds of the paper's settings, by method and metric."""
    few = ["--config.seeds=2", "--config.arms=('no_adversary', 'ncov')", "--config.boosting_seeds=2"]
    folder = tmp_path_factory.mktemp("real")
    table = launching.read(launching.start_real("aml", "ptbxl", data_dir, "ptb-xl", folder, *few))["results"]
    return table[table["epoch"].isna()].groupby(["method", "metric"])["value"].mean()


def test_infarction_is_detected_and_age_can_be_read(mean):
    assert mean["baseline", "roc_auc"] >= 0.935
    assert mean["age_head", "age_pearson"] >= 0.63
    for reader in ("ridge", "mlp", "boosting"):
        assert mean["baseline", f"probe_{reader}_r2_healthy"] > 0.35


def test_ncov_fools_the_frozen_head_and_no_fresh_probe(mean):
    assert abs(mean["ncov", "age_pearson"]) <= 0.1
    assert mean["ncov", "roc_auc"] >= mean["no_adversary", "roc_auc"] - 0.01
    for reader in ("ridge", "mlp", "boosting"):
        assert mean["ncov", f"probe_{reader}_r2_healthy"] > 0.25


def test_hsic_within_the_healthy_removes_age_for_fresh_probes(mean):
    for reader in ("ridge", "mlp", "boosting"):
        assert mean["joint_hsic", f"probe_{reader}_r2_healthy"] <= 0.10
        assert mean["joint_control", f"probe_{reader}_r2_healthy"] > 0.35
    assert mean["joint_hsic", "score_age_pearson_healthy"] <= 0.15
    assert mean["joint_hsic", "roc_auc"] >= mean["joint_control", "roc_auc"] - 0.01
