"""The age study, end to end: cohort, three stages and their variants as sweeps, evaluation, report."""

import functools
from typing import Any

from experiments.aml import data, references, report, summary, trained
from experiments.run.study import Output, Part, Study


def parts(config: Any) -> list[Part]:
    """The study's parts."""
    listed = [
        Part("cohort", (), lambda run, inputs: Output(data.cohort_tables(run.data.cohort))),
        Part("baseline", (), trained.baseline),
    ]
    if config.arms:
        listed.append(Part("adversarial", ("baseline",), trained.adversarial))
    if config.joint.alphas:
        listed.append(Part("joint", (), trained.joint))
    for fold in range(data.num_folds(config)):
        listed.append(Part(f"references-{fold}", (), functools.partial(references.reference_tables, fold=fold)))
    return listed


STUDY = Study(
    name="aml",
    parts=parts,
    load=data.load,
    units={
        "pearson": "correlation",
        "spearman": "correlation",
        "r2": "share of variance",
        "loss": "nats",
        "predicted_age_mean": "years",
        "predicted_age_std": "years",
    },
    sections=report.sections,
    title=report.TITLE,
    lead=report.LEAD,
    summary=summary.summary,
    prepare=trained.prepare,
)
