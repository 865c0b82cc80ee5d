"""The article's network with a formula for each layer."""

from collections.abc import Iterator

import numpy as np

from .example import (
    HIDDEN_BIAS,
    HIDDEN_WEIGHTS,
    INPUTS,
    LEARNING_RATE,
    OUTPUT_BIAS,
    OUTPUT_WEIGHTS,
    TARGETS,
    Round,
)


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
