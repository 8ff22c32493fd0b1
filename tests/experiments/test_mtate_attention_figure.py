"""What the figure of MTATE's attention draws is what the table holds, and what it lacks is said."""

import numpy as np
import pandas as pd
import pytest
from mtate_drawings import drawn, texts
from scipy import stats

from experiments.mtate import attention_figure
from experiments.mtate.domains import DOMAINS

pytestmark = pytest.mark.usefixtures("page_style")


def losses(domains=("age", "sex"), folds=2, examples=60):
    rng = np.random.default_rng(2)
    rows = []
    for domain in domains:
        for fold in range(1, folds + 1):
            loss = rng.gamma(2, 0.3, examples)
            # Within a fold attention falls with the loss; fold 2 has more of both, so pooled it would rise.
            weight = 0.4 * (fold - 1) + 0.3 * np.exp(-loss) + rng.normal(0, 0.01, examples)
            table = {"domain": domain, "fold": fold, "domain_loss": loss + 2 * fold, "weight": weight}
            rows.append(pd.DataFrame(table | {"outcome_loss": rng.gamma(1, 0.4, examples)}))
    return pd.concat(rows, ignore_index=True)


def test_points_of_attention_are_the_tables():
    table = losses()
    drawing = attention_figure.attention(table)
    largest = table["weight"].max()
    for axes, domain in zip(drawing.axes, ("age", "sex"), strict=False):
        (points,) = [each for each in axes.collections if len(each.get_offsets()) > 1]
        own = table[table["domain"] == domain]
        found = np.column_stack([points.get_offsets(), points.get_array()])
        expected = own[["domain_loss", "outcome_loss", "weight"]].to_numpy()
        np.testing.assert_allclose(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)], rtol=1e-12)
        assert (points.norm.vmin, points.norm.vmax) == (0, largest)
        assert points.get_rasterized()
        assert axes.get_title("left") == domain.capitalize()


def test_correlation_of_attention_is_of_each_fold_and_written():
    table = losses()
    found = attention_figure.attention_correlation(table).set_index("domain")
    for domain, own in table.groupby("domain"):
        each = [stats.pearsonr(part["domain_loss"], part["weight"])[0] for _, part in own.groupby("fold")]
        assert found.loc[domain, "r"] == pytest.approx(np.mean(each), abs=1e-12)
        assert found.loc[domain, "r"] < -0.9 < 0 < stats.pearsonr(own["domain_loss"], own["weight"])[0]
        written = f"r = {found.loc[domain, 'r']:.3f}, n = 120".replace("-", "−")
        assert written in texts(attention_figure.attention(table))


def test_running_mean_is_over_neighbours():
    rng = np.random.default_rng(5)
    x, y = rng.random((2, 57))
    order = np.argsort(x)
    expected = [[each[order[start : start + 5]].mean() for start in range(53)] for each in (x, y)]
    np.testing.assert_allclose(attention_figure.running_mean(x, y), expected, rtol=1e-12)
    (line,) = attention_figure.attention(losses(["age"])).axes[0].lines
    assert len(line.get_xdata()) == 120 - 12 + 1


def test_attention_without_losses():
    assert "this run has no table of MTATE's attention" in texts(attention_figure.attention(losses()[:0]))
    table = losses()
    table.loc[table["domain"] == "sex", "domain_loss"] = np.nan
    table.loc[0, "outcome_loss"] = np.inf
    drawing = attention_figure.attention(table)
    assert "no finite loss" in texts(drawing)
    (points,) = [each for each in drawing.axes[0].collections if len(each.get_offsets()) > 1]
    assert len(points.get_offsets()) == 119
    constant = attention_figure.attention(losses(["age"], folds=1).assign(weight=1.0))
    assert "r = –, n = 60" in texts(constant)


def test_attention_is_painted_without_a_warning():
    assert drawn(attention_figure.attention(losses(tuple(DOMAINS)[:4]))).startswith(b"\x89PNG")
