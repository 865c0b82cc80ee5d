"""GELU, forward and backward in place, a part of the numbers after the other."""

import numpy as np

from ..arrays import Array, in_blocks
from ..special import PI, above_minus_inf, normal_cdf
from .activations import Elementwise


class GELU(Elementwise):
    """y = x Φ: x, weighted by Φ, how probable it is that a standard normal number is smaller.

    approximate="none":
        Φ = (1 + erf(x/√2))/2
        erf′(x) = 2 e^(−x²)/√π                      erf is this function's integral
        Φ′ = erf′(x/√2) · 1/√2 · ½                  chain rule
           = e^(−x²/2)/√(2π)                        the density φ
        f′(x) = Φ + x Φ′                            product rule
    approximate="tanh":
        u = √(2/π) (x + 0.044715 x³)                chosen so that this comes near the exact Φ:
        Φ = (1 + tanh u)/2
          = e^u/(e^u + e^(−u))                      tanh u is (e^u − e^(−u))/(e^u + e^(−u))
          = 1/(1 + e^(−2u))                         divided by e^u above and below
        u′ = √(2/π) (1 + 3 · 0.044715 x²)           power rule
        Φ′ = e^(−2u)/(1 + e^(−2u))² · 2u′           chain rule, as in Sigmoid
           = Φ (1 − Φ) 2u′
        f′(x) = Φ + x Φ′                            product rule
              = Φ (1 + x (1 − Φ) 2u′)
    The code takes 1 − Φ as Φ e^(−2u), of which no digit is lost where Φ is almost 1.

    Each has a derivative of its own: that of one form is not that of the other. Backward needs Φ or
    e^(−2u), in the code e, again, and forward keeps it.
    """

    CUBIC = 0.044715
    SATURATED = 160.0  # here every dtype has Φ = 0 or 1 and x φ = 0, so that no x³ need overflow

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU: approximate is {approximate!r}, expected 'none' or 'tanh'")
        self.approximate = approximate

    def forward(self, input: Array) -> Array:
        x = np.array(self.check_input(input), order="C", copy=None)
        kept, y = np.empty_like(x), np.empty_like(x)
        for parts in in_blocks(x, kept, y):
            (self.exactly if self.approximate == "none" else self.by_tanh)(*parts)
        self.save_for_backward(x, kept)
        return y

    def backward(self, g: Array) -> Array:
        x, kept = self.take_saved(g)
        slope = np.empty_like(x)
        for parts in in_blocks(x, kept, slope):
            (self.exact_slope if self.approximate == "none" else self.slope_by_tanh)(*parts)
        slope *= g
        return slope

    def exactly(self, x: Array, cumulative: Array, y: Array) -> None:
        """x -> Φ, y"""
        cumulative[...] = normal_cdf(x)
        np.multiply(above_minus_inf(x), cumulative, out=y)

    def exact_slope(self, x: Array, cumulative: Array, slope: Array) -> None:
        """x, Φ -> dy/dx"""
        z = np.clip(x, -self.SATURATED, self.SATURATED)
        density = np.exp(z * z / -2) / np.sqrt(z.dtype.type(2 * PI))
        np.add(cumulative, z * density, out=slope)

    def by_tanh(self, x: Array, e: Array, y: Array) -> None:
        """x -> e, y"""
        z = np.clip(x, -self.SATURATED, np.inf)
        twice_root = 2 * np.sqrt(z.dtype.type(2 / PI))
        with np.errstate(over="ignore"):  # 1/(1 + ∞) = 0 is the right limit
            np.multiply(z, z, out=e)
            e *= -self.CUBIC * twice_root
            e -= twice_root
            e *= z  # −2u
            np.exp(e, out=e)
        np.add(e, 1, out=y)
        np.divide(z, y, out=y)

    def slope_by_tanh(self, x: Array, e: Array, slope: Array) -> None:
        """x, e -> dy/dx"""
        z = np.clip(x, -self.SATURATED, self.SATURATED)
        twice_root = 2 * np.sqrt(z.dtype.type(2 / PI))
        cumulative = e + 1
        np.reciprocal(cumulative, out=cumulative)
        above = np.clip(e, 0, np.finfo(e.dtype).max)  # ∞ · 0 has no value
        above *= cumulative  # 1 − Φ
        np.multiply(z, z, out=slope)
        slope *= 3 * self.CUBIC * twice_root
        slope += twice_root  # 2u′
        slope *= z
        slope *= above
        slope += 1
        slope *= cumulative
