"""What a check would have missed, and the same check on other shapes and layouts."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from torch_ref.checking import CandidateError, check, check_own

Array = np.ndarray


def normal(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape)


class Linear:
    """y = x Wᵀ + b; each gradient of a parameter divided by `over`."""

    def __init__(self, n: int, m: int, over_samples: bool = False) -> None:
        self.W, self.b = normal(m, n), normal(m)
        self.over_samples = over_samples

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, g: Array) -> Array:
        count = len(g) if self.over_samples else 1
        self.dW, self.db = g.T @ self.x / count, g.sum(0) / count
        return g @ self.W


class Relu:
    def __init__(self, without_derivative: bool = False) -> None:
        self.without_derivative = without_derivative

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.maximum(x, 0)

    def backward(self, g: Array) -> Array:
        return g.copy() if self.without_derivative else g * (self.x > 0)


class Product:
    def forward(self, x: Array, w: Array) -> Array:
        self.x, self.w = x, w
        return x * w

    def backward(self, g: Array) -> tuple[Array, Array]:
        return g * self.w, g * self.x


def missed(checked: Any) -> dict[str, str]:
    assert checked.audit is not None, checked
    return {one.kind: one.shown_by for one in checked.audit.missed}


def test_a_batch_of_one_is_blind_to_a_mean_for_a_sum() -> None:
    checked = check(Linear(3, 4), torch.nn.Linear(3, 4), normal(1, 3), audit=True)
    assert missed(checked)["mean-for-sum"] == "more than one sample"
    assert "would be seen\n  not: " in str(checked)
    slip = Linear(3, 4, over_samples=True)
    assert check(slip, torch.nn.Linear(3, 4), normal(1, 3)).agrees  # it is blind indeed
    assert not check(slip, torch.nn.Linear(3, 4), normal(5, 3)).agrees


def test_several_samples_see_everything() -> None:
    checked = check(Linear(3, 4), torch.nn.Linear(3, 4), normal(5, 3), audit=True)
    assert missed(checked) == {}
    assert checked.audit is not None
    assert checked.audit.planted > 100
    assert f"audit: {checked.audit.planted} of {checked.audit.planted} mistakes" in str(checked)


def test_inputs_that_never_visit_a_piece_are_blind_there() -> None:
    positive = abs(normal(5, 3))
    checked = check(Relu(), torch.relu, positive, audit=True)
    assert missed(checked)["forgotten-derivative"] == "inputs of both signs"
    assert check(Relu(without_derivative=True), torch.relu, positive).agrees
    assert missed(check(Relu(), torch.relu, normal(5, 3), audit=True)) == {}


def test_ones_are_blind_to_their_being_left_out() -> None:
    checked = check(Product(), torch.mul, normal(5, 4), np.ones((5, 4)), audit=True)
    assert missed(checked)["forgotten-factor"] == "inputs of both signs"
    assert missed(check(Product(), torch.mul, normal(5, 4), normal(5, 4) + 1, audit=True)) == {}


def test_an_audit_is_for_what_agrees() -> None:
    wrong = check(Linear(3, 4, True), torch.nn.Linear(3, 4), normal(5, 3), audit=True, sweep=False)
    assert wrong.audit is None
    assert wrong.sweep is None


class Softmax:
    """Along the last axis; backward sums over axis `axis`."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        e = np.exp(x - x.max(-1, keepdims=True))
        self.y = e / e.sum(-1, keepdims=True)
        return self.y

    def backward(self, g: Array) -> Array:
        return self.y * (g - (g * self.y).sum(self.axis, keepdims=True))


class MaskAsStored(Relu):
    """Takes the numbers in the order in which they are stored."""

    def backward(self, g: Array) -> Array:
        return g * (self.x.ravel("K") > 0).reshape(g.shape)


class Squeezed(Relu):
    def backward(self, g: Array) -> Array:
        grad = super().backward(g)
        return grad[:, 0] if grad.shape[1:] == (1,) else grad


class OnlyTwo(Relu):
    def forward(self, x: Array) -> Array:
        if x.ndim > 2:
            raise ValueError("two axes, please")
        return super().forward(x)


@pytest.mark.parametrize(
    ("mine", "reference", "where"),
    [
        (Softmax(1), torch.nn.Softmax(-1), "ndim > 2"),
        (MaskAsStored(), torch.relu, "the array is stored by columns"),
        (Squeezed(), torch.relu, "axis 1 has size 1"),
    ],
)
def test_it_says_where_alone_it_is_wrong(mine: Any, reference: Any, where: str) -> None:
    assert check(mine, reference, normal(5, 3)).agrees
    checked = check(mine, reference, normal(5, 3), sweep=True)
    assert not checked.agrees
    assert checked.sweep is not None
    assert checked.sweep.where == where
    assert f"wrong only where {where}" in str(checked)
    assert checked.as_dict()["sweep"]["where"] == where


@pytest.mark.parametrize(
    ("mine", "reference"), [(Softmax(-1), torch.nn.Softmax(-1)), (Relu(), torch.relu)]
)
def test_what_is_right_everywhere_is_not_accused(mine: Any, reference: Any) -> None:
    checked = check(mine, reference, normal(5, 3), sweep=True)
    assert checked.agrees
    assert checked.sweep is not None
    words = {variant.words for variant in checked.sweep.variants}
    assert {"an empty batch", "axis 1 of size 1", "stored backwards", "the first axis missing"} <= (
        words | ({"the first axis missing"} if isinstance(mine, Softmax) else set())
    )
    assert f"right on {len(words)} of {len(words)} other" in str(checked)


def test_an_error_is_said_and_is_no_wrong_answer() -> None:
    checked = check(OnlyTwo(), torch.relu, normal(5, 3), sweep=True)
    assert checked.agrees
    assert checked.sweep is not None
    assert checked.sweep.raises_where == "ndim > 2"
    assert "two axes, please" in str(checked)


def test_both_are_in_the_json() -> None:
    checked = check_own(Relu(), normal(1, 3), audit=True, sweep=True)
    made = json.loads(checked.json())
    assert made["audit"]["planted"] > len(made["audit"]["missed"])
    assert {"kind", "what", "place", "shown_by"} == set(made["audit"]["missed"][0])
    assert {"words", "shape", "contiguous", "wrong", "raises"} == set(made["sweep"]["variants"][0])


def test_a_step_rule_has_neither() -> None:
    with pytest.raises(CandidateError, match="a step rule is given tensors"):
        check(lambda w, dw: w - dw, torch.optim.SGD, audit=True)
