"""A linear layer of GPT-2's."""

import torch
from torch import Tensor, nn


class Conv1D(nn.Module):
    """A linear layer whose weight is (nx, nf), as in GPT-2's files."""

    def __init__(self, nf: int, nx: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.nf, self.nx = nf, nx
        self.weight = nn.Parameter(torch.empty(nx, nf, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(nf, dtype=dtype))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, input: Tensor) -> Tensor:
        return input @ self.weight + self.bias

    def extra_repr(self) -> str:
        return f"nf={self.nf}, nx={self.nx}"
