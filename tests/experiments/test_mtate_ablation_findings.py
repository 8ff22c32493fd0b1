"""What the fairness study's page says of MTATE's parts and of its masking rate, by planted differences."""

from synthetic_mtate_run import ABLATIONS, MASKING, planted, write_run

from experiments.mtate import ablation_findings, findings, judged, report
from experiments.mtate.judged import AUC
from experiments.mtate.verdicts import CONTRADICTED, HOLDS, UNDECIDED
from experiments.results.reading import read_workdir


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
