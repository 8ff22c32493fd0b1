"""The examples run as printed, and what they compute is what scikit-learn and NumPy compute."""

import pathlib
import runpy

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from jaxfair import sweeps

OWN_STAGE = pathlib.Path(__file__).parents[1] / "examples" / "own_stage.py"
THIRD = np.arange(900) % 3


@pytest.fixture(scope="module")
def own_stage(tmp_path_factory):
    """The script's names after it ran as a script, saving into a folder."""
    folder = tmp_path_factory.mktemp("own_stage")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [str(OWN_STAGE), str(folder)])
        names = runpy.run_path(str(OWN_STAGE), run_name="__main__")
    assert any(folder.iterdir())
    return names


def test_own_stage_is_short():
    assert len(OWN_STAGE.read_text().splitlines()) <= 60


def test_own_stage_table_judges_the_third_that_nothing_else_saw(own_stage):
    data, table = own_stage["data"], own_stage["table"]
    assert len(table) == 3 * 2 * 5
    scores = own_stage["result"].state["best"].kept["params"]["score"] @ data["features"].T
    healthy = (THIRD == 2) & (data["disease"] == 0)
    for row, score in zip(table.itertuples(), scores, strict=True):
        assert row.roc_auc == pytest.approx(roc_auc_score(data["disease"][THIRD == 2], score[THIRD == 2]), abs=1e-5)
        assert row.age_pearson_healthy == pytest.approx(
            np.corrcoef(score[healthy], data["age"][healthy])[0, 1], abs=1e-5
        )


def test_own_stage_keeps_the_epoch_of_least_loss_and_stops_eight_later(own_stage):
    result, table = own_stage["result"], own_stage["table"]
    best, curves = result.state["best"], result.logs["fit"]["validate/loss"]
    np.testing.assert_array_equal(best.epoch, np.nanargmin(curves, axis=1))
    np.testing.assert_array_equal(table["epochs_run"], np.minimum(best.epoch + 1 + 8, 60))
    assert (table["status"] == "stopped").any()


def test_own_stage_trades_age_for_accuracy(own_stage):
    means = own_stage["table"].groupby("alpha")[["roc_auc", "age_pearson_healthy"]].mean()
    assert (means["age_pearson_healthy"].diff().dropna() < -0.1).all()
    assert (means["roc_auc"].diff().dropna() < 0).all()


def test_own_stage_without_its_term_is_logistic_regression(own_stage):
    """All training examples in one batch, and stopped on by the same: the least loss is the maximum of likelihood."""
    data, train = own_stage["data"], THIRD == 0
    members = sweeps.make_members([{"seed": 0, "alpha": 0.0, "learning_rate": 2.0}], train=train, evaluate=~train)
    members = members._replace(validate=members.train)
    stage = own_stage["fit"](num_epochs=1000, batch_size=300, num_batches=1, patience=1000)
    result = sweeps.sweep([stage], members, data, segments=1)
    reference = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8).fit(
        data["features"][train], data["disease"][train]
    )
    np.testing.assert_allclose(result.state["best"].kept["params"]["score"][0], reference.coef_[0], atol=2e-3)
