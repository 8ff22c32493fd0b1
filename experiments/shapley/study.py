"""The Shapley study, end to end: problems, depths, values, removals, attacks, hardening, report."""

import functools
from typing import Any

from experiments.run.study import Part, Study
from experiments.shapley import data, depth, findings, peers, report, seed_block, tables_of_problem, values


def parts(config: Any) -> list[Part]:
    """The study's parts, problem by problem."""
    return [part for name in config.problems for part in _parts_of_problem(config, name)]


def _parts_of_problem(config, name):
    def of_problem(what, needs, compute, **arguments):
        return Part(f"{name}-{what}", needs, functools.partial(compute, name=name, **arguments))

    listed = [of_problem("problem", (), tables_of_problem.problem_tables)]
    if config.seeds:
        needs = (f"{name}-depth", f"{name}-values")
        listed.append(of_problem("depth", (), depth.depth_tables))
        listed.append(of_problem("values", needs[:1], values.value_tables))
        blocks = []
        for first in range(0, config.seeds, config.seeds_at_once):
            seeds = range(first, min(first + config.seeds_at_once, config.seeds))
            blocks.append(of_problem(f"seeds-{first:03d}", needs, seed_block.block_tables, seeds=seeds))
        valued = tuple(block.name for block in blocks)
        listed += [*blocks, of_problem("valuable", valued, tables_of_problem.valuable_tables)]
    if config.peers:
        listed.append(of_problem("peers", (), peers.peer_tables))
    return listed


STUDY = Study(
    name="shapley",
    parts=parts,
    load=data.load,
    units={"loss": "nats", "learning_rate": "per step"},
    sections=report.sections,
    title=report.TITLE,
    lead=report.LEAD,
    summary=findings.summary,
)
