"""What is refused, and with which words: every `raise` that no other test provokes.

`python -m tests.raises` lists those that none does. Bounds are in test_bounds.py, code and words
that cannot be checked in test_refused_words.py.
"""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_flatten

import manual
from manual.article.description import (
    DescriptionError,
    check_description,
    drawn_network,
    the_article,
)
from manual.article.modules import ArticleNetwork
from manual.layers.activations import Elementwise
from manual.losses.pairwise import PairwiseLoss
from torch_ref.checking.candidates.base import Candidate
from torch_ref.diagnosis import recording
from torch_ref.diagnosis.operations import Op
from torch_ref.parity.judge import truth
from torch_ref.parity.one_pass import one_pass
from torch_ref.pytest_plugin import pytest_configure
from torch_ref.twin import to_torch, twin_of

Array = np.ndarray
X = np.arange(15.0).reshape(5, 3) / 8 - 1
ROWS = X[:3]


def one_wrong(value: Any, dtype: Any = np.float64) -> Array:
    """Ones, and one other value among them."""
    return np.array([1, 1, value, 1, 1], dtype)


# ---- by hand


class Bare(Elementwise):
    """One that gives nothing."""


class Unfinished(PairwiseLoss):
    """A loss without a formula."""


class NoSlope(Unfinished):
    """A loss without its derivative."""

    def loss(self, x: Array, t: Array) -> Array:
        return x - t


class Halfway(manual.Module):
    """A module without its backward."""

    def forward(self, x: Array) -> Array:
        return x


def backward_of(module: manual.Module, *inputs: Any) -> Callable[[], Any]:
    """One pass, forward and back."""
    return lambda: module.backward(np.ones_like(module(*inputs)))


MIXED: list[Any] = [manual.Tanh(), 2.0, manual.Tanh()]
# What is done, the error, what it says
BY_HAND: dict[str, tuple[Callable[[], Any], type, str]] = {
    "a module without forward": (
        lambda: manual.Module()(X),
        NotImplementedError,
        "Module has no forward",
    ),
    "a module without backward": (
        backward_of(Halfway(), X),
        NotImplementedError,
        "Halfway has no backward",
    ),
    "an activation without a value": (
        lambda: Bare()(X),
        NotImplementedError,
        "Bare has no value",
    ),
    "an activation without a derivative": (
        lambda: Bare().derivative(X, X),
        NotImplementedError,
        "Bare has no derivative",
    ),
    "a loss without its formula": (
        lambda: Unfinished()(X, X),
        NotImplementedError,
        "Unfinished has no loss",
    ),
    "a loss without its slope": (
        backward_of(NoSlope(reduction="none"), X, X),
        NotImplementedError,
        "NoSlope has no slope",
    ),
    "a module among numbers": (
        lambda: manual.Sequential(*MIXED),
        TypeError,
        "Sequential: 1 is a float, expected a module",
    ),
    "batches that do not match": (
        lambda: manual.Bilinear(3, 3, 2, dtype=np.float64)(X, X[:4]),
        ValueError,
        r"Bilinear\(3, 3, 2, .*\): inputs of shapes \(5, 3\) and \(4, 3\) do not match",
    ),
    "a class to ignore among probabilities": (
        lambda: manual.CrossEntropyLoss(ignore_index=1)(ROWS, np.eye(3)),
        ValueError,
        "ignore_index is 1, which names a class, and the target has probabilities",
    ),
    "one probability below 0": (
        lambda: manual.CrossEntropyLoss()(ROWS, np.eye(3) - 0.25 * (ROWS == ROWS[0, 1])),
        ValueError,
        "target has values from -0.25 to 1.0, expected 0 or more",
    ),
    "one probability above 1": (
        lambda: manual.BCELoss()(one_wrong(1.5), one_wrong(1)),
        ValueError,
        r"BCELoss\(\): input has values from 1.0 to 1.5, expected 0 to 1",
    ),
    "one outcome above 1": (
        lambda: manual.BCELoss()(one_wrong(0), one_wrong(1.5)),
        ValueError,
        r"BCELoss\(\): target has values from 1.0 to 1.5, expected 0 to 1",
    ),
    "one probability that is none": (
        lambda: manual.BCELoss()(one_wrong(np.nan), one_wrong(1)),
        ValueError,
        r"BCELoss\(\): input has values from nan to nan, expected 0 to 1",
    ),
    "a probability just above 1, in all its digits": (
        lambda: manual.BCELoss()(*[one_wrong(np.nextafter(np.float32(1), 2), np.float32)] * 2),
        ValueError,
        r"input has values from 1.0 to 1.0000001, expected 0 to 1",
    ),
    "one variance below 0": (
        lambda: manual.GaussianNLLLoss()(one_wrong(0), one_wrong(0), one_wrong(-0.5)),
        ValueError,
        "var has values from -0.5 to 1.0, expected 0 or more",
    ),
    "one sign of 0": (
        lambda: manual.HingeEmbeddingLoss()(one_wrong(2), one_wrong(0, int)),
        ValueError,
        r"HingeEmbeddingLoss\(\): target has 0.0 at \[2\], expected 1 or -1",
    ),
    "one sign of 0 among cosines": (
        lambda: manual.CosineEmbeddingLoss()(X, X, one_wrong(0)),
        ValueError,
        r"CosineEmbeddingLoss\(\): target has 0.0 at \[2\], expected 1 or -1",
    ),
    "one row that is not there": (
        lambda: manual.Embedding(4, 2)(one_wrong(-1, int).reshape(5, 1)),
        IndexError,
        r"Embedding\(4, 2\): input has -1 at \[2, 0\], expected 0 to 3",
    ),
    "one class that is not there": (
        lambda: manual.NLLLoss()(X, one_wrong(-1, int)),
        IndexError,
        r"NLLLoss\(\): target has -1 at \[2\], expected 0 to 2",
    ),
    "one class that is not there, by its pixel": (
        lambda: manual.CrossEntropyLoss()(np.ones((1, 3, 5)), one_wrong(3, int)[np.newaxis]),
        IndexError,
        r"target has 3 at \[0, 2\], expected 0 to 2",
    ),
    "targets in one axis, one too few": (
        lambda: manual.CTCLoss()(-np.ones((4, 2, 3)), np.array([1, 2]), [4, 4], [1, 2]),
        ValueError,
        r"CTCLoss\(\): targets of shape \(2,\), expected \(3,\)",
    ),
    "one label that is not there": (
        lambda: manual.CTCLoss()(-np.ones((4, 2, 3)), np.array([1, 2, -1]), [4, 4], [1, 2]),
        IndexError,
        r"CTCLoss\(\): target 1 has -1 at \[1\], expected 0 to 2",
    ),
    "biases of no kind": (
        lambda: ArticleNetwork(biases="frozen"),
        ValueError,
        "biases is 'frozen', expected one of fixed, trained, shared",
    ),
    "an activation of no kind": (
        lambda: drawn_network((3, 2, 1), "Soft"),
        DescriptionError,
        "activation: there is no activation 'Soft', only Identity, CELU",
    ),
    "a layer without a bias": (
        lambda: check_description(replace(the_article(), biases=the_article().biases[:1])),
        DescriptionError,
        "for each layer, not 2 weights, 1 biases and 2 activations",
    ),
}


@pytest.mark.parametrize("what", BY_HAND)
def test_by_hand_it_is_refused(what: str) -> None:
    do, error, message = BY_HAND[what]
    with pytest.raises(error, match=message):
        do()


# ---- the parts of the instrument


class Own(manual.Tanh):
    """A class that PyTorch has not."""


CONSTANT = torch.ones(3, dtype=torch.float64)


def stirring(x: torch.Tensor) -> torch.Tensor:
    """Changes a constant behind PyTorch's back."""
    CONSTANT.mul_(1).numpy()[0] += 5
    return x * CONSTANT


def keeping(x: torch.Tensor) -> torch.Tensor:
    """Keeps its input in a constant, and uses it no more."""
    CONSTANT.copy_(x[0].detach())
    return torch.tanh(x)


def out_of_memory(x: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("out of memory")


def op(function: Any) -> Op:
    """An operation on one number."""
    flat, spec = tree_flatten(((torch.ones(1),), {}))
    return Op(function, flat, spec, [], "")


PARTS: dict[str, tuple[Callable[[], Any], type, str]] = {
    "a dtype that is not compared": (
        lambda: to_torch(np.dtype(np.float16)),
        TypeError,
        "dtype is float16, expected float32 or float64",
    ),
    "a class without a twin": (
        lambda: twin_of(Own()),
        NotImplementedError,
        "Own has no twin in torch_ref.models or torch.nn",
    ),
    "a pass on inputs that do not fit": (
        lambda: one_pass(torch.nn.Linear(3, 4).double(), [X[:, :2]], [X]),
        RuntimeError,
        "shapes cannot be multiplied",
    ),
    "a change behind the tape's back": (
        lambda: recording.record(stirring, [to_torch(X)]),
        NotImplementedError,
        "the reference changes a constant in place through a view of it",
    ),
    "a constant that is overwritten": (
        lambda: recording.record(keeping, [to_torch(X)]),
        NotImplementedError,
        "mutating a non-functional tensor with a functional tensor is not allowed",
    ),
    "an operation that only works in place": (
        lambda: recording._functional(torch.ops.aten.fill_diagonal_.default),
        NotImplementedError,
        "the reference uses aten.fill_diagonal_.default, which changes its argument",
    ),
    "an operation that fails": (
        lambda: op(out_of_memory).drop_undifferentiable(),
        RuntimeError,
        "out of memory",
    ),
    "a report in no directory": (
        lambda: pytest_configure(
            SimpleNamespace(stash={}, getoption=lambda *names: "/nowhere/at/all.json")  # type: ignore[arg-type]
        ),
        pytest.UsageError,
        "--parity-report /nowhere/at/all.json: there is no such directory",
    ),
}


@pytest.mark.parametrize("what", PARTS)
def test_a_part_refuses(what: str) -> None:
    do, error, message = PARTS[what]
    with pytest.raises(error, match=message):
        do()


def test_nothing_is_judged_where_there_is_no_wider_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch_ref.parity.judge.CAN_JUDGE", False)
    with pytest.raises(RuntimeError, match="longdouble is float64 on this platform: it cannot"):
        truth(manual.Tanh(), [X], [X])


@pytest.mark.parametrize("method", ["load", "forward", "backward"])
def test_a_form_of_code_that_is_not_finished(method: str) -> None:
    with pytest.raises(NotImplementedError, match=f"Candidate has no {method}"):
        getattr(Candidate("none", {}, []), method)({})
