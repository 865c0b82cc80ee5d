"""Pooling into an output of a given size: each output gets its share of the input."""

import math
from typing import Any

import numpy as np

from ..arrays import Array
from ..module import Module
from .windows import Sizes, along_each, check_spatial, count, inward, outward, taps


class AdaptivePooling(Module):
    """Pooling into an output of a given size, whatever the input's: output i of n on an axis of S
    gets the elements from ⌊i S/n⌋ up to ⌈(i + 1) S/n⌉; neighbours share one where S/n is not whole.

    Shapes: input (N, C, *S) or (C, *S), output (N, C, *output_size) or (C, *output_size).

    Args:
        output_size: a number for each axis, or one for all; None keeps the input's.
    """

    AXES: int

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size
        several = isinstance(output_size, tuple | list)
        wanted = tuple(output_size) if several else (output_size,) * self.AXES
        if len(wanted) != self.AXES or any(
            n is not None and (not isinstance(n, int) or isinstance(n, bool) or n < 0)
            for n in wanted
        ):
            raise ValueError(
                f"{type(self).__name__}: output_size is {output_size!r}, expected a whole number "
                f"or None for each of {self.AXES} axes"
            )
        self._wanted = wanted

    def taken_in(self, input: Array) -> tuple[Array, Sizes, bool]:
        """The input as (*S, C, N), the output's sizes, whether there is an axis of samples."""
        x = self.check_input(input)
        batched = check_spatial(self, x, self.AXES)
        sizes = x.shape[-self.AXES :]
        if min(sizes) < 1:
            raise ValueError(f"{self!r}: input has the sizes {sizes}: there is nothing to pool")
        wanted = zip(self._wanted, sizes, strict=True)
        return inward(x, self.AXES), tuple(n if w is None else w for w, n in wanted), batched

    @staticmethod
    def shares(size: int, parts: int) -> list[slice]:
        """Which elements of an axis each output gets."""
        return [slice(i * size // parts, -(-(i + 1) * size // parts)) for i in range(parts)]


class AdaptiveAvgPool(AdaptivePooling):
    """The mean of every share; of an image along each axis, one after the other. Along one it is

    N(p, q) = [⌊p S/P⌋ ≤ q and q < ⌈(p + 1) S/P⌉]       whether q, of S, is in the share of p, of P
    A[p, q] = N(p, q)/Σₖ N(p, k)
    y[p] = Σ_q A[p, q] x[q]
    Backward, with g = ∂L/∂y:
        ∂L/∂x[q] = Σₚ g[p] A[p, q]      chain rule: x[q] is in those y[p], times A[p, q]
    """

    def sum_lengths(self, input: Array) -> dict[str, int]:
        sizes = input.shape[-self.AXES :]
        parts = [n if w is None else w for w, n in zip(self._wanted, sizes, strict=True)]
        pairs = [*zip(sizes, parts, strict=True)]
        reach = math.prod(-(-n // max(1, m)) + 1 for n, m in pairs)
        return {"output": reach, "input": math.prod(-(-m // max(1, n)) + 1 for n, m in pairs)}

    def forward(self, input: Array) -> Array:
        x, sizes, batched = self.taken_in(input)
        matrices = []
        for n, m in zip(x.shape, sizes, strict=False):
            A = np.zeros((m, n), x.dtype)
            for row, share in zip(A, self.shares(n, m), strict=True):
                row[share] = 1 / x.dtype.type(share.stop - share.start)
            matrices.append(A)
        self.save_for_backward(matrices, batched)
        return outward(along_each(matrices, x), batched)

    def backward(self, g: Array) -> Array:
        matrices, batched = self.take_saved(g)
        grad = along_each([A.T for A in matrices], inward(g, self.AXES))
        return outward(grad, batched)


class AdaptiveMaxPool(AdaptivePooling):
    """The largest of every share.

    Forward     y[p] = x[i[p]], with i[p] the place of the largest in share p
    Backward, with g = ∂L/∂y:
        ∂L/∂x[q] = Σ_{p: i[p] = q} g[p]     chain rule, as in MaxPool

    Args:
        return_indices: return also where each came from, see MaxPool.
    """

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def sum_lengths(self, input: Array) -> dict[str, int]:
        sizes = input.shape[-self.AXES :]
        parts = [n if w is None else w for w, n in zip(self._wanted, sizes, strict=True)]
        pairs = zip(sizes, parts, strict=True)
        return {"input": math.prod(-(-m // max(1, n)) + 1 for n, m in pairs)}

    def forward(self, input: Array) -> Any:
        x, places, batched = self.taken_in(input)
        sizes = x.shape[: self.AXES]
        pixels = np.arange(count(sizes)).reshape(sizes)
        y = np.empty((*places, *x.shape[-2:]), x.dtype)
        numbers = np.empty(y.shape, np.int64)
        all_shares = [self.shares(n, m) for n, m in zip(sizes, places, strict=True)]
        for place in taps(places):
            share = tuple(shares[i] for shares, i in zip(all_shares, place, strict=True))
            window = x[share].reshape(-1, *x.shape[-2:])  # (k, C, N)
            best = window.argmax(axis=0)
            unknown = window != window
            if unknown.any():
                last = len(window) - 1 - unknown[::-1].argmax(axis=0)
                best = np.where(unknown.any(axis=0), last, best)
            y[place] = np.take_along_axis(window, best[np.newaxis], 0)[0]
            numbers[place] = pixels[share].reshape(-1)[best]
        self.save_for_backward(numbers, sizes, batched)
        y = outward(y, batched)
        return (y, outward(numbers, batched)) if self.return_indices else y

    def backward(self, g: Array, grad_indices: None = None) -> Array:
        handed = (g, grad_indices) if self.return_indices else (g,)
        numbers, sizes, batched = self.take_saved(*handed)
        return outward(placed(inward(g, self.AXES), numbers, sizes), batched)


def placed(values: Array, numbers: Array, sizes: Sizes) -> Array:
    """Zeros, with each value added at the element of its channel that its number says.

    Args:
        values, numbers: (*P, C, N).
    Returns:
        (*sizes, C, N).
    """
    columns = values.shape[-2:]
    flat = np.zeros((count(sizes), *columns), values.dtype)
    channel, sample = np.indices(columns)
    rows = numbers.reshape(-1, *columns)
    np.add.at(flat, (rows, channel, sample), values.reshape(-1, *columns))
    return flat.reshape(*sizes, *columns)


class AdaptiveAvgPool1d(AdaptiveAvgPool):
    """Means of a sequence, so many as are wanted."""

    AXES = 1


class AdaptiveAvgPool2d(AdaptiveAvgPool):
    """Means of an image, so many as are wanted."""

    AXES = 2


class AdaptiveAvgPool3d(AdaptiveAvgPool):
    """Means of a volume, so many as are wanted."""

    AXES = 3


class AdaptiveMaxPool1d(AdaptiveMaxPool):
    """The largest of so many shares of a sequence as are wanted."""

    AXES = 1


class AdaptiveMaxPool2d(AdaptiveMaxPool):
    """The largest of so many shares of an image as are wanted."""

    AXES = 2


class AdaptiveMaxPool3d(AdaptiveMaxPool):
    """The largest of so many shares of a volume as are wanted."""

    AXES = 3
