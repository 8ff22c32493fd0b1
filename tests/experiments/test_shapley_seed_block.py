"""What a block of seeds says while it runs."""

from types import SimpleNamespace

import numpy as np
import pytest

from experiments.shapley.seed_block import Block


def test_attributions_that_miss_more_than_rounding_allows_are_told_by_seed():
    shares = np.float32([[0.1, 0.9], [1.0, 3.0]])  # [seed, sample]
    study = SimpleNamespace(
        name="beats",
        data={"inputs": None, "label": None},
        background=None,
        over_members=lambda *given: SimpleNamespace(residual_of_allowed=shares),
    )
    block = SimpleNamespace(study=study, seeds=[4, 5], setting=None)
    with pytest.warns(UserWarning, match=r"beats, seed 5: .* is 3\.0 times what rounding allows") as told:
        Block._scores(block, SimpleNamespace(variables=None))
    assert len(told) == 1
