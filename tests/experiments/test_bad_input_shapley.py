"""What goes wrong in the Shapley study is one clear sentence on standard error; never a traceback."""

import launching
import numpy as np
import pandas as pd
import pytest

from experiments.shapley import arms

NO_OTHER_SHARES = [f"--config.{name}_shares=()" for name in ("compared", "hardened")]
SIMULATED = {
    "unknown variant": (["--config={config}:ECG201"], "shapley has no variant 'ECG201'; use one of ECG200, ECG5000"),
    "unknown field": (["--config.score=3"], "the configuration has no field 'score'. Did you mean \"scores\""),
    "unknown data": (["--config.data=ptbxl"], "--config.data=ptbxl: must be ucr or simulated."),
    "no data folder": (["--config={config}:ucr"], "say where with --config.data_dir=DIR"),
    "unknown score": (["--config.scores=('sum',)"], "--config.scores=('sum',): must be a tuple of 1 or"),
    "no score": (["--config.scores=()"], "--config.scores=(): must be a tuple of 1 or more"),
    "no background": (["--config.background=0"], "--config.background=0: must be a whole number from 1 to 1,000,000."),
    "no seed": (["--config.seeds=0"], "--config.seeds=0: give 1 or more, or 0 with peers."),
    "few halves": (["--config.halves=2"], "--config.halves=2: a training sample of simulated is in all"),
    "share not removed": (["--config.hardened_shares=(15,)"], "--config.hardened_shares: 15 is not among"),
    "nothing to remove": (["--config.shares=(1,)", *NO_OTHER_SHARES], "1 % of 36 samples are none of them"),
    "everything removed": (["--config.shares=(99,)", *NO_OTHER_SHARES], "99 % of 36 samples are all of them"),
}  # fmt: skip


def _edit(name, change):
    def spoil(folder):
        path = folder / "ECG200" / f"ECG200_{name}.tsv"
        table = pd.read_csv(path, sep="\t", header=None)
        change(table).to_csv(path, sep="\t", header=False, index=False)

    return spoil


def _relabel(row, label):
    def change(table):
        table.loc[row, 0] = label
        return table

    return change


def _cut(folder):
    path = folder / "ECG200" / "ECG200_TRAIN.tsv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], "\t".join(lines[4].split("\t")[:9]), *lines[5:]]) + "\n")


def _constant(table):
    table.iloc[2, 1:] = 0.5
    return table


ARCHIVE = {
    "problem not there": (["--config.problems=('ECG20',)"], None, "ECG200"),
    "truncated row": ([], _cut, "ECG200_TRAIN.tsv, line 5"),
    "label that TRAIN lacks": ([], _edit("TEST", _relabel(1, 9)), "no series of ECG200_TRAIN.tsv has the label '9'"),
    "class of one": (["--config.depth_splits=2"], _edit("TRAIN", _relabel(3, 4)), "class '4' has a single example"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bad_input_shapley")


@pytest.fixture(scope="module")
def outcomes(folder):
    """All cases, each in a process of its own; by name: exit code, standard output, standard error, its workdir."""
    config = launching.variant(study="shapley").removeprefix("--config=")
    cases = {}
    for name, (arguments, _) in SIMULATED.items():
        filled = [argument.format(config=config) for argument in arguments]
        cases[name] = (
            [*filled, *launching.TINY_SHAPLEY] if "--config=" in filled[0] else [*launching.TINY_SHAPLEY, *filled]
        )
    for name, (arguments, spoil, _) in ARCHIVE.items():
        archive = folder / name.replace(" ", "_") / "archive"
        launching.write_ucr(archive, ["ECG200"])
        if spoil:
            spoil(archive)
        cases[name] = [f"--config={config}:ECG200", *launching.TINY_SHAPLEY, f"--config.data_dir={archive}", *arguments]
    workdirs = {name: folder / f"run-{number}" for number, name in enumerate(cases)}
    cases = {name: ["experiments.shapley", *own, f"--workdir={workdirs[name]}"] for name, own in cases.items()}
    done = launching.start_each(folder, cases, "experiments.shapley.study")
    return {name: (*outcome, workdirs[name]) for name, outcome in done.items()}


@pytest.mark.parametrize("name", [*SIMULATED, *ARCHIVE])
def test_one_sentence_says_what_is_wrong(outcomes, name):
    expected = (SIMULATED.get(name) or ARCHIVE[name])[-1]
    code, out, error, workdir = outcomes[name]
    assert code == 1
    assert expected in error.replace("\n", " ")
    assert "Traceback (most" not in error
    assert "Report:" not in out
    assert not (workdir / "finished.json").exists()


def test_a_share_that_removes_a_whole_class_is_named_with_its_arm():
    values, labels = {"signed_sum": np.arange(10.0)}, np.repeat([0, 1], [8, 2])
    arm = arms.Arm("signed_sum", "top", 20)
    with pytest.raises(
        ValueError, match="without_top_20_signed_sum: without the top 20 % no training sample of class 'sick'"
    ):
        arms.masks([arm], values, labels, ["well", "sick"], keep_classes=False)
    (mask,) = arms.masks([arm], values, labels, ["well", "sick"], keep_classes=True)
    np.testing.assert_array_equal(np.flatnonzero(~mask), [7, 9])
