"""The diagnosis of a derivative that is one formula: another formula, argument or sum stands in it.

Each `Formula` is someone's layer of one or more inputs: what it computes, and what its backward
makes of the inputs, the output and the upstream gradient.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from torch_ref.checking import check
from torch_ref.checking.report import Checked

Array = np.ndarray
functional = torch.nn.functional


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


class Formula:
    """Someone's layer without parameters."""

    def __init__(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        self._forward, self._backward = forward, backward

    def forward(self, *xs: Array) -> Any:
        self.saved = xs, self._forward(*xs)
        return np.array(self.saved[1])

    def backward(self, g: Array) -> Any:
        xs, y = self.saved
        return self._backward(*xs, y, g)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def total(x: Array, axis: int = -1) -> Array:
    return x.sum(axis, keepdims=True)


def softmax(x: Array) -> Array:
    return np.exp(x) / total(np.exp(x))


def hardswish(x: Array) -> Array:
    return x * np.clip(x + 3, 0, 6) / 6


def gelu_slope(x: Array) -> Array:
    """Of the tanh approximation."""
    k = np.sqrt(2 / np.pi)
    t = np.tanh(k * (x + 0.044715 * x**3))
    return (1 + t) / 2 + x / 2 * (1 - t**2) * k * (1 + 3 * 0.044715 * x**2)


def normalize(x: Array) -> Array:
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)


def normalize_reference(x: torch.Tensor) -> torch.Tensor:
    deviation = (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    return (x - x.mean(1, keepdim=True)) / deviation


def normalize_backward(x: Array, y: Array, g: Array, axis: int = 1, inner: Any = None) -> Array:
    inner = y if inner is None else inner
    second = (g * inner).mean(axis, keepdims=True)
    return (g - g.mean(1, keepdims=True) - y * second) / np.sqrt(x.var(1, keepdims=True) + 1e-5)


def one_hot(t: Array, n: int) -> Array:
    return np.eye(n)[t]


def attend(q: Array, k: Array) -> Array:
    return q @ k.T / np.sqrt(q.shape[1])


X = normal(5, 3)
# What is wrong: computed, handed back, the reference, inputs, the kind of the verdict, its words.
WRONG: dict[str, tuple[Any, ...]] = {
    "a sigmoid's derivative is σ(y)": (
        (sigmoid, lambda x, y, g: g * sigmoid(y)),
        (torch.sigmoid, X),
        ("wrong-derivative", "σ(y)"),
    ),
    "a reciprocal's derivative is −y": (
        (lambda x: 1 / x, lambda x, y, g: g * -y),
        (torch.reciprocal, X),
        ("wrong-derivative", "the power of y² is left out"),
    ),
    "a softsign's derivative is −y²": (
        (lambda x: x / (1 + abs(x)), lambda x, y, g: -g * y**2),
        (functional.softsign, X),
        ("wrong-derivative", "−y²"),
    ),
    "an exponential's derivative is a power's": (
        (np.exp, lambda x, y, g: g * x * np.exp(x - 1)),
        (torch.exp, X),
        ("wrong-derivative", "x e^(x − 1)"),
    ),
    "tanh has the derivative of erf": (
        (np.tanh, lambda x, y, g: g * 2 / np.sqrt(np.pi) * np.exp(-(x**2))),
        (torch.tanh, X),
        ("wrong-derivative", "that of erf"),
    ),
    "GELU's sigmoid approximation has the derivative of the other one": (
        (lambda x: x * sigmoid(1.702 * x), lambda x, y, g: g * gelu_slope(x)),
        (lambda x: x * torch.sigmoid(1.702 * x), X),
        ("wrong-derivative", "GELU's tanh approximation"),
    ),
    "softmax has the Jacobian of the log-softmax": (
        (softmax, lambda x, y, g: g - y * total(g)),
        (lambda x: torch.softmax(x, -1), X),
        ("wrong-derivative", "that of the log softmax"),
    ),
    "log-softmax subtracts the product with its output": (
        (lambda x: np.log(softmax(x)), lambda x, y, g: g - total(g * y)),
        (lambda x: torch.log_softmax(x, -1), X),
        ("wrong-derivative", "g − Σ(y g)"),
    ),
    "of a centring's Jacobian only the diagonal": (
        (lambda x: x - x.mean(), lambda x, y, g: g * (1 - 1 / g.size)),
        (lambda x: x - x.mean(), X),
        ("diagonal-only", "difference"),
    ),
    "a written-out activation is left out as a whole": (
        (lambda x: x * sigmoid(1.702 * x), lambda x, y, g: g.copy()),
        (lambda x: x * torch.sigmoid(1.702 * x), X),
        ("forgotten-derivative", "product"),
    ),
    "the upstream gradient where the input belongs, in every term": (
        (
            hardswish,
            lambda x, y, g: g * ((g > -3) & (g < 3)) * g / 6 + g * np.clip(g + 3, 0, 6) / 6,
        ),
        (functional.hardswish, 3 * X),
        ("wrong-argument", "upstream gradient"),
    ),
    "the upstream gradient where the input belongs, and left out of one term": (
        (
            hardswish,
            lambda x, y, g: (np.clip(g + 3, 0, 6) + ((x > -3) & (x < 3)) * g * g) / 6,
        ),
        (functional.hardswish, 3 * X),
        ("wrong-argument", "upstream gradient"),
    ),
    "the derivative at the upstream gradient": (
        (np.tanh, lambda x, y, g: g * (1 - np.tanh(g) ** 2)),
        (torch.tanh, X),
        ("wrong-argument", "upstream gradient"),
    ),
    "a normalization's inner sum over the wrong operand": (
        (normalize, lambda x, y, g: normalize_backward(x, y, g, inner=x)),
        (normalize_reference, normal(5, 4)),
        ("wrong-argument", "x for x̂"),
    ),
    "a normalization's inner mean over the other axis": (
        (normalize, lambda x, y, g: normalize_backward(x, y, g, axis=0)),
        (normalize_reference, normal(5, 4)),
        ("wrong-axes", "variance"),
    ),
    "dK transposed": (
        (attend, lambda q, k, y, g: (g @ k / 2, g @ q / 2)),
        (lambda q, k: q @ k.T / 2, normal(5, 4), normal(5, 4, seed=1)),
        ("transpose", "input 1"),
    ),
    "the scale left out of both, and dK transposed": (
        (attend, lambda q, k, y, g: (g @ k, g @ q)),
        (lambda q, k: q @ k.T / 2, normal(5, 4), normal(5, 4, seed=1)),
        ("number-forgotten + transpose", "two mistakes"),
    ),
    "the target is off by one": (
        (
            lambda x, t: -np.log(softmax(x))[range(5), t].mean(),
            lambda x, t, y, g: g * (softmax(x) - one_hot((t + 1) % 3, 3)) / 5,
        ),
        (functional.cross_entropy, X, np.array([0, 2, 1, 1, 0])),
        ("wrong-index", "one too high"),
    ),
    "the target of the next sample": (
        (
            lambda x, t: -np.log(softmax(x))[range(5), t].mean(),
            lambda x, t, y, g: g * (softmax(x) - one_hot(np.roll(t, -1), 3)) / 5,
        ),
        (functional.cross_entropy, X, np.array([0, 2, 1, 1, 0])),
        ("wrong-index", "place after"),
    ),
    "a denominator that is not squared": (
        (lambda a, b: a / b, lambda a, b, y, g: (g / b, -g * a / b)),
        (lambda a, b: a / b, X, 1 + X**2),
        ("wrong-derivative", "stands −a/b"),
    ),
    "a guided ReLU": (
        (lambda x: np.maximum(x, 0), lambda x, y, g: g * (g > 0) * (x > 0)),
        (torch.relu, X),
        ("wrong-derivative", "upstream gradient is positive"),
    ),
    "a leaky ReLU's slope left out": (
        (lambda x: np.where(x > 0, x, 0.01 * x), lambda x, y, g: g * (x > 0)),
        (functional.leaky_relu, X),
        ("wrong-derivative", "the step x > 0"),
    ),
    "σ′ on top of a gradient towards the logits": (
        (
            lambda x, t: -np.log(softmax(x))[range(len(t)), t].mean(),
            lambda x, t, y, g: (
                g * (softmax(x) - one_hot(t, 3)) * softmax(x) * (1 - softmax(x)) / len(t)
            ),
        ),
        (functional.cross_entropy, X, np.array([0, 2, 1, 1, 0])),
        ("derivative-twice", "p(1 − p)"),
    ),
    "one term of a cross entropy": (
        (
            lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(),
            lambda p, t, y, g: -g * t / p / p.size,
        ),
        (functional.binary_cross_entropy, sigmoid(X), 1.0 * (normal(5, 3, seed=3) > 0)),
        ("forgotten-path", "binary_cross_entropy"),
    ),
    "max pooling's mask of the largest of all": (
        (
            lambda x: x.reshape(2, 3, 2, 2).max((1, 3)),
            lambda x, y, g: np.repeat(np.repeat(g, 3, 0), 2, 1) * (x == x.max()),
        ),
        (lambda x: functional.max_pool2d(x[None, None], (3, 2))[0, 0], normal(6, 4)),
        ("not-the-largest", "largest element of all"),
    ),
    "a largest value's gradient given to all": (
        (lambda x: x.max(1), lambda x, y, g: g[:, None] * np.ones_like(x)),
        (lambda x: torch.amax(x, 1), X),
        ("not-the-largest", "every element"),
    ),
    "a constant factor left out, as large as an axis": (
        (lambda x: 3 * x, lambda x, y, g: g.copy()),
        (lambda x: x * 3.0, X),
        ("number-forgotten", "3"),
    ),
}


def checked(forms: tuple[Any, Any], reference: tuple[Any, ...]) -> Checked:
    function, *inputs = reference
    return check(Formula(*forms), function, *inputs)


@pytest.mark.parametrize("what", WRONG)
def test_another_formula_is_named(what: str) -> None:
    forms, reference, (kind, words) = WRONG[what]
    result = checked(forms, reference)
    assert not result.agrees
    verdicts = result.diagnosis.verdicts
    assert [verdict.kind for verdict in verdicts] == [kind], str(result)
    assert words in verdicts[0].what, str(result)


RIGHT: dict[str, tuple[Any, ...]] = {
    "sigmoid": ((sigmoid, lambda x, y, g: g * y * (1 - y)), (torch.sigmoid, X)),
    "softmax": (
        (softmax, lambda x, y, g: y * (g - total(g * y))),
        (lambda x: torch.softmax(x, -1), X),
    ),
    "log-softmax": (
        (lambda x: np.log(softmax(x)), lambda x, y, g: g - np.exp(y) * total(g)),
        (lambda x: torch.log_softmax(x, -1), X),
    ),
    "centring": (
        (lambda x: x - x.mean(), lambda x, y, g: g - g.mean()),
        (lambda x: x - x.mean(), X),
    ),
    "normalization": ((normalize, normalize_backward), (normalize_reference, normal(5, 4))),
    "attention's scores": (
        (attend, lambda q, k, y, g: (g @ k / 2, g.T @ q / 2)),
        (lambda q, k: q @ k.T / 2, normal(5, 4), normal(5, 4, seed=1)),
    ),
}


@pytest.mark.parametrize("what", RIGHT)
def test_the_right_formula_agrees(what: str) -> None:
    result = checked(*RIGHT[what])
    assert result.agrees, str(result)
