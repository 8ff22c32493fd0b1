"""The first sentences of the fairness study's page, against a made-up run."""

import dataclasses

from experiments.mtate import overview


def test_too_few_resamples_are_said_to_decide_nothing(mtate_found):
    assert overview.undecidable(mtate_found) == ""
    few = dataclasses.replace(mtate_found, resamples=200)
    assert "no difference can be decided" in overview.undecidable(few)
    assert "to 360 or more" in overview.undecidable(few)
    assert overview.undecidable(dataclasses.replace(mtate_found, resamples=360)) == ""


def test_the_shares_at_which_models_judge_another_set_are_named(mtate_found):
    key = ("evaluate", "lstm", "", "selection_rate")
    intervals = mtate_found.intervals.copy()
    intervals.loc[key, "estimate"] = 0.123
    intervals.loc[("evaluate", "retain", "", "selection_rate"), "estimate"] = 0.987
    found = dataclasses.replace(mtate_found, intervals=intervals)
    text = overview.paragraph(found, {"train_set": "a", "evaluate_on": "set-b", "folds": 5})
    assert "models of all of set a at" in text
    assert "from 0.123 (LSTM) to 0.987 (RETAIN) of set b to die" in text
    assert "to die" not in overview.paragraph(found, {"train_set": "a", "evaluate_on": "", "folds": 5})
