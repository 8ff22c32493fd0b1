"""What the report says of a run's folder that it cannot show, and that it leaves the page of before."""

import os

import pandas as pd
import pytest
from synthetic_aml_run import change, write_page, write_run

from experiments.aml import styles
from experiments.report import page as page_module
from experiments.report.blocks import Section, Text
from experiments.results.reading import read_workdir


def test_bad_workdirs_get_one_clear_sentence(copy):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        page_module.write_report(copy / "nowhere")
    whole = pd.read_parquet(copy / "results.parquet")
    whole.iloc[:0].to_parquet(copy / "results.parquet")
    with pytest.raises(ValueError, match="has no rows"):
        page_module.write_report(copy)
    whole.drop(columns="split").to_parquet(copy / "results.parquet")
    with pytest.raises(ValueError, match="has no column 'split'"):
        page_module.write_report(copy)
    (copy / "results.parquet").write_bytes(b"PAR1 but no parquet")
    with pytest.raises(ValueError, match="cannot be read as a parquet table"):
        page_module.write_report(copy)
    (copy / "results.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"results\.parquet does not exist"):
        page_module.write_report(copy)
    assert not (copy / "report.html").exists()


def test_bad_side_tables_are_named(copy):
    change(copy, "predictions", lambda rows: rows.drop(columns="age"))
    with pytest.raises(ValueError, match=r"predictions\.parquet has no column 'age'"):
        write_page(copy)
    (copy / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is not valid JSON"):
        write_page(copy)


def test_member_of_a_swept_method_must_be_known(tmp_path):
    workdir = write_run(tmp_path / "run", seeds=1, alphas=(0.0, 1.0), examples=40)
    change(workdir, "members", lambda rows: rows[~(rows["method"].eq("ncov") & rows["alpha"].eq(1.0))])
    another = {"member": 99, "alpha": 2.0}
    change(workdir, "members", lambda rows: pd.concat([rows, rows[rows["method"] == "ncov"].assign(**another)]))
    with pytest.raises(ValueError, match="member 1 of method 'ncov'"):
        styles.arm_values(read_workdir(workdir))


def test_page_appears_whole_or_not_at_all(copy, monkeypatch):
    (copy / "report.html").write_text("the page of before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page_module, "provenance", lambda run: Section("Run", []))
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        page_module.write_report(copy, lambda run: [Section("One", [Text("a sentence")])])
    assert (copy / "report.html").read_text() == "the page of before"
    assert not [path.name for path in copy.rglob(".*")]
