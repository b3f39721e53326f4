"""Comparing what networks painted: the same numbers, added up in another order, round otherwise."""

import numpy as np

MOST = 5e-4  # of all values of a picture; what tiny weights make of a garment is thrice as many
ROUNDING = 1e-4  # in what networks say


def alike(one: np.ndarray, other: np.ndarray, *, most: float = MOST) -> bool:
    """Whether two paintings, uint8 pictures or floats of a network, are equal but for rounding.

    Args:
        one: What was painted.
        other: What was painted another time.
        most: The share of values which may be a level apart: 1 for a network of 16 bits.
    """
    assert (one.shape, one.dtype) == (other.shape, other.dtype)
    if one.dtype != np.uint8:
        return bool(np.abs(one - other).max() <= ROUNDING)
    apart = np.abs(one.astype(int) - other)
    return bool(apart.max() <= 1 and apart.mean() <= most)
