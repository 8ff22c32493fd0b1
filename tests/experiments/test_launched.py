"""What a run writes about itself."""

import json

from ml_collections import ConfigDict

from experiments import launched


def test_a_run_names_every_commit_that_had_a_part_in_it(tmp_path, monkeypatch):
    for commit in ("aaa", "aaa", None, "bbb-dirty", "aaa"):
        monkeypatch.setattr(launched, "_git_commit", lambda commit=commit: commit)
        run = launched.Launched("aml", ConfigDict(), tmp_path)
        run.write_environment()
        run.write_environment()
    told = json.loads((tmp_path / "environment.json").read_text())
    assert told["git_commit"] == "aaa, bbb-dirty"
    assert told["starts"] == 5


def test_without_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(launched, "_git_commit", lambda: None)
    launched.Launched("aml", ConfigDict(), tmp_path).write_environment()
    assert json.loads((tmp_path / "environment.json").read_text())["git_commit"] is None
