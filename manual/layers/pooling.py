"""Pooling: of what lies in a sliding window one number is kept, channel by channel.

Where windows overlap, an input lies in several: what comes back from them adds up. Of equal largest
numbers the first one, row after row, gets the gradient; a NaN is larger than any number.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..arrays import Array
from ..module import Module
from .padding import Widths, bordered
from .windows import (
    Part,
    Sizes,
    blocks,
    check_spatial,
    count,
    inward,
    laid_out_as,
    outward,
    seen_by,
    sizes_of,
    span,
)


@lru_cache
def places_of(
    spatial: Sizes, reach: Sizes, stride: Sizes, padding: Sizes, ceil_mode: bool
) -> Sizes:
    """How many windows there are on each axis; see `Pooling`."""
    places = []
    for n, r, s, p in zip(spatial, reach, stride, padding, strict=True):
        places.append((n + 2 * p - r + (s - 1 if ceil_mode else 0)) // s + 1)
        if ceil_mode and (places[-1] - 1) * s >= n + p:
            places[-1] -= 1  # it would begin behind the input
    return tuple(places)


@lru_cache
def widths_of(spatial: Sizes, places: Sizes, reach: Sizes, stride: Sizes, padding: Sizes) -> Widths:
    """As much before and after each axis as the windows reach over."""
    sizes = zip(spatial, places, reach, stride, padding, strict=True)
    return tuple((p, max(0, (m - 1) * s + r - n - p)) for n, m, r, s, p in sizes)


@lru_cache
def inside_of(sizes: Sizes, padding: Sizes) -> Part:
    """Where in the padded array the input is."""
    return tuple(slice(p, p + n) for n, p in zip(sizes, padding, strict=True))


class Pooling(Module):
    """What pooling by a sliding window has in common.

    Shapes: input (N, C, *S) or (C, *S), output the same with P in place of S, on each axis
    P = ⌊(S + 2 padding − dilation (kernel_size − 1) − 1)/stride⌋ + 1, with ceil_mode ⌈ ⌉, where the
    last window must begin inside the input or the padding before it.
    """

    AXES: int
    kernel_size: Any
    stride: Any
    padding: Any
    dilation: Any = 1
    ceil_mode: bool

    def set_window(self, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1) -> None:
        """Keep the arguments as they are, like PyTorch, and the numbers for each axis beside them.

        Raises:
            ValueError: one is no whole number, or the padding is more than half a window.
        """
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        axes = self.AXES
        self._kernel = sizes_of(self, "kernel_size", kernel_size, axes, 1)
        self._stride = sizes_of(self, "stride", self.stride, axes, 1)
        self._padding = sizes_of(self, "padding", padding, axes, 0)
        self._dilation = sizes_of(self, "dilation", dilation, axes, 1)
        self._reach = span(self._kernel, self._dilation)
        self._apart = all(r <= s for r, s in zip(self._reach, self._stride, strict=True))
        if any(2 * p > r for p, r in zip(self._padding, self._reach, strict=True)):
            raise ValueError(
                f"{type(self).__name__}: padding {padding} is more than half of the window, "
                f"which reaches over {self._reach}"
            )

    def places(self, spatial: Sizes) -> Sizes:
        """How many windows there are on each axis of an input of these sizes.

        Raises:
            ValueError: there are none.
        """
        places = places_of(spatial, self._reach, self._stride, self._padding, self.ceil_mode)
        if min(places) < 1:
            raise ValueError(
                f"{self!r}: the output would have the sizes {places}, of an input of {spatial}"
            )
        return places

    def overlaps(self) -> int:
        """In how many windows an input lies, at most."""
        sizes = zip(self._kernel, self._stride, strict=True)
        return math.prod(-(-k // s) for k, s in sizes)

    def padded(self, x: Array, places: Sizes, value: float) -> Array:
        """(*S, C, N) with as much around it as the windows reach over."""
        widths = widths_of(x.shape[:-2], places, self._reach, self._stride, self._padding)
        return bordered(x, widths, value) if any(map(any, widths)) else x

    def inside(self, sizes: Sizes) -> tuple[slice, ...]:
        """Where in the padded array the input is."""
        return inside_of(sizes, self._padding)

    def windows(self, places: Sizes) -> tuple[Part, ...]:
        """What each place of the window sees of the padded array, row after row."""
        return seen_by(self._kernel, self._stride, self._dilation, places)

    def taken_in(self, input: Array) -> tuple[Array, Sizes, Sizes, bool]:
        """The input as (*S, C, N), S, P, and whether it has an axis of samples."""
        x = self.check_input(input)
        batched = check_spatial(self, x, self.AXES)
        sizes = x.shape[-self.AXES :]
        return inward(x, self.AXES), sizes, self.places(sizes), batched


class MaxPool(Pooling):
    """The largest of every window: what is strongest passes, wherever in the window it was.

    Forward     y[p] = x[i[p]], with i[p] the place of the largest in window p
    Backward, with g = ∂L/∂y:
        ∂L/∂x[q] = Σ_{p: i[p] = q} g[p]     chain rule: x[q] is the y of those windows alone, and a
                                            small change of any other number changes nothing

    Args:
        return_indices: return also where each came from: its number, row after row, in its channel.
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.set_window(kernel_size, stride, padding, dilation)
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def sum_lengths(self, input: Array) -> dict[str, int]:
        return {"input": self.overlaps()}

    def forward(self, input: Array) -> Any:
        x, sizes, places, batched = self.taken_in(input)
        padded = self.padded(x, places, -math.inf)
        largest, taken = self.choose([padded[seen] for seen in self.windows(places)])
        self.save_for_backward(taken, padded.shape, sizes, batched)
        y = outward(largest, batched)
        if not self.return_indices:
            return y
        return y, outward(self.numbers(taken, padded.shape, sizes), batched)

    def choose(self, values: list[Array]) -> tuple[Array, Array]:
        """The largest of each window, and at which place of the window it is.

        Args:
            values: what each place of the window sees, (*P, C, N).
        """
        largest = np.empty_like(values[0])
        number = np.min_scalar_type(len(values))
        taken = np.zeros_like(largest, number)
        for rows in blocks(len(largest), len(values) * largest[:1].size):
            so_far, which = values[0][rows], taken[rows]
            for i, value in enumerate(values[1:], 1):
                larger = value[rows] > so_far  # of equal ones the first stays
                so_far = np.maximum(so_far, value[rows], out=largest[rows])
                if i == 1:
                    which[...] = larger
                else:  # a later one has a higher number
                    np.maximum(which, larger * number.type(i), out=which)
        if len(values) == 1:
            largest[...] = values[0]
        if max(self._padding):
            before = self.first_inside(largest.shape[: self.AXES]).astype(number)
            np.maximum(taken, before, out=taken)
        if np.isnan(largest.max(initial=-math.inf)):
            for i, value in enumerate(values):  # of several NaN in a window the last, as in PyTorch
                taken[np.isnan(value)] = i
        return largest, taken

    def first_inside(self, places: Sizes) -> Array:
        """(*P, 1, 1): the first place of each window that is not in the border before the input.

        It is what passes in a window of −∞ alone.
        """
        first = np.array(0)
        for m, k, s, d, p in zip(
            places, self._kernel, self._stride, self._dilation, self._padding, strict=True
        ):
            before = np.maximum(p - np.arange(m) * s, 0)
            first = first[..., np.newaxis] * k + np.minimum(-(-before // d), k - 1)
        return first[..., np.newaxis, np.newaxis]

    def numbers(self, taken: Array, padded: Sizes, sizes: Sizes) -> Array:
        """Which element of its channel each is that passed, row after row."""
        at = np.zeros((*padded[: self.AXES], 1, 1), np.int64)
        at[self.inside(sizes)] = np.arange(count(sizes)).reshape(*sizes, 1, 1)
        numbers = np.zeros_like(taken, np.int64)
        for i, seen in enumerate(self.windows(taken.shape[: self.AXES])):
            numbers += at[seen] * (taken == i)
        return numbers

    def backward(self, g: Array, grad_indices: None = None) -> Array:
        handed = (g, grad_indices) if self.return_indices else (g,)
        taken, padded, sizes, batched = self.take_saved(*handed)
        g = laid_out_as(inward(g, self.AXES), taken)
        places = taken.shape[: self.AXES]
        tiled = self._apart and count(places) * count(self._kernel) == count(padded[: self.AXES])
        grad = (np.empty_like if tiled else np.zeros_like)(taken, g.dtype, shape=padded)
        for i, seen in enumerate(self.windows(places)):
            if self._apart:  # no two windows share an element
                np.multiply(g, taken == i, out=grad[seen])
            else:
                grad[seen] += g * (taken == i)
        return outward(grad[self.inside(sizes)], batched)


class AvgPool(Pooling):
    """The mean of every window.

    Forward     y[p] = Σₖ x[p·s + k]/K, for K numbers in a window and the stride s; x is padded
    Backward, with g = ∂L/∂y:
        ∂L/∂x[q] = Σ_{p, k: p·s + k = q} g[p]/K     chain rule: x[q] is in those y[p], times 1/K

    Args:
        count_include_pad: the zeros of the padding count; else only what is inside does. What
            reaches beyond the padding, in ceil_mode, never counts.
        divisor_override: divide by this instead.
    """

    count_include_pad: bool
    divisor_override: int | None = None

    def set_average(self, kernel_size: Any, stride: Any, padding: Any) -> None:
        self.set_window(kernel_size, stride, padding)
        if self.divisor_override == 0:
            raise ValueError(f"{type(self).__name__}: divisor_override is 0")

    def sum_lengths(self, input: Array) -> dict[str, int]:
        return {"output": count(self._kernel), "input": self.overlaps()}

    def counts(self, sizes: Sizes, places: Sizes, dtype: Any) -> Array:
        """What each window is divided by: (*P, 1, 1)."""
        if self.divisor_override is not None:
            return np.asarray(self.divisor_override, dtype)
        counts = np.array(1)
        for n, m, k, s, p in zip(
            sizes, places, self._kernel, self._stride, self._padding, strict=True
        ):
            first = np.arange(m) * s - p
            last = np.minimum(first + k, n + p)
            if not self.count_include_pad:
                first, last = np.maximum(first, 0), np.minimum(last, n)
            counts = counts[..., np.newaxis] * (last - first)
        return counts[..., np.newaxis, np.newaxis].astype(dtype)

    def places(self, spatial: Sizes) -> Sizes:
        if self.AXES == 3 and any(n < k for n, k in zip(spatial, self._kernel, strict=True)):
            # of volumes only, as PyTorch does
            raise ValueError(
                f"{self!r}: input has the sizes {tuple(spatial)}, less than a window {self._kernel}"
            )
        return super().places(spatial)

    def means(self, x: Array, sizes: Sizes, places: Sizes) -> tuple[Array, Array, Sizes]:
        """Of every window, with what each was divided by, and the padded array's shape."""
        padded = self.padded(x, places, 0.0)
        total: Any = 0
        for seen in self.windows(places):
            total = total + padded[seen]
        counts = self.counts(sizes, places, x.dtype)
        return total / counts, counts, padded.shape

    def share_out(self, g: Array, counts: Array, shape: Sizes, sizes: Sizes) -> Array:
        """∂L/∂x from the gradient of the means."""
        share = g / counts
        grad = np.zeros(shape, g.dtype)
        for seen in self.windows(share.shape[: self.AXES]):
            grad[seen] += share
        return grad[self.inside(sizes)]

    def forward(self, input: Array) -> Array:
        x, sizes, places, batched = self.taken_in(input)
        y, counts, shape = self.means(x, sizes, places)
        self.save_for_backward(counts, shape, sizes, batched)
        return outward(y, batched)

    def backward(self, g: Array) -> Array:
        counts, shape, sizes, batched = self.take_saved(g)
        return outward(self.share_out(inward(g, self.AXES), counts, shape, sizes), batched)


class LPPool(AvgPool):
    """y[p] = z[p]^(1/r), with z[p] = Σₖ x[p·s + k]^r: for r of 1 a sum, for r → ∞ the largest.

    Backward, with g = ∂L/∂y, by the chain rule:
        ∂y[p]/∂z[p] = 1/r z[p]^(1/r − 1)                power rule; 0 is taken where z[p] is 0
        ∂L/∂x[q] = Σ_{p, k: p·s + k = q} g[p] · 1/r z[p]^(1/r − 1) · r x[q]^(r − 1)
                 = Σ_{p, k: p·s + k = q} g[p] (x[q]/y[p])^(r − 1)       for z is yʳ
    In ceil_mode a window that is cut off at the edge counts as a whole one: z is K times the mean.

    Args:
        norm_type: r.
    """

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.ceil_mode, self.count_include_pad = norm_type, ceil_mode, True
        self.set_average(kernel_size, stride, 0)
        self.stride = stride  # None stays None, as in PyTorch

    def forward(self, input: Array) -> Array:
        x, sizes, places, batched = self.taken_in(input)
        mean, counts, shape = self.means(x**self.norm_type, sizes, places)
        total = mean * count(self._kernel)
        self.save_for_backward(x, total, counts, shape, batched)
        return outward(np.power(total, x.dtype.type(1 / self.norm_type)), batched)

    def backward(self, g: Array) -> Array:
        x, total, counts, shape, batched = self.take_saved(g)
        r, size = self.norm_type, count(self._kernel)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.where(total == 0, 0, np.power(total, x.dtype.type(1 / r - 1)) / r)
            inner = r * x ** (r - 1)
        by_power = self.share_out(inward(g, self.AXES) * slope * size, counts, shape, x.shape[:-2])
        return outward(by_power * inner, batched)


class MaxPool1d(MaxPool):
    """The largest of every window of a sequence."""

    AXES = 1


class MaxPool2d(MaxPool):
    """The largest of every window of an image."""

    AXES = 2


class MaxPool3d(MaxPool):
    """The largest of every window of a volume."""

    AXES = 3


class AvgPool1d(AvgPool):
    """The mean of every window of a sequence."""

    AXES = 1

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.set_average(kernel_size, stride, padding)


class AvgPool2d(AvgPool):
    """The mean of every window of an image."""

    AXES = 2

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override
        self.set_average(kernel_size, stride, padding)


class AvgPool3d(AvgPool2d):
    """The mean of every window of a volume, which must not be smaller than one, as in PyTorch."""

    AXES = 3


class LPPool1d(LPPool):
    """The norm of every window of a sequence."""

    AXES = 1


class LPPool2d(LPPool):
    """The norm of every window of an image."""

    AXES = 2


class LPPool3d(LPPool):
    """The norm of every window of a volume."""

    AXES = 3
