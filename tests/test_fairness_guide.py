"""The Python of docs/fairness.md runs as printed and gives the numbers that its comments claim."""

import pathlib
import re

import numpy as np
import pytest
from sklearn.metrics import recall_score

GUIDE = (pathlib.Path(__file__).parents[1] / "docs" / "fairness.md").read_text()


@pytest.fixture(scope="module")
def names():
    """What is defined after all blocks ran but fairlearn's, which the tests do without."""
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert sum("fairlearn" in block for block in blocks) == 1
    names = {}
    for block in blocks:
        if "fairlearn" not in block:
            exec(compile(block, "fairness.md", "exec"), names)
    return names


def test_numbers_are_as_claimed(names):
    claims = re.findall(r"^(\w+) = .*\)[.\w]* +# (\d\.\d+)(?:[^\d\n]+(\d\.\d+))?", GUIDE, re.MULTILINE)
    assert [name for name, *_ in claims] == [
        "parity",
        "odds",
        "truth",
        "precision",
        "within",
        "across",
        "gap_of_chance",
    ]
    for name, *numbers in claims:
        numbers = [float(number) for number in numbers if number]
        np.testing.assert_allclose(np.ravel(names[name]), numbers, atol=6e-4, err_msg=name)
    # fairlearn's, whose lines claim the same numbers.
    assert re.findall(r"^demographic.*# ([\d.]+)", GUIDE, re.MULTILINE) == ["0.107"]
    assert re.findall(r"^equalized.*# ([\d.]+)", GUIDE, re.MULTILINE) == ["0.013"]


def test_what_the_text_says_of_its_numbers_holds(names):
    called, women = names["score"] >= 0.5, names["sex"] == "f"
    found = names["frame"].query("metric == 'true_positive_rate'").set_index("group")["value"]
    assert found["f"] == pytest.approx(recall_score(names["sick"][women], called[women]), rel=1e-5)
    # Signed, the two models differ beyond doubt; the largest minus the least is not as sure.
    assert names["change"].low[1] > 0
    assert names["change"].low[0] < 0
    assert len(names["intervals"]) == 2 * 2 * 2
    assert names["before"] > 5 * names["after"]
    assert names["by_threshold"][1] > 2 * names["by_threshold"][0]
    assert abs(names["dependence"] - names["shuffled"]) < 0.02
