"""What the fairness study's page says of MTATE as a whole, by planted differences."""

import dataclasses

import pytest
from synthetic_mtate_run import planted, plus, write_run, written

from experiments.mtate import findings, judged
from experiments.mtate.judged import AUC, EQOD
from experiments.mtate.verdicts import HOLDS, UNDECIDED
from experiments.results.reading import read_workdir


def test_best_names_who_is_better(mtate_found):
    baselines = ("transformer", "lstm", "retain", "dann")
    question, answer, lines, _ = findings.best(mtate_found, AUC)
    assert (question, answer) == ("Has MTATE the best ROC AUC?", "Not decided: better than 0 of 4")
    assert [line[0] for line in lines[:4]] == ["Transformer", "LSTM", "RETAIN", "DANN*"]
    # Thresholds by group have the LSTM's scores, and MTATE's own representation is no rival of it.
    assert lines[4] == ("1 other model", "1 undecided", "")
    better = mtate_found
    for name in baselines:
        better = planted(better, name, AUC, 0.05, 0.01, 0.09, 0.02)
    assert findings.best(better, AUC)[1] == HOLDS
    worse = planted(better, "retain", AUC, -0.05, -0.09, -0.01, 0.02)
    _, answer, lines, _ = findings.best(worse, AUC)
    assert answer == "Contradicted by RETAIN"
    assert lines[2] == ("RETAIN", "−0.050 [−0.090, −0.010]", "MTATE is worse, p = 0.020 after Holm")
    # Of a gap less is better.
    gap = planted(mtate_found, "lstm", EQOD, 0.05, 0.01, 0.09, 0.02)
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
def test_fairer_at_the_same_area_needs_both_differences(mtate_found, gap, area, start):
    name, given = "lstm_group_thresholds", mtate_found
    for key, sign in ((EQOD, gap), (AUC, area)):
        if sign:
            low, high = sorted((0.01 * sign, 0.03 * sign))
            given = planted(given, name, key, 0.02 * sign, low, high, 0.01)
    _, answer, lines, note = findings.group_thresholds(given)
    assert answer == start
    row = given.difference(name, EQOD)
    assert lines[0][1] == f"{plus(row['difference'])} [{written(row['low'])}, {written(row['high'])}]"
    assert "same within 0.030" in note if not area else "same within" not in note


def test_the_optimizers_cost_is_in_balanced_accuracy(mtate_found):
    _, answer, lines, note = findings.threshold_optimizer(mtate_found)
    key = ("", "balanced_accuracy")
    cost = mtate_found.estimate("lstm_threshold_optimizer", key) - mtate_found.estimate("lstm", key)
    assert answer == UNDECIDED
    assert f"balanced accuracy by {plus(cost)};" in note
    assert written(mtate_found.estimate("mtate", key)) in dict(line[:2] for line in lines)["balanced accuracy, MTATE"]


def test_labels_summaries_and_other_classifiers(mtate_found):
    assert findings.labels(mtate_found)[1] == UNDECIDED
    helped = planted(mtate_found, "mtate_unlabelled", EQOD, -0.05, -0.09, -0.01, 0.02)
    assert findings.labels(helped)[1] == "Holds for EQOD"
    mixed = planted(helped, "mtate_unlabelled", AUC, -0.05, -0.09, -0.01, 0.02)
    assert findings.labels(mixed)[1] == "Mixed: better in EQOD, worse in ROC AUC"
    worse = planted(mtate_found, "gradient_boosting", AUC, -0.05, -0.09, -0.01, 0.02)
    assert findings.summaries(worse)[1] == "Contradicted by Gradient boosting"
    assert findings.representation(mtate_found)[1] == "Not decided: the same within 0.030"
    lost = planted(mtate_found, "mtate_svm", AUC, 0.05, 0.01, 0.09, 0.02)
    assert findings.representation(lost)[1] == "Contradicted for 1 of 1"


def test_a_run_without_mtate_has_no_claims(tmp_path):
    run = read_workdir(write_run(tmp_path / "run", ("lstm", "retain"), config={"data": "simulated"}))
    table = judged.judged(run)
    empty = dataclasses.replace(table, comparisons=table.comparisons.iloc[:0], base="")
    section = findings.section(empty, run.config)
    assert [block.kind for block in section.blocks] == ["text", "text"]
    assert section.blocks[0].text.startswith("On simulated stays")
