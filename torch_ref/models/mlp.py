"""A multilayer perceptron, and the activations that a network is made with."""

from collections.abc import Sequence
from itertools import pairwise

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
        self.sizes, self.activation = tuple(sizes), activation
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after, dtype=dtype), make_activation(activation, dtype)]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
