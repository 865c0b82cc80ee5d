"""A gated network: what one linear layer lets through of another. Source: Shazeer, 2020."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array
from ..module import Module
from .activations import SiLU
from .linear import Linear


class SwiGLU(Module):
    """y = (u ∘ v) W_downᵀ, with u = a ∘ σ(a), a = x W_gateᵀ and v = x W_upᵀ.

    u, SiLU of one linear layer, says how much of another, v, gets through; ∘ is element by element.
    Backward, with g = ∂L/∂y; of the linear layers as in Linear:
        h = g W_down                            what reaches u ∘ v
        ∂L/∂u = h ∘ v                           product rule: each has the other as its factor
        ∂L/∂v = h ∘ u
        ∂L/∂a = ∂L/∂u ∘ (σ(a) + a ∘ σ(a) ∘ (1 − σ(a)))      see SiLU
        ∂L/∂x = ∂L/∂v W_up + ∂L/∂a W_gate       x is used twice, so its gradients add up

    Shapes: input and output (*, hidden_size).
    """

    def __init__(
        self,
        hidden_size: int,
        intermediate_size: int,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.hidden_size, self.intermediate_size = hidden_size, intermediate_size
        made: dict[str, Any] = {"bias": False, "dtype": dtype, "generator": generator}
        self.gate_proj = Linear(hidden_size, intermediate_size, **made)
        self.up_proj = Linear(hidden_size, intermediate_size, **made)
        self.down_proj = Linear(intermediate_size, hidden_size, **made)
        self.act_fn = SiLU()

    def forward(self, x: Array) -> Array:
        self.check_input(x, self.up_proj.weight.data.dtype, "x")
        if x.shape[-1:] != (self.hidden_size,):
            raise ValueError(f"{self!r}: x has shape {x.shape}, expected (*, {self.hidden_size})")
        u, v = self.act_fn(self.gate_proj(x)), self.up_proj(x)
        self.save_for_backward(u, v)
        return self.down_proj(u * v)

    def backward(self, g: Array) -> Array:
        u, v = self.take_saved(g)
        h = self.down_proj.backward(g)
        # u v
        return self.up_proj.backward(h * u) + self.gate_proj.backward(self.act_fn.backward(h * v))
