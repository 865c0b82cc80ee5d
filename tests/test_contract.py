"""What every module promises: whose gradient it gives, what it takes and refuses, what is state."""

import inspect
from typing import Any

import numpy as np
import pytest
import torch

import manual
from manual.article.modules import ArticleNetwork, SharedBias
from manual.passes import observe_calls
from torch_ref import models
from torch_ref.parity.one_pass import one_pass
from torch_ref.twin import twin_of

from .cases import CASES, Case
from .conftest import make_pair, named, public

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
F32, F64 = np.float32, np.float64
G = np.random.default_rng(0)
X, OTHER = G.normal(size=(5, 3)), G.normal(size=(7, 3))


def network() -> manual.Module:
    generator = np.random.default_rng(1)
    return manual.MLP((3, 4, 2), "Tanh", F64, generator)


def right(x: np.ndarray) -> dict[str, Any]:
    """The gradients of one pass alone."""
    return one_pass(network(), [x], [np.ones((len(x), 2))]).gradients


# ---- whose gradient it is


@pytest.mark.parametrize("looks", [1, 2, 1_000])
def test_a_pass_that_was_only_looked_at_is_never_run_back(looks: int) -> None:
    module = network()
    module(X)
    for _ in range(looks):
        module(OTHER)
    with pytest.raises(RuntimeError, match=r"MLP on \(5, 3\); MLP on \(7, 3\)") as caught:
        module.backward(np.ones((7, 2)))
    for advice in ("no_grad()", "keep_passes()", "several forward passes wait"):
        assert advice in str(caught.value)
    assert all(p.grad is None for p in module.parameters())
    gradients = one_pass(module, [X], [np.ones((5, 2))]).gradients  # afterwards it is as new
    for name, gradient in right(X).items():
        np.testing.assert_array_equal(gradients[name], gradient)


def test_the_gradient_of_the_issue_is_refused_or_right() -> None:
    """x → w x, L = Σ y: 5 for x = 5; looking at 35 in between must not make it 35."""
    layer = manual.Linear(1, 1, bias=False, dtype=F64)
    layer(np.array([[5.0]]))
    layer(np.array([[35.0]]))
    with pytest.raises(RuntimeError, match="several forward passes wait"):
        layer.backward(np.ones((1, 1)))
    layer.forget_passes()
    layer(np.array([[5.0]]))
    with manual.no_grad():
        layer(np.array([[35.0]]))
    layer.backward(np.ones((1, 1)))
    assert layer.weight.grad == 5


def test_memory_is_bounded_however_often_one_looks() -> None:
    module = network()
    for _ in range(1_001):
        module(X)
    assert max(len(part._saved) + len(part._overtaken) for part in module.modules()) <= 3


def test_two_passes_are_run_back_last_first_where_that_is_said() -> None:
    module = network()
    with manual.keep_passes():
        module(X)
        module(OTHER)
        second = module.backward(np.ones((7, 2)))
        first = module.backward(np.ones((5, 2)))
    one, two = right(X), right(OTHER)
    np.testing.assert_array_equal(first, one["input 0"])
    np.testing.assert_array_equal(second, two["input 0"])
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None
        np.testing.assert_allclose(parameter.grad, one[name] + two[name], rtol=1e-14)


def test_a_kept_pass_and_one_that_is_not_are_not_mixed() -> None:
    module = network()
    with manual.keep_passes():
        module(X)
    module(OTHER)
    with pytest.raises(RuntimeError, match="several forward passes wait"):
        module.backward(np.ones((7, 2)))


def test_a_forward_that_fails_leaves_nothing_behind() -> None:
    """The first layer has saved its input when the second one refuses its own."""
    module = manual.Sequential(manual.Linear(3, 4, dtype=F64), manual.Linear(5, 2, dtype=F64))
    with pytest.raises(ValueError, match="last axis is 4, expected 5"):
        module(X)
    assert not any(part._saved for part in module.modules())


def test_a_layer_that_is_shared_by_two_networks_refuses_too() -> None:
    layer = manual.Linear(3, 3, dtype=F64)
    module = manual.Sequential(layer, manual.Tanh())
    module(X)
    layer(OTHER)
    with pytest.raises(RuntimeError, match=r"Sequential on \(5, 3\); Linear on \(7, 3\)"):
        module.backward(np.ones((5, 3)))


def test_tied_weights_within_one_pass_need_nothing() -> None:
    layer = manual.Linear(3, 3, dtype=F64)
    module = manual.Sequential(layer, manual.Tanh(), layer)
    mine = one_pass(module, [X], [np.ones((5, 3))])
    theirs = one_pass(twin_of(module), [X], [np.ones((5, 3))])
    for name, gradient in mine.gradients.items():
        np.testing.assert_allclose(gradient, theirs.gradients[name], rtol=1e-13, atol=1e-14)


def test_forward_by_itself_is_a_pass_as_well() -> None:
    layer = manual.Linear(3, 2, dtype=F64)
    layer.forward(X)
    layer.backward(np.ones((5, 2)))
    layer.forward(X)
    layer.forward(OTHER)
    with pytest.raises(RuntimeError, match="several forward passes wait"):
        layer.backward(np.ones((7, 2)))


def test_looking_leaves_a_forward_by_itself_as_it_was() -> None:
    """Of which it is not known what came out, until it is run backward."""
    layer = manual.Linear(3, 2, dtype=F64)
    seen: list[Any] = []
    layer.forward(X)
    with manual.no_grad(), observe_calls(lambda *given: seen.append(given)):
        layer(OTHER)
    assert not seen
    np.testing.assert_array_equal(layer.backward(np.ones((5, 2))).shape, (5, 3))


def test_what_is_changed_in_place_counts_as_it_is_at_backward() -> None:
    """PyTorch raises here; noticing it would cost a small layer more than its own work."""
    x = X.copy()
    layer = manual.Linear(3, 2, dtype=F64)
    layer(x)
    x *= 2
    layer.weight.data *= 3
    g = np.ones((5, 2))
    np.testing.assert_array_equal(layer.backward(g), g @ layer.weight.data)
    np.testing.assert_array_equal(layer.weight.grad, g.T @ x)


# ---- what goes in and comes out


class Cell(manual.Module):
    """y = x + h, with the state (h, c) going through doubled: outputs (y, (h, c))."""

    def forward(self, x: Any, state: Any = None, *, scale: float = 2.0) -> Any:
        h, c = state
        self.save_for_backward(scale)
        return x + h, (scale * h, scale * c)

    def backward(self, g: Any, g_state: Any = None) -> Any:
        (scale,) = self.take_saved(g, g_state)
        g_h, g_c = g_state or (None, None)
        return g, (g + scale * (0 if g_h is None else g_h), scale * g_c if g_c is not None else 0)


class TorchCell(torch.nn.Module):
    def forward(self, x: Any, state: Any) -> Any:
        h, c = state
        return x + h, (2 * h, 2 * c)


STATE = (X + 1, X + 2)


def test_nested_inputs_and_outputs_go_through_one_pass() -> None:
    inputs, upstream = [X, STATE], [X, X * 2, X * 3]
    mine, theirs = one_pass(Cell(), inputs, upstream), one_pass(TorchCell(), inputs, upstream)
    assert list(mine.gradients) == list(theirs.gradients) == ["input 0", "input 1", "input 2"]
    for key, value in mine.quantities.items():
        np.testing.assert_array_equal(value, theirs.quantities[key])


def test_no_gradient_for_one_output_means_zero() -> None:
    cell = Cell()
    cell(X, STATE)
    _, (g_h, g_c) = cell.backward(X, (None, X))
    np.testing.assert_array_equal(g_h, X)
    np.testing.assert_array_equal(g_c, 2 * X)
    cell(X, state=STATE, scale=3.0)
    _, (_, g_c) = cell.backward(X, (X, X))
    np.testing.assert_array_equal(g_c, 3 * X)


# (upstream gradients of a Cell on X, the error, what it says)
BAD_UPSTREAM: list[tuple[tuple[Any, ...], type, str]] = [
    ((X, (X,)), ValueError, "1 upstream gradients, expected 2, one for each output"),
    ((X, (X, X, X)), ValueError, "3 upstream gradients, expected 2"),
    ((X, X), TypeError, "upstream gradient is a ndarray, expected 2 of them"),
    (((X, X), (X, X)), TypeError, "upstream gradient is a tuple of 2, expected a plain array"),
    ((X, (X, X[:4])), ValueError, r"upstream gradient of shape \(4, 3\), expected the output's"),
    ((X, (X, X.astype(F32))), TypeError, "upstream gradient in float32, expected the output's"),
    ((X.tolist(), (X, X)), TypeError, "upstream gradient is a list of 5, expected a plain"),
    ((X.view(np.matrix), (X, X)), TypeError, "upstream gradient is a matrix, expected a plain"),
    ((None, None), ValueError, "there is no upstream gradient"),
]


@pytest.mark.parametrize(("upstream", "error", "message"), BAD_UPSTREAM)
def test_upstream_gradients_that_do_not_fit_are_refused(
    upstream: Any, error: type, message: str
) -> None:
    cell = Cell()
    cell(X, STATE)
    with pytest.raises(error, match=message):
        cell.backward(*upstream)
    cell.backward(X, (X, X))  # what forward saved is still there


def test_too_many_upstream_gradients_are_refused() -> None:
    class Eager(manual.Tanh):
        def backward(self, *g: Any) -> Any:
            self.take_saved(*g)
            return g

    module = Eager()
    module(X)
    with pytest.raises(ValueError, match="2 upstream gradients, expected 1, one for each output"):
        module.backward(X, X)


SUBCLASSES = {
    "matrix": lambda x: np.atleast_2d(x).view(np.matrix),
    "masked": lambda x: np.ma.masked_array(x, mask=x > 0),
    "recarray": lambda x: np.asarray(x).view(np.recarray),
}


WITH_A_MATRIX = [case for case in CASES if np.ndim(case.build(F64)[1][0]) in (1, 2)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", SUBCLASSES)
@pytest.mark.parametrize("case", WITH_A_MATRIX, ids=lambda case: case.name)
def test_subclasses_of_arrays_are_refused(case: Case, kind: str) -> None:
    """A square np.matrix in BCELoss gave 1.807 where 0.857 is right: its * is a matrix product."""
    module, inputs = case.build(F64)
    with pytest.raises(TypeError, match="expected a plain NumPy array"):
        module(SUBCLASSES[kind](inputs[0]), *inputs[1:])


@pytest.mark.parametrize("kind", SUBCLASSES)
def test_subclasses_are_refused_as_numbers_of_a_module_too(kind: str) -> None:
    odd = SUBCLASSES[kind](np.ones((2, 2)))
    for take in (
        manual.Parameter,
        manual.BCELoss,
        lambda v: manual.Linear(2, 2, bias=False, dtype=F64).load_state_dict({"weight": v}),
    ):
        with pytest.raises(TypeError, match="expected a plain NumPy array"):
            take(odd)


LOSSES = {n: c for n, c in public(manual.Module).items() if n.endswith(("Loss", "Error"))}
FIRST = {
    case.class_name: case
    for case in reversed(CASES)
    if case.smooth and case.proves and "reduction=none" not in case.name
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_gives_what_the_network_takes(name: str) -> None:
    """`network.backward(loss.backward())`, or of a loss of several outputs `*loss.backward()`."""
    loss: Any
    loss, inputs = FIRST[name].build(F64)
    if name == "CTCLoss":
        loss = loss.ctc
    outputs = inputs[: 3 if name == "TripletMarginLoss" else 2 if "input2" in names(loss) else 1]
    if name == "GaussianNLLLoss":
        outputs = (inputs[0], inputs[2])
    loss(*inputs)
    gradients = loss.backward()
    for output, gradient in zip(
        outputs, gradients if len(outputs) > 1 else [gradients], strict=True
    ):
        layer = manual.Identity()
        layer(output)
        layer.backward(gradient)


def names(module: Any) -> list[str]:
    return list(inspect.signature(type(module).forward).parameters)


@pytest.mark.parametrize("name", [n for n in LOSSES if n != "CTCLoss"])
def test_a_loss_takes_its_inputs_by_name(name: str) -> None:
    loss, inputs = FIRST[name].build(F64)
    by_position = loss(*inputs)
    loss.forget_passes()
    by_name = loss(**dict(zip(names(loss)[1:], inputs, strict=True)))
    np.testing.assert_array_equal(by_position, by_name)


def test_a_tuple_from_a_loss_of_several_outputs_says_so() -> None:
    loss, inputs = FIRST["TripletMarginLoss"].build(F64)
    loss(*inputs)
    layer = manual.Identity()
    layer(inputs[0])
    with pytest.raises(TypeError, match="upstream gradient is a tuple of 3, expected a plain"):
        layer.backward(loss.backward())


# ---- what is state


def test_only_registered_buffers_are_state() -> None:
    class Norm(manual.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", np.zeros(3))
            self.register_buffer("cache", np.ones(2), persistent=False)
            self.register_buffer("none", None)
            self.mask = np.ones(4)

    module = manual.Sequential(Norm())
    assert list(module.state_dict()) == ["0.mean"]
    assert [name for name, _ in module.named_buffers()] == ["0.mean", "0.cache"]
    module.to(F32)
    norm = module[0]
    assert (norm.mean.dtype, norm.cache.dtype, norm.mask.dtype) == (F32, F32, F64)
    norm.mean = np.ones(3)
    assert list(module.state_dict()) == ["0.mean"]
    norm.none = np.ones(1)
    assert list(module.state_dict()) == ["0.mean", "0.none"]
    norm.none = None
    with pytest.raises(TypeError, match="Norm: mean is a buffer and cannot become a list"):
        norm.mean = [0.0]
    with pytest.raises(TypeError, match="mean is a buffer and cannot become a matrix"):
        norm.mean = np.ones((1, 3)).view(np.matrix)


def test_a_buffer_is_a_copy() -> None:
    weight = np.ones(3)
    loss = manual.BCELoss(weight)
    weight[0] = 7
    np.testing.assert_array_equal(loss.weight, 1)


@pytest.mark.parametrize("value", [np.ones((4, 3), F32), 1.0, [1.0], manual.Tanh()])
def test_a_parameter_is_not_replaced_by_something_else(value: Any) -> None:
    layer = manual.Linear(3, 4)
    with pytest.raises(TypeError, match=r"Linear: weight is a Parameter .*: assign to weight.data"):
        layer.weight = value
    layer.weight = manual.Parameter(np.ones((4, 3), F32))
    layer.bias = None
    assert list(layer.state_dict()) == ["weight"]
    np.testing.assert_array_equal(layer(np.ones((1, 3), F32)), np.full((1, 4), 3.0))


def test_a_module_is_not_replaced_by_something_else() -> None:
    module = network()
    with pytest.raises(TypeError, match=r"MLP: layers is a Module and cannot become a float$"):
        module.layers = 1.0


# ---- signatures are PyTorch's

MODULES: dict[str, Any] = {
    **public(manual.Module),
    "ArticleNetwork": ArticleNetwork,
    "SharedBias": SharedBias,
}


# In PyTorch the lengths are a part of the input, a packed sequence.
BY_HAND_ONLY = {"RNN": ["lengths"], "LSTM": ["lengths"], "GRU": ["lengths"]}


@pytest.mark.parametrize("name", [n for n in MODULES if n not in ("ModuleList", "ModuleDict")])
def test_forward_has_pytorchs_names(name: str) -> None:
    theirs = getattr(torch.nn, name, None) or getattr(models, name)
    mine = inspect.signature(MODULES[name].forward).parameters
    expected = list(inspect.signature(theirs.forward).parameters)
    assert list(mine) == expected + BY_HAND_ONLY.get(name, [])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_twin_has_what_the_case_asked_for(case: Case) -> None:
    """It is made from what the module says of itself; the reference from the case alone."""
    pair = make_pair(case, F64)
    assert repr(twin_of(pair.mine)) == repr(pair.twin)
    again = one_pass(twin_of(pair.mine), pair.inputs, pair.upstream).quantities
    for key, value in pair.by_autograd().quantities.items():
        np.testing.assert_array_equal(again[key], value)


def test_a_named_case_is_one_that_there_is() -> None:
    assert named("Linear-square").class_name == "Linear"
    with pytest.raises(StopIteration):
        named("none")


DEPRECATED = [
    pytest.param(name, option, value, id=f"{name}-{option}={value}")
    for name, made in LOSSES.items()
    for option in ("size_average", "reduce")
    for value in (True, False)
    if option in inspect.signature(made).parameters
]


@pytest.mark.parametrize(("name", "option", "value"), DEPRECATED)
def test_what_pytorch_has_deprecated_is_refused(name: str, option: str, value: bool) -> None:
    with pytest.raises(NotImplementedError, match=f"{name}: {option} is not supported"):
        MODULES[name](**{option: value})
