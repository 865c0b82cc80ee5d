"""The article's network in its own form, one formula a line."""

import math
from collections.abc import Iterator

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
