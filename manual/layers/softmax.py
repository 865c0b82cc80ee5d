"""Activations that share out one axis; GLU, of which one half gates the other."""

import numpy as np

from ..arrays import Array
from ..module import Module, check_axis
from ..special import log_softmax, sigmoid, softmax


class GLU(Module):
    """y = a σ(b), where a and b are the halves of x along `dim`: b says how much of a passes.

    Backward, with g = ∂L/∂y:
        ∂L/∂a = g ∂y/∂a = g σ(b)            chain rule; σ(b) is a's factor
        ∂L/∂b = g ∂y/∂b = g a σ′(b)         a is σ(b)'s factor
              = g a σ(b) (1 − σ(b))         Sigmoid's derivative
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        check_axis(self, x, self.dim)
        if x.ndim == 0:
            raise ValueError(f"{self!r}: input is a number, which has no halves")
        if x.shape[self.dim] % 2:
            raise ValueError(
                f"{self!r}: input's axis {self.dim} has {x.shape[self.dim]} elements, "
                "expected an even number"
            )
        a, b = np.split(x, 2, axis=self.dim)
        gate = sigmoid(b)
        self.save_for_backward(a, gate)
        return a * gate

    def backward(self, g: Array) -> Array:
        a, gate = self.take_saved(g)
        return np.concatenate([g * gate, g * a * gate * (1 - gate)], axis=self.dim)


class Softmax(Module):
    """yᵢ = e^xᵢ/S, with S = Σⱼ e^xⱼ, along `dim`: positive numbers that add up to 1.

    xⱼ is in every yᵢ through S, with ∂S/∂xⱼ = e^xⱼ, and in its own yⱼ once more. Quotient rule:
        ∂yᵢ/∂xⱼ = (e^xᵢ S − e^xᵢ e^xⱼ)/S² = yᵢ (1 − yⱼ) for i = j        above and below the line
        ∂yᵢ/∂xⱼ = (0 · S − e^xᵢ e^xⱼ)/S² = −yᵢ yⱼ for i ≠ j              only below
        ∂yᵢ/∂xⱼ = yᵢ ([i = j] − yⱼ)                                      both, written as one
    Backward, with g = ∂L/∂y:
        ∂L/∂xⱼ = Σᵢ gᵢ ∂yᵢ/∂xⱼ              chain rule: xⱼ reaches L through every yᵢ
               = Σᵢ gᵢ yᵢ ([i = j] − yⱼ)
               = yⱼ (gⱼ − Σᵢ gᵢ yᵢ)         [i = j] leaves one term, yⱼ is in all others
    """

    SIGN = 1  # Softmin turns it

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        if dim is None:
            raise NotImplementedError(f"{type(self).__name__}: dim=None is not supported, name one")
        self.dim = dim

    def sum_lengths(self, input: Array) -> dict[str, int]:
        length = input.shape[self.dim] if input.ndim else 1
        return {"output": length, "input": length}

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        check_axis(self, x, self.dim)
        y = softmax(self.SIGN * x, self.dim)
        self.save_for_backward(y)
        return y

    def backward(self, g: Array) -> Array:
        (y,) = self.take_saved(g)
        return self.SIGN * y * (g - (g * y).sum(axis=self.dim, keepdims=True))


class Softmin(Softmax):
    """yᵢ = e^(−xᵢ)/Σⱼ e^(−xⱼ), softmax(−x), along `dim`.

    Backward, with g = ∂L/∂y:
        ∂yᵢ/∂xⱼ = −yᵢ ([i = j] − yⱼ)        chain rule: Softmax's, times the slope of −x
        ∂L/∂xⱼ = −yⱼ (gⱼ − Σᵢ gᵢ yᵢ)
    """

    SIGN = -1


class Softmax2d(Softmax):
    """Softmax over the channels of (N, C, H, W) or (C, H, W), at each pixel by itself."""

    def __init__(self) -> None:
        super().__init__(dim=-3)

    def forward(self, input: Array) -> Array:
        self.check_array(input)
        if input.ndim not in (3, 4):
            raise ValueError(f"{self!r}: input has {input.ndim} axes, expected 3 or 4")
        return super().forward(input)


class LogSoftmax(Module):
    """yᵢ = xᵢ − log Σⱼ e^xⱼ, the logarithm of softmax, along `dim`.

    Backward, with g = ∂L/∂y:
        ∂yᵢ/∂xⱼ = [i = j] − e^xⱼ/Σₖ e^xₖ    chain rule: the slope of log S, 1/S, times ∂S/∂xⱼ
                = [i = j] − e^yⱼ            y is the logarithm of that share
        ∂L/∂xⱼ = Σᵢ gᵢ ∂yᵢ/∂xⱼ              chain rule: xⱼ reaches L through every yᵢ
               = gⱼ − e^yⱼ Σᵢ gᵢ            [i = j] leaves one term
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        if dim is None:
            raise NotImplementedError("LogSoftmax: dim=None is not supported, name one")
        self.dim = dim

    def sum_lengths(self, input: Array) -> dict[str, int]:
        length = input.shape[self.dim] if input.ndim else 1
        return {"output": length, "input": length}

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        check_axis(self, x, self.dim)
        y = log_softmax(x, self.dim)
        self.save_for_backward(y)
        return y

    def backward(self, g: Array) -> Array:
        (y,) = self.take_saved(g)
        return g - np.exp(y) * g.sum(axis=self.dim, keepdims=True)
