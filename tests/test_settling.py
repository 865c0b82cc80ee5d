"""Where a gradient differs from PyTorch's and is right: rounding, a kink, or PyTorch is off."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from torch_ref.checking import check

from . import faulty
from .test_diagnosis_of_formulas import Formula, hardswish, normal

Array = np.ndarray
ON_KINKS = np.array([[-1.0, 0.0, 2.0], [0.0, 0.5, -0.25], [3.0, -3.0, 0.0], [6.0, -4.0, 1.0]])


def relu(slope: float) -> Formula:
    """Its slope at zero is a convention."""
    return Formula(lambda x: np.maximum(x, 0), lambda x, y, g: g * np.where(x == 0, slope, x > 0))


def clipped_at(left: float, right: float) -> Formula:
    """Hardswish with these slopes at −3 and at 3."""

    def slope(x: Array) -> Array:
        inside = np.where(x > 3, 1, np.where(x < -3, 0, x / 3 + 0.5))
        return np.where(x == -3, left, np.where(x == 3, right, inside))

    return Formula(hardswish, lambda x, y, g: g * slope(x))


def absolute(slope: float) -> Formula:
    return Formula(np.abs, lambda x, y, g: g * np.where(x == 0, slope, np.sign(x)))


# What stands at the kink, and whether that lies between the slopes on both sides.
KINKS: dict[str, tuple[Formula, Any, bool]] = {
    "ReLU with ≥": (relu(1), torch.relu, True),
    "ReLU's mean slope": (relu(0.5), torch.relu, True),
    "ReLU, twice its slope": (relu(2), torch.relu, False),
    "ReLU, a negative slope": (relu(-0.5), torch.relu, False),
    "|x| with sign 1 at 0": (absolute(1), torch.abs, True),
    "|x| with sign −1 at 0": (absolute(-1), torch.abs, True),
    "|x| beyond both": (absolute(1.5), torch.abs, False),
    "Hardswish, closed": (clipped_at(-0.5, 1.5), torch.nn.functional.hardswish, True),
    "Hardswish, in between": (clipped_at(-0.25, 1.25), torch.nn.functional.hardswish, True),
    "Hardswish, beyond": (clipped_at(0.5, 1), torch.nn.functional.hardswish, False),
}


@pytest.mark.parametrize("what", KINKS)
def test_a_slope_between_those_on_both_sides_is_a_convention(what: str) -> None:
    mine, reference, is_one = KINKS[what]
    result = check(mine, reference, ON_KINKS)
    assert result.agrees == is_one, str(result)
    said = [text for text in result.warnings if "a convention" in text]
    assert bool(said) == is_one
    if is_one and "Hardswish" not in what:
        assert "3 elements lie on a kink" in said[0]
        assert "[0, 1]" in said[0]


def test_a_mistake_beside_a_kink_is_one() -> None:
    mine = Formula(
        lambda x: np.maximum(x, 0), lambda x, y, g: g * np.where(x == 0, 1, 1.001 * (x > 0))
    )
    assert not check(mine, torch.relu, ON_KINKS).agrees


class Hidden:
    """relu(x W) V, whose rows of zeros lie on the kink within the network."""

    def __init__(self, slope: float) -> None:
        self.W, self.V, self.slope = np.zeros((3, 4)), np.zeros((4, 2)), slope

    def forward(self, x: Array) -> Array:
        self.x, self.z = x, x @ self.W
        return np.maximum(self.z, 0) @ self.V

    def backward(self, g: Array) -> Array:
        dz = g @ self.V.T * np.where(self.z == 0, self.slope, self.z > 0)
        self.dW, self.dV = self.x.T @ dz, np.maximum(self.z, 0).T @ g
        return dz @ self.W.T


class HiddenReference(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.W = torch.nn.Parameter(torch.randn(3, 4))
        self.V = torch.nn.Parameter(torch.randn(4, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x @ self.W) @ self.V


@pytest.mark.parametrize(("slope", "agrees"), [(0, True), (3, False)])
def test_a_kink_within_a_network(slope: float, agrees: bool) -> None:
    x = normal(5, 3)
    x[1] = 0
    assert check(Hidden(slope), HiddenReference(), x).agrees == agrees


def first_largest(x: Array, y: Array, g: Array) -> Array:
    return g[:, None] * (np.arange(x.shape[1]) == x.argmax(1)[:, None])


@pytest.mark.parametrize(
    ("backward", "agrees"),
    [
        (first_largest, True),
        (lambda x, y, g: g[:, None] * (x == x.max(1, keepdims=True)), True),  # to each of them
        (lambda x, y, g: 2 * g[:, None] * (x == x.max(1, keepdims=True)), False),
        (lambda x, y, g: g[:, None] * (x >= np.median(x, 1, keepdims=True)), False),
    ],
)
def test_of_equals_one_may_be_the_largest_or_each(
    backward: Callable[..., Any], agrees: bool
) -> None:
    x = np.array([[1.0, 2.0, 2.0], [3.0, 0.5, 1.0], [4.0, 4.0, 4.0]])
    mine = Formula(lambda x: x.max(1), backward)
    assert check(mine, lambda x: torch.amax(x, 1), x).agrees == agrees


@pytest.mark.parametrize(("share", "agrees"), [(0.0, True), (0.5, True), (1.0, True), (1.5, False)])
def test_none_of_equals_may_be_given_more_than_all(share: float, agrees: bool) -> None:
    x = np.array([[2.0, 1.0, 2.0], [4.0, 4.0, 4.0]])

    def backward(x: Array, y: Array, g: Array) -> Array:
        return share * g[:, None] * (x == x.max(1, keepdims=True))

    mine = Formula(lambda x: x.max(1), backward)
    assert check(mine, lambda x: torch.amax(x, 1), x).agrees == agrees


class Approximate(torch.autograd.Function):
    """A reference whose own backward is off: 1/3 to seven digits."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x / 3

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        return g * 0.3333333


def test_where_pytorch_is_off_yours_is_right() -> None:
    """By 1e-7, which central differences of its own forward see."""
    reference: Any = Approximate.apply
    right = check(Formula(lambda x: x / 3, lambda x, y, g: g / 3), reference, normal(5, 3))
    assert right.agrees, str(right)
    assert any("yours is right" in text for text in right.warnings)
    assert "yours is right" in str(right)


def test_hardsigmoid_of_pytorch_is_off_in_float64() -> None:
    inside = np.array([[0.5, -1.0, 2.0], [4.0, -5.0, 0.25]])
    mine = Formula(
        lambda x: np.clip(x / 6 + 0.5, 0, 1), lambda x, y, g: g * ((x > -3) & (x < 3)) / 6
    )
    result = check(mine, torch.nn.Hardsigmoid(), inside)
    assert result.agrees, str(result)


@pytest.mark.parametrize("off", [1 + 1e-7, 1 - 1e-6, 2.0])
def test_where_both_are_off_yours_is_not_right(off: float) -> None:
    reference: Any = Approximate.apply
    mine = Formula(lambda x: x / 3, lambda x, y, g: g / 3 * off)
    assert not check(mine, reference, normal(5, 3)).agrees


def test_a_gradient_that_is_zero_is_rounded_as_its_parts_are() -> None:
    """Of a shift that a centring takes off again, the gradient is zero."""

    class Shifted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.b = torch.nn.Parameter(torch.randn(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x + self.b) - (x + self.b).mean(0)

    class Mine:
        def __init__(self, factor: float) -> None:
            self.b, self.factor = np.zeros(3), factor

        def forward(self, x: Array) -> Array:
            return (x + self.b) - (x + self.b).mean(0)

        def backward(self, g: Array) -> Array:
            centred = g - g.mean(0)
            self.db = centred[::-1].cumsum(0)[-1] + (self.factor - 1) * g.sum(0)
            return centred

    assert check(Mine(1), Shifted(), normal(7, 3)).agrees
    assert not check(Mine(1 + 1e-6), Shifted(), normal(7, 3)).agrees


def test_a_confident_softmax_is_rounded_as_its_parts_are_in_float32() -> None:
    target = np.arange(5) % 3
    x = 12 * np.eye(3)[target] + normal(5, 3)

    def log_softmax(x: Array) -> Array:
        shifted = x - x.max(1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))

    def backward(x: Array, t: Array, y: Array, g: Array) -> Array:
        return (np.exp(log_softmax(x)) - np.eye(3, dtype=x.dtype)[t]) / x.dtype.type(len(t)) * g

    mine = Formula(lambda x, t: -log_softmax(x)[range(len(t)), t].mean(), backward)
    result = check(mine, torch.nn.functional.cross_entropy, x.astype(np.float32), target)
    assert result.agrees, str(result)


def test_a_piece_that_was_never_visited_is_visited() -> None:
    """Random inputs lie where Hardsigmoid rises; its flat ends need wider ones."""
    x = normal(5, 3) / 2
    forward = lambda x: np.clip(x / 6 + 0.5, 0, 1)  # noqa: E731
    right = Formula(forward, lambda x, y, g: g * ((x > -3) & (x < 3)) / 6)
    assert check(right, torch.nn.Hardsigmoid(), 2 * x).agrees
    result = check(Formula(forward, lambda x, y, g: g / 6), torch.nn.Hardsigmoid(), 2 * x)
    assert [note.name for note in result.notes if not note.passed] == [
        "where these inputs have not been"
    ]
    assert result.diagnosis.verdicts[0].kind == "forgotten-derivative"


def test_a_last_digit_of_the_output_does_not_hide_a_sign() -> None:
    mine = Formula(lambda x: np.tanh(x) + 1e-12, lambda x, y, g: -g * (1 - np.tanh(x) ** 2))
    result = check(mine, torch.tanh, normal(5, 3))
    assert not result.agrees
    assert [verdict.kind for verdict in result.diagnosis.verdicts] == ["sign"]
    right = Formula(lambda x: np.tanh(x) + 1e-12, lambda x, y, g: g * (1 - np.tanh(x) ** 2))
    assert not check(right, torch.tanh, normal(5, 3)).diagnosis.verdicts


@pytest.mark.parametrize(("bug", "agrees"), [("", True), ("mask forgotten", False)])
def test_dropout_of_zeros(bug: str, agrees: bool) -> None:
    """Behind a ReLU half of the output is zero, dropped or not."""
    x = np.maximum(normal(8, 5), 0)
    assert check(faulty.Dropout(0.4, bug), torch.nn.Dropout(0.4), x).agrees == agrees


ELU_FAR_LEFT = np.array([[-40.0, -30.0, -20.0], [-10.0, -1.0, 1.0], [-25.0, -35.0, -28.0]])


def test_a_formula_that_cancels_loses_digits_and_no_term_is_wrong() -> None:
    """1 + y for eˣ, where y is nearly −1."""
    elu = lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))  # noqa: E731
    mine = Formula(elu, lambda x, y, g: g * np.where(y > 0, 1, y + 1))
    assert check(mine, torch.nn.ELU(), normal(5, 3)).agrees
    result = check(mine, torch.nn.ELU(), ELU_FAR_LEFT[:1])
    assert [verdict.kind for verdict in result.diagnosis.verdicts] == ["lost-digits"]
    assert "1 + y" in result.diagnosis.verdicts[0].what
