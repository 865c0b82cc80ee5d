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
    """d = (Σᵢ |vᵢ|^p)^(1/p), with vᵢ = x₁ᵢ − x₂ᵢ + ε, along the last axis: a p-norm.

    Backward, with g = ∂L/∂d:
        ∂d/∂vᵢ = 1/p (Σⱼ |vⱼ|^p)^(1/p − 1) · p |vᵢ|^(p − 1) sign vᵢ    chain rule: the root, the
                                                        power, and |vᵢ|, whose slope is sign vᵢ
               = d^(1 − p) |vᵢ|^(p − 1) sign vᵢ         the sum is d^p
               = (|vᵢ|/d)^(p − 1) sign vᵢ
        ∂d/∂vᵢ = vᵢ/d for p = 2                         the unit vector from x₂ to x₁
        ∂L/∂x₁ᵢ = g ∂d/∂vᵢ                              chain rule
        ∂L/∂x₂ᵢ = −g ∂d/∂vᵢ                             for x₂ᵢ goes into vᵢ as −x₂ᵢ
    Where v is 0 there is no slope, and 0 is taken. With p infinite, d is the largest |vᵢ|.

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
    """c = Σᵢ u₁ᵢ u₂ᵢ, of the unit vectors u₁ and u₂, along `dim`: 1 for the same direction.

    u₁ᵢ = x₁ᵢ/n₁, with n₁ = max(√Σⱼ x₁ⱼ², ε)
    u₂ᵢ = x₂ᵢ/n₂, with n₂ = max(√Σⱼ x₂ⱼ², ε)
    Backward, with g = ∂L/∂c:
        ∂n₁/∂x₁ᵢ = 1/(2n₁) · 2x₁ᵢ = u₁ᵢ                 chain rule: the slope of √u is 1/(2√u)
        ∂c/∂x₁ᵢ = u₂ᵢ/n₁ − c/n₁ ∂n₁/∂x₁ᵢ                quotient rule: c is x₁·u₂ over n₁
                = (u₂ᵢ − c u₁ᵢ)/n₁                      what of u₂ is at a right angle to x₁
        ∂L/∂x₁ᵢ = g (u₂ᵢ − c u₁ᵢ)/n₁                    chain rule
        ∂L/∂x₂ᵢ = g (u₁ᵢ − c u₂ᵢ)/n₂                    likewise
    Where a length is below ε, ε stands for it, a constant: then the term with c is not there.

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
