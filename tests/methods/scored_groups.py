"""Seeded scores, labels and groups for post-processing, drawn again wherever they are needed."""

import numpy as np

SIZE = 120


def sample(seed, num_groups, part=0):
    """Columns `[example]`: scores (with ties in every second seed), labels, groups; `part` 1 is test data.

    Each group has an example of either class.
    """
    laws = np.random.default_rng([seed, num_groups])
    prevalence, shift, skill = laws.uniform(0.2, 0.8, num_groups), laws.normal(0, 0.5, num_groups), laws.uniform(0, 2)
    rng = np.random.default_rng([seed, num_groups, part])
    groups = rng.choice(num_groups, SIZE, p=laws.dirichlet(np.full(num_groups, 3.0)))
    targets = (rng.random(SIZE) < prevalence[groups]).astype(np.int32)
    groups[: 2 * num_groups] = np.repeat(np.arange(num_groups), 2)
    targets[: 2 * num_groups] = np.tile([0, 1], num_groups)
    scores = rng.normal(skill * targets + shift[groups], 1)
    scores = np.round(2 * scores) / 2 if seed % 2 else scores
    return scores.astype(np.float32), targets, groups.astype(np.int32)
