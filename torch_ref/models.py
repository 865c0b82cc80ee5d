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


def article_round(
    network: ArticleNetwork, x: Tensor, t: Tensor, lr: float, rule: str = "simultaneous"
) -> dict[str, float]:
    """The quantities of one round, by autograd, under the names that the article gives them.

    Args:
        x, t: one sample, (1, 2) each.
        rule: "early" carries the error back through the output weights' new values.
    """
    inside = []
    net = x
    for layer in (network.hidden, network.output):
        *linear, activation = layer
        net = nn.Sequential(*linear)(net)
        inside += [net, activation(net)]
        net = inside[-1]
    net_h, out_h, net_o, out_o = inside
    E = (t - out_o).square() / 2
    (dout_dnet_h,) = torch.autograd.grad(out_h.sum(), net_h, retain_graph=True)
    (dout_dnet_o,) = torch.autograd.grad(out_o.sum(), net_o, retain_graph=True)
    by_output = [torch.autograd.grad(e, out_h, retain_graph=True)[0] for e in E.unbind(1)]
    w_h, w_o = (p for name, p in network.named_parameters() if name.endswith("weight"))
    points = (out_o, net_o, out_h, net_h, w_h, w_o)
    dE_dout_o, dE_dnet_o, dE_dout_h, dE_dnet_h, dE_dw_h, dE_dw_o = torch.autograd.grad(
        E.sum(), points, retain_graph=True
    )
    if rule == "early":
        w_o_new = w_o - lr * dE_dw_o
        by_output = [dE_dnet_o[:, i : i + 1] * row for i, row in enumerate(w_o_new)]
        dE_dout_h = dE_dnet_o @ w_o_new
        dE_dnet_h, dE_dw_h = torch.autograd.grad(out_h, (net_h, w_h), dE_dout_h)
    named = {"E_total": E.sum()}
    for neuron, values in {
        "net_h": net_h,
        "out_h": out_h,
        "net_o": net_o,
        "out_o": out_o,
        "E_o": E,
        "dout_dnet_h": dout_dnet_h,
        "dout_dnet_o": dout_dnet_o,
        "dE_dout_o": dE_dout_o,
        "dE_dnet_o": dE_dnet_o,
        "dE_dout_h": dE_dout_h,
        "dE_dnet_h": dE_dnet_h,
        "dE_o1_dout_h": by_output[0],
        "dE_o2_dout_h": by_output[1],
    }.items():
        named |= {f"{neuron}{i + 1}": value for i, value in enumerate(values.flatten())}
    weights = torch.cat([w_h.flatten(), w_o.flatten()])
    gradients = torch.cat([dE_dw_h.flatten(), dE_dw_o.flatten()])
    for i, (w, g) in enumerate(zip(weights, gradients, strict=True), 1):
        named |= {f"w{i}": w, f"dE_dw{i}": g, f"w{i}_new": w - lr * g}
    return {name: float(value.detach()) for name, value in named.items()}
