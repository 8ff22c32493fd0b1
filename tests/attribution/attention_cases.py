"""Attention as people write it, each beside the same written plainly; `python attention_cases.py` checks them all.

That is how the tests run them once for each set of XLA's flags, which a process reads when it starts.
"""

import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import plain_attention as plain
from flax import linen as nn

from jaxfair.attribution import deep_shap


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def flat(x):
    return x.reshape(len(x), -1)


def doubled(x):
    """Every number as a vector of two equal ones: `[position]` to `[position, head, depth]`."""
    return x[..., None, None] * np.ones((1, 2), np.float32)


def self_attention(x):
    return flat(jax.nn.dot_product_attention(doubled(x), doubled(x), doubled(x)))


def by_einsum(x):
    query = doubled(x)
    weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", query, query) / jnp.sqrt(2.0))
    return flat(jnp.einsum("bhqk,bkhd->bqhd", weights, query))


def plain_self_attention(x):
    query = plain.linear(doubled, x)
    return plain.attention(query, query, query)


def layer(heads, length, width, memory=False, mask=None, scale=1.0, features=None):
    """Flax's layer as a function, as a plain function, and the shape of its inputs."""
    module = nn.MultiHeadDotProductAttention(heads, qkv_features=features, out_features=3)
    variables = module.init(jax.random.key(0), np.zeros((1, length, width), np.float32))
    # Biases that are not 0, as after training; of each output position the first alone, in which all positions meet.
    variables = jax.tree.map(
        lambda leaf: scale * leaf + 0.1 * jnp.sin(jnp.arange(leaf.size)).reshape(leaf.shape), variables
    )

    def of(x):
        return (x[:, :length], x[:, length:]) if memory else (x, x)

    def function(x):
        given = None if mask is None else mask[None, None]
        return flat(module.apply(variables, *of(x), mask=given)[:, -2:])

    def plainly(x):
        query, seen = (
            (plain.Value(*(part[:length] for part in x)), plain.Value(*(part[length:] for part in x)))
            if memory
            else (x, x)
        )
        return plain.Value(*(part[-2:] for part in plain.multi_head(variables["params"], query, seen, mask)))

    return function, plainly, (length * (2 if memory else 1), width)


SMALL = {
    "self": (self_attention, plain_self_attention, (3,)),
    "einsum": (by_einsum, plain_self_attention, (3,)),
}


class Block(nn.Module):
    """Two blocks of a transformer: what has no plain twin here is still complete."""

    @nn.compact
    def __call__(self, x):
        for _ in range(2):
            normal = nn.LayerNorm()(x)
            x = x + nn.MultiHeadDotProductAttention(num_heads=2)(normal, normal)
            x = x + nn.Dense(x.shape[-1])(nn.gelu(nn.Dense(12)(nn.LayerNorm()(x))))
        return nn.Dense(3)(x.mean(1))


def check(function, plainly, shape, examples=2, references=2):
    """Complete, and the contributions of the plain rules."""
    at, background = draw(examples, *shape, seed=4), draw(references, *shape, seed=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = deep_shap(function, at, background)
    size = np.abs(found.values).sum(tuple(range(2, found.values.ndim))).max()
    residual = np.abs(found.residual).max()
    assert residual <= 1e-6 * size, f"a residual of {residual:.1e}, of {size:.1e}"
    if plainly is not None:
        expected = plain.contributions(plainly, at, background)
        error = np.abs(found.values - expected).max()
        # A logit's rounding is a relative error of its exponential.
        assert error <= 1e-5 * size, f"{error:.1e} from the plain rules, of {size:.1e}"


def transformer():
    block = Block()
    variables = block.init(jax.random.key(0), np.zeros((1, 5, 8), np.float32))
    return lambda x: block.apply(variables, x), None, (5, 8)


def pairwise(x):
    """Distances of positions; from itself one's is nothing but rounding, where products are fused with differences."""
    there = 1.3 * x * x[:, 1:2]
    return jnp.abs(there[:, :, None] - there[:, None]).sum(-1)


def main():
    cases = SMALL | {
        "longer": (self_attention, plain_self_attention, (24,)),
        "flax": layer(2, 6, 4),
        "flax, cross": layer(2, 4, 4, memory=True),
        "flax, causal mask": layer(2, 6, 4, mask=np.tril(np.ones((6, 6), bool))),
        "flax, 8 heads": layer(8, 32, 16, features=64),
        "flax, logits of thousands": layer(2, 6, 4, scale=40.0),
        "transformer": transformer(),
        "distances": (pairwise, None, (4,)),
    }
    for name, case in cases.items():
        try:
            check(*case)
        except AssertionError as error:
            sys.exit(f"{name}: {error}")
    print(len(cases), "cases")


if __name__ == "__main__":
    main()
