"""Records of WFDB, mutated at random: in their headers' characters, fields and lines, and in their samples' bytes."""

import numpy as np

ALPHABET = list("0123456789.-+:x/()eE# \t\n\r_~%^?VImuvad\x00\x0b\x1a\x1c\x85é")
# What may stand in a field, valid and not, by the field's place in a signal's line; the last for any place.
FIELDS = (
    ("r.dat", "other.dat", "../r.dat", "/r.dat", "a/r.dat", "-", "~", "r", "r/1", "r.dat.dat"),
    (
        *("16", "212", "24", "32", "80", "61", "160", "8", "310", "508", "016", "16+24", "16+0", "16x1", "16x2"),
        *("16:0", "16:3", "16x1:0+0", "24+1", "212x1", "32:0"),
    ),
    (
        *("1000", "1000.0", "1000/mV", "1000(5)", "(5)/mV", "/mV", "0/mV", "0(0)/mV", "-1000(0)/mV", "1e3(0)/mV", "2."),
        *("1000(-20)/mV", "1000()/mV", "1000(0/mV", "1000/uV", "1e-310/mV", "1e999", "1E3/mV", "+5/mV", "1_0/mV"),
    ),
    *((("0", "1", "-1", "16", "12", "99999999999", "9" * 5000, "1_0", "+1", "0x1", "1.0", "-", "", "(5)"),) * 5),
    ("I", "II", "V1", "I # x", "# x", "lead I", "", "i", "12"),
    ("1e2", "100.", "100/50(0)", "100/50", "250", "0", "nan", "inf", "r", "11", "12", "13", "10:20:30", "1/2/1990"),
)


def mutate_header(rng: np.random.Generator, text: str) -> str:
    """One to three changes of a character, a field or a line."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        kind = rng.integers(8)
        if kind < 2:  # A character: inserted, deleted or changed.
            place = int(rng.integers(len(text) + 1))
            new = str(rng.choice(ALPHABET)) if rng.random() < 0.7 else ""
            text = text[:place] + new + text[place + int(rng.integers(2)) :]
            continue
        lines = text.split("\n")
        line = int(rng.integers(len(lines)))
        if kind < 7:  # A field: changed, in one line or all signals'; or deleted.
            field = int(rng.integers(9))
            choices = FIELDS[field if line and rng.random() < 0.9 else -1]
            new = [choices[int(rng.integers(len(choices)))]] if rng.random() < 0.9 else []
            for number in range(1, len(lines)) if line and rng.random() < 0.5 else [line]:
                fields = lines[number].split(" ")
                if field < len(fields):
                    fields[field : field + 1] = new
                lines[number] = " ".join(fields)
        elif rng.random() < 0.5:
            lines[line : line + 1] = [] if rng.random() < 0.5 else [lines[line]] * 2
        else:
            lines.insert(line, str(rng.choice(["", "# a comment", "  # (5)", "#", "\t"])))
        text = "\n".join(lines)
    return text


def mutate_samples(rng: np.random.Generator, data: bytes) -> bytes:
    """Cut, extended, a byte changed, or as it was."""
    kind = rng.integers(8)
    if kind == 0:
        return data[: int(rng.integers(len(data)))]
    if kind == 1:
        return data + rng.bytes(int(rng.integers(1, 100)))
    if kind == 2:
        place = int(rng.integers(len(data)))
        return data[:place] + rng.bytes(1) + data[place + 1 :]
    return data
