"""What the picture of all methods draws is what the tables hold, and its labels can be read."""

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mtate_drawings import GAP, drawn, intervals, results, texts

from experiments.mtate import domain_figure, front
from experiments.mtate.styles import style

pytestmark = pytest.mark.usefixtures("page_style")
JUDGED = [name for panel in list(domain_figure.PANELS.values())[:3] for name in panel]


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


def test_front_is_painted_without_a_warning():
    assert drawn(front.front(results(["lstm"]), intervals(["lstm"]))).startswith(b"\x89PNG")
