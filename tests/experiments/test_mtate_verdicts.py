"""A claim of the fairness study is decided by an interval and a corrected p-value, or not at all."""

import numpy as np
import pandas as pd
import pytest

from experiments.mtate import verdicts
from experiments.mtate.judged import AUC, EQOD
from experiments.mtate.verdicts import CONTRADICTED, HOLDS, UNDECIDED, UNKNOWN


@pytest.mark.parametrize(
    ("low", "high", "p_holm", "more", "less"),
    [
        (0.01, 0.03, 0.01, HOLDS, CONTRADICTED),
        (-0.03, -0.01, 0.01, CONTRADICTED, HOLDS),
        (0.01, 0.03, 0.06, UNDECIDED, UNDECIDED),  # Not after Holm's correction.
        (-0.01, 0.03, 0.01, UNDECIDED, UNDECIDED),  # The interval holds 0.
        (0.01, 0.03, np.nan, UNDECIDED, UNDECIDED),
    ],
)
def test_a_claim_is_decided_by_interval_and_corrected_p_alone(low, high, p_holm, more, less):
    row = pd.Series({"difference": (low + high) / 2, "low": low, "high": high, "p": 0.001, "p_holm": p_holm})
    assert verdicts.verdict(row, AUC) == more
    assert verdicts.verdict(row, EQOD) == less
    assert verdicts.verdict(row.mask(row.index == "difference"), AUC) == UNKNOWN


def test_the_best_of_all_falls_with_one_and_holds_only_against_each():
    assert verdicts.of_all([HOLDS, HOLDS]) == HOLDS
    assert verdicts.of_all([HOLDS, CONTRADICTED]) == CONTRADICTED
    assert verdicts.of_all([HOLDS, UNDECIDED]) == verdicts.of_all([HOLDS, UNKNOWN]) == UNDECIDED
    assert verdicts.of_all([UNKNOWN]) == verdicts.of_all([]) == UNKNOWN
