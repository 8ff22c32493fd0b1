"""The fairness study's section on what MTATE attends to: domains against losses, and one patient."""

from experiments.mtate import attention_figure, tables
from experiments.mtate.patient_figure import patient
from experiments.report.blocks import Figure, Section, Text
from experiments.report.cells import number
from experiments.results.reading import Run

ATTENTION = ["fold", "id", "end", "domain", "group", "outcome_loss", "domain_loss", "weight"]
PATIENT = {
    "patient_values": ["hour", "variable", "value", "standardized"],
    "patient_hours": ["hour", "attention"],
    "patient_variables": ["domain", "variable", "attention"],
    "patient_domains": ["domain", "group", "probability", "weight", "id", "risk"],
}


def attention(run: Run) -> Section:
    """The paper's Figure 4, the same by domain, and the attention of one patient."""
    title = "What MTATE attends to"
    weights = run.table("attention", ATTENTION)
    if weights.empty:
        return Section(title, [Text("This run kept no attention: `mtate` is not among its arms.")])
    windows = len(weights[["fold", "id", "end"]].drop_duplicates())
    caption = (
        "The paper's Figure 4: the loss of the outcome against the loss of the domain (nats), a dot a window (n = "
        f"{windows:,}, first seed, all {weights['fold'].nunique()} folds), coloured by the representation-wise "
        "attention that the window gives to the domain's representation. The line is a running mean over a tenth of "
        "the windows; r is the mean over folds of the correlation within each. Without intervals."
    )
    blocks: list = [
        Figure("figure_4", caption, attention_figure.attention(weights)),
        tables.attention_table(weights, attention_figure.attention_correlation(weights)),
    ]
    parts = {name: run.table(name, columns) for name, columns in PATIENT.items()}
    if all(len(part) for part in parts.values()):
        domains = parts["patient_domains"]
        risk, who = number(domains["risk"].iloc[0]), domains["id"].iloc[0]
        hours = parts["patient_hours"]["hour"]
        caption = (
            f"One patient (stay {who}, who died; of the evaluated patients of the first fold who died the one with the "
            f"highest predicted risk, {risk}; first seed): measurements of hours {hours.min()} to {hours.max()} with "
            "how much attention each hour, each variable and each domain's representation receives, averaged over "
            "heads and over what attends. White are hours without a measurement, of which the network is given the "
            "last value; grey is attention to a variable that the domain's module masks. n = 1, without intervals: "
            "attention says what the network reads, not why the patient died."
        )
        blocks.append(Figure("patient", caption, patient(*parts.values())))
    return Section(title, blocks)
