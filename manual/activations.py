"""Functions applied to each element.

y = f(x)        f′(x)               with g = ∂L/∂y:  ∂L/∂x = g f′(x)
----------------------------------------------------------------------
Sigmoid σ(x)    y (1 − y)           σ = 1/(1+e⁻ˣ), so σ′ = e⁻ˣ/(1+e⁻ˣ)² = σ (1 − σ)
Tanh            1 − y²              tanh = sinh/cosh, so tanh′ = (cosh² − sinh²)/cosh²
ReLU            1 if x > 0 else 0   at the kink x = 0 PyTorch takes 0
"""

import numpy as np

from .module import Array, Module, refuse


def sigmoid(x: Array) -> Array:
    """1/(1+e⁻ˣ). Where e⁻ˣ overflows, 1/∞ = 0 is the right limit."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


class Sigmoid(Module):
    """y = σ(x) = 1/(1+e⁻ˣ), which squashes any number into (0, 1).

    Backward    dy/dx = e⁻ˣ/(1+e⁻ˣ)² = 1/(1+e⁻ˣ) · e⁻ˣ/(1+e⁻ˣ) = y (1 − y)
    """

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        y = sigmoid(x)
        self.save_for_backward(y)
        return y

    def backward(self, g: Array) -> Array:
        (y,) = self.take_saved(g)
        return g * y * (1 - y)


class Tanh(Module):
    """y = tanh x = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ), which squashes any number into (−1, 1).

    Backward    dy/dx = (cosh² x − sinh² x)/cosh² x = 1 − y²
    """

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        y = np.tanh(x)
        self.save_for_backward(y)
        return y

    def backward(self, g: Array) -> Array:
        (y,) = self.take_saved(g)
        return g * (1 - y * y)


class ReLU(Module):
    """y = max(x, 0).

    Backward    dy/dx = 1 where x > 0, else 0: only what passed forward passes back
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        refuse(self, inplace=inplace)
        self.inplace = inplace

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        y = np.maximum(x, np.zeros_like(x))  # an array of zeros is faster here than the number 0
        self.save_for_backward(y > 0)
        return y

    def backward(self, g: Array) -> Array:
        (passed,) = self.take_saved(g)
        return g * passed
