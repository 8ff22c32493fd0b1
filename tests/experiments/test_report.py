"""The report: its numbers against pandas and SciPy, its page as a browser would take it, and its words on bad input."""

import html
import json
import re
import shutil

import launching
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic_aml_run import change, write_page, write_run

from experiments.aml import findings, report, styles
from experiments.aml.front import front
from experiments.aml.tables import PAPER
from experiments.report import page as page_module
from experiments.results.reading import read_workdir

FIGURES = {"readers", "average_beats", "figure_2", "front", "score_against_age", "errors_by_age", "training"}


@pytest.fixture(scope="session")
def page(workdir):
    return write_page(workdir).read_text()


def final(workdir, method, metric):
    """The members' final values, read without any of the report's own code."""
    rows = pd.read_parquet(workdir / "results.parquet")
    rows = rows[(rows["method"] == method) & (rows["metric"] == metric) & (rows["split"] == "evaluate")]
    return rows[rows["epoch"].isna()]["value"].to_numpy(dtype=float, na_value=np.nan)


def tables(page):
    """Every table of the page by its first 30 characters of caption, as rows of cells without markup."""
    found = {}
    for body in re.findall(r"<table[^>]*>(.*?)</table>", page, re.S):
        caption = re.search(r"<caption>(.*?)</caption>", body, re.S)
        rows = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in re.findall(r"<tr>(.*?)</tr>", body, re.S)]
        rows = [[html.unescape(re.sub(r"<[^>]+>", "|", cell)).strip("|") for cell in row] for row in rows if row]
        found[caption.group(1)[:30] if caption else rows[0][0]] = rows
    return found


def written(value, decimals=3):
    return f"{value:.{decimals}f}".replace("-", "−")


# The age study's page.


def test_tables_hold_the_members_mean_and_spread(workdir, page):
    rows = {row[0]: row for row in tables(page)["Detection of infarction, evalu"]}
    for label, method in (("Baseline", "baseline"), ("NCOV", "ncov"), ("Joint, HSIC", "joint_hsic")):
        values = final(workdir, method, "roc_auc")
        low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
        expected = f"{written(values.mean())} ± {written(values.std(ddof=1))}||[{written(low)}, {written(high)}]"
        assert rows[label][6] == expected
        assert rows[label][1] == "5"
    simple = {row[0]: row for row in tables(page)["Simple methods on the same ave"]}
    assert simple["Gradient boosting"][5] == "0.976"


def test_paper_and_ours_stand_side_by_side(workdir, page):
    body = next(rows for caption, rows in tables(page).items() if "figures, of" in caption)
    rows = {(row[0], row[1]): row for row in body}
    assert len(rows) == len(PAPER)
    ours = final(workdir, "baseline", "accuracy")
    row = rows["Baseline", "accuracy"]
    assert row[2] == "0.87"
    assert row[3] == f"{written(ours.mean())} ± {written(ours.std(ddof=1))}"
    assert row[7] == written(ours.mean() - 0.87)
    intervals = pd.read_parquet(workdir / "intervals.parquet")
    head = intervals[(intervals["method"] == "baseline") & (intervals["metric"] == "age_pearson")]
    expected = f"[{written(head['low'].mean())}, {written(head['high'].mean())}]"
    assert rows["Age head", "correlation with age"][6] == expected
    assert rows["NCOV", "correlation with age"][2] == "−0.03"


def test_differences_are_paired_with_the_control(workdir, page):
    rows = {row[0]: row for row in tables(page)["Each arm minus its control, pa"]}
    gained = final(workdir, "ncov", "roc_auc") - final(workdir, "no_adversary", "roc_auc")
    cell = rows["NCOV||minus No adversary"][3]
    assert cell.startswith(f"{written(gained.mean())} ± {written(gained.std(ddof=1))}|")


def test_diverged_arm_is_called_diverged_and_counted(page):
    rows = {row[0]: row for row in tables(page)["Detection of infarction, evalu"]}
    assert rows["Reversed MSE"][1].endswith("3 diverged")
    assert "n = 2 of 5" in rows["Reversed MSE"][2]
    assert "Diverged: Reversed MSE (3 of 5 diverged)." in page
    assert "ran off: predictions −8.3×10⁴ ± 1.2×10⁵ years" in page
    ended = {row[0]: row for row in tables(page)["How the members ended."]}
    assert ended["reversed_mse"][1:] == ["5", "2", "0", "3 of 5"]


def test_statements_say_fooled_and_remaining_apart(workdir):
    values, counts = styles.arm_values(read_workdir(workdir))
    found = findings.Findings(values, counts)
    question, answer, lines, _ = findings.head(found)
    assert "fooled" in question
    # NCOV and NCOV within the healthy; one is at 0.1, one ran off and has not learned.
    assert answer == "Yes, by 2 of the 3 arms that can be judged"
    _, answer, lines, _ = findings.remaining(found)
    most = max(final(workdir, "ncov", f"probe_{probe}_r2_healthy").mean() for probe in ("ridge", "mlp", "boosting"))
    assert f"NCOV: {written(most)} of " in answer
    assert dict(line[:2] for line in lines)["NCOV"] == f"{written(most)} (MLP)"
    _, answer, lines, _ = findings.majority(found)
    assert answer == "7 of 8 arms do"
    assert dict((line[0], line[2]) for line in lines)["Reversed MSE"].startswith("not above")


def test_constant_prediction_is_no_fooled_head(copy):
    narrow = lambda rows: rows.assign(value=rows["value"].mask(rows["metric"] == "predicted_age_std", 0.2))  # noqa: E731
    change(copy, "results", narrow)
    values, counts = styles.arm_values(read_workdir(copy))
    _, answer, lines, _ = findings.head(findings.Findings(values, counts))
    assert answer == "By none of the 3 arms that can be judged"
    assert "a constant" in dict((line[0], line[2]) for line in lines)["NCOV"]


def test_every_alpha_of_a_sweep_is_an_arm(tmp_path):
    workdir = write_run(tmp_path / "run", seeds=2, alphas=(0.0, np.float32(0.001), 1.0), examples=80)
    values, counts = styles.arm_values(read_workdir(workdir))
    swept = [arm for arm in counts["arm"] if arm.startswith("NCOV, α")]
    assert swept == ["NCOV, α = 0", "NCOV, α = 0.001", "NCOV, α = 1"]
    assert counts.set_index("arm").loc["NCOV, α = 0.001", "shown"]
    assert counts.set_index("arm").loc["Joint, HSIC, α = 1", "shown"]
    assert counts["shown"].sum() == counts["method"].nunique()
    one = values[(values["arm"] == "NCOV, α = 1") & (values["metric"] == "roc_auc")]["value"]
    expected = pd.read_parquet(workdir / "members.parquet").query("method == 'ncov' and alpha == 1.0")["member"]
    rows = pd.read_parquet(workdir / "results.parquet").query("method == 'ncov' and metric == 'roc_auc'")
    rows = rows[rows["epoch"].isna() & rows["member"].isin(expected)]
    np.testing.assert_array_equal(np.sort(one), np.sort(rows["value"]))
    # A run without the control of an arm compares it with its own alpha 0.
    name, control = styles.control_of(values[values["method"] != "no_adversary"], "ncov")
    assert name == "NCOV, α = 0"
    assert set(control["alpha"]) == {0.0}
    blocks = [block for section in report.sections(read_workdir(workdir)) for block in section.blocks]
    assert "NCOV, α = 1" in {row[0] for block in blocks if block.kind == "table" for row in block.rows}


# The page as a file.


def test_figures_are_saved_and_embedded(workdir, page):
    saved = {path.stem: path.read_bytes() for path in (workdir / "figures").glob("*.png")}
    assert set(saved) == FIGURES
    assert page.count("data:image/png;base64,") == len(FIGURES)
    for content in saved.values():
        assert content.startswith(b"\x89PNG")
        assert page_module.base64.b64encode(content).decode() in page
    assert not [path.name for path in workdir.rglob(".*")], "no temporary file is left"


def test_page_loads_nothing(page):
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:image/png|#)""", page)
    assert not re.search(r"<script|<link|<iframe|@import|url\(", page)
    assert "default-src 'none'" in page


def test_anchors_of_the_navigation_exist(page):
    targets = re.findall(r'href="#([^"]+)"', page)
    assert len(targets) == len(set(targets)) == 11
    assert set(targets) <= set(re.findall(r'id="([^"]+)"', page))


def test_text_from_data_is_escaped_and_an_arm_of_nan_stays_on_the_page(copy):
    attack = "<script>alert(1)</script>"
    change(copy, "rejected", lambda rows: rows.assign(detail=attack, id=attack))
    change(copy, "cohort", lambda rows: rows.assign(step=attack))
    (copy / "config.json").write_text(json.dumps({"note": attack, "data": "simulated"}))
    change(copy, "results", lambda rows: rows[rows["epoch"].isna()])
    change(copy, "results", lambda rows: rows.assign(value=rows["value"].mask(rows["method"] == "ncov")))
    change(copy, "predictions", lambda rows: rows.assign(predicted_age=np.nan, prediction=np.nan))
    page = write_page(copy).read_text()
    assert attack not in page
    assert page.count(html.escape(attack)) >= 100
    rows = {row[0]: row for row in tables(page)["Detection of infarction, evalu"]}
    assert rows["NCOV"][2] == "NaN||5 of 5"
    assert "On a simulated cohort." in page
    assert page.count("<dt>NCOV</dt><dd>NaN</dd>") == 3
    assert "NCOV: no finite value." in page


def test_rejected_records_are_counted_and_the_first_fifty_listed(page):
    found = tables(page)
    assert found["120 records were lost to damag"] == [["quality", "120"]]
    assert len(found["0"]) == 50


def test_only_results_and_members_are_needed(copy):
    for name in ("intervals", "predictions", "cohort", "rejected", "average_beats"):
        (copy / f"{name}.parquet").unlink()
    for name in ("config", "environment"):
        (copy / f"{name}.json").unlink()
    change(copy, "results", lambda rows: rows[(rows["method"] == "baseline") & rows["epoch"].isna()])
    page = write_page(copy).read_text()
    sentences = "wrote no cohort table", "no environment.json", "wrote no training curves", "holds no simple methods"
    for sentence in sentences:
        assert sentence in page


def test_command_line_builds_the_page_again(copy, tmp_path_factory):
    # A study without a page of its own, and few of its curves.
    change(copy, "results", lambda rows: rows[rows["epoch"].isna() | (rows["metric"] == "loss")])
    change(copy, "results", lambda rows: rows.assign(experiment="another"))
    folder = tmp_path_factory.mktemp("command_line")
    incomplete = shutil.copytree(copy, folder / "incomplete")
    (incomplete / "results.parquet").unlink()
    workdirs = {"whole": copy, "incomplete": incomplete}
    cases = {name: ["experiments.report", f"--workdir={workdir}"] for name, workdir in workdirs.items()}
    done = launching.start_each(folder, cases)
    code, out, error = done["whole"]
    assert code == 0, error
    assert str(copy / "report.html") in out
    assert tables((copy / "report.html").read_text())["Every metric on the evaluation"]
    code, _, error = done["incomplete"]
    assert code == 1
    assert "results.parquet does not exist" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("reading", [np.nan, -3.0])
def test_front_can_be_drawn_where_no_probe_reads_anything(workdir, reading):
    values, _ = styles.arm_values(read_workdir(workdir))
    values = values.assign(value=values["value"].mask(values["metric"] == "probe_ridge_r2_healthy", reading))
    drawing = front(values, "probe_ridge_r2_healthy", "roc_auc", ("left", "up"))
    low, high = drawing.axes[0].get_xlim()
    assert low < (0.5 if np.isnan(reading) else reading) < high
