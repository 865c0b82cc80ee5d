"""The worked example's network."""

import torch
from torch import Tensor, nn

from .mlp import make_activation


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
        self.hidden_features, self.activation, self.biases = hidden_features, activation, biases

        def layer(in_features: int, out_features: int) -> nn.Sequential:
            bias = biases != "shared"
            parts: list[nn.Module] = [nn.Linear(in_features, out_features, bias=bias, dtype=dtype)]
            if biases == "shared":
                parts.append(SharedBias(dtype))
            return nn.Sequential(*parts, make_activation(activation, dtype))

        self.hidden = layer(2, hidden_features)
        self.output = layer(hidden_features, 2)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(biases != "fixed" or name.endswith("weight"))

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.hidden(x))
