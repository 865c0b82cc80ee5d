"""Slips of the pen in a formula, and mistakes made with windows, axes and steps.

Each `Formula` is someone's function, right but for what its name says. It is checked against
PyTorch's, and against its own forward pass, where the function is written out.
"""

import ast
from typing import Any

import numpy as np
import pytest
import torch

from torch_ref.checking import check, check_own
from torch_ref.checking.report import Checked
from torch_ref.diagnosis.slips import read, slips_of, value_of

from .test_diagnosis_of_formulas import Formula, normal, one_hot, sigmoid, softmax, total

Array = np.ndarray
functional = torch.nn.functional
X, T = normal(5, 3), np.random.default_rng(1).uniform(0.1, 0.9, (5, 3))
CHANCES = np.random.default_rng(2).uniform(0.1, 0.9, (5, 3))
CLASSES = np.array([0, 2, 1, 2, 0])
none: dict[str, Any] = {"reduction": "none"}


def entropy(p: Array, t: Array) -> Array:
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def entropy_of_logits(x: Array, t: Array) -> Array:
    return entropy(sigmoid(x), t)


def cross_entropy(x: Array, t: Array) -> Array:
    return -np.log(softmax(x)[np.arange(len(t)), t])


def unit(x: Array) -> Array:
    return x / np.sqrt(total(x * x))


def centred(x: Array) -> Array:
    return x - x.mean(1, keepdims=True)


def centred_reference(x: torch.Tensor) -> torch.Tensor:
    return x - x.mean(1, keepdim=True)


def length(x: Array) -> Array:
    return np.sqrt(total(x * x))


# Forward and backward; reference and inputs; the kind and words of the verdict.
SLIPS: dict[str, tuple[Any, Any, Any, str, str]] = {
    "a softsign's sign": (
        lambda x: x / (1 + abs(x)),
        lambda x, y, g: g / (1 - abs(x)) ** 2,
        (functional.softsign, X),
        "sign",
        "the sign of abs(x)",
    ),
    "a softplus without x": (
        lambda x: np.log(1 + np.exp(2 * x)) / 2,
        lambda x, y, g: g * sigmoid(np.full_like(x, 2.0)),
        (torch.nn.Softplus(2.0), X),
        "forgotten-factor",
        "x of b * x is left out",
    ),
    "the input for the upstream gradient": (
        np.tanh,
        lambda x, y, g: x * (1 - y * y),
        (torch.tanh, X),
        "wrong-derivative",
        "stands x for g",
    ),
    "the loss of logits at probabilities": (
        entropy,
        lambda p, t, y, g: g * (sigmoid(p) - t),
        (torch.nn.BCELoss(**none), CHANCES, T),
        "wrong-derivative",
        "the loss of logits",
    ),
    "the denominator of a loss of probabilities left out": (
        entropy,
        lambda p, t, y, g: g * (p - t),
        (torch.nn.BCELoss(**none), CHANCES, T),
        "forgotten-factor",
        "x * (1 − x)",
    ),
    "x − t": (
        entropy_of_logits,
        lambda x, t, y, g: g * (x - t),
        (torch.nn.BCEWithLogitsLoss(**none), X, T),
        "wrong-derivative",
        "stands x for sigmoid(x)",
    ),
    "−1/p of a cross entropy alone": (
        cross_entropy,
        lambda x, t, y, g: -g[:, None] * one_hot(t, 3) / softmax(x),
        (torch.nn.CrossEntropyLoss(**none), X, CLASSES),
        "forgotten-derivative",
        "the softmax is left out",
    ),
    "p − 1 for every class": (
        cross_entropy,
        lambda x, t, y, g: g[:, None] * (softmax(x) - 1),
        (torch.nn.CrossEntropyLoss(**none), X, CLASSES),
        "wrong-derivative",
        "stands 1 for t",
    ),
    "a centring's mean over the samples": (
        centred,
        lambda x, y, g: g - g.mean(0),
        (centred_reference, X),
        "wrong-axes",
        "over axis 0",
    ),
    "a unit vector's sum over the samples": (
        unit,
        lambda x, y, g: (g - y * (g * y).sum(0)) / length(x),
        (functional.normalize, X),
        "wrong-axes",
        "over axis 0",
    ),
    "a unit vector's length squared": (
        unit,
        lambda x, y, g: (g - y * total(g * y)) / length(x) ** 2,
        (functional.normalize, X),
        "wrong-derivative",
        "stands n² for n",
    ),
    "a log-sum-exp over the samples": (
        lambda x: np.log(np.exp(x).sum(1)),
        lambda x, y, g: g[:, None] * np.exp(x) / np.exp(x).sum(0),
        (lambda x: torch.logsumexp(x, 1), X),
        "wrong-axes",
        "over axis 0",
    ),
    "an exponent left out, as large as an axis": (
        lambda x: x**3,
        lambda x, y, g: g * x**2,
        (lambda x: x**3, X),
        "number-forgotten",
        "the exponent",
    ),
    "a cosine's length left out": (
        lambda a, b: (unit(a) * unit(b)).sum(1),
        lambda a, b, y, g: (
            g[:, None] * (unit(b) - y[:, None] * unit(a)),
            g[:, None] * (unit(a) - y[:, None] * unit(b)) / length(b),
        ),
        (torch.nn.CosineSimilarity(), X, T),
        "forgotten-factor",
        "n of (g − y * total(g * y)) / n is left out",
    ),
    "of three uses the last": (
        lambda a, b: a * b + a + np.maximum(a, 0),
        lambda a, b, y, g: (g * (a > 0), g * a),
        (lambda a, b: a * b + a + torch.relu(a), X, T),
        "overwritten",
        "used 3 times",
    ),
    "a cumulative sum, not its transpose": (
        lambda x: x.cumsum(1),
        lambda x, y, g: g.cumsum(1),
        (lambda x: x.cumsum(1), X),
        "transpose",
        "its own transpose",
    ),
    "softmax": (softmax, lambda x, y, g: y * (g - total(g * y)), (torch.nn.Softmax(1), X), "", ""),
    "entropy": (
        entropy,
        lambda p, t, y, g: g * (p - t) / (p * (1 - p)),
        (torch.nn.BCELoss(**none), CHANCES, T),
        "",
        "",
    ),
}


def named(checked: Checked, kind: str, words: str) -> None:
    assert checked.agrees == (not kind), str(checked)
    verdicts = checked.diagnosis.verdicts
    assert [verdict.kind for verdict in verdicts] == ([kind] if kind else []), str(checked)
    assert not kind or words in " ".join([verdicts[0].what, *verdicts[0].same]), str(checked)


@pytest.mark.parametrize("what", SLIPS)
def test_a_slip_is_named(what: str) -> None:
    forward, backward, (reference, *inputs), kind, words = SLIPS[what]
    named(check(Formula(forward, backward), reference, *inputs), kind, words)


OWN = {
    "a unit vector's length squared": "wrong-derivative",
    "a centring's mean over the samples": "wrong-axes",
    "the loss of logits at probabilities": "wrong-derivative",
    "an exponent left out, as large as an axis": "number-forgotten",
    "entropy": "",
}


@pytest.mark.parametrize("what", OWN)
def test_it_is_named_where_the_function_is_written_out(what: str) -> None:
    forward, backward, (_, *inputs), _, _ = SLIPS[what]
    named(check_own(Formula(forward, backward), *inputs), OWN[what], "")


class Pooling:
    """The largest of every `size` numbers, `step` apart."""

    def __init__(self, size: int, step: int, bug: str = "") -> None:
        self.size, self.step, self.bug = size, step, bug

    def forward(self, x: Array) -> Array:
        self.x = x
        self.count = (x.shape[-1] - self.size) // self.step + 1
        return np.stack([self.window(x, i).max(-1) for i in range(self.count)], -1)

    def window(self, x: Array, i: int) -> Array:
        return x[..., i * self.step : i * self.step + self.size]

    def backward(self, g: Array) -> Array:
        dx = np.zeros_like(self.x)
        for i in range(self.count):
            part = self.window(self.x, i)
            mask = (part == part.max(-1, keepdims=True)) * 1.0
            if self.bug in ("first", "last"):
                mask = np.zeros_like(part)
                mask[..., 0 if self.bug == "first" else -1] = 1
            if self.bug == "smallest":
                mask = (part == part.min(-1, keepdims=True)) * 1.0
            if self.bug == "assigned":
                self.window(dx, i)[...] = mask * g[..., i : i + 1]
            else:
                self.window(dx, i)[...] += mask * g[..., i : i + 1]
        return dx


@pytest.mark.parametrize(
    ("bug", "kind"),
    [
        ("", ""),
        ("first", "not-the-largest"),
        ("last", "not-the-largest"),
        ("assigned", "assigned-for-added"),
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_pooling_by_windows(bug: str, kind: str, own: bool) -> None:
    x, mine = normal(2, 3, 8), Pooling(3, 2 if own else 1, bug)
    if own:
        named(check_own(mine, x), kind, "")
    else:
        named(check(mine, torch.nn.MaxPool1d(3, 1), x), kind, bug if bug != "assigned" else "")


def test_the_smallest_of_a_window() -> None:
    result = check(Pooling(2, 2, "smallest"), torch.nn.MaxPool1d(2), normal(2, 3, 8))
    named(result, "not-the-largest", "smallest")


class Characters:
    """A recurrent network written as one: h = tanh(x Wx + h Wh), y = h Wy."""

    def __init__(self, bug: str = "") -> None:
        self.bug = bug
        self.Wx, self.Wh, self.Wy = np.zeros((5, 4)), np.zeros((4, 4)), np.zeros((4, 5))

    def forward(self, x: Array) -> Array:
        self.x, self.h = x, [np.zeros((x.shape[1], 4))]
        for xt in x:
            self.h.append(np.tanh(xt @ self.Wx + self.h[-1] @ self.Wh))
        return np.stack([h @ self.Wy for h in self.h[1:]])

    def backward(self, g: Array) -> Array:
        self.dWx, self.dWh, self.dWy = (np.zeros_like(W) for W in (self.Wx, self.Wh, self.Wy))
        dx, carried = np.zeros_like(self.x), np.zeros_like(self.h[0])
        for t in reversed(range(len(g))):
            before, h = self.h[t], self.h[t + 1]
            self.dWy += h.T @ g[t]
            dh = g[t] @ self.Wy.T + carried * ("carry" not in self.bug)
            dz = dh * (1 - h if "1 − h" in self.bug else 1 - h * h)
            self.dWx += self.x[t].T @ dz
            self.dWh += before.T @ dz
            dx[t], carried = dz @ self.Wx.T, dz @ self.Wh.T
        return dx


class CharactersReference(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        shapes = ((5, 4), (4, 4), (4, 5))
        self.Wx, self.Wh, self.Wy = (torch.nn.Parameter(torch.randn(s) / 2) for s in shapes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, outputs = x.new_zeros(x.shape[1], 4), []
        for xt in x:
            h = torch.tanh(xt @ self.Wx + h @ self.Wh)
            outputs.append(h @ self.Wy)
        return torch.stack(outputs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bug", "kind"),
    [
        ("", ""),
        ("no carry", "forgotten-path"),
        ("1 − h", "wrong-derivative"),
        ("no carry, and 1 − h", "forgotten-path + wrong-derivative"),
    ],
)
def test_a_character_network(bug: str, kind: str) -> None:
    named(check(Characters(bug), CharactersReference(), normal(4, 3, 5)), kind, "")


class Shifted:
    """A batch norm of x + b: b's gradient is zero, being the sum of what cancels."""

    def __init__(self, bug: str = "") -> None:
        self.b, self.bug = np.zeros(3), bug

    def forward(self, x: Array) -> Array:
        z = x + self.b
        self.s = np.sqrt(z.var(0) + 1e-5)
        self.h = (z - z.mean(0)) / self.s
        return self.h

    def backward(self, g: Array) -> Array:
        through = 0 if self.bug else self.h * (g * self.h).mean(0)
        dx = (g - g.mean(0) - through) / self.s
        self.db = dx.sum(0)
        return dx


class ShiftedReference(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.b = torch.nn.Parameter(torch.randn(3, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = x + self.b
        return (z - z.mean(0)) / (z.var(0, correction=0) + 1e-5).sqrt()


@pytest.mark.parametrize(("bug", "kind"), [("", ""), ("no path", "forgotten-path")])
def test_a_zero_is_as_large_as_its_parts(bug: str, kind: str) -> None:
    """Its rounding is not taken for a mistake, which would be one more to explain."""
    named(check(Shifted(bug), ShiftedReference(), normal(6, 3)), kind, "")


@pytest.mark.parametrize(
    ("formula", "slip", "now"),
    [
        ("g * y * (1 - y)", "1 − y of g * y * (1 − y) is left out", "g * y"),
        ("g * y * (1 - y)", "the sign of y in 1 − y is turned", "g * y * (1 + y)"),
        ("g / x", "stands x / g for g / x", "x / g"),
        ("-g * sin(x)", "stands x for sin(x)", "-g * x"),
        ("g * x ** 2", "the power of x² is left out", "g * x"),
        ("where(x > 0, g, a * g)", "stands x < 0 for x > 0", "where(x < 0, g, a * g)"),
    ],
)
def test_every_part_of_a_formula_may_slip(formula: str, slip: str, now: str) -> None:
    found = {one.what: ast.unparse(one.now) for one in slips_of(formula)}
    assert found[slip] == now


def test_slips_are_read_not_run() -> None:
    names = {"g": torch.ones(3), "x": torch.full((3,), 4.0), "y": torch.full((3,), 0.5)}
    assert value_of(read("g * y * (1 - y) / x ** 2"), names).tolist() == [1 / 64] * 3
    slips = slips_of("g * y * (1 - y) / x ** 2")
    assert len({slip.what for slip in slips}) > 40
