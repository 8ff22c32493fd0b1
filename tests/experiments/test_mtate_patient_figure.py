"""What the figure of one patient draws is what the tables hold, and what they lack is said."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from mtate_drawings import drawn, texts

from experiments.mtate import patient_figure
from experiments.mtate.domains import DOMAINS

pytestmark = pytest.mark.usefixtures("page_style")


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


def test_patient_is_painted_without_a_warning():
    assert drawn(patient_figure.patient(*one_patient())).startswith(b"\x89PNG")
