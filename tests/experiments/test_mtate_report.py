"""The fairness study's page: its numbers against the run's tables, and its words on what is missing."""

import html
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic_aml_run import change
from synthetic_mtate_run import DOMAINS, plus, write_run, written

from experiments.mtate import findings, judged, report, summary, tables
from experiments.mtate.judged import AUC
from experiments.mtate.verdicts import UNKNOWN
from experiments.report.page import write_report
from experiments.report.style import STYLE
from experiments.results.reading import read_workdir
from jaxfair import manifest


@pytest.fixture(scope="module")
def page(mtate_workdir):
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(STYLE, "savefig.dpi", 40)  # Pixels are most of a page's time.
        path = write_report(mtate_workdir, report.sections, title=report.TITLE, lead=report.LEAD)
    return path.read_text()


def rows_of(page, start):
    """The table whose caption or summary starts so, as rows of cells, by their first words."""
    start = re.escape(start.replace("'", "&#39;"))
    found = re.search(rf"(?:<caption>|<summary>){start}.*?</table>", page, re.S).group()
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in re.findall(r"<tr>(.*?)</tr>", found, re.S)]
    return [[html.unescape(re.sub(r"<[^>]+>", "|", cell)).strip("|") for cell in row] for row in rows if row]


def seed_values(workdir, method, metric, split="evaluate", task=None):
    rows = pd.read_parquet(workdir / "results.parquet")
    rows = rows[(rows["method"] == method) & (rows["metric"] == metric) & (rows["split"] == split)]
    return rows[rows["task"].isna() if task is None else rows["task"] == task]["value"].to_numpy(float)


def test_main_table_holds_seeds_patients_and_subpopulations(mtate_workdir, page):
    rows = {row[0]: row for row in rows_of(page, "All models at the natural prevalence")}
    assert list(rows)[:5] == ["Transformer", "LSTM", "RETAIN", "DANN*", "MTATE"]
    values = seed_values(mtate_workdir, "mtate", "roc_auc")
    mean, sd = values.mean(), values.std(ddof=1)
    logit, half = np.log(mean / (1 - mean)), stats.t.ppf(0.975, 2) * sd / np.sqrt(3) / (mean * (1 - mean))
    low, high = (1 / (1 + np.exp(-(logit + sign * half))) for sign in (-1, 1))
    groups = pd.read_parquet(mtate_workdir / "groups.parquet").query(
        "method == 'mtate' and split == 'evaluate' and rate == 'roc_auc'"
    )
    lines = rows["MTATE"][2].replace("||", "\n").split("\n")
    assert lines == [
        f"{written(mean)} ± {written(sd)}",
        f"S [{written(low)}, {written(high)}]",
        f"P [{written(mean - 0.02)}, {written(mean + 0.05)}]",
        f"G {written(groups['value'].std(ddof=1))}",
    ]
    # Of a gap the spread is over the domains.
    gap = "mean_equalized_odds_difference"
    between = np.std([seed_values(mtate_workdir, "mtate", gap, task=name).mean() for name in DOMAINS], ddof=1)
    assert rows["MTATE"][7].endswith(f"G {written(between)}")
    assert rows["Gradient boosting"][1] == "1"
    assert "±" not in rows["Gradient boosting"][2]


def test_the_papers_figures_stand_beside_ours(mtate_workdir, page):
    rows = {(row[0], row[1]): row for row in rows_of(page, "The paper's Table A1 beside ours")}
    assert len(rows) == 30
    values = seed_values(mtate_workdir, "dann", "demographic_parity_difference", "evaluate_1_to_1", "all")
    row = rows["DANN*", "DPD"]
    assert row[2:5] == ["0.21", "0.19", f"{written(values.mean())} ± {written(values.std(ddof=1))}"]
    assert row[7] == f"[{written(values.mean() - 0.02)}, {written(values.mean() + 0.05)}]"
    assert row[9] == plus(values.mean() - 0.21)


def test_gaps_groups_and_differences_are_those_of_the_tables(mtate_workdir, page):
    rows = {row[0]: row for row in rows_of(page, "Age (under 65: 52 windows, 12 deaths; 65 or older: 60 windows, 40")}
    values = seed_values(mtate_workdir, "lstm", "pr_auc_difference", task="age").mean()
    low, high = written(values - 0.02), written(values + 0.05)
    assert rows["LSTM"][6] == f"{written(values)}||[{low},\u00a0{high}]"
    groups = rows_of(page, "The groups of each domain")
    assert [row[:5] for row in groups[:2]] == [
        ["age", "under 65", "52", "12||few", "0.231"],
        ["age", "65 or older", "60", "40", "0.667"],
    ]
    found = {row[0]: row for row in rows_of(page, "MTATE minus each other model")}
    assert found["LSTM"][1] == "+0.010||[−0.020, 0.030]\np 0.400\nHolm 1.000"
    assert "MTATE" not in found
    chosen = {row[0]: row for row in rows_of(page, "Which candidate was chosen")}
    assert chosen["LSTM"][1] == "learning rate 0.0003: 6 of 6"
    trained = {row[0]: row for row in rows_of(page, "Epochs of the chosen members")}
    assert trained["LSTM"][1:] == ["6", "4.0 (4 to 4)", "3.3 (3 to 4)", "2", "0"]


def test_every_figure_has_a_caption_and_is_embedded(mtate_workdir, page):
    names = {"figure_3", "figure_a2", "front", "figure_4", "patient", "calibration", "training"}
    assert {path.stem for path in (mtate_workdir / "figures").glob("*.png")} == names
    assert page.count("data:image/png;base64,") == len(names)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page, re.S)
    assert len(captions) == len(names)
    for caption in captions:
        assert re.search(r"n = \d|\d+ patients", caption), caption
        assert re.search("interval|SD", caption), caption
    assert "stay 132539" in page
    assert "0.875" in page
    assert "Challenge 2012, hospital death from the first 48 hours: what others have published" in page
    assert "simulated" not in page
    targets = re.findall(r'href="#([^"]+)"', page)
    assert set(targets) <= set(re.findall(r'id="([^"]+)"', page))
    assert len(targets) == 12


# What is missing.


def sentences(run):
    """All words of a page, without drawing its figures."""
    blocks = [block for section in report.sections(run) for block in section.blocks]
    found = [str(block._replace(drawing=None) if block.kind == "figure" else block) for block in blocks]
    return "\n".join(found)


def test_only_results_and_members_are_needed(tmp_path):
    workdir = write_run(tmp_path / "run", ("lstm", "mtate"), config={"data": "simulated"})
    for path in workdir.glob("*.parquet"):
        if path.stem not in ("results", "members"):
            path.unlink()
    (workdir / "config.json").unlink()
    manifest.write(workdir)
    change(workdir, "results", lambda rows: rows[rows["epoch"].isna()])
    text = sentences(read_workdir(workdir))
    for words in (
        "no differences from MTATE", "no cohort table", "no gaps by domain", "no intervals",
        "no model of the paper's own to compare", "kept no attention", "no predictions",
        "neither ablations nor masking", "no training curves",
    ):  # fmt: skip
        assert words in text, words
    assert "MTATE" in summary.summary(read_workdir(workdir))


def test_a_diverged_method_is_nan_and_decides_nothing(tmp_path):
    workdir = write_run(tmp_path / "run", ("lstm", "mtate"))
    mask = lambda rows, columns: rows.assign(**{name: rows[name].mask(rows["method"] == "lstm") for name in columns})  # noqa: E731
    change(workdir, "results", lambda rows: mask(rows, ["value"]))
    change(workdir, "intervals", lambda rows: mask(rows, ["estimate", "low", "high"]))
    change(workdir, "groups", lambda rows: mask(rows, ["value", "low", "high"]))
    change(workdir, "comparisons", lambda rows: mask(rows, ["difference", "low", "high", "p", "p_holm"]))
    change(workdir, "predictions", lambda rows: mask(rows, ["prediction", "decision"]))
    change(workdir, "members", lambda rows: rows.assign(status="diverged"))
    run = read_workdir(workdir)
    found = judged.judged(run)
    _, answer, lines, _ = findings.best(found, AUC)
    assert answer == UNKNOWN
    assert lines[0][1] == "undefined"
    row = next(row for row in tables.methods_table(found, "evaluate", found.methods, "").rows if row[0] == "LSTM")
    assert row[2].main == "undefined"
    assert row[2].sub == "no finite prediction"
    assert "12 of 12" in sentences(run)
    assert "NaN" in summary.summary(run)
