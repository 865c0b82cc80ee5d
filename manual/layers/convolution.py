"""Convolutions: one small kernel slides over the input, at every place the same weights.

A convolution is a linear layer whose weights are shared. Its matrix has a row for each output p and
in it the kernel's weights W[k] at the inputs p·stride + k·dilation; all else is zero. So its
backward is Linear's: the transposed matrix carries the gradient back, which is again a sliding
kernel, the transposed convolution; and as every weight stands in the matrix once for each place p,
the gradients of all places add up.

Nothing of that matrix is ever written out. In memory the padded input lies as (*S, C, N), see
windows.py: so what one row of the kernel sees at place p, k neighbouring pixels with all their
channels, is one block of (k·C, N) numbers, and what it sees at all places is a *view* whose blocks
overlap. The convolution is one matrix product for each row of the kernel over such a view.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..initializers import kaiming_uniform_, uniform_
from ..module import Module, check_positive, refuse
from ..parameter import Parameter
from .padding import MODES, pad, unpad
from .windows import (
    Sizes,
    blocks,
    check_spatial,
    count,
    inward,
    outward,
    seen_by,
    sizes_of,
    span,
    taps,
)


def rows_of(
    x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, out: Sizes
) -> Iterator[tuple[Any, Array]]:
    """What each row of the kernel sees, at all places: (*P, G, k·C, N), views of x (*S, G, C, N).

    Where the pixels that a row sees are not neighbours in memory, because of dilation or groups,
    each place of the kernel is a row of its own: k = 1.

    Returns:
        The places of the row in the kernel, as an index, with the view.
    """
    axes, (groups, channels, samples) = len(kernel), x.shape[-3:]
    whole = groups == 1 and dilation[-1] == 1
    for tap in taps(kernel[:-1] if whole else kernel):
        first = (*tap, 0)[:axes]
        seen = x[seen_by(first, stride, dilation, out)]
        if not whole:
            yield tap, seen
            continue
        shape = (*out, 1, kernel[-1] * channels, samples)
        yield (*tap, slice(None)), as_strided(seen, shape, seen.strides, writeable=False)


def matrices_of(W: Array, places: Any) -> Array:
    """The weights of a row of the kernel as matrices: (*K, G, O, C) -> (G, O, k·C)."""
    row = W[places]
    if row.ndim == 4:  # (k, 1, O, C), of one group
        return row[:, 0].transpose(1, 0, 2).reshape(1, row.shape[2], -1)
    return row


def correlate(x: Array, W: Array, stride: Sizes, dilation: Sizes, out: Sizes) -> Array:
    """y[p] = Σₖ W[k] x[p·stride + k·dilation].

    Args:
        x: (*S, G, C, N), contiguous; W: (*K, G, O, C).
        out: how many places p there are on each axis.
    Returns:
        (*P, G, O, N).
    """
    y = np.empty((*out, *W.shape[-3:-1], x.shape[-1]), x.dtype)
    (places, view), *others = rows_of(x, W.shape[:-3], stride, dilation, out)
    row = matrices_of(W, places)
    products = [(matrices_of(W, places), view) for places, view in others]
    more = np.empty_like(y[next(blocks(out[0], count(y.shape[1:])))]) if products else y
    for block in blocks(out[0], count(y.shape[1:])):
        part = y[block]
        np.matmul(row, view[block], out=part)  # (G, O, k·C) x (p, G, k·C, N)
        for other, seen in products:
            part += np.matmul(other, seen[block], out=more[: len(part)])
    return y


def sum_in_pairs(terms: Array) -> Array:
    """The sum over the first axis, halves added to each other: rounding grows with log n, not n."""
    while len(terms) > 1:
        half = len(terms) // 2
        pairs = terms[:half] + terms[half : 2 * half]
        if len(terms) % 2:
            pairs[0] += terms[-1]
        terms = pairs
    return terms[0]


def weight_gradient(x: Array, g: Array, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Array:
    """∂L/∂W[k] = Σₚ g[p] x[p·stride + k·dilation]ᵀ, over all places p and samples.

    Args:
        x: (*S, G, C, N), contiguous; g: (*P, G, O, N), the gradient of `correlate`'s result.
    Returns:
        (*K, G, O, C).
    """
    out, (groups, outputs, _), inputs = g.shape[:-3], g.shape[-3:], x.shape[-2]
    grad = np.zeros((*kernel, groups, outputs, inputs), x.dtype)
    turned = np.ascontiguousarray(g.swapaxes(-1, -2))  # (*P, G, N, O)
    for places, view in rows_of(x, kernel, stride, dilation, out):
        total: Any = 0
        for block in blocks(out[0], count(view.shape[1:-1]) * outputs):
            each = view[block] @ turned[block]  # (p, G, k·C, N) x (p, G, N, O)
            total = total + sum_in_pairs(each.reshape(-1, *each.shape[-3:]))  # (G, k·C, O)
        if isinstance(total, int):
            continue  # there is no place
        if isinstance(places[-1], slice):  # (1, k·C, O) -> (k, 1, O, C)
            grad[places] = total.reshape(-1, inputs, outputs).swapaxes(-1, -2)[:, np.newaxis]
        else:
            grad[places] = total.swapaxes(-1, -2)
    return grad


def spread(g: Array, W: Array, shape: Sizes, stride: Sizes, dilation: Sizes) -> Array:
    """∂L/∂x[q] = Σ W[k]ᵀ g[p] over all p and k with p·stride + k·dilation = q: the transpose.

    Args:
        g: (*P, G, O, N); W: (*K, G, O, C).
        shape: of x on its spatial axes.
    Returns:
        (*S, G, C, N).
    """
    kernel, out = W.shape[:-3], g.shape[:-3]
    turned = W.swapaxes(-1, -2)  # (*K, G, C, O)
    if max(stride) == 1:
        # q = p + k·d, so p = q − k·d: once more a sliding kernel, turned round, over a padded g.
        reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        widths = [(r, n - p) for r, n, p in zip(reach, shape, out, strict=True)]
        padded = np.pad(g, [*widths, (0, 0), (0, 0), (0, 0)])
        axes = tuple(range(len(kernel)))
        return correlate(padded, np.flip(turned, axes), stride, dilation, shape)
    x = np.zeros((*shape, *turned.shape[-3:-1], g.shape[-1]), g.dtype)
    for tap in taps(kernel):
        x[seen_by(tap, stride, dilation, out)] += turned[tap] @ g  # places of one tap: no overlap
    return x


class Convolution(Module):
    """What the convolutions of all dimensions, and their transposes, have in common."""

    AXES: int  # spatial ones
    TRANSPOSED = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: None,
        dtype: DTypeLike | None,
        generator: np.random.Generator | None,
    ) -> None:
        super().__init__()
        refuse(self, device=device)
        name, axes = type(self).__name__, self.AXES
        self.in_channels = check_positive(self, "in_channels", in_channels)
        self.out_channels = check_positive(self, "out_channels", out_channels)
        self.groups = check_positive(self, "groups", groups)
        for what, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(
                    f"{name}: {what} {channels} cannot be shared out among {groups} groups"
                )
        self.kernel_size = sizes_of(self, "kernel_size", kernel_size, axes, 1)
        self.stride = sizes_of(self, "stride", stride, axes, 1)
        self.dilation = sizes_of(self, "dilation", dilation, axes, 1)
        if padding_mode not in MODES:
            raise ValueError(
                f"{name}: padding_mode is {padding_mode!r}, expected one of {', '.join(MODES)}"
            )
        self.padding_mode = padding_mode
        dtype = float_dtype(dtype)
        one, other = out_channels, in_channels
        if self.TRANSPOSED:
            one, other = in_channels, out_channels
        shape = (one, other // groups, *self.kernel_size)
        self.weight = Parameter(np.empty(shape, dtype))
        self.bias = Parameter(np.empty(out_channels, dtype)) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: np.random.Generator | None = None) -> None:
        """Uniform within ±1/√n, as PyTorch does; n weights lead to an output."""
        kaiming_uniform_(self.weight, a=math.sqrt(5), generator=generator)
        if self.bias is not None:
            bound = 1 / math.sqrt(count(self.weight.shape[1:]))
            uniform_(self.bias, -bound, bound, generator)

    @property
    def kernel(self) -> Array:
        """The weights as `correlate` takes them: (G·O, C, *K) -> (*K, G, O, C)."""
        W = self.weight.data
        grouped = W.reshape(self.groups, -1, *W.shape[1:])
        axes = range(3, grouped.ndim)
        return grouped.transpose(*axes, 0, 1, 2)

    def accumulate_kernel(self, grad: Array) -> None:
        """(*K, G, O, C) -> (G·O, C, *K)."""
        axes = range(self.AXES)
        back = grad.transpose(*(a + self.AXES for a in range(3)), *axes)
        self.weight.accumulate(back.reshape(self.weight.shape))

    def in_groups(self, x: Array) -> Array:
        """(*S, G·C, N) -> (*S, G, C, N)."""
        return x.reshape(*x.shape[:-2], self.groups, x.shape[-2] // self.groups, x.shape[-1])

    def all_channels(self, y: Array) -> Array:
        """(*P, G, O, N) -> (*P, G·O, N)."""
        return y.reshape(*y.shape[:-3], y.shape[-3] * y.shape[-2], y.shape[-1])

    def lengths(self, inputs: int, outputs: int, places: int) -> dict[str, int]:
        """How many terms the sums have, from the channels on either side and the places."""
        taps_ = count(self.kernel_size)
        lengths = {"output": inputs * taps_ // self.groups, "input": outputs * taps_ // self.groups}
        return lengths | {"weight": places, "bias": places}


class ForwardConvolution(Convolution):
    """y[p] = b + Σₖ W[k] x[p·stride + k·dilation], x padded; of every group of channels by itself.

    Forward     yₙₒ[p] = bₒ + Σ_c Σₖ Wₒ_c[k] xₙ_c[p·s + k·d]
    Backward, with g = ∂L/∂y:
        ∂L/∂xₙ_c[q] = Σₒ Σ_{p, k: p·s + k·d = q} Wₒ_c[k] gₙₒ[p]     x[q] is seen through weight k at
                      the place p that lies k·d before it: a convolution with the kernel turned
                      round, and with a stride one between whose places there are gaps. What came
                      from the padding goes back to where the padding was taken from.
        ∂L/∂Wₒ_c[k] = Σₙ Σₚ gₙₒ[p] xₙ_c[p·s + k·d]                  every place uses it once
        ∂L/∂bₒ      = Σₙ Σₚ gₙₒ[p]

    Shapes: input (N, in_channels, *S) or (in_channels, *S), weight (out_channels,
    in_channels/groups, *kernel_size), bias (out_channels,); output (N, out_channels, *P) or
    (out_channels, *P), with
    P = ⌊(S + padding on both sides − dilation (kernel_size − 1) − 1)/stride⌋ + 1 on each axis.

    Args:
        padding: on both sides of each axis; "valid" is none, "same" as much as keeps the size.
        groups: the channels are shared out among so many groups, each convolved by itself.
        padding_mode: zeros, reflect, replicate or circular.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__(
            *(in_channels, out_channels, kernel_size, stride, dilation, groups, bias),
            *(padding_mode, device, dtype, generator),
        )
        name = type(self).__name__
        self.padding: Any
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"{name}: padding is {padding!r}, expected numbers, same or valid")
            if padding == "same" and max(self.stride) > 1:
                raise ValueError(f"{name}: padding 'same' needs a stride of 1, not {stride}")
            self.padding = padding
        else:
            self.padding = sizes_of(self, "padding", padding, self.AXES, 0)

    @property
    def widths(self) -> list[tuple[int, int]]:
        """The padding before and after each axis."""
        if self.padding == "valid":
            return [(0, 0)] * self.AXES
        if self.padding == "same":
            reach = [n - 1 for n in span(self.kernel_size, self.dilation)]
            return [(r // 2, r - r // 2) for r in reach]
        return [(p, p) for p in self.padding]

    def places(self, spatial: Sequence[int]) -> Sizes:
        """How many places there are on each axis of an input of these sizes.

        Raises:
            ValueError: the kernel is larger than the padded input.
        """
        padded = [n + a + b for n, (a, b) in zip(spatial, self.widths, strict=True)]
        reach = span(self.kernel_size, self.dilation)
        if any(r > n for r, n in zip(reach, padded, strict=True)):
            raise ValueError(
                f"{self!r}: the kernel reaches over {reach}, the padded input has {tuple(padded)}"
            )
        sizes = zip(padded, reach, self.stride, strict=True)
        return tuple((n - r) // s + 1 for n, r, s in sizes)

    def sum_lengths(self, input: Array) -> dict[str, int]:
        samples = len(input) if input.ndim == self.AXES + 2 else 1
        places = samples * count(self.places(input.shape[-self.AXES :]))
        # a padded pixel's gradient adds to that of its source
        copies = 1 if self.padding_mode == "zeros" else 2**self.AXES
        return self.lengths(self.in_channels, self.out_channels * copies, places)

    def forward(self, input: Array) -> Array:
        x = self.check_input(input, self.weight.data.dtype)
        batched = check_spatial(self, x, self.AXES, self.in_channels)
        out = self.places(x.shape[-self.AXES :])
        x = inward(x, self.AXES)  # (*S, C, N)
        padded = self.in_groups(pad(self, x, self.widths, self.padding_mode))
        y = self.all_channels(correlate(padded, self.kernel, self.stride, self.dilation, out))
        if self.bias is not None:
            y += self.bias.data[:, np.newaxis]
        self.save_for_backward(padded, x.shape, batched)
        return outward(y, batched)

    def backward(self, g: Array) -> Array:
        padded, shape, batched = self.take_saved(g)
        g = inward(g, self.AXES)  # (*P, O, N)
        # y += b
        if self.bias is not None:
            self.bias.accumulate(g.sum(axis=(*range(self.AXES), -1)))
        # y = correlate(padded, W)
        g = self.in_groups(np.ascontiguousarray(g))
        reach = self.kernel_size, self.stride, self.dilation
        self.accumulate_kernel(weight_gradient(padded, g, *reach))
        sizes = padded.shape[: self.AXES]
        grad = self.all_channels(spread(g, self.kernel, sizes, self.stride, self.dilation))
        # padded = pad(x)
        return outward(unpad(grad, shape, self.widths, self.padding_mode), batched)


class Conv1d(ForwardConvolution):
    """A convolution along one axis: a sequence (N, C, L)."""

    AXES = 1


class Conv2d(ForwardConvolution):
    """A convolution over two axes: images (N, C, H, W)."""

    AXES = 2


class Conv3d(ForwardConvolution):
    """A convolution over three axes: volumes or films (N, C, D, H, W)."""

    AXES = 3
