"""Rotary position embedding."""

import torch
from torch import Tensor, nn


class RotaryEmbedding(nn.Module):
    """Features i and i + d/2 at place t are turned by t θ^(−2i/d)."""

    def __init__(self, theta: float = 10_000.0) -> None:
        super().__init__()
        self.theta = theta

    def forward(self, x: Tensor) -> Tensor:
        T, d = x.shape[-2:]
        powers = -torch.arange(0, d, 2, dtype=torch.float64) / d
        angles = torch.arange(T, dtype=torch.float64)[:, None] * self.theta**powers
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        x1, x2 = x.chunk(2, dim=-1)
        return torch.cat([x1 * cos - x2 * sin, x2 * cos + x1 * sin], dim=-1)
