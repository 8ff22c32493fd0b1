"""What DeepLIFT makes of control flow: loops, and branches, whose course does not depend on the inputs."""

import functools

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval

from jaxfair.attribution.secant import Pair, UnsupportedPrimitive, as_pair, interpret, rule


@rule("scan")
def _scan(primitive, params, values):
    """Step by step; what is carried changes from the second step on even where the first value does not."""
    num_consts, num_carry, closed = params["num_consts"], params["num_carry"], params["jaxpr"]
    consts, carry, each = (
        values[:num_consts],
        values[num_consts : num_consts + num_carry],
        values[num_consts + num_carry :],
    )
    options = {name: params[name] for name in ("length", "reverse", "unroll")}
    return _in_steps(closed, consts, carry, each, **options)


@rule("while")
def _repeat(primitive, params, values):
    """As many steps as its condition asks for, which must not depend on the inputs, one after another."""
    num_cond, num_body = params["cond_nconsts"], params["body_nconsts"]
    of_cond, of_body, carry = values[:num_cond], values[num_cond : num_cond + num_body], values[num_cond + num_body :]
    steps = _number_of_steps(params["cond_jaxpr"], of_cond, params["body_jaxpr"], of_body, carry)
    return _in_steps(params["body_jaxpr"], of_body, carry, [], length=steps)


def _in_steps(closed, consts, carry, each, **options):
    def outputs(carry, each):
        return interpret(closed.jaxpr, closed.consts, [*consts, *carry, *each])

    # A counter stays an array, of which a number can be made.
    first = [value[0] if not isinstance(value, Pair) else jax.tree.map(lambda part: part[0], value) for value in each]
    changes, found = None, [isinstance(value, Pair) for value in carry]
    while changes != found:
        changes, carry = found, _as_pairs(carry, found)
        (of_step,) = _changing([lambda values: outputs(*values)], (carry, first))
        found = [one or other for one, other in zip(changes, of_step, strict=False)]
    of_step = [*changes, *of_step[len(carry) :]]

    def step(carry, each):
        after = _as_pairs(outputs(carry, each), of_step)
        return after[: len(carry)], after[len(carry) :]

    after, stacked = jax.lax.scan(step, carry, each, **options)
    return [*after, *stacked]


@rule("cond")
def _branch(primitive, params, values):
    """The branch that is taken, which must be the same one at both points."""
    index, *operands = values
    if isinstance(index, Pair):
        raise UnsupportedPrimitive(
            "deep_shap: 'cond' takes a branch by what depends on the inputs; DeepLIFT has no rule for it (write it "
            "with jnp.where, which has)."
        )
    branches = [
        lambda operands, branch=branch: interpret(branch.jaxpr, branch.consts, operands)
        for branch in params["branches"]
    ]
    changes = [any(each) for each in zip(*_changing(branches, operands), strict=True)]
    taken = [lambda operands, branch=branch: _as_pairs(branch(operands), changes) for branch in branches]
    return jax.lax.switch(index, taken, operands)


def _changing(functions, values):
    """Which outputs of each function depend on the inputs."""
    found = []

    def look(function, values):
        outputs = function(values)
        found.append([isinstance(output, Pair) for output in outputs])
        return outputs

    for function in functions:
        jax.eval_shape(functools.partial(look, function), values)
    return found


def _as_pairs(values, which):
    return [as_pair(value) if is_pair else jnp.asarray(value) for value, is_pair in zip(values, which, strict=True)]


def _number_of_steps(cond, of_cond, body, of_body, carry):
    """How often a loop's body runs, from the values that its condition looks at and nothing else."""
    asked, used = partial_eval.dce_jaxpr(cond.jaxpr, [True])
    used_of_cond, asked_for = used[: len(of_cond)], used[len(of_cond) :]
    needed, grown = None, asked_for
    while needed != grown:
        needed = grown
        counted, used = partial_eval.dce_jaxpr(body.jaxpr, needed)
        used_of_body, counted_from = used[: len(of_body)], used[len(of_body) :]
        grown = [one or other for one, other in zip(needed, counted_from, strict=True)]
    of_cond, of_body = _where(used_of_cond, of_cond), _where(used_of_body, of_body)
    start = _where(needed, carry)
    if any(isinstance(value, Pair) for value in (*of_cond, *of_body, *start)):
        raise UnsupportedPrimitive(
            "deep_shap: how many steps 'while' takes depends on the inputs; DeepLIFT has no rule for it."
        )
    if any(isinstance(value, jax.core.Tracer) for value in (*of_cond, *of_body, *start)):
        raise UnsupportedPrimitive(
            "deep_shap: how many steps 'while' takes is not known before the function runs; give the loop a number of "
            "steps that is (jax.lax.fori_loop with Python integers), or write it with jax.lax.scan."
        )

    def goes_on(state):
        return interpret(asked, cond.consts, [*of_cond, *_where(_where(needed, asked_for), state[1])])[0]

    def count(state):
        steps, values = state
        return steps + 1, interpret(counted, body.consts, [*of_body, *_where(_where(needed, counted_from), values)])

    with jax.ensure_compile_time_eval():
        return int(jax.lax.while_loop(goes_on, count, (0, [jnp.asarray(value) for value in start]))[0])


def _where(mask, values):
    return [value for is_in, value in zip(mask, values, strict=True) if is_in]
