"""Windows that slide over the spatial axes of an input: what convolution and pooling share.

Public arrays are (N, C, *S), samples, channels and the spatial axes S; within a layer they lie as
(*S, C, N). Then the samples of one pixel and channel stand side by side in memory, all channels
of a pixel follow each other, and the pixels of a window that are neighbours on the last axis are
one block. A layer hands on a view of its result in the public order: the next one finds the memory
as it needs it, and element-wise layers between them keep it so.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from ..arrays import Array
from ..module import Module

Sizes = tuple[int, ...]
Part = tuple[slice, ...]
CACHED = 2**17  # so many elements stay in the processor's cache


class Scratch(threading.local):
    """Arrays of a thread's own, by name, for what never leaves a layer's forward or backward."""

    def __init__(self) -> None:
        self.memory: dict[str, Array] = {}


_scratch = Scratch()


def scratch(name: str, shape: Sizes, dtype: np.dtype[Any]) -> Array:
    """An array to write to; the next one of that name may be in the same memory.

    Memory that comes from the system costs as much as the work that is done in it. So it is kept,
    but for what is larger than a cache.
    """
    size = math.prod(shape) * dtype.itemsize
    memory = _scratch.memory.get(name)
    if memory is None or memory.size < size:
        memory = np.empty(size, np.uint8)
        if size <= 64 * CACHED:  # bytes
            _scratch.memory[name] = memory
    return np.ndarray(shape, dtype, memory)


def sizes_of(module: Module, name: str, value: Any, axes: int, least: int | None = None) -> Sizes:
    """One whole number for each spatial axis; a single one stands for all of them.

    Raises:
        ValueError: there are not as many, or one is less than `least`.
    """
    several = isinstance(value, Sequence) and not isinstance(value, str)
    values = tuple(value) if several else (value,) * axes
    numbers = all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in values)
    if len(values) == 1:
        values *= axes
    too_small = least is not None and numbers and min(values, default=least) < least
    if not numbers or len(values) != axes or too_small:
        raise ValueError(
            f"{type(module).__name__}: {name} is {value!r}, expected a whole number"
            + ("" if least is None else f" of at least {least}")
            + (f", or {axes} of them" if axes > 1 else "")
        )
    return tuple(map(int, values))


def inward(x: Array, axes: int) -> Array:
    """(N, C, *S) -> (*S, C, N), or (C, *S) -> (*S, C, 1): a view, however its memory lies."""
    if x.ndim == axes + 1:
        x = x[np.newaxis]
    return x.transpose(*range(2, axes + 2), 1, 0)


def outward(y: Array, batched: bool) -> Array:
    """(*S, C, N) -> (N, C, *S), or (*S, C, 1) -> (C, *S)."""
    y = y.transpose(-1, -2, *range(y.ndim - 2))
    return y if batched else y[0]


def laid_out_as(g: Array, y: Array) -> Array:
    """`g` in the memory order of `y`, which has its shape: a copy unless it lies so."""
    laid_out = np.empty_like(y, g.dtype)
    if g.strides == laid_out.strides:
        return g
    laid_out[...] = g
    return laid_out


def check_spatial(module: Module, x: Array, axes: int, channels: int | None = None) -> bool:
    """Whether there is an axis of samples.

    Raises:
        ValueError: `x` has neither `axes` spatial axes with channels and samples before them, nor
            with channels alone, or not so many channels.
    """
    if x.ndim not in (axes + 1, axes + 2):
        spatial = ", ".join(f"S{i + 1}" for i in range(axes)) if axes > 1 else "S"
        raise ValueError(
            f"{module!r}: input has {x.ndim} axes, expected (N, C, {spatial}) or (C, {spatial})"
        )
    batched = x.ndim == axes + 2
    if channels is not None and x.shape[int(batched)] != channels:
        raise ValueError(
            f"{module!r}: input has {x.shape[int(batched)]} channels, expected {channels}"
        )
    return batched


def taps(kernel: Sizes) -> Iterator[Sizes]:
    """Every place of a window, row after row."""
    return product(*map(range, kernel))


@lru_cache
def seen_by(kernel: Sizes, stride: Sizes, dilation: Sizes, out: Sizes) -> tuple[Part, ...]:
    """For every place of a window, row after row, what it sees of an input as the window slides."""
    return tuple(
        tuple(
            slice(k * d, k * d + s * (n - 1) + 1 if n else k * d, s)
            for k, s, d, n in zip(tap, stride, dilation, out, strict=True)
        )
        for tap in taps(kernel)
    )


@lru_cache
def span(kernel: Sizes, dilation: Sizes) -> Sizes:
    """How far a window reaches."""
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))


@lru_cache
def blocks(rows: int, size: int) -> tuple[slice, ...]:
    """So many rows at a time as stay in the processor's cache.

    Args:
        size: elements of one row.
    """
    step = max(1, CACHED // max(1, size))
    return tuple(slice(start, min(start + step, rows)) for start in range(0, rows, step))


def count(sizes: Sizes) -> int:
    return math.prod(sizes)


def along_each(matrices: list[Array], x: Array) -> Array:
    """Multiply each of the first axes by its matrix."""
    for axis, A in enumerate(matrices):
        x = np.moveaxis(np.tensordot(A, x, (1, axis)), 0, axis)
    return x
