"""What max pooling kept, put back to where it was."""

from typing import Any

import numpy as np

from ..arrays import Array
from ..module import Module
from .windows import Sizes, check_spatial, count, inward, outward, sizes_of


class MaxUnpool(Module):
    """Each number back to the place that max pooling took it from; zeros elsewhere.

    Forward     y[i[p]] = x[p], with i the indices that pooling returned
    Backward    ∂L/∂x[p] = g[i[p]]      chain rule: x[p] is that y, and no other

    Shapes: input and indices (N, C, *P) or (C, *P); output (N, C, *S) or (C, *S), S from
    `output_size`, or (P − 1) stride − 2 padding + kernel_size.
    """

    AXES: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        axes = self.AXES
        self.kernel_size = sizes_of(self, "kernel_size", kernel_size, axes, 1)
        step = kernel_size if stride is None else stride
        self.stride = sizes_of(self, "stride", step, axes, 1)
        self.padding = sizes_of(self, "padding", padding, axes, 0)

    def sizes(self, places: Sizes, output_size: Any) -> Sizes:
        """The output's; a wanted one must be within one stride of what follows from the window."""
        plain = [
            (m - 1) * s - 2 * p + k
            for m, s, p, k in zip(places, self.stride, self.padding, self.kernel_size, strict=True)
        ]
        if output_size is None:
            return tuple(plain)
        wanted = tuple(output_size)[-self.AXES :]
        if len(wanted) != self.AXES or any(
            not n - s < w < n + s for n, w, s in zip(plain, wanted, self.stride, strict=True)
        ):
            raise ValueError(
                f"{self!r}: output_size is {tuple(output_size)}, expected within a stride of "
                f"{tuple(plain)}"
            )
        return wanted

    def forward(self, input: Array, indices: Array, output_size: Any = None) -> Array:
        x = self.check_input(input)
        batched = check_spatial(self, x, self.AXES)
        sizes = self.sizes(x.shape[-self.AXES :], output_size)
        self.check_indices(indices, "indices", 0, count(sizes) - 1)
        if indices.shape != x.shape:
            raise ValueError(
                f"{self!r}: indices have the shape {indices.shape}, expected the input's {x.shape}"
            )
        numbers, columns = inward(indices, self.AXES), inward(x, self.AXES)
        flat = np.zeros((count(sizes), *columns.shape[-2:]), x.dtype)
        rows = numbers.reshape(-1, *columns.shape[-2:])
        np.put_along_axis(flat, rows, columns.reshape(rows.shape), 0)
        self.save_for_backward(numbers, batched)
        return outward(flat.reshape(*sizes, *columns.shape[-2:]), batched)

    def backward(self, g: Array) -> Array:
        numbers, batched = self.take_saved(g)
        rows = numbers.reshape(-1, *numbers.shape[-2:])
        flat = inward(g, self.AXES).reshape(-1, *rows.shape[-2:])
        grad = np.take_along_axis(flat, rows, 0)
        return outward(grad.reshape(numbers.shape), batched)


class MaxUnpool1d(MaxUnpool):
    """A sequence from the largest of its windows."""

    AXES = 1


class MaxUnpool2d(MaxUnpool):
    """An image from the largest of its windows."""

    AXES = 2


class MaxUnpool3d(MaxUnpool):
    """A volume from the largest of its windows."""

    AXES = 3
