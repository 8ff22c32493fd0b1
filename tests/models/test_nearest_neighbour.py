"""Dynamic time warping and its nearest neighbour: against the recurrence, all paths, and aeon."""

import itertools
import json
import os
import pathlib

import jax
import numpy as np
import pytest

from jaxfair.models import nearest_neighbour as module
from jaxfair.models.nearest_neighbour import dtw_distances, nearest_neighbour


def walks(count, time, seed=0):
    return np.random.default_rng(seed).normal(size=(count, time)).cumsum(axis=1).astype(np.float32)


def by_recurrence(query, reference, radius=np.inf):
    """The definition, in float64."""
    time = len(query)
    table = np.full((time + 1, time + 1), np.inf)
    table[0, 0] = 0
    for i in range(time):
        for j in range(time):
            if abs(i - j) <= radius:
                before = min(table[i, j], table[i, j + 1], table[i + 1, j])
                table[i + 1, j + 1] = (float(query[i]) - float(reference[j])) ** 2 + before
    return table[time, time]


def every_path(time, i=0, j=0):
    """All warping paths from (i, j) to the end."""
    if (i, j) == (time - 1, time - 1):
        yield [(i, j)]
        return
    for i_next, j_next in ((i + 1, j), (i, j + 1), (i + 1, j + 1)):
        if max(i_next, j_next) < time:
            yield from ([(i, j), *rest] for rest in every_path(time, i_next, j_next))


# 1 to 3 and multiples of 3 are where the pipeline's three buffers end differently.
@pytest.mark.parametrize("time", [1, 2, 3, 4, 5, 6, 11])
def test_against_the_recurrence(time):
    queries, references = walks(3, time), walks(4, time, seed=1)
    for window in (None, 0.0, 0.2, 0.5, 1.0):
        found = dtw_distances(queries, references, window=window)
        radius = np.inf if window is None else int(window * time)
        expected = [[by_recurrence(query, reference, radius) for reference in references] for query in queries]
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_against_all_paths():
    queries, references = walks(3, 4), walks(4, 4, seed=1)
    paths = list(every_path(4))
    assert len(paths) == 63  # The central Delannoy number of 3.
    best = [
        [min(sum((query[i] - reference[j]) ** 2 for i, j in path) for path in paths) for reference in references]
        for query in queries
    ]
    np.testing.assert_allclose(dtw_distances(queries, references), best, rtol=1e-5)


def test_against_aeon():
    # aeon 1.6.0, aeon.distances.dtw_pairwise_distance, by golden/make_dtw.py.
    golden = json.loads((pathlib.Path(__file__).with_name("golden") / "dtw.json").read_text())
    for window, expected in golden["distances"].items():
        window = None if window == "None" else float(window)
        found = dtw_distances(np.array(golden["queries"]), np.array(golden["references"]), window=window)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_windows():
    queries, references = walks(3, 11), walks(4, 11, seed=1)
    euclid = np.square(queries[:, None] - references).sum(-1)
    np.testing.assert_allclose(dtw_distances(queries, references, window=0), euclid, rtol=1e-5)
    np.testing.assert_array_equal(
        dtw_distances(queries, references, window=1), dtw_distances(queries, references, window=None)
    )
    wider = [np.asarray(dtw_distances(queries, references, window=window)) for window in (0, 0.1, 0.3, 0.6, 1)]
    for narrow, wide in itertools.pairwise(wider):
        assert (wide <= narrow).all()
    assert wider[0].sum() > wider[-1].sum()
    # 0.29 * 100 is 28.999999999999996.
    assert int(module._radius("", 0.29, 100)) == 29
    assert int(module._radius("", 0.289, 100)) == 28


def test_one_program_for_all_windows():
    queries, references = walks(3, 6), walks(4, 6, seed=1)
    traced = jax.jit(lambda window: dtw_distances(queries, references, window=window))
    for window in (0.0, 0.2, 0.5, 1.0):
        np.testing.assert_array_equal(traced(window), dtw_distances(queries, references, window=window))
    assert traced._cache_size() == 1


def test_laws():
    series = walks(4, 6)
    square = np.asarray(dtw_distances(series, series))
    np.testing.assert_allclose(square, square.T, rtol=1e-6)
    np.testing.assert_array_equal(np.diag(square), 0)
    order = np.array([2, 0, 3, 1])
    np.testing.assert_array_equal(dtw_distances(series, series[order]), square[:, order])
    np.testing.assert_array_equal(dtw_distances(series[order], series), square[order])
    np.testing.assert_allclose(dtw_distances(series[:, ::-1], series[:, ::-1]), square, rtol=1e-5)
    sets = np.stack([walks(4, 6, seed) for seed in (1, 2)])
    together = jax.vmap(dtw_distances, in_axes=(0, None))(sets, series)
    np.testing.assert_allclose(together, [dtw_distances(one, series) for one in sets], rtol=1e-6)


def test_what_is_not_finite_spoils_its_own_pairs_alone():
    queries, references = walks(3, 6), walks(4, 6, seed=1)
    expected = np.array(dtw_distances(queries, references))
    queries[1, 2], references[2, 0], references[3, 5] = np.nan, np.inf, -np.inf
    expected[1], expected[:, 2:] = np.nan, np.nan
    np.testing.assert_array_equal(dtw_distances(queries, references), expected)


def test_neighbours_in_many_blocks(monkeypatch):
    monkeypatch.setattr(module, "_lanes", lambda *_: 2)
    queries, references = walks(11, 6), walks(5, 6, seed=1)
    distances = np.asarray(dtw_distances(queries, references))
    expected = [[by_recurrence(query, reference) for reference in references] for query in queries]
    np.testing.assert_allclose(distances, expected, rtol=1e-5)
    done = []
    for on_block in (None, done.append):
        found = nearest_neighbour(queries, references, on_block=on_block)
        np.testing.assert_array_equal(found.indices, np.argmin(expected, axis=1))
        np.testing.assert_allclose(found.distances, np.min(expected, axis=1), rtol=1e-5)
    assert done == [4, 8, 11]  # Two devices, two queries each.


def test_of_equal_references_the_first_is_nearest():
    references = walks(5, 6)
    found = nearest_neighbour(walks(3, 6, seed=1), np.concatenate([references[::-1], references, references]))
    assert (found.indices < 5).all()
    # All references are as near to the query as each other, in another way each.
    level = np.zeros((1, 4), np.float32)
    steps = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, -1, 0, 0]], np.float32)
    assert nearest_neighbour(level, steps).indices.tolist() == [0]
    assert nearest_neighbour(level, steps, window=0).distances.tolist() == [1]


@pytest.mark.parametrize(
    ("queries", "references", "window", "words"),
    [
        (walks(2, 6), walks(2, 5), None, "must be .series, time. and of one length"),
        (walks(2, 6)[0], walks(2, 6), None, "must be .series, time."),
        (walks(2, 6), walks(2, 6), 5, "window 5 must be a share of the length"),
        (walks(2, 6), walks(2, 6), -0.1, "window -0.1 must be"),
        (walks(2, 6), np.zeros((0, 6)), None, "references .0, 6. hold no series"),
        (np.where(np.arange(3)[:, None] == 2, np.nan, walks(3, 6)), walks(2, 6), None, "1 of 3 queries .* number 2"),
    ],
)
def test_bad_input_is_refused(queries, references, window, words):
    with pytest.raises(ValueError, match=words):
        nearest_neighbour(queries, references, window=window)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("problem", "warped"), [("ECG200", 77.0), ("ECG5000", 92.44), ("ECGFiveDays", 76.77), ("TwoLeadECG", 90.43)]
)
def test_published_accuracies(problem, warped, data_dir):
    """1NN-DTW on the default splits, timeseriesclassification.com reference results."""
    folder = os.path.join(data_dir, "UCRArchive_2018", problem)
    train, test = (np.loadtxt(os.path.join(folder, f"{problem}_{part}.tsv")) for part in ("TRAIN", "TEST"))
    found = nearest_neighbour(test[:, 1:], train[:, 1:])
    assert round(100 * np.mean(train[found.indices, 0] == test[:, 0]), 2) == warped
    aligned = nearest_neighbour(test[:, 1:], train[:, 1:], window=0)
    euclid = [np.square(train[:, 1:] - query).sum(axis=1).argmin() for query in test[:, 1:]]
    np.testing.assert_array_equal(aligned.indices, euclid)
