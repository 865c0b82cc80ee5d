"""Sums and maxima of matrices, by the way that is fastest in NumPy.

Its own go through short rows one by one, which costs more than their numbers do. A matrix product
with ones adds up all rows at once; for the largest of each row, the rows are laid side by side
first.
"""

import math
from typing import Any

import numpy as np

from .arrays import Array

_ones: dict[np.dtype[Any], Array] = {}  # the longest that was asked for


def ones(n: int, dtype: np.dtype[Any]) -> Array:
    """n ones, not to be written to."""
    known = _ones.get(dtype)
    if known is None or len(known) < n:
        known = _ones[dtype] = np.ones(n, dtype)
        known.flags.writeable = False
    return known[:n]


def row_sums(x: Array) -> Array:
    """The sum over the last axis, (*, C) -> (*)."""
    *others, n = x.shape
    if len(others) == 1:
        return x @ ones(n, x.dtype)
    return (x.reshape(math.prod(others), n) @ ones(n, x.dtype)).reshape(others)


def column_sums(x: Array) -> Array:
    """The sum over the samples, (N, C) -> (C,)."""
    return ones(len(x), x.dtype) @ x


def row_maxima(x: Array) -> Array:
    """The largest of the last axis, which stays as one, (*, C) -> (*, 1); −∞ of nothing."""
    columns = np.ascontiguousarray(x.transpose(-1, *range(x.ndim - 1)))
    return np.maximum.reduce(columns, axis=0, initial=-np.inf)[..., np.newaxis]
