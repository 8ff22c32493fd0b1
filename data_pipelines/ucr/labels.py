"""Class labels: which of them are numbers, and when two ways of writing are one label.

Python's own `float` and `int` take 1_0 for 10 and digits of any script, and two whole numbers above 2^53 for one.
"""

import fractions
import re

_NUMBER = re.compile(r"[+-]?(?:\d{1,100}\.?\d{0,100}|\.\d{1,100})(?:[eE][+-]?\d{1,3})?", re.ASCII)


def as_number(label: str) -> fractions.Fraction | None:
    """The number that a label writes in decimal notation, exactly: 1, 1.0 and +1.0000000e+00 are 1; None if none."""
    return fractions.Fraction(label) if _NUMBER.fullmatch(label) else None


def plain_labels(labels: list[str]) -> list[str]:
    """Labels without the form's accidents, if all are numbers: 1, 1.0 and 1.0000000e+00 become 1."""
    numbers = [as_number(label) for label in labels]
    if None in numbers:
        return list(labels)
    texts = {}
    for label, number in zip(labels, numbers, strict=True):
        if number not in texts:
            texts[number] = _text(number) or label
    return [texts[number] for number in numbers]


def sorted_labels(labels: set[str]) -> tuple[str, ...]:
    """Numbers in increasing order, others in alphabetical order."""
    numbers = all(as_number(label) is not None for label in labels)
    return tuple(sorted(labels, key=as_number if numbers else None))


def _text(number: fractions.Fraction) -> str | None:
    """The shortest way to write a number; None for a fraction that a 64-bit number does not hold."""
    if number.denominator == 1:
        return str(number.numerator)
    text = repr(float(number))
    return text if fractions.Fraction(text) == number else None
