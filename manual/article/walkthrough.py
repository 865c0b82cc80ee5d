"""One training step of a small feed-forward network, written out: formula, numbers, value.

Every quantity from the forward pass to the updated weights has one name, under which it stands in
the formulas, among the numbers, and in the result. Two views: with a formula for each layer, in
matrices, and with a formula for each neuron and each weight.

    forward     zₗ = aₗ₋₁ Wₗᵀ + bₗ        aₗ = f(zₗ)          a₀ = x, the input
    backward    ∂L/∂zₗ = ∂L/∂aₗ ∘ f′(zₗ)  ∂L/∂aₗ₋₁ = ∂L/∂zₗ Wₗ
                ∂L/∂Wₗ = (∂L/∂zₗ)ᵀ aₗ₋₁   ∂L/∂bₗ = Σ ∂L/∂zₗ over the samples
    update      Wₗ⁺ = Wₗ − η ∂L/∂Wₗ
"""

from dataclasses import replace

import numpy as np

from ..arrays import Array, as_tuple
from ..layers.linear import Linear
from ..layers.softmax import Softmax
from ..models.mlp import make_activation
from .description import LOSSES, Description
from .formulas import Values


def values_by_hand(d: Description) -> Values:
    """Every quantity of one step, by this package's layers."""
    loss, linears, activations = LOSSES[d.loss](), [], []
    values: Values = {"x": d.x, "a0": d.x, "t": d.t, "η": np.asarray(d.lr)}
    if d.loss == "cross-entropy":
        values["onehot"] = np.eye(d.sizes[-1])[d.t]
    a = d.x
    for number, (w, b, name) in enumerate(zip(d.weights, d.biases, d.activations, strict=True), 1):
        linear, activation = Linear(w.shape[1], len(w), dtype=np.float64), make_activation(name)
        assert linear.bias is not None
        linear.weight.data[...], linear.bias.data[...] = w, b
        linears.append(linear)
        activations.append(activation)
        values[f"W{number}"], values[f"b{number}"] = w, b
        z = values[f"z{number}"] = linear(a)
        a = values[f"a{number}"] = activation(z)
        slope = make_activation(name)
        slope(z)
        values[f"f{number}"] = slope.backward(np.ones_like(z))
    values["L"] = np.asarray(loss(a, d.t))
    g = as_tuple(loss.backward())[0]
    for number in range(d.layers, 0, -1):
        linear, activation = linears[number - 1], activations[number - 1]
        values[f"da{number}"] = g
        dz = values[f"dz{number}"] = activation.backward(g)
        g = linear.backward(dz)
        assert linear.bias is not None
        dW, db = np.asarray(linear.weight.grad), np.asarray(linear.bias.grad)
        values[f"dW{number}"], values[f"db{number}"] = dW, db
        values[f"W{number}_new"] = d.weights[number - 1] - d.lr * dW
        values[f"b{number}_new"] = d.biases[number - 1] - (d.lr if d.trains_biases else 0) * db
        # What reaches neuron j of the layer below from neuron i alone: (N, i, j)
        values[f"from{number}"] = dz[:, :, np.newaxis] * d.weights[number - 1]
        values[f"db{number}_sum"] = db.sum()
    return values | parts_of_loss(d, a) | again(after(d, values))


def parts_of_loss(d: Description, out: Array) -> Values:
    """What a loss is made of: the shares of a cross entropy, the errors of a half squared one."""
    if d.loss == "cross-entropy":
        return {"p": Softmax(1)(out)}
    return {"errors": (d.t - out) ** 2 / 2} if d.loss == "half-squared" else {}


def again(d: Description) -> Values:
    """The quantities of the forward pass with the new weights, and the loss."""
    values, a = {}, d.x
    for number, (w, b, name) in enumerate(zip(d.weights, d.biases, d.activations, strict=True), 1):
        z = values[f"z{number}"] = a @ w.T + b
        a = values[f"a{number}"] = make_activation(name)(z)
    values |= {**parts_of_loss(d, a), "L": np.asarray(LOSSES[d.loss]()(a, d.t))}
    return {f"{name}_new": value for name, value in values.items()}


def after(d: Description, values: Values) -> Description:
    """The network with the new weights of a step, found in the step's values."""
    numbers = range(1, d.layers + 1)
    weights = tuple(values[f"W{i}_new"] for i in numbers)
    return replace(d, weights=weights, biases=tuple(values[f"b{i}_new"] for i in numbers))


def after_steps(d: Description, steps: int) -> Description:
    """The network after so many steps on its batch."""
    for _ in range(steps):
        d = after(d, values_by_hand(d))
    return d
