"""What goes wrong in the fairness study is one clear sentence on standard error; never a traceback.

That each source's reader names what is wrong is tested in tests/data_pipelines and test_mtate_bad_data.py; here, that
it arrives at who started the study.
"""

import launching
import mtate_folders
import pytest

FLAGS = {
    "unknown variant": (["--config={config}:eicu"], "mtate has no variant 'eicu'; use one of challenge2012, rolling"),
    "unknown field": (["--config.arm=3"], "the configuration has no field 'arm'. Did you mean \"arms\""),
    "no data folder": (["--config={config}:mimic"], "say where it is with --config.data_dir=DIR"),
    "no feature left": (
        ["--config.mtate.masking_rate=0.99", "--config.arms=('mtate',)"],
        "A masking rate of 0.99 leaves none of the 16 features; the largest that leaves one is below 0.9688.",
    ),
}


def _edited(name, good, bad):
    def spoil(folder):
        text = (folder / name).read_text()
        assert good in text
        (folder / name).write_text(text.replace(good, bad, 1))

    return spoil


def _women_leave(folder):
    lines = (folder / "patient.csv").read_text().splitlines()
    kept = [",".join([*line.split(",")[:-1], "600"]) if ",Female," in line else line for line in lines]
    (folder / "patient.csv").write_text("\n".join(kept) + "\n")


def _nobody_dialysed(folder):
    (folder / "procedures_icd.csv").write_text("subject_id,hadm_id,icd9_code\n")


# Flags, what is spoilt, what is said.
EICU = {
    "no table": ([], lambda folder: (folder / "diagnosis.csv").unlink(), "missing (comorbidities by ICD code)"),
    "no number": ([], _edited("patient.csv", ",41,", ",old,"), "age of stay 1003 is 'old', which is no number."),
    "one group": ([], _women_leave, "windows are of one group of domain 'sex' (men), so nothing can be compared"),
    "no domain of the source": (["--config.domains=('age','unit')"], None, "'unit' needs icu_type, which these stays"),
    "long windows": (["--config.window=81"], None, "no stay is left with a window of 81 hours"),
    "more folds than hospitals": (["--config.folds=30"], None, "k must be 2 to 24"),
}
MIMIC = {
    "no charts": ([], lambda folder: (folder / "chartevents.csv").unlink(), "no table chartevents (vital signs"),
    "no time": ([], _edited("labevents.csv", " 00:30:00", " soon"), "which is no time"),
    "a stay twice": ([], _edited("icustays.csv", ",5000,", ",4999,"), "stay 4999 is there twice"),
    "no cohort": (
        [],
        _nobody_dialysed,
        "has acute kidney injury with dialysis; take all with --config.dialysed_injury",
    ),
    "long windows": (["--config.window=60"], None, "no stay is as long as a window of 60 hours"),
}
CASES = {
    **{name: ("", *case) for name, case in FLAGS.items()},
    **{f"eicu: {name}": ("eicu_demo", *case) for name, case in EICU.items()},
    **{f"mimic: {name}": ("mimic", *case) for name, case in MIMIC.items()},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bad_input_mtate")


@pytest.fixture(scope="module")
def outcomes(folder):
    """All cases, each in a process of its own; by name: exit code, standard output, standard error, its workdir."""
    config = launching.variant(study="mtate").removeprefix("--config=")
    write = {"eicu_demo": mtate_folders.eicu, "mimic": mtate_folders.mimic}
    cases = {}
    for number, (variant, arguments, *rest) in enumerate(CASES.values()):
        own = [argument.format(config=config) for argument in arguments]
        if variant:
            data = write[variant](folder / f"data-{number}")
            if rest[0]:
                rest[0](data)
            own = [f"--config={config}:{variant}", f"--config.data_dir={data}", *own]
        cases[f"case-{number}"] = ["experiments.mtate", *own, f"--workdir={folder / f'run-{number}'}"]
    done = launching.start_each(folder, cases, "experiments.mtate.study")
    return {name: (*done[f"case-{number}"], folder / f"run-{number}") for number, name in enumerate(CASES)}


@pytest.mark.parametrize("name", CASES)
def test_one_sentence_says_what_is_wrong(outcomes, name):
    code, out, error, workdir = outcomes[name]
    assert code == 1
    assert out == ""
    lines = error.replace("\r", "\n").splitlines()  # Also of the progress bar, whose arm may be MTATE.
    sentences = [line for line in lines if line.startswith("mtate: ") and "epoch" not in line]
    assert len(sentences) == 1, error
    assert CASES[name][-1] in sentences[0], error
    assert "Traceback (most" not in error
    assert not (workdir / "finished.json").exists()
