"""Rotary position embedding: where a vector stands in a sequence, as an angle that it is turned by.

Source: Su et al., 2021.
"""

import numpy as np

from ..arrays import Array
from ..module import Module


class RotaryEmbedding(Module):
    """Turns vectors by an angle that grows with their place: scores then see only distances.

    Features i and i + d/2 of the vector at place t are a point (x₁, x₂) in a plane, turned by φ:
        φ = t θ^(−2i/d)
        y₁ = x₁ cos φ − x₂ sin φ
        y₂ = x₂ cos φ + x₁ sin φ
    Of a query turned by φₜ and a key turned by φₛ the product depends on φₜ − φₛ alone.
    Backward, with g = ∂L/∂y, by the chain rule: x₁ and x₂ are both in y₁ and in y₂
        ∂L/∂x₁ = g₁ cos φ + g₂ sin φ
        ∂L/∂x₂ = g₂ cos φ − g₁ sin φ        turned back, by −φ

    Shapes: input and output (…, T, d), where d is even.

    Args:
        theta: the slowest plane turns once in about 2π θ places.
    """

    def __init__(self, theta: float = 10_000.0) -> None:
        super().__init__()
        self.theta = theta

    def forward(self, x: Array) -> Array:
        self.check_input(x, name="x")
        if x.ndim < 2 or x.shape[-1] % 2:
            raise ValueError(f"{self!r}: x has shape {x.shape}, expected (…, T, d) with d even")
        T, d = x.shape[-2:]
        # in float64 or better, for float32 angles would be off by T eps
        exact = np.promote_types(x.dtype, np.float64).type
        angles = np.arange(T)[:, np.newaxis] * exact(self.theta) ** (-np.arange(0, d, 2) / exact(d))
        cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)  # (T, d/2)
        self.save_for_backward(cos, sin)
        return self.turned(x, cos, sin)

    def turned(self, x: Array, cos: Array, sin: Array) -> Array:
        x1, x2 = np.split(x, 2, axis=-1)
        return np.concatenate([x1 * cos - x2 * sin, x2 * cos + x1 * sin], axis=-1)

    def backward(self, g: Array) -> Array:
        cos, sin = self.take_saved(g)
        return self.turned(g, cos, -sin)
