"""Whole networks, built from the layers."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from ..containers import Sequential
from ..layers import activations, gelu, prelu
from ..layers.linear import Identity, Linear
from ..module import Module, check_positive
from ..names import name_meant

# What can stand between two layers: a function of each element that needs no arguments.
ELEMENTWISE = """
    CELU ELU GELU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid Mish
    PReLU ReLU ReLU6 SELU SiLU Sigmoid Softplus Softshrink Softsign Tanh Tanhshrink
"""
FILES = {"GELU": gelu, "PReLU": prelu}  # of those that have one of their own
ACTIVATIONS: dict[str, type[Module]] = {
    "Identity": Identity,
    **{name: getattr(FILES.get(name, activations), name) for name in ELEMENTWISE.split()},
}


def activation_named(name: str) -> str:
    """The class's name from one in any case.

    Raises:
        ValueError: there is none.
    """
    meant = name_meant(name, ACTIVATIONS)
    if meant is None:
        raise ValueError(f"there is no activation {name!r}, only {', '.join(ACTIVATIONS)}")
    return meant


def make_activation(name: str, dtype: DTypeLike | None = None) -> Module:
    """The activation of this name.

    Raises:
        ValueError: there is none.
    """
    name = activation_named(name)
    return ACTIVATIONS[name](**({"dtype": dtype} if name == "PReLU" else {}))


class MLP(Module):
    """A multilayer perceptron: linear layers with an activation f between each two.

    Forward     zₖ = hₖ₋₁ Wₖᵀ + bₖ, with h₀ = x
                hₖ = f(zₖ) for k < K
                y = z_K, of K layers
    Backward, from ∂L/∂y on, last layer first:
        ∂L/∂Wₖ = (∂L/∂zₖ)ᵀ hₖ₋₁         see Linear
        ∂L/∂bₖ = Σₙ ∂L/∂zₖ[n]
        ∂L/∂hₖ₋₁ = ∂L/∂zₖ Wₖ
        ∂L/∂zₖ₋₁ = ∂L/∂hₖ₋₁ ∘ f′(zₖ₋₁) for k > 1        chain rule: each z is in its own h alone

    Args:
        sizes: the widths from input to output, (64, 128, 10) for one hidden layer of 128.
        activation: the name of the activation's class, in any case.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "ReLU",
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.sizes = tuple(check_positive(self, "size", size) for size in sizes)
        self.activation = activation_named(activation)
        if len(self.sizes) < 2:
            raise ValueError(
                f"MLP: sizes is {self.sizes}, expected at least an input and an output"
            )
        layers: list[Module] = []
        for before, after in pairwise(self.sizes):
            layers += [Linear(before, after, dtype=dtype, generator=generator)]
            layers.append(make_activation(activation, dtype))
        self.layers = Sequential(*layers[:-1])

    def forward(self, x: Any) -> Any:
        return self.layers(x)

    def backward(self, g: Any) -> Any:
        return self.layers.backward(g)

    def without_input_gradient(self) -> Self:
        self.layers.without_input_gradient()
        return super().without_input_gradient()
