"""A few short beats with a label and an age, a tiny network, and each stage of the age study compiled once.

An epoch is one batch that holds all training examples and some padding, so a stage of one epoch is one step of descent,
to be compared with a formula. The first example is on neither side of the split, and padding points at it.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair import training
from jaxfair.methods import aml
from jaxfair.methods.aml_model import Setting, predict
from jaxfair.models.ecg_cnn import EcgCnn, EcgCnnConfig

SIZE, BATCH = 44, 32
TRAIN = (np.arange(SIZE) > 0) & (np.arange(SIZE) < 28)
EVALUATE = np.arange(SIZE) >= 28
NETWORK = EcgCnn(EcgCnnConfig(channels=(4, 4), kernel_size=3, representation=8, disease_hidden=4))
# Stages as tests name them: how they are built.
STAGES = {
    "baseline": aml.baseline,
    "age_head": aml.age_head,
    "reversed_mse": functools.partial(aml.adversarial, adversary="reversed_mse"),
    "ncov": functools.partial(aml.adversarial, adversary="ncov"),
    "either": functools.partial(aml.adversarial, adversary=None),
    "joint": functools.partial(aml.joint, ramp_epochs=3),
}

# Arms of a stage: the stage and the hyperparameters that make the arm.
ARMS = {
    "either_mse": ("either", {"reversed_mse": 1.0}),
    "either_ncov": ("either", {"reversed_mse": 0.0}),
    "ncov_trained": ("ncov", {"adversary_learning_rate": 1e-4}),
    "ncov_healthy": ("ncov", {"healthy_only": 1.0}),
}


def setting(network=NETWORK, **changed) -> Setting:
    arguments = {"num_batches": 1, "num_evaluated": int(EVALUATE.sum()), "batch_size": BATCH} | changed
    return Setting(network, **arguments)


def dataset() -> dict[str, np.ndarray]:
    """One lead shows the infarction, another the age, and infarction is a disease of the old."""
    rng = np.random.default_rng(0)
    age = rng.uniform(20, 90, SIZE).round()
    infarction = (age + 30 * rng.normal(size=SIZE) > 65).astype(np.float32)
    inputs = rng.normal(size=(SIZE, 16, 3))
    inputs[:, 4:8, 0] += 2 * infarction[:, None]
    inputs[:, :, 1] += (age[:, None] - 55) / 20
    return {"inputs": inputs.astype(np.float32), "infarction": infarction, "age": age.astype(np.float32)}


def member(seed=0, **changed) -> training.Member:
    rates = {"baseline_learning_rate": 0.05, "age_learning_rate": 1e-4, "adversarial_learning_rate": 0.02}
    rates |= {"adversary_learning_rate": 0.0, "healthy_only": 0.0}
    rates |= {"alpha": 0.0, "joint_learning_rate": 1e-2, "weight_decay": 0.1, "score_share": 0.5}
    hyperparameters = {name: jnp.float32(value) for name, value in (rates | changed).items()}
    masks = {"train": TRAIN, "validate": np.zeros(SIZE, bool), "evaluate": EVALUATE}
    return training.Member(jax.random.key(seed), hyperparameters, **{name: jnp.asarray(masks[name]) for name in masks})


@functools.cache
def _program(name, num_epochs, standardize_age):
    stage = STAGES[name](setting(standardize_age=standardize_age), num_epochs)

    def run(member, previous, data):
        return training.train([stage], member, data, previous)[1][stage.name]

    return jax.jit(run)


def run(name, member, previous, data, *, num_epochs=1, standardize_age=False) -> training.Run:
    """A stage or arm of one member, in NumPy; `previous` is the state before."""
    name, changed = ARMS.get(name, (name, {}))
    changed = {rate: jnp.float32(value) for rate, value in changed.items()}
    member = member._replace(hyperparameters=member.hyperparameters | changed)
    if previous is not None:
        previous = {part: previous[part] for part in ("variables", "scale")}
    return jax.tree.map(np.asarray, _program(name, num_epochs, standardize_age)(member, previous, data))


def predictions(variables, data, **chunk):
    """What a model says of every example, in NumPy."""
    program = jax.jit(lambda variables, data: predict(setting(), variables, data, jnp.asarray(TRAIN), **chunk))
    return jax.tree.map(np.asarray, program(variables, data))


def equal(a, b) -> bool:
    """Whether two pytrees are equal in every bit."""
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
