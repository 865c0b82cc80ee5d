"""Convolutions: one small kernel slides over the input, at every place the same weights.

A convolution is a linear layer whose weights are shared. Its matrix has a row for each output p and
in it the kernel's weights W[k] at the inputs p·stride + k·dilation; all else is zero. So its
backward is Linear's: the transposed matrix carries the gradient back, which is again a sliding
kernel, the transposed convolution; and as every weight stands in the matrix once for each place p,
the gradients of all places add up.

Nothing of that matrix is ever written out. In memory the padded input lies as (*S, C, N), see
windows.py. Of its lines, those that the rows of the kernel see are copied side by side, as if they
were more channels of one line: so what the kernel sees at place p, k neighbouring pixels, is one
block of (K·C, N) numbers, K the number of weights, and what it sees at all places is a *view* whose
blocks overlap. The convolution is one matrix product for each place, (O, K·C) x (K·C, N), and the
gradient of the weights is that of these blocks with the upstream gradient. All of it goes through
the places a few rows at a time, which stay in the processor's cache.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..initializers import kaiming_uniform_, uniform_
from ..module import Module, check_positive, refuse
from ..parameter import Parameter
from .padding import MODES, Widths, bordered, pad, padded_sizes, unpad
from .windows import (
    CACHED,
    Sizes,
    blocks,
    check_spatial,
    count,
    inward,
    outward,
    scratch,
    sizes_of,
    span,
    taps,
)

NARROW = 16  # with fewer rows a matrix product is slow


def side_by_side(x: Array, kernel: int, stride: int, memory: Array) -> Array:
    """Every `kernel` pixels that are neighbours on the last spatial axis, as one block: a view.

    Args:
        x: (*, S, C, N), contiguous on these axes.
        memory: the contiguous array with which x begins.
    Returns:
        (*, P, kernel·C, N), the blocks overlapping.
    """
    *others, pixels, channels, samples = x.shape
    channel = samples * x.itemsize
    pixel = channels * channel
    shape = (*others, (pixels - kernel) // stride + 1, kernel * channels, samples)
    strides = (*x.strides[: len(others)], stride * pixel, channel, x.itemsize)
    return np.ndarray(shape, x.dtype, memory, 0, strides)


def groups_first(x: Array) -> Array:
    """(*S, G, C, N) -> (G, *S, C, N): a view."""
    return x.transpose(-3, *range(x.ndim - 3), -2, -1)


def groups_inside(x: Array) -> Array:
    """(G, *S, C, N) -> (*S, G, C, N): a view, contiguous where `groups_first` was handed such."""
    return x.transpose(*range(1, x.ndim - 2), 0, -2, -1)


@lru_cache
def taps_strides(strides: Sizes, stride: Sizes, dilation: Sizes) -> Sizes:
    """Of `taps_last`, from those of its x."""
    group, *spatial, channel, sample = strides
    places = (n * s for n, s in zip(spatial, stride, strict=True))
    *others, last = (n * d for n, d in zip(spatial, dilation, strict=True))
    return (group, *places, last, *others, channel, sample)


def taps_last(x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, out: Sizes) -> Array:
    """What the kernel sees of x (G, *S, C, N) at every place: a view (G, *P, Kₗ, *K, C, N).

    Kₗ is the kernel's last axis: its columns come one after the other.
    """
    shape = (len(x), *out, kernel[-1], *kernel[:-1], *x.shape[-2:])
    strides = taps_strides(x.strides, stride, dilation)
    return np.ndarray(shape, x.dtype, groups_inside(x), 0, strides)


def unfolded(
    x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, out: Sizes, size: int
) -> Iterator[tuple[slice, Array]]:
    """What the kernel sees at a block of places after the other, p of the first axis at a time.

    Args:
        x: (G, *S, C, N), contiguous.
        out: how many places there are on each axis.
        size: elements that are at work for one place.
    Returns:
        The places of the first axis, with (G, p, *P, K·C, N), the kernel's columns one after the
        other; it is overwritten by the next.
    """
    channels, samples = x.shape[-2:]
    # one copy for each row of the kernel; for each weight where a row's pixels are not neighbours
    # in memory, because of dilation or groups
    overlapping = len(x) == 1 and dilation[-1] == 1
    rows, steps, sizes = kernel, stride, out
    if overlapping:
        rows, steps = (*kernel[:-1], 1), (*stride[:-1], 1)
        sizes = (*out[:-1], (out[-1] - 1) * stride[-1] + kernel[-1])  # all of a line that is seen
    lines = count(rows)
    seen = taps_last(x, rows, steps, dilation, sizes)
    if lines == 1:  # nothing to copy
        seen = seen.reshape(*seen.shape[: len(out) + 1], channels, samples)
        if overlapping:
            seen = side_by_side(seen, kernel[-1], stride[-1], groups_inside(x))
        yield from ((block, seen[:, block]) for block in blocks(out[0], count(out[1:]) * size))
        return
    for block in blocks(out[0], count(out[1:]) * size):
        copied = scratch("seen", (len(x), block.stop - block.start, *seen.shape[2:]), x.dtype)
        np.copyto(copied, seen[:, block])
        columns = copied.reshape(*copied.shape[: len(out) + 1], lines * channels, samples)
        if overlapping:
            columns = side_by_side(columns, kernel[-1], stride[-1], copied)
        yield block, columns


def correlate(
    x: Array,
    W: Array,
    b: Array | None,
    kernel: Sizes,
    stride: Sizes,
    dilation: Sizes,
    out: Sizes,
) -> Array:
    """y[p] = b + Σₖ W[k] x[p·stride + k·dilation].

    Args:
        x: (G, *S, C, N), contiguous; W: (G, *1, O, K·C), the kernel's columns one after the other;
            b: (G·O,), or None for none.
        out: how many places p there are on each axis.
    Returns:
        (G, *P, O, N).
    """
    groups, outputs, samples = len(W), W.shape[-2], x.shape[-1]
    y = groups_first(np.empty((*out, groups, outputs, samples), x.dtype))
    size = groups * sum(W.shape[-2:]) * samples
    bias = None if b is None else np.repeat(b, samples).reshape(*W.shape[:-1], samples)
    for block, seen in unfolded(x, kernel, stride, dilation, out, size):
        part = y[:, block]
        np.matmul(W, seen, out=part)  # (G, *1, O, K·C) x (G, p, *P, K·C, N)
        if bias is not None:
            np.add(part, bias, out=part)
    return y


def sum_in_pairs(terms: Array) -> Array:
    """The sum over the first axis, halves added to each other: rounding grows with log n, not n.

    Args:
        terms: overwritten.
    """
    rest = len(terms)
    while rest > 4:
        half = rest // 2
        terms[:half] += terms[rest - half : rest]
        rest -= half
    return np.add.reduce(terms[:rest])


def summed_over_places(g: Array) -> Array:
    """(*P, O, N) -> (O,)."""
    over_samples = g @ np.ones(g.shape[-1], g.dtype)  # a product is the fastest sum
    return sum_in_pairs(over_samples.reshape(-1, g.shape[-2]))


def weight_gradient(x: Array, g: Array, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Array:
    """∂L/∂W[k] = Σₚ g[p] x[p·stride + k·dilation]ᵀ, over all places p and samples.

    Args:
        x: (G, *S, C, N), contiguous; g: (G, *P, O, N), the gradient of `correlate`'s result.
    Returns:
        (G, O, K·C).
    """
    out, (groups, outputs, samples), inputs = g.shape[1:-2], (len(g), *g.shape[-2:]), x.shape[-2]
    terms = count(kernel) * inputs
    totals = []
    size = groups * (terms * outputs + (terms + outputs) * samples)
    for block, seen in unfolded(x, kernel, stride, dilation, out, size):
        turned = g[:, block].swapaxes(-1, -2)  # (G, p, *P, N, O)
        if outputs > samples:
            # The product of each place would be larger than what is seen there. One for each row:
            seen = np.moveaxis(seen, -2, 2).reshape(groups, len(seen[0]), terms, -1)
            turned = turned.reshape(groups, len(seen[0]), -1, outputs)
        elif terms > samples:  # then it pays to have the product's smaller side as it wants it
            contiguous = scratch("turned", turned.shape, g.dtype)
            np.copyto(contiguous, turned)
            turned = contiguous
        each = scratch("each", (*seen.shape[:-1], outputs), g.dtype)
        np.matmul(seen, turned, out=each)  # (G, p, *P, K·C, N) x (G, p, *P, N, O)
        totals.append(sum_in_pairs(each.reshape(groups, -1, terms, outputs).swapaxes(0, 1)))
    return sum_in_pairs(np.array(totals)).swapaxes(-1, -2)


@lru_cache
def landings(
    kernel: Sizes, stride: Sizes, dilation: Sizes, before: Sizes, out: Sizes, shape: Sizes
) -> tuple[tuple[tuple[int, int, int], ...], ...]:
    """For each weight, column after column: on each axis the first and the last place p, and one
    more, whose p·stride + k·dilation − before is inside; and k·dilation − before.
    """
    every = []
    for tap in taps((kernel[-1], *kernel[:-1])):
        axes = []
        sizes = zip((*tap[1:], tap[0]), stride, dilation, before, out, shape, strict=True)
        for k, s, d, b, m, n in sizes:
            offset = k * d - b
            axes.append((max(0, -(offset // s)), min(m, (n - 1 - offset) // s + 1), offset))
        every.append(tuple(axes))
    return tuple(every)


def spread_by_correlation(
    g: Array, W: Array, shape: Sizes, before: Sizes, kernel: Sizes, dilation: Sizes
) -> Array:
    """`spread` with a stride of 1: x[q] = Σ W[k]ᵀ g[q + before − k·dilation].

    That is `correlate` with the kernel turned round and a border around g: so the products
    themselves add up.
    """
    groups, outputs, places = len(W), W.shape[-2], g.shape[1:-2]
    sizes = zip(span(kernel, dilation), before, shape, places, strict=True)
    widths = tuple((r - 1 - b, n + b - m) for r, b, n, m in sizes)
    around = groups_first(bordered(groups_inside(g), widths))
    turned = W.reshape(groups, outputs, count(kernel), -1)[:, :, ::-1]
    turned = turned.transpose(0, 3, 2, 1)  # (G, C, K, O)
    turned = turned.reshape(*W.shape[:-2], -1, count(kernel) * outputs)
    return correlate(around, turned, None, kernel, (1,) * len(kernel), dilation, shape)


def spread(
    g: Array,
    W: Array,
    shape: Sizes,
    before: Sizes,
    kernel: Sizes,
    stride: Sizes,
    dilation: Sizes,
) -> Array:
    """∂L/∂x[q] = Σ W[k]ᵀ g[p] over all p and k with p·stride + k·dilation − before = q.

    It is the transpose of `correlate` with a padding of zeros.

    Args:
        g: (G, *P, O, N); W: (G, *1, O, K·C).
        shape: of x on its spatial axes; what falls outside is left out.
        before: the padding before each axis.
    Returns:
        (G, *S, C, N).
    """
    out, (groups, outputs, samples) = g.shape[1:-2], (len(g), *g.shape[-2:])
    channels = W.shape[-1] // count(kernel)
    if max(stride) == 1:
        return spread_by_correlation(g, W, shape, before, kernel, dilation)
    turned = np.ascontiguousarray(W.swapaxes(-1, -2))  # (G, *1, K·C, O)
    x = groups_first(np.zeros((*shape, groups, channels, samples), g.dtype))
    lands = landings(kernel, stride, dilation, before, out, shape)
    # weights' places in one product: a narrow matrix is slow, a large one leaves the cache
    line = count(out[1:]) * groups * samples
    together = max(-(-NARROW // channels), min(len(lands), CACHED // max(1, line * channels)))
    for block in blocks(out[0], line * (outputs + together * channels)):
        places = g[:, block]
        for start in range(0, len(lands), together):
            some = lands[start : start + together]
            rows = turned[..., start * channels : (start + len(some)) * channels, :]
            back = scratch("back", (*places.shape[:-2], rows.shape[-2], samples), g.dtype)
            np.matmul(rows, places, out=back)  # (G, *1, k·C, O) x (G, p, *P, O, N)
            for i, ((first, last, offset), *others) in enumerate(some):
                first, last = max(first, block.start), min(last, block.stop)
                inside = [(first, last, offset), *others]
                if any(f >= n for f, n, _ in inside):
                    continue
                here = [
                    slice(f * s + o, (n - 1) * s + o + 1, s)
                    for (f, n, o), s in zip(inside, stride, strict=True)
                ]
                there = [slice(f, n) for f, n, _ in others]
                part = back[:, first - block.start : last - block.start, *there]
                x[:, *here] += part[..., i * channels : (i + 1) * channels, :]
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
    def slide(self) -> tuple[Sizes, Sizes, Sizes]:
        """How the kernel slides: its size, stride and dilation."""
        return self.kernel_size, self.stride, self.dilation

    @property
    def kernel(self) -> Array:
        """The weights as `correlate` takes them: (G·O, C, *K) -> (G, *1, O, K·C)."""
        W = self.weight.data
        columns = W.transpose(0, -1, *range(2, W.ndim - 1), 1)  # (G·O, K last, *K others, C)
        ones = (1,) * self.AXES
        return columns.reshape(self.groups, *ones, len(W) // self.groups, -1)

    def accumulate_kernel(self, grad: Array) -> None:
        """(G, O, K·C) -> (G·O, C, *K)."""
        others = self.kernel_size[:-1]
        columns = grad.reshape(len(self.weight.data), self.kernel_size[-1], *others, -1)
        self.weight.accumulate(columns.transpose(0, -1, *range(2, columns.ndim - 1), 1))

    def in_groups(self, x: Array) -> Array:
        """(*S, G·C, N) -> (G, *S, C, N): a view."""
        grouped = x.reshape(*x.shape[:-2], self.groups, x.shape[-2] // self.groups, x.shape[-1])
        return groups_first(grouped)

    def all_channels(self, y: Array) -> Array:
        """(G, *P, O, N) -> (*P, G·O, N)."""
        return groups_inside(y).reshape(*y.shape[1:-2], len(y) * y.shape[-2], y.shape[-1])

    def lengths(self, inputs: int, outputs: int, places: int) -> dict[str, int]:
        """How many terms the sums have, from the channels on either side and the places."""
        taps_ = count(self.kernel_size)
        lengths = {"output": inputs * taps_ // self.groups, "input": outputs * taps_ // self.groups}
        return lengths | {"weight": places, "bias": places}


@lru_cache
def widths_of(padding: Any, reach: Sizes) -> Widths:
    """How much `padding` is, before and after each axis."""
    if padding == "valid":
        return ((0, 0),) * len(reach)
    if padding == "same":
        return tuple(((r - 1) // 2, r - 1 - (r - 1) // 2) for r in reach)
    return tuple((p, p) for p in padding)


@lru_cache
def places_of(padded: Sizes, reach: Sizes, stride: Sizes) -> Sizes:
    """How many places there are on each axis; less than 1 where the kernel is too large."""
    sizes = zip(padded, reach, stride, strict=True)
    return tuple((n - r) // s + 1 for n, r, s in sizes)


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
    def widths(self) -> Widths:
        """The padding before and after each axis."""
        return widths_of(self.padding, span(self.kernel_size, self.dilation))

    def places(self, spatial: Sizes) -> Sizes:
        """How many places there are on each axis of an input of these sizes.

        Raises:
            ValueError: the kernel is larger than the padded input.
        """
        padded = padded_sizes(spatial, self.widths)
        reach = span(self.kernel_size, self.dilation)
        places = places_of(padded, reach, self.stride)
        if min(places) < 1:
            raise ValueError(
                f"{self!r}: the kernel reaches over {reach}, the padded input has {padded}"
            )
        return places

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
        b = None if self.bias is None else self.bias.data
        y = self.all_channels(correlate(padded, self.kernel, b, *self.slide, out))
        self.save_for_backward(padded, x.shape, batched)
        return outward(y, batched)

    def backward(self, g: Array) -> Any:
        padded, shape, batched = self.take_saved(g)
        g = np.ascontiguousarray(inward(g, self.AXES))  # (*P, O, N)
        # y += b
        if self.bias is not None:
            self.bias.accumulate(summed_over_places(g))
        # y = correlate(padded, W)
        g = self.in_groups(g)
        self.accumulate_kernel(weight_gradient(padded, g, *self.slide))
        if not self.input_gradient:
            return None
        if self.padding_mode == "zeros":  # its own gradient need not be known
            before, _ = zip(*self.widths, strict=True)
            grad = spread(g, self.kernel, shape[:-2], before, *self.slide)
            return outward(self.all_channels(grad), batched)
        nothing = (0,) * self.AXES
        grad = spread(g, self.kernel, padded.shape[1:-2], nothing, *self.slide)
        # padded = pad(x)
        grad = unpad(self.all_channels(grad), shape, self.widths, self.padding_mode)
        return outward(grad, batched)


class Conv1d(ForwardConvolution):
    """A convolution along one axis: a sequence (N, C, L)."""

    AXES = 1


class Conv2d(ForwardConvolution):
    """A convolution over two axes: images (N, C, H, W)."""

    AXES = 2


class Conv3d(ForwardConvolution):
    """A convolution over three axes: volumes or films (N, C, D, H, W)."""

    AXES = 3
