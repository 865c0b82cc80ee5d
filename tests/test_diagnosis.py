"""The diagnosis: mistakes from the field are named, and what is right is never accused."""

from typing import Any

import numpy as np
import pytest
import torch

import manual
from manual.article.example import INPUTS, LEARNING_RATE, TARGETS
from manual.article.modules import ArticleNetwork, early_update
from torch_ref.checking import check
from torch_ref.checking.report import Checked
from torch_ref.checking.trajectory import diagnose_step
from torch_ref.diagnosis.kinds import FIXES
from torch_ref.diagnosis.recording import record
from torch_ref.diagnosis.samples import Sample
from torch_ref.diagnosis.search import diagnose
from torch_ref.twin import to_torch, twin_of

from . import faulty


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def deep() -> torch.nn.Module:
    """The reference of `faulty.Network`."""
    torch.manual_seed(0)
    layers: list[torch.nn.Module] = []
    for n, m in ((3, 5), (5, 4), (4, 2)):
        layers += [torch.nn.Linear(n, m), torch.nn.Sigmoid()]
    return torch.nn.Sequential(*layers).double()


GATES = {"weight_ih_l0": "Wx.T@ifog", "weight_hh_l0": "Wh.T@ifog", "bias_ih_l0": "b@ifog"}


def lstm(bug: str) -> Checked:
    return check(faulty.LSTM(3, 4, bug), torch.nn.LSTM(3, 4), normal(5, 2, 3), layouts=GATES)


# The mistake; what is checked; the kind of the verdict; words that must be in it or in its place.
FIELD: dict[str, tuple[Any, str, str]] = {
    "softmax's Jacobian as the identity": (
        lambda: check(faulty.Softmax("identity"), torch.nn.Softmax(-1), normal(5, 3)),
        "forgotten-derivative",
        "softmax",
    ),
    "softmax's Jacobian as its diagonal": (
        lambda: check(faulty.Softmax("diagonal only"), torch.nn.Softmax(-1), normal(5, 3)),
        "diagonal-only",
        "softmax",
    ),
    "bias summed over all axes": (
        lambda: check(
            faulty.Linear(3, 4, "bias over all axes"), torch.nn.Linear(3, 4), normal(5, 3)
        ),
        "extra-axis",
        "bias",
    ),
    "bias averaged": (
        lambda: check(faulty.Linear(3, 4, "bias averaged"), torch.nn.Linear(3, 4), normal(5, 3)),
        "mean-for-sum",
        "bias",
    ),
    "a stale cache": (
        lambda: check(faulty.Linear(3, 4, "stale"), torch.nn.Linear(3, 4), normal(5, 3)),
        "stale-cache",
        "the call before",
    ),
    "max pooling assigns where windows overlap": (
        lambda: check(faulty.MaxPool("assigned"), torch.nn.MaxPool2d(3, 2), normal(2, 3, 9, 7)),
        "assigned-for-added",
        "max pooling",
    ),
    "dropout's backward without its mask": (
        lambda: check(faulty.Dropout(0.4, "mask forgotten"), torch.nn.Dropout(0.4), normal(9, 7)),
        "forgotten-factor",
        "",
    ),
    "dropout's backward without its scale": (
        lambda: check(faulty.Dropout(0.4, "scale forgotten"), torch.nn.Dropout(0.4), normal(9, 7)),
        "forgotten-factor",
        "scale of the mask",
    ),
    "LSTM without the cell state's carry": (
        lambda: lstm("cell carry"),
        "forgotten-path",
        "the cell state",
    ),
    "LSTM's bias with another gate's delta": (
        lambda: lstm("bias gate"),
        "other-gate",
        "gate o what belongs to gate i",
    ),
    "LSTM's recurrent weight with the next hidden state": (
        lambda: lstm("next hidden state"),
        "wrong-argument",
        "hidden state",
    ),
    "1/m applied twice": (
        lambda: check(
            faulty.MeanSquare("1/m twice"), torch.nn.MSELoss(), normal(5, 3), normal(5, 3) / 2
        ),
        "mean-for-sum",
        "15",
    ),
    "weights and bias averaged": (
        lambda: check(faulty.Linear(3, 4, "1/m twice"), torch.nn.Linear(3, 4), normal(5, 3)),
        "mean-for-sum",
        "5",
    ),
    "batch norm without the mean's path": (
        lambda: check(
            faulty.BatchNorm(3, "mean's path forgotten"), torch.nn.BatchNorm1d(3), normal(7, 3)
        ),
        "forgotten-path",
        "the mean",
    ),
    "batch norm without the variance's path": (
        lambda: check(
            faulty.BatchNorm(3, "variance's path forgotten"), torch.nn.BatchNorm1d(3), normal(7, 3)
        ),
        "forgotten-path",
        "1/sqrt",
    ),
    "a kernel that is not flipped": (
        lambda: check(
            faulty.Convolution,
            torch.nn.functional.conv2d,
            normal(2, 3, 6, 7),
            np.random.default_rng(1).normal(size=(4, 3, 2, 3)),
        ),
        "kernel-not-flipped",
        "convolution",
    ),
    "an activation's derivative forgotten": (
        lambda: check(faulty.Network(bug="derivative forgotten"), deep(), normal(6, 3)),
        "forgotten-derivative",
        "3 (Sigmoid)",
    ),
    "an activation's derivative at its output": (
        lambda: check(faulty.Network(bug="derivative of the output"), deep(), normal(6, 3)),
        "wrong-argument",
        "3 (Sigmoid)",
    ),
    "an activation for its derivative": (
        lambda: check(faulty.Network(bug="activation for derivative"), deep(), normal(6, 3)),
        "activation-for-derivative",
        "3 (Sigmoid)",
    ),
    "the activation applied to the gradient": (
        lambda: check(faulty.Network(bug="activation on the gradient"), deep(), normal(6, 3)),
        "activation-on-gradient",
        "3 (Sigmoid)",
    ),
    "weights updated early": (
        lambda: check(faulty.Network(bug="early update"), deep(), normal(6, 3)),
        "early-update",
        "learning rate 0.3",
    ),
    "two mistakes": (
        lambda: check(faulty.Network(bug="two mistakes"), deep(), normal(6, 3)),
        "sign + mean-for-sum",
        "0.bias",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", FIELD)
def test_a_mistake_from_the_field_is_named(mistake: str) -> None:
    run, kind, words = FIELD[mistake]
    checked = run()
    assert not checked.agrees
    verdicts = checked.diagnosis.verdicts
    assert verdicts, checked
    first = verdicts[0]
    assert first.kind == kind, checked
    assert words in f"{first.what} {first.place}"
    assert first.distance < 1e-12
    assert all(part in first.fix for part in (FIXES[k] for k in kind.split(" + ")))


DECOYS: dict[str, Any] = {
    "the term of batch norm that is always zero": lambda: check(
        faulty.BatchNorm(3, "zero term left out"), torch.nn.BatchNorm1d(3), normal(7, 3)
    ),
    "sech² for tanh′": lambda: check(faulty.Tanh(), torch.nn.Tanh(), normal(5, 3)),
    "sums in another order": lambda: check(
        faulty.Network(), deep(), normal(64, 3)[::-1].copy(order="F")
    ),
    "softmax": lambda: check(faulty.Softmax(), torch.nn.Softmax(-1), normal(5, 3)),
    "linear": lambda: check(faulty.Linear(3, 4), torch.nn.Linear(3, 4), normal(5, 3), steps=3),
    "dropout": lambda: check(faulty.Dropout(), torch.nn.Dropout(0.4), normal(9, 7)),
    "max pooling": lambda: check(faulty.MaxPool(), torch.nn.MaxPool2d(3, 2), normal(2, 3, 9, 7)),
    "LSTM": lambda: lstm(""),
    "mean square": lambda: check(
        faulty.MeanSquare(), torch.nn.MSELoss(), normal(5, 3), normal(5, 3) / 2
    ),
    "course functions": lambda: check(
        (faulty.affine_forward, faulty.affine_backward), torch.nn.Linear(3, 4), normal(5, 3)
    ),
    "one of ours": lambda: check(
        manual.MLP((3, 4, 2), "Tanh", np.float64, np.random.default_rng(0)),
        twin_of(manual.MLP((3, 4, 2), "Tanh", np.float64, np.random.default_rng(0))),
        normal(5, 3),
        steps=3,
    ),
}


@pytest.mark.parametrize("decoy", DECOYS)
def test_what_is_right_is_not_accused(decoy: str) -> None:
    checked = DECOYS[decoy]()
    assert checked.agrees, checked
    assert checked.diagnosis.agrees
    assert not checked.diagnosis.verdicts


def test_the_articles_own_slip() -> None:
    """Its weights after one round are those of an early update of w5 … w8, where it is one."""
    network = ArticleNetwork(2, "Sigmoid", "fixed", np.dtype(np.float64))
    twin = twin_of(network)
    x, t = np.array([INPUTS]), np.array([TARGETS])
    before = {n: p.data.copy() for n, p in network.named_parameters() if p.requires_grad}
    error = manual.HalfSquaredError()
    output = network(x)
    error(output, t)
    upstream = error.backward()
    early_update(network, manual.SGD(network.parameters(), lr=LEARNING_RATE), upstream)
    after = {n: p.data for n, p in network.named_parameters() if n in before}
    found = diagnose_step(twin, [x], [to_torch(upstream)], before, after, LEARNING_RATE)
    assert found.verdicts
    first = found.verdicts[0]
    assert first.kind == "early-update"
    assert "output.0.weight" in first.what
    assert "learning rate 0.5" in first.what
    assert first.distance < 1e-12
    assert found.wrong == ("hidden.0.weight",)


def sample(reference: Any, shape: tuple[int, ...], change: Any) -> Sample:
    """A reference on random numbers, and its own gradients, changed."""
    x = to_torch(normal(*shape))
    upstream = [to_torch(np.random.default_rng(1).normal(size=reference(x).shape))]
    found = Sample.of(reference, [x], upstream)
    found.mine = change({name: g.clone() for name, g in found.right.items()}, upstream[0])
    return found


def test_a_normalization_without_running_statistics_is_replayed_without_them() -> None:
    """In evaluation PyTorch would read statistics that are not there, and bring Python down."""
    layer = torch.nn.BatchNorm1d(3, track_running_stats=False).double()
    wrong = sample(layer, (5, 3), lambda right, upstream: right | {"input 0": 3.7 * upstream})
    assert diagnose([wrong], 100).wrong == ("input 0",)


def test_several_that_fit_are_all_named_with_what_tells_them_apart() -> None:
    """With a batch of 2, twice is also the number of samples; another batch tells."""
    layer = torch.nn.Linear(3, 4).double()

    def twice(right: Any, upstream: Any) -> Any:
        return right | {"bias": 2 * right["bias"]}

    one = sample(layer, (2, 3), twice)
    more = sample(layer, (5, 3), lambda right, upstream: None)
    found = diagnose([one, more], 100)
    assert {verdict.kind for verdict in found.verdicts} == {"scale", "sum-for-mean"}
    assert "(5, 3)" in found.apart
    confirmed = diagnose([one, sample(layer, (5, 3), twice)], 100)
    assert [verdict.kind for verdict in confirmed.verdicts] == ["scale"]


def test_when_nothing_fits_it_says_where_the_error_sits() -> None:
    def change(right: Any, upstream: Any) -> Any:
        right["weight"][1] *= 1.7
        right["weight"][1, 2] += 0.3
        return right

    found = diagnose([sample(torch.nn.Linear(3, 4).double(), (5, 3), change)], 100)
    assert not found.verdicts
    assert found.wrong == ("weight",)
    assert "only at index 1 of axis 0 (3 of 12 elements)" in found.where
    assert found.tried > 10


def test_one_number_is_no_proof_of_an_early_update() -> None:
    """A slope of zero is what some learning rate makes of PReLU's one weight: any number is."""

    def without_slope(right: Any, upstream: Any) -> Any:
        x = to_torch(normal(5, 3))
        return right | {"input 0": upstream * (x > 0)}

    found = diagnose([sample(torch.nn.PReLU().double(), (5, 3), without_slope)], 100)
    assert "early-update" not in {verdict.kind for verdict in found.verdicts}
    assert "with zero for weight" in found.verdicts[0].what


@pytest.mark.slow
def test_a_recurrent_layer_with_the_batch_first() -> None:
    layer = torch.nn.RNN(3, 4, batch_first=True).double()
    x = to_torch(normal(2, 5, 3))
    upstream = [torch.randn_like(y) for y in layer(x)]
    found = Sample.of(layer, [x], upstream)
    found.mine = found.right | {"weight_hh_l0": -found.right["weight_hh_l0"]}
    assert diagnose([found], 100).verdicts[0].kind == "sign"


def test_lost_digits_are_no_missing_term() -> None:
    def rounded(right: Any, upstream: Any) -> Any:
        return {name: g.float().double() for name, g in right.items()}

    found = diagnose([sample(torch.nn.Linear(3, 4).double(), (5, 3), rounded)], 100)
    assert found.verdicts[0].kind == "lost-digits"


def test_a_right_gradient_in_another_shape() -> None:
    def flat(right: Any, upstream: Any) -> Any:
        return right | {"bias": right["bias"].reshape(1, 4)}

    found = diagnose([sample(torch.nn.Linear(3, 4).double(), (5, 3), flat)], 100)
    assert found.verdicts[0].kind == "shape"


def test_the_search_ends_where_it_is_too_much_work_and_says_so() -> None:
    def noise(right: Any, upstream: Any) -> Any:
        return {name: g + torch.rand_like(g) for name, g in right.items()}

    found = diagnose([sample(deep(), (6, 3), noise)], 100, work=500)
    assert not found.verdicts
    assert f"after {found.tried} replays" in found.untried
    again = diagnose([sample(deep(), (6, 3), noise)], 100, work=1e4)
    assert again.tried > found.tried


REPLAYED = {
    "mlp": (deep(), (6, 3)),
    "batch norm": (torch.nn.BatchNorm1d(3), (6, 3)),
    "layer norm": (torch.nn.LayerNorm(3), (6, 3)),
    "group norm": (torch.nn.GroupNorm(2, 4), (3, 4, 5)),
    "softmax": (torch.nn.Softmax(-1), (6, 3)),
    "convolution": (torch.nn.Conv2d(3, 4, 2, stride=2, padding=1), (2, 3, 5, 6)),
    "max pooling": (torch.nn.MaxPool2d(3, 2), (2, 3, 7, 7)),
    "lstm": (torch.nn.LSTM(3, 4), (5, 2, 3)),
    "gru": (torch.nn.GRU(3, 4, 2, bidirectional=True), (4, 2, 3)),
    "transformer": (torch.nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0), (3, 2, 4)),
    "hardsigmoid": (torch.nn.Hardsigmoid(), (6, 3)),
    "gelu": (torch.nn.GELU(), (6, 3)),
}


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("name", REPLAYED)
def test_a_replay_without_an_edit_is_pytorchs_backward(name: str, opened: bool) -> None:
    reference, shape = REPLAYED[name]
    reference = reference.double()
    x = to_torch(normal(*shape)).requires_grad_()
    returned = reference(x)
    outputs = [returned] if torch.is_tensor(returned) else [returned[0], *_flat(returned[1])]
    upstream = [torch.randn_like(y) for y in outputs]
    tape = record(reference, [x], opened)
    found = tape.backward(upstream)
    torch.autograd.backward(outputs, upstream)
    right = {"input 0": x.grad} | {n: p.grad for n, p in reference.named_parameters()}
    assert found.keys() == right.keys()
    for leaf, gradient in right.items():
        allowed = 1e-6 if name == "hardsigmoid" else 1e-12  # PyTorch's own has 1/6 in float32
        assert float((found[leaf] - gradient).abs().max()) < allowed * float(gradient.abs().max())
        torch.testing.assert_close(tape.replay({})[leaf], found[leaf], rtol=0, atol=0)
    reference.zero_grad()


def _flat(given: Any) -> list[torch.Tensor]:
    return [given] if torch.is_tensor(given) else [t for part in given for t in _flat(part)]


def test_changes_in_place_are_followed_or_refused() -> None:
    def written(x: torch.Tensor) -> torch.Tensor:
        out = torch.zeros_like(x)
        for i in range(3):
            out[:, i] = x[:, i] * 2
        return out.relu_()

    x = to_torch(normal(5, 3)).requires_grad_()
    tape = record(written, [x])
    upstream = torch.randn(5, 3, dtype=torch.float64)
    found = tape.backward([upstream])
    written(x).backward(upstream)
    torch.testing.assert_close(found["input 0"], x.grad, rtol=0, atol=0)


# ---- Windows


def window(starts: tuple[int, ...], size: int) -> tuple[Any, ...]:
    return (slice(None), slice(None), *(slice(i, i + size) for i in starts))


def conv_by_windows(
    layer: Any, x: np.ndarray, g: np.ndarray, assign: bool = False, shift: int = 1
) -> np.ndarray:
    """∂L/∂x of a convolution, window by window, as it is first written down."""
    W, p, s = layer.weight.detach().numpy(), layer.padding[0], layer.stride[0]
    grad = np.zeros((*x.shape[:2], *(n + 2 * p for n in x.shape[2:])))
    for place in np.ndindex(g.shape[2:]):
        part = np.tensordot(g[(slice(None), slice(None), *place)], W, (1, 0))
        at = window(tuple(s * i for i in place), W.shape[-1])
        grad[at] = part if assign else grad[at] + part
    return grad[(slice(None), slice(None), *(slice(shift * p, shift * p + n) for n in x.shape[2:]))]


def pool_by_windows(x: np.ndarray, g: np.ndarray, size: int, stride: int, way: str) -> np.ndarray:
    """∂L/∂x of a pooling, window by window."""
    grad = np.zeros_like(x)
    axes = tuple(range(2, x.ndim))
    for place in np.ndindex(g.shape[2:]):
        at = window(tuple(stride * i for i in place), size)
        here = g[(slice(None), slice(None), *place)].reshape(*x.shape[:2], *(1,) * len(axes))
        largest = x[at] == x[at].max(axis=axes, keepdims=True)
        part = {
            "right": largest * here,
            "all": np.ones_like(x[at]) * here,
            "mean": np.ones_like(x[at]) * here / size ** len(axes),
            "assigned mean": np.ones_like(x[at]) * here / size ** len(axes),
            "ties": largest * here,
            "ties shared": largest * here / largest.sum(axis=axes, keepdims=True),
        }[way]
        grad[at] = part if "assigned" in way else grad[at] + part
    return grad


def diagnosed(layer: Any, x: np.ndarray, wrong: Any) -> Any:
    """The verdict on an input's gradient, made of x and the upstream gradient."""
    y = layer(to_torch(x))
    g = np.random.default_rng(1).normal(size=tuple(y.shape))
    found = Sample.of(layer, [to_torch(x)], [to_torch(g)])
    found.mine = {n: v.clone() for n, v in found.right.items()} | {"input 0": to_torch(wrong(x, g))}
    return diagnose([found], 100)


IMAGES = {1: normal(4, 3, 9), 2: normal(3, 2, 6, 7)}


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"assign": True}, "assigned-for-added"),
        ({"shift": 0}, "padding"),
        ({"shift": 2}, "padding"),
    ],
)
@pytest.mark.parametrize("stride", [1, 2])
def test_windows_of_a_convolution(
    axes: int, stride: int, options: dict[str, Any], kind: str
) -> None:
    x = IMAGES[axes]
    made = {1: torch.nn.Conv1d, 2: torch.nn.Conv2d}[axes]
    layer = made(x.shape[1], 4, 3, stride=stride, padding=1).double()
    assert diagnosed(layer, x, lambda x, g: conv_by_windows(layer, x, g)).agrees
    found = diagnosed(layer, x, lambda x, g: conv_by_windows(layer, x, g, **options))
    assert [verdict.kind for verdict in found.verdicts] == [kind]


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize(
    ("way", "kind"),
    [
        ("all", "not-the-largest"),
        ("mean", "not-the-largest"),
        ("ties", "not-the-largest"),
        ("ties shared", "not-the-largest"),
    ],
)
def test_max_pooling_gives_the_gradient_to_the_largest(axes: int, way: str, kind: str) -> None:
    x = IMAGES[axes].round() if "ties" in way else IMAGES[axes]
    layer = {1: torch.nn.MaxPool1d, 2: torch.nn.MaxPool2d}[axes](3, 2)
    if "ties" not in way:
        assert diagnosed(layer, x, lambda x, g: pool_by_windows(x, g, 3, 2, "right")).agrees
    found = diagnosed(layer, x, lambda x, g: pool_by_windows(x, g, 3, 2, way))
    assert [verdict.kind for verdict in found.verdicts] == [kind]


@pytest.mark.parametrize("axes", [1, 2])
def test_windows_of_an_average_that_overlap(axes: int) -> None:
    x = IMAGES[axes]
    layer = {1: torch.nn.AvgPool1d, 2: torch.nn.AvgPool2d}[axes](3, 2)
    assert diagnosed(layer, x, lambda x, g: pool_by_windows(x, g, 3, 2, "mean")).agrees
    found = diagnosed(layer, x, lambda x, g: pool_by_windows(x, g, 3, 2, "assigned mean"))
    assert [verdict.kind for verdict in found.verdicts] == ["assigned-for-added"]
    assert "where the windows" in found.verdicts[0].what
