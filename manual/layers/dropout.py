"""Layers that leave out a random part of their input while training."""

import math

import numpy as np

from ..arrays import Array
from ..generator import given_or_new, random
from ..module import Module, refuse
from .activations import SELU


class Dropout(Module):
    """y = x m/(1 − p), where each mask element m is 0 with probability p, else 1.

    What is left is scaled up, so that the expected y is x. In eval mode y is x.
    Backward    ∂L/∂x = g m/(1 − p)     m is the forward pass's: what was left out had no part in L

    Args:
        p: the probability of leaving an element out.
        generator: where the masks are drawn from; without one, the system's entropy.
    """

    FEATURE_AXES = 0  # the last axes, which share one mask element
    DIMENSIONS: tuple[int, ...] = ()  # how many axes there may be, if that matters

    def __init__(
        self, p: float = 0.5, inplace: bool = False, generator: np.random.Generator | None = None
    ) -> None:
        super().__init__()
        refuse(self, inplace=inplace)
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p is {p}, expected a probability")
        self.p, self.inplace = p, inplace
        self.generator = given_or_new(generator)

    def mask(self, x: Array) -> Array:
        """1 for what is kept, 0 for what is left out."""
        axes = self.FEATURE_AXES
        if self.DIMENSIONS and x.ndim not in self.DIMENSIONS:
            wanted = " or ".join(map(str, self.DIMENSIONS))
            raise ValueError(f"{self!r}: input has {x.ndim} axes, expected {wanted}")
        shape = x.shape[: x.ndim - axes] + (1,) * axes
        return random(shape, np.dtype(np.float64), self.generator) >= self.p

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        if not self.training:
            self.save_for_backward(None)
            return x
        scale = self.mask(x) / x.dtype.type(1 - self.p if self.p < 1 else 1)
        self.save_for_backward(scale)
        return x * scale

    def backward(self, g: Array) -> Array:
        (scale,) = self.take_saved(g)
        return g.copy() if scale is None else g * scale


class Dropout1d(Dropout):
    """Dropout of whole channels of (N, C, L) or (C, L): neighbours in a sequence tell the same."""

    FEATURE_AXES = 1
    DIMENSIONS = (2, 3)


class Dropout2d(Dropout):
    """Dropout of whole channels of (N, C, H, W): neighbouring pixels tell the same."""

    FEATURE_AXES = 2
    DIMENSIONS = (4,)


class AlphaDropout(Dropout):
    """Dropout for SELU networks: what comes in with mean 0 and variance 1 goes out so.

    z = x m + α′ (1 − m)        with probability p, m is 0, and α′ takes the place of x
    y = a z + b
    α′ is −λα, what SELU comes to for x → −∞. In the mean, over x and over m, where q is 1 − p,
        M = q · 0 + p α′        of z: x has the mean 0
        R = q · 1 + p α′²       of z²: the mean of x² is the variance, 1
        V = R − M²              the variance of z
          = q + p α′² (1 − p)
          = q (1 + p α′²)
        a = 1/√V                makes the variance of y, a² V, 1
        b = −a M                and the mean of y, a M + b, 0
    Backward    ∂L/∂x = g a m   chain rule: z has the slope m, y for z the slope a

    Source: Klambauer et al., 2017.
    """

    DROPPED = -SELU.SCALE * SELU.ALPHA

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        if not self.training:
            self.save_for_backward(None)
            return x
        mask = self.mask(x)
        p, left_out = self.p, self.DROPPED
        a = 1 / math.sqrt((1 - p) * (1 + p * left_out**2)) if p < 1 else 0.0
        scale = a * mask.astype(x.dtype)
        self.save_for_backward(scale)
        return x * scale + left_out * (
            a * (1 - p) - scale
        )  # a α′ (1 − m) + b = α′ (a (1 − p) − a m)
