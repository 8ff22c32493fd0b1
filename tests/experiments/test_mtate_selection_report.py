"""The fairness study's sections on selection and training, against a made-up run's tables."""

import numpy as np

from experiments.mtate import selection_report
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
