"""A mistake in the forward pass alone is named: PyTorch's, with it planted, gives the outputs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from torch_ref.checking import check

from .test_diagnosis_of_formulas import normal, sigmoid

Array = np.ndarray


class Forward:
    """Someone's layer, of which only the forward pass counts here."""

    def __init__(self, forward: Callable[..., Any], **parameters: tuple[int, ...]) -> None:
        self._forward = forward
        for name, shape in parameters.items():
            setattr(self, name, np.zeros(shape))
        self._names = [*parameters]

    def forward(self, *inputs: Array) -> Any:
        self.inputs = inputs
        return self._forward(*inputs, *(getattr(self, name) for name in self._names))

    def backward(self, *upstream: Array) -> Array:
        for name in self._names:
            setattr(self, f"d{name}", np.zeros_like(getattr(self, name)))
        return np.zeros_like(self.inputs[0])


def normalized(x: Array, axis: int, ddof: int = 0, outside: bool = False) -> Array:
    variance = x.var(axis, keepdims=True, ddof=ddof)
    deviation = np.sqrt(variance) + 1e-5 if outside else np.sqrt(variance + 1e-5)
    return (x - x.mean(axis, keepdims=True)) / deviation


def softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def convolved(x: Array, weight: Array, bias: Array, often: bool) -> Array:
    n = x.shape[-1] - weight.shape[-1] + 1
    y = np.zeros((len(x), len(weight), n))
    for k in range(weight.shape[-1]):
        y += np.einsum("oc,ncl->nol", weight[:, :, k], x[..., k : k + n])
        if often or not k:
            y += bias[:, None]
    return y


def gru(x: Array, W: Array, U: Array, b: Array, c: Array, *, before: bool) -> tuple[Array, Array]:
    size = U.shape[1]
    h, outputs = np.zeros((x.shape[1], size)), []
    for xt in x:
        a, u = xt @ W.T + b, h @ U.T + c
        r, z = sigmoid(a[:, :size] + u[:, :size]), sigmoid((a + u)[:, size : 2 * size])
        inner = (r * h) @ U[2 * size :].T + c[2 * size :] if before else r * u[:, 2 * size :]
        h = (1 - z) * np.tanh(a[:, 2 * size :] + inner) + z * h
        outputs.append(h)
    return np.stack(outputs), h[None]


LAYER = {"weight": (4,), "bias": (4,)}
SQUARE = {"weight": (3, 3), "bias": (3,)}
WINDOW = {"weight": (2, 4, 3), "bias": (2,)}
GATES = {"W": (12, 3), "U": (12, 4), "b": (12,), "c": (12,)}
MAP = {"weight_ih_l0": "W", "weight_hh_l0": "U", "bias_ih_l0": "b", "bias_hh_l0": "c"}

CASES: dict[str, tuple[Forward, Any, Array, str, str]] = {
    "the softmax's axis": (
        Forward(lambda x: softmax(x, 0)),
        torch.nn.Softmax(1),
        normal(5, 3),
        "forward-axis",
        "axis 0, not 1",
    ),
    "n − 1 in a layer norm": (
        Forward(lambda x, w, b: normalized(x, 1, 1) * w + b, **LAYER),
        torch.nn.LayerNorm(4),
        normal(5, 4),
        "forward-count",
        "n − 1, not n",
    ),
    "ε outside the root": (
        Forward(lambda x, w, b: normalized(x, 1, outside=True) * w + b, **LAYER),
        torch.nn.LayerNorm(4),
        normal(5, 4),
        "forward-epsilon",
        "outside the root",
    ),
    "n − 1 in a batch norm": (
        Forward(lambda x, w, b: normalized(x, 0, 1) * w + b, **LAYER),
        torch.nn.BatchNorm1d(4),
        normal(6, 4),
        "forward-count",
        "n − 1, not n",
    ),
    "a batch norm over the features": (
        Forward(lambda x, w, b: normalized(x, 1) * w + b, **LAYER),
        torch.nn.BatchNorm1d(4),
        normal(6, 4),
        "forward-axis",
        "axis 1",
    ),
    "no bias": (
        Forward(lambda x, w, b: x @ w.T, **SQUARE),
        torch.nn.Linear(3, 3),
        normal(5, 3),
        "forward-left-out",
        "the sum in Linear",
    ),
    "a bias for every tap": (
        Forward(lambda x, w, b: convolved(x, w, b, True), **WINDOW),
        torch.nn.Conv1d(4, 2, 3),
        normal(2, 4, 7),
        "forward-bias",
        "3 times, once for every tap",
    ),
    "the reset gate ahead": (
        Forward(lambda x, *p: gru(x, *p, before=True), **GATES),
        torch.nn.GRU(3, 4),
        normal(4, 2, 3),
        "forward-reset-gate",
        "ahead of the product",
    ),
    "a sum for the mean": (
        Forward(lambda x: (x**2).sum(1)),
        lambda x: (x**2).mean(1),
        normal(5, 3),
        "forward-count",
        "stands the sum",
    ),
    "the other approximation": (
        Forward(lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
        torch.nn.GELU(),
        normal(5, 3),
        "forward-function",
        "tanh approximation",
    ),
    "something else": (Forward(lambda x: 3 * x + 1), torch.nn.GELU(), normal(5, 3), "", ""),
}


@pytest.mark.parametrize("what", CASES)
def test_the_mistake_is_named(what: str) -> None:
    mine, reference, x, kind, words = CASES[what]
    result = check(mine, reference, x, layouts=MAP if "reset" in what else None)
    assert not result.agrees
    assert result.diagnosis.where.startswith("output 0 of the forward pass")
    verdicts = result.diagnosis.verdicts
    assert [verdict.kind for verdict in verdicts] == ([kind] if kind else []), str(result)
    assert not kind or words in verdicts[0].what, str(result)


@pytest.mark.parametrize(
    "mine",
    [
        Forward(lambda x, w, b: convolved(x, w, b, False), **WINDOW),
        Forward(lambda x, *p: gru(x, *p, before=False), **GATES),
    ],
)
def test_a_right_forward_pass_is_not_accused(mine: Forward) -> None:
    gates = "U" in vars(mine)
    reference = torch.nn.GRU(3, 4) if gates else torch.nn.Conv1d(4, 2, 3)
    x = normal(4, 2, 3) if gates else normal(2, 4, 7)
    result = check(mine, reference, x, layouts=MAP if gates else None)
    assert all(row.agrees for row in result.report.rows if row.kind == "output")
    assert not any(v.kind.startswith("forward-") for v in result.diagnosis.verdicts)
