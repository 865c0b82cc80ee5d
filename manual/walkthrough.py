"""One training step of a small feed-forward network, written out: formula, numbers, value.

Every quantity from the forward pass to the updated weights has one name, under which it stands in
the formulas, among the numbers, and in the result. Two views: with a formula for each layer, in
matrices, and with a formula for each neuron and each weight.

    forward     zₗ = aₗ₋₁ Wₗᵀ + bₗ        aₗ = f(zₗ)          a₀ = x, the input
    backward    ∂L/∂zₗ = ∂L/∂aₗ ∘ f′(zₗ)  ∂L/∂aₗ₋₁ = ∂L/∂zₗ Wₗ
                ∂L/∂Wₗ = (∂L/∂zₗ)ᵀ aₗ₋₁   ∂L/∂bₗ = Σ ∂L/∂zₗ over the samples
    update      Wₗ⁺ = Wₗ − η ∂L/∂Wₗ
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from .class_losses import CrossEntropyLoss
from .linear import Linear
from .losses import HalfSquaredError, MSELoss
from .models import make_activation
from .module import Array, Module, as_tuple
from .worked_example import (
    HIDDEN_BIAS,
    HIDDEN_WEIGHTS,
    INPUTS,
    LEARNING_RATE,
    OUTPUT_BIAS,
    OUTPUT_WEIGHTS,
    TARGETS,
)

LOSSES: dict[str, Callable[[], Module]] = {
    "half-squared": HalfSquaredError,
    "mse": MSELoss,
    "cross-entropy": CrossEntropyLoss,
}
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
NEURONS = 6  # of a layer, at most, in the view of single neurons
Values = dict[str, Array]  # z1, a1, dz1, da1, dW1, W1, W1_new, …, L, L_new: by hand or by autograd


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


def drawn(
    sizes: Sequence[int],
    activation: str = "Sigmoid",
    loss: str = "mse",
    seed: int = 0,
    samples: int = 1,
    lr: float = 0.1,
) -> Description:
    """A network with weights and data from a seed; there is no activation after its last layer.

    Raises:
        DescriptionError: there is no such network.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        given = "-".join(map(str, sizes))
        raise DescriptionError(
            f"layers {given}: expected at least two widths from 1 up, as in 3-4-2"
        )
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
    names = (*[activation] * (len(sizes) - 2), "Identity")
    return checked(Description(tuple(weights), tuple(biases), names, loss, x, t, lr))


def checked(d: Description) -> Description:
    """The same, if everything in it fits together.

    Raises:
        DescriptionError: something does not; the message says what.
    """
    if d.loss not in LOSSES:
        raise DescriptionError(f"loss {d.loss!r}: expected one of {', '.join(LOSSES)}")
    for name in d.activations:
        try:
            make_activation(name)
        except ValueError as error:
            raise DescriptionError(f"activation: {error}") from None
        if name == "PReLU":
            raise DescriptionError("activation PReLU has a weight of its own: not shown here")
    if not 0 < d.lr < math.inf:
        raise DescriptionError(f"lr {d.lr}: expected a number above 0")
    if not d.weights or len(d.biases) != d.layers or len(d.activations) != d.layers:
        counts = d.layers, len(d.biases), len(d.activations)
        raise DescriptionError(
            "expected a weight, a bias and an activation for each layer, not {} weights, {} biases "
            "and {} activations".format(*counts)
        )
    width = d.x.shape[1] if d.x.ndim == 2 else -1
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


def by_hand(d: Description) -> Values:
    """Every quantity of one step, by this package's layers."""
    loss, linears, activations = LOSSES[d.loss](), [], []
    found: Values = {"x": d.x, "a0": d.x, "t": d.t, "η": np.asarray(d.lr)}
    a = d.x
    for number, (w, b, name) in enumerate(zip(d.weights, d.biases, d.activations, strict=True), 1):
        linear, activation = Linear(w.shape[1], len(w), dtype=np.float64), make_activation(name)
        assert linear.bias is not None
        linear.weight.data[...], linear.bias.data[...] = w, b
        linears.append(linear)
        activations.append(activation)
        found[f"W{number}"], found[f"b{number}"] = w, b
        z = found[f"z{number}"] = linear(a)
        a = found[f"a{number}"] = activation(z)
        slope = make_activation(name)
        slope(z)
        found[f"f{number}"] = slope.backward(np.ones_like(z))
    found["L"] = np.asarray(loss(a, d.t))
    g = as_tuple(loss.backward())[0]
    for number in range(d.layers, 0, -1):
        linear, activation = linears[number - 1], activations[number - 1]
        found[f"da{number}"] = g
        dz = found[f"dz{number}"] = activation.backward(g)
        g = linear.backward(dz)
        assert linear.bias is not None
        dW, db = np.asarray(linear.weight.grad), np.asarray(linear.bias.grad)
        found[f"dW{number}"], found[f"db{number}"] = dW, db
        found[f"W{number}_new"] = d.weights[number - 1] - d.lr * dW
        found[f"b{number}_new"] = d.biases[number - 1] - (d.lr if d.trains_biases else 0) * db
        # What reaches neuron j of the layer below from neuron i alone: (N, i, j)
        found[f"from{number}"] = dz[:, :, np.newaxis] * d.weights[number - 1]
    if d.loss == "cross-entropy":
        shifted = np.exp(a - a.max(axis=1, keepdims=True))
        found["p"] = shifted / shifted.sum(axis=1, keepdims=True)
    if d.loss == "half-squared":
        found["errors"] = (d.t - a) ** 2 / 2
    found["L_new"] = np.asarray(forward(after(d, found)))
    return found


def forward(d: Description) -> Any:
    """The loss alone."""
    a = d.x
    for w, b, name in zip(d.weights, d.biases, d.activations, strict=True):
        a = make_activation(name)(a @ w.T + b)
    return LOSSES[d.loss]()(a, d.t)


def after(d: Description, values: Values) -> Description:
    """The same network with the weights of a step taken."""
    numbers = range(1, d.layers + 1)
    weights = tuple(values[f"W{i}_new"] for i in numbers)
    return replace(d, weights=weights, biases=tuple(values[f"b{i}_new"] for i in numbers))


def after_steps(d: Description, steps: int) -> Description:
    """The same network after so many steps on its batch."""
    for _ in range(steps):
        d = after(d, by_hand(d))
    return d


# ---- the steps, as formulas


@dataclass(frozen=True)
class Term:
    """A quantity in a formula: its name there, and where its value is found.

    `key` and `index` name an entry of `Values`; `factor` is a plain number that stands for itself.
    """

    name: str
    key: str = ""
    index: tuple[int, ...] | None = None
    transposed: bool = False
    plain: float | None = None

    def value(self, values: Values) -> Any:
        if self.plain is not None:
            return self.plain
        array = values[self.key]
        if self.index is not None:
            return float(array[self.index])
        return array.T if self.transposed else array


@dataclass(frozen=True)
class Step:
    """One quantity: its name, its formula of terms and signs, and what is worth knowing about it.

    Attributes:
        source: the function of this package where the formula stands as code.
    """

    result: Term
    formula: tuple[Term | str, ...]
    section: str
    source: str = ""
    note: str = ""
    more: dict[str, str] = field(default_factory=dict)


Parts = tuple[Term | str, ...]
FORWARD, LOSS, BACKWARD, UPDATE = "Forward pass", "Loss", "Backward pass", "Update"


def matrix_steps(d: Description) -> Iterator[Step]:
    """A formula for each layer."""

    def term(name: str, key: str, transposed: bool = False) -> Term:
        return Term(name, key, None, transposed)

    sub = [str(i).translate(SUBSCRIPTS) for i in range(d.layers + 1)]
    a = [term("x", "x"), *(term(f"a{sub[i]}", f"a{i}") for i in range(1, d.layers + 1))]
    for i in range(1, d.layers + 1):
        z = term(f"z{sub[i]}", f"z{i}")
        product: Parts = (a[i - 1], "·", term(f"W{sub[i]}ᵀ", f"W{i}", True), "+")
        yield Step(z, (*product, term(f"b{sub[i]}", f"b{i}")), FORWARD, "Linear.forward")
        name = d.activations[i - 1]
        function: Parts = (f"{call(name)}(", z, ")") if name != "Identity" else (z,)
        yield Step(a[i], function, FORWARD, f"{name}.forward")
    loss = term("L", "L")
    last, t = a[-1], term("t", "t")
    count = float(d.x.shape[0] * d.sizes[-1])
    samples = float(len(d.x))
    k = Term(f"{count:g}", plain=count)
    n = Term(f"{samples:g}", plain=samples)
    top = term(f"∂L/∂a{sub[-1]}", f"da{d.layers}")
    if d.loss == "half-squared":
        yield Step(loss, ("½ Σ (", t, "−", last, ")²"), LOSS, "HalfSquaredError.forward")
        slope: Parts = (last, "−", t)
        yield Step(top, slope, BACKWARD, "HalfSquaredError.backward")
    elif d.loss == "mse":
        yield Step(loss, ("Σ (", last, "−", t, ")² /", k), LOSS, "MSELoss.loss")
        yield Step(top, ("2 (", last, "−", t, ") /", k), BACKWARD, "MSELoss.slope")
    else:
        p = term("p", "p")
        yield Step(p, ("softmax(", last, ")"), LOSS, "Softmax.forward")
        yield Step(loss, ("− Σ log p of the class in", t, "/", n), LOSS, "CrossEntropyLoss.forward")
        formula: Parts = ("(", p, "− [1 at the class in", t, "] ) /", n)
        yield Step(top, formula, BACKWARD, "CrossEntropyLoss.backward")
    for i in range(d.layers, 0, -1):
        da, dz = term(f"∂L/∂a{sub[i]}", f"da{i}"), term(f"∂L/∂z{sub[i]}", f"dz{i}")
        name = d.activations[i - 1]
        slopes: Parts = (da, "∘", term(f"f′(z{sub[i]})", f"f{i}")) if name != "Identity" else (da,)
        yield Step(dz, slopes, BACKWARD, f"{name}.backward")
        transposed = term(f"(∂L/∂z{sub[i]})ᵀ", f"dz{i}", True)
        dw = term(f"∂L/∂W{sub[i]}", f"dW{i}")
        yield Step(dw, (transposed, "·", a[i - 1]), BACKWARD, "Linear.backward")
        db = term(f"∂L/∂b{sub[i]}", f"db{i}")
        yield Step(db, ("Σ over samples of", dz), BACKWARD, "Linear.backward")
        if i > 1:
            below = term(f"∂L/∂a{sub[i - 1]}", f"da{i - 1}")
            yield Step(below, (dz, "·", term(f"W{sub[i]}", f"W{i}")), BACKWARD, "Linear.backward")
    eta = Term("η", "η")
    for i in range(1, d.layers + 1):
        for kind in ("W", "b") if d.trains_biases else ("W",):
            new = term(f"{kind}{sub[i]}⁺", f"{kind}{i}_new")
            old, slope_of = (
                term(f"{kind}{sub[i]}", f"{kind}{i}"),
                term(f"∂L/∂{kind}{sub[i]}", f"d{kind}{i}"),
            )
            yield Step(new, (old, "−", eta, "·", slope_of), UPDATE, "SGD.step")
    yield Step(term("L⁺", "L_new"), ("the loss with the new weights",), UPDATE, "Module.__call__")


def call(name: str) -> str:
    """How an activation is written as a function."""
    return {"Sigmoid": "σ", "Tanh": "tanh"}.get(name, name)


class Names:
    """What neurons and weights are called: the article's names, or layer and number."""

    def __init__(self, d: Description) -> None:
        self.article = d.article
        self.sizes = d.sizes

    def neuron(self, kind: str, layer: int, i: int) -> str:
        if self.article:
            letter = "ho"[layer - 1] if layer else "i"
            return f"{kind}_{letter}{i + 1}" if layer else f"i{i + 1}"
        if layer == 0:
            return f"x_{i + 1}"
        return f"{ {'net': 'z', 'out': 'a'}[kind] }{layer}_{i + 1}"

    def weight(self, layer: int, i: int, j: int) -> str:
        if self.article:
            return f"w{4 * (layer - 1) + 2 * i + j + 1}"
        return f"w{layer}_{i + 1}{j + 1}" if max(self.sizes) < 10 else f"w{layer}_{i + 1},{j + 1}"

    def bias(self, layer: int, i: int) -> str:
        return f"b{layer}" if self.article else f"b{layer}_{i + 1}"

    @property
    def loss(self) -> str:
        return "E" if self.article else "L"


def scalar_steps(d: Description) -> Iterator[Step]:
    """A formula for each neuron and each weight, for one sample.

    Of a wide layer the first neurons are shown, with all that reaches them.
    """
    names = Names(d)
    E, L = names.loss, d.layers
    shown = [range(min(size, NEURONS)) for size in d.sizes]

    def net(layer: int, i: int) -> Term:
        return Term(names.neuron("net", layer, i), f"z{layer}", (0, i))

    def out(layer: int, i: int) -> Term:
        return Term(names.neuron("out", layer, i), f"a{layer}", (0, i))

    def weight(layer: int, i: int, j: int, new: bool = False) -> Term:
        key = f"W{layer}_new" if new else f"W{layer}"
        return Term(names.weight(layer, i, j) + ("⁺" if new else ""), key, (i, j))

    def slope(of: str, by: Term, key: str, index: tuple[int, ...]) -> Term:
        return Term(f"∂{of}/∂{by.name}", key, index)

    def added(parts: Sequence[Parts]) -> Parts:
        result: list[Term | str] = []
        for part in parts:
            result += ["+", *part] if result else part
        return tuple(result)

    for layer in range(1, L + 1):
        for i in shown[layer]:
            products = [
                (weight(layer, i, j), "·", out(layer - 1, j)) for j in range(d.sizes[layer - 1])
            ]
            of_bias = Term(names.bias(layer, i), f"b{layer}", (i,))
            yield Step(net(layer, i), added([*products, (of_bias,)]), FORWARD, "Linear.forward")
        for i in shown[layer]:
            name = d.activations[layer - 1]
            inside: Parts = (f"{call(name)}(", net(layer, i), ")")
            plain = name == "Identity"
            yield Step(
                out(layer, i), (net(layer, i),) if plain else inside, FORWARD, f"{name}.forward"
            )

    def target(i: int) -> Term:
        return Term(f"t{i + 1}" if d.article else f"t_{i + 1}", "t", (0, i))

    def error(i: int) -> Term:
        return Term(f"E_o{i + 1}" if d.article else f"l_{i + 1}", "errors", (0, i))

    count = Term(f"{d.sizes[-1]}", plain=float(d.sizes[-1]))
    outputs = range(d.sizes[-1])
    total = Term(E, "L", ())
    top: dict[int, Parts] = {}
    if d.loss == "half-squared":
        for i in outputs:
            yield Step(
                error(i),
                ("½ · (", target(i), "−", out(L, i), ")²"),
                LOSS,
                "HalfSquaredError.forward",
            )
            top[i] = ("−(", target(i), "−", out(L, i), ")")
        yield Step(total, added([(error(i),) for i in outputs]), LOSS, "HalfSquaredError.forward")
    elif d.loss == "mse":
        squares = added([("(", out(L, i), "−", target(i), ")²") for i in outputs])
        yield Step(total, ("(", *squares, ") /", count), LOSS, "MSELoss.loss")
        top = {i: ("2 · (", out(L, i), "−", target(i), ") /", count) for i in outputs}
    else:
        right = int(d.t[0])
        powers = added([("e^", out(L, i)) for i in outputs])
        for i in shown[L]:
            p = Term(f"p_{i + 1}", "p", (0, i))
            yield Step(p, ("e^", out(L, i), "/ (", *powers, ")"), LOSS, "Softmax.forward")
            top[i] = (p, "−", Term("1" if i == right else "0", plain=float(i == right)))
        of_class = Term(f"p_{right + 1}", "p", (0, right))
        yield Step(total, ("−log", of_class), LOSS, "CrossEntropyLoss.forward")
    for layer in range(L, 0, -1):
        name = d.activations[layer - 1]
        for i in shown[layer]:
            by_out = slope(E, out(layer, i), f"da{layer}", (0, i))
            if layer == L:
                yield Step(by_out, top[i], BACKWARD, f"{loss_class(d)}.backward")
            else:
                above = range(d.sizes[layer + 1])
                pieces: list[Parts] = []
                for k in above:
                    of = f"E_o{k + 1}" if d.article else f"{E}"
                    by_net = slope(E, net(layer + 1, k), f"dz{layer + 1}", (0, k))
                    if d.article:
                        piece = slope(of, out(layer, i), f"from{layer + 1}", (0, k, i))
                        product = (by_net, "·", weight(layer + 1, k, i))
                        yield Step(piece, product, BACKWARD, "Linear.backward")
                        pieces.append((piece,))
                    else:
                        pieces.append((by_net, "·", weight(layer + 1, k, i)))
                yield Step(by_out, added(pieces), BACKWARD, "Linear.backward")
            by_net = slope(E, net(layer, i), f"dz{layer}", (0, i))
            if name == "Identity":
                yield Step(by_net, (by_out,), BACKWARD, "Identity.backward")
            else:
                local = slope(out(layer, i).name, net(layer, i), f"f{layer}", (0, i))
                formula: Parts = (out(layer, i), "· (1 −", out(layer, i), ")")
                if name == "Tanh":
                    formula = ("1 −", out(layer, i), "²")
                elif name != "Sigmoid":
                    formula = (f"{call(name)}′(", net(layer, i), ")")
                yield Step(local, formula, BACKWARD, f"{name}.derivative")
                yield Step(by_net, (by_out, "·", local), BACKWARD, f"{name}.backward")
            for j in shown[layer - 1]:
                by_weight = slope(E, weight(layer, i, j), f"dW{layer}", (i, j))
                factors: Parts = (by_net, "·", out(layer - 1, j))
                if d.article and name != "Identity":  # the chain rule's three factors
                    last = slope(net(layer, i).name, weight(layer, i, j), f"a{layer - 1}", (0, j))
                    factors = (by_out, "·", local, "·", last)
                yield Step(by_weight, factors, BACKWARD, "Linear.backward")
    eta = Term("η", "η", ())
    for layer in range(1, L + 1):
        for i in shown[layer]:
            for j in shown[layer - 1]:
                old = weight(layer, i, j)
                by = slope(E, old, f"dW{layer}", (i, j))
                new = weight(layer, i, j, new=True)
                yield Step(new, (old, "−", eta, "·", by), UPDATE, "SGD.step")
            if d.trains_biases:
                bias = Term(names.bias(layer, i), f"b{layer}", (i,))
                new = Term(f"{bias.name}⁺", f"b{layer}_new", (i,))
                by = Term(f"∂{E}/∂{bias.name}", f"db{layer}", (i,))
                yield Step(new, (bias, "−", eta, "·", by), UPDATE, "SGD.step")
    yield Step(Term(f"{E}⁺", "L_new", ()), ("the error with the new weights",), UPDATE)


def loss_class(d: Description) -> str:
    return getattr(LOSSES[d.loss], "__name__", d.loss)
