"""Normalization of channels with running statistics for evaluation; normalization.py derives it."""

import math

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..module import check_positive, refuse
from .normalization import Axes, Normalization, back_through_normalized, normalized


class RunningNormalization(Normalization):
    """Normalization of the channels, which may keep running statistics for evaluation.

    A running statistic is r ← (1 − momentum) r + momentum · that of the batch, the variance with
    n − 1 in place of n: the best guess at that of all data. With momentum None, it is the plain
    mean over all batches.
    """

    DIMENSIONS: Axes  # how many axes there may be

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: None,
        dtype: DTypeLike | None,
        bias: bool,
    ) -> None:
        super().__init__()
        refuse(self, device=device)
        self.num_features = check_positive(self, "num_features", num_features)
        self.eps, self.momentum = eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.set_affine((num_features,), affine, bias, dtype)
        tracked = track_running_stats
        dtype = float_dtype(dtype)
        self.running_mean: Array | None
        self.running_var: Array | None
        self.num_batches_tracked: Array | None
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if tracked else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", np.array(0, np.int64) if tracked else None)

    def check_axes(self, x: Array, channel_axis: int) -> None:
        if x.ndim not in self.DIMENSIONS:
            wanted = " or ".join(map(str, self.DIMENSIONS))
            raise ValueError(f"{self!r}: input has {x.ndim} axes, expected {wanted}")
        if x.shape[channel_axis] != self.num_features:
            raise ValueError(
                f"{self!r}: input has {x.shape[channel_axis]} channels, "
                f"expected {self.num_features}"
            )

    def uses_batch(self) -> bool:
        """Whether the statistics are the batch's own: in training, or where none were kept."""
        return self.training or self.running_mean is None

    def track(self, mean: Array, variance: Array, size: int, momentum: float) -> None:
        """Take a batch's statistics, (C,) each, of so many numbers, into the running ones."""
        assert self.running_mean is not None
        assert self.running_var is not None
        self.running_mean += momentum * (mean - self.running_mean)
        self.running_var += momentum * (variance * (size / (size - 1)) - self.running_var)

    def running(self, x: Array) -> tuple[Array, Array]:
        """Mean and σ of the running statistics, beside x (N, C, *S)."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.eps is not None
        mean = self.per_channel(self.running_mean, x)
        return mean, np.sqrt(self.per_channel(self.running_var, x) + x.dtype.type(self.eps))


class BatchNorm(RunningNormalization):
    """Every channel normalized over the samples and pixels of the batch: see normalization.py.

    γ and β are one for each channel c, and used by all its numbers, of sample n and pixel p, so
        ∂L/∂γ_c = Σₙ Σₚ gₙ_c[p] x̂ₙ_c[p]     chain rule: γ_c is in every y of its channel, times x̂
        ∂L/∂β_c = Σₙ Σₚ gₙ_c[p]             β_c in the same, once
    In eval mode the running statistics, which are constants, take the place of the batch's:
        yₙ_c[p] = γ_c (xₙ_c[p] − μ_c)/σ_c + β_c
        ∂L/∂xₙ_c[p] = γ_c gₙ_c[p]/σ_c       only the direct path is left

    Shapes: input and output (N, C, *S), γ and β (C,).

    Args:
        momentum: the share of a batch in the running statistics; None for their plain mean.
        track_running_stats: without them the batch's own are used in eval mode too.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def sum_lengths(self, input: Array) -> dict[str, int]:
        size = input.size // self.num_features
        return self.lengths(size if self.uses_batch() else 1, size)

    def forward(self, input: Array) -> Array:
        x = self.own_dtype(input)
        self.check_axes(x, 1)
        assert self.eps is not None
        axes = (0, *range(2, x.ndim))
        if self.uses_batch():
            size = x.size // self.num_features
            if self.training and size < 2:
                raise ValueError(
                    f"{self!r}: input of shape {x.shape} has {size} number for each channel: in "
                    "training there must be more than one"
                )
            x_hat, deviation, mean, variance = normalized(x, axes, self.eps)
            if self.training and self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
                each = 1 / float(self.num_batches_tracked)  # the plain mean's
                momentum = each if self.momentum is None else self.momentum
                self.track(mean.reshape(-1), variance.reshape(-1), size, momentum)
        else:
            mean, deviation = self.running(x)
            x_hat = (x - mean) / deviation
        self.save_for_backward(x_hat, deviation, self.uses_batch())
        return self.scaled(x_hat, channels=True)

    def backward(self, g: Array) -> Array:
        x_hat, deviation, of_batch = self.take_saved(g)
        axes = (0, *range(2, g.ndim))
        g = self.back_through_scaled(g, x_hat, axes, channels=True)
        return back_through_normalized(g, x_hat, deviation, axes) if of_batch else g / deviation


class InstanceNorm(RunningNormalization):
    """Every channel of every sample normalized over its pixels: see the head of normalization.py.

    γ and β, and in eval mode the running statistics, as in BatchNorm: ∂L/∂γ and ∂L/∂β add up over
    samples and pixels.

    Shapes: input and output (N, C, *S) or (C, *S), γ and β (C,).

    Args:
        affine: scale and move each channel anew.
        track_running_stats: keep running statistics, and use them in eval mode.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def sum_lengths(self, input: Array) -> dict[str, int]:
        pixels = math.prod(input.shape[-(self.DIMENSIONS[1] - 2) :])
        return self.lengths(pixels if self.uses_batch() else 1, input.size // self.num_features)

    def forward(self, input: Array) -> Array:
        x = self.own_dtype(input)
        batched = x.ndim == self.DIMENSIONS[1]
        self.check_axes(x, int(batched))
        assert self.eps is not None
        x = x if batched else x[np.newaxis]
        axes = tuple(range(2, x.ndim))
        if self.uses_batch():
            pixels = math.prod(x.shape[2:])
            if self.training and pixels < 2:
                raise ValueError(
                    f"{self!r}: input of shape {input.shape} has {pixels} number for each channel: "
                    "in training there must be more than one"
                )
            x_hat, deviation, mean, variance = normalized(x, axes, self.eps)
            if self.training and self.track_running_stats:  # PyTorch does not count these batches
                means, variances = (v.reshape(x.shape[:2]) for v in (mean, variance))
                self.track(means.mean(axis=0), variances.mean(axis=0), pixels, self.momentum or 0)
        else:
            mean, deviation = self.running(x)
            x_hat = (x - mean) / deviation
        self.save_for_backward(x_hat, deviation, self.uses_batch(), batched)
        y = self.scaled(x_hat, channels=True)
        return y if batched else y[0]

    def backward(self, g: Array) -> Array:
        x_hat, deviation, of_batch, batched = self.take_saved(g)
        g = g if batched else g[np.newaxis]
        axes = tuple(range(2, g.ndim))
        g = self.back_through_scaled(g, x_hat, (0, *axes), channels=True)
        grad = back_through_normalized(g, x_hat, deviation, axes) if of_batch else g / deviation
        return grad if batched else grad[0]


class BatchNorm1d(BatchNorm):
    """Batch normalization of features (N, C) or sequences (N, C, L)."""

    DIMENSIONS = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch normalization of images (N, C, H, W)."""

    DIMENSIONS = (4,)


class BatchNorm3d(BatchNorm):
    """Batch normalization of volumes (N, C, D, H, W)."""

    DIMENSIONS = (5,)


class InstanceNorm1d(InstanceNorm):
    """Instance normalization of sequences (N, C, L) or (C, L)."""

    DIMENSIONS = (2, 3)


class InstanceNorm2d(InstanceNorm):
    """Instance normalization of images (N, C, H, W) or (C, H, W)."""

    DIMENSIONS = (3, 4)


class InstanceNorm3d(InstanceNorm):
    """Instance normalization of volumes (N, C, D, H, W) or (C, D, H, W)."""

    DIMENSIONS = (4, 5)
