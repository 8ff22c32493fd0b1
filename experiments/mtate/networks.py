"""From an arm to what is compiled: its network, its stages of training, and how it predicts."""

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.mtate.arms import ARMS, Arm
from experiments.mtate.data import IcuData
from experiments.mtate.domains import DOMAINS
from jaxfair import training
from jaxfair.methods import (
    classifier,
    domain_adversarial,
    domain_specific,
    group_dro,
    just_train_twice,
    laftr,
    mtate,
    reweighting,
)
from jaxfair.models.mtate import Mtate, MtateConfig
from jaxfair.models.recurrent import GruD, Lstm
from jaxfair.models.retain import Retain
from jaxfair.models.transformer import Transformer

# Their representation is to say nothing of a patient's groups, so they are not given what answers a domain by itself.
INVARIANT = ("laftr", "domain_adversarial")
_REFIT = {"validation": "constant", "warm_up": "epochs"}
_CHUNK = 128  # Examples predicted at once: attention of all of them would not fit.


class Program(NamedTuple):
    """What an arm compiles.

    Attributes:
      stages: Of training.
      predict: `(member, variables, data) -> {name: [example, ...]}` of the member's validation and evaluation examples,
        NaN for the others.
      represent: The same of the representation, of all examples.
    """

    stages: tuple[training.Stage, ...]
    predict: Callable
    represent: Callable


def program(config: Any, data: IcuData, name: str, *, refit: bool = False) -> Program:
    """The program of an arm; the same object again for the same sizes, so that it is compiled once.

    Args:
      config: The study's.
      data: Whose sizes are compiled in.
      name: Of the arm.
      refit: Training ends after the epoch that the hyperparameter `epochs` numbers, whatever comes of it.
    """
    arm = ARMS[name]
    sizes = _Sizes(
        num_batches=training.num_batches(data.train, config.batch_size),
        # A refit selects nothing.
        num_validate=1 if refit else training.num_batches(data.validate, 1),
        num_predicted=training.num_batches(data.evaluate if refit else data.validate | data.evaluate, 1),
        num_examples=len(data.outcome),
        num_hours=data.values.shape[1],
        num_variables=len(data.variables),
        num_channels=len(data.variables) * (1 + len(config.channels)),
        num_static=data.static.shape[1],
        neutral_static=neutral_static(data.static_names, data.domain_names),
        num_domains=len(data.domain_names),
        batch_size=config.batch_size,
        patience=1 if refit else config.patience,
        epochs=config.epochs + 1 if refit else config.epochs,
        identification_epochs=config.identification_epochs,
        refit=refit,
    )
    # The fields that are not compiled in must not make another program of it.
    own = {key: value for key, value in config[arm.network].items() if not key.endswith(("_rate", "_weight"))}
    if arm.network == "mtate":
        own["masking_rate"] = config.mtate.masking_rate
    return _program(dataclasses.replace(arm, candidates=("", ""), fixed=()), tuple(own.items()), sizes)


@dataclasses.dataclass(frozen=True)
class _Sizes:
    num_batches: int
    num_validate: int
    num_predicted: int
    num_examples: int
    num_hours: int
    num_variables: int
    num_channels: int
    num_static: int
    neutral_static: tuple[int, ...]
    num_domains: int
    batch_size: int
    patience: int
    epochs: int
    identification_epochs: int
    refit: bool


@functools.cache
def _program(arm: Arm, own: tuple[tuple[str, Any], ...], sizes: _Sizes) -> Program:
    if arm.network == "mtate":
        setting = _mtate_setting(arm, dict(own), sizes)
        stages = (mtate.classifier(setting, sizes.epochs),)
        outputs = functools.partial(_mtate_outputs, setting)
        apply = functools.partial(mtate.apply, setting)
    else:
        network, arguments = _sequence_network(arm.network, dict(own), sizes)
        if arm.training in INVARIANT:
            arguments = _neutral_arguments(sizes.neutral_static)
        setting = classifier.Setting(
            network,
            num_batches=sizes.num_batches,
            num_validate=sizes.num_validate,
            batch_size=sizes.batch_size,
            patience=sizes.patience,
            arguments=arguments,
            **_REFIT if sizes.refit else {},
        )
        if arm.training == "domain_specific":
            setting = domain_specific.domain_specific(setting)
        stages = tuple(_stages(arm.training, setting, sizes))
        apply = functools.partial(classifier.apply, setting)
        outputs = functools.partial(_outputs, apply)

    def predict(member, variables, data):
        asked = member.evaluate if sizes.refit else member.validate | member.evaluate
        batch = training.selected(asked, sizes.num_predicted)
        return _in_chunks(functools.partial(outputs, variables), data, batch.indices, batch.mask, sizes.num_examples)

    def represent(variables, data):
        everyone = jnp.arange(sizes.num_examples)
        one = lambda here: {"representation": apply(variables, here).representation}  # noqa: E731
        return _in_chunks(one, data, everyone, jnp.ones(sizes.num_examples, bool), sizes.num_examples)["representation"]

    return Program(stages, predict, represent)


def _stages(training_method, setting, sizes):
    epochs = sizes.epochs
    if training_method == "just_train_twice":
        return just_train_twice.just_train_twice(setting, epochs, sizes.identification_epochs)
    return [
        {
            "plain": classifier.plain,
            "domain_specific": classifier.plain,
            "reweighted": reweighting.reweighted,
            "group_dro": group_dro.group_dro,
            "laftr": laftr.laftr,
            "domain_adversarial": domain_adversarial.domain_adversarial,
        }[training_method](setting, epochs)
    ]


def _sequence_network(kind, own, sizes):
    """A network and what of the data it takes."""
    if kind == "gru_d":
        return GruD(own["hidden"], own["dropout"]), _gru_d_arguments(sizes.num_variables)
    if kind == "transformer":
        width = own["width"]
        network = Transformer(
            width, own["blocks"], own["heads"], hidden=4 * width, pooling="max", dropout=own["dropout"]
        )
        return network, classifier.standard_arguments
    if kind == "retain":
        network = Retain(own["hidden"], own["hidden"], own["hidden"], own["dropout"])
        return network, classifier.standard_arguments
    return Lstm(own["hidden"], dropout=own["dropout"]), classifier.standard_arguments


def neutral_static(names: Sequence[str], domains: Sequence[str]) -> tuple[int, ...]:
    """The columns of static features that answer no domain by themselves."""
    answers = {DOMAINS[name].needs[1] for name in domains}
    own = {"race": "not_white"}
    columns = {own.get(name, name) for name in answers}
    return tuple(place for place, name in enumerate(names) if re.sub(r"^(icu_type)_\d$", r"\1", name) not in columns)


@functools.cache
def _neutral_arguments(columns):
    """What the networks of `jaxfair.models` take, with these columns of the static features alone."""

    def arguments(data):
        return classifier.standard_arguments(data) | {"static": data["static"][:, np.array(columns, int)]}

    return arguments


@functools.cache
def _gru_d_arguments(num_variables):
    """GRU-D fills gaps itself, so it takes the values alone and where they were measured."""

    def arguments(data):
        return {
            "inputs": data["inputs"][..., :num_variables],
            "measured": data["measured"],
            "static": data["static"],
        }

    return arguments


def mtate_config(arm: Arm, own: dict[str, Any], num_domains: int) -> MtateConfig:
    """The network's configuration of an MTATE arm, without matching parameters."""
    fields = {
        "num_domains": num_domains,
        "masking_rate": own["masking_rate"],
        "redraw_masks": own["redraw_masks"],
        "num_blocks": own["blocks"],
        "num_heads": own["heads"],
        "head_dim": own["head_dim"],
        "feature_heads": own["heads"],
        "feature_head_dim": own["head_dim"],
        "hidden": own["hidden"],
        "dropout": own["dropout"],
        "feature_norm": own["feature_norm"],
    }
    return MtateConfig(**fields | dict(arm.changed))


def _mtate_setting(arm, own, sizes):
    chosen = mtate_config(arm, own, sizes.num_domains)
    if arm.matched:
        full = mtate_config(dataclasses.replace(arm, changed=()), own, sizes.num_domains)
        chosen = dataclasses.replace(chosen, hidden=matched_hidden(chosen, num_parameters(full, sizes), sizes))
    return mtate.Setting(
        Mtate(chosen),
        num_batches=sizes.num_batches,
        num_validate=sizes.num_validate,
        batch_size=sizes.batch_size,
        patience=sizes.patience,
        reverse=arm.training == "reversed",
        **_REFIT if sizes.refit else {},
    )


def num_parameters(chosen: MtateConfig, sizes: Any) -> int:
    """How many parameters MTATE has on inputs of these sizes (`num_hours`, `num_channels`, `num_static`)."""
    inputs = jax.ShapeDtypeStruct((1, sizes.num_hours, sizes.num_channels), jnp.float32)
    static = jax.ShapeDtypeStruct((1, sizes.num_static), jnp.float32)
    shapes = jax.eval_shape(
        lambda inputs, static: Mtate(chosen).init(jax.random.key(0), inputs, static=static), inputs, static
    )
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


def matched_hidden(chosen: MtateConfig, wanted: int, sizes: Any) -> int:
    """The width of the point-wise networks with which the parameters are nearest to `wanted`: they are linear in it."""
    one, two = (num_parameters(dataclasses.replace(chosen, hidden=hidden), sizes) for hidden in (1, 2))
    return max(round(1 + (wanted - one) / (two - one)), 1)


def _outputs(apply, variables, here):
    return {"logit": apply(variables, here).outcome}


def _mtate_outputs(setting, variables, here):
    """With the patients' domain labels and without them, and what Figure 4 shows."""
    outputs = mtate.apply(setting, variables, here)
    unlabelled = mtate.apply(setting, variables, here, domain_labels=False)
    return {
        "logit": outputs.outcome,
        "logit_unlabelled": unlabelled.outcome,
        "domain_loss": outputs.domain_losses,
        "weight": outputs.representation_weights,
    }


def _in_chunks(function, data, indices, mask, num_examples):
    """`function` of the data at `indices` where `mask`, put back in their places; NaN elsewhere."""
    count = -(-len(indices) // _CHUNK) * _CHUNK
    indices = jnp.pad(indices, (0, count - len(indices)))
    mask = jnp.pad(mask, (0, count - len(mask)))
    chunks = jax.lax.map(
        lambda chunk: function(jax.tree.map(lambda values: values[chunk], data)), indices.reshape(-1, _CHUNK)
    )
    places = jnp.where(mask, indices, num_examples)

    def put_back(values):
        values = values.reshape(count, *values.shape[2:])
        return jnp.full((num_examples, *values.shape[1:]), jnp.nan).at[places].set(values, mode="drop")

    return jax.tree.map(put_back, chunks)


def example_attention(config: Any, data: IcuData, variables: Any, arrays: dict[str, np.ndarray], example: int) -> Any:
    """All outputs of MTATE for one example: `MtateOutputs` of a batch of one."""
    arm = ARMS["mtate"]
    setting = mtate.Setting(Mtate(mtate_config(arm, dict(config.mtate), len(data.domain_names))), 1, 1)
    here = {name: values[example : example + 1] for name, values in arrays.items()}
    return jax.jit(functools.partial(mtate.apply, setting))(variables, here)
