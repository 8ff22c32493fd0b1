"""The samples of a WFDB signal file in the formats whose samples all have the same number of bits.

References:
  https://physionet.org/physiotools/wag/signal-5.htm
"""

import numpy as np

# By format: bits of a sample. Not here: differences (8), three samples in four bytes (310, 311), FLAC (508, 516, 524).
BITS = {"16": 16, "24": 24, "32": 32, "61": 16, "80": 8, "160": 16, "212": 12}
_STORED = {"16": "<i2", "32": "<i4", "61": ">i2", "80": "u1", "160": "<u2"}
_OFFSETS = {"80": 2**7, "160": 2**15}  # Stored as unsigned numbers with this as zero.


def num_bytes(fmt: str, num_samples: int) -> int:
    """How many bytes that many samples take."""
    return -(-num_samples * BITS[fmt] // 8)


def invalid_value(fmt: str) -> int:
    """The value that means that there is no sample: the lowest of the format."""
    return -(2 ** (BITS[fmt] - 1))


def decode(data: bytes, fmt: str, num_samples: int) -> np.ndarray:
    """The samples that `num_bytes` bytes hold.

    Args:
      data: Of the file, from its first sample on.
      fmt: One of `BITS`.
      num_samples: All signals' together.

    Returns:
      `[sample]`, int64, in the file's order.
    """
    if fmt in _STORED:
        return np.frombuffer(data, _STORED[fmt], num_samples).astype(np.int64) - _OFFSETS.get(fmt, 0)
    if fmt == "24":
        parts = np.frombuffer(data, "u1", 3 * num_samples).reshape(-1, 3).astype(np.int64)
        unsigned = parts[:, 0] + (parts[:, 1] << 8) + (parts[:, 2] << 16)
    else:  # 212: two samples in three bytes, whose middle one holds both samples' highest four bits.
        padded = np.frombuffer(data[: num_bytes(fmt, num_samples)] + bytes(num_samples % 2), "u1")
        parts = padded.reshape(-1, 3).astype(np.int64)
        pairs = [parts[:, 0] + ((parts[:, 1] & 0x0F) << 8), parts[:, 2] + ((parts[:, 1] >> 4) << 8)]
        unsigned = np.stack(pairs, axis=1).ravel()[:num_samples]
    half = 2 ** (BITS[fmt] - 1)
    return (unsigned + half) % (2 * half) - half  # Two's complement.
