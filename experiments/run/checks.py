"""What the fields of a configuration may be: declared by a study beside its `get_config`, looked at before all else.

A study says it as `Rules`: of every field, by its name, a check, and in a function what must hold between fields.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple


class Check(NamedTuple):
    """What a value may be.

    Attributes:
      says: In words that follow "must be".
      holds: Whether a value is that; of any type.
    """

    says: str
    holds: Callable[[Any], bool]


def whole(least: int, most: int, *, multiple: int = 1) -> Check:
    """A whole number, or a multiple of one."""
    says = f"a {f'multiple of {multiple}' if multiple > 1 else 'whole number'} from {least:,} to {most:,}"
    return Check(says, lambda value: type(value) is int and least <= value <= most and value % multiple == 0)


def number(least: float, most: float) -> Check:
    """A number, whole or not."""
    # A comparison with NaN is false.
    says = f"a number from {least:g} to {most:g}"
    return Check(says, lambda value: type(value) in (int, float) and least <= value <= most)


def share(*, zero: bool = False, one: bool = False) -> Check:
    """A number between 0 and 1; the ends only where they are said to be allowed."""
    says = "a number between 0 and 1, " + " and ".join(
        f"{end} {'allowed' if allowed else 'not'}" for end, allowed in ((0, zero), (1, one))
    )

    def holds(value):
        return type(value) in (int, float) and (0 < value < 1 or (zero and value == 0) or (one and value == 1))

    return Check(says, holds)


def one_of(*values: Any) -> Check:
    """One of a few values."""
    *first, last = map(str, values)
    says = f"{', '.join(first)} or {last}" if first else last
    return Check(says, lambda value: any(type(value) is type(known) and value == known for known in values))


def each(check: Check, least: int = 0, most: int | None = None, *, repeats: bool = False) -> Check:
    """A tuple of values, each of which passes a check; the same value again only with `repeats`."""
    count = f"{least} to {most}" if most else f"{least} or more"
    says = f"a tuple of {count} {'' if repeats else 'different '}values, each {check.says}"

    def holds(values):
        return (
            isinstance(values, (tuple, list))
            and least <= len(values) <= (most or math.inf)
            and all(map(check.holds, values))
            and (repeats or len(set(values)) == len(values))
        )

    return Check(says, holds)


SWITCH = Check("True or False", lambda value: isinstance(value, bool))
TEXT = Check("a text", lambda value: isinstance(value, str))
NAME = Check(
    "a name of letters, digits, '_', '-' and '.'",  # It becomes a folder's.
    lambda value: isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", value) is not None,
)


class Rules(NamedTuple):
    """What a study asks of its configuration.

    Attributes:
      fields: By field, `joint.epochs` within another one, its check. Of fields that are not named, numbers must be
        finite.
      conflicts: `config -> sentences`, each about what does not hold between fields that pass their checks, with the
        flag in front.
    """

    fields: Mapping[str, Check] = {}
    conflicts: Callable[[Any], Iterable[str]] = lambda config: ()


_FINITE = Check("finite", lambda value: not isinstance(value, float) or math.isfinite(value))


def violations(config: Any, rules: Rules) -> Iterable[str]:
    """A sentence for each field that does not pass; if all pass, one for each conflict between them."""
    fields, passed = flat(config), True
    for name in rules.fields:
        if name not in fields:
            yield f"--config.{name}: the configuration has no such field; its get_config must set it."
            passed = False
    for name, value in fields.items():
        check = rules.fields.get(name) or (each(_FINITE, repeats=True) if isinstance(value, (tuple, list)) else _FINITE)
        if not check.holds(value):
            yield f"--config.{name}={value}: must be {check.says}."
            passed = False
    if passed:
        yield from rules.conflicts(config)


def flat(config: Any, prefix: str = "") -> dict[str, Any]:
    """The fields of a configuration by name; those within another one as `joint.epochs`."""
    fields = {}
    for name, value in config.items():
        if isinstance(value, Mapping) or hasattr(value, "items"):
            fields |= flat(value, f"{prefix}{name}.")
        else:
            fields[prefix + name] = value
    return fields
