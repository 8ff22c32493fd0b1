"""What goes wrong is one clear sentence on standard error that names the file, record or field; never a traceback."""

import os
import shutil

import launching
import pandas as pd
import pytest

FLAGS = {
    "unknown variant": (["--config={config}:ptbxl_41"], "aml has no variant 'ptbxl_41'; use one of ptbxl, ptbxl_40"),
    "no config file": (["--config=nowhere.py"], "nowhere.py"),
    "unknown field unlike any": (["--config.joint.foo=3"], "the configuration has no field 'foo'. --help lists"),
    "unknown field": (["--config.sedes=3"], "the configuration has no field 'sedes'. Did you mean \"seeds\""),
    "wrong type": (["--config.seeds=many"], "--config.seeds=many: must be a whole number from 1 to 10,000."),
    "unknown flag": (["--seeds=3"], "Unknown command line flag 'seeds'"),
    "no flag": (["config.seeds=3"], "'config.seeds=3' is no flag; flags begin with --"),
    "no seed": (["--config.seeds=0"], "--config.seeds=0: must be a whole number from 1 to 10,000."),
    "unknown arm": (
        ["--config.arms=('ncov', 'ncvo')"],
        "--config.arms=('ncov', 'ncvo'): must be a tuple of 0",
    ),
    "unknown data": (["--config.data=ptb"], "--config.data=ptb: must be ptbxl or simulated."),
    "unknown split": (["--config.split=half"], "--config.split=half: must be holdout or folds."),
    "no width": (["--width=0"], "--width=0: must be an integer in the range [1, 1000000]."),
    "no device": (["--cpu_devices=-3"], "--cpu_devices=-3: must be an integer in the range [1, 1024]."),
    "no switch": (["--debug=3"], "--debug=3: must be true or false."),
    "unknown part": (
        ["--part=joined"],
        "--part=joined: is no part of this run, whose parts are cohort, ",
    ),
    "no data folder given": (["--config={config}:ptbxl"], "say where it is with --config.data_dir=DIR"),
    "no data folder there": (
        ["--config={config}:ptbxl", "--config.data_dir=nowhere"],
        "data_dir=nowhere: is no folder",
    ),
    "resolution": (
        ["--config={config}:ptbxl", "--config.data_dir={ptbxl}", "--config.resolution=250"],
        "--config.resolution=250: must be 100 or 500.",
    ),
    "workdir is a file": (["--workdir={file}"], "/file: is no folder that can be written (it is a file); name one wh"),
    "workdir in a file": (["--workdir={file}/run"], "/file/run: is no folder that can be written (Not a directory)"),
    "read-only workdir": (["--workdir=/proc/run"], "--workdir=/proc/run: is no folder that can be written ("),
    "too few subjects": (["--config.simulated_subjects=0"], "_subjects=0: must be a whole number from 20 to 100,000."),
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
    (folder / "file").touch()
    places = {"config": launching.ROOT / "experiments/configs/aml.py", "ptbxl": folder / "ptbxl"}
    places["file"] = folder / "file"
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
    cases = {name: [module, f"--workdir=runs/{name}", *arguments] for name, (module, *arguments) in cases.items()}
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
    assert (workdir / "config.json").exists() == (name in FOLDERS)
