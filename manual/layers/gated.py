"""A gated network: what one linear layer lets through of another. Source: Shazeer, 2020."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array
from ..module import Module
from .activations import SiLU
from .linear import Linear


class SwiGLU(Module):
    """y = W_down (SiLU(W_gate x) ∘ W_up x): one linear layer says how much of another gets through.

    Backward, with u = SiLU(W_gate x), v = W_up x and h = W_downᵀ g:
        ∂L/∂u = h v and ∂L/∂v = h u     each factor's gradient is the other factor
        x is used twice, so its gradients add up

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
