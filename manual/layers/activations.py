"""Functions applied to each element; gelu.py has one more, softmax.py those along an axis.

    y = f(x)         formula                        f′(x)
    ---------------------------------------------------------------------------------------
    ReLU             max(x, 0)                      0 where x ≤ 0, else 1
    ReLU6            min(max(x, 0), 6)              0 where x ≤ 0 or x ≥ 6, else 1
    Hardtanh         min(max(x, lo), hi)            0 where x ≤ lo or x ≥ hi, else 1
    LeakyReLU        x or a x                       1 or a            first where x > 0
    PReLU            x or w x, w learnt             1 or w            first where x > 0
    Threshold        x or v                         1 or 0            first where x > t
    ELU              x or α (eˣ − 1)                1 or α eˣ         first where x > 0
    CELU             x or α (e^(x/α) − 1)           1 or e^(x/α)      first where x > 0
    SELU             λ times ELU                    λ times ELU′
    Sigmoid          σ = 1/(1 + e⁻ˣ)                y (1 − y)
    LogSigmoid       log σ                          1 − σ = σ(−x)
    Tanh             (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ)          1 − y²
    Tanhshrink       x − tanh x                     tanh² x
    Softplus         log(1 + e^(βx))/β              σ(βx); 1 past the threshold
    Softsign         x/(1 + |x|)                    1/(1 + |x|)²
    SiLU             x σ                            σ + x σ (1 − σ)
    Mish             x t, t = tanh(softplus x)      t + x (1 − t²) σ
    GELU             x Φ                            Φ + x φ
    GELU tanh        x Φ, Φ = σ(2u)                 Φ + x Φ (1 − Φ) 2u′
    Hardsigmoid      min(max(x + 3, 0), 6)/6        1/6 in (−3, 3), else 0
    Hardswish        x · Hardsigmoid                0, x/3 + ½, 1     below, in, above (−3, 3)
    Hardshrink       x or 0                         1 or 0            second where |x| ≤ λ
    Softshrink       x ∓ λ or 0                     1 or 0            second where |x| ≤ λ

With g = ∂L/∂y it is always ∂L/∂x = g f′(x). Where a kink leaves the choice open, it is PyTorch's,
and so is which of two branches NaN takes: conditions are written so that it does.
Φ and φ are the standard normal's distribution and density; [·] is 1 where true, else 0.
"""

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..module import Module, check_positive, refuse
from ..parameter import Parameter
from ..special import (
    above_minus_inf,
    clamp_to_finite,
    log_sigmoid,
    sigmoid,
    softplus,
)


class Elementwise(Module):
    """y = f(x), element by element: what the activations share.

    Forward     y = value(x)
    Backward    ∂L/∂x = g f′(x), f′ = derivative(x, y): each x reaches only its own y

    Shapes: input and output (*), with any axes or none.
    """

    def value(self, x: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no value")

    def derivative(self, x: Array, y: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no derivative")

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        y = self.value(x)
        self.save_for_backward(x, y)
        return y

    def backward(self, g: Array) -> Array:
        x, y = self.take_saved(g)
        return g * self.derivative(x, y)


class InplaceRefused(Elementwise):
    """An activation that PyTorch also has in place; refused here: backward needs the input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        refuse(self, inplace=inplace)
        self.inplace = inplace


class Gate(InplaceRefused):
    """An activation that lets pass or does not: f′ is 1 or 0, and that mask is all that is kept."""

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        y = self.value(x)
        self.save_for_backward(self.derivative(x, y))
        return y

    def backward(self, g: Array) -> Array:
        (passed,) = self.take_saved(g)
        return g * passed


class ReLU(Gate):
    """y = max(x, 0): only what passed forward passes back."""

    def value(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def derivative(self, x: Array, y: Array) -> Array:
        return y != 0  # what is not a number passes too


class Hardtanh(Gate):
    """y = min(max(x, min_val), max_val)."""

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: None = None,
        max_value: None = None,
    ) -> None:
        super().__init__(inplace)
        refuse(self, min_value=min_value, max_value=max_value)
        self.min_val, self.max_val = min_val, max_val
        self.min_value = self.max_value = None
        if not max_val > min_val:
            raise ValueError(
                f"Hardtanh: max_val is {max_val}, expected more than min_val {min_val}"
            )

    def value(self, x: Array) -> Array:
        return np.clip(x, self.min_val, self.max_val)

    def derivative(self, x: Array, y: Array) -> Array:
        return ~((x <= self.min_val) | (x >= self.max_val))


class ReLU6(Hardtanh):
    """y = min(max(x, 0), 6)."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)


class LeakyReLU(InplaceRefused):
    """y = x where x > 0, else a x with a small slope a, so that no neuron goes silent for good."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def value(self, x: Array) -> Array:
        return np.where(x > 0, x, x * self.negative_slope)

    def derivative(self, x: Array, y: Array) -> Array:
        return np.where(x > 0, x.dtype.type(1), x.dtype.type(self.negative_slope))


class PReLU(Module):
    """y = x where x > 0, else w x; w is learnt, one for all or one for each channel (axis 1).

    Backward    ∂L/∂x = g or g w
                ∂L/∂w = Σ g x over the x ≤ 0 that w multiplied
    """

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        refuse(self, device=device)
        self.num_parameters = check_positive(self, "num_parameters", num_parameters)
        self.init = init
        self.weight = Parameter(np.full(num_parameters, init, float_dtype(dtype)))

    def sum_lengths(self, input: Array) -> dict[str, int]:
        return {"weight": input.size // self.num_parameters}

    def forward(self, input: Array) -> Array:
        x = self.check_input(input, self.weight.data.dtype)
        channels = x.shape[1] if x.ndim > 1 else 1
        if self.num_parameters not in (1, channels):
            raise ValueError(
                f"{self!r}: input of shape {x.shape} has {channels} channels, "
                f"expected {self.num_parameters}"
            )
        # w stands along axis 1, so that it meets its own channel
        w = self.weight.data.reshape(self.num_parameters, *[1] * (x.ndim - 2))
        self.save_for_backward(x, w)
        return np.where(x > 0, x, w * x).reshape(x.shape)

    def backward(self, g: Array) -> Array:
        x, w = self.take_saved(g)
        through_w = g * np.where(x > 0, 0, x)
        others = tuple(axis for axis in range(x.ndim) if axis != 1 or self.num_parameters == 1)
        self.weight.accumulate(through_w.sum(axis=others).reshape(-1))
        return np.where(x > 0, g, w * g).reshape(x.shape)


class Threshold(Module):
    """y = x where x > threshold, else value."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        refuse(self, inplace=inplace)
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        passed = ~(x <= self.threshold)  # NaN is let through
        self.save_for_backward(passed)
        return np.where(passed, x, x.dtype.type(self.value))

    def backward(self, g: Array) -> Array:
        (passed,) = self.take_saved(g)
        return g * passed


class ELU(InplaceRefused):
    """y = x where x > 0, else α (eˣ − 1)."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def value(self, x: Array) -> Array:
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def derivative(self, x: Array, y: Array) -> Array:
        return np.where(x > 0, 1, self.alpha * np.exp(np.minimum(x, 0)))


class CELU(InplaceRefused):
    """y = x where x > 0, else α (e^(x/α) − 1): the slope is 1 on both sides of 0, whatever α."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        if not alpha > 0:
            raise ValueError(f"CELU: alpha is {alpha}, expected more than 0")
        self.alpha = alpha

    def value(self, x: Array) -> Array:
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0) / self.alpha))

    def derivative(self, x: Array, y: Array) -> Array:
        return np.exp(np.minimum(x, 0) / self.alpha)  # which is 1 from 0 on


class SELU(InplaceRefused):
    """y = λ x where x > 0, else λ α (eˣ − 1): mean 0 and variance 1 stay so from layer to layer.

    Source of λ and α: Klambauer et al., 2017.
    """

    ALPHA, SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

    def value(self, x: Array) -> Array:
        return self.SCALE * np.where(x > 0, x, self.ALPHA * np.expm1(np.minimum(x, 0)))

    def derivative(self, x: Array, y: Array) -> Array:
        return self.SCALE * np.where(x > 0, 1, self.ALPHA * np.exp(np.minimum(x, 0)))


class Sigmoid(Elementwise):
    """y = σ(x) = 1/(1+e⁻ˣ), which squashes any number into (0, 1).

    dy/dx = e⁻ˣ/(1+e⁻ˣ)² = 1/(1+e⁻ˣ) · e⁻ˣ/(1+e⁻ˣ) = y (1 − y)
    """

    def value(self, x: Array) -> Array:
        return sigmoid(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return y * (1 - y)


class LogSigmoid(Elementwise):
    """y = log σ(x). dy/dx = σ′/σ = 1 − σ(x) = σ(−x)"""

    def value(self, x: Array) -> Array:
        return log_sigmoid(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return sigmoid(-x)


class Tanh(Elementwise):
    """y = tanh x, which squashes any number into (−1, 1).

    tanh = sinh/cosh, so dy/dx = (cosh² x − sinh² x)/cosh² x = 1 − y²
    """

    def value(self, x: Array) -> Array:
        return np.tanh(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return 1 - y * y


class Tanhshrink(Elementwise):
    """y = x − tanh x. dy/dx = 1 − (1 − tanh² x) = tanh² x"""

    def value(self, x: Array) -> Array:
        return x - np.tanh(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return np.square(np.tanh(x))


class Softplus(Elementwise):
    """y = log(1 + e^(βx))/β, a smooth ReLU. dy/dx = e^(βx)/(1 + e^(βx)) = σ(βx)

    Where βx > threshold it is taken as x itself, with slope 1.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def value(self, x: Array) -> Array:
        bx = self.beta * x
        return np.where(bx > self.threshold, x, softplus(bx) / self.beta)

    def derivative(self, x: Array, y: Array) -> Array:
        bx = self.beta * x
        return np.where(bx > self.threshold, 1, sigmoid(bx))


class Softsign(Elementwise):
    """y = x/(1 + |x|). dy/dx = ((1 + |x|) − x sign x)/(1 + |x|)² = 1/(1 + |x|)²"""

    def value(self, x: Array) -> Array:
        x = clamp_to_finite(x)
        return x / (1 + np.abs(x))

    def derivative(self, x: Array, y: Array) -> Array:
        return np.square(1 / (1 + np.abs(x)))


class SiLU(InplaceRefused):
    """y = x σ(x). dy/dx = σ + x σ′ = σ + x σ (1 − σ)"""

    def value(self, x: Array) -> Array:
        return above_minus_inf(x) * sigmoid(x)

    def derivative(self, x: Array, y: Array) -> Array:
        s = sigmoid(x)
        return s + clamp_to_finite(x) * (s * (1 - s))


class Mish(InplaceRefused):
    """y = x t with t = tanh(softplus x). dy/dx = t + x (1 − t²) σ, since softplus′ = σ"""

    def value(self, x: Array) -> Array:
        return above_minus_inf(x) * np.tanh(softplus(x))

    def derivative(self, x: Array, y: Array) -> Array:
        t = np.tanh(softplus(x))
        return t + clamp_to_finite(x) * ((1 - t * t) * sigmoid(x))


class Hardsigmoid(InplaceRefused):
    """y = min(max(x + 3, 0), 6)/6."""

    def value(self, x: Array) -> Array:
        return np.clip(x + 3, 0, 6) / 6

    def derivative(self, x: Array, y: Array) -> Array:
        return ((x > -3) & (x < 3)) / x.dtype.type(6)


class Hardswish(InplaceRefused):
    """y = x min(max(x + 3, 0), 6)/6. In between, d/dx (x² + 3x)/6 = x/3 + ½"""

    def value(self, x: Array) -> Array:
        return above_minus_inf(x) * (np.clip(x + 3, 0, 6) / 6)

    def derivative(self, x: Array, y: Array) -> Array:
        inside = np.clip(x, -3, 3)
        return np.where(x <= -3, 0, np.where(x >= 3, 1, inside / 3 + inside.dtype.type(0.5)))


class Hardshrink(Elementwise):
    """y = x where |x| > lambd, else 0."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def value(self, x: Array) -> Array:
        return np.where(np.abs(x) <= self.lambd, 0, x)

    def derivative(self, x: Array, y: Array) -> Array:
        return ~(np.abs(x) <= self.lambd)


class Softshrink(Elementwise):
    """y = x − lambd above lambd, x + lambd below −lambd, else 0."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        if not lambd >= 0:
            raise ValueError(f"Softshrink: lambd is {lambd}, expected at least 0")
        self.lambd = lambd

    def value(self, x: Array) -> Array:
        return np.where(x > self.lambd, x - self.lambd, np.minimum(x + self.lambd, 0))

    def derivative(self, x: Array, y: Array) -> Array:
        return ~(np.abs(x) <= self.lambd)
