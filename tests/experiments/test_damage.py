"""Whatever befalls one file of a run: the right table or a sentence, never another table.

`pytest -m slow tests/experiments/test_damage.py -s` prints the table of docs/reliability.md.
"""

import collections
import pathlib
import shutil
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from absl import flags
from ml_collections import ConfigDict

from data_pipelines import ucr
from experiments.results import reading
from experiments.results.contract import long
from experiments.results.members import curves, predictions
from experiments.run import execute
from experiments.run.context import Context
from experiments.run.folder import same_configuration
from experiments.run.study import Output, Part, Study
from experiments.run.sweeping import sweep
from jaxfair import sweeps, training

TABLES = ("results", "members", "predictions")
CONFIG = ConfigDict({"variant": "", "seeds": 2})
X = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
EVERYONE = np.ones(len(X), bool)


def init(member, previous, data, key):
    return {"weights": jax.random.normal(key, (2,))}


def epoch(member, state, data, key, epoch):
    loss, gradient = jax.value_and_grad(lambda weights: jnp.mean((data @ weights - 1) ** 2))(state["weights"])
    return {"weights": state["weights"] - member.hyperparameters["rate"] * gradient}, {"train/loss": loss}


STAGES = [training.Stage("fit", 4, init, epoch)]


def fit(run, inputs, method):
    """Trains two members; the second part begins where the first one's arrays say."""
    if method == run.stop_before:
        raise KeyboardInterrupt
    rate = float(np.mean(inputs["one"].arrays["rate"])) if inputs else 0.1
    grid = sweeps.product(seed=range(2), method=[method], rate=[rate])
    swept = sweep(run, method, STAGES, grid, X, EVERYONE, EVERYONE, segments=4, seconds_between_saves=0)
    members, weights = sweeps.members_table(swept.result, grid), swept.result.state["weights"]
    if method == run.stop_within:
        raise KeyboardInterrupt
    final = long(members, {"size": np.linalg.norm(weights, axis=1)}, stage="fit", split="evaluate")
    predicted = predictions(members[["member", "method"]], pd.DataFrame({"id": range(12)}), {"y": weights @ X.T})
    results = pd.concat([final, curves(swept.result, members)], ignore_index=True)
    return Output({"members": members, "results": results, "predictions": predicted}, {"rate": np.float32([0.2, 0.3])})


def parts(config):
    return [Part(name, needs, lambda *given, name=name: fit(*given, name)) for name, needs in PARTS.items()]


PARTS = {"one": (), "two": ("one",), "three": ("one",)}
STUDY = Study("damaged", parts, lambda config: X)


def start(workdir, stop_before=None, stop_within=None):
    """As `launch` does it, in this process."""
    workdir.mkdir(parents=True, exist_ok=True)
    run = Context(STUDY, CONFIG, workdir)
    run.stop_before, run.stop_within = stop_before, stop_within
    same_configuration(workdir, CONFIG)
    if not execute.is_finished(run):
        execute.execute(run)
    results = reading.read_workdir(workdir)
    return {name: results.table(name, []) for name in TABLES}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """By place, an undamaged folder and what is read from it: a run that was stopped, a finished run, a cache."""
    flags.FLAGS.mark_as_parsed()  # All have their defaults.
    folder = tmp_path_factory.mktemp("places")
    finished = start(folder / "finished")
    with pytest.raises(KeyboardInterrupt):
        start(folder / "stopped", stop_within="two")
    # The newest checkpoint holds a sweep that has ended; without it the one before counts.
    shutil.rmtree(max((folder / "stopped/checkpoints/two").iterdir(), key=lambda path: int(path.name)))
    raw = folder / "raw/Tiny"
    raw.mkdir(parents=True)
    for split, rows in {"TRAIN": X[:8], "TEST": X[8:]}.items():
        lines = ["\t".join(map(str, [number % 2, *row, *row**2])) for number, row in enumerate(rows)]
        (raw / f"Tiny_{split}.tsv").write_text("\n".join(lines) + "\n")
    load(folder / "cache", raw.parent)
    return folder, finished


def load(cache, raw):
    problem = ucr.load(raw, "Tiny", cache_dir=cache)
    return {"series": pd.DataFrame(problem.dataset.inputs[:, :, 0]).assign(label=problem.dataset.targets["label"])}


def damage(path, how, rng):
    if how == "deleted":
        path.unlink()
        return
    content = bytearray(path.read_bytes())
    if how == "flipped":
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(content[: len(content) if how == "flipped" else rng.integers(len(content))])


def candidates(folder):
    """The files that are written once and read again; locks, logs and what is remembered of widths are not."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] != "." and path.stat().st_size)


def outcome(place, path, how, rng, places, scratch):
    """What comes of damage to one file: `right`, `right, named`, `refused`, or `wrong`."""
    folder, finished = places
    copy = shutil.copytree(folder / place, scratch / "copy")
    damage(copy / path, how, rng)
    read, expected = (lambda: start(copy)), finished
    if place == "cache":
        read, expected = (lambda: load(copy, folder / "raw")), load(folder / "cache", folder / "raw")
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", RuntimeWarning)
            found = read()
    except (ValueError, RuntimeError, OSError) as error:
        sentence = str(error)
        assert str(copy) in sentence, sentence
        assert "\n" not in sentence, sentence
        return "refused"
    finally:
        shutil.rmtree(copy)
    if not all(found[name].equals(expected[name]) for name in expected):
        return "wrong"
    return "right, named" if any(str(copy) in str(warning.message) for warning in warned) else "right"


def tried(number, places, tmp_path, seed):
    """`number` times one damage of each kind to one file, in each place in turn."""
    rng, counts = np.random.default_rng(seed), collections.Counter()
    for _ in range(number):
        for how in ("flipped", "cut", "deleted"):
            place = ("stopped", "finished", "cache")[rng.integers(3)]
            files = candidates(places[0] / place)
            path = files[rng.integers(len(files))].relative_to(places[0] / place)
            result = outcome(place, path, how, rng, places, tmp_path)
            counts[place, how, result] += 1
            assert result != "wrong", (place, path, how)
            # What is damaged is never passed over, unless nothing that is read later was in it.
            assert result != "right" or _is_not_read(place, path), (place, path, how)
    return counts


def _is_not_read(place, path):
    """Whether it is a checkpoint that is not the one to go on from, or was only noted by the run that was stopped."""
    if path.parts[0] == "checkpoints":
        return place == "finished" or path.parts[1:3] != ("two", "3")
    return place == "stopped" and path.name in ("parts.json", "config.json", "environment.json")


def test_the_stopped_run_holds_a_part_and_checkpoints(places):
    folder, finished = places
    names = {str(path.relative_to(folder / "stopped").parent) for path in candidates(folder / "stopped")}
    assert {"parts/one", "checkpoints/two/3"} <= names
    assert not (folder / "stopped/finished.json").exists()
    assert len(finished["members"]) == 6
    assert (folder / "finished/manifest.json").exists()


def test_a_damaged_file_gives_the_right_table_or_a_sentence(places, tmp_path):
    tried(3, places, tmp_path, seed=1)


@pytest.mark.slow
def test_200_damages_of_each_kind(places, tmp_path):
    counts = tried(200, places, tmp_path, seed=0)
    assert sum(counts.values()) == 600
    results = ("right", "right, named", "refused", "wrong")
    print("\n| where | damage | tried |", " | ".join(results), "|")
    for place, how in sorted({key[:2] for key in counts}):
        row = [counts[place, how, result] for result in results]
        print("|", place, "|", how, "|", sum(row), "|", " | ".join(map(str, row)), "|")


def test_a_damaged_table_of_a_finished_run_is_computed_again_and_its_page_is_only_written_again(places, tmp_path):
    folder, finished = places
    copy = pathlib.Path(shutil.copytree(folder / "finished", tmp_path / "run"))
    shutil.rmtree(copy / "checkpoints")
    (copy / "report.html").write_text("")
    with pytest.warns(RuntimeWarning, match=r"report\.html is damaged: .*; it is made again from the tables"):
        start(copy, stop_before="one")
    assert "damaged" in (copy / "report.html").read_text()
    (copy / "finished.json").unlink()
    with pytest.warns(RuntimeWarning, match=r"finished\.json is missing; it is made again"):
        start(copy, stop_before="one")
    (copy / "members.parquet").unlink()
    with pytest.warns(RuntimeWarning, match=r"members\.parquet is missing; the run's parts are computed again"):
        found = start(copy)
    assert all(found[name].equals(finished[name]) for name in TABLES)


def test_a_run_in_a_folder_of_any_name_is_stopped_and_goes_on(places, tmp_path):
    folder = tmp_path / "run [1] of *?" / "{a}'b"
    with pytest.raises(KeyboardInterrupt):
        start(folder, stop_within="two")
    found = start(folder)
    assert all(found[name].equals(places[1][name]) for name in TABLES)


def test_a_part_that_needs_a_damaged_one_says_so(places, tmp_path):
    copy = pathlib.Path(shutil.copytree(places[0] / "stopped", tmp_path / "run"))
    (copy / "parts/one/arrays.npz").unlink()
    run = Context(STUDY, CONFIG, copy)
    run.stop_before = run.stop_within = None
    with pytest.raises(ValueError, match=r"--part=two: .*arrays\.npz is missing; compute it again with --part=one\."):
        execute.execute_part(run, "two")
    with pytest.warns(RuntimeWarning, match=r"arrays\.npz is missing; part one is computed again"):
        execute.execute_part(run, "one")
    execute.execute_part(run, "two")
