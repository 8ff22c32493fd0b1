"""The three stages of the paper, each step against its equation written out with a gradient of each loss of its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_age_study as study
from sklearn.metrics import accuracy_score, roc_auc_score

from jaxfair.methods import aml
from jaxfair.methods.aml_model import apply_heads

INDEX = np.flatnonzero(study.TRAIN)


@pytest.fixture(scope="module")
def data():
    return study.dataset()


@pytest.fixture(scope="module")
def before(data):
    """The initial parameters, which a learning rate of 0 leaves as they are."""
    return study.run("baseline", study.member(baseline_learning_rate=0), None, data).state["variables"]["params"]


@pytest.fixture(scope="module")
def baseline(data):
    return study.run("baseline", study.member(), None, data).state


@pytest.fixture(scope="module")
def age_head(data, baseline):
    return study.run("age_head", study.member(), baseline, data).state


@jax.jit
def slopes(params, batch_stats, data):
    """The gradient of each loss by itself, as the paper writes it, and the batch statistics afterwards.

    No mask occurs here: the batch is the training examples and nothing else.
    """
    inputs, labels, age = (data[name][INDEX] for name in ("inputs", "infarction", "age"))
    labels = labels.astype(int)

    def represent(params):
        variables = {"params": params, "batch_stats": batch_stats}
        return study.NETWORK.apply(variables, inputs, train=True, method="represent", mutable=["batch_stats"])

    def cross_entropy(params):
        representation, statistics = represent(params)
        logits = study.NETWORK.apply({"params": params}, representation, method="disease")
        weights = len(labels) / (2 * jnp.bincount(labels, length=2))
        likelihood = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]
        return -jnp.mean(weights[labels] * likelihood), statistics["batch_stats"]

    def predicted_age(params):
        return study.NETWORK.apply({"params": params}, represent(params)[0], method="age")

    def mse(params):
        return jnp.mean((predicted_age(params) - age) ** 2)

    def ncov(params, who=slice(None)):
        predicted, true = predicted_age(params)[who], age[who]
        return -(jnp.mean((predicted - predicted.mean()) * (true - true.mean())) ** 2)

    healthy = study.dataset()["infarction"][INDEX] == 0
    primary, statistics = jax.grad(cross_entropy, has_aux=True)(params)
    return {
        "cross_entropy": primary,
        "reversed_mse": jax.grad(mse)(params),
        "ncov": jax.grad(ncov)(params),
        "ncov_trained": jax.grad(ncov)(params),
        "ncov_healthy": jax.grad(ncov)(params, healthy),
        "batch_stats": statistics,
    }


def stepped(params, gradient, rate):
    return jax.tree.map(lambda value, slope: value - rate * slope, params, gradient)


def assert_close(a, b, atol=2e-6):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=atol), a, b)


def distance(a, b):
    return max(np.abs(x - y).max() for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def norm(tree):
    return np.sqrt(sum((leaf**2).sum() for leaf in jax.tree.leaves(tree)))


def test_stage_1_is_equation_1(data, before, baseline):
    after = baseline["variables"]
    fresh = {"mean": np.zeros(4, np.float32), "var": np.ones(4, np.float32)}
    statistics = {"backbone": {"norm_0": fresh, "norm_1": fresh}}
    expected = slopes(before, statistics, data)
    for group in ("backbone", "disease_head"):
        moved = stepped(before[group], expected["cross_entropy"][group], 0.05)
        assert_close(after["params"][group], moved)
        assert distance(moved, before[group]) > 1e-3
    assert study.equal(after["params"]["age_head"], before["age_head"])
    assert_close(after["batch_stats"], expected["batch_stats"])
    assert distance(after["batch_stats"], statistics) > 1e-3


def test_stage_2_is_equation_2_on_features_computed_once(data, baseline, age_head):
    features = age_head["features"]
    assert_close(features, study.predictions(baseline["variables"], data).representation)
    head = baseline["variables"]["params"]["age_head"]["Dense_0"]
    x = features[INDEX].astype(np.float64)
    errors = x @ head["kernel"][:, 0] + head["bias"] - data["age"][INDEX]
    moved = age_head["variables"]["params"]["age_head"]["Dense_0"]
    kernel = head["kernel"][:, 0] - 1e-4 * 2 * x.T @ errors / len(errors)
    np.testing.assert_allclose(moved["kernel"][:, 0], kernel, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(moved["bias"], head["bias"] - 1e-4 * 2 * errors.mean(), rtol=1e-5)


def test_stage_2_moves_nothing_but_the_age_head(baseline, age_head):
    before, after = baseline["variables"], age_head["variables"]
    for group in ("backbone", "disease_head"):
        assert study.equal(after["params"][group], before["params"][group])
    assert study.equal(after["batch_stats"], before["batch_stats"])
    assert not study.equal(after["params"]["age_head"], before["params"]["age_head"])


@pytest.mark.parametrize("arm", ["reversed_mse", "ncov", "ncov_trained", "ncov_healthy"])
def test_stage_3_is_equation_3(data, age_head, arm):
    params = age_head["variables"]["params"]
    slope = slopes(params, age_head["variables"]["batch_stats"], data)
    primary, against = slope["cross_entropy"]["backbone"], slope[arm]["backbone"]
    alpha = norm(primary) / norm(against)  # Both terms weigh the same in this step.
    after = study.run(arm, study.member(alpha=alpha), age_head, data).state["variables"]
    both = jax.tree.map(lambda a, b: a - alpha * b, primary, against)
    expected = stepped(params["backbone"], both, 0.02)
    assert_close(after["params"]["backbone"], expected)
    alone = stepped(params["backbone"], primary, 0.02)
    assert distance(expected, alone) > 1e-3
    assert study.equal(after["params"]["disease_head"], params["disease_head"])
    assert_close(after["batch_stats"], slope["batch_stats"])
    if arm == "ncov_trained":  # By its own squared error, whatever alpha is.
        own = stepped(params["age_head"], slope["reversed_mse"]["age_head"], 1e-4)
        assert_close(after["params"]["age_head"], own, atol=1e-5)
        assert distance(after["params"]["age_head"], params["age_head"]) > 1e-3
    else:
        assert study.equal(after["params"]["age_head"], params["age_head"])


@pytest.mark.parametrize("arm", ["reversed_mse", "ncov", "ncov_healthy", "either_mse", "either_ncov"])
def test_alpha_0_is_no_adversary_even_beside_one_that_has_run_away(data, age_head, arm):
    member = study.member(alpha=0.0)
    params = dict(age_head["variables"]["params"])
    alone = slopes(params, age_head["variables"]["batch_stats"], data)["cross_entropy"]
    control = params | {"backbone": stepped(params["backbone"], alone["backbone"], 0.02)}
    params["age_head"] = jax.tree.map(lambda leaf: np.full_like(leaf, np.inf), params["age_head"])
    runaway = age_head | {"variables": age_head["variables"] | {"params": params}}
    for previous in (age_head, runaway):
        after = study.run(arm, member, previous, data).state["variables"]["params"]
        for group in ("backbone", "disease_head"):
            assert_close(after[group], control[group])


@pytest.mark.parametrize(("one", "either"), [("reversed_mse", "either_mse"), ("ncov", "either_ncov")])
@pytest.mark.parametrize("changed", [{}, {"healthy_only": 1.0}, {"adversary_learning_rate": 1e-4}])
def test_one_program_for_both_adversaries_trains_as_the_program_of_each(data, age_head, one, either, changed):
    alone = study.run(one, study.member(alpha=1e-2, **changed), age_head, data)
    together = study.run(either, study.member(alpha=1e-2, **changed), age_head, data)
    assert_close(together.state["variables"], alone.state["variables"])
    np.testing.assert_allclose(together.logs["train/loss"], alone.logs["train/loss"], rtol=1e-5)
    control = study.run(one, study.member(alpha=0.0, **changed), age_head, data)
    assert distance(control.state["variables"]["params"], alone.state["variables"]["params"]) > 1e-3


def test_the_adversary_that_is_not_chosen_may_overflow(data, age_head):
    """Ages of 1e15 years: NCOV, a product of four of them, is infinite, and the squared error is not."""
    params = dict(age_head["variables"]["params"])
    params["age_head"] = jax.tree.map(lambda leaf: 1e15 * leaf, params["age_head"])
    far = age_head | {"variables": age_head["variables"] | {"params": params}}
    years = data | {"age": (1e12 * data["age"]).astype(np.float32)}
    member = study.member(alpha=1e-30)
    assert not np.isfinite(study.run("either_ncov", member, far, years).logs["train/loss"]).all()
    chosen = study.run("either_mse", member, far, years)
    assert np.isfinite(chosen.logs["train/loss"]).all()
    alone = study.run("reversed_mse", member, far, years)
    assert_close(chosen.state["variables"], alone.state["variables"])


def test_an_unknown_adversary_is_refused():
    with pytest.raises(ValueError, match=r"one of .*'ncov'.*, not 'hsic'"):
        aml.adversarial(study.setting(), adversary="hsic")


@pytest.mark.parametrize("name", ["baseline", "age_head", "reversed_mse", "ncov", "ncov_trained", "ncov_healthy"])
@pytest.mark.parametrize("who", ["nobody", "all but the trained"])
def test_nothing_is_learned_from_examples_outside_the_training_mask(data, baseline, name, who):
    spoiled, member = {part: values.copy() for part, values in data.items()}, study.member(alpha=1e-6)
    for values in spoiled.values():
        values[0 if who == "nobody" else ~study.TRAIN] = np.nan
    previous = None if name == "baseline" else baseline
    clean = study.run(name, member, previous, data)
    run = study.run(name, member, previous, spoiled)
    assert study.equal(run.state["variables"], clean.state["variables"])
    assert np.isfinite(run.logs["train/loss"]).all()
    assert run.logs["train/loss"] == clean.logs["train/loss"]


def test_an_adversary_within_the_healthy_never_sees_the_age_of_an_infarction(data, age_head):
    unknown = data | {"age": np.where(data["infarction"] == 1, np.nan, data["age"]).astype(np.float32)}
    member = study.member(alpha=1e-5)
    known = study.run("ncov_healthy", member, age_head, data).state["variables"]
    assert study.equal(study.run("ncov_healthy", member, age_head, unknown).state["variables"], known)
    everyone = study.run("ncov", member, age_head, data).state["variables"]
    assert not study.equal(everyone["params"], known["params"])


def test_curves_are_the_metrics_of_the_state_after_the_epoch(data, baseline):
    run = study.run("baseline", study.member(), None, data)
    predicted = study.predictions(baseline["variables"], data)
    score, labels = predicted.infarction[study.EVALUATE], data["infarction"][study.EVALUATE]
    age = np.corrcoef(predicted.age[study.EVALUATE], data["age"][study.EVALUATE])[0, 1]
    assert run.logs["evaluate/accuracy"][0] == pytest.approx(accuracy_score(labels, score >= 0.5))
    assert run.logs["evaluate/roc_auc"][0] == pytest.approx(roc_auc_score(labels, score))
    assert run.logs["evaluate/age_pearson"][0] == pytest.approx(age, abs=1e-5)


def test_predictions_do_not_depend_on_how_many_are_made_at_once(data, baseline):
    whole = study.predictions(baseline["variables"], data)
    assert whole.representation.shape == (study.SIZE, 8)
    assert_close(study.predictions(baseline["variables"], data, chunk=7), whole)


def test_standardised_ages_are_a_unit_and_nothing_else(data, baseline):
    """Ages in months, from another origin: the same training, and the same predictions in the new unit."""
    months = data | {"age": 12 * data["age"] - 100}
    predicted = {}
    for name, each in (("years", data), ("months", months)):
        member = study.member(age_learning_rate=0.01, baseline_learning_rate=0)
        first = study.run("baseline", member, None, each, standardize_age=True).state
        state = study.run("age_head", member, first, each, num_epochs=300, standardize_age=True).state
        head = state["variables"]["params"]["age_head"]["Dense_0"]
        units = state["features"] @ head["kernel"][:, 0] + head["bias"]
        predicted[name] = apply_heads(study.setting(), state["variables"], state["features"], state["scale"]).age
        age = each["age"][INDEX]
        np.testing.assert_allclose(predicted[name], units * age.std() + age.mean(), rtol=1e-4)
        # It has learned something: the mean, and more than that.
        error = np.asarray(predicted[name])[INDEX] - age
        assert abs(error.mean()) < 0.1 * age.std()
        assert error.std() < 0.9 * age.std()
    np.testing.assert_allclose(predicted["months"], 12 * np.asarray(predicted["years"]) - 100, rtol=1e-3)
