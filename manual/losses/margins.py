"""Losses that ask for a distance: they are satisfied once it is kept, and then have no gradient.

[·] is 1 where true, else 0; (z)₊ = max(z, 0), whose slope at z = 0 is taken as PyTorch does.
"""

from typing import Any

import numpy as np

from ..arrays import Array
from ..special import log_sigmoid, p_distance, sigmoid
from .loss import Loss, check_same_shape, check_shape, numbers_like, rescaling


class MarginLoss(Loss):
    """The base of the losses that ask for a margin."""

    def __init__(
        self,
        margin: float = 0.0,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin


class HingeEmbeddingLoss(MarginLoss):
    """l = x where t = 1, else (margin − x)₊: x is the distance of two that are alike or not.

    ∂l/∂x = 1 where t = 1, else −[x ≤ margin]       −x has the slope −1, until the margin is kept

    Shapes: input, target (*); the target is 1 or −1, in the input's dtype or whole numbers.
    """

    def __init__(
        self,
        margin: float = 1.0,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input: Array, target: Array) -> Any:
        target = numbers_like(self, input, target)
        check_shape(self, input, target)
        check_signs(self, target)
        self.save_for_backward(input, target)
        return self.reduced(np.where(target == 1, input, np.maximum(self.margin - input, 0)))

    def backward(self, grad_output: Any = 1) -> Array:
        x, t = self.take_saved(grad_output)
        slope = np.where(t == 1, x.dtype.type(1), -(x <= self.margin).astype(x.dtype))
        return self.expand(grad_output, self.count(x)) * slope


def check_signs(loss: Loss, target: Array) -> None:
    """Raise ValueError unless every target is 1 or −1."""
    wrong = np.abs(target) != 1
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"{loss!r}: target has {target[place]!s} at {list(place)}, expected 1 or -1"
        )


class MarginRankingLoss(MarginLoss):
    """l = (z)₊, with z = −t (x₁ − x₂) + margin: x₁ is to rank above x₂, or below if t is −1.

    (z)₊ has the slope [z ≥ 0], and z is a line in each of the three, so by the chain rule
        ∂l/∂x₁ = −[z ≥ 0] t
        ∂l/∂x₂ = [z ≥ 0] t
        ∂l/∂t = −[z ≥ 0] (x₁ − x₂)

    Shapes: inputs, target (*); the target in the inputs' dtype or whole numbers.
    """

    def forward(self, input1: Array, input2: Array, target: Array) -> Any:
        check_same_shape(self, input1, input2, "input2", "input1")
        target = numbers_like(self, input1, target)
        check_shape(self, input1, target)
        ahead = input1 - input2
        short = -target * ahead + self.margin
        self.save_for_backward(ahead, target, short >= 0)
        return self.reduced(np.maximum(short, 0))

    def backward(self, grad_output: Any = 1, with_target: bool = False) -> tuple[Array, ...]:
        ahead, t, active = self.take_saved(grad_output)
        g = self.expand(grad_output, self.count(ahead)) * active.astype(ahead.dtype)
        if with_target:
            return -g * t, g * t, -g * ahead
        return -g * t, g * t


class SoftMarginLoss(Loss):
    """l = log(1 + e^(−t x)): t, 1 or −1, is the sign that x should have.

    ∂l/∂x = 1/(1 + e^(−t x)) · e^(−t x) · (−t)      chain rule: the logarithm, the exponential, −t x
          = −t σ(−t x)                              for e^(−z)/(1 + e^(−z)) is σ(−z)
    In the code l is −log σ(t x), which is the same and does not overflow.

    Shapes: input, target (*); the target in the input's dtype or whole numbers. Other targets than
    ±1 are taken as they are, as in PyTorch.
    """

    def forward(self, input: Array, target: Array) -> Any:
        target = numbers_like(self, input, target)
        check_shape(self, input, target)
        self.save_for_backward(input, target)
        return self.reduced(-log_sigmoid(target * input))

    def backward(self, grad_output: Any = 1) -> Array:
        x, t = self.take_saved(grad_output)
        return self.expand(grad_output, self.count(x)) * (-t * sigmoid(-t * x))


class MultiMarginLoss(MarginLoss):
    """l = Σ_{c ≠ t} w_t (z_c)₊ᵖ/C, with z_c = margin − x_t + x_c: x_t is to lead every rival.

    s_c = w_t p (z_c)₊^(p − 1) [z_c > 0]/C      power rule: the slope of a term for its z_c
    ∂l/∂x_c = s_c for c ≠ t                     a rival's score is in one term
    ∂l/∂x_t = −Σ_{c ≠ t} s_c                    the true score is in every term, as −x_t

    Shapes: input (N, C) or (C,), target (N,) or () of classes.

    Args:
        p: 1 or 2.
        weight: w, one for each class.
    """

    OF_ROWS = True
    weight: Array | None

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Array | None = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p is {p}, expected 1 or 2")
        self.p = p
        self.register_buffer("weight", weight)

    def forward(self, input: Array, target: Array) -> Any:
        x = class_scores(self, input)
        check_shape_of(self, target, input.shape[:-1])
        self.check_indices(target, "target", 0, x.shape[-1] - 1)
        true = target[..., np.newaxis]
        rivals = np.arange(x.shape[-1]) != true
        with np.errstate(invalid="ignore"):  # ∞ − ∞ has no size, and counts nothing
            z = self.margin - np.take_along_axis(x, true, axis=-1) + x
        short = np.where(rivals & (z > 0), z, 0)
        w: Any = 1
        if self.weight is not None:
            self.check_input(self.weight, input.dtype, "weight")
            if self.weight.shape != x.shape[-1:]:
                raise ValueError(
                    f"{self!r}: weight has shape {self.weight.shape}, expected {x.shape[-1:]}"
                )
            w = self.weight[true]
        self.save_for_backward(short, true, w, input.shape)
        return self.reduced((w * short**self.p).sum(axis=-1) / x.dtype.type(x.shape[-1]))

    def backward(self, grad_output: Any = 1) -> Array:
        short, true, w, shape = self.take_saved(grad_output)
        slopes = w * (2 * short if self.p == 2 else (short > 0).astype(short.dtype))
        slopes = slopes / short.dtype.type(short.shape[-1])
        np.put_along_axis(slopes, true, -slopes.sum(axis=-1, keepdims=True), axis=-1)
        return (self.per_sample(grad_output, self.count(short[..., 0])) * slopes).reshape(shape)


def class_scores(loss: Loss, input: Array) -> Array:
    """The scores as (N, C) or (C,); a single number is the score of one class.

    Raises:
        ValueError: they have more axes.
    """
    loss.check_input(input)
    if input.ndim > 2:
        raise ValueError(f"{loss!r}: input has shape {input.shape}, expected (N, C) or (C,)")
    return np.atleast_1d(input)


def check_shape_of(loss: Loss, target: Array, shape: tuple[int, ...]) -> None:
    """Raise unless the target is an array of this shape."""
    loss.check_array(target, "target")
    if target.shape != shape:
        raise ValueError(f"{loss!r}: target has shape {target.shape}, expected {shape}")


class MultiLabelMarginLoss(Loss):
    """l = Σ_{j ∈ T} Σ_{i ∉ T} (1 − x_j + x_i)₊/C: each class in T is to lead each other by 1.

    A term that is not 0 has the slope 1/C for its x_i and −1/C for its x_j, so
        ∂l/∂x_i = Σ_{j ∈ T} [x_j − x_i < 1]/C for i ∉ T         the terms that x_i is in
        ∂l/∂x_j = −Σ_{i ∉ T} [x_j − x_i < 1]/C for j ∈ T        those that x_j is in

    Shapes: input, target (N, C) or (C,); a row of targets lists the true classes T up to a −1.
    """

    OF_ROWS = True

    def forward(self, input: Array, target: Array) -> Any:
        x = class_scores(self, input)
        check_shape_of(self, target, input.shape)
        classes = x.shape[-1]
        self.check_indices(target, "target", -1, classes - 1)
        target = np.atleast_1d(target)
        listed = np.cumprod(target >= 0, axis=-1).astype(bool)  # up to the first −1
        times = (target[..., np.newaxis] == np.arange(classes)) & listed[..., np.newaxis]
        true = times.sum(axis=-2).astype(x.dtype)  # (*, C): 1 for what is in T
        pairs = true[..., :, np.newaxis] * (true == 0)[..., np.newaxis, :]  # (*, j, i)
        with np.errstate(invalid="ignore"):  # ∞ − ∞ has no size, and counts nothing
            lead = x[..., :, np.newaxis] - x[..., np.newaxis, :]
        short = np.where((pairs > 0) & (lead < 1), 1 - lead, 0)
        self.save_for_backward(pairs * (short > 0) / x.dtype.type(classes), input.shape)
        return self.reduced((pairs * short).sum(axis=(-2, -1)) / x.dtype.type(classes))

    def backward(self, grad_output: Any = 1) -> Array:
        active, shape = self.take_saved(grad_output)  # (*, j, i)
        slopes = active.sum(axis=-2) - active.sum(axis=-1)
        return (self.per_sample(grad_output, self.count(slopes[..., 0])) * slopes).reshape(shape)


class MultiLabelSoftMarginLoss(Loss):
    """l = −Σ_c w_c (t_c log σ(x_c) + (1 − t_c) log σ(−x_c))/C: the mean of BCEWithLogitsLoss.

    ∂l/∂x_c = −w_c (t_c σ(−x_c) − (1 − t_c) σ(x_c))/C       see there
            = w_c (σ(x_c) − t_c)/C                          σ(−x_c) = 1 − σ(x_c)
    ∂l/∂t_c = −w_c (log σ(x_c) − log σ(−x_c))/C             l is a line in t_c
            = −w_c x_c/C                                    σ(x_c)/σ(−x_c) = e^x_c

    Shapes: input, target (*, C); the target in the input's dtype or whole numbers.
    """

    OF_ROWS = True
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
        target = numbers_like(self, input, target)
        check_shape(self, input, target)
        if input.ndim == 0:
            raise ValueError(f"{self!r}: input is a number, expected (*, C)")
        w = rescaling(self, "weight", self.weight, input) / input.dtype.type(input.shape[-1])
        self.save_for_backward(input, target, w)
        losses = -w * (target * log_sigmoid(input) + (1 - target) * log_sigmoid(-input))
        return self.reduced(losses.sum(axis=-1))

    def backward(self, grad_output: Any = 1, with_target: bool = False) -> Any:
        x, t, w = self.take_saved(grad_output)
        g = self.per_sample(grad_output, self.count(x[..., 0]))
        by_x = (1 - t) * sigmoid(x) - t * sigmoid(-x)  # σ(x) − t, each part without cancellation
        if with_target:
            return g * w * by_x, -g * w * x
        return g * w * by_x


class CosineEmbeddingLoss(MarginLoss):
    """l = 1 − c where t = 1, else (c − margin)₊, of the cosine c of x₁ and x₂: pairs alike or not.

    c = a/√(m₁ m₂), with a = Σᵢ x₁ᵢ x₂ᵢ, m₁ = Σᵢ x₁ᵢ² + ε and m₂ = Σᵢ x₂ᵢ² + ε:
        ∂a/∂x₁ᵢ = x₂ᵢ                           a is a line in x₁ᵢ
        ∂m₁/∂x₁ᵢ = 2x₁ᵢ                         power rule
        ∂c/∂m₁ = −½ a/(m₁ √(m₁ m₂))             power rule: m₁ has the power −½
               = −½ c/m₁
        ∂c/∂x₁ᵢ = x₂ᵢ/√(m₁ m₂) − ½ c/m₁ · 2x₁ᵢ  chain rule: x₁ᵢ reaches c through a and through m₁
                = x₂ᵢ/√(m₁ m₂) − c x₁ᵢ/m₁
        ∂c/∂x₂ᵢ = x₁ᵢ/√(m₁ m₂) − c x₂ᵢ/m₂       likewise
    Backward, with s the slope of l for c:
        s = −1 where t = 1, else [c ≥ margin]
        ∂l/∂x₁ᵢ = s ∂c/∂x₁ᵢ                     chain rule
        ∂l/∂x₂ᵢ = s ∂c/∂x₂ᵢ

    Shapes: inputs (N, D) or (D,), target (N,) or () of 1 and −1, in the inputs' dtype or whole.
    """

    OF_ROWS = True
    EPS = 1e-12

    def forward(self, input1: Array, input2: Array, target: Array) -> Any:
        check_same_shape(self, input1, input2, "input2", "input1")
        target = numbers_like(self, input1, target)
        if input1.ndim not in (1, 2) or target.shape != input1.shape[:-1]:
            raise ValueError(
                f"{self!r}: inputs {input1.shape} and target {target.shape}, expected (N, D) "
                "and (N,), or (D,) and ()"
            )
        check_signs(self, target)
        m1 = np.square(input1).sum(axis=-1) + self.EPS
        m2 = np.square(input2).sum(axis=-1) + self.EPS
        length = np.sqrt(m1 * m2)
        cos = (input1 * input2).sum(axis=-1) / length
        self.save_for_backward(input1, input2, m1, m2, length, cos, target)
        return self.reduced(np.where(target == 1, 1 - cos, np.maximum(cos - self.margin, 0)))

    def backward(self, grad_output: Any = 1) -> tuple[Array, Array]:
        x1, x2, m1, m2, length, cos, t = self.take_saved(grad_output)
        slope = np.where(t == 1, cos.dtype.type(-1), (cos >= self.margin).astype(cos.dtype))
        g = (self.expand(grad_output, self.count(cos)) * np.asarray(slope))[..., np.newaxis]
        m1, m2, length, cos = (a[..., np.newaxis] for a in (m1, m2, length, cos))
        return g * (x2 / length - cos * x1 / m1), g * (x1 / length - cos * x2 / m2)


class TripletMarginLoss(MarginLoss):
    """l = (z)₊, with z = d(a, p) − d(a, n) + margin: the anchor a is to be nearer to p than to n.

    d(x, y) = (Σᵢ |xᵢ − yᵢ + ε|^r)^(1/r), a norm of the order r, called p in the code.
    Of one distance, D = d(a, p) with vᵢ = aᵢ − pᵢ + ε:
        ∂D/∂aᵢ = 1/r (Σⱼ |vⱼ|^r)^(1/r − 1) · r |vᵢ|^(r − 1) sign vᵢ     chain rule: root, power, |·|
               = sign vᵢ (|vᵢ|/D)^(r − 1)                               the sum is D to the power r
        ∂D/∂pᵢ = −∂D/∂aᵢ                                                pᵢ goes into vᵢ as −pᵢ
    Called u of the two vectors, and with [z ≥ 0] for the slope of (z)₊, that is by the chain rule
        u(x, y, i) = sign(xᵢ − yᵢ + ε) (|xᵢ − yᵢ + ε|/d(x, y))^(r − 1)
        ∂l/∂aᵢ = [z ≥ 0] (u(a, p, i) − u(a, n, i))      both distances begin at the anchor
        ∂l/∂pᵢ = −[z ≥ 0] u(a, p, i)
        ∂l/∂nᵢ = [z ≥ 0] u(a, n, i)
    swap: where n is nearer to p than to the anchor, d(p, n) stands for d(a, n):
        swap    z = d(a, p) − d(p, n) + margin
        swap    ∂l/∂aᵢ = [z ≥ 0] u(a, p, i)
        swap    ∂l/∂pᵢ = −[z ≥ 0] (u(a, p, i) + u(p, n, i))
        swap    ∂l/∂nᵢ = [z ≥ 0] u(p, n, i)
    Where n is equally far from both, each way gets half.

    Shapes: three inputs (N, D) or (D,).
    """

    OF_ROWS = True

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginLoss: margin is {margin}, expected more than 0")
        if not 1 <= p < np.inf:
            raise NotImplementedError(f"TripletMarginLoss: p={p} is not supported, from 1 up is")
        self.p, self.eps, self.swap = p, eps, swap

    def distance(self, x: Array, y: Array) -> tuple[Array, Array]:
        """d(x, y), and ∂d/∂x."""
        return p_distance(x, y, self.p, self.eps)

    def forward(self, anchor: Array, positive: Array, negative: Array) -> Any:
        check_same_shape(self, anchor, positive, "positive", "anchor")
        check_same_shape(self, anchor, negative, "negative")
        near, by_near = self.distance(anchor, positive)
        far, by_far = self.distance(anchor, negative)
        swapped = np.zeros_like(far)  # the part of d(p, n) in the distance to n
        by_other = np.zeros_like(by_far)
        if self.swap:
            other, by_other = self.distance(positive, negative)
            swapped = (other < far) + far.dtype.type(0.5) * (other == far)
            far = np.minimum(far, other)
        short = near - far + self.margin
        self.save_for_backward(by_near, by_far, by_other, swapped, short >= 0, anchor.shape)
        return self.reduced(np.maximum(short, 0))

    def backward(self, grad_output: Any = 1) -> tuple[Array, Array, Array]:
        by_near, by_far, by_other, swapped, active, shape = self.take_saved(grad_output)
        g = self.expand(grad_output, self.count(by_near[..., 0])) * active.astype(by_near.dtype)
        near = g[..., np.newaxis] * by_near
        far = (g * (1 - swapped))[..., np.newaxis] * by_far
        other = (g * swapped)[..., np.newaxis] * by_other
        near, far, other = (part.reshape(shape) for part in (near, far, other))
        return near - far, -near - other, far + other
