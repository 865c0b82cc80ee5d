"""Activations that share out one axis.

y = f(x)      formula                    derivative
--------------------------------------------------------------------------
Softmax       eˣⁱ / Σⱼ eˣʲ               ∂yᵢ/∂xⱼ = yᵢ ([i = j] − yⱼ)
Softmin       softmax(−x)                ∂yᵢ/∂xⱼ = −yᵢ ([i = j] − yⱼ)
Softmax2d     softmax over channels      ∂yᵢ/∂xⱼ = yᵢ ([i = j] − yⱼ)
LogSoftmax    xᵢ − log Σⱼ eˣʲ            ∂yᵢ/∂xⱼ = [i = j] − eʸʲ
GLU           a σ(b), x = [a, b]         ∂y/∂a = σ(b), ∂y/∂b = a σ(b) (1 − σ(b))
"""

import numpy as np

from ..arrays import Array
from ..module import Module, check_axis
from ..special import log_softmax, sigmoid, softmax


class GLU(Module):
    """y = a σ(b), where a and b are the halves of x along `dim`: b says how much of a passes.

    Backward    ∂L/∂a = g σ(b)
                ∂L/∂b = g a σ(b) (1 − σ(b))
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
    """yᵢ = eˣⁱ / Σⱼ eˣʲ along `dim`: positive numbers that add up to 1.

    Backward    ∂yᵢ/∂xⱼ = yᵢ ([i = j] − yⱼ): a larger xⱼ raises its own share and lowers the others
                ∂L/∂xⱼ = Σᵢ gᵢ yᵢ ([i = j] − yⱼ) = yⱼ (gⱼ − Σᵢ gᵢ yᵢ)
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
    """y = softmax(−x) along `dim`; the sign comes back out in backward."""

    SIGN = -1


class Softmax2d(Softmax):
    """y = softmax over the channels of (N, C, H, W) or (C, H, W), at each pixel by itself."""

    def __init__(self) -> None:
        super().__init__(dim=-3)

    def forward(self, input: Array) -> Array:
        self.check_array(input)
        if input.ndim not in (3, 4):
            raise ValueError(f"{self!r}: input has {input.ndim} axes, expected 3 or 4")
        return super().forward(input)


class LogSoftmax(Module):
    """yᵢ = log softmax(x)ᵢ = xᵢ − log Σⱼ eˣʲ along `dim`.

    Backward    ∂yᵢ/∂xⱼ = [i = j] − softmax(x)ⱼ
                ∂L/∂xⱼ = gⱼ − eʸʲ Σᵢ gᵢ
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
