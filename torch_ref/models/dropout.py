"""Dropout whose masks come from the by-hand module's generator."""

import numpy as np
import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Dropout with the by-hand module's own masks, drawn from a generator in the same state.

    PyTorch's own draws from a stream that NumPy does not have; what it does with a mask is this.
    """

    FEATURE_AXES = 0

    def __init__(
        self, p: float = 0.5, inplace: bool = False, *, generator: np.random.Generator
    ) -> None:
        super().__init__()
        self.p = p
        self.generator = generator

    def mask(self, x: Tensor) -> Tensor:
        shape = x.shape[: x.ndim - self.FEATURE_AXES] + (1,) * self.FEATURE_AXES
        return torch.from_numpy(self.generator.random(tuple(shape)) >= self.p).to(x.dtype)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mask(x) / (1 - self.p if self.p < 1 else 1) if self.training else x


class Dropout1d(Dropout):
    FEATURE_AXES = 1


class Dropout2d(Dropout):
    FEATURE_AXES = 2


class AlphaDropout(Dropout):
    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        mask, dropped, p = self.mask(x), -1.7580993408473766, self.p
        a = ((1 - p) * (1 + p * dropped**2)) ** -0.5 if p < 1 else 0.0
        return a * torch.where(mask == 1, x, dropped) - a * dropped * p
