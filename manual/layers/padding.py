"""A border around the spatial axes: of a constant, or of copies of what is inside.

Forward     y[q] = x[source(q)]                     a copy of one inside; or else it is a constant
Backward    ∂L/∂x[p] = Σ_{q: source(q) = p} g[q]    chain rule: its own place, and its copies

mode        before and after a b c d
--------------------------------------
zeros       0 0 | a b c d | 0 0
constant    v v | a b c d | v v
reflect     c b | a b c d | c b        the edge itself is not repeated
replicate   a a | a b c d | d d
circular    c d | a b c d | a b
"""

from functools import lru_cache
from typing import Any

import numpy as np

from ..arrays import Array
from ..module import Module
from .windows import check_spatial, inward, outward, sizes_of

MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
Widths = tuple[tuple[int, int], ...]


def sources(size: int, before: int, after: int, mode: str) -> Array:
    """For each place of a padded axis, which place inside it copies. Negative widths cut off."""
    inside = np.pad(np.arange(size), (max(before, 0), max(after, 0)), MODES[mode])  # type: ignore[call-overload]
    return inside[max(-before, 0) : len(inside) - max(-after, 0)]


def pad(module: Module, x: Array, widths: Widths, mode: str, value: float = 0.0) -> Array:
    """The padded array, contiguous: a copy unless there is nothing to do.

    Args:
        x: (*S, C, N).
        widths: before and after each of its first axes; negative ones cut off.
    Raises:
        ValueError: there is not so much inside as is to be copied, or nothing is left.
    """
    sizes = padded_sizes(x.shape, widths)
    if min(sizes) < 0 or (mode in ("reflect", "replicate") and max(sizes) < 1):  # as PyTorch
        raise ValueError(f"{module!r}: padded, the input would have the sizes {sizes}")
    if mode == "zeros":
        return bordered(x, widths, value)
    for axis, (before, after) in enumerate(widths):
        most = {"reflect": x.shape[axis] - 1, "circular": x.shape[axis]}.get(mode)
        if most is not None and max(before, after) > most:
            raise ValueError(
                f"{module!r}: a {mode} padding of {before} and {after} on an axis of "
                f"{x.shape[axis]}, expected at most {most}"
            )
    if not any(map(any, widths)):
        return np.ascontiguousarray(x)
    for axis, (n, width) in enumerate(zip(x.shape, widths, strict=False)):
        x = np.take(x, sources(n, *width, mode), axis)
    return x


@lru_cache
def padded_sizes(shape: tuple[int, ...], widths: Widths) -> tuple[int, ...]:
    """Of the axes that have widths."""
    return tuple(n + a + b for n, (a, b) in zip(shape, widths, strict=False))


def bordered(x: Array, widths: Widths, value: float = 0.0) -> Array:
    """With a border of one number, contiguous: a copy unless there is nothing to do."""
    if not any(map(any, widths)):
        return np.ascontiguousarray(x)
    padded = np.zeros((*padded_sizes(x.shape, widths), *x.shape[len(widths) :]), x.dtype)
    if value:
        padded.fill(value)
    outer, inner = overlaps(x.shape, widths)
    padded[outer] = x[inner]
    return padded


def overlap(size: int, before: int, after: int) -> tuple[slice, slice]:
    """What is inside, as a slice of the padded axis and of the axis itself."""
    first, last = max(-before, 0), size - max(-after, 0)
    return slice(first + before, last + before), slice(first, last)


@lru_cache
def overlaps(shape: tuple[int, ...], widths: Widths) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """What is inside, on all axes."""
    both = (overlap(n, *width) for n, width in zip(shape, widths, strict=False))
    outer, inner = zip(*both, strict=True)
    return outer, inner


def unpad(g: Array, shape: tuple[int, ...], widths: Widths, mode: str) -> Array:
    """∂L/∂x from the gradient of the padded array; x has this shape. It may be a view of `g`."""
    if mode == "zeros":
        if min(map(min, widths)) >= 0:
            return g[overlaps(shape, widths)[0]]
        grad = np.zeros(shape, g.dtype)
        places, sources_ = overlaps(shape, widths)
        grad[sources_] = g[places]
        return grad
    for axis, (n, (before, after)) in enumerate(zip(shape, widths, strict=False)):
        outer, inner = overlap(n, before, after)
        g = np.moveaxis(g, axis, 0)
        total = np.zeros((n, *g.shape[1:]), g.dtype)
        total[inner] = g[outer]
        source = sources(n, before, after, mode)
        for q in (*range(outer.start), *range(outer.stop, len(g))):
            total[source[q]] += g[q]  # a copy's gradient goes to where it was copied from
        g = np.moveaxis(total, 0, axis)
    return g


class Padding(Module):
    """What all of them have in common.

    Shapes: input (N, C, *S) or (C, *S), output the same with larger S.

    Args:
        padding: one number for all sides, or a pair for each axis, the last axis first: (left,
            right, top, bottom, front, back). Negative ones cut off.
    """

    AXES: int
    MODE = "zeros"
    value: float = 0.0

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = sizes_of(self, "padding", padding, 2 * self.AXES)

    @property
    def widths(self) -> Widths:
        """Before and after each axis, the first one first."""
        pairs = zip(self.padding[::2], self.padding[1::2], strict=True)
        return (*pairs,)[::-1]

    def sum_lengths(self, input: Array) -> dict[str, int]:
        copies = 1 + max(abs(width) for width in self.padding)
        return {} if self.MODE == "zeros" else {"input": copies**self.AXES}

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        batched = check_spatial(self, x, self.AXES)
        x = inward(x, self.AXES)
        self.save_for_backward(x.shape, batched)
        y = pad(self, x, self.widths, self.MODE, self.value)
        return outward(y.copy() if np.may_share_memory(x, y) else y, batched)

    def backward(self, g: Array) -> Array:
        shape, batched = self.take_saved(g)
        grad = unpad(inward(g, self.AXES), shape, self.widths, self.MODE)
        return outward(grad.copy() if np.may_share_memory(g, grad) else grad, batched)


class ConstantPad(Padding):
    """A border of one number."""

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value


class ConstantPad1d(ConstantPad):
    """A border of one number, along one axis, (N, C, L)."""

    AXES = 1


class ConstantPad2d(ConstantPad):
    """A border of one number, over two axes, (N, C, H, W)."""

    AXES = 2


class ConstantPad3d(ConstantPad):
    """A border of one number, over three axes, (N, C, D, H, W)."""

    AXES = 3


class ZeroPad1d(Padding):
    """A border of zeros, along one axis, (N, C, L)."""

    AXES = 1


class ZeroPad2d(Padding):
    """A border of zeros, over two axes, (N, C, H, W)."""

    AXES = 2


class ZeroPad3d(Padding):
    """A border of zeros, over three axes, (N, C, D, H, W)."""

    AXES = 3


class ReflectionPad1d(Padding):
    """A border that mirrors the inside but for the edge itself, along one axis, (N, C, L)."""

    AXES = 1
    MODE = "reflect"


class ReflectionPad2d(Padding):
    """A border that mirrors the inside but for the edge itself, over two axes, (N, C, H, W)."""

    AXES = 2
    MODE = "reflect"


class ReflectionPad3d(Padding):
    """A border that mirrors the inside but for the edge itself, over 3 axes, (N, C, D, H, W)."""

    AXES = 3
    MODE = "reflect"


class ReplicationPad1d(Padding):
    """A border of copies of the edge, along one axis, (N, C, L)."""

    AXES = 1
    MODE = "replicate"


class ReplicationPad2d(Padding):
    """A border of copies of the edge, over two axes, (N, C, H, W)."""

    AXES = 2
    MODE = "replicate"


class ReplicationPad3d(Padding):
    """A border of copies of the edge, over three axes, (N, C, D, H, W)."""

    AXES = 3
    MODE = "replicate"


class CircularPad1d(Padding):
    """A border from the opposite side, as on a ring, along one axis, (N, C, L)."""

    AXES = 1
    MODE = "circular"


class CircularPad2d(Padding):
    """A border from the opposite side, as on a ring, over two axes, (N, C, H, W)."""

    AXES = 2
    MODE = "circular"


class CircularPad3d(Padding):
    """A border from the opposite side, as on a ring, over three axes, (N, C, D, H, W)."""

    AXES = 3
    MODE = "circular"
