"""Convolutions: one small kernel slides over the input, at every place the same weights.

A convolution is a linear layer whose weights are shared. Its matrix has a row for each output p and
in it the kernel's weights W[k] at the inputs p·stride + k·dilation; all else is zero. So its
backward is Linear's: the transposed matrix carries the gradient back, which is again a sliding
kernel, the transposed convolution; and as every weight stands in the matrix once for each place p,
the gradients of all places add up. How these sums are taken, correlation.py tells.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..initializers import kaiming_uniform_, uniform_
from ..module import Module, check_positive, refuse
from ..parameter import Parameter
from .correlation import (
    correlate,
    groups_first,
    groups_inside,
    spread,
    summed_over_places,
    weight_gradient,
)
from .padding import MODES, Widths, pad, padded_sizes, unpad
from .windows import Sizes, check_spatial, count, inward, outward, sizes_of, span


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
        if self.groups == 1:
            return x[np.newaxis]
        grouped = x.reshape(*x.shape[:-2], self.groups, x.shape[-2] // self.groups, x.shape[-1])
        return groups_first(grouped)

    def all_channels(self, y: Array) -> Array:
        """(G, *P, O, N) -> (*P, G·O, N)."""
        if self.groups == 1:
            return y[0]
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
    """A kernel slides over the padded input: yₙₒ[p] is what it sees there, weighed and added up.

    Forward     yₙₒ[p] = bₒ + Σ_c Σₖ Wₒ_c[k] xₙ_c[p·s + k·d]    stride s, dilation d
    Backward, with g = ∂L/∂y, by the chain rule over every y in which a number is:
        ∂L/∂xₙ_c[q] = Σₒ Σₚ gₙₒ[p] ∂yₙₒ[p]/∂xₙ_c[q]
                    = Σₒ Σ_{p, k: p·s + k·d = q} gₙₒ[p] Wₒ_c[k]     p sees q through that k
        ∂L/∂Wₒ_c[k] = Σₙ Σₚ gₙₒ[p] xₙ_c[p·s + k·d]                  every place uses it once
        ∂L/∂bₒ = Σₙ Σₚ gₙₒ[p]
    The first is a convolution too, the kernel turned round; with a stride there are gaps between
    its places. What came from the padding goes back to where the padding was taken from. Groups of
    channels are convolved each by itself.

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
