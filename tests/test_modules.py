"""Modules: what they refuse, and with which words; state; shapes of any size."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import manual
from manual.arrays import as_tuple
from torch_ref.twin import twin_of

from .cases import CASES, Case
from .cases.case import plain, typed
from .cases.draws import normal
from .conftest import assert_agreement, make_pair

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
F32, F64 = np.float32, np.float64
X = np.ones((5, 3), F32)
untyped: Any = manual  # for calls that no type checker would let pass


def linear() -> manual.Linear:
    return manual.Linear(3, 4)


# (what is done, the error, what it says)
REFUSED = [
    (lambda: linear()(np.ones((2, 5), F32)), ValueError, r"Linear\(3, 4\): input's last axis is 5"),
    (lambda: linear()(np.ones((2, 3))), TypeError, "input is float64, expected float32"),
    (
        lambda: linear()([[1.0, 2.0, 3.0]]),
        TypeError,
        "input is a list, expected a plain",
    ),
    (lambda: manual.ReLU()(np.arange(3)), TypeError, "input is int64, expected a floating dtype"),
    (lambda: manual.Linear(0, 4), ValueError, "Linear: in_features is 0, expected a whole number"),
    (lambda: untyped.Linear(3, 4.5), ValueError, "out_features is 4.5"),
    (lambda: manual.Linear(3, 4, dtype="float16"), TypeError, "dtype is float16, expected float32"),
    (lambda: manual.Bilinear(2, 3, 4)(X, X), ValueError, r"input1 has shape \(5, 3\), expected"),
    (
        lambda: manual.Embedding(4, 2)(np.array([4])),
        IndexError,
        r"input has 4 at \[0\], expected 0 to 3",
    ),
    (
        lambda: manual.Embedding(4, 2)(np.array([[1, 3], [-1, 0]])),
        IndexError,
        r"input has -1 at \[1, 0\], expected 0 to 3",
    ),
    (lambda: manual.Embedding(4, 2)(np.ones(2)), TypeError, "input is float64, expected integers"),
    (lambda: manual.Embedding(4, 2, padding_idx=4), ValueError, "padding_idx is 4"),
    (lambda: manual.Dropout(1.5), ValueError, "Dropout: p is 1.5, expected a probability"),
    (lambda: manual.Dropout(-0.1), ValueError, "p is -0.1"),
    (lambda: manual.Dropout(float("nan")), ValueError, "p is nan"),
    (lambda: manual.Dropout2d()(X), ValueError, "input has 2 axes, expected 4"),
    (lambda: manual.Flatten(3)(X), IndexError, "start_dim 3"),
    (lambda: manual.Unflatten(1, (2, 2))(X), ValueError, "3 elements, which"),
    (lambda: manual.GLU()(X), ValueError, "3 elements, expected an even number"),
    (lambda: manual.Softmax(2)(X), IndexError, "input has 2 axes, dim 2 is not one"),
    (lambda: manual.PReLU(2)(X), ValueError, "has 3 channels, expected 2"),
    (lambda: manual.GELU("x"), ValueError, "approximate is 'x'"),
    (lambda: manual.Hardtanh(1, -1), ValueError, "max_val is -1"),
    (lambda: manual.CELU(0), ValueError, "alpha is 0"),
    (lambda: manual.Softshrink(-1), ValueError, "lambd is -1"),
    (lambda: manual.MSELoss(reduction="median"), ValueError, "reduction is 'median', expected one"),
    (lambda: manual.MSELoss()(X, X[:4]), ValueError, r"target has shape \(4, 3\), expected"),
    (lambda: manual.MSELoss()(X, X[:1]), ValueError, "target has shape"),  # no broadcasting
    (lambda: manual.MSELoss()(X, X.astype(F64)), TypeError, "target is float64, expected float32"),
    (lambda: manual.BCELoss()(X * 2, X), ValueError, "input has values from 2.0 to 2.0, expected"),
    (lambda: manual.BCELoss()(-X, X), ValueError, "input has values from -1"),
    (lambda: manual.BCELoss()(X * np.nan, X), ValueError, "input has values from nan"),
    (lambda: manual.BCELoss(np.ones(2, F32))(X, X), ValueError, r"weight of shape \(2,\)"),
    (lambda: manual.GaussianNLLLoss()(X, X, -X), ValueError, "var has values from -1"),
    (lambda: manual.GaussianNLLLoss()(X, X, X[:, :2]), ValueError, "var has shape"),
    (lambda: manual.HuberLoss(delta=0), ValueError, "delta is 0"),
    (lambda: manual.SmoothL1Loss(beta=-1), ValueError, "beta is -1"),
    (lambda: manual.CrossEntropyLoss()(X, np.arange(5)), IndexError, r"target has 3 at \[3\], "),
    (lambda: manual.CrossEntropyLoss()(X, np.full(5, -1)), IndexError, r"target has -1 at \[0\]"),
    (lambda: manual.CrossEntropyLoss()(X, np.zeros(4, int)), ValueError, r"shape \(4,\), expected"),
    (lambda: manual.CrossEntropyLoss()(X, -X), ValueError, "target has values from -1"),
    (lambda: manual.CrossEntropyLoss()(X, X[:2]), ValueError, r"target has shape \(2, 3\)"),
    (lambda: manual.CrossEntropyLoss(np.ones(2, F32))(X, np.zeros(5, int)), ValueError, "weight"),
    (lambda: manual.CrossEntropyLoss(label_smoothing=2), ValueError, "label_smoothing is 2"),
    (lambda: manual.NLLLoss()(X, X[:, 0]), TypeError, "target is float32, expected integers"),
    (lambda: manual.NLLLoss()(X, X), ValueError, r"target has shape \(5, 3\), expected \(5,\)"),
    (lambda: manual.HingeEmbeddingLoss()(X, X * 0), ValueError, "0.0 at .0, 0., expected 1 or -1"),
    (lambda: manual.MultiMarginLoss(p=3), ValueError, "p is 3"),
    (
        lambda: manual.MultiMarginLoss()(X, np.full(5, 3)),
        IndexError,
        r"target has 3 at \[0\], expected 0 to 2",
    ),
    (lambda: manual.TripletMarginLoss(margin=0), ValueError, "margin is 0"),
    (
        lambda: manual.CTCLoss()(np.ones((4, 2, 3)), np.ones((2, 2), int), np.array([4]), [1, 1]),
        ValueError,
        "expected one for each of 2 samples",
    ),
    (
        lambda: manual.CTCLoss()(np.ones((4, 1, 3)), np.array([[3]]), np.array([4]), [1]),
        IndexError,
        "expected 0 to 2",
    ),
    (lambda: untyped.MSELoss(mean=True), TypeError, "unexpected keyword argument 'mean'"),
    (lambda: untyped.Sequential([linear()]), TypeError, "0 is a list, expected a module"),
    (lambda: untyped.Sequential({"fc": linear()}), TypeError, "0 is a dict, expected a module"),
    (lambda: manual.CosineEmbeddingLoss()(X, X, [1] * 5), TypeError, "target is a list"),
    (
        lambda: manual.MultiMarginLoss(weight=np.ones(1, F32))(X, np.zeros(5, int)),
        ValueError,
        r"weight has shape \(1,\), expected \(3,\)",
    ),
    (lambda: setattr(linear().weight, "data", [1.0]), ValueError, "data of shape"),
    (lambda: manual.MLP((3,)), ValueError, "expected at least an input and an output"),
    (lambda: manual.MLP((3, 2), "rule"), ValueError, "there is no activation 'rule'"),
    (lambda: setattr(linear().weight, "grad", X), ValueError, r"grad of shape \(5, 3\)"),
    (lambda: linear().weight.accumulate(np.ones((4, 3))), TypeError, "grad in float64"),
    (lambda: linear().load_state_dict({}), ValueError, "missing weight; missing bias"),
]


@pytest.mark.parametrize(("do", "error", "message"), REFUSED)
def test_what_is_refused_says_why(do: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        do()


UNSUPPORTED = [
    (lambda: untyped.Linear(3, 4, device="cpu"), "Linear: device"),
    (lambda: untyped.ReLU(inplace=True), "ReLU: inplace"),
    (lambda: untyped.SELU(True), "SELU: inplace"),
    (lambda: untyped.Hardtanh(min_value=-2), "Hardtanh: min_value"),
    (lambda: untyped.Embedding(3, 4, max_norm=1.0), "Embedding: max_norm"),
    (lambda: untyped.Embedding(3, 4, sparse=True), "Embedding: sparse"),
    (lambda: untyped.Embedding(3, 4, scale_grad_by_freq=True), "Embedding: scale_grad_by_freq"),
    (lambda: untyped.Softmax(), "Softmax: dim=None"),
    (lambda: untyped.LogSoftmax(), "LogSoftmax: dim=None"),
    (lambda: untyped.Softmin(), "Softmin: dim=None"),
    (lambda: untyped.MSELoss(size_average=True), "MSELoss: size_average"),
    (lambda: untyped.MSELoss(size_average=False), "MSELoss: size_average"),
    (lambda: untyped.CrossEntropyLoss(reduce=True), "CrossEntropyLoss: reduce"),
    (lambda: untyped.TripletMarginLoss(p=float("inf")), "TripletMarginLoss: p=inf"),
]


@pytest.mark.parametrize(("make", "message"), UNSUPPORTED)
def test_what_is_not_supported_is_named(make: Any, message: str) -> None:
    with pytest.raises(NotImplementedError, match=f"{message} is not supported"):
        make()


def test_load_state_dict_lists_everything_and_changes_nothing() -> None:
    network = manual.MLP((3, 4, 2), dtype=F64)
    before = network.state_dict()
    state = network.state_dict()
    del state["layers.0.bias"]
    state |= {"more": np.ones(2), "layers.0.weight": np.ones((3, 4))}
    state["layers.2.bias"] = np.ones(2, complex)
    with pytest.raises(ValueError, match="load_state_dict") as caught:
        network.load_state_dict(state)
    for wanted in (
        "missing layers.0.bias",
        "unexpected more",
        "layers.0.weight has shape (3, 4), expected (4, 3)",
        "layers.2.bias is complex128, expected float64",
    ):
        assert wanted in str(caught.value)
    for name, values in network.state_dict().items():
        np.testing.assert_array_equal(values, before[name])


def test_train_and_eval_reach_every_module() -> None:
    network = manual.Sequential(manual.Linear(3, 3), manual.Sequential(manual.Dropout(0.5)))
    assert not any(module.training for module in network.eval().modules())
    np.testing.assert_array_equal(network(X), network[0](X))
    assert all(module.training for module in network.train().modules())


def test_a_parameter_shows_itself() -> None:
    values = np.array([1.0, 2.0], F32)
    assert repr(manual.Parameter(values)) == f"Parameter({values!r})"
    fixed = manual.Parameter(values, requires_grad=False)
    assert repr(fixed) == f"Parameter({values!r}, requires_grad=False)"


def test_a_parameter_takes_only_what_is_its_own() -> None:
    """Its first gradient, and every other one; a subclass of an array is named."""
    for first in (None, np.ones((4, 3), F32)):
        weight = linear().weight
        weight.grad = first
        what = "grad" if first is None else "gradient"
        with pytest.raises(TypeError, match=f"^{what} in float64 for a parameter in float32: take"):
            weight.accumulate(np.ones((4, 3)))
        with pytest.raises(ValueError, match=rf"^{what} of shape \(3,\) for a parameter of shape"):
            weight.accumulate(np.ones(3, F32))
        np.testing.assert_array_equal(weight.grad, first)
    with pytest.raises(TypeError, match=r"^data is a matrix, expected a plain NumPy array$"):
        manual.Parameter(np.ones((2, 2)).view(np.matrix))


@pytest.mark.parametrize("has_gradient", [True, False])
def test_a_parameter_is_converted_with_its_gradient(has_gradient: bool) -> None:
    weight = linear().weight
    weight.grad = np.ones((4, 3), F32)
    if not has_gradient:
        weight.grad = None
    weight.cast(F64)
    manual.SGD([weight], lr=0.1)  # which moves it into its own arrays
    assert (weight.grad is not None) == has_gradient
    weight.accumulate(np.full((4, 3), 2.0))
    assert weight.grad is not None
    assert weight.grad.dtype == F64
    np.testing.assert_array_equal(weight.grad, 2 + has_gradient)


@pytest.mark.parametrize("padding", [None, 0, 2, -1])
def test_the_paddings_row_starts_from_zero(padding: int | None) -> None:
    layer = manual.Embedding(4, 3, padding, generator=np.random.default_rng(0))
    rows = np.random.default_rng(0).standard_normal((4, 3), dtype=F32)
    if padding is not None:
        rows[padding] = 0
    np.testing.assert_array_equal(layer.weight.data, rows)
    layer.reset_parameters(np.random.default_rng(0))
    np.testing.assert_array_equal(layer.weight.data, rows)


def test_a_shared_parameter_is_one_parameter() -> None:
    layer = manual.Linear(3, 3)
    network = manual.Sequential(layer, manual.Tanh(), layer)
    assert [name for name, _ in network.named_parameters()] == ["0.weight", "0.bias"]
    theirs = torch.nn.Linear(3, 3)
    twin = torch.nn.Sequential(theirs, torch.nn.Tanh(), theirs)
    assert set(network.state_dict()) == set(twin.state_dict())
    tied: Any = twin_of(network)
    assert tied[0] is tied[2]
    np.testing.assert_allclose(network(X), tied(torch.from_numpy(X)).detach(), rtol=1e-5)


def test_no_grad_saves_nothing() -> None:
    network = manual.MLP((3, 4, 2))
    with manual.no_grad():
        network(X)
    assert not any(module._saved for module in network.modules())


SHAPE = st.lists(st.integers(1, 5), min_size=0, max_size=3).map(tuple)


@settings(max_examples=60, deadline=None)
@given(shape=SHAPE, sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)), bias=st.booleans())
def test_linear_of_any_shape(shape: tuple, sizes: tuple, bias: bool) -> None:
    case = Case("Linear", typed(manual.Linear, *sizes, bias=bias), normal((*shape, sizes[0])))
    assert_agreement(make_pair(case, F64).gradients())


@settings(max_examples=60, deadline=None)
@given(
    shape=SHAPE,
    made=st.sampled_from([manual.Tanh, manual.GELU, manual.Mish, manual.SELU, manual.Hardswish]),
    dtype=st.sampled_from([F32, F64]),
)
def test_activations_of_any_shape(shape: tuple, made: Any, dtype: Any) -> None:
    assert_agreement(make_pair(Case("-", plain(made), normal(shape)), dtype).gradients())


@settings(max_examples=60, deadline=None)
@given(shape=SHAPE.filter(len), made=st.sampled_from(["Softmax", "LogSoftmax"]), data=st.data())
def test_softmax_of_any_shape_and_axis(shape: tuple, made: str, data: Any) -> None:
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    case = Case("-", plain(getattr(manual, made), dim), normal(shape))
    assert_agreement(make_pair(case, F64).gradients())


@settings(max_examples=60, deadline=None)
@given(
    shape=SHAPE,
    made=st.sampled_from(["MSELoss", "HuberLoss", "L1Loss", "BCEWithLogitsLoss"]),
    reduction=st.sampled_from(["none", "mean", "sum"]),
)
def test_losses_of_any_shape(shape: tuple, made: str, reduction: str) -> None:
    recipe = plain(getattr(manual, made), reduction=reduction)
    assert_agreement(make_pair(Case("-", recipe, normal(shape, shape)), F64).gradients())


LOSSES = [c for c in CASES if c.class_name.endswith(("Loss", "Error")) and c.smooth]


@pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.name)
@pytest.mark.parametrize("g", [(), (0.5,)], ids=["default", "a Python number"])
def test_a_loss_goes_back_in_its_own_dtype(case: Case, g: tuple) -> None:
    module, inputs = case.build(F32)
    if np.ndim(module(*inputs)) == 0:
        for gradient in as_tuple(module.backward(*g)):
            assert gradient.dtype == F32


@pytest.mark.parametrize(
    "make",
    [
        lambda v: manual.ELU(v),
        lambda v: manual.LeakyReLU(v),
        lambda v: manual.Softplus(v),
        lambda v: manual.Hardtanh(-v, v),
        lambda v: manual.Softshrink(v),
        lambda v: manual.AlphaDropout(v),
    ],
)
def test_a_numpy_number_as_an_argument_lifts_nothing_to_float64(make: Any) -> None:
    module = make(np.float64(0.7))
    assert module(X).dtype == F32
    assert module.backward(X).dtype == F32
    assert "np.float64" not in repr(module)


def test_embedding_of_one_number_is_a_copy() -> None:
    module = manual.Embedding(4, 3)
    row = module(np.int64(2))
    module.weight.data[...] = 7
    assert (row != 7).all()


@pytest.mark.parametrize("made", [manual.CrossEntropyLoss, manual.NLLLoss])
def test_where_every_target_is_ignored_nothing_is_learnt(made: Any) -> None:
    loss = made()
    assert np.isnan(loss(X, np.full(5, -100)))
    np.testing.assert_array_equal(loss.backward(), np.zeros_like(X))


def test_a_slice_of_a_sequential_is_one() -> None:
    network = manual.Sequential(manual.Linear(3, 4), manual.Tanh(), manual.Linear(4, 2))
    assert network[:2].one_line() == "Sequential(Linear(3, 4), Tanh())"
    assert network[0] is network[:2][0]
    assert len(network) == 3


def test_empty_batches_are_nan_without_a_warning() -> None:
    empty = np.ones((0, 3), F32)
    for loss in (manual.MSELoss(), manual.L1Loss(), manual.BCEWithLogitsLoss()):
        assert np.isnan(loss(empty, empty))
        assert all(g.shape == (0, 3) and g.dtype == F32 for g in loss.backward())
    of_classes = manual.CrossEntropyLoss()
    assert np.isnan(of_classes(empty, np.ones(0, int)))
    assert of_classes.backward().shape == (0, 3)


# ---- The gradient of the data

SPARING: list[tuple[Any, tuple[int, ...]]] = [
    (lambda g: manual.Linear(3, 4, generator=g), (5, 3)),
    (lambda g: manual.Conv2d(3, 4, 2, generator=g), (5, 3, 4, 6)),
    (lambda g: manual.ConvTranspose1d(3, 4, 2, generator=g), (5, 3, 6)),
    (lambda g: manual.MLP((3, 5, 4), generator=g), (6, 3)),
    (lambda g: manual.ConvNet((2, 3, 4), 8, generator=g), (5, 2, 8, 8)),
    (lambda g: manual.ResNet(2, 4, 1, generator=g), (5, 2, 6, 6)),
    (lambda g: manual.Sequential(manual.Linear(3, 4, generator=g), manual.Tanh()), (5, 3)),
]


@pytest.mark.parametrize(("make", "shape"), SPARING)
def test_the_gradient_of_the_data_can_be_spared(make: Any, shape: tuple[int, ...]) -> None:
    """Twice in a row, a copy too; the parameters' gradients stay the same bit for bit."""
    asked = make(np.random.default_rng(0))
    spared = make(np.random.default_rng(0))
    assert spared.without_input_gradient() is spared
    assert repr(spared) == repr(asked)
    assert spared.state_dict().keys() == twin_of(spared).state_dict().keys()
    for module in (asked, spared, copy.deepcopy(spared)):
        inputs = [np.random.default_rng(i).normal(size=shape).astype(F32) for i in (1, 2)]
        with manual.keep_passes():
            upstream = [np.cos(module(x)) for x in inputs]
            returned = [module.backward(g) for g in reversed(upstream)]
        if module is asked:
            assert [g.shape for g in returned] == [shape, shape]
            continue
        assert returned == [None, None]
        pairs = zip(asked.parameters(), module.parameters(), strict=True)
        assert all(np.array_equal(a.grad, b.grad) for a, b in pairs)


@pytest.mark.parametrize("kind", [manual.RNN, manual.LSTM, manual.GRU])
def test_a_recurrent_layer_spares_the_data_s_gradient_and_no_other(kind: Any) -> None:
    asked = kind(3, 4, num_layers=2, bidirectional=True, dtype=F64)
    spared = copy.deepcopy(asked).without_input_gradient()
    x, hx = np.random.default_rng(0).normal(size=(5, 2, 3)), np.ones((4, 2, 4))
    state = (hx, 2 * hx) if kind is manual.LSTM else hx
    of_asked, of_spared = (m.backward(np.cos(m(x, state)[0])) for m in (asked, spared))
    assert of_spared[0] is None
    np.testing.assert_array_equal(of_spared[1], of_asked[1])
    for a, b in zip(asked.parameters(), spared.parameters(), strict=True):
        np.testing.assert_array_equal(a.grad, b.grad)
    assert spared.backward(np.cos(spared(x)[0])) is None


def test_a_layer_that_stands_elsewhere_too_spares_nothing() -> None:
    """Its second place has a layer before it, which asks for the gradient."""
    layer = manual.Linear(3, 3)
    for network in (
        manual.Sequential(layer, manual.Tanh(), manual.Sequential(layer)),
        manual.Sequential(layer, layer),
    ):
        network.without_input_gradient()
        assert network.backward(network(X)).shape == X.shape
    assert manual.Sequential().without_input_gradient()(X) is X


def test_where_there_is_nothing_to_spare_the_gradient_comes_as_before() -> None:
    layer = manual.ReLU()
    layer.without_input_gradient()
    assert np.array_equal(layer.backward(layer(X)), X)
