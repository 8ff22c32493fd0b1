"""What the report says of a run's folder that it cannot show, and that it leaves the page of before."""

import os

import pandas as pd
import pytest
from synthetic_aml_run import change, write_page, write_run

from experiments.aml import styles
from experiments.report import page as page_module
from experiments.report.blocks import Section, Text
from experiments.results.reading import read_workdir
from jaxfair import manifest


def test_bad_workdirs_get_one_clear_sentence(copy):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        page_module.write_report(copy / "nowhere")
    whole = pd.read_parquet(copy / "results.parquet")
    change(copy, "results", lambda rows: rows.iloc[:0])
    with pytest.raises(ValueError, match="has no rows"):
        page_module.write_report(copy)
    change(copy, "results", lambda rows: whole.drop(columns="split"))
    with pytest.raises(ValueError, match="has no column 'split'"):
        page_module.write_report(copy)
    (copy / "results.parquet").write_bytes(b"PAR1 but no parquet")
    manifest.write(copy)
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
    manifest.write(copy)
    with pytest.raises(ValueError, match=r"config\.json is not valid JSON"):
        write_page(copy)


def test_a_table_of_another_run_or_changed_since_is_refused(copy, tmp_path_factory):
    another = write_run(tmp_path_factory.mktemp("another") / "run", seeds=1, examples=40)
    for name in ("results.parquet", "predictions.parquet", "environment.json"):
        before = (copy / name).read_bytes()
        (copy / name).write_bytes((another / name).read_bytes() if name != "environment.json" else b"{}")
        with pytest.raises(ValueError, match=rf"{name} is damaged: .*; only what the run itself wrote is shown"):
            write_page(copy)
        (copy / name).write_bytes(before)
    (copy / "intervals.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"intervals\.parquet does not exist"):
        write_page(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(ValueError, match=r"manifest\.json is missing; only what the run"):
        write_page(copy)
    assert not (copy / "report.html").exists()


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
