"""The one-standard-error rule on losses whose answer is known."""

import numpy as np
import pytest

from jaxfair.metrics import one_standard_error


def test_the_simplest_model_within_one_standard_error_is_chosen():
    losses = np.array([[0.9, 1.1], [0.50, 0.54], [0.48, 0.52]])  # Means 1, 0.52, 0.50; the error of the last is 0.02.
    found = one_standard_error(losses)
    assert found.chosen == 1
    np.testing.assert_allclose(found.mean, [1, 0.52, 0.5])
    np.testing.assert_allclose(found.standard_error, [0.1, 0.02, 0.02])
    losses[1] += 0.001
    assert one_standard_error(losses).chosen == 2
    losses[2] = np.nan
    assert one_standard_error(losses).chosen == 1
    with pytest.raises(ValueError, match="no model has a finite held-out loss"):
        one_standard_error(np.full((3, 2), np.nan))


def test_one_part_has_no_error_and_the_least_loss_is_chosen():
    assert one_standard_error([[0.50], [0.49], [0.6]]).chosen == 1
