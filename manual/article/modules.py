"""The article's network, built of this package's layers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..containers import Sequential
from ..layers.linear import Linear
from ..losses.pairwise import HalfSquaredError
from ..models.mlp import activation_named, make_activation
from ..module import Module
from ..optim.optimizer import Optimizer
from ..optim.sgd import SGD
from ..parameter import Parameter
from .example import (
    BIASES,
    HIDDEN_BIAS,
    HIDDEN_WEIGHTS,
    INPUTS,
    LEARNING_RATE,
    OUTPUT_BIAS,
    OUTPUT_WEIGHTS,
    TARGETS,
    Round,
)


class SharedBias(Module):
    """y = x + b, one number b for all the neurons of a layer.

    Backward    ∂L/∂x = g,  ∂L/∂b = Σ g: b is added to every element
    """

    def __init__(self, dtype: DTypeLike | None = None) -> None:
        super().__init__()
        self.bias = Parameter(np.zeros(1, float_dtype(dtype)))

    def sum_lengths(self, x: Array) -> dict[str, int]:
        return {"bias": x.size}

    def forward(self, x: Array) -> Array:
        self.check_input(x, self.bias.data.dtype, "x")
        self.save_for_backward()
        return x + self.bias.data

    def backward(self, g: Array) -> Array:
        self.take_saved(g)
        self.bias.accumulate(g.sum().reshape(1))
        return g.copy()


class ArticleNetwork(Module):
    """The article's network: one hidden layer, the activation after both layers.

    Forward     h = f(V x + c)        o = f(W h + d)
    Backward    layer by layer from the other end

    It starts from the article's numbers; with more or fewer hidden neurons than the article has,
    its weights start as those of any Linear, drawn from `generator`.

    Args:
        hidden_features: neurons in the hidden layer; the article has 2.
        activation: the name of the activation's class; the article has Sigmoid.
        biases: "fixed", "trained" or "shared", see example.py.
    """

    def __init__(
        self,
        hidden_features: int = 2,
        activation: str = "Sigmoid",
        biases: str = "fixed",
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        if biases not in BIASES:
            raise ValueError(f"biases is {biases!r}, expected one of {', '.join(BIASES)}")
        self.hidden_features, self.biases = hidden_features, biases
        self.activation = activation_named(activation)

        def layer(sizes: tuple[int, int], weights: Any, start: float) -> Sequential:
            linear = Linear(*sizes, bias=biases != "shared", dtype=dtype, generator=generator)
            holder = SharedBias(dtype) if biases == "shared" else linear
            assert holder.bias is not None
            holder.bias.data[...] = start
            holder.bias.requires_grad = biases != "fixed"
            if linear.weight.shape == np.shape(weights):
                linear.weight.data[...] = weights
            parts = [linear] if holder is linear else [linear, holder]
            return Sequential(*parts, make_activation(activation, dtype))

        self.hidden = layer((2, hidden_features), HIDDEN_WEIGHTS, HIDDEN_BIAS)
        self.output = layer((hidden_features, 2), OUTPUT_WEIGHTS, OUTPUT_BIAS)

    def forward(self, x: Array) -> Array:
        return self.output(self.hidden(x))

    def backward(self, g: Array) -> Array:
        return self.hidden.backward(self.output.backward(g))


def early_update(network: ArticleNetwork, optimizer: Optimizer, g: Array) -> dict[str, Array]:
    """One backward pass and step by the early rule, and the gradients it used, by name.

    An optimizer leaves parameters without a gradient alone: so the first step moves the output
    layer only, and the second the hidden layer only.
    """
    linear, *after = network.output
    assert isinstance(linear, Linear)
    for module in reversed(after):
        g = module.backward(g)
    linear.backward(g)
    gradients = {name: gradient.copy() for name, gradient in gradients_of(network).items()}
    optimizer.step()
    optimizer.zero_grad()
    network.hidden.backward(g @ linear.weight.data)  # through the new weights: this is the slip
    gradients |= gradients_of(network)
    optimizer.step()
    return gradients


def gradients_of(network: Module) -> dict[str, Array]:
    """Every gradient there is, by the parameter's name."""
    return {n: p.grad for n, p in network.named_parameters() if p.grad is not None}


def modules(rule: str = "simultaneous", biases: str = "fixed") -> Iterator[Round]:
    """The error and the outputs of round 0, 1, 2, …, from this package's layers and optimizer."""
    network = ArticleNetwork(biases=biases, dtype=np.float64)
    loss = HalfSquaredError()
    optimizer = SGD(network.parameters(), lr=LEARNING_RATE)
    x, t = np.array([INPUTS]), np.array([TARGETS])
    while True:
        optimizer.zero_grad()
        o = network(x)
        yield {"E_total": float(loss(o, t)), "out_o1": float(o[0, 0]), "out_o2": float(o[0, 1])}

        g = loss.backward()
        if rule == "early":
            early_update(network, optimizer, g)
        else:
            network.backward(g)
            optimizer.step()
