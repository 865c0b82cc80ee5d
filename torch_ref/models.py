"""The networks of `manual` that PyTorch does not have, in PyTorch's own idiom.

Each takes the arguments of its twin in `manual` and has the same parameter names.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn


class ExactHardsigmoid(nn.Module):
    """Hardsigmoid, all in the dtype of x.

    nn.Hardsigmoid's backward has 1/6 in float32 also where x is float64, which costs it half its
    digits; in a comparison of trajectories that would be all there is to see.
    """

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu6(x + 3) / 6


def make_activation(name: str, dtype: torch.dtype | None) -> nn.Module:
    if name == "Hardsigmoid":
        return ExactHardsigmoid()
    return nn.PReLU(dtype=dtype) if name == "PReLU" else getattr(nn, name)()


class MLP(nn.Module):
    """A multilayer perceptron: linear layers with an activation between each two."""

    def __init__(
        self, sizes: Sequence[int], activation: str = "ReLU", dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after, dtype=dtype), make_activation(activation, dtype)]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class SharedBias(nn.Module):
    """One number, added to all the neurons of a layer."""

    def __init__(self, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


class ArticleNetwork(nn.Module):
    """The worked example's network: one hidden layer, the activation after both layers."""

    def __init__(
        self,
        hidden_features: int = 2,
        activation: str = "Sigmoid",
        biases: str = "fixed",
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()

        def layer(in_features: int, out_features: int) -> nn.Sequential:
            own = biases != "shared"
            parts: list[nn.Module] = [nn.Linear(in_features, out_features, bias=own, dtype=dtype)]
            if biases == "shared":
                parts.append(SharedBias(dtype))
            return nn.Sequential(*parts, make_activation(activation, dtype))

        self.hidden = layer(2, hidden_features)
        self.output = layer(hidden_features, 2)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(biases != "fixed" or name.endswith("weight"))

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.hidden(x))


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


class HalfSquaredError(nn.Module):
    """E = ½ Σ (t − o)²."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return (target - input).square().sum() / 2
