"""Normal values of variables, and the logarithmic scale of the skewed ones."""

import numpy as np
import pytest

from data_pipelines.icu import challenge2012, mimic, normal


def test_a_logarithmic_scale_for_skewed_variables_alone():
    values = np.float32([[[-1, -1], [np.nan, np.nan]], [[0, 0], [9, 9]]])
    found = normal.on_log_scale(values, ("WBC", "HR"))
    np.testing.assert_array_equal(found[..., 1], values[..., 1])
    np.testing.assert_allclose(found[..., 0], np.log1p(np.float32([[0, np.nan], [0, 9]])), rtol=1e-6)
    assert values[0, 0, 0] == -1  # What was given is as it was.
    known = {*normal.CHALLENGE_2012, *normal.YAIB, *mimic.VARIABLES}
    assert known >= normal.SKEWED
    assert set(challenge2012.VARIABLES) == set(normal.CHALLENGE_2012)


def test_a_variable_without_a_normal_value_is_named():
    with pytest.raises(ValueError, match=r"^cohort: variable 'etco2' has no normal value"):
        normal.normal_values(("hr", "etco2"), normal.YAIB, "cohort")
