"""The diagnosis of wrong operands: in a network, a normalization, a convolution, each by hand."""

from typing import Any

import numpy as np
import pytest
import torch

from torch_ref.checking import check

from .test_diagnosis_of_formulas import normal, normalize, normalize_reference

Array = np.ndarray


class Network:
    """tanh(tanh(x W1) W2) W3, both hidden layers of one size, so that shapes tell nothing."""

    def __init__(self, bug: str = "") -> None:
        self.bug = bug
        self.W1, self.W2, self.W3 = np.zeros((3, 4)), np.zeros((4, 4)), np.zeros((4, 2))

    def forward(self, x: Array) -> Array:
        self.x, self.h1 = x, np.tanh(x @ self.W1)
        self.h2 = np.tanh(self.h1 @ self.W2)
        return self.h2 @ self.W3

    def slope(self) -> Array:
        h = self.h2
        return {
            "a neighbour's output": 1 - self.h1**2,
            "−y²": -(h**2),
            "1 − y": 1 - h,
            "a sigmoid's": h * (1 - h),
        }.get(self.bug, 1 - h**2)

    def backward(self, g: Array) -> Array:
        above = g @ self.W3.T
        d2 = above * self.slope()
        self.dW3, self.dW2 = self.h2.T @ g, self.h1.T @ d2
        d1 = d2 @ self.W2.T * (1 - self.h1**2)
        if self.bug == "no derivative towards W2":
            self.dW2 = self.h1.T @ above
        if self.bug == "the output for the input":
            self.dW2 = self.h2.T @ d2
        if self.bug == "averaged, and a sign":
            self.dW3, d1 = self.dW3 / len(g), -d1
        if self.bug == "three of them":
            self.dW3, self.dW2, d1 = self.dW3 / len(g), self.h2.T @ d2, 2 * d1
        self.dW1 = self.x.T @ d1
        return d1 @ self.W1.T


class NetworkReference(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.W1, self.W2, self.W3 = (
            torch.nn.Parameter(torch.randn(shape)) for shape in ((3, 4), (4, 4), (4, 2))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(torch.tanh(x @ self.W1) @ self.W2) @ self.W3


NETWORK = {
    "": "",
    "a neighbour's output": "wrong-argument",
    "−y²": "wrong-derivative",
    "1 − y": "wrong-derivative",
    "a sigmoid's": "wrong-derivative",
    "no derivative towards W2": "forgotten-derivative",
    "the output for the input": "wrong-argument",
    "averaged, and a sign": "mean-for-sum + sign",
    "three of them": "mean-for-sum + wrong-argument + scale",
}


def assert_named(mine: Any, reference: Any, x: Array, kind: str) -> None:
    """One verdict of this kind; none, if there is no mistake."""
    result = check(mine, reference, x)
    assert result.agrees == (not kind), str(result)
    verdicts = [verdict.kind for verdict in result.diagnosis.verdicts]
    assert verdicts == ([kind] if kind else []), str(result)


@pytest.mark.parametrize("bug", NETWORK)
def test_a_network(bug: str) -> None:
    assert_named(Network(bug), NetworkReference(), normal(6, 3), NETWORK[bug])


class Normalization:
    def __init__(self, bug: str = "") -> None:
        self.weight, self.bias, self.bug = np.ones(4), np.zeros(4), bug

    def forward(self, x: Array) -> Array:
        self.x, self.h = x, normalize(x)
        return self.h * self.weight + self.bias

    def backward(self, g: Array) -> Array:
        self.dweight, self.dbias = (g * self.h).sum(0), g.sum(0)
        if self.bug == "γ's gradient from x":
            self.dweight = (g * self.x).sum(0)
        if self.bug == "γ and β exchanged":
            self.dweight, self.dbias = self.dbias, self.dweight
        d = g * (self.bias if self.bug == "β for γ" else self.weight)
        inner = self.x if self.bug == "x in the second sum" else self.h
        axis = 0 if self.bug == "over the samples" else 1
        first, second = d.mean(axis, keepdims=True), (d * inner).mean(axis, keepdims=True)
        first = first * (self.bug != "no path through the mean")
        square = self.x.var(1, keepdims=True) + 1e-5
        return (d - first - self.h * second) / (square if self.bug == "σ²" else np.sqrt(square))


class NormalizationReference(torch.nn.Module):
    """The same, written out."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(4))
        self.bias = torch.nn.Parameter(torch.zeros(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return normalize_reference(x) * self.weight + self.bias


NORMALIZATION = {
    "": "",
    "γ's gradient from x": "wrong-argument",
    "γ and β exchanged": "other-gradient",
    "β for γ": "wrong-argument",
    "x in the second sum": "wrong-argument",
    "over the samples": "wrong-axes",
    "no path through the mean": "forgotten-path",
    "σ²": "epsilon",
}


@pytest.mark.parametrize("written_out", [True, False])
@pytest.mark.parametrize("bug", NORMALIZATION)
def test_a_normalization(bug: str, written_out: bool) -> None:
    reference = NormalizationReference() if written_out else torch.nn.LayerNorm(4)
    assert_named(Normalization(bug), reference, normal(6, 4), NORMALIZATION[bug])


class Convolution:
    """With stride, padding and dilation, its kernel (2, 3), place by place."""

    STRIDE, PADDING, DILATION = 2, 1, 2

    def __init__(self, bug: str = "") -> None:
        self.weight, self.bug = np.zeros((4, 3, 2, 3)), bug

    def part(self, i: int, j: int, stride: int = 2, dilation: int = 2) -> Any:
        rows, columns = self.places
        top, left = i * dilation, j * dilation
        bottom, right = top + stride * (rows - 1) + 1, left + stride * (columns - 1) + 1
        return np.s_[:, :, top:bottom:stride, left:right:stride]

    def forward(self, x: Array) -> Array:
        p = self.PADDING
        self.x, self.padded = x, np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        height, width = self.padded.shape[2:]
        self.places = (height - 3) // 2 + 1, (width - 5) // 2 + 1
        return sum(
            np.einsum("nchw,oc->nohw", self.padded[self.part(i, j)], self.weight[:, :, i, j])
            for i in range(2)
            for j in range(3)
        )

    def backward(self, g: Array) -> Array:
        seen, kept = self.padded, g
        if self.bug == "W without padding":
            seen = np.pad(self.x, ((0, 0), (0, 0), (0, 2), (0, 2)))
        if self.bug in ("first window", "W from the first window"):
            kept = np.zeros_like(g)
            kept[:, :, 0, 0] = g[:, :, 0, 0]
        back = kept if self.bug == "first window" else g
        steps = (
            {"stride" if "stride" in self.bug else "dilation": 1} if "without" in self.bug else {}
        )
        steps = steps if "padding" not in self.bug else {}
        of_W, of_x = (steps if self.bug.startswith(which) else {} for which in "Wx")
        self.dweight, dx = np.zeros_like(self.weight), np.zeros_like(self.padded)
        for i in range(2):
            for j in range(3):
                window = seen[self.part(i, j, **of_W)]
                self.dweight[:, :, i, j] = np.einsum("nohw,nchw->oc", kept, window)
                dx[self.part(i, j, **of_x)] += np.einsum(
                    "nohw,oc->nchw", back, self.weight[:, :, i, j]
                )
        first, (height, width) = self.PADDING, self.x.shape[2:]
        return dx[:, :, first : first + height, first : first + width]


CONVOLUTION = {
    "": "",
    "W without stride": "stride",
    "W without dilation": "stride",
    "W without padding": "padding",
    "x without stride": "stride",
    "x without dilation": "stride",
    "W from the first window": "dropped-index",
    "first window": "dropped-index",
}


@pytest.mark.parametrize("bug", CONVOLUTION)
def test_a_convolution(bug: str) -> None:
    reference = torch.nn.Conv2d(3, 4, (2, 3), stride=2, padding=1, dilation=2, bias=False)
    assert_named(Convolution(bug), reference, normal(2, 3, 8, 9), CONVOLUTION[bug])
