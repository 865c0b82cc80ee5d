"""Layers that move numbers to other places, and compute nothing (Fold alone adds).

Where y is a copy of x from another place, its slope for that x is 1, and for all others 0. So by
the chain rule every gradient goes to where its number came from: backward of a rearrangement is
the rearrangement back. Unfold copies a number once for each window that it lies in, so what comes
back adds up: that is Fold, and each of the two is the other's backward.
"""

import math
from typing import Any

import numpy as np

from ..arrays import Array
from ..module import Module, check_positive
from .windows import Sizes, count, seen_by, sizes_of, span


class Windows(Module):
    """What Unfold and Fold have in common: windows over images (N, C, H, W) or (C, H, W)."""

    kernel_size: Any
    dilation: Any
    padding: Any
    stride: Any

    def set_windows(self, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> None:
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride
        self._kernel = sizes_of(self, "kernel_size", kernel_size, 2, 1)
        self._dilation = sizes_of(self, "dilation", dilation, 2, 1)
        self._padding = sizes_of(self, "padding", padding, 2, 0)
        self._stride = sizes_of(self, "stride", stride, 2, 1)

    def places(self, sizes: Sizes) -> Sizes:
        """How many windows there are down and across an image of these sizes.

        Raises:
            ValueError: there are none.
        """
        reach = span(self._kernel, self._dilation)
        places = tuple(
            (n + 2 * p - r) // s + 1
            for n, p, r, s in zip(sizes, self._padding, reach, self._stride, strict=True)
        )
        if min(places) < 1:
            raise ValueError(f"{self!r}: an image of {sizes} has {places} windows")
        return places

    def overlaps(self) -> int:
        """In how many windows a number lies, at most."""
        return math.prod(-(-k // s) for k, s in zip(self._kernel, self._stride, strict=True))

    def unfold(self, x: Array, places: Sizes) -> Array:
        """(N, C, H, W) -> (N, C · K, L): a column for each window, channel after channel."""
        padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in self._padding)])
        columns = np.empty((*x.shape[:2], count(self._kernel), *places), x.dtype)
        for k, seen in enumerate(seen_by(self._kernel, self._stride, self._dilation, places)):
            columns[:, :, k] = padded[:, :, *seen]
        return columns.reshape(len(x), -1, count(places))

    def fold(self, columns: Array, sizes: Sizes, places: Sizes) -> Array:
        """(N, C · K, L) -> (N, C, H, W): every number added where its window has its place."""
        columns = columns.reshape(len(columns), -1, count(self._kernel), *places)
        whole = [n + 2 * p for n, p in zip(sizes, self._padding, strict=True)]
        padded = np.zeros((*columns.shape[:2], *whole), columns.dtype)
        for k, seen in enumerate(seen_by(self._kernel, self._stride, self._dilation, places)):
            padded[:, :, *seen] += columns[:, :, k]
        inside = (slice(p, p + n) for n, p in zip(sizes, self._padding, strict=True))
        return padded[:, :, *inside]


class Unfold(Windows):
    """Every window of an image as a column: a convolution is a matrix product with these columns.

    Forward     y[n, c K + k, p] = x[n, c, p·s + k·d − padding], 0 outside; along one axis
    Backward    ∂L/∂x[n, c, q] = Σ_{p, k: p·s + k·d − padding = q} g[n, c K + k, p], or fold(g)

    Shapes: input (N, C, H, W) or (C, H, W), output (N, C · K, L) or (C · K, L), for K numbers in a
    window and L windows.
    """

    def __init__(
        self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.set_windows(kernel_size, dilation, padding, stride)

    def sum_lengths(self, input: Array) -> dict[str, int]:
        return {"input": self.overlaps()}

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        if x.ndim not in (3, 4):
            raise ValueError(f"{self!r}: input has {x.ndim} axes, expected 3 or 4")
        batched, x = x.ndim == 4, x if x.ndim == 4 else x[np.newaxis]
        sizes = x.shape[2:]
        places = self.places(sizes)
        self.save_for_backward(sizes, places, batched)
        y = self.unfold(x, places)
        return y if batched else y[0]

    def backward(self, g: Array) -> Array:
        sizes, places, batched = self.take_saved(g)
        grad = self.fold(g if batched else g[np.newaxis], sizes, places)
        return grad if batched else grad[0]


class Fold(Windows):
    """Columns back to an image: what several windows have at one place is added.

    Forward     y[n, c, q] = Σ_{p, k: p·s + k·d − padding = q} x[n, c K + k, p]
    Backward    ∂L/∂x[n, c K + k, p] = g[n, c, p·s + k·d − padding], or unfold(g); 0 outside

    Shapes: input (N, C · K, L) or (C · K, L), output (N, C, *output_size) or (C, *output_size).
    """

    def __init__(
        self,
        output_size: Any,
        kernel_size: Any,
        dilation: Any = 1,
        padding: Any = 0,
        stride: Any = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self._sizes = sizes_of(self, "output_size", output_size, 2, 1)
        self.set_windows(kernel_size, dilation, padding, stride)

    def sum_lengths(self, input: Array) -> dict[str, int]:
        return {"output": self.overlaps()}

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        if x.ndim not in (2, 3):
            raise ValueError(f"{self!r}: input has {x.ndim} axes, expected 2 or 3")
        batched, x = x.ndim == 3, x if x.ndim == 3 else x[np.newaxis]
        places = self.places(self._sizes)
        numbers = count(self._kernel)
        if x.shape[1] % numbers or x.shape[2] != count(places):
            raise ValueError(
                f"{self!r}: input has the shape {input.shape}, expected a multiple of {numbers} "
                f"numbers in each of {count(places)} columns"
            )
        self.save_for_backward(places, batched)
        y = self.fold(x, self._sizes, places)
        return y if batched else y[0]

    def backward(self, g: Array) -> Array:
        places, batched = self.take_saved(g)
        grad = self.unfold(g if batched else g[np.newaxis], places)
        return grad if batched else grad[0]


class Rearrangement(Module):
    """A layer that gives every number another place."""

    def there(self, x: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no there")

    def back(self, g: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no back")

    def forward(self, input: Array) -> Array:
        y = self.there(self.check_input(input))
        self.save_for_backward()
        return y.copy() if np.may_share_memory(y, input) else y

    def backward(self, g: Array) -> Array:
        self.take_saved(g)
        grad = self.back(g)
        return grad.copy() if np.may_share_memory(grad, g) else grad


def to_pixels(x: Array, factor: int) -> Array:
    """(*, C r², H, W) -> (*, C, H r, W r): channel c r² + i r + j to pixel (h r + i, w r + j)."""
    *samples, channels, height, width = x.shape
    r = factor
    split = x.reshape(*samples, channels // r**2, r, r, height, width)
    n = len(samples)
    ordered = split.transpose(*range(n + 1), n + 3, n + 1, n + 4, n + 2)  # (*, C, H, r, W, r)
    return ordered.reshape(*samples, channels // r**2, height * r, width * r)


def to_channels(x: Array, factor: int) -> Array:
    """(*, C, H r, W r) -> (*, C r², H, W)."""
    *samples, channels, height, width = x.shape
    r = factor
    split = x.reshape(*samples, channels, height // r, r, width // r, r)
    n = len(samples)
    ordered = split.transpose(*range(n + 1), n + 2, n + 4, n + 1, n + 3)  # (*, C, r, r, H, W)
    return ordered.reshape(*samples, channels * r**2, height // r, width // r)


class PixelShuffle(Rearrangement):
    """r² channels become one of r times the height and width: (*, C r², H, W) -> (*, C, H r, W r).

    Forward     y[c, h r + i, w r + j] = x[c r² + i r + j, h, w]
    Backward    ∂L/∂x[c r² + i r + j, h, w] = g[c, h r + i, w r + j]    PixelUnshuffle's forward

    Source: Shi et al., 2016.
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = check_positive(self, "upscale_factor", upscale_factor)

    def there(self, x: Array) -> Array:
        if x.ndim < 3 or x.shape[-3] % self.upscale_factor**2:
            raise ValueError(
                f"{self!r}: input has the shape {x.shape}, expected (*, C, H, W) with a multiple "
                f"of {self.upscale_factor**2} channels"
            )
        return to_pixels(x, self.upscale_factor)

    def back(self, g: Array) -> Array:
        return to_channels(g, self.upscale_factor)


class PixelUnshuffle(Rearrangement):
    """The reverse of PixelShuffle: (*, C, H r, W r) -> (*, C r², H, W).

    Forward     y[c r² + i r + j, h, w] = x[c, h r + i, w r + j]
    Backward    ∂L/∂x[c, h r + i, w r + j] = g[c r² + i r + j, h, w]    PixelShuffle's forward
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = check_positive(self, "downscale_factor", downscale_factor)

    def there(self, x: Array) -> Array:
        r = self.downscale_factor
        if x.ndim < 3 or x.shape[-2] % r or x.shape[-1] % r:
            raise ValueError(
                f"{self!r}: input has the shape {x.shape}, expected (*, C, H, W) with multiples "
                f"of {r} down and across"
            )
        return to_channels(x, r)

    def back(self, g: Array) -> Array:
        return to_pixels(g, self.downscale_factor)


class ChannelShuffle(Rearrangement):
    """The channels of several groups dealt out in turn, for the next convolution in groups.

    Of G groups of C channels each, channel c of group i:
    Forward     y[c G + i] = x[i C + c]
    Backward    ∂L/∂x[i C + c] = g[c G + i]     the channels dealt back

    Source: Zhang et al., 2018.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = check_positive(self, "groups", groups)

    def dealt(self, x: Array, groups: int) -> Array:
        split = x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])
        return split.swapaxes(1, 2).reshape(x.shape)

    def there(self, x: Array) -> Array:
        if x.ndim < 3 or x.shape[1] % self.groups:
            raise ValueError(
                f"{self!r}: input has the shape {x.shape}, expected (N, C, …) with a multiple of "
                f"{self.groups} channels"
            )
        return self.dealt(x, self.groups)

    def back(self, g: Array) -> Array:
        return self.dealt(g, g.shape[1] // self.groups)
