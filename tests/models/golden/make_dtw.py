"""Makes dtw.json: distances by `aeon.distances.dtw_pairwise_distance(queries, references, window=window)`.

python tests/models/golden/make_dtw.py      # aeon 1.6.0, numba 0.63.1
"""

import json
import pathlib

import numpy as np
from aeon.distances import dtw_pairwise_distance


def main():
    rng = np.random.default_rng(0)
    queries, references = (rng.normal(size=(count, 20)).cumsum(axis=1).round(3) for count in (3, 4))
    distances = {
        str(window): dtw_pairwise_distance(queries, references, window=window).tolist()
        for window in (None, 0.0, 0.05, 0.12, 0.3, 1.0)
    }
    held = {"queries": queries.tolist(), "references": references.tolist(), "distances": distances}
    pathlib.Path(__file__).with_name("dtw.json").write_text(json.dumps(held, indent=0) + "\n")


if __name__ == "__main__":
    main()
