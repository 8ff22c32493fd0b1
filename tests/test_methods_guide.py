"""The Python of docs/methods.md runs as printed and gives about the numbers that its comment claims."""

import importlib
import pathlib
import re

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

GUIDE = (pathlib.Path(__file__).parents[1] / "docs" / "methods.md").read_text()


def test_the_example_trains_a_fairer_network():
    (block,) = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(block, "methods.md", "exec"), names)
    score, sick, sex, judged = (np.asarray(names[name]) for name in ("score", "sick", "sex", "third"))
    judged = judged == 2
    called = score > 0.5
    gaps = [abs(np.subtract(*(each[judged & (sex[:, 0] == value)].mean() for value in (0, 1)))) for each in called]
    np.testing.assert_allclose(np.reshape(gaps, (2, 3)).mean(1), names["gap"], atol=1e-5)
    aucs = [roc_auc_score(sick[judged], each[judged]) for each in score]
    np.testing.assert_allclose(np.reshape(aucs, (2, 3)).mean(1), names["auc"], atol=1e-5)
    claimed = [float(number) for number in re.findall(r"0\.\d\d", block.split("gap = gap.")[1])]
    # Trained networks differ by version and machine.
    assert [*names["gap"], *names["auc"]] == pytest.approx(claimed, abs=0.04)
    assert names["gap"][1] < names["gap"][0] / 2


def test_every_function_it_names_exists():
    rows = [line.split("|")[-2] for line in GUIDE.splitlines() if line.startswith("| ")][1:]
    named = [re.search(r"`(\w+)\.(\w+)`", row).groups() for row in rows]
    assert len(named) == 8
    for module, function in named:
        assert callable(getattr(importlib.import_module(f"jaxfair.methods.{module}"), function))
