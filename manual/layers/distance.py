"""How far two vectors are from each other, or how much they point the same way."""

from typing import Any

import numpy as np

from ..arrays import Array, summed_to
from ..module import Module, check_axis
from ..special import p_distance


def check_pair(module: Module, x1: Array, x2: Array) -> tuple[int, ...]:
    """The shape that both are broadcast to.

    Raises:
        TypeError, ValueError: they are no floating arrays of one dtype, or their shapes do not fit.
    """
    module.check_input(x1, None, "x1")
    module.check_input(x2, x1.dtype, "x2")
    try:
        return np.broadcast_shapes(x1.shape, x2.shape)
    except ValueError:
        raise ValueError(
            f"{module!r}: x1 {x1.shape} and x2 {x2.shape} do not broadcast to each other"
        ) from None


class PairwiseDistance(Module):
    """d = |v|_p of v = x₁ − x₂ + ε, along the last axis.

    Forward     d = (Σᵢ |vᵢ|^p)^(1/p)
    Backward    ∂L/∂x₁ᵢ = g sign vᵢ (|vᵢ|/d)^(p−1),     ∂L/∂x₂ = −∂L/∂x₁; 0 where v is 0
                for p = 2 that is v/d: the unit vector from x₂ to x₁

    Shapes: inputs (*, D), or broadcast to that, or numbers; output (*), with keepdim (*, 1).

    Args:
        eps: is added to the difference, not to the distance, as in PyTorch.
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        if not p >= 1:
            raise NotImplementedError(f"PairwiseDistance: p={p} is not supported, from 1 up is")
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def arguments(self) -> dict[str, Any]:
        return {"p": self.norm, "eps": self.eps, "keepdim": self.keepdim}

    def sum_lengths(self, x1: Array, x2: Array) -> dict[str, int]:
        features = max(x1.shape[-1:] + x2.shape[-1:], default=1)
        return {"output": features, "input": features + max(x1.size, x2.size)}

    def forward(self, x1: Array, x2: Array) -> Array:
        shape = check_pair(self, x1, x2)
        d, slope = p_distance(np.atleast_1d(x1), x2, self.norm, self.eps)
        self.save_for_backward(slope, x1.shape, x2.shape)
        return d[..., np.newaxis] if self.keepdim and shape else d

    def backward(self, g: Array) -> tuple[Array, Array]:
        slope, shape1, shape2 = self.take_saved(g)
        grad = g.reshape(*slope.shape[:-1], 1) * slope
        return summed_to(grad, shape1), summed_to(-grad, shape2)


class CosineSimilarity(Module):
    """cos = x₁·x₂ / (n₁ n₂) along `dim`, where nᵢ = max(|xᵢ|, ε): 1 for the same direction.

    Backward    with the unit vectors uᵢ = xᵢ/nᵢ, cos = u₁·u₂:
                ∂L/∂x₁ = g (u₂ − cos u₁)/n₁,    ∂L/∂x₂ = g (u₁ − cos u₂)/n₂
                Of u₂ only what is at a right angle to x₁ is left: a longer x₁ changes nothing.
                Where |xᵢ| < ε the length is a constant, and the second term is not there.

    Shapes: inputs of one shape, or broadcast to it; output the same without `dim`.
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def sum_lengths(self, x1: Array, x2: Array) -> dict[str, int]:
        length = max(x.shape[self.dim] for x in np.broadcast_arrays(x1, x2)) if x1.ndim else 1
        return {"output": 2 * length, "input": 2 * length + max(x1.size, x2.size)}

    def forward(self, x1: Array, x2: Array) -> Array:
        shape, shapes = check_pair(self, x1, x2), (x1.shape, x2.shape)
        x1, x2 = np.broadcast_to(x1, shape), np.broadcast_to(x2, shape)
        check_axis(self, x1, self.dim)
        axis = self.dim if shape else None
        lengths = [np.sqrt(np.square(x).sum(axis=axis, keepdims=True)) for x in (x1, x2)]
        n1, n2 = (np.maximum(n, self.eps) for n in lengths)
        u1, u2 = x1 / n1, x2 / n2
        cos = (u1 * u2).sum(axis=axis, keepdims=True)
        along = [u * (n >= self.eps) for u, n in zip((u1, u2), lengths, strict=True)]
        self.save_for_backward(u1, u2, n1, n2, cos, along, shapes)
        return cos.reshape(()) if axis is None else cos.squeeze(axis)

    def backward(self, g: Array) -> tuple[Array, Array]:
        u1, u2, n1, n2, cos, (along1, along2), (shape1, shape2) = self.take_saved(g)
        g = g.reshape(cos.shape)
        dx1 = g * (u2 - cos * along1) / n1
        dx2 = g * (u1 - cos * along2) / n2
        return summed_to(dx1, shape1), summed_to(dx2, shape2)
