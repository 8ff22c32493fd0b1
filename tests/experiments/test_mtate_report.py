"""The fairness study's page: its numbers against its tables, its verdicts, and its words on what is missing."""

import dataclasses
import html
import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.mtate import ablation_findings, findings, judged, report, summary, tables, verdicts
from experiments.mtate.judged import AUC, EQOD
from experiments.mtate.published import TABLE_A1
from experiments.mtate.verdicts import CONTRADICTED, HOLDS, UNDECIDED, UNKNOWN
from experiments.report.page import write_report
from experiments.report.style import STYLE
from experiments.results.reading import read_workdir
from jaxfair import manifest

DOMAINS = ("age", "sex")
PLAIN = (
    "transformer", "lstm", "retain", "dann", "mtate", "mtate_unlabelled", "gradient_boosting", "lstm_group_thresholds",
    "lstm_threshold_optimizer", "mtate_svm",
)  # fmt: skip
DERIVED = PLAIN[-5:]  # Without members of their own.
ABLATIONS = (
    "mtate", "without_temporal", "without_feature", "without_representation", "without_masking", "without_contrastive",
)  # fmt: skip
MASKING = tuple(f"masking_{rate}" for rate in range(10))
SPLITS = ("evaluate", "evaluate_1_to_4", "evaluate_1_to_1")
OVERALL = (
    "roc_auc", "pr_auc", "accuracy", "balanced_accuracy", "selection_rate", "true_positive_rate", "false_positive_rate",
    "brier",
)  # fmt: skip
RATES = (
    "selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "roc_auc", "pr_auc", "calibration_bias",
)  # fmt: skip
GAPS = (*judged.GAPS, "calibration_bias_difference")
RESULT = ("experiment", "unit", "problem", "task", "backbone", "method", "stage", "split", "metric")


def write_run(workdir, methods=PLAIN, base="mtate", config=(), seeds=3):
    """A run of made-up figures: no method differs from the base by a decided difference."""
    rng = np.random.default_rng(5)
    workdir.mkdir(parents=True, exist_ok=True)
    results, intervals, groups, choices, members, predictions = [], [], [], [], [], []
    for method in methods:
        trained = method not in DERIVED
        for split in (*SPLITS, "evaluate_by_worst_group", "evaluate_by_closest_to_ideal"):
            if split not in SPLITS and not trained:
                continue
            for task in ("", *DOMAINS, "all"):
                for metric in GAPS if task else OVERALL:
                    values = rng.uniform(0.05, 0.3, seeds) if task else rng.uniform(0.6, 0.8, seeds)
                    if method == "gradient_boosting":
                        values = values[:1]
                    for seed, value in enumerate(values):
                        results.append(_row(method, "evaluation", split, metric, value, seed=seed, task=task or None))
                    if split in SPLITS:
                        mean = values.mean()
                        one = {"method": method, "split": split, "task": task, "metric": metric}
                        intervals.append(one | {"estimate": mean, "low": mean - 0.02, "high": mean + 0.05})
            for name in DOMAINS if split in SPLITS else ():
                for group, count, positive in ((0, 40, 12), (1, 20, 40)):
                    for rate in RATES:
                        value = rng.uniform(0.3, 0.9)
                        one = {"method": method, "split": split, "task": name, "group": group, "rate": rate}
                        one |= {"value": value, "low": value - 0.1, "high": value + 0.1}
                        groups.append(one | {"count": count + positive, "positive": positive})
        for seed in range(seeds):
            for fold in (1, 2) if trained else ():
                for candidate in ("0", "1"):
                    who = {"member": len(members), "seed": seed, "fold": fold, "method": method, "candidate": candidate}
                    members.append(
                        who | {"status": "finished", "epochs_run": 4, "best_epoch": 2, "learning_rate": 1e-3}
                    )
                    members[-1]["learning_rate"] *= 0.3 if candidate == "1" else 1.0
                    for split in ("train", "validate"):
                        for epoch in range(4):
                            value = np.exp(-epoch) + 0.1 * int(candidate)
                            metric, value = ("loss", value) if split == "train" else ("roc_auc", 1 - value)
                            results.append(
                                _row(method, "classifier", split, metric, value, epoch, len(members) - 1, seed, fold)
                            )
                for rule in ("roc_auc", "worst_group", "closest_to_ideal"):
                    one = {"method": method, "seed": seed, "fold": fold, "candidate": "1", "best_epoch": 2 + seed % 2}
                    choices.append(one | {"epochs_run": 4, "rule": rule})
        for number in range(60):
            one = {"method": method, "seed": 0, "fold": 1, "id": number, "end": 48, "target": float(number % 5 == 0)}
            one |= {"prediction": rng.uniform(), "decision": 1.0}
            predictions.append(one | {"domain_age": float(number % 2), "domain_sex": float(number % 3 == 0)})
    compared = [
        {"base": base, "method": name, "task": task, "metric": metric, "difference": 0.01, "low": -0.02, "high": 0.03}
        | {"p": 0.4, "p_holm": 1.0}
        for task, metric in judged.MAIN
        for name in methods
        if name != base
    ]
    frames = {
        "results": pd.DataFrame(results).astype(
            {name: "Int64" for name in ("member", "seed", "fold", "epoch")} | dict.fromkeys(RESULT, "string")
        ),
        "members": pd.DataFrame(members),
        "intervals": pd.DataFrame(intervals).assign(undefined=0),
        "groups": pd.DataFrame(groups),
        "comparisons": pd.DataFrame(compared, columns=judged.COMPARISON_COLUMNS),
        "choices": pd.DataFrame(choices),
        "predictions": pd.DataFrame(predictions),
        "cohort": pd.DataFrame([("all stays", 130, 120, 120, 60), ("outcome known", 112, 112, 112, 52)],
                               columns=judged.COHORT_COLUMNS),
    }  # fmt: skip
    if "mtate" in methods:
        frames |= _attention(rng)
    for name, frame in frames.items():
        frame.to_parquet(workdir / f"{name}.parquet")
    stated = {"data": "challenge2012", "task": "hospital_death", "window": 48, "seeds": seeds, "folds": 2, "epochs": 4}
    stated |= {"domains": list(DOMAINS), "bootstrap_resamples": 1000, "train_set": "a", "evaluate_on": ""}
    (workdir / "config.json").write_text(json.dumps(stated | dict(config)))
    (workdir / "environment.json").write_text(json.dumps({"command": "python -m experiments.mtate"}))
    manifest.write(workdir)
    return workdir


def _row(method, stage, split, metric, value, epoch=None, member=None, seed=None, fold=None, task=None):
    row = {"experiment": "mtate", "unit": "fraction", "problem": None, "task": task, "member": member, "seed": seed}
    row |= {"fold": fold, "backbone": None, "method": method, "stage": stage, "epoch": epoch, "split": split}
    return row | {"metric": metric, "value": value}


def _attention(rng):
    table = pd.DataFrame(
        [
            {"fold": 1 + number % 2, "id": number, "end": 48, "domain": name, "group": 0.0}
            | dict(zip(("outcome_loss", "domain_loss", "weight"), rng.uniform(0.1, 0.9, 3), strict=True))
            for number in range(30)
            for name in DOMAINS
        ]
    )
    hours, variables = range(3), ("heart rate", "sodium")
    return {
        "attention": table,
        "patient_hours": pd.DataFrame({"hour": hours, "attention": [0.2, 0.3, 0.5]}),
        "patient_values": pd.DataFrame(
            [
                {"hour": hour, "variable": name, "value": 80.0 + hour, "standardized": hour - 1.0}
                for hour in hours
                for name in variables
            ]
        ),
        "patient_variables": pd.DataFrame(
            [{"domain": name, "variable": one, "attention": 0.5} for name in DOMAINS for one in variables]
        ),
        "patient_domains": pd.DataFrame(
            {"domain": DOMAINS, "group": 0.0, "probability": 0.4, "weight": 0.5, "id": 132539, "risk": 0.875}
        ),
    }


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("mtate") / "run")


@pytest.fixture(scope="module")
def found(workdir):
    return judged.judged(read_workdir(workdir))


@pytest.fixture(scope="module")
def page(workdir):
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(STYLE, "savefig.dpi", 40)  # Pixels are most of a page's time.
        path = write_report(workdir, report.sections, title=report.TITLE, lead=report.LEAD)
    return path.read_text()


def rows_of(page, start):
    """The table whose caption or summary starts so, as rows of cells, by their first words."""
    start = re.escape(start.replace("'", "&#39;"))
    found = re.search(rf"(?:<caption>|<summary>){start}.*?</table>", page, re.S).group()
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in re.findall(r"<tr>(.*?)</tr>", found, re.S)]
    return [[html.unescape(re.sub(r"<[^>]+>", "|", cell)).strip("|") for cell in row] for row in rows if row]


def written(value):
    return f"{value:.3f}".replace("-", "−")


def plus(value):
    return ("+" if value > 0 else "") + written(value)


def planted(found, method, key, difference, low, high, p_holm):
    """The same findings with another difference."""
    changed = found.comparisons.copy()
    columns = ["difference", "low", "high", "p_holm"]
    changed.loc[(method, *key), columns] = difference, low, high, p_holm
    return dataclasses.replace(found, comparisons=changed)


def seed_values(workdir, method, metric, split="evaluate", task=None):
    rows = pd.read_parquet(workdir / "results.parquet")
    rows = rows[(rows["method"] == method) & (rows["metric"] == metric) & (rows["split"] == split)]
    return rows[rows["task"].isna() if task is None else rows["task"] == task]["value"].to_numpy(float)


# Verdicts.


@pytest.mark.parametrize(
    ("low", "high", "p_holm", "more", "less"),
    [
        (0.01, 0.03, 0.01, HOLDS, CONTRADICTED),
        (-0.03, -0.01, 0.01, CONTRADICTED, HOLDS),
        (0.01, 0.03, 0.06, UNDECIDED, UNDECIDED),  # Not after Holm's correction.
        (-0.01, 0.03, 0.01, UNDECIDED, UNDECIDED),  # The interval holds 0.
        (0.01, 0.03, np.nan, UNDECIDED, UNDECIDED),
    ],
)
def test_a_claim_is_decided_by_interval_and_corrected_p_alone(low, high, p_holm, more, less):
    row = pd.Series({"difference": (low + high) / 2, "low": low, "high": high, "p": 0.001, "p_holm": p_holm})
    assert verdicts.verdict(row, AUC) == more
    assert verdicts.verdict(row, EQOD) == less
    assert verdicts.verdict(row.mask(row.index == "difference"), AUC) == UNKNOWN


def test_the_best_of_all_falls_with_one_and_holds_only_against_each():
    assert verdicts.of_all([HOLDS, HOLDS]) == HOLDS
    assert verdicts.of_all([HOLDS, CONTRADICTED]) == CONTRADICTED
    assert verdicts.of_all([HOLDS, UNDECIDED]) == verdicts.of_all([HOLDS, UNKNOWN]) == UNDECIDED
    assert verdicts.of_all([UNKNOWN]) == verdicts.of_all([]) == UNKNOWN


def test_best_names_who_is_better(found):
    baselines = ("transformer", "lstm", "retain", "dann")
    question, answer, lines, _ = findings.best(found, AUC)
    assert (question, answer) == ("Has MTATE the best ROC AUC?", "Not decided: better than 0 of 4")
    assert [line[0] for line in lines[:4]] == ["Transformer", "LSTM", "RETAIN", "DANN*"]
    # Thresholds by group have the LSTM's scores, and MTATE's own representation is no rival of it.
    assert lines[4] == ("1 other model", "1 undecided", "")
    better = found
    for name in baselines:
        better = planted(better, name, AUC, 0.05, 0.01, 0.09, 0.02)
    assert findings.best(better, AUC)[1] == HOLDS
    worse = planted(better, "retain", AUC, -0.05, -0.09, -0.01, 0.02)
    _, answer, lines, _ = findings.best(worse, AUC)
    assert answer == "Contradicted by RETAIN"
    assert lines[2] == ("RETAIN", "−0.050 [−0.090, −0.010]", "MTATE is worse, p = 0.020 after Holm")
    # Of a gap less is better.
    gap = planted(found, "lstm", EQOD, 0.05, 0.01, 0.09, 0.02)
    assert findings.best(gap, EQOD)[1] == "Contradicted by LSTM"


@pytest.mark.parametrize(
    ("gap", "area", "start"),
    [
        (0, 0, "Not decided"),
        (-1, 0, "Holds"),
        (-1, 1, "Holds"),
        (-1, -1, "Fairer, but at a lower ROC AUC"),
        (1, 0, "Contradicted"),
    ],
)
def test_fairer_at_the_same_area_needs_both_differences(found, gap, area, start):
    name, given = "lstm_group_thresholds", found
    for key, sign in ((EQOD, gap), (AUC, area)):
        if sign:
            low, high = sorted((0.01 * sign, 0.03 * sign))
            given = planted(given, name, key, 0.02 * sign, low, high, 0.01)
    _, answer, lines, note = findings.group_thresholds(given)
    assert answer == start
    row = given.difference(name, EQOD)
    assert lines[0][1] == f"{plus(row['difference'])} [{written(row['low'])}, {written(row['high'])}]"
    assert "same within 0.030" in note if not area else "same within" not in note


def test_the_optimizers_cost_is_in_balanced_accuracy(found):
    _, answer, lines, note = findings.threshold_optimizer(found)
    key = ("", "balanced_accuracy")
    cost = found.estimate("lstm_threshold_optimizer", key) - found.estimate("lstm", key)
    assert answer == UNDECIDED
    assert f"balanced accuracy by {plus(cost)};" in note
    assert written(found.estimate("mtate", key)) in dict(line[:2] for line in lines)["balanced accuracy, MTATE"]


def test_labels_summaries_and_other_classifiers(found):
    assert findings.labels(found)[1] == UNDECIDED
    helped = planted(found, "mtate_unlabelled", EQOD, -0.05, -0.09, -0.01, 0.02)
    assert findings.labels(helped)[1] == "Holds for EQOD"
    mixed = planted(helped, "mtate_unlabelled", AUC, -0.05, -0.09, -0.01, 0.02)
    assert findings.labels(mixed)[1] == "Mixed: better in EQOD, worse in ROC AUC"
    worse = planted(found, "gradient_boosting", AUC, -0.05, -0.09, -0.01, 0.02)
    assert findings.summaries(worse)[1] == "Contradicted by Gradient boosting"
    assert findings.representation(found)[1] == "Not decided: the same within 0.030"
    lost = planted(found, "mtate_svm", AUC, 0.05, 0.01, 0.09, 0.02)
    assert findings.representation(lost)[1] == "Contradicted for 1 of 1"


def test_ablations(tmp_path):
    run = read_workdir(write_run(tmp_path / "run", ABLATIONS))
    found = judged.judged(run)
    assert ablation_findings.parts_matter(found)[1] == "Not decided: best in 0 of 5 figures"
    assert ablation_findings.most_useful(found)[1] == UNDECIDED
    assert ablation_findings.masking_loss(found)[1] == UNDECIDED
    better = found
    for name in ABLATIONS[1:]:
        for task, metric in judged.MAIN:
            sign = -1 if task else 1
            low, high = sorted((0.01 * sign, 0.03 * sign))
            better = planted(better, name, (task, metric), 0.02 * sign, low, high, 0.01)
    assert ablation_findings.parts_matter(better)[1] == HOLDS
    assert ablation_findings.most_useful(better)[1] == UNDECIDED  # Decided, but as much as the others.
    most = planted(better, "without_representation", AUC, 0.2, 0.1, 0.3, 0.01)
    assert ablation_findings.most_useful(most)[1] == HOLDS
    overlapping = planted(better, "without_representation", AUC, 0.05, 0.02, 0.08, 0.01)
    assert ablation_findings.most_useful(overlapping)[1] == UNDECIDED
    other = planted(better, "without_temporal", AUC, 0.2, 0.1, 0.3, 0.01)
    assert ablation_findings.most_useful(other)[1] == CONTRADICTED
    accuracy = found.estimate("mtate", ("", "accuracy"))
    loss = planted(found, "without_masking", ("", "accuracy"), 0.16 * accuracy, 0.1, 0.2, 0.01)
    _, answer, _, note = ablation_findings.masking_loss(loss)
    assert answer == HOLDS
    assert "by 16.0 % of MTATE's; the paper's 18 %, as a share or in points, lies within the interval" in note
    assert ablation_findings.masking_rate(found) == []
    blocks = [block for section in report.sections(run) for block in section.blocks]
    table = next(block for block in blocks if block.kind == "table" and "Table 3" in block.caption)
    assert len(table.rows) == len(ABLATIONS)


def test_masking_rates(tmp_path):
    run = read_workdir(write_run(tmp_path / "run", MASKING, base="masking_4"))
    found = judged.judged(run)
    trend, among = ablation_findings.masking_rate(found)
    assert (trend[1], among[1]) == (UNDECIDED, UNDECIDED)
    falling = found
    for rate in (8, 9):
        for metric in ("roc_auc", "pr_auc"):
            falling = planted(falling, f"masking_{rate}", ("", metric), 0.05, 0.01, 0.09, 0.02)
        falling = planted(falling, f"masking_{rate}", ("", "accuracy"), -0.05, -0.09, -0.01, 0.02)
    trend, among = ablation_findings.masking_rate(falling)
    assert (trend[1], among[1]) == (HOLDS, CONTRADICTED)
    rising = planted(falling, "masking_8", AUC, -0.05, -0.09, -0.01, 0.02)
    assert ablation_findings.masking_rate(rising)[0][1] == UNDECIDED  # 0.8 against, 0.9 for it.
    # Below 0.4 a falling area is the higher one.
    lower = planted(found, "masking_0", AUC, 0.05, 0.01, 0.09, 0.02)
    lines = ablation_findings.masking_rate(lower)[0][2]
    assert lines[0][0].startswith("ROC AUC falls (")
    assert lines[0][1] == "contradicted, 0 of 1 agree"
    values = [found.estimate(name, AUC) for name in MASKING]
    rank = 1 + sum(value > values[4] for value in values)
    assert among[2][0][0] == f"ROC AUC: place {rank} of 10"
    assert findings.best(found, AUC) is None
    figures = [block.name for section in report.sections(run) for block in section.blocks if block.kind == "figure"]
    assert "figure_a3" in figures


def test_too_few_resamples_are_said_to_decide_nothing(found):
    assert findings.undecidable(found) == ""
    few = dataclasses.replace(found, resamples=200)
    assert "no difference can be decided" in findings.undecidable(few)
    assert "to 360 or more" in findings.undecidable(few)
    assert findings.undecidable(dataclasses.replace(found, resamples=360)) == ""


# Tables.


def test_the_papers_table_is_as_printed():
    text = """transformer 0.70(0.09) 0.67(0.09) 0.69(0.11) 0.17(0.13) 0.15(0.12) 0.10(0.06)
    lstm 0.71(0.11) 0.67(0.11) 0.76(0.12) 0.19(0.12) 0.20(0.12) 0.12(0.05)
    retain 0.68(0.12) 0.67(0.11) 0.72(0.13) 0.22(0.13) 0.21(0.12) 0.12(0.06)
    dann 0.58(0.12) 0.54(0.14) 0.59(0.12) 0.21(0.19) 0.16(0.13) 0.12(0.08)
    mtate 0.73(0.09) 0.65(0.11) 0.75(0.11) 0.15(0.10) 0.14(0.11) 0.08(0.05)"""
    printed = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    ours = {
        method: [f"{value:.2f}({sd:.2f})" for value, sd in figures.values()] for method, figures in TABLE_A1.items()
    }
    assert ours == printed
    assert all(list(figures) == list(judged.MAIN) for figures in TABLE_A1.values())


def test_main_table_holds_seeds_patients_and_subpopulations(workdir, page):
    rows = {row[0]: row for row in rows_of(page, "All models at the natural prevalence")}
    assert list(rows)[:5] == ["Transformer", "LSTM", "RETAIN", "DANN*", "MTATE"]
    values = seed_values(workdir, "mtate", "roc_auc")
    mean, sd = values.mean(), values.std(ddof=1)
    logit, half = np.log(mean / (1 - mean)), stats.t.ppf(0.975, 2) * sd / np.sqrt(3) / (mean * (1 - mean))
    low, high = (1 / (1 + np.exp(-(logit + sign * half))) for sign in (-1, 1))
    groups = pd.read_parquet(workdir / "groups.parquet").query(
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
    between = np.std([seed_values(workdir, "mtate", gap, task=name).mean() for name in DOMAINS], ddof=1)
    assert rows["MTATE"][7].endswith(f"G {written(between)}")
    assert rows["Gradient boosting"][1] == "1"
    assert "±" not in rows["Gradient boosting"][2]


def test_the_papers_figures_stand_beside_ours(workdir, page):
    rows = {(row[0], row[1]): row for row in rows_of(page, "The paper's Table A1 beside ours")}
    assert len(rows) == 30
    values = seed_values(workdir, "dann", "demographic_parity_difference", "evaluate_1_to_1", "all")
    row = rows["DANN*", "DPD"]
    assert row[2:5] == ["0.21", "0.19", f"{written(values.mean())} ± {written(values.std(ddof=1))}"]
    assert row[7] == f"[{written(values.mean() - 0.02)}, {written(values.mean() + 0.05)}]"
    assert row[9] == plus(values.mean() - 0.21)


def test_gaps_groups_and_differences_are_those_of_the_tables(workdir, page):
    rows = {row[0]: row for row in rows_of(page, "Age (under 65: 52 windows, 12 deaths; 65 or older: 60 windows, 40")}
    values = seed_values(workdir, "lstm", "pr_auc_difference", task="age").mean()
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


def test_a_decided_difference_is_marked(found):
    marked = planted(found, "lstm", AUC, -0.05, -0.09, -0.01, 0.02)
    rows = {row[0]: row for row in tables.comparison_table(marked).rows}
    assert rows["LSTM"][1].main == "−0.050 *"
    assert rows["RETAIN"][1].main == "+0.010"


def test_every_figure_has_a_caption_and_is_embedded(workdir, page):
    names = {"figure_3", "figure_a2", "front", "figure_4", "patient", "calibration", "training"}
    assert {path.stem for path in (workdir / "figures").glob("*.png")} == names
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


def test_curves_are_of_the_chosen(workdir, monkeypatch):
    given = []
    monkeypatch.setattr(report, "training_curves", lambda curves, *_: given.append(curves))
    run = read_workdir(workdir)
    report.sections(run)
    (curves,) = given
    members = run.members.set_index("member")["candidate"]
    assert set(members[curves["member"]]) == {"1"}
    area = curves[(curves["method"] == "lstm") & (curves["metric"] == "roc_auc") & (curves["epoch"] == 2)]["value"]
    np.testing.assert_allclose(area.to_numpy(float), 1 - (np.exp(-2) + 0.1))
    assert len(area) == 6
    assert curves["stage"].unique().tolist() == ["the paper's models"]


# What is missing.


def sentences(run):
    """All words of a page, without drawing its figures."""
    blocks = [block for section in report.sections(run) for block in section.blocks]
    found = [str(block._replace(drawing=None) if block.kind == "figure" else block) for block in blocks]
    return "\n".join(found)


def change(workdir, name, function):
    path = workdir / f"{name}.parquet"
    function(pd.read_parquet(path)).to_parquet(path)
    manifest.write(workdir)


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


def test_a_run_without_mtate_has_no_claims(tmp_path):
    run = read_workdir(write_run(tmp_path / "run", ("lstm", "retain"), config={"data": "simulated"}))
    table = judged.judged(run)
    empty = dataclasses.replace(table, comparisons=table.comparisons.iloc[:0], base="")
    section = findings.section(empty, run.config)
    assert [block.kind for block in section.blocks] == ["text", "text"]
    assert section.blocks[0].text.startswith("On simulated stays")


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
