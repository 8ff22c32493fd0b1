"""The README's Python runs as printed and gives the numbers that its comments claim."""

import pathlib
import re

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score, roc_auc_score

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def names():
    """What is defined after all blocks ran, one after the other as a reader would type them."""
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    return names


def test_the_detection_and_the_fooled_head_are_as_claimed(names):
    score = np.tanh(names["x"] @ np.asarray(names["params"]["backbone"])) @ np.asarray(names["params"]["disease_head"])
    evaluated = ~names["train"]
    assert names["detection"] == pytest.approx(roc_auc_score(names["disease"][evaluated], score[evaluated]), abs=1e-3)
    assert names["detection"] == pytest.approx(0.81, abs=0.03)
    assert names["fooled"] == pytest.approx(0.34, abs=0.1)


def test_a_fresh_probe_reads_as_much_as_claimed(names):
    x, age, train = np.asarray(names["representation"]), names["age"], names["train"]
    read = LinearRegression().fit(x[train], age[train]).predict(x[~train])
    assert names["left"].estimate == pytest.approx(r2_score(age[~train], read), abs=0.02)
    assert names["left"].estimate == pytest.approx(0.62, abs=0.05)
    assert names["left"].low < names["left"].estimate < names["left"].high


def test_contributions_add_up_and_name_what_the_disease_is_read_from(names):
    assert names["residual"] < 1e-6
    logits = np.tanh(names["x"] @ np.asarray(names["params"]["backbone"])) @ names["params"]["disease_head"]
    score = 1 / (1 + np.exp(-logits[~names["train"]]))
    np.testing.assert_allclose(names["attributions"].predictions[:, 0], score, rtol=1e-4)
    claimed = re.search(r"Of disease, age, both, noise: ([\d., ]+)", README)[1]
    np.testing.assert_allclose(names["drivers"], [float(value) for value in claimed.split(",")], atol=0.02)


def test_the_sweep_descends_to_the_least_squares(names):
    x, age, train = names["x"], names["age"], names["train"]
    least = np.mean((x[train] @ np.linalg.lstsq(x[train], age[train])[0] - age[train]) ** 2)
    last = names["table"].query("epoch == 49").groupby("learning_rate")["value"]
    assert last.count().eq(5).all()
    np.testing.assert_allclose(last.max()[0.1], least, rtol=0.02)
    assert last.min()[0.01] > 1.02 * least


def test_every_file_it_points_to_exists():
    # Results appear with the first real run; everything else must be there.
    linked = set(re.findall(r"\]\(([\w/.]+)\)", README)) - {"docs/results/aml.md", "docs/results/shapley.md"}
    assert len(linked) >= 4
    assert [name for name in sorted(linked) if not (ROOT / name).exists()] == []
