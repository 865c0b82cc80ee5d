"""Normalization: numbers of a group brought to mean 0 and variance 1, then scaled and moved anew.

Over which numbers the mean and the variance are taken is all that tells the first four apart:

               for each                     over
------------------------------------------------------------------------------------
BatchNorm      channel                      the samples and all pixels
LayerNorm      sample (and place before)    the last axes, normalized_shape
InstanceNorm   sample and channel           all pixels
GroupNorm      sample and group             the group's channels and all pixels
RMSNorm        sample (and place before)    the last axes; the mean is not taken off

Of n numbers x with the mean μ and the variance v:

    μ = Σᵢ xᵢ/n
    v = Σᵢ (xᵢ − μ)²/n
    σ = √(v + ε)
Forward
    x̂ᵢ = (xᵢ − μ)/σ
    yᵢ = γᵢ x̂ᵢ + βᵢ
Backward, with g = ∂L/∂y and ĝᵢ = γᵢ gᵢ, which reaches x̂ᵢ. xᵢ is in x̂ on three paths:
    directly                in its own x̂ᵢ alone
    through the mean        ∂μ/∂xᵢ = 1/n
    through the variance    ∂v/∂xᵢ = 2 (xᵢ − μ)/n                   power rule; what comes through μ
                            Σⱼ (xⱼ − μ) = 0                         is times this
                            ∂σ/∂xᵢ = 1/(2σ) · ∂v/∂xᵢ = x̂ᵢ/n         chain rule: the slope of √u
    ∂x̂ⱼ/∂xᵢ = ([i = j] − 1/n)/σ − (xⱼ − μ)/σ² · ∂σ/∂xᵢ              quotient rule
             = ([i = j] − 1/n − x̂ⱼ x̂ᵢ/n)/σ
    ∂L/∂xᵢ = Σⱼ ĝⱼ ∂x̂ⱼ/∂xᵢ                                          chain rule
           = (ĝᵢ − Σⱼ ĝⱼ/n − x̂ᵢ Σⱼ ĝⱼ x̂ⱼ/n)/σ                       [i = j] leaves one term
γ and β are used by several groups, whose gradients for them add up; the classes say which.

Sources: Ioffe & Szegedy, 2015 (batch); Ba et al., 2016 (layer); Ulyanov et al., 2016 (instance);
Wu & He, 2018 (group); Zhang & Sennrich, 2019 (RMS); Krizhevsky et al., 2012 (local response).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..module import Module, check_positive, refuse
from ..parameter import Parameter
from ..reductions import row_sums

Axes = tuple[int, ...]


def summed(x: Array, axes: Axes) -> Array:
    """The sum over these axes, kept as axes of one; over the last alone by a product: it is faster.

    One axis after the other, so that rounding grows with the sum of their lengths, not with their
    product; first the one that lies closest in memory.
    """
    if axes == (x.ndim - 1,):
        return row_sums(x)[..., np.newaxis]
    for axis in sorted(axes, key=lambda axis: x.strides[axis]):
        x = x.sum(axis=axis, keepdims=True)
    return x


def mean_over(x: Array, axes: Axes) -> Array:
    """The mean over these axes, kept as axes of one."""
    count = x.shape[axes[0]] if len(axes) == 1 else math.prod(x.shape[axis] for axis in axes)
    return summed(x, axes) / count


def normalized(x: Array, axes: Axes, eps: float) -> tuple[Array, Array, Array, Array]:
    """x̂ and σ, and the mean and variance they come from, over these axes."""
    mean = mean_over(x, axes)
    centred = x - mean
    variance = mean_over(centred * centred, axes)
    deviation = np.sqrt(variance + x.dtype.type(eps))
    centred /= deviation
    return centred, deviation, mean, variance


def back_through_normalized(g: Array, x_hat: Array, deviation: Array, axes: Axes) -> Array:
    """∂L/∂x from g = ∂L/∂x̂."""
    mean_path = mean_over(g, axes)
    variance_path = g * x_hat
    np.multiply(x_hat, mean_over(variance_path, axes), out=variance_path)
    grad = g - mean_path
    grad -= variance_path
    grad /= deviation
    return grad


class Normalization(Module):
    """What all of them have in common: γ as `weight` and β as `bias`, and how they are reached."""

    weight: Parameter | None
    bias: Parameter | None
    eps: float | None

    def set_affine(
        self, shape: Sequence[int], affine: bool, bias: bool, dtype: DTypeLike | None
    ) -> None:
        """γ of ones and β of zeros, or neither."""
        dtype = float_dtype(dtype)
        self.weight = Parameter(np.ones(shape, dtype)) if affine else None
        self.bias = Parameter(np.zeros(shape, dtype)) if affine and bias else None

    def per_channel(self, values: Array, x: Array) -> Array:
        """Numbers of the channels, (C,), beside x (N, C, *S)."""
        return values.reshape(1, -1, *(1,) * (x.ndim - 2))

    def scaled(self, x_hat: Array, channels: bool) -> Array:
        """γ x̂ + β, of the channels or of the last axes."""
        y = x_hat
        if self.weight is not None:
            gamma = self.weight.data
            y = y * (self.per_channel(gamma, x_hat) if channels else gamma)
        if self.bias is not None:
            beta = self.bias.data
            y = np.add(y, self.per_channel(beta, x_hat) if channels else beta, out=y)
        return y.copy() if y is x_hat else y

    def back_through_scaled(self, g: Array, x_hat: Array, axes: Axes, channels: bool) -> Array:
        """∂L/∂x̂ from g = ∂L/∂y, and the gradients of γ and β, which `axes` share."""
        if self.bias is not None:
            self.bias.accumulate(summed(g, axes).reshape(self.bias.shape))
        if self.weight is None:
            return g
        gamma = self.weight.data
        self.weight.accumulate(summed(g * x_hat, axes).reshape(gamma.shape))
        return g * (self.per_channel(gamma, g) if channels else gamma)

    def own_dtype(self, x: Array, name: str = "input") -> Array:
        """`x`, if it is in the dtype of γ."""
        return self.check_input(x, None if self.weight is None else self.weight.data.dtype, name)

    def lengths(self, group: int, shared: int) -> dict[str, int]:
        """From how many numbers are normalized together, and how many share γ."""
        # mean and variance, one over the other's result; backward again, and what is saved
        lengths = {"output": 2 * group, "input": 4 * group}
        if self.weight is not None:
            lengths["weight"] = 2 * group + shared
        if self.bias is not None:
            lengths["bias"] = shared
        return lengths


class LayerNorm(Normalization):
    """Every sample normalized over its last axes; see this file's head.

    γ and β are one for each place there, and used by every sample n, so
    ∂L/∂γᵢ = Σₙ gₙᵢ x̂ₙᵢ      chain rule: γᵢ is in yₙᵢ of every sample, times x̂ₙᵢ
    ∂L/∂βᵢ = Σₙ gₙᵢ          βᵢ in the same, once

    Shapes: input and output (*, *normalized_shape), γ and β normalized_shape.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        refuse(self, device=device)
        self.normalized_shape = shape_of(self, normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.set_affine(self.normalized_shape, elementwise_affine, bias, dtype)

    def sum_lengths(self, input: Array) -> dict[str, int]:
        group = math.prod(self.normalized_shape)
        return self.lengths(group, input.size // max(1, group))

    def forward(self, input: Array) -> Array:
        x = self.own_dtype(input)
        axes = last_axes(self, x, self.normalized_shape)
        assert self.eps is not None
        x_hat, deviation, _, _ = normalized(x, axes, self.eps)
        self.save_for_backward(x_hat, deviation, axes)
        return self.scaled(x_hat, channels=False)

    def backward(self, g: Array) -> Array:
        x_hat, deviation, axes = self.take_saved(g)
        others = tuple(range(g.ndim - len(axes)))
        g = self.back_through_scaled(g, x_hat, others, channels=False)
        return back_through_normalized(g, x_hat, deviation, axes)


class GroupNorm(Normalization):
    """The channels shared out among groups, each group of each sample normalized over all its
    channels and pixels; see this file's head. One group for all is LayerNorm but for the axes of
    γ, a group for each channel InstanceNorm. γ and β are one for each channel:

    ∂L/∂γ_c = Σₙ Σₚ gₙ_c[p] x̂ₙ_c[p]     chain rule: γ_c is in every y of its channel, times x̂
    ∂L/∂β_c = Σₙ Σₚ gₙ_c[p]             β_c in the same, once

    Shapes: input and output (N, C, *S), γ and β (C,).
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        refuse(self, device=device)
        self.num_groups = check_positive(self, "num_groups", num_groups)
        self.num_channels = check_positive(self, "num_channels", num_channels)
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_channels {num_channels} cannot be shared out among {num_groups} "
                "groups"
            )
        self.eps, self.affine = eps, affine
        self.set_affine((num_channels,), affine, bias, dtype)

    def sum_lengths(self, input: Array) -> dict[str, int]:
        group = math.prod(input.shape[1:]) // self.num_groups
        return self.lengths(group, input.size // self.num_channels)

    def grouped(self, x: Array) -> Array:
        """(N, C, *S) -> (N, G, C/G · S)."""
        return x.reshape(len(x), self.num_groups, math.prod(x.shape[1:]) // self.num_groups)

    def forward(self, input: Array) -> Array:
        x = self.own_dtype(input)
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ValueError(
                f"{self!r}: input has the shape {x.shape}, expected (N, {self.num_channels}, …)"
            )
        assert self.eps is not None
        grouped, deviation, _, _ = normalized(self.grouped(x), (2,), self.eps)
        x_hat = grouped.reshape(x.shape)
        self.save_for_backward(x_hat, deviation)
        return self.scaled(x_hat, channels=True)

    def backward(self, g: Array) -> Array:
        x_hat, deviation = self.take_saved(g)
        g = self.back_through_scaled(g, x_hat, (0, *range(2, g.ndim)), channels=True)
        both = self.grouped(g), self.grouped(x_hat)
        return back_through_normalized(*both, deviation, (2,)).reshape(g.shape)


class RMSNorm(Normalization):
    """yᵢ = γᵢ x̂ᵢ, with x̂ᵢ = xᵢ/r and r = √(Σⱼ xⱼ²/n + ε), over the n numbers of the last axes.

    The mean stays where it is.

    Backward, with g = ∂L/∂y and ĝᵢ = γᵢ gᵢ:
        ∂r/∂xᵢ = 1/(2r) · 2xᵢ/n = x̂ᵢ/n                  chain rule: the slope of √u is 1/(2√u)
        ∂x̂ⱼ/∂xᵢ = ([i = j] − x̂ⱼ x̂ᵢ/n)/r                 quotient rule: directly, and through r
        ∂L/∂xᵢ = Σⱼ ĝⱼ ∂x̂ⱼ/∂xᵢ                          chain rule: xᵢ reaches L through every x̂ⱼ
               = (ĝᵢ − x̂ᵢ Σⱼ ĝⱼ x̂ⱼ/n)/r
        ∂yᵢ/∂γᵢ = x̂ᵢ                                    so ∂L/∂γᵢ is the sum of gᵢ x̂ᵢ over samples

    Shapes: input and output (*, *normalized_shape), γ normalized_shape.

    Args:
        eps: None for the dtype's own, the gap between 1 and the next number.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        refuse(self, device=device)
        self.normalized_shape = shape_of(self, normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.set_affine(self.normalized_shape, elementwise_affine, False, dtype)

    def sum_lengths(self, input: Array) -> dict[str, int]:
        group = math.prod(self.normalized_shape)
        return self.lengths(group, input.size // max(1, group))

    def forward(self, x: Array) -> Array:
        x = self.own_dtype(x, "x")
        axes = last_axes(self, x, self.normalized_shape)
        eps = np.finfo(x.dtype).eps if self.eps is None else x.dtype.type(self.eps)
        size = np.sqrt(mean_over(x * x, axes) + eps)
        x_hat = x / size
        self.save_for_backward(x_hat, size, axes)
        return self.scaled(x_hat, channels=False)

    def backward(self, g: Array) -> Array:
        x_hat, size, axes = self.take_saved(g)
        others = tuple(range(g.ndim - len(axes)))
        g = self.back_through_scaled(g, x_hat, others, channels=False)
        grad = x_hat * mean_over(g * x_hat, axes)  # the path through r
        np.subtract(g, grad, out=grad)
        grad /= size
        return grad


def shape_of(module: Module, normalized_shape: Any) -> tuple[int, ...]:
    """The last axes as a tuple.

    Raises:
        ValueError: it is empty, or not of whole numbers from 1 up.
    """
    several = isinstance(normalized_shape, Sequence) and not isinstance(normalized_shape, str)
    shape = tuple(normalized_shape) if several else (normalized_shape,)
    if not shape:
        raise ValueError(f"{type(module).__name__}: normalized_shape is empty")
    return tuple(check_positive(module, "normalized_shape", n) for n in shape)


def last_axes(module: Module, x: Array, shape: tuple[int, ...]) -> Axes:
    """The numbers of the last axes; ValueError unless `x` has them in this shape."""
    if x.shape[-len(shape) :] != shape:
        raise ValueError(f"{module!r}: input has the shape {x.shape}, expected (*, {shape})")
    return tuple(range(x.ndim - len(shape), x.ndim))


class LocalResponseNorm(Module):
    """A channel is damped by what its neighbours have at the same pixel.

    Forward     y_c = x_c d_c^(−β), with d_c = k + α/size Σ_b N(c, b) x_b²
                N(c, b) = [c − ⌊size/2⌋ ≤ b and b ≤ c + ⌊(size − 1)/2⌋]     b is a neighbour of c
    Backward, with g = ∂L/∂y: x_c is in its own numerator, and in d of every channel it is near:
        ∂d_b/∂x_c = 2 α/size N(b, c) x_c                power rule
        ∂y_b/∂d_b = −β x_b d_b^(−β − 1)                 power rule
        ∂L/∂x_c = g_c d_c^(−β) + Σ_b g_b ∂y_b/∂d_b ∂d_b/∂x_c            product rule, chain rule
                = g_c d_c^(−β) − 2 α β/size x_c Σ_b N(b, c) g_b x_b d_b^(−β − 1)

    Shapes: input and output (N, C, *S).

    Args:
        size: how many channels are neighbours.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = check_positive(self, "size", size)
        self.alpha, self.beta, self.k = alpha, beta, k

    def sum_lengths(self, input: Array) -> dict[str, int]:
        return {"output": self.size, "input": 2 * self.size}

    def summed(self, values: Array, before: int, after: int) -> Array:
        """Σ of the channels from so many before to so many after each."""
        total = np.zeros_like(values)
        channels = values.shape[1]
        for shift in range(-before, after + 1):
            first, last = max(0, -shift), min(channels, channels - shift)
            if first < last:
                total[:, first:last] += values[:, first + shift : last + shift]
        return total

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        if x.ndim < 3:
            raise ValueError(f"{self!r}: input has {x.ndim} axes, expected at least 3")
        squares = self.summed(x * x, self.size // 2, (self.size - 1) // 2)
        damping = self.k + (self.alpha / self.size) * squares
        self.save_for_backward(x, damping)
        return x * damping ** x.dtype.type(-self.beta)

    def backward(self, g: Array) -> Array:
        x, damping = self.take_saved(g)
        power = x.dtype.type(-self.beta)
        through = g * x * damping ** (power - 1)
        # c is a neighbour of c′ where c′ is one of c, seen from the other side
        through = self.summed(through, (self.size - 1) // 2, self.size // 2)
        return g * damping**power - (2 * self.alpha * self.beta / self.size) * x * through
