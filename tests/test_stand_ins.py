"""What stands in for NumPy while a forward pass is traced: same numbers, gradients kept."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from torch_ref.checking.own.arrays import Array
from torch_ref.checking.own.names import SPACES
from torch_ref.checking.own.swapping import arrays_of_ours


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


FUNCTIONS: list[Any] = [
    lambda np, x: np.array([x[0, 0], 2 * x[1, 1]]),
    lambda np, x: np.array([[x[0, 0] * x[0, 1], 1.0], [0.5, x[1, 2]]]),
    lambda np, x: 1 / np.array([1, 2, 4]) * x,
    lambda np, x: np.float64(3) * x + np.asarray([1, 2, 3]),
    lambda np, x: np.pad(x, 1, mode="edge") ** 2,
    lambda np, x: np.pad(x, ((1, 0), (0, 2)), constant_values=2) * 3,
    lambda np, x: np.add.reduce(x * x, axis=1),
    lambda np, x: np.multiply.outer(x[0], x[1]),
    lambda np, x: np.maximum.reduce(x * x, axis=0),
    lambda np, x: np.vectorize(math.erf)(x),
    lambda np, x: np.vectorize(lambda v: v * v if v > 0 else -v)(x),
    lambda np, x: np.c_[x, x * x],
    lambda np, x: np.r_[x[0], x[1] ** 2],
    lambda np, x: np.select([x > 1, x > 0], [x * x, 3 * x], -x),
    lambda np, x: np.piecewise(x, [x < 0, x >= 0], [lambda v: -v, lambda v: v * v]),
    lambda np, x: np.apply_along_axis(lambda row: row / row.sum(), 1, x * x),
    lambda np, x: np.lib.stride_tricks.sliding_window_view(x, (2, 2)) ** 2,
    lambda np, x: x.reshape(-1, order="F") * np.arange(x.size),
    lambda np, x: np.sum(x * x, axis=0, where=x > 0),
    lambda np, x: np.stack([row * row for row in x]),
    lambda np, x: x.astype(np.float64, copy=False) ** 2,
    lambda np, x: np.einsum("ij,kj->ik", x, x),
    lambda np, x: np.linalg.norm(x, axis=1, keepdims=True) * x,
    lambda np, x: np.var(x, axis=0, ddof=1) + x.std(),
    lambda np, x: x[::-1] * x[:, [2, 0, 1]],
    lambda np, x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0),
    lambda np, x: np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x))),
    lambda np, x: np.random.default_rng(0).normal(size=x.shape) * x,
    lambda np, x: np.clip(x, -0.5, 0.5) * x.flat[3],
    lambda np, x: np.concatenate([x, np.zeros((1, 3))]) ** 2,
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_stand_ins_compute_what_numpy_does_and_keep_the_gradient(function: Any) -> None:
    x, v = normal(4, 3), normal(4, 3, seed=1)
    leaf = torch.tensor(x, requires_grad=True)
    with arrays_of_ours():
        y = function(SPACES["numpy"], Array(leaf)).tensor
    right = function(np, x)
    assert y.dtype == torch.float64
    assert np.allclose(y.detach().numpy(), right, 1e-13, 1e-15)
    y.sum().backward()
    assert leaf.grad is not None
    ends = [function(np, x + h * v).sum() for h in (1e-6, -1e-6)]
    assert float((leaf.grad.numpy() * v).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-6, 1e-6)


def write_rows(np: Any, x: Any) -> Any:
    out = np.zeros((4, 3))
    for i in range(4):
        out[i] = x[i] * (out[i - 1] + 1)
    return out


def write_elements(np: Any, x: Any) -> Any:
    out = np.empty((4, 3))
    for i, j in itertools.product(range(4), range(3)):
        out[i, j] = x[i, j] * x[i, 0]
    return out


def add_elements(np: Any, x: Any) -> Any:
    out = np.ones((3,))
    for i in range(4):
        for j in range(3):
            out[j] += x[i, j] * out[j - 1]
    return out


def through_views(np: Any, x: Any) -> Any:
    out = np.zeros((4, 3))
    row = out[1]
    row[2] = x[0, 0]
    out[1] += x[1]
    row *= 2
    return out * row


def masked(np: Any, x: Any) -> Any:
    y = np.exp(x)
    y[y > 1] = 0
    y[:, 1] *= 3
    return y


def columns(np: Any, x: Any) -> Any:
    h = np.zeros((3, 4))
    for t in range(4):
        h[:, t] = np.tanh(h[:, t - 1] + x[t])
    return h


def scattered(np: Any, x: Any) -> Any:
    out = np.zeros(3)
    np.add.at(out, [0, 2, 0, 1], x[:, 1] * x[:, 0])
    np.subtract.at(out, [1, 1], x[0, :2])
    return out


@pytest.mark.parametrize(
    "function",
    [write_rows, write_elements, add_elements, through_views, masked, columns, scattered],
)
def test_writes_are_followed(function: Any) -> None:
    test_stand_ins_compute_what_numpy_does_and_keep_the_gradient(function)


def test_what_is_filled_element_by_element_is_one_stack() -> None:
    with arrays_of_ours():
        y = write_elements(SPACES["numpy"], Array(normal_tensor())).tensor
    assert "View" in y.grad_fn.name()
    assert "Stack" in y.grad_fn.next_functions[0][0].name()


def normal_tensor() -> torch.Tensor:
    return torch.tensor(normal(4, 3), requires_grad=True)


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda np, x: 1 / (1 + np.exp(-x)), "Sigmoid"),
        (lambda np, x: np.exp(x) / (np.exp(x) + 1), "Sigmoid"),
        (lambda np, x: np.exp(x) / (np.exp(x) + 2), "Div"),
        (lambda np, x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True), "Div"),
        (lambda np, x: np.maximum(0.0, x), "Relu"),
        (lambda np, x: x * (x > 0), "Relu"),
        (lambda np, x: np.where(x > 0, x, 0), "Relu"),
        (lambda np, x: np.where(x > 1, x, 0), "Where"),
    ],
)
def test_functions_written_out_are_recognized(function: Any, operation: str) -> None:
    with arrays_of_ours():
        y = function(SPACES["numpy"], Array(normal_tensor())).tensor
    assert y.grad_fn.name().startswith(operation)


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("logarithm", [True, False])
def test_a_softmax_written_out_is_recognized(keepdims: bool, logarithm: bool) -> None:
    np = SPACES["numpy"]
    with arrays_of_ours():
        x = Array(normal_tensor())
        shifted = x - np.max(x, axis=1, keepdims=True)
        e = np.exp(shifted)
        total = e.sum(axis=1, keepdims=keepdims)
        total = total if keepdims else total[:, None]
        y = (shifted - np.log(total) if logarithm else e / total).tensor
    assert y.grad_fn.name().startswith("LogSoftmax" if logarithm else "Softmax")
    assert y.grad_fn.next_functions[0][0].name().endswith("AccumulateGrad")


def test_a_softmax_over_the_wrong_axis_is_not_taken_for_one() -> None:
    np = SPACES["numpy"]
    with arrays_of_ours():
        e = np.exp(Array(torch.ones(3, 3, dtype=torch.float64, requires_grad=True)))
        y = (e / e.sum(axis=1)).tensor  # a row's sum divides a column
    assert y.grad_fn.name().startswith("Div")


def test_the_marks_are_off_after_a_write() -> None:
    np = SPACES["numpy"]
    with arrays_of_ours():
        x = Array(normal_tensor())
        e = np.exp(np.negative(x))
        e[0] = 2.0
        y = (1 / (1 + e)).tensor
    assert y[0].tolist() == pytest.approx([1 / 3] * 3)
