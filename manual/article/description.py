"""Any small network with a batch and a learning rate: what a walkthrough goes through."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ..arrays import Array
from ..layers.linear import Linear
from ..losses.classes import CrossEntropyLoss
from ..losses.pairwise import HalfSquaredError, MSELoss
from ..models.mlp import activation_named
from ..module import Module
from ..names import name_meant
from .example import (
    HIDDEN_BIAS,
    HIDDEN_WEIGHTS,
    INPUTS,
    LEARNING_RATE,
    OUTPUT_BIAS,
    OUTPUT_WEIGHTS,
    TARGETS,
)

LOSSES: dict[str, type[Module]] = {
    "half-squared": HalfSquaredError,
    "mse": MSELoss,
    "cross-entropy": CrossEntropyLoss,
}


class DescriptionError(ValueError):
    """A network that cannot be walked through; the message is one line."""


@dataclass(frozen=True)
class Description:
    """A network, a batch and a step.

    Attributes:
        weights, biases: of each layer, (out, in) and (out,).
        activations: the name of a class for each layer; "Identity" for none.
        loss: of `LOSSES`.
        x: (N, in).
        t: (N, out), or (N,) classes for the cross entropy.
        lr: η.
        trains_biases: whether the step moves the biases too.
        article: whether the quantities have the article's names.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    activations: tuple[str, ...]
    loss: str
    x: Array
    t: Array
    lr: float
    trains_biases: bool = True
    article: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.weights[0].shape[1], *(len(w) for w in self.weights))

    @property
    def layers(self) -> int:
        return len(self.weights)


def the_article() -> Description:
    """The article's network, its one sample, its biases held fixed."""
    weights = np.array(HIDDEN_WEIGHTS), np.array(OUTPUT_WEIGHTS)
    biases = np.full(2, HIDDEN_BIAS), np.full(2, OUTPUT_BIAS)
    x, t = np.array([INPUTS]), np.array([TARGETS])
    names = ("Sigmoid", "Sigmoid")
    return Description(weights, biases, names, "half-squared", x, t, LEARNING_RATE, False, True)


def drawn_network(
    sizes: Sequence[int],
    activation: str | None = None,
    loss: str = "mse",
    seed: int = 0,
    samples: int = 1,
    lr: float = 0.1,
) -> Description:
    """A network with weights and data from a seed; its activations as in `activations_of`.

    Raises:
        DescriptionError: there is no such network.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        widths = "-".join(map(str, sizes))
        raise DescriptionError(
            f"layers {widths}: expected at least two widths from 1 up, as in 3-4-2"
        )
    names = known_activations(*activations_of(len(sizes) - 1, activation))
    generator = np.random.default_rng(seed)
    weights, biases = [], []
    for before, after in pairwise(sizes):
        layer = Linear(before, after, dtype=np.float64, generator=generator)
        assert layer.bias is not None
        weights.append(layer.weight.data.round(2))  # short enough to follow by hand
        biases.append(layer.bias.data.round(2))
    x = generator.normal(size=(samples, sizes[0])).round(2)
    t: Array
    if loss == "cross-entropy":
        t = generator.integers(0, sizes[-1], size=samples)
    else:
        t = generator.normal(size=(samples, sizes[-1])).round(2)
    return check_description(Description(tuple(weights), tuple(biases), names, loss, x, t, lr))


def activations_of(layers: int, hidden: str | None = None) -> tuple[str, ...]:
    """The activations of so many layers from one: of the hidden ones, or of the only layer.

    Of none, the hidden ones have Sigmoid. There is no activation after the last of several layers.
    """
    if layers == 1 and hidden:
        return (hidden,)
    return (*[hidden or "Sigmoid"] * (layers - 1), "Identity")


def known_activations(*names: str) -> tuple[str, ...]:
    """The classes' names; DescriptionError for one that is none."""
    try:
        return tuple(map(activation_named, names))
    except ValueError as error:
        raise DescriptionError(f"activation: {error}") from None


def check_description(d: Description) -> Description:
    """The description, once everything in it fits together, with its activations' own names.

    Raises:
        DescriptionError: something does not; the message says what.
    """
    if d.loss not in LOSSES:
        raise DescriptionError(f"loss {d.loss!r}: expected one of {', '.join(LOSSES)}")
    names = known_activations(*d.activations)
    if names != d.activations:
        d = replace(d, activations=names)
    if "PReLU" in names:
        raise DescriptionError("activation PReLU has a weight of its own: not shown here")
    if not 0 < d.lr < math.inf:
        raise DescriptionError(f"lr {d.lr}: expected a number above 0")
    if not d.weights or len(d.biases) != d.layers or len(d.activations) != d.layers:
        counts = d.layers, len(d.biases), len(d.activations)
        raise DescriptionError(
            "expected a weight, a bias and an activation for each layer, not {} weights, {} biases "
            "and {} activations".format(*counts)
        )
    width = d.x.shape[1] if d.x.ndim == 2 else 0
    if width < 1 or not len(d.x):
        raise DescriptionError(f"x has the shape {d.x.shape}, expected (samples, inputs)")
    for number, (w, b) in enumerate(zip(d.weights, d.biases, strict=True), 1):
        if w.ndim != 2 or w.shape[1] != width or not len(w):
            raise DescriptionError(
                f"weights of layer {number} have the shape {w.shape}, expected (out, {width})"
            )
        if b.shape != (len(w),):
            raise DescriptionError(
                f"bias of layer {number} has the shape {b.shape}, expected ({len(w)},)"
            )
        width = len(w)
    named = {"x": d.x, "t": d.t}
    named |= {f"weights of layer {i}": w for i, w in enumerate(d.weights, 1)}
    named |= {f"bias of layer {i}": b for i, b in enumerate(d.biases, 1)}
    for name, array in named.items():
        if not np.isfinite(array).all():
            raise DescriptionError(
                f"{name} has a value that is not finite: {array[~np.isfinite(array)][0]}"
            )
    if d.loss == "cross-entropy":
        if d.t.shape != (len(d.x),) or d.t.dtype.kind not in "iu":
            raise DescriptionError(
                f"t has the shape {d.t.shape} of {d.t.dtype}, expected {len(d.x)} classes"
            )
        if d.t.min() < 0 or d.t.max() >= width:
            outside = d.t[(d.t < 0) | (d.t >= width)][0]
            raise DescriptionError(f"t has the class {outside}, expected 0 to {width - 1}")
    elif d.t.shape != (len(d.x), width):
        raise DescriptionError(f"t has the shape {d.t.shape}, expected {(len(d.x), width)}")
    return d


def loss_named(name: str) -> str:
    """The key in `LOSSES` from it or from a class's name, such as MSELoss, in any case.

    The name itself if there is none.
    """
    keys = {key: key for key in LOSSES} | {cls.__name__: key for key, cls in LOSSES.items()}
    return keys.get(name_meant(name, keys) or "", name)


def loss_class(d: Description) -> str:
    return LOSSES[d.loss].__name__
