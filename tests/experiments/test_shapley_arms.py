"""The Shapley study's arms and its published figures."""

import numpy as np
import pandas as pd
import pytest

from experiments.configs import shapley as configs
from experiments.shapley import arms as arms_of
from experiments.shapley import published, tables
from experiments.shapley.arms import CONTROLS, FULL, Arm


@pytest.mark.parametrize("variant", configs.VARIANTS)
def test_every_variant_has_arms_with_their_controls(variant):
    config = configs.get_config(variant)
    arms = arms_of.removals(config)
    assert len(set(arms)) == len(arms)
    assert len({arm.method for arm in arms}) == len(arms)
    for arm in arms:
        assert {Arm(control, "top", arm.percent) for control in CONTROLS} <= set(arms)
        assert arm._replace(side="bottom") in arms or arm.score in CONTROLS
    for hardening in ("crafted", "projected_gradient"):
        hardened = arms_of.hardened(config, hardening)
        assert all(arm._replace(hardening="none") in [FULL, *arms] for arm in hardened)
        assert not hardened or FULL._replace(hardening=hardening) in hardened


def test_every_sample_is_in_some_halves_and_out_of_some():
    masks = arms_of.halves(64, 500, "ECG5000")
    assert masks.shape == (64, 500)
    assert 0 < masks.mean(0).min() < masks.mean(0).max() < 1
    assert abs(masks.mean() - 0.5) < 0.01
    with pytest.raises(ValueError, match=r"--config.halves=4: a training sample of ECG5000 is in all"):
        arms_of.halves(4, 500, "ECG5000")


def test_random_removals_are_nested_and_differ_between_seeds():
    arms = [Arm("random", "top", share) for share in (5, 10, 20)]
    labels = np.arange(40) % 2
    values = [{"random": arms_of.random_values(seed, 40)} for seed in (0, 0, 1)]
    first, again, other = (arms_of.masks(arms, value, labels, ["a", "b"], True) for value in values)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first[0] >= first[1]).all()
    assert (first[1] >= first[2]).all()
    assert (~first).sum(1).tolist() == [2, 4, 8]


def test_the_matched_control_takes_as_many_of_each_class_at_random():
    labels = np.repeat([0, 1, 2], [10, 20, 30])
    values = {"signed_sum": np.linspace(0, 1, 60), "random": arms_of.random_values(3, 60)}
    arms = [Arm("signed_sum", "top", 40), Arm("matched", "top", 40)]
    top, matched = arms_of.masks(arms, values, labels, ["a", "b", "c"], False)
    assert [np.bincount(labels[~mask], minlength=3).tolist() for mask in (top, matched)] == [[0, 0, 24]] * 2
    assert (top != matched).any()
    assert values["random"][~matched].min() > values["random"][matched & (labels == 2)].max()


def test_published_results_agree_with_the_archive_where_both_exist():
    """Two sources of one method on one problem lie within a few percent: a slip of the pen would not."""
    rows = pd.DataFrame(
        [(peer.method, name, value) for peer in published.PEERS for name, value in peer.accuracy.items()],
        columns=["method", "problem", "accuracy"],
    )
    assert rows["accuracy"].between(70, 100).all()
    spread = rows.groupby(["method", "problem"])["accuracy"].agg(lambda values: values.max() - values.min())
    assert spread.max() < 3
    for method, source in published.REPEATED.values():
        assert any((peer.method, peer.source) == (method, source) for peer in published.PEERS)


def test_a_repetition_agrees_within_one_published_deviation():
    values = pd.DataFrame(
        {"metric": "accuracy", "method": "resnet", "problem": "ECG200", "value": [0.86, 0.87], "seed": [0, 1]}
    )
    (agreement,) = tables.repeated(values, ["ECG200"])
    assert agreement == "ResNet on ECG200: 86.50 (n = 2) against 87.4 ± 1.6, agrees"
    (agreement,) = tables.repeated(values.assign(value=values["value"] - 0.03), ["ECG200"])
    assert agreement.endswith("does not agree")
