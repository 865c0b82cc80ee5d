"""A gated network."""

import torch
from torch import Tensor, nn


class SwiGLU(nn.Module):
    """Two linear layers side by side, of which one says how much of the other gets through."""

    def __init__(
        self, hidden_size: int, intermediate_size: int, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.hidden_size, self.intermediate_size = hidden_size, intermediate_size
        self.gate_proj = nn.Linear(hidden_size, intermediate_size, bias=False, dtype=dtype)
        self.up_proj = nn.Linear(hidden_size, intermediate_size, bias=False, dtype=dtype)
        self.down_proj = nn.Linear(intermediate_size, hidden_size, bias=False, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))
