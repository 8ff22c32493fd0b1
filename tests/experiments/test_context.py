"""What a run writes about itself, and where its seconds go."""

import contextlib
import json
import time

from ml_collections import ConfigDict

from experiments.run import context
from experiments.run.clock import COMPILING, Clock, in_words
from experiments.run.study import Study

STUDY = Study("aml", lambda config: [], lambda config: "the data")


def environment_of(workdir):
    return json.loads((workdir / "environment.json").read_text())


def test_a_run_names_every_commit_that_had_a_part_in_it(tmp_path, monkeypatch):
    for commit in ("aaa", "aaa", None, "bbb-dirty", "aaa"):
        monkeypatch.setattr(context, "_git_commit", lambda commit=commit: commit)
        run = context.Context(STUDY, ConfigDict(), tmp_path)
        run.write_environment({})
        run.write_environment({"fit": {"git_commit": "ccc", "seconds": {"training": 2.0}, "width": {"fit": 4}}})
    environment = environment_of(tmp_path)
    assert environment["git_commit"] == "aaa, ccc, bbb-dirty"
    assert environment["starts"] == 5
    assert environment["seconds"] == {"fit": {"training": 2.0}}
    assert environment["width"] == {"fit": 4}


def test_without_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(context, "_git_commit", lambda: None)
    context.Context(STUDY, ConfigDict(), tmp_path).write_environment({})
    assert environment_of(tmp_path)["git_commit"] is None


def test_data_are_loaded_once_and_a_record_begins_anew(tmp_path):
    loads = []
    run = context.Context(Study("toy", lambda config: [], lambda config: loads.append(1)), ConfigDict(), tmp_path)
    assert loads == []
    _ = run.data, run.data
    assert len(loads) == 1
    run.widths["fit"] = 3
    assert run.record()["width"] == {"fit": 3}
    assert run.record()["width"] == {}


def test_seconds_go_to_the_innermost_kind_and_compiling_apart(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    clock = Clock()

    def passes(seconds):
        now[0] += seconds

    def compiles(event, seconds):
        now[0] += seconds
        clock._on_event(f"/jax/core/compile/{event}", seconds)

    passes(1)
    with clock.timed("training"):
        passes(2)
        compiles("jaxpr_trace_duration", 0.5)
        compiles("backend_compile_duration", 4)
        with clock.timed("evaluation"):
            passes(3)
            # An inner program is traced while the outer one is: its second counts once.
            compiles("jaxpr_trace_duration", 1)
            clock._on_event("/jax/core/compile/jaxpr_trace_duration", 2.0)
        passes(1)
    with contextlib.suppress(ZeroDivisionError), clock.timed("report"):
        passes(0.25)
        _ = 1 / 0
    seconds = clock.lap()
    assert seconds == {"other": 1, "training": 3, COMPILING: 6.5, "evaluation": 2, "report": 0.25}
    assert clock.lap() == {}
    assert in_words(seconds) == "13 seconds: compiling 6, training 3, evaluation 2, report 0, other 1"


def test_real_compilations_are_noticed():
    import jax

    clock = Clock()
    with clock.timed("training"):
        jax.jit(lambda x: (x @ x.T).sum() * 3.25)(jax.numpy.ones((3, 5))).block_until_ready()
    assert clock.lap()[COMPILING] > 0
