"""What a page says of a model that is not above one that needs no ECG: at its top, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from synthetic_aml_run import change, write_run

from experiments.aml import findings, report, styles
from experiments.report.trivial import gains, not_above
from experiments.results.reading import read_workdir


def rows(method, metric, values, **columns):
    return pd.DataFrame({"method": method, "metric": metric, "seed": range(len(values)), "value": values}, **columns)


def test_a_gain_is_judged_by_its_interval():
    own = pd.concat([rows("a", "accuracy", [0.9, 0.92, 0.91]), rows("b", "accuracy", [0.9, 0.5, 0.7])])
    found = gains(own, rows("", "majority_share", [0.6]).drop(columns="seed"), "accuracy", "the larger class")
    assert found["a"].above
    assert found["a"].mean == pytest.approx(0.31)
    assert not found["b"].above
    assert found["b"].low < 0 < found["b"].mean
    assert found["b"].sentence.startswith("accuracy 0.700 ± 0.200 against 0.600 of the larger class, a gain of 0.100 [")


@pytest.mark.parametrize(("value", "above"), [(0.7, True), (np.float32(0.6), False), (0.5, False), (np.nan, False)])
def test_one_member_has_no_interval_and_is_judged_by_its_value(value, above):
    found = gains(rows("a", "accuracy", [value]), rows("", "majority_share", [0.6]), "accuracy", "the larger class")
    assert found["a"].above == above
    assert "[" not in found["a"].sentence


def test_members_are_paired_with_their_own_share_and_all_with_the_age_alone():
    values = pd.concat(
        [
            rows("a", "accuracy", [0.60, 0.71, 0.82]),
            rows("a", "majority_share", [0.59, 0.70, 0.81]),
            rows("a", "roc_auc", [0.7, 0.71, 0.72]),
            rows("age_alone", "roc_auc", [0.8]).assign(seed=pd.NA),
        ],
        ignore_index=True,
    ).assign(fold=pd.NA, problem=pd.NA)
    (gain,) = not_above(values)["a"]
    assert (gain.figure, gain.rival, gain.trivial, gain.n) == ("ROC AUC", "the age alone", 0.8, 3)


def test_a_baseline_that_has_not_learned_leaves_no_conclusions(copy):
    def lost(table):
        accuracy = table["metric"].eq("accuracy") & table["epoch"].isna() & table["method"].eq("baseline")
        share = table.loc[table["metric"] == "majority_share", "value"].iloc[0]
        return table.assign(value=table["value"].mask(accuracy, share - 0.01))

    change(copy, "results", lost)
    first, *others = report.sections(read_workdir(copy))
    text, statements = first.blocks
    assert text.text.startswith("Not above a model that knows nothing of the ECG")
    assert "this page draws no conclusions" in text.text
    assert [question for question, *_ in statements.items] == ["Do accuracies exceed the majority class?"]
    assert {"Cohort", "Arms", "Training"} <= {section.title for section in others}


def test_an_arm_that_has_not_learned_is_named_and_not_judged(workdir):
    values, counts = styles.arm_values(read_workdir(workdir))
    section = findings.section(values[values["shown"]], counts)
    assert section.blocks[0].text.startswith(
        "Not above a model that knows nothing of the ECG, by the 95 % interval: Rev"
    )
    assert section.blocks[0].text.endswith("Nothing is concluded from them.")


def test_a_page_of_one_seed_speaks_of_no_interval(tmp_path):
    workdir = write_run(tmp_path / "run", seeds=1, examples=60)
    values, counts = styles.arm_values(read_workdir(workdir))
    found = findings.Findings(values, counts)
    *_, note = findings.majority(found)
    assert "interval" not in note.replace("which has no interval", "")
    baseline = findings.Findings(values[values["method"] == "baseline"], counts[counts["method"] == "baseline"])
    assert findings.majority(baseline)[1] == "The one arm does"
    both = ["baseline", "ncov"]
    found = findings.Findings(values[values["method"].isin(both)], counts[counts["method"].isin(both)])
    assert findings.head(found)[1] == "Yes, by the one arm that can be judged"
