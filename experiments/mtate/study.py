"""The fairness study, end to end: windows of stays, every arm as sweeps, references, evaluation, report."""

import functools
from typing import Any

from experiments.mtate import arms, data, evaluation, references, report, summary, trained
from experiments.run.study import Part, Study


def parts(config: Any) -> list[Part]:
    """The study's parts: one for each arm, then what needs several."""
    names = arms.network_arms(config)
    listed = [Part(name, (), functools.partial(trained.train, name=name)) for name in names]
    if config.evaluate_on:
        for name in names:
            listed.append(Part(f"{name}-refit", (name,), functools.partial(trained.refit, name=name)))
    if config.references:
        listed.append(Part("references", (), references.reference))
    if config.downstream and "mtate" in names and not config.evaluate_on:
        listed.append(Part("downstream", ("mtate",), references.downstream))
    listed.append(Part("evaluation", tuple(part.name for part in listed), evaluation.evaluate))
    return listed


STUDY = Study(
    name="mtate",
    parts=parts,
    load=data.load,
    units={"brier": "probability squared", "loss": "nats"},
    sections=report.sections,
    title=report.TITLE,
    lead=report.LEAD,
    summary=summary.summary,
    prepare=trained.prepare,
)
