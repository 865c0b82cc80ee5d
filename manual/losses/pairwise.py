"""Losses that compare number with number, all derivatives in one table; d = x − t.

class          l                                     ∂l/∂x                           ∂l/∂t
----------------------------------------------------------------------------------------------------
L1             |d|                                   sign d                          −∂l/∂x
MSE            d²                                    2d                              −∂l/∂x
SmoothL1       d²/2β where |d| < β, else |d| − β/2   d/β where |d| < β, else sign d  −∂l/∂x
Huber          d²/2 where |d| ≤ δ, else δ|d| − δ²/2  d where |d| ≤ δ, else δ sign d  −∂l/∂x
BCE            −t log x − (1 − t) log(1 − x)         (x − t)/(x (1 − x))             log((1 − x)/x)
BCEWithLogits  −t log σ(x) − (1 − t) log σ(−x)       σ(x) − t                        −x
KLDiv          t (log t − x)                         −t                              log t − x + 1
PoissonNLL     eˣ − t x                              eˣ − t                          −x
GaussianNLL    (log v + d²/v)/2                      d/v                             −∂l/∂x

Without their weights and other forms; the classes have these.
"""

import math
from typing import Any

import numpy as np

from ..arrays import Array, summed_to
from ..module import Module
from ..special import PI, log_sigmoid, sigmoid
from .loss import Loss, check_same_shape, check_within, rescaling


class HalfSquaredError(Module):
    """E = ½ Σₖ (tₖ − oₖ)², the article's error: the ½ is there to cancel the 2 of the derivative.

    Backward, with g = ∂L/∂E:
        ∂E/∂oₖ = ½ · 2 (tₖ − oₖ) · (−1)     power rule, then chain rule: −oₖ has the slope −1
               = oₖ − tₖ
        ∂L/∂oₖ = g (oₖ − tₖ)                chain rule
        ∂L/∂tₖ = −∂L/∂oₖ                    tₖ has the slope 1 where oₖ has −1
    """

    def sum_lengths(self, input: Array, target: Array) -> dict[str, int]:
        return {"output": input.size}

    def forward(self, input: Array, target: Array) -> Any:
        check_same_shape(self, input, target)
        difference = input - target
        self.save_for_backward(difference)
        return (difference * difference).sum() / 2

    def backward(self, grad_output: Any = 1, with_target: bool = False) -> Any:
        (difference,) = self.take_saved(grad_output)
        grad_input = grad_output * difference
        if with_target:
            return grad_input, -grad_input
        return grad_input


class PairwiseLoss(Loss):
    """A loss of each element x of the input and its own t of the target.

    Backward    ∂L/∂xₖ = ∂L/∂lₖ ∂l/∂xₖ      chain rule: xₖ is in lₖ alone; ∂l/∂x is `slope`
                ∂L/∂tₖ = ∂L/∂lₖ ∂l/∂tₖ      ∂l/∂t is `target_slope`, −∂l/∂x for a loss of x − t
    """

    def loss(self, x: Array, t: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no loss")

    def slope(self, x: Array, t: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no slope")

    def target_slope(self, x: Array, t: Array) -> Array:
        return -self.slope(x, t)

    def forward(self, input: Array, target: Array) -> Any:
        check_same_shape(self, input, target)
        self.save_for_backward(input, target)
        return self.reduced(self.loss(input, target))

    def backward(self, grad_output: Any = 1, with_target: bool = False) -> Any:
        x, t = self.take_saved(grad_output)
        g = self.expand(grad_output, self.count(x))
        grad_input = g * self.slope(x, t)
        if with_target:
            return grad_input, g * self.target_slope(x, t)
        return grad_input


class L1Loss(PairwiseLoss):
    """l = |d|, with d = x − t.

    ∂l/∂x = sign d      where d > 0 it is the line d, where d < 0 the line −d; at the tip 0 is taken
    ∂l/∂t = −sign d     chain rule: ∂d/∂t = −1
    """

    def loss(self, x: Array, t: Array) -> Array:
        return np.abs(x - t)

    def slope(self, x: Array, t: Array) -> Array:
        return sign(x - t)


def sign(d: Array) -> Array:
    """1, −1, or 0 for zero and, as in PyTorch, for NaN: ∞ − ∞ has no slope."""
    return np.sign(np.where(np.isnan(d), 0, d))


class MSELoss(PairwiseLoss):
    """l = d², with d = x − t: the squared error.

    ∂l/∂x = 2d          power rule, and chain rule: ∂d/∂x = 1
    ∂l/∂t = −2d         likewise: ∂d/∂t = −1
    """

    def loss(self, x: Array, t: Array) -> Array:
        return np.square(x - t)

    def slope(self, x: Array, t: Array) -> Array:
        return 2 * (x - t)


class SmoothL1Loss(PairwiseLoss):
    """l = d²/2β where |d| < β, else |d| − β/2, with d = x − t: L1, rounded off at its tip.

    ∂l/∂x = 2d/2β where |d| < β, else sign d        power rule; the slope of |d|
          = d/β where |d| < β, else sign d          without a jump where they meet
    ∂l/∂t = −∂l/∂x                                  chain rule: ∂d/∂t = −1
    """

    def __init__(
        self,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if not beta >= 0:
            raise ValueError(f"SmoothL1Loss: beta is {beta}, expected at least 0")
        self.beta = beta

    def loss(self, x: Array, t: Array) -> Array:
        size = np.abs(x - t)
        near = size < self.beta
        return np.where(near, size * size / (2 * self.beta or 1), size - self.beta / 2)

    def slope(self, x: Array, t: Array) -> Array:
        d = x - t
        if self.beta == 0:  # L1
            return sign(d)
        return np.where(np.abs(d) < self.beta, d / self.beta, np.sign(d))


class HuberLoss(PairwiseLoss):
    """l = d²/2 where |d| ≤ δ, else δ|d| − δ²/2, with d = x − t: large errors pull no harder than δ.

    ∂l/∂x = d where |d| ≤ δ, else δ sign d          power rule; the slope of |d|
    ∂l/∂t = −∂l/∂x                                  chain rule: ∂d/∂t = −1

    Source: Huber, 1964.
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if not delta > 0:
            raise ValueError(f"HuberLoss: delta is {delta}, expected more than 0")
        self.delta = delta

    def loss(self, x: Array, t: Array) -> Array:
        size = np.abs(x - t)
        return np.where(size <= self.delta, size * size / 2, self.delta * (size - self.delta / 2))

    def slope(self, x: Array, t: Array) -> Array:
        return np.clip(x - t, -self.delta, self.delta)


class BCELoss(PairwiseLoss):
    """l = −w (t log x + (1 − t) log(1 − x)): how surprised the probability x is by the outcome t.

    ∂l/∂x = −w (t/x − (1 − t)/(1 − x))      the slope of log u is 1/u, and 1 − x has the slope −1
          = −w (t (1 − x) − (1 − t) x)/(x (1 − x))      over one denominator
          = w (x − t)/(x (1 − x))           t x goes out
    ∂l/∂t = −w (log x − log(1 − x))         l is a line in t
          = w (log(1 − x) − log x)
    Logarithms are taken as −100 at least and x (1 − x) as 1e-12 at least, so that certainty that
    turns out wrong costs much, not everything.

    Args:
        weight: w, along the last axes of the input.
    """

    weight: Array | None

    def __init__(
        self,
        weight: Array | None = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Array, target: Array) -> Any:
        check_same_shape(self, input, target)
        check_within(self, "input", input, 0, 1)
        check_within(self, "target", target, 0, 1)
        return super().forward(input, target)

    def logs(self, x: Array) -> tuple[Array, Array]:
        with np.errstate(divide="ignore"):
            return np.maximum(np.log(x), -100), np.maximum(np.log1p(-x), -100)

    def loss(self, x: Array, t: Array) -> Array:
        log_x, log_not_x = self.logs(x)
        return -rescaling(self, "weight", self.weight, x) * (t * log_x + (1 - t) * log_not_x)

    def slope(self, x: Array, t: Array) -> Array:
        w = rescaling(self, "weight", self.weight, x)
        return w * (x - t) / np.maximum(x * (1 - x), 1e-12)

    def target_slope(self, x: Array, t: Array) -> Array:
        log_x, log_not_x = self.logs(x)
        return rescaling(self, "weight", self.weight, x) * (log_not_x - log_x)


class BCEWithLogitsLoss(PairwiseLoss):
    """l = −w (p t log σ(x) + (1 − t) log σ(−x)): BCELoss of σ(x), from the logit x: no overflow.

    For 1 − σ(x) = σ(−x), and by LogSigmoid
        d/dx log σ(x) = σ(−x)
        d/dx log σ(−x) = −σ(x)                          chain rule: −x has the slope −1
        ∂l/∂x = −w (p t σ(−x) − (1 − t) σ(x))           term by term
              = w ((1 − t) σ(x) − p t σ(−x))
        ∂l/∂x = w (σ(x) − t) for p = 1                  t σ(x) goes out
        ∂l/∂t = −w (p log σ(x) − log σ(−x))             l is a line in t
              = w (log σ(−x) − p log σ(x))

    Args:
        weight: w, along the last axes of the input.
        pos_weight: p, what an outcome of 1 counts against one of 0; along the last axes too.
    """

    weight: Array | None
    pos_weight: Array | None

    def __init__(
        self,
        weight: Array | None = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
        pos_weight: Array | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def weights(self, x: Array) -> tuple[Any, Any]:
        return (
            rescaling(self, "weight", self.weight, x),
            rescaling(self, "pos_weight", self.pos_weight, x),
        )

    def loss(self, x: Array, t: Array) -> Array:
        w, p = self.weights(x)
        return -w * (p * t * log_sigmoid(x) + (1 - t) * log_sigmoid(-x))

    def slope(self, x: Array, t: Array) -> Array:
        w, p = self.weights(x)
        return w * ((1 - t) * sigmoid(x) - p * t * sigmoid(-x))

    def target_slope(self, x: Array, t: Array) -> Array:
        w, p = self.weights(x)
        return w * (log_sigmoid(-x) - p * log_sigmoid(x))


class KLDivLoss(PairwiseLoss):
    """l = t (log t − x), x a log-probability: what coding t by x costs over coding it by itself.

    ∂l/∂x = −t                              l is a line in x
    ∂l/∂t = (log t − x) + t · 1/t           product rule; the slope of log t is 1/t
          = log t − x + 1
    log_target: t is a log-probability as well, and eᵗ stands for it:
        log_target  l = eᵗ (t − x)
        log_target  ∂l/∂x = −eᵗ
        log_target  ∂l/∂t = eᵗ (t − x) + eᵗ     product rule; an exponential is its own derivative

    "batchmean" divides the sum by the length of the first axis, which is the divergence's own mean.
    """

    REDUCTIONS = ("none", "mean", "sum", "batchmean")

    def __init__(
        self,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def count(self, losses: Array) -> Any:
        samples = losses.shape[0] if losses.ndim else 1
        return losses.dtype.type(samples if self.reduction == "batchmean" else losses.size)

    def loss(self, x: Array, t: Array) -> Array:
        if self.log_target:
            return np.exp(t) * (t - x)
        with np.errstate(invalid="ignore"):  # a negative t has no log: NaN, as in PyTorch
            return t * np.log(np.where(t == 0, 1, t)) - t * x  # t log t is 0 at 0

    def slope(self, x: Array, t: Array) -> Array:
        return -np.exp(t) if self.log_target else -t

    def target_slope(self, x: Array, t: Array) -> Array:
        if self.log_target:
            return np.exp(t) * (t - x + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(t) - x + 1


class PoissonNLLLoss(PairwiseLoss):
    """−log of e^(−λ) λᵗ/t!, the probability of the count t under Poisson's distribution of mean λ.

    λ = eˣ
    l = λ − t log λ                         log t! is left out: it does not depend on x
      = eˣ − t x
    ∂l/∂x = eˣ − t                          an exponential is its own derivative
    ∂l/∂t = −x                              l is a line in t
    log_input=False:
        l = x − t log(x + ε)                x is the mean itself
        ∂l/∂x = 1 − t/(x + ε)               the slope of log u is 1/u
        ∂l/∂t = −log(x + ε)
    `full` adds Stirling's formula s for log t! where t > 1:
        full    s = t log t − t + ½ log(2π t)
        full    ∂s/∂t = log t + t · 1/t − 1 + ½ · 2π/(2π t)     product rule; the slope of log u
                      = log t + 1/2t
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: None = None,
        eps: float = 1e-8,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: Array, target: Array) -> Any:
        self.check_input(log_input, name="log_input")
        return super().forward(log_input, target)

    def loss(self, x: Array, t: Array) -> Array:
        loss = np.exp(x) - t * x if self.log_input else x - t * np.log(x + self.eps)
        if self.full:
            counts = np.where(t > 1, t, 1)
            stirling = counts * np.log(counts) - counts + np.log(2 * x.dtype.type(PI) * counts) / 2
            loss = loss + np.where(t > 1, stirling, 0)
        return loss

    def slope(self, x: Array, t: Array) -> Array:
        return np.exp(x) - t if self.log_input else 1 - t / (x + self.eps)

    def target_slope(self, x: Array, t: Array) -> Array:
        slope = -x if self.log_input else -np.log(x + self.eps)
        if self.full:
            counts = np.where(t > 1, t, 1)
            slope = slope + np.where(t > 1, np.log(counts) + 1 / (2 * counts), 0)
        return slope


class GaussianNLLLoss(Loss):
    """l = ½ (log v + d²/v), with d = x − t: −log of the normal density of mean x and variance v.

    ∂l/∂x = ½ · 2d/v = d/v                  power rule
    ∂l/∂t = −∂l/∂x                          chain rule: ∂d/∂t = −1
    ∂l/∂v = ½ (1/v − d²/v²)                 the slope of log v is 1/v, that of 1/v is −1/v²
    With `full`, plus ½ log 2π. v is taken as eps at least; the gradient passes that by.

    Shapes: input (*); target (*), or broadcast to that; var (*), or with one of its axes 1, or
    without the last axis: then one variance is used by all along that axis. `backward` returns the
    gradients of input and var, which are two outputs of a network.
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        if not eps > 0:
            raise ValueError(f"GaussianNLLLoss: eps is {eps}, expected more than 0")
        self.full, self.eps = full, eps

    def forward(self, input: Array, target: Array, var: Array) -> Any:
        self.check_input(input)
        self.check_input(var, input.dtype, "var")
        t = rescaling(self, "target", target, input)
        column = var[..., np.newaxis] if var.shape == input.shape[:-1] and input.ndim else var
        sizes = zip(column.shape, input.shape, strict=False)
        others = [size for size, full in sizes if size != full]
        if column.ndim != input.ndim or others not in ([], [1]):
            raise ValueError(f"{self!r}: var has shape {var.shape}, expected {input.shape}")
        known = np.where(np.isnan(var), 0, var)  # NaN is let through
        check_within(self, "var", known, 0, math.inf)
        v = np.maximum(column, self.eps)
        difference = input - t
        self.save_for_backward(difference, v, target.shape, var.shape)
        losses = (np.log(v) + np.square(difference) / v) / 2
        if self.full:
            losses = losses + np.log(2 * input.dtype.type(PI)) / 2
        return self.reduced(losses)

    def backward(self, grad_output: Any = 1, with_target: bool = False) -> tuple[Array, ...]:
        difference, v, target_shape, var_shape = self.take_saved(grad_output)
        g = self.expand(grad_output, self.count(difference))
        grad_input = g * difference / v
        grad_var = g * (1 / v - np.square(difference / v)) / 2
        grad_var = summed_to(grad_var, v.shape).reshape(var_shape)
        if with_target:
            return grad_input, -summed_to(grad_input, target_shape), grad_var
        return grad_input, grad_var
