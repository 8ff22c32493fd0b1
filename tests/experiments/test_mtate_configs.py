"""The fairness study's configurations: all variants pass their rules, conflicts are caught, names mean something."""

import types

import numpy as np
import pytest

from data_pipelines.simulate.icu import VARIABLES
from experiments.configs import mtate
from experiments.mtate import arms, domains, evaluation, kinds, networks, styles
from experiments.run import checks

# The Challenge's: 37 variables, each with whether it is measured, and 8 static features.
SIZES = types.SimpleNamespace(num_hours=48, num_channels=74, num_static=8, num_domains=3)


@pytest.mark.parametrize("variant", mtate.VARIANTS)
def test_a_variant_passes_its_own_rules(variant, tmp_path):
    config = mtate.get_config(variant)
    if variant:
        config.data_dir = str(tmp_path)
    assert list(checks.violations(config, mtate.RULES)) == []
    assert set(mtate.RULES.fields) == set(checks.flat(config))


def test_a_variant_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="mtate has no variant 'eicu'; use one of challenge2012, rolling, eicu_demo"):
        mtate.get_config("eicu")


CONFLICTS = {
    "no data": ("challenge2012", {"data_dir": ""}, "challenge2012 is needed: say where it is with --config.data_dir"),
    "no folder": ("mimic", {"data_dir": "nowhere"}, "--config.data_dir=nowhere: is no folder; name the source's"),
    "sets of eICU": ("eicu_demo", {"evaluate_on": "set-b"}, "--config.evaluate_on=set-b: only the Challenge has sets"),
    "the same set": ("challenge2012", {"evaluate_on": "set-a"}, "--config.evaluate_on=set-a: is the set that trains"),
    "the same other set": (
        "rolling",
        {"evaluate_on": "set-c", "train_set": "c"},
        "--config.evaluate_on=set-c: is the set that trains",
    ),
    "simulated domains of a source": ("eicu_demo", {"domains": ("age", "domain_0")}, "domain_0 is of simulated stays"),
    "domains of a source, simulated": ("", {"domains": ("age",)}, "--config.domains=('age',): simulated stays have"),
    "a gap": ("", {"domains": ("domain_0", "domain_2")}, "simulated stays have domain_0, domain_1 and so on, in order"),
    "ends before a window": ("rolling", {"ends": (12, 36)}, "a window of 24 hours cannot end at hour 12."),
    "a window beyond the Challenge": ("challenge2012", {"window": 72}, "the Challenge has 48 hours of each stay."),
    "an end beyond the Challenge": ("rolling", {"ends": (24, 60)}, "the Challenge has 48 hours of each stay."),
    "nothing to run": ("", {"arms": (), "references": ()}, "--config.arms=(): nothing is left to run"),
}
FIELDS = {
    "one fold": ("folds", 1), "no domain": ("domains", ()), "an arm twice": ("arms", ("lstm", "lstm")),
    "no arm of ours": ("arms", ("rnn",)), "all masked": ("mtate.masking_rate", 1.0), "a pair": ("batch_size", 1),
    "no candidate": ("reversals", ()), "no number": ("horizon", "soon"), "no share": ("validation_share", 0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFLICTS)
def test_what_does_not_hold_between_fields_is_one_sentence(name, tmp_path):
    variant, changed, expected = CONFLICTS[name]
    config = mtate.get_config(variant)
    config.update({"data_dir": str(tmp_path)} | changed)
    (sentence,) = checks.violations(config, mtate.RULES)
    assert expected in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize("name", FIELDS)
def test_what_a_field_cannot_be_is_one_sentence(name):
    field, value = FIELDS[name]
    config = mtate.get_config()
    with config.ignore_type():
        config.update_from_flattened_dict({field: value})
    (sentence,) = checks.violations(config, mtate.RULES)
    assert sentence.startswith(f"--config.{field}={value}: must be ")


def test_every_arm_is_one_and_has_a_style():
    named = {*mtate.NETWORK_ARMS, *mtate.ABLATIONS, *mtate.MASKING}
    assert named == set(arms.ARMS)
    for variant in mtate.VARIANTS:
        config = mtate.get_config(variant)
        assert len(config.arms)
        assert sorted(arms.network_arms(config)) == sorted(config.arms)
        parts = {name: types.SimpleNamespace(arrays=dict.fromkeys(methods)) for name, methods in (
            ("references", config.references), ("downstream", [f"mtate_{name}" for name in config.downstream])
        )}  # fmt: skip
        data = types.SimpleNamespace(optimum=np.ones(1) if not variant else None)
        judged = evaluation._judged(config, data, parts, evaluation.MAIN_RULE)
        assert set(judged) <= set(styles.METHODS)
        assert len(set(judged)) == len(judged) >= len(config.arms)
    assert named <= set(styles.METHODS)
    assert any(base in mtate.MASKING for base in evaluation.BASES)
    titles = [each.label for each in styles.METHODS.values()]
    assert len(set(titles)) == len(titles)


def test_the_kinds_of_methods_are_those_that_can_be_asked_for():
    assert ("mtate", *kinds.ABLATIONS, *kinds.LEFT_OPEN) == mtate.ABLATIONS
    assert mtate.MASKING == kinds.MASKING
    assert set(mtate.REFERENCES) == set(kinds.SUMMARIES)
    assert {f"mtate_{name}" for name in mtate.DOWNSTREAM} == set(kinds.DOWNSTREAM)


def test_every_domain_is_known():
    assert set(mtate.DOMAINS) == set(domains.DOMAINS)
    assert set(domains.NINE) == set(mtate.get_config("eicu_demo").domains) == set(mtate.DOMAINS[:9])
    for variant in mtate.VARIANTS:
        assert set(mtate.get_config(variant).domains) <= set(domains.DOMAINS)
    # The simulator can shift as many groupings as it has variables.
    assert sum(name.startswith("domain_") for name in mtate.DOMAINS) == len(VARIABLES)


@pytest.mark.parametrize("variant", mtate.VARIANTS)
def test_every_arm_has_as_many_candidates(variant):
    config = mtate.get_config(variant)
    number = 1 if variant in ("rolling", "ablation", "masking") else 2
    assert {len(arms.hyperparameters(config, name)) for name in config.arms} == {number}
    for name in config.arms:
        candidates = arms.hyperparameters(config, name)
        assert len({tuple(each.items()) for each in candidates}) == number
        assert len({tuple(each) for each in candidates}) == 1


def test_candidates_by_hand():
    config = mtate.get_config("challenge2012")
    config.lstm.learning_rate, config.mtate.learning_rate = 0.01, 0.02
    own = {name: arms.hyperparameters(config, name) for name in arms.ARMS}
    np.testing.assert_allclose([each["learning_rate"] for each in own["lstm"]], [0.01, 0.003])
    assert [each["step_size"] for each in own["group_dro"]] == [0.01, 0.1]
    assert own["group_dro"][0]["learning_rate"] == 0.01
    np.testing.assert_allclose([each["domain_weight"] for each in own["mtate"]], [0.1, 1.0])
    assert [each["reversal"] for each in own["dann"]] == [0.1, 1.0]
    assert [each["domain_weight"] for each in own["dann"]] == [1, 1]
    assert [each["domain_weight"] for each in own["without_domain_loss"]] == [0, 0]
    np.testing.assert_allclose([each["learning_rate"] for each in own["without_domain_loss"]], [0.02, 0.006])
    assert [each["contrastive_weight"] for each in own["without_contrastive"]] == [0, 0]


def test_members_stand_candidate_after_candidate():
    config = mtate.get_config()
    config.seeds = 3
    grid = arms.grid(config, "laftr", 1)
    assert [(each["candidate"], each["seed"]) for each in grid] == [(c, s) for c in "01" for s in range(3)]
    assert {each["fold"] for each in grid} == {1}
    assert {each["method"] for each in grid} == {"laftr"}
    assert [each["fairness_weight"] for each in grid] == 3 * [0.1] + 3 * [1.0]


def test_ablations_are_mtate_without_one_part():
    config = mtate.get_config("ablation")
    full = networks.mtate_config(arms.ARMS["mtate"], dict(config.mtate), 3)
    for part in ("temporal", "feature", "representation"):
        for name in (f"without_{part}", f"without_{part}_wider"):
            own = networks.mtate_config(arms.ARMS[name], dict(config.mtate), 3)
            different = {field for field, value in vars(full).items() if value != getattr(own, field)}
            assert different == {f"{part}_attention"}
            assert getattr(own, f"{part}_attention") is False
    assert networks.mtate_config(arms.ARMS["without_masking"], dict(config.mtate), 3).masking_rate == 0
    rates = [networks.mtate_config(arms.ARMS[name], dict(config.mtate), 3).masking_rate for name in mtate.MASKING]
    np.testing.assert_allclose(rates, np.arange(10) / 10)
    assert full.masking_rate == rates[4]


@pytest.mark.parametrize("part", ["temporal", "feature", "representation"])
def test_wider_ablations_have_as_many_parameters_within_half_a_unit_of_width(part):
    config = mtate.get_config("ablation")

    def count(name):
        setting = networks._mtate_setting(arms.ARMS[name], dict(config.mtate), _sizes())
        chosen = setting.network.config
        return networks.num_parameters(chosen, SIZES), chosen

    full, _ = count("mtate")
    plain, narrow = count(f"without_{part}")
    wider, chosen = count(f"without_{part}_wider")
    assert plain < full
    assert chosen.hidden > narrow.hidden == config.mtate.hidden
    unit = (wider - plain) / (chosen.hidden - narrow.hidden)
    assert unit == round(unit) > 0
    assert abs(wider - full) <= unit / 2


def _sizes():
    rest = {"num_batches": 1, "num_validate": 1, "batch_size": 8, "patience": 1, "epochs": 1, "refit": False}
    return types.SimpleNamespace(**vars(SIZES), **rest)


def test_a_masking_rate_that_leaves_no_feature_is_named():
    config = mtate.get_config()
    config.mtate.masking_rate = 0.99
    own = networks.mtate_config(arms.ARMS["mtate"], dict(config.mtate), 3)
    sizes = types.SimpleNamespace(num_hours=12, num_channels=16, num_static=0)
    with pytest.raises(ValueError, match=r"^A masking rate of 0.99 leaves none of the 16 features; .*\."):
        networks.num_parameters(own, sizes)


def test_arms_that_differ_in_numbers_alone_are_one_program():
    """Coefficients of losses are data of a member; what changes the network, the rate of masking too, is compiled."""
    config = mtate.get_config()
    num_examples = 24
    side = np.zeros((2, num_examples), bool)
    side[:, :8] = True
    data = types.SimpleNamespace(
        train=side, validate=np.roll(side, 8, axis=1), evaluate=np.roll(side, 16, axis=1),
        outcome=np.zeros(num_examples), static_names=(),
        values=np.zeros((num_examples, 12, 8)), variables=("",) * 8, static=np.zeros((num_examples, 0)),
        domain_names=("domain_0", "domain_1", "domain_2"),
    )  # fmt: skip
    own = {name: networks.program(config, data, name) for name in arms.ARMS}
    assert own["mtate"] is own["without_contrastive"] is own["without_domain_loss"]
    different = [name for name in arms.ARMS if name not in ("without_contrastive", "without_domain_loss")]
    distinct = {id(own[name]) for name in different}
    # Rates of 0.4 and 0 have two names each.
    assert len(distinct) >= len(different) - 2
    config.mtate.learning_rate, config.mtate.domain_weight = 0.5, 7.0
    assert networks.program(config, data, "mtate") is own["mtate"]
    config.mtate.masking_rate = 0.2
    assert networks.program(config, data, "mtate") is not own["mtate"]


def test_what_answers_a_domain_by_itself_is_kept_from_who_is_not_to_know_it():
    names = ("age", "male", "height", "icu_type_1", "icu_type_2", "icu_type_3", "icu_type_4", "weight")
    assert networks.neutral_static(names, ("age", "sex", "unit")) == (2, 7)
    assert networks.neutral_static(names, ("sex",)) == (0, 2, 3, 4, 5, 6, 7)
    of_mimic = ("age", "male", "weight", "body_mass_index", "not_white", "charlson_index")
    assert networks.neutral_static(of_mimic, domains.NINE) == (2, 3)
    assert networks.neutral_static((), ("domain_0",)) == ()
