"""Summary statistics of windows, against NumPy and SciPy variable by variable."""

import numpy as np
from scipy import stats

from data_pipelines.icu.summaries import NAMES, summaries


def test_statistics_are_those_of_the_values_that_are_there():
    rng = np.random.default_rng(0)
    values = rng.normal(7, 3, size=(9, 12, 4)).astype(np.float32)
    values[rng.random(values.shape) < 0.6] = np.nan
    values[0, :, 0] = np.nan
    values[1, 1:, 1] = np.nan
    values[1, 0, 1] = 5
    found = summaries(values)
    assert found.shape == (9, 4, len(NAMES))
    for window in range(9):
        for variable in range(4):
            row = values[window, :, variable].astype(float)
            hours = np.flatnonzero(~np.isnan(row))
            row = row[hours]
            if not len(row):
                expected = [0] + [np.nan] * 7
            else:
                trend = stats.linregress(hours, row).slope if len(row) > 1 else np.nan
                expected = [len(row), row.mean(), row.std(), row.min(), row.max(), row[0], row[-1], trend]
            np.testing.assert_allclose(found[window, variable], expected, rtol=1e-4, atol=1e-5)
