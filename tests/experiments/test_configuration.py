"""A configuration is checked whole before anything is imported or loaded: every field, with every kind of bad value."""

import inspect
import re
import subprocess
import sys

import launching
import pytest
from absl import flags
from ml_collections import ConfigDict

from experiments.aml import arms
from experiments.configs import aml, mtate, shapley
from experiments.run import checks, command_line
from experiments.shapley import styles
from jaxfair.attribution import data_values
from jaxfair.methods.aml import OPTIMIZERS
from jaxfair.models.time_series import BACKBONES
from jaxfair.probes import mlp_probe

STUDIES = {"aml": aml, "shapley": shapley, "mtate": mtate}
FIELDS = [(study, field) for study, module in STUDIES.items() for field in checks.flat(module.get_config())]
HUGE = "1000000000"
BAD = {"a word": "('neither',)", "zero": "0", "negative": "-1", "not a number": "nan", "nothing": "", "huge": HUGE}

# What of the above is a value after all; a tuple's fields take a number as a tuple of one.
NUMBERS_FROM_0 = {"aml": ["joint.weight_decay", "joint.score_share", "max_damaged", "joint.dropout", "boosting_seeds"]}
NUMBERS_FROM_0["aml"] += ["confounding", "alphas", "joint.alphas"]
NUMBERS_FROM_0["shapley"] = ["epochs", "pgd_steps", "momentum"]
NUMBERS_FROM_0["mtate"] = [f"{network}.dropout" for network in ("lstm", "gru_d", "transformer", "retain", "mtate")]
NUMBERS_FROM_0["mtate"] += [f"mtate.{name}" for name in ("masking_rate", "domain_weight", "contrastive_weight")]
NUMBERS_FROM_0["mtate"] += ["domain_weights", "reversals", "step_sizes", "fairness_weights"]
NUMBERS_FROM_0["mtate"] += ["simulated.shift", "simulated.label_bias"]
SWITCHES = {"aml": ["keep_lvh", "standardize_age"], "shapley": ["keep_classes"]}
SWITCHES["mtate"] = ["dialysed_injury", "mtate.redraw_masks"]
VALUES = {(study, field, "zero") for study in STUDIES for field in (*NUMBERS_FROM_0[study], *SWITCHES[study])}
VALUES |= {("aml", "confounding", "negative"), ("mtate", "simulated.shift", "negative")}
# Names, which are looked up where data are not simulated.
VALUES |= {("shapley", "problems", kind) for kind in ("a word", "not a number")}
VALUES |= {(study, "data_dir", kind) for study in STUDIES for kind in BAD}
VALUES |= {("mtate", "cohort_dir", kind) for kind in BAD} | {("mtate", "evaluate_on", "nothing")}
EMPTY = {"aml": {"arms", "joint.alphas"}}
EMPTY["mtate"] = {"arms", "ends", "channels", "references", "downstream"}
FULL = {"shapley": "paper", "mtate": "rolling"}  # Variants whose tuples are not empty.
EMPTY["shapley"] = {"compared_scores", "compared_shares", "hardened_shares", "pgd_shares", "peers"}


def parsed(monkeypatch, study, *arguments):
    """The configuration of a command line, or the sentence with which it is refused."""
    argv = [f"experiments.{study}", *arguments]
    monkeypatch.setattr(sys, "argv", argv)  # Where ml_collections looks for fields.
    values, rules = flags.FlagValues(), STUDIES[study].RULES
    try:
        command_line.define_config(study, rules, str(launching.ROOT / "experiments/configs" / f"{study}.py"), values)
        command_line.parse(study, rules, argv, values)
    except SystemExit as refused:
        return str(refused)
    return values.config


@pytest.mark.parametrize("study", STUDIES)
def test_every_field_has_a_check_and_every_check_a_field(study):
    assert set(STUDIES[study].RULES.fields) == set(checks.flat(STUDIES[study].get_config()))


@pytest.mark.parametrize(("study", "variant"), [(study, name) for study in STUDIES for name in STUDIES[study].VARIANTS])
def test_every_variant_needs_data_at_most(study, variant, tmp_path):
    config, rules = STUDIES[study].get_config(variant), STUDIES[study].RULES
    refused = list(checks.violations(config, rules))
    assert len(refused) == bool(variant)
    assert all("say where" in sentence for sentence in refused)
    config.data_dir = str(tmp_path / "absent")
    for sentence in refused and checks.violations(config, rules):
        assert sentence.startswith(f"--config.data_dir={tmp_path / 'absent'}: is no folder; name ")


@pytest.mark.parametrize(("study", "field"), FIELDS)
def test_a_bad_value_of_a_field_is_refused_in_a_sentence_with_its_flag(study, field, monkeypatch):
    for kind, value in BAD.items():
        flag = f"--config.{field}={value}"
        outcome = parsed(monkeypatch, study, flag)
        if (study, field, kind) in VALUES:
            assert isinstance(outcome, ConfigDict), f"{flag}: {outcome}"
            continue
        assert isinstance(outcome, str), f"{flag} was taken for good"
        assert outcome.startswith(f"{study}: --config.{field}="), outcome
        assert outcome.endswith(".")
        assert "\n" not in outcome
        for raw in ("Traceback", "literal", "convert", "invalid"):
            assert raw not in outcome


@pytest.mark.parametrize(("study", "field"), [pair for pair in FIELDS if isinstance(
    checks.flat(STUDIES[pair[0]].get_config())[pair[1]], tuple)])  # fmt: skip
def test_no_values_repeated_ones_and_nan_in_a_tuple(study, field, monkeypatch):
    config = STUDIES[study].get_config()
    default = checks.flat(config)[field] or STUDIES[study].get_config(FULL[study]).to_dict()[field]
    outcome = parsed(monkeypatch, study, f"--config.{field}=()")
    assert isinstance(outcome, ConfigDict) == (field in EMPTY[study]), outcome
    twice = parsed(monkeypatch, study, f"--config.{field}={(default[0], default[0])}")
    assert isinstance(twice, ConfigDict) == (field == "channels" and study != "mtate"), twice
    for other in ("(float('nan'),)", "(1e999,)", "((1,),)", "(None,)", "(True,)"):
        assert str(parsed(monkeypatch, study, f"--config.{field}={other}")).startswith(f"{study}: --config.{field}=")


CONFLICTS = {
    ("aml", "--config.joint.ramp_epochs=31"): "alpha would never reach its value in --config.joint.epochs=30",
    ("aml", "--config.channels=(4, 4, 4, 4, 4, 4)"): "must be a tuple of 1 to 5 values, each a whole number from 1 to",
    (
        "aml",
        "--config.mlp_probe_steps=75",
    ): "--config.mlp_probe_steps=75: must be a multiple of 50 from 50 to 1,000,000.",
    ("aml", "--config.joint=3"): "--config.joint=3: must be set field by field, as by --config.joint.epochs.",
    ("aml", "--config.variant=pareto"): "--config.variant=pareto: is no field to set; name it as in --config=FILE:",
    ("shapley", "--config.depths=(1, 3)"): "a network of --config.channels=(8, 16) is at most 2 deep.",
    ("shapley", "--config.least_batch=33"): "--config.least_batch=33: is more than --config.largest_batch=32.",
    ("shapley", "--config.compared_scores=('signed_sum',)"): "'signed_sum' is among --config.scores=('signed_sum',)",
    ("shapley", "--config.pgd_shares=(15,)"): "--config.pgd_shares: 15 is not among --config.shares=(10, 20).",
    ("shapley", "--config.shares=()"): "--config.shares=(): give at least one.",
    ("shapley", "--config.seeds=0"): "--config.seeds=0: give 1 or more, or 0 with peers.",
    ("shapley", "--config.problems=('../other',)"): "each a name of letters, digits, '_', '-' and '.'.",
}


@pytest.mark.parametrize(("study", "flag"), CONFLICTS)
def test_fields_that_do_not_fit_each_other(study, flag, monkeypatch):
    outcome = parsed(monkeypatch, study, flag)
    assert isinstance(outcome, str)
    assert CONFLICTS[study, flag] in outcome


def test_a_problem_that_the_archive_lacks_is_named_before_anything_is_loaded(tmp_path, monkeypatch):
    launching.write_ucr(tmp_path, ["ECG200"])
    where = [launching.variant("ucr", "shapley"), f"--config.data_dir={tmp_path}"]
    assert "no problem 'ECG5000'" in parsed(monkeypatch, "shapley", *where)
    assert isinstance(parsed(monkeypatch, "shapley", *where, "--config.problems=('ECG200',)"), ConfigDict)


def test_help_lists_the_fields_of_the_variant_with_what_they_may_be(monkeypatch, capsys):
    assert parsed(monkeypatch, "aml", launching.variant("folds"), "--config.seeds=4", "--help") == ""
    listed = capsys.readouterr().out
    assert "  --config.seeds=4: a whole number from 1 to 10,000\n" in listed
    assert "  --config.split=folds: holdout or folds\n" in listed
    fields = set(re.findall(r"--config\.([\w.]+)=", listed))
    assert fields == set(checks.flat(aml.get_config())) - {"variant"}
    assert "no field" in parsed(monkeypatch, "aml", "--config.joint.foo=3", "--help")


def test_words_that_are_checked_are_those_that_are_known():
    assert set(aml.ARMS) == set(arms.ARMS)
    assert {name for name in ("sgd", "adam", "adamw", "other") if aml.RULES.fields["optimizer"].holds(name)} == set(
        OPTIMIZERS
    )
    assert shapley.SCORES[: len(data_values.SCORES)] == data_values.SCORES
    assert set(shapley.SCORES) <= set(styles.SCORES)
    assert set(shapley.PEERS) <= set(BACKBONES)
    checked = inspect.signature(mlp_probe).parameters["steps_between_checks"].default
    assert aml.RULES.fields["mlp_probe_steps"].says.startswith(f"a multiple of {checked} ")


def test_a_study_without_rules_still_refuses_what_is_not_finite():
    config = ConfigDict({"rate": float("nan"), "rates": (1.0, float("inf")), "deep": {"seeds": 0, "name": "x"}})
    refused = list(checks.violations(config, checks.Rules()))
    assert refused == [
        "--config.rate=nan: must be finite.",
        "--config.rates=(1.0, inf): must be a tuple of 0 or more values, each finite.",
    ]


def test_a_field_that_a_configuration_lacks_is_named():
    refused = list(checks.violations(ConfigDict({"a": 1}), checks.Rules({"a": checks.whole(0, 1), "b": checks.TEXT})))
    assert refused == ["--config.b: the configuration has no such field; its get_config must set it."]


def test_a_refusal_imports_neither_jax_nor_the_study(tmp_path):
    code = "import sys; sys.argv[1:] = ['--config.batch_size=0']\nfrom experiments.run import launch\ntry:\n"
    code += " launch.main('aml')\nexcept SystemExit as end: print(end)\n"
    code += "print(sorted({'jax', 'pandas', 'experiments.aml.study'} & {*sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=launching.environment(tmp_path), capture_output=True, text=True
    )
    assert done.stdout == "aml: --config.batch_size=0: must be a whole number from 1 to 100,000.\n[]\n", done.stderr
    assert not any(tmp_path.iterdir())
