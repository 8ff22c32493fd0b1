"""The fairness study's sections on selection and training, against a made-up run's tables."""

import dataclasses

import numpy as np

from experiments.mtate import judged, selection_report
from experiments.results.reading import read_workdir


def test_curves_are_of_the_chosen(mtate_workdir, monkeypatch):
    given = []
    monkeypatch.setattr(selection_report, "training_curves", lambda curves, *_: given.append(curves))
    run = read_workdir(mtate_workdir)
    selection_report.training(run)
    (curves,) = given
    members = run.members.set_index("member")["candidate"]
    assert set(members[curves["member"]]) == {"1"}
    area = curves[(curves["method"] == "lstm") & (curves["metric"] == "roc_auc") & (curves["epoch"] == 2)]["value"]
    np.testing.assert_allclose(area.to_numpy(float), 1 - (np.exp(-2) + 0.1))
    assert len(area) == 6
    assert curves["stage"].unique().tolist() == ["the paper's models"]


def test_one_candidate_leaves_nothing_to_choose(mtate_workdir):
    run = read_workdir(mtate_workdir)
    found = judged.judged(run)
    assert "Table" in {type(block).__name__ for block in selection_report.selection(run, found).blocks}
    alone = dataclasses.replace(run, members=run.members[run.members["candidate"] == "1"])
    (only,) = selection_report.selection(alone, found).blocks
    assert only.text.startswith("Every model has one candidate")
