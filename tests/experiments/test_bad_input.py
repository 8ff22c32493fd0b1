"""What goes wrong is one clear sentence on standard error that names the file, record or field; never a traceback."""

import os
import shutil

import launching
import pandas as pd
import pytest

FLAGS = {
    "unknown variant": (["--config={config}:ptbxl_41"], "aml has no variant 'ptbxl_41'; use one of ptbxl, ptbxl_40"),
    "no config file": (["--config=nowhere.py"], "nowhere.py"),
    "unknown field": (["--config.sedes=3"], "the configuration has no field 'sedes'. Did you mean \"seeds\""),
    "wrong type": (["--config.seeds=many"], "flag --config.seeds=many: invalid"),
    "unknown flag": (["--seeds=3"], "Unknown command line flag 'seeds'"),
    "no flag": (["config.seeds=3"], "'config.seeds=3' is no flag; flags begin with --"),
    "no seed": (["--config.seeds=0"], "--config.seeds=0: is the number of seeds, at least 1."),
    "unknown arm": (["--config.arms=('ncov', 'ncvo')"], "--config.arms: 'ncvo' is not one of no_adversary, "),
    "unknown data": (["--config.data=ptb"], "--config.data=ptb: is either ptbxl or simulated."),
    "unknown split": (["--config.split=half", "--config.simulated_subjects=10"], "--config.split=half: is either hol"),
    "no width": (["--width=0", "--config.simulated_subjects=40"], "--width=0: give a positive number of members."),
    "no data folder given": (["--config={config}:ptbxl"], "say where it is with --config.data_dir=DIR"),
    "no data folder there": (["--config={config}:ptbxl", "--config.data_dir=nowhere"], "nowhere"),
    "resolution": (
        ["--config={config}:ptbxl", "--config.data_dir={ptbxl}", "--config.resolution=250"],
        "resolution must be 100 or 500 Hz, PTB-XL has no other, but is 250.",
    ),
    "too few subjects": (["--config.simulated_subjects=0"], "subjects"),
}


def _without(name):
    return lambda folder: (folder / name).unlink()


def _changed(change):
    def spoil(folder):
        table = pd.read_csv(folder / "ptbxl_database.csv")
        change(table).to_csv(folder / "ptbxl_database.csv", index=False)

    return spoil


def _divided(table):
    table.loc[0, "patient_id"] = table.loc[table["strat_fold"] != table.loc[0, "strat_fold"], "patient_id"].iloc[0]
    return table


def _cut(folder):
    for path in sorted(folder.glob("records100/*/*.dat"))[:8]:
        os.truncate(path, 1000)


FOLDERS = {
    "no table": (_without("ptbxl_database.csv"), "ptbxl_database.csv is missing"),
    "no statements": (_without("scp_statements.csv"), "scp_statements.csv is missing; expected PTB-XL 1.0.3"),
    "no column": (
        _changed(lambda table: table.drop(columns="strat_fold")),
        "ptbxl_database.csv: column strat_fold is missing",
    ),
    "no number": (
        _changed(lambda table: table.assign(age=table["age"].astype(object).where(table.index != 3, "old"))),
        "ptbxl_database.csv: column age holds 'old', which is not a number.",
    ),
    "patient in two folds": (_changed(_divided), "no patient may be in two folds"),
    "no records": (lambda folder: shutil.rmtree(folder / "records100"), "records100 is missing; expected PTB-XL"),
    "damaged records": (_cut, "are damaged, the first with ecg_id 1, 2, 3"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bad_input")


@pytest.fixture(scope="module")
def outcomes(folder):
    """All cases, each in a process of its own; by name: exit code, standard output, standard error, its workdir."""
    (folder / "config").mkdir()
    launching.write_ptbxl(folder / "ptbxl")
    places = {"config": launching.ROOT / "experiments/configs/aml.py", "ptbxl": folder / "ptbxl"}
    cases = {}
    for name, (arguments, _) in FLAGS.items():
        cases[name] = ["experiments.aml", *(argument.format(**places) for argument in arguments)]
    for name, (spoil, _) in FOLDERS.items():
        spoil(shutil.copytree(folder / "ptbxl", folder / f"folder of {name}"))
        cases[name] = [
            "experiments.aml",
            launching.variant("ptbxl"),
            f"--config.data_dir={folder / f'folder of {name}'}",
        ]
    cases = {name: [*arguments, f"--workdir=runs/{name}"] for name, arguments in cases.items()}
    done = launching.start_each(folder, cases, "experiments.aml.study")
    return {name: (*outcome, folder / "runs" / name) for name, outcome in done.items()}


@pytest.mark.parametrize("name", [*FLAGS, *FOLDERS])
def test_one_sentence_says_what_is_wrong(outcomes, name):
    code, out, err, workdir = outcomes[name]
    _, expected = (FLAGS | FOLDERS)[name]
    assert code == 1
    assert out == ""
    sentences = [line for line in err.replace("\r", "\n").splitlines() if line.startswith("aml: ")]
    assert len(sentences) == 1, err
    assert expected in sentences[0], err
    assert "Traceback (most" not in err
    assert not (workdir / "finished.json").exists()
    assert not (workdir / "results.parquet").exists()
