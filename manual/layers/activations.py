"""Functions applied to each element, all but GELU and PReLU; softmax.py has those along an axis.

    class            y                                        f′(x)
    --------------------------------------------------------------------------------------------
    ReLU             max(x, 0)                                0 where x ≤ 0, else 1
    ReLU6            min(max(x, 0), 6)                        0 where x ≤ 0 or x ≥ 6, else 1
    Hardtanh         min(max(x, lo), hi)                      0 where x ≤ lo or x ≥ hi, else 1
    LeakyReLU        x where x > 0, else a x                  1 where x > 0, else a
    PReLU            x where x > 0, else w x                  1 where x > 0, else w
    Threshold        x where x > θ, else v                    1 where x > θ, else 0
    ELU              x where x > 0, else α (eˣ − 1)           1 where x > 0, else α eˣ
    CELU             x where x > 0, else α (e^(x/α) − 1)      1 where x > 0, else e^(x/α)
    SELU             λ x where x > 0, else λ α (eˣ − 1)       λ where x > 0, else λ α eˣ
    Sigmoid          1/(1 + e⁻ˣ)                              y (1 − y)
    LogSigmoid       log σ(x)                                 σ(−x)
    Tanh             (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ)                    1 − y²
    Tanhshrink       x − tanh x                               tanh² x
    Softplus         log(1 + e^(β x))/β                       σ(β x)
    Softsign         x/(1 + |x|)                              1/(1 + |x|)²
    SiLU             x σ(x)                                   σ(x) + x σ(x) (1 − σ(x))
    Mish             x t, with t = tanh(softplus x)           t + x (1 − t²) σ(x)
    GELU             x Φ(x)                                   Φ(x) + x φ(x)
    Hardsigmoid      min(max(x + 3, 0), 6)/6                  1/6 where |x| < 3, else 0
    Hardswish        x min(max(x + 3, 0), 6)/6                x/3 + ½ where |x| < 3, else [x ≥ 3]
    Hardshrink       x where |x| > λ, else 0                  1 where |x| > λ, else 0
    Softshrink       sign x (|x| − λ)₊                        1 where |x| > λ, else 0

σ is the sigmoid, softplus x = log(1 + eˣ), Φ and φ are the standard normal's distribution and
density; (z)₊ is max(z, 0), and [·] is 1 where true, else 0. Where a kink leaves the choice open, it
is PyTorch's, and so is which of two branches NaN takes: conditions are written so that it does.
"""

import numpy as np

from ..arrays import Array
from ..module import Module, refuse
from ..special import (
    above_minus_inf,
    clamp_to_finite,
    log_sigmoid,
    sigmoid,
    softplus,
)


class Elementwise(Module):
    """y = f(x), element by element: what the activations share.

    Backward, with g = ∂L/∂y:
        ∂L/∂x = g f′(x)     chain rule: each x reaches L only through its own y

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
    """y = max(x, 0): only what passed forward passes back.

    f′(x) = 1 where x > 0, else 0       the slopes of the lines x and 0; at the kink, 0 is taken
    """

    def value(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def derivative(self, x: Array, y: Array) -> Array:
        return y != 0  # what is not a number passes too


class Hardtanh(Gate):
    """y = min(max(x, min_val), max_val).

    f′(x) = 1 where min_val < x < max_val, else 0       of three lines, only the middle one rises
    """

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
    """y = min(max(x, 0), 6).

    f′(x) = 1 where 0 < x < 6, else 0       see Hardtanh
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)


class LeakyReLU(InplaceRefused):
    """y = x where x > 0, else a x: the small slope a keeps a neuron from going silent for good.

    f′(x) = 1 where x > 0, else a       the slopes of two lines; a is called negative_slope
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def value(self, x: Array) -> Array:
        return np.where(x > 0, x, x * self.negative_slope)

    def derivative(self, x: Array, y: Array) -> Array:
        return np.where(x > 0, x.dtype.type(1), x.dtype.type(self.negative_slope))


class Threshold(Module):
    """y = x where x > θ, else v: θ is called threshold, and v value.

    Backward, with g = ∂L/∂y:
        ∂L/∂x = g where x > θ, else 0       what is replaced by v has no part in it
    """

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
    """y = x where x > 0, else α (eˣ − 1).

    f′(x) = 1 where x > 0, else α eˣ        an exponential is its own derivative
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def value(self, x: Array) -> Array:
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def derivative(self, x: Array, y: Array) -> Array:
        return np.where(x > 0, 1, self.alpha * np.exp(np.minimum(x, 0)))


class CELU(InplaceRefused):
    """y = x where x > 0, else α (e^(x/α) − 1): the slope is 1 on both sides of 0, whatever α.

    f′(x) = 1 where x > 0, else α e^(x/α) · 1/α     chain rule: the exponent's slope is 1/α
          = 1 where x > 0, else e^(x/α)
    """

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

    f′(x) = λ where x > 0, else λ α eˣ      as ELU, with the factor λ

    Source of λ and α: Klambauer et al., 2017.
    """

    ALPHA, SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

    def value(self, x: Array) -> Array:
        return self.SCALE * np.where(x > 0, x, self.ALPHA * np.expm1(np.minimum(x, 0)))

    def derivative(self, x: Array, y: Array) -> Array:
        return self.SCALE * np.where(x > 0, 1, self.ALPHA * np.exp(np.minimum(x, 0)))


class Sigmoid(Elementwise):
    """y = 1/(1 + e⁻ˣ), called σ(x): it squashes any number into (0, 1).

    f′(x) = −1/(1 + e⁻ˣ)² · (−e⁻ˣ)          chain rule: the slope of 1/u, −1/u², times that of u
          = 1/(1 + e⁻ˣ) · e⁻ˣ/(1 + e⁻ˣ)     the square shared out
          = y (1 − y)                       for 1 − y = e⁻ˣ/(1 + e⁻ˣ)
    """

    def value(self, x: Array) -> Array:
        return sigmoid(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return y * (1 - y)


class LogSigmoid(Elementwise):
    """y = log σ(x).

    f′(x) = σ′(x)/σ(x)                  chain rule: the slope of log u, 1/u, times that of u
          = σ(x) (1 − σ(x))/σ(x)        Sigmoid's derivative
          = 1 − σ(x)
          = σ(−x)                       multiply e⁻ˣ/(1 + e⁻ˣ) by eˣ above and below
    """

    def value(self, x: Array) -> Array:
        return log_sigmoid(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return sigmoid(-x)


class Tanh(Elementwise):
    """y = tanh x, which squashes any number into (−1, 1).

    tanh x = sinh x/cosh x, and these two are each other's derivative, so by the quotient rule
    f′(x) = (cosh x cosh x − sinh x sinh x)/cosh² x
          = 1 − sinh² x/cosh² x                         each divided by cosh² x
          = 1 − y²
    """

    def value(self, x: Array) -> Array:
        return np.tanh(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return 1 - y * y


class Tanhshrink(Elementwise):
    """y = x − tanh x.

    f′(x) = 1 − (1 − tanh² x)       term by term, the second from Tanh
          = tanh² x
    """

    def value(self, x: Array) -> Array:
        return x - np.tanh(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return np.square(np.tanh(x))


class Softplus(Elementwise):
    """y = log(1 + e^(β x))/β, a smooth ReLU.

    f′(x) = 1/(1 + e^(β x)) · β e^(β x)/β       chain rule: the logarithm, the sum, the exponent
          = e^(β x)/(1 + e^(β x))
          = σ(β x)                              both divided by e^(β x)
    Where β x > threshold it is taken as x itself, with slope 1.
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
    """y = x/(1 + |x|).

    f′(x) = ((1 + |x|) − x sign x)/(1 + |x|)²       quotient rule; the slope of |x| is sign x
          = 1/(1 + |x|)²                            x sign x = |x|
    """

    def value(self, x: Array) -> Array:
        x = clamp_to_finite(x)
        return x / (1 + np.abs(x))

    def derivative(self, x: Array, y: Array) -> Array:
        return np.square(1 / (1 + np.abs(x)))


class SiLU(InplaceRefused):
    """y = x σ(x).

    f′(x) = σ(x) + x σ′(x)                  product rule
          = σ(x) + x σ(x) (1 − σ(x))        Sigmoid's derivative
    """

    def value(self, x: Array) -> Array:
        return above_minus_inf(x) * sigmoid(x)

    def derivative(self, x: Array, y: Array) -> Array:
        s = sigmoid(x)
        return s + clamp_to_finite(x) * (s * (1 - s))


class Mish(InplaceRefused):
    """y = x t, with t = tanh(softplus x).

    f′(x) = t + x t′                    product rule
          = t + x (1 − t²) σ(x)         chain rule: Tanh's derivative times Softplus's
    """

    def value(self, x: Array) -> Array:
        return above_minus_inf(x) * np.tanh(softplus(x))

    def derivative(self, x: Array, y: Array) -> Array:
        t = np.tanh(softplus(x))
        return t + clamp_to_finite(x) * ((1 - t * t) * sigmoid(x))


class Hardsigmoid(InplaceRefused):
    """y = min(max(x + 3, 0), 6)/6.

    f′(x) = 1/6 where |x| < 3, else 0       of three lines, only the middle one rises
    """

    def value(self, x: Array) -> Array:
        return np.clip(x + 3, 0, 6) / 6

    def derivative(self, x: Array, y: Array) -> Array:
        return ((x > -3) & (x < 3)) / x.dtype.type(6)


class Hardswish(InplaceRefused):
    """y = x min(max(x + 3, 0), 6)/6.

    f′(x) = 0 where x ≤ −3, 1 where x ≥ 3, else d/dx (x² + 3x)/6     two lines, and between
          = 0 where x ≤ −3, 1 where x ≥ 3, else x/3 + ½              power rule, term by term
    """

    def value(self, x: Array) -> Array:
        return above_minus_inf(x) * (np.clip(x + 3, 0, 6) / 6)

    def derivative(self, x: Array, y: Array) -> Array:
        inside = np.clip(x, -3, 3)
        return np.where(x <= -3, 0, np.where(x >= 3, 1, inside / 3 + inside.dtype.type(0.5)))


class Hardshrink(Elementwise):
    """y = x where |x| > λ, else 0, with λ called lambd.

    f′(x) = 1 where |x| > λ, else 0         the slopes of the lines x and 0
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def value(self, x: Array) -> Array:
        return np.where(np.abs(x) <= self.lambd, 0, x)

    def derivative(self, x: Array, y: Array) -> Array:
        return ~(np.abs(x) <= self.lambd)


class Softshrink(Elementwise):
    """y = x − λ where x > λ, x + λ where x < −λ, else 0, with λ called lambd.

    f′(x) = 1 where |x| > λ, else 0         the slopes of three lines
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        if not lambd >= 0:
            raise ValueError(f"Softshrink: lambd is {lambd}, expected at least 0")
        self.lambd = lambd

    def value(self, x: Array) -> Array:
        return np.where(x > self.lambd, x - self.lambd, np.minimum(x + self.lambd, 0))

    def derivative(self, x: Array, y: Array) -> Array:
        return ~(np.abs(x) <= self.lambd)
