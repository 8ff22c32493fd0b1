"""The fairness study's tables mark what is decided and say why a figure is undefined.

That their numbers are the run's is tested on the page, in test_mtate_report.py.
"""

from synthetic_aml_run import change
from synthetic_mtate_run import planted, write_run

from experiments.mtate import judged, tables
from experiments.mtate.judged import AUC
from experiments.results.reading import read_workdir


def test_a_decided_difference_is_marked(mtate_found):
    marked = planted(mtate_found, "lstm", AUC, -0.05, -0.09, -0.01, 0.02)
    rows = {row[0]: row for row in tables.comparison_table(marked).rows}
    assert rows["LSTM"][1].main == "−0.050 *"
    assert rows["RETAIN"][1].main == "+0.010"


def test_a_group_without_deaths_is_undefined_with_its_reason(tmp_path):
    workdir = write_run(tmp_path / "run", ("lstm", "mtate"))
    needs = ("equal_opportunity_difference", "mean_equalized_odds_difference", "equalized_odds_difference",
             "roc_auc_difference", "pr_auc_difference")  # fmt: skip

    def lost(rows, columns):
        gone = rows["task"].isin(["sex", "all"]).fillna(value=False) & rows["metric"].isin(needs)
        return rows.assign(**{name: rows[name].mask(gone) for name in columns})

    def no_deaths(rows):
        gone = (rows["task"] == "sex") & (rows["group"] == 0)
        undefined = gone & rows["rate"].isin(["true_positive_rate", "roc_auc", "pr_auc"])
        return rows.assign(positive=rows["positive"].mask(gone, 0), value=rows["value"].mask(undefined))

    change(workdir, "results", lambda rows: lost(rows, ["value"]))
    change(workdir, "intervals", lambda rows: lost(rows, ["estimate", "low", "high"]))
    change(workdir, "groups", no_deaths)
    found = judged.judged(read_workdir(workdir))
    gaps = tables.gap_table(found, "sex")
    row = next(row for row in gaps.rows if row[0] == "MTATE")
    assert [cell.main == "undefined" for cell in row[1:]] == [False, True, True, True, True, True, False]
    assert row[2].sub == "no deaths, women"
    assert "women: 52 windows, 0 deaths" in gaps.caption
    main = next(row for row in tables.methods_table(found, "evaluate", found.methods, "").rows if row[0] == "MTATE")
    assert main[-1].main == "undefined"
    assert main[-1].sub == "in sex"
    assert main[5].main != "undefined"
    groups = next(row for row in tables.group_table(found, "mtate").rows if row[1] == "women")
    assert groups[3].main == "0"
    assert groups[6].main == "undefined"


def test_a_rule_without_a_threshold_for_some_group_is_undefined_with_its_reason(tmp_path):
    workdir = write_run(tmp_path / "run", ("lstm", "mtate", "lstm_threshold_optimizer"))
    scores = ["roc_auc", "pr_auc", "brier"]

    def lost(rows, columns):
        gone = (rows["method"] == "lstm_threshold_optimizer") & ~rows["metric"].isin(scores)
        return rows.assign(**{name: rows[name].mask(gone) for name in columns})

    change(workdir, "results", lambda rows: lost(rows, ["value"]))
    change(workdir, "intervals", lambda rows: lost(rows, ["estimate", "low", "high"]))
    found = judged.judged(read_workdir(workdir))
    rows = tables.methods_table(found, "evaluate", found.methods, "").rows
    _, _, area, accuracy, _, *gaps = next(row for row in rows if row[0] == "LSTM, threshold optimizer")
    assert area.main != "undefined"
    assert [cell.sub for cell in (accuracy, *gaps)] == ["no threshold for a group in a fold"] * 4
