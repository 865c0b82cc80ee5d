"""The way back: a by-hand module or optimizer of one of PyTorch's, and what is refused."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import manual
from torch_ref import by_hand_of, models, twin_of
from torch_ref.parity.one_pass import one_pass
from torch_ref.training.lockstep import Lockstep
from torch_ref.training.settings import OPTIMIZERS
from torch_ref.twin import all_in

from .cases import CASES
from .cases.losses import SpelledFromScores, SpelledFromScoresTwin

X = np.random.default_rng(0).normal(size=(5, 4))
CLASSES = {case.class_name for case in CASES}


@pytest.mark.parametrize("name", sorted(CLASSES))
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True", "ignore:reduction. 'mean'")
def test_what_has_a_twin_comes_back(name: str) -> None:
    """From PyTorch's, made without a look at the by-hand module; bit for bit the same passes."""
    for case in CASES:
        if case.class_name != name:
            continue
        mine, inputs = case.build(np.float64)
        if type(mine) is SpelledFromScores:  # whose twin keeps no arguments
            continue
        back = by_hand_of(case.reference(np.float64, mine))
        assert type(back) is type(mine)
        upstream = case.upstream(np.float64)
        wanted, found = (one_pass(m, inputs, upstream).quantities for m in (mine, back))
        assert wanted.keys() == found.keys()
        for key, values in wanted.items():
            np.testing.assert_array_equal(found[key], values, f"{case.name}: {key}")
        for (_, own), (_, other) in zip(mine.named_modules(), back.named_modules(), strict=True):
            assert own.training == other.training


def drilled(module: nn.Module) -> manual.Module:
    """The by-hand module after some steps in which both sides agree."""
    mine = by_hand_of(module, generator=np.random.default_rng(1))
    optimizer = manual.Adam(mine.parameters(), lr=0.01)
    pair = Lockstep(mine, manual.CrossEntropyLoss(), optimizer)
    for step in range(4):
        pair.outputs(X)  # in eval mode, after which every part is as it was
        assert pair.step(np.roll(X, step, axis=0), np.arange(5) % 3).report.agrees
    return mine


def test_a_sequential_of_ones_own_trains_as_it_does_in_pytorch() -> None:
    """One kind of layer twice, several dropouts, in place, names, nested, some of it frozen."""
    shared = nn.Linear(4, 4)
    module = nn.Sequential(
        OrderedDict(
            first=nn.Sequential(shared, nn.Dropout(0.3), nn.ReLU(inplace=True)),
            again=shared,
            norm=nn.BatchNorm1d(4),
            some=nn.Hardsigmoid(),
            leave=nn.Dropout(0.3),
            last=nn.Linear(4, 3),
        )
    ).double()
    module.norm.eval()  # type: ignore[union-attr]
    module.last.weight.requires_grad_(False)  # type: ignore[union-attr]
    mine: Any = drilled(module)
    assert mine[1] is mine[0][0]
    assert [part.training for part in mine] == [True, True, False, True, True, True]
    np.testing.assert_array_equal(mine[5].weight.data, module.last.weight.numpy())  # type: ignore
    assert (mine[5].bias.data != module.last.bias.detach().numpy()).any()  # type: ignore
    np.testing.assert_array_equal(mine[2].running_mean, 0)


def test_what_draws_from_one_generator_goes_on_doing_so() -> None:
    """On the other side too, where each would else begin with the same numbers."""
    generator = np.random.default_rng(0)
    mine = manual.Sequential(*(manual.Dropout(0.5, generator=generator) for _ in range(2)))
    twin: Any = twin_of(mine)
    assert twin[0].generator is twin[1].generator is not generator
    x = np.ones((50, 3))
    np.testing.assert_array_equal(mine(x), twin(torch.from_numpy(x)).numpy())
    back: Any = by_hand_of(twin)
    assert back[0].generator is back[1].generator is not twin[0].generator


X_OF_TRANSFORMER = np.random.default_rng(0).normal(size=(3, 2, 4))
OF_PYTORCH: dict[str, Callable[[], nn.Module]] = {
    "attention": lambda: nn.MultiheadAttention(4, 2, 0.2, add_bias_kv=False, batch_first=True),
    "encoder layer": lambda: nn.TransformerEncoderLayer(4, 2, 8, 0.1, "gelu", norm_first=True),
    "encoder": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(4, 2, 8, bias=False), 2, nn.LayerNorm(4)
    ),
    "decoder layer": lambda: nn.TransformerDecoderLayer(4, 2, 8, layer_norm_eps=0.1),
    "transformer": lambda: nn.Transformer(4, 2, 1, 2, 8, batch_first=True),
    "gru": lambda: nn.GRU(4, 3, num_layers=2, dropout=0.5, bidirectional=True),
}


@pytest.mark.parametrize("name", OF_PYTORCH)
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
def test_what_pytorch_made_by_itself_comes_back(name: str) -> None:
    """In eval mode, for its masks are from a stream of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = OF_PYTORCH[name]().double().eval()
    mine = by_hand_of(module)
    several = {"attention": 3, "decoder layer": 2, "transformer": 2}
    inputs = [X_OF_TRANSFORMER + i for i in range(several.get(name, 1))]
    found, wanted = mine(*inputs), module(*map(torch.from_numpy, inputs))
    if isinstance(found, tuple):
        found, wanted = found[0], wanted[0]
    np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=1e-12, atol=1e-13)


class Doubled(nn.Module):
    """A class of one's own."""

    def __init__(self, factor: int = 2) -> None:
        super().__init__()
        self.factor = factor
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor * self.weight


class DoubledByHand(manual.Module):
    """The same by hand."""

    twin_class = Doubled

    def __init__(self, factor: int = 2) -> None:
        super().__init__()
        self.factor = factor
        self.weight = manual.Parameter(np.ones(3, np.float32))


class ReLU(nn.Module):
    """Somebody's own, of a known name."""


def test_a_class_of_ones_own_comes_back_to_the_one_that_names_it() -> None:
    module = Doubled(5)
    module.weight.data *= 3
    mine = by_hand_of(nn.Sequential(module))[0]  # type: ignore[index]
    assert isinstance(mine, DoubledByHand)
    assert mine.factor == 5
    np.testing.assert_array_equal(mine.weight.data, 3)


def changed(module: Any, change: Callable[[Any], object]) -> Any:
    change(module)
    return module


def tied() -> nn.Module:
    module = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    module[2].weight = module[0].weight
    return module


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a class of one's own": (
        lambda: nn.Sequential(nn.Tanh(), nn.Sequential(ReLU())),
        NotImplementedError,
        "Sequential.1.0: tests.test_by_hand_of.ReLU has no class by hand",
    ),
    "a class that is not there by hand": (
        lambda: nn.Sequential(nn.RReLU()),
        NotImplementedError,
        "Sequential.0: torch.nn.modules.activation.RReLU has no class by hand",
    ),
    "hooks": (
        lambda: changed(nn.Tanh(), lambda m: m.register_forward_hook(lambda *_: None)),
        NotImplementedError,
        "Tanh: it has hooks, which are not run by hand",
    ),
    "another part than was made": (
        lambda: changed(models.MLP((3, 4, 2)), lambda m: m.layers.__setitem__(1, nn.Tanh())),
        NotImplementedError,
        "MLP: layers.1 was changed after it was made",
    ),
    "other arguments of a part": (
        lambda: changed(nn.TransformerEncoderLayer(4, 2), lambda m: setattr(m.norm2, "eps", 1.0)),
        NotImplementedError,
        "TransformerEncoderLayer: norm2 was changed after it was made",
    ),
    "a part that was put in": (
        lambda: changed(nn.TransformerEncoderLayer(4, 2), lambda m: m.add_module("x", nn.Tanh())),
        NotImplementedError,
        "x was changed after it was made",
    ),
    "an argument that is not supported": (
        lambda: nn.Sequential(nn.Embedding(5, 3, sparse=True)),
        NotImplementedError,
        "Sequential.0: Embedding: sparse is not supported",
    ),
    "an activation of one's own": (
        lambda: nn.TransformerEncoderLayer(4, 2, 8, activation=torch.tanh),
        NotImplementedError,
        "tanh",
    ),
    "an argument that is not kept": (
        lambda: SpelledFromScoresTwin("mean"),
        NotImplementedError,
        "SpelledFromScoresTwin does not keep its argument reduction",
    ),
    "tied weights": (tied, NotImplementedError, "1 parameters are shared between modules"),
    "half precision": (
        lambda: nn.Linear(3, 4).half(),
        TypeError,
        "Linear: torch.float16, expected float32 or float64; .float() converts it",
    ),
    "no module": (lambda: "Linear", TypeError, "got a str, expected a torch.nn.Module"),
    "an optimizer that is not there": (
        lambda: torch.optim.SparseAdam([torch.zeros(2)]),
        NotImplementedError,
        "SparseAdam has no class by hand",
    ),
    "an optimizer's argument": (
        lambda: torch.optim.SGD([torch.zeros(2)], lr=0.1, foreach=True),
        NotImplementedError,
        "SGD: foreach is not supported",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_what_is_missing(name: str) -> None:
    make, kind, message = REFUSED[name]
    parameters = [manual.Parameter(np.zeros(2, np.float32))]
    with pytest.raises(kind) as refused:
        by_hand_of(make(), *([parameters] if "optimizer" in name else []))
    assert message in str(refused.value)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_comes_back_with_its_state(name: str) -> None:
    """And takes the same next step, from the middle of a run, in groups of their own."""
    mine = manual.Linear(3, 4, bias=False, dtype=np.float64)
    other = manual.Linear(4, 2, bias=False, dtype=np.float64)
    groups = [{"params": [mine.weight], "lr": 0.03}, {"params": [other.weight]}]
    optimizer = OPTIMIZERS[name](groups, lr=0.02)
    twins: list[Any] = [twin_of(layer) for layer in (mine, other)]
    parameters = [mine.weight, other.weight]

    def gradients() -> None:
        for parameter in parameters:
            parameter.grad = generator.normal(size=parameter.shape)

    generator = np.random.default_rng(0)
    for _ in range(3):
        gradients()
        optimizer.step()
    with all_in(np.dtype(np.float64)):
        theirs = twin_of(optimizer, [twin.weight for twin in twins])
    copies = [manual.Parameter(parameter.data.copy()) for parameter in parameters]
    back = by_hand_of(theirs, copies)
    assert type(back) is type(optimizer)
    assert [g["lr"] for g in back.param_groups] == [0.03, 0.02]
    gradients()
    for parameter, copied in zip(parameters, copies, strict=True):
        copied.grad = parameter.grad
    optimizer.step()
    back.step()
    for parameter, copied in zip(parameters, copies, strict=True):
        np.testing.assert_array_equal(copied.data, parameter.data)
