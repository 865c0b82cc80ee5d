"""The article's worked example: a 2-2-2 sigmoid network, one round of backpropagation, then 10,000.

    i1 ──w1──▶ h1 ──w5──▶ o1        i1 = .05   i2 = .10   targets .01 and .99
       ╲w3 ╱w2    ╲w7 ╱w6           w1 … w4 = .15 .20 .25 .30   b1 = .35 for both hidden neurons
       ╱  ╲       ╱  ╲              w5 … w8 = .40 .45 .50 .55   b2 = .60 for both outputs
    i2 ──w4──▶ h2 ──w8──▶ o2        E = ½ Σ (target − out)²     learning rate .5

Three forms of it stand below, from the article's own to this project's: `scalars`, one formula a
line; `matrices`, a formula for each layer; `modules`, built of this package's parts. They give the
same numbers. Each can be trained in several ways, since what the article prints comes from more
than one of them:

    rule "simultaneous": all weights are updated from gradients taken at one point: gradient descent
    rule "early":        w5 … w8 are updated first, and the error is carried back through their new
                         values. That is a slip, not a gradient of anything.
    biases "fixed":      as the article computes
    biases "trained":    as the article says, one bias for each neuron
    biases "shared":     trained, with one bias for each layer, as the article draws

Source: M. Mazur, "A Step by Step Backpropagation Example", 2015.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .linear import Linear
from .losses import HalfSquaredError
from .models import make_activation
from .module import Array, Module, Parameter, Sequential, float_dtype
from .optimizer import Optimizer
from .optimizers import SGD

RULES = ("simultaneous", "early")
BIASES = ("fixed", "trained", "shared")
INPUTS, TARGETS = (0.05, 0.10), (0.01, 0.99)
HIDDEN_WEIGHTS, HIDDEN_BIAS = ((0.15, 0.20), (0.25, 0.30)), 0.35
OUTPUT_WEIGHTS, OUTPUT_BIAS = ((0.40, 0.45), (0.50, 0.55)), 0.60
LEARNING_RATE = 0.5

Round = dict[str, float]


def scalars(rule: str = "simultaneous", biases: str = "fixed") -> Iterator[Round]:
    """Every quantity of round 0, 1, 2, … by its name in the article; w1_new is its w1⁺."""

    def logistic(net: float) -> float:
        return 1 / (1 + math.exp(-net))

    (i1, i2), (t1, t2), lr = INPUTS, TARGETS, LEARNING_RATE
    (w1, w2), (w3, w4) = HIDDEN_WEIGHTS
    (w5, w6), (w7, w8) = OUTPUT_WEIGHTS
    b_h1 = b_h2 = HIDDEN_BIAS
    b_o1 = b_o2 = OUTPUT_BIAS
    while True:
        # The forward pass
        net_h1 = w1 * i1 + w2 * i2 + b_h1
        net_h2 = w3 * i1 + w4 * i2 + b_h2
        out_h1 = logistic(net_h1)
        out_h2 = logistic(net_h2)
        net_o1 = w5 * out_h1 + w6 * out_h2 + b_o1
        net_o2 = w7 * out_h1 + w8 * out_h2 + b_o2
        out_o1 = logistic(net_o1)
        out_o2 = logistic(net_o2)
        E_o1 = (t1 - out_o1) ** 2 / 2
        E_o2 = (t2 - out_o2) ** 2 / 2
        E_total = E_o1 + E_o2

        # The backward pass, output layer: ∂E/∂w5 = ∂E/∂out_o1 · ∂out_o1/∂net_o1 · ∂net_o1/∂w5
        dE_dout_o1 = -(t1 - out_o1)
        dE_dout_o2 = -(t2 - out_o2)
        dout_dnet_o1 = out_o1 * (1 - out_o1)
        dout_dnet_o2 = out_o2 * (1 - out_o2)
        dE_dnet_o1 = dE_dout_o1 * dout_dnet_o1
        dE_dnet_o2 = dE_dout_o2 * dout_dnet_o2
        dE_dw5 = dE_dnet_o1 * out_h1
        dE_dw6 = dE_dnet_o1 * out_h2
        dE_dw7 = dE_dnet_o2 * out_h1
        dE_dw8 = dE_dnet_o2 * out_h2
        w5_new = w5 - lr * dE_dw5
        w6_new = w6 - lr * dE_dw6
        w7_new = w7 - lr * dE_dw7
        w8_new = w8 - lr * dE_dw8

        # Hidden layer: each hidden neuron acts through both outputs, so both errors come back
        v5, v6, v7, v8 = (w5_new, w6_new, w7_new, w8_new) if rule == "early" else (w5, w6, w7, w8)
        dE_o1_dout_h1 = dE_dnet_o1 * v5
        dE_o2_dout_h1 = dE_dnet_o2 * v7
        dE_o1_dout_h2 = dE_dnet_o1 * v6
        dE_o2_dout_h2 = dE_dnet_o2 * v8
        dE_dout_h1 = dE_o1_dout_h1 + dE_o2_dout_h1
        dE_dout_h2 = dE_o1_dout_h2 + dE_o2_dout_h2
        dout_dnet_h1 = out_h1 * (1 - out_h1)
        dout_dnet_h2 = out_h2 * (1 - out_h2)
        dE_dnet_h1 = dE_dout_h1 * dout_dnet_h1
        dE_dnet_h2 = dE_dout_h2 * dout_dnet_h2
        dE_dw1 = dE_dnet_h1 * i1
        dE_dw2 = dE_dnet_h1 * i2
        dE_dw3 = dE_dnet_h2 * i1
        dE_dw4 = dE_dnet_h2 * i2
        w1_new = w1 - lr * dE_dw1
        w2_new = w2 - lr * dE_dw2
        w3_new = w3 - lr * dE_dw3
        w4_new = w4 - lr * dE_dw4

        yield {name: value for name, value in locals().items() if isinstance(value, float)}

        w1, w2, w3, w4 = w1_new, w2_new, w3_new, w4_new
        w5, w6, w7, w8 = w5_new, w6_new, w7_new, w8_new
        if biases == "trained":
            b_h1, b_h2 = b_h1 - lr * dE_dnet_h1, b_h2 - lr * dE_dnet_h2
            b_o1, b_o2 = b_o1 - lr * dE_dnet_o1, b_o2 - lr * dE_dnet_o2
        elif biases == "shared":
            b_h1 = b_h2 = b_h1 - lr * (dE_dnet_h1 + dE_dnet_h2)
            b_o1 = b_o2 = b_o1 - lr * (dE_dnet_o1 + dE_dnet_o2)


def matrices(rule: str = "simultaneous", biases: str = "fixed") -> Iterator[Round]:
    """The error and the outputs of round 0, 1, 2, …, with a formula for each layer.

    Forward     h = σ(V x + c)              o = σ(W h + d)              E = ½ |t − o|²
    Backward    δₒ = (o − t) ∘ o ∘ (1 − o)  δₕ = Wᵀ δₒ ∘ h ∘ (1 − h)    with ∘ element by element
                ∂E/∂W = δₒ hᵀ               ∂E/∂V = δₕ xᵀ
                ∂E/∂d = δₒ                  ∂E/∂c = δₕ                  (shared: the sum over it)
    """
    x, t, lr = np.array(INPUTS), np.array(TARGETS), LEARNING_RATE
    V, c = np.array(HIDDEN_WEIGHTS), np.full(2, HIDDEN_BIAS)
    W, d = np.array(OUTPUT_WEIGHTS), np.full(2, OUTPUT_BIAS)
    while True:
        h = 1 / (1 + np.exp(-(V @ x + c)))
        o = 1 / (1 + np.exp(-(W @ h + d)))
        yield {"E_total": ((t - o) ** 2).sum() / 2, "out_o1": o[0], "out_o2": o[1]}

        delta_o = (o - t) * o * (1 - o)
        W_new = W - lr * np.outer(delta_o, h)
        delta_h = (W_new if rule == "early" else W).T @ delta_o * h * (1 - h)
        V_new = V - lr * np.outer(delta_h, x)
        W, V = W_new, V_new
        if biases == "trained":
            c, d = c - lr * delta_h, d - lr * delta_o
        elif biases == "shared":
            c, d = c - lr * delta_h.sum(), d - lr * delta_o.sum()


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
        self.check_input(x, self.bias.data.dtype)
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
        biases: "fixed", "trained" or "shared", see above.
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
        self.hidden_features, self.activation, self.biases = hidden_features, activation, biases

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


FORMS = {"scalars": scalars, "matrices": matrices, "modules": modules}


@dataclass(frozen=True)
class Figure:
    """A number that the article prints, and the run that gives exactly its digits.

    `round`, `rule` and `biases` say which run reproduces it, and `digits` what of it, where that is
    not what is printed. `said_of` is the round of which the article says it.
    """

    name: str
    quantity: str
    printed: str
    round: int
    rule: str = "simultaneous"
    biases: str = "fixed"
    claimed_round: int | None = None
    slipped: str | None = None
    why: str = ""

    @property
    def digits(self) -> str:
        return self.slipped or self.printed

    @property
    def said_of(self) -> int:
        return self.round if self.claimed_round is None else self.claimed_round


EARLY = "reached only if w5 … w8 are updated before they carry the error back"

FIGURES = (
    Figure("net h1", "net_h1", "0.3775", 0),
    Figure("out h1", "out_h1", "0.593269992", 0),
    Figure("out h2", "out_h2", "0.596884378", 0),
    Figure("net o1", "net_o1", "1.105905967", 0),
    Figure("out o1", "out_o1", "0.75136507", 0),
    Figure("out o2", "out_o2", "0.772928465", 0),
    Figure("E o1", "E_o1", "0.274811083", 0),
    Figure("E o2", "E_o2", "0.023560026", 0),
    Figure("E before", "E_total", "0.298371109", 0),
    Figure("∂E/∂out o1", "dE_dout_o1", "0.74136507", 0),
    Figure("∂out/∂net o1", "dout_dnet_o1", "0.186815602", 0),
    Figure("∂E/∂net o1", "dE_dnet_o1", "0.138498562", 0),
    Figure("∂E/∂w5", "dE_dw5", "0.082167041", 0),
    Figure("w5 after", "w5_new", "0.35891648", 0),
    Figure("w6 after", "w6_new", "0.408666186", 0),
    Figure("w7 after", "w7_new", "0.511301270", 0),
    Figure("w8 after", "w8_new", "0.561370121", 0),
    Figure("∂E_o1/∂out h1", "dE_o1_dout_h1", "0.055399425", 0),
    Figure(
        "∂E_o2/∂out h1",
        "dE_o2_dout_h1",
        "-0.019049119",
        0,
        slipped="-0.019049118",
        why="the difference of two figures already rounded, 0.036350306 − 0.055399425",
    ),
    Figure("∂E/∂out h1", "dE_dout_h1", "0.036350306", 0),
    Figure("∂out/∂net h1", "dout_dnet_h1", "0.241300709", 0),
    Figure("∂E/∂w1", "dE_dw1", "0.000438568", 0),
    Figure("w1 after", "w1_new", "0.149780716", 0),
    Figure("w2 after", "w2_new", "0.19956143", 0),
    Figure("w3 after", "w3_new", "0.24975114", 0),
    Figure("w4 after", "w4_new", "0.29950229", 0),
    Figure("E after 1 round", "E_total", "0.291027924", 1, rule="early", why=EARLY),
    Figure(
        "E after 10,000",
        "E_total",
        "0.0000351085",
        9_999,
        claimed_round=10_000,
        why="the error after 9,999 rounds",
    ),
    Figure(
        "o1 after 10,000",
        "out_o1",
        "0.159121960",
        10_000,
        rule="early",
        slipped="0.015912196",
        why="the early update again, its decimal point slipped",
    ),
    Figure("o2 after 10,000", "out_o2", "0.984065734", 10_000, rule="early", why=EARLY),
)


def rounds(wanted: set[int], rule: str = "simultaneous", biases: str = "fixed") -> dict[int, Round]:
    """The wanted rounds of a run by the article's own formulas."""
    numbered = islice(enumerate(scalars(rule, biases)), max(wanted) + 1)
    return {n: quantities for n, quantities in numbered if n in wanted}


def reproduce(figure: Figure) -> float:
    """The figure's value in the run that explains it."""
    return rounds({figure.round}, figure.rule, figure.biases)[figure.round][figure.quantity]


def figures_table(rule: str, biases: str, autograd: dict[int, Round] | None = None) -> str:
    """Every figure that the article prints beside this run's, and where they differ the reason.

    Args:
        rule, biases: the run to show.
        autograd: the same run's quantities in PyTorch, by round, for a column of their own.
    """
    mine = rounds({figure.said_of for figure in FIGURES}, rule, biases)
    lines = [
        f"{'':18}{'the article':>14}{'by hand':>18}" + (f"{'autograd':>18}" if autograd else "")
    ]
    reasons: dict[str, str] = {}
    for figure in FIGURES:
        value = mine[figure.said_of][figure.quantity]
        decimals = len(figure.printed.partition(".")[2])
        same = f"{value:.{decimals}f}" == figure.printed
        line = f"{figure.name:18}{figure.printed:>14}{value:18.{max(decimals, 9)}f}"
        if autograd:
            theirs = autograd.get(figure.said_of, {}).get(figure.quantity)
            line += f"{'not run':>18}" if theirs is None else f"{theirs:18.{max(decimals, 9)}f}"
        if not same:
            own = (rule, biases) == ("simultaneous", "fixed")
            why = figure.why if own else "of the other rule or biases, or a slip that is told there"
            reasons.setdefault(why, f"({len(reasons) + 1})")
            line += f"  {reasons[why]}"
        lines.append(line)
    if reasons:
        lines += ["", "What the article prints there is"]
    digits = {figure.why: f": {figure.digits}" for figure in reversed(FIGURES) if figure.why}
    lines += [f"{mark} {why}{digits.get(why, '')}" for why, mark in reasons.items()]
    return "\n".join(lines)
