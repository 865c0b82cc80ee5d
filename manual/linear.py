"""Layers that are linear in their input, or only reshape it."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .initializers import uniform_
from .module import Array, Module, Parameter, float_dtype, positive, refuse


class Linear(Module):
    """y = x Wᵀ + b, on the last axis.

    Forward     yₙᵢ = Σⱼ xₙⱼ Wᵢⱼ + bᵢ
    Backward, with g = ∂L/∂y:
        ∂L/∂x = g W         xₙⱼ reaches every yₙᵢ through Wᵢⱼ: ∂L/∂xₙⱼ = Σᵢ gₙᵢ Wᵢⱼ
        ∂L/∂W = gᵀ x        Wᵢⱼ is used once by every sample n, so the samples add up
        ∂L/∂b = Σₙ gₙ       bᵢ is added to yₙᵢ for every sample n

    Shapes: input (*, in_features), output (*, out_features), weight (out_features, in_features),
    bias (out_features,). The axes * are samples, all alike; there may be none.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        refuse(self, device=device)
        self.in_features = positive(self, "in_features", in_features)
        self.out_features = positive(self, "out_features", out_features)
        dtype = float_dtype(dtype)
        self.weight = Parameter(np.empty((out_features, in_features), dtype))
        self.bias = Parameter(np.empty(out_features, dtype)) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: np.random.Generator | None = None) -> None:
        """Uniform within ±1/√in_features, so that yᵢ starts with about the spread of one xⱼ."""
        bound = 1 / math.sqrt(self.in_features)
        uniform_(self.weight, -bound, bound, generator)
        if self.bias is not None:
            uniform_(self.bias, -bound, bound, generator)

    def forward(self, x: Array) -> Array:
        self.check_input(x, self.weight.data.dtype)
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ValueError(
                f"{self!r}: input's last axis is {x.shape[-1] if x.ndim else 'missing'}, "
                f"expected {self.in_features}"
            )
        self.save_for_backward(x)
        y = x @ self.weight.data.T  # (*, in) x (in, out) -> (*, out)
        if self.bias is not None:
            y += self.bias.data
        return y

    def backward(self, g: Array) -> Array:
        (x,) = self.take_saved(g)
        samples_g = g.reshape(-1, self.out_features)  # (N, out)
        # y = x @ W.T
        self.weight.accumulate(samples_g.T @ x.reshape(-1, self.in_features))  # (out, in)
        # y += b
        if self.bias is not None:
            self.bias.accumulate(samples_g.sum(axis=0))  # (out,)
        return g @ self.weight.data  # (*, out) x (out, in) -> (*, in)


class Identity(Module):
    """y = x, whatever the arguments.

    Backward    ∂L/∂x = g
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Array) -> Array:
        self.save_for_backward()
        return x

    def backward(self, g: Array) -> Array:
        self.take_saved(g)
        return g.copy()

    def arguments(self) -> dict[str, Any]:
        return {}


class Flatten(Module):
    """Axes start_dim to end_dim become one. Nothing is computed, so backward only reshapes back.

    Forward     yₙₖ = xₙ,c,h,w with k = (c H + h) W + w
    Backward    ∂L/∂xₙ,c,h,w = gₙₖ
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        axes = max(x.ndim, 1)
        for name, axis in (("start_dim", self.start_dim), ("end_dim", self.end_dim)):
            if not -axes <= axis < axes:
                raise IndexError(f"{self!r}: input has {x.ndim} axes, {name} {axis} is not one")
        start, end = self.start_dim % axes, self.end_dim % axes
        if start > end:
            raise ValueError(f"{self!r}: start_dim is after end_dim for input of {x.ndim} axes")
        self.save_for_backward(x.shape)
        merged = math.prod(x.shape[start : end + 1])
        return x.reshape(*x.shape[:start], merged, *x.shape[end + 1 :])

    def backward(self, g: Array) -> Array:
        (shape,) = self.take_saved(g)
        return g.reshape(shape).copy()
