"""What the fairness study's figures draw is what the tables hold, and what they lack is said."""

import io
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from scipy import special, stats

from experiments.mtate import attention_figure, calibration, domain_figure, front, masking_figure, patient_figure
from experiments.mtate.domains import DOMAINS
from experiments.mtate.styles import METHODS, style
from experiments.report.style import STYLE

GAP = "mean_equalized_odds_difference"
JUDGED = [name for panel in list(domain_figure.PANELS.values())[:3] for name in panel]


@pytest.fixture(autouse=True)
def page_style():
    with matplotlib.rc_context(STYLE):
        yield


def intervals(methods, domains=("age", "sex"), seed=0):
    """Estimates that are all different, with intervals of which one lies above its estimate."""
    rng = np.random.default_rng(seed)
    rows = []
    for method in methods:
        for task, metric in [(task, GAP) for task in (*domains, "all")] + [("", "roc_auc")]:
            estimate = rng.uniform(0.05, 0.3) + (0.5 if metric == "roc_auc" else 0)
            rows.append((method, "evaluate", task, metric, estimate, estimate - 0.03, estimate + 0.05, 0))
    table = pd.DataFrame(rows, columns=["method", "split", "task", "metric", "estimate", "low", "high", "undefined"])
    table.loc[:0, "low"] = table["estimate"] + 0.01
    return table


def results(methods, seeds=3):
    """Result rows of an evaluation: ROC AUC and the like, and the gap over the domains."""
    rng = np.random.default_rng(1)
    asked = [(pd.NA, "roc_auc"), (pd.NA, "pr_auc"), (pd.NA, "accuracy"), ("all", GAP)]
    rows = [
        ("evaluation", "evaluate", method, seed, task, metric, rng.uniform(0.4, 0.6))
        for method in methods
        for seed in range(seeds)
        for task, metric in asked
    ]
    return pd.DataFrame(rows, columns=["stage", "split", "method", "seed", "task", "metric", "value"])


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


def predictions(methods, seeds=2, examples=200):
    rng = np.random.default_rng(3)
    tables = []
    for method in methods:
        for seed in range(seeds):
            risk = rng.beta(2, 5, examples)
            columns = {"prediction": risk, "target": (rng.random(examples) < risk).astype(float)}
            columns["domain_age"] = rng.choice([0, 1, np.nan], examples, p=[0.5, 0.4, 0.1])
            tables.append(pd.DataFrame({"method": method, "seed": seed} | columns))
    return pd.concat(tables, ignore_index=True)


def one_patient(variables=("HR", "lactate", "pH"), domains=("age", "sex"), hours=6, start=18):
    """Three variables, of which the second was never measured."""
    rng = np.random.default_rng(4)
    values = pd.DataFrame(
        [(hour + start, name, rng.normal(80, 5), rng.normal()) for hour in range(hours) for name in variables],
        columns=["hour", "variable", "value", "standardized"],
    )
    values.loc[(values["variable"] == variables[1]) | (values["hour"] == start + 2), "value"] = np.nan
    by_hour = pd.DataFrame({"hour": np.arange(hours) + start, "attention": rng.dirichlet(np.ones(hours))})
    by_variable = pd.DataFrame(
        [(domain, name, rng.random()) for domain in domains for name in variables],
        columns=["domain", "variable", "attention"],
    )
    by_variable.loc[0, "attention"] = np.nan
    by_domain = pd.DataFrame({"domain": domains, "group": np.arange(len(domains)) % 2.0, "id": 875, "risk": 0.4936})
    by_domain = by_domain.assign(probability=rng.random(len(domains)), weight=rng.dirichlet(np.ones(len(domains))))
    return values, by_hour, by_variable, by_domain


def texts(drawing):
    """Everything that stands in a figure, line breaks as spaces."""
    found = [text.get_text() for axes in drawing.axes for text in axes.texts]
    found += [text.get_text() for text in drawing.texts]
    legends = [*drawing.legends, *(axes.get_legend() for axes in drawing.axes if axes.get_legend())]
    found += [text.get_text() for legend in legends for text in legend.get_texts()]
    found += [axes.get_title(loc) for axes in drawing.axes for loc in ("left", "right")]
    found += [axes.get_xlabel() for axes in drawing.axes]
    if drawing.get_suptitle():
        found.append(drawing.get_suptitle())
    return [text.replace("\n", " ") for text in found if text]


def lines(axes, label):
    return next(line for line in axes.lines if str(line.get_label()).replace("\n", " ") == label)


def crosses(axes):
    return np.concatenate([line.get_xdata() for line in axes.lines if line.get_gid() == "undefined"] or [[]])


def bars(axes):
    """The vertical lines of a panel, `[line, (x, low, high)]`."""
    return bars_of(axes.collections)


def bars_of(collections):
    segments = [part for collection in collections for part in getattr(collection, "get_segments", list)()]
    return np.array([(part[0, 0], part[0, 1], part[1, 1]) for part in segments if part[0, 0] == part[1, 0]])


def drawn(drawing):
    """The figure's bytes, every warning of matplotlib an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FigureCanvasAgg(drawing).print_png(stream := io.BytesIO())
    return stream.getvalue()


# by_domain


def test_marks_and_intervals_by_domain_are_the_tables():
    table = intervals(["lstm", "mtate", "gru_d", "laftr"])
    other = table.assign(split="evaluate_1_to_1", estimate=9.0)
    drawing = domain_figure.by_domain(pd.concat([table, other]), GAP)
    assert [axes.get_title("left") for axes in drawing.axes] == list(domain_figure.PANELS)[:3]
    for axes, names in zip(drawing.axes, (["lstm", "mtate"], ["gru_d"], ["laftr"]), strict=True):
        segments = bars(axes)
        places = []
        for name in names:
            own = table[(table["method"] == name) & (table["metric"] == GAP)]
            line = lines(axes, style(name).label)
            np.testing.assert_array_equal(line.get_ydata(), own["estimate"])
            assert (line.get_color(), line.get_marker()) == (style(name).color, style(name).marker)
            assert np.all(np.abs(line.get_xdata() - np.arange(3)) < 0.4)
            places.extend(line.get_xdata())
            for x, low, high in zip(line.get_xdata(), own["low"], own["high"], strict=True):
                assert [x, low, high] in segments.tolist()
        assert len(set(places)) == len(segments) == 3 * len(names)
        assert not len(crosses(axes))
        assert axes.get_ylim()[1] > table.loc[table["metric"] == GAP, "high"].max()
    assert [text.get_text() for text in drawing.axes[-1].get_xticklabels()] == ["age", "sex", "mean"]
    own = table[(table["method"] == "mtate") & (table["metric"] == GAP)]
    for axes, expected in zip(drawing.axes, (0, 1, 1), strict=True):
        level = [part for each in axes.collections for part in getattr(each, "get_segments", list)()]
        level = [part[0, 1] for part in level if part[0, 1] == part[1, 1]]
        assert level == list(own["estimate"]) * expected


def test_every_method_has_its_place_and_an_unknown_one_too():
    drawing = domain_figure.by_domain(intervals([*METHODS, "my_own"]), GAP)
    assert [axes.get_title("left") for axes in drawing.axes] == [*domain_figure.PANELS, "Others"]
    named = {str(line.get_label()).replace("\n", " ") for axes in drawing.axes for line in axes.lines}
    assert {each.label for each in METHODS.values()} | {"my_own"} <= named


def test_what_is_not_defined_is_crossed_and_what_is_absent_is_not():
    table = intervals(["lstm", "mtate", "dann"])
    lost = table["method"].isin(["mtate", "dann"]) & (table["task"] == "sex")
    table.loc[lost, ["estimate", "low", "high"]] = np.nan
    table = table[~((table["method"] == "dann") & (table["task"] == "age"))]
    drawing = domain_figure.by_domain(table, GAP)
    (axes,) = drawing.axes
    expected = [lines(axes, style(name).label).get_xdata()[1] for name in ("dann", "mtate")]
    np.testing.assert_array_equal(sorted(crosses(axes)), sorted(expected))
    assert "undefined" in texts(drawing)
    assert len(bars(axes)) == 3 + 2 + 1
    assert "undefined" not in texts(domain_figure.by_domain(intervals(["lstm"]), GAP))


@pytest.mark.parametrize("table", [intervals([]), intervals(["lstm"]).query("task == ''")])
def test_no_interval_by_domain_is_said(table):
    assert "this run has no mean equalized odds difference by domain" in texts(domain_figure.by_domain(table, GAP))


def test_nothing_but_undefined_values_by_domain():
    table = intervals(["lstm", "mtate"], domains=("age",)).assign(estimate=np.nan, low=np.nan, high=np.nan)
    drawing = domain_figure.by_domain(table, GAP)
    assert len(crosses(drawing.axes[0])) == 4
    assert drawn(drawing)


# attention


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


# masking


def test_masking_is_the_mean_over_seeds_with_students_interval():
    table = results([f"masking_{tenths}" for tenths in range(10)])
    drawing = masking_figure.masking(
        pd.concat([table, results(["mtate"]), table.assign(split="evaluate_1_to_1", value=0.9)])
    )
    for axes, panel in zip(drawing.axes, masking_figure.PANELS.values(), strict=True):
        for (_, metric), (label, color, _) in panel.items():
            own = table[table["metric"] == metric]
            values = np.array([own.loc[own["method"] == name, "value"] for name in own["method"].unique()])
            line = lines(axes, label)
            np.testing.assert_allclose(line.get_xdata(), np.arange(10) / 10)
            np.testing.assert_allclose(line.get_ydata(), values.mean(1), rtol=1e-12)
            assert line.get_color() == color
            mean, half = values.mean(1), stats.t.ppf(0.975, 2) * values.std(1, ddof=1) / np.sqrt(3)
            ends = [special.expit(special.logit(mean) + sign * half / (mean * (1 - mean))) for sign in (-1, 1)]
            expected = np.column_stack([np.arange(10) / 10, *ends])
            same = [each for each in axes.collections if np.allclose(each.get_colors()[0][:3], to_rgb(color))]
            np.testing.assert_allclose(bars_of(same), expected, rtol=1e-9)
    assert not any("not in this run" in text for text in texts(drawing))


def test_masking_rates_that_are_absent_or_undefined_are_named():
    table = results(["masking_0", "masking_4"], seeds=1)
    table.loc[(table["method"] == "masking_4") & (table["metric"] == GAP), "value"] = np.nan
    drawing = masking_figure.masking(table)
    assert "not in this run: 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9" in texts(drawing)
    assert [len(bars(axes)) for axes in drawing.axes] == [0, 0]
    assert [crosses(axes).tolist() for axes in drawing.axes] == [[], [0.4]]
    assert "undefined" in texts(drawing)


@pytest.mark.parametrize("table", [results([]), results(["mtate"])])
def test_no_masking_rate_is_said(table):
    assert texts(masking_figure.masking(table)).count("this run has no arm by masking rate") == 2


# front


def marks(drawing):
    return {line.get_gid(): line for line in drawing.axes[0].lines if line.get_gid()}


def test_front_is_the_tables():
    table = intervals(JUDGED)
    drawing = front.front(results(JUDGED), table)
    wide = table[table["task"].isin(["all", ""])].pivot(index="method", columns="metric", values="estimate")
    found = marks(drawing)
    assert set(found) == set(JUDGED)
    ends = [np.ravel(line.get_xydata()).tolist() for line in drawing.axes[0].lines]
    for name, line in found.items():
        x, y = wide.loc[name, GAP], wide.loc[name, "roc_auc"]
        assert line.get_xydata().tolist() == [[x, y]]
        own = table[(table["method"] == name) & table["task"].isin(["all", ""])].set_index("metric")
        assert [own.loc[GAP, "low"], y, own.loc[GAP, "high"], y] in ends
        assert [x, own.loc["roc_auc", "low"], x, own.loc["roc_auc", "high"]] in ends
    best = [
        name
        for name, (x, y) in wide[[GAP, "roc_auc"]].iterrows()
        if not ((wide[GAP] < x) & (wide["roc_auc"] > y)).any()  # No two of this table's values are equal.
    ]
    best = wide.loc[best].sort_values(GAP)
    assert np.ravel(best[[GAP, "roc_auc"]]).tolist() in ends
    assert {style(name).label for name in JUDGED} | {"better"} <= set(texts(drawing))


def test_pareto_keeps_equals_and_drops_what_is_beaten_in_one():
    gap, score = np.array([0.2, 0.1, 0.1, 0.1, 0.3]), np.array([0.8, 0.7, 0.7, 0.6, 0.8])
    assert front.pareto(gap, score).tolist() == [1, 2, 0]


def test_same_scores_are_joined_where_both_are_there():
    dotted = []
    for methods in (front.SAME_SCORES, ("lstm", "mtate")):
        drawing = front.front(results(methods), intervals(methods))
        dotted.append([line for line in drawing.axes[0].lines if line.get_linestyle() == ":"])
    assert [len(each) for each in dotted] == [1, 0]
    assert len(dotted[0][0].get_xdata()) == 3


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_the_front_cover_neither_each_other_nor_a_mark(seed):
    drawing = front.front(results([]), intervals(JUDGED, seed=seed))
    canvas = FigureCanvasAgg(drawing)
    canvas.draw()
    axes = drawing.axes[0]
    labels = {style(name).label: name for name in JUDGED}
    boxes = {
        labels[text.get_text()]: matplotlib.text.Text.get_window_extent(text, canvas.get_renderer())
        for text in axes.texts
        if text.get_text() in labels
    }
    assert set(boxes) == set(JUDGED)
    names = list(boxes)
    for place, name in enumerate(names):
        assert not any(boxes[name].overlaps(boxes[other]) for other in names[place + 1 :])
        assert axes.get_window_extent().fully_containsx(boxes[name].x0)
        assert axes.get_window_extent().fully_containsx(boxes[name].x1)
        for other, line in marks(drawing).items():
            if other != name:
                assert not boxes[name].fully_contains(*axes.transData.transform(line.get_xydata()[0]))


@pytest.mark.parametrize(
    "points", [np.full((14, 2), 0.5), [(0, 0), (0, 1), (1, 0), (1, 1), (0, 0.5), (1, 0.5)]], ids=["one place", "edges"]
)
def test_labels_in_a_crowd_and_at_the_edges(points):
    drawing = Figure(figsize=(5, 4))
    axes = drawing.add_axes((0.1, 0.1, 0.8, 0.8), xlim=(0, 1), ylim=(0, 1))
    canvas = FigureCanvasAgg(drawing)
    labels = front.place_labels(axes, np.asarray(points, float), [("a label of some length", "black")] * len(points))
    canvas.draw()
    boxes = [matplotlib.text.Text.get_window_extent(label, canvas.get_renderer()) for label in labels]
    frame = axes.get_window_extent()
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])
        assert frame.fully_contains(box.x0, box.y0)
        assert frame.fully_contains(box.x1, box.y1)


def test_seeds_of_the_front_are_the_results():
    table = results(["mtate", "gru_d"])
    drawing = front.front(table, intervals(["mtate", "gru_d"]))
    (dots,) = [line for line in drawing.axes[0].lines if line.get_marker() == "."]
    own = table[table["method"] == "mtate"].pivot(index="seed", columns="metric", values="value")
    np.testing.assert_array_equal(dots.get_xydata(), own[[GAP, "roc_auc"]])
    assert dots.get_color() == style("mtate").color
    alone = front.front(results(["mtate"], seeds=1), intervals(["mtate"]))
    assert not [line for line in alone.axes[0].lines if line.get_marker() == "."]


def test_methods_that_the_front_lacks_are_named():
    table = intervals(["lstm", "mtate"])
    table.loc[(table["method"] == "mtate") & (table["task"] == "all"), "estimate"] = np.nan
    drawing = front.front(results([]), table)
    assert set(marks(drawing)) == {"lstm"}
    assert "undefined: MTATE" in texts(drawing)
    for lacking in (table[:0], table[table["metric"] == "roc_auc"]):
        expected = "no method has both a ROC AUC and a mean equalized odds difference"
        assert expected in texts(front.front(results([]), lacking))


# calibration


@pytest.mark.parametrize("decimals", [2, 15])
def test_reliability_is_that_of_quantile_bins(decimals):
    table = predictions(["lstm"]).round({"prediction": decimals})  # With two, some are equal to the edge of a bin.
    found = calibration.reliability(table)
    for seed, own in table.groupby("seed"):
        bins = own.groupby(pd.qcut(own["prediction"], 10), observed=True)
        mean, share, count = bins["prediction"].mean(), bins["target"].mean(), bins.size()
        np.testing.assert_allclose(found.predicted[seed], mean, rtol=1e-12)
        np.testing.assert_allclose(found.observed[seed], share, rtol=1e-12)
        assert found.error[seed] == pytest.approx(np.average(np.abs(mean - share), weights=count), abs=1e-12)


def test_equal_predictions_share_a_bin():
    table = pd.DataFrame({"seed": 0, "prediction": 0.25, "target": [0.0, 0.0, 1.0, 1.0] * 10})
    found = calibration.reliability(table)
    assert np.isfinite(found.predicted).sum() == 1
    np.testing.assert_allclose([np.nansum(found.observed), found.error[0]], [0.5, 0.25])


def test_calibration_is_the_mean_over_seeds_and_by_group():
    table = predictions(["lstm", "mtate", "gru_d", "laftr"], seeds=3)
    drawing = calibration.calibration(table)
    shown = {axes.get_title("left"): axes for axes in drawing.axes if axes.axison}
    assert list(shown) == ["LSTM", "MTATE", "GRU-D", "MTATE, by age", "LSTM, by age"]
    for title, axes in shown.items():
        name = next(name for name in table["method"].unique() if style(name).label == title.split(",")[0])
        own = table[table["method"] == name]
        parts = [own] if "," not in title else [own[own["domain_age"] == group] for group in (0, 1)]
        curves = [line for line in axes.lines if len(line.get_xdata()) == 10]
        assert len(curves) == len(axes.collections) == len(parts)
        for part, line, band in zip(parts, curves, axes.collections, strict=True):
            found = calibration.reliability(part)
            np.testing.assert_allclose(line.get_ydata(), found.observed.mean(0), rtol=1e-12)
            np.testing.assert_allclose(line.get_xdata(), found.predicted.mean(0), rtol=1e-12)
            ends = band.get_paths()[0].vertices[:, 1]
            np.testing.assert_allclose([ends.min(), ends.max()], [found.observed.min(), found.observed.max()])
            assert any(text.get_text().endswith(f"ECE {found.error.mean():.3f}") for text in axes.texts)
    assert {"under 65", "65 or older"} <= set(texts(drawing))


def test_calibration_of_one_seed_and_without_domains():
    table = predictions(["lstm"], seeds=1).drop(columns="domain_age")
    drawing = calibration.calibration(table)
    assert [axes.get_title("left") for axes in drawing.axes if axes.axison] == ["LSTM"]
    assert not drawing.axes[0].collections
    lost = calibration.calibration(table.assign(prediction=np.nan))
    assert "no finite prediction" in texts(lost)
    assert drawn(lost)


@pytest.mark.parametrize("table", [predictions(["lstm"])[:0], predictions(["laftr"])])
def test_no_predictions_are_said(table):
    assert any(text.startswith("this run has no predictions of Transformer") for text in
               texts(calibration.calibration(table)))  # fmt: skip


# patient


def panels(drawing):
    """The patient's panels: measurements, feature attention, hours, domains, weights."""
    found = drawing.axes
    heat, received, top = found[:3]
    classified = next(axes for axes in found if axes.get_title("left").startswith("Domain classifiers"))
    weighted = next(axes for axes in found if axes.get_title("right").startswith("Representation"))
    return heat, received, top, classified, weighted


def test_patient_is_the_tables():
    values, by_hour, by_variable, by_domain = one_patient()
    drawing = patient_figure.patient(values, by_hour, by_variable, by_domain)
    heat, received, top, classified, weighted = panels(drawing)
    rows = values.set_index(["variable", "hour"])
    shown = heat.collections[0].get_array()
    assert [label.get_text() for label in heat.get_yticklabels()] == ["HR", "pH"]
    for row, name in enumerate(("HR", "pH")):
        for column, hour in enumerate(range(18, 24)):
            measured = rows.loc[(name, hour)]
            if hour == 20:  # The network is given the last value; nothing was measured.
                assert np.isfinite(measured["standardized"])
                assert np.ma.getmaskarray(shown)[row, column]
            else:
                assert shown[row, column] == measured["standardized"]
    assert heat.get_xlim() == (18, 24)
    assert heat.get_xlabel() == "hours since admission (never measured: lactate)"
    assert [(bar.get_x(), bar.get_height()) for bar in top.patches] == list(by_hour.itertuples(index=False, name=None))
    assert {bar.get_width() for bar in top.patches} == {1}
    attention = received.collections[0].get_array()
    expected = by_variable.pivot(index="variable", columns="domain", values="attention").loc[["HR", "pH"]]
    np.testing.assert_array_equal(np.ma.filled(attention, np.nan), expected[["age", "sex"]])
    assert [label.get_text() for label in received.get_xticklabels()] == ["age", "sex"]
    points = {(line.get_marker(), *line.get_xydata()[0].tolist()) for line in classified.lines}
    for place, row in enumerate(by_domain.itertuples()):
        assert {("o", row.probability, place), ("s", row.group, place)} <= points
    assert [label.get_text() for label in classified.get_yticklabels()] == ["under 65", "women"]
    assert [label.get_fontweight() for label in classified.get_yticklabels()] == ["bold", "normal"]
    np.testing.assert_array_equal([bar.get_width() for bar in weighted.patches], by_domain["weight"])
    assert "Patient 875: predicted risk 0.494" in texts(drawing)


def test_patient_whose_group_is_not_known():
    values, by_hour, by_variable, by_domain = one_patient()
    by_domain.loc[0, "group"] = np.nan
    by_domain.loc[1, ["probability", "weight"]] = np.nan
    drawing = patient_figure.patient(values, by_hour.assign(attention=np.nan), by_variable, by_domain)
    *_, classified, _ = panels(drawing)
    assert [line.get_marker() for line in classified.lines if line.get_marker() in ("s", "o")] == ["o", "s"]
    assert {"undefined", " undefined", "no temporal attention"} <= set(texts(drawing))


@pytest.mark.parametrize("what", ["measurements", "rows of measurements", "domains"])
def test_patient_without_measurements_or_domains(what):
    values, by_hour, by_variable, by_domain = one_patient()
    if what == "domains":
        by_domain = by_domain[:0]
    else:
        values = values[:0] if what.startswith("rows") else values.assign(value=np.nan)
    drawing = patient_figure.patient(values, by_hour, by_variable, by_domain)
    assert f"this run's table of one patient has no {what.split()[-1]}" in texts(drawing)


@pytest.mark.parametrize(("variables", "domains"), [(3, ["age"]), (12, list(DOMAINS)[:9]), (37, ["age", "sex"])])
def test_nothing_of_a_patient_is_cut_off(variables, domains):
    tables = one_patient(tuple(f"variable {number}" for number in range(variables)), tuple(domains), hours=48, start=0)
    drawing = patient_figure.patient(*tables)
    canvas = FigureCanvasAgg(drawing)
    canvas.draw()
    needed = drawing.get_tightbbox(canvas.get_renderer())
    width, height = drawing.get_size_inches()
    assert min(needed.x0, needed.y0) > -0.01
    assert needed.x1 < width + 0.01
    assert needed.y1 < height + 0.01


# all


@pytest.mark.parametrize(
    "make",
    [
        lambda: domain_figure.by_domain(intervals(list(METHODS), tuple(DOMAINS)[:9]), GAP),
        lambda: attention_figure.attention(losses(tuple(DOMAINS)[:4])),
        lambda: masking_figure.masking(results([f"masking_{tenths}" for tenths in range(0, 10, 3)])),
        lambda: calibration.calibration(predictions(calibration.MAIN)),
        lambda: front.front(results(["lstm"]), intervals(["lstm"])),
        lambda: patient_figure.patient(*one_patient()),
    ],
    ids=["by_domain", "attention", "masking", "calibration", "front", "patient"],
)
def test_figures_are_painted_without_a_warning(make):
    assert drawn(make()).startswith(b"\x89PNG")
