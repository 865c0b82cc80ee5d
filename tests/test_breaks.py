"""Tests of the tests: a wrong backward must not pass. Each mistake is planted into the source."""

import inspect
import textwrap
from typing import Any

import numpy as np
import pytest
import torch

import manual
from manual.arrays import is_floating
from manual.layers import linear
from torch_ref.parity.one_pass import flat

from .cases import CASES, Case
from .conftest import assert_agreement, make_pair, named

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")

MISTAKES = {
    "sign": ("(g @ W).reshape", "(-g @ W).reshape"),
    "transpose on a square layer": ("accumulate_product(g.T, x)", "accumulate_product(x.T, g)"),
    "missing batch sum": ("column_sums(g)", "g[0]"),
    "bias mean for sum": ("column_sums(g)", "g.mean(axis=0)"),
    "input gradient through the transpose": ("(g @ W).reshape", "(g @ W.T).reshape"),
}
SQUARE = named("Linear-square")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_broken_linear_is_caught(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = MISTAKES[mistake]
    source = textwrap.dedent(inspect.getsource(manual.Linear.backward))
    assert right in source
    namespace: dict = {}
    exec(source.replace(right, wrong), vars(linear), namespace)
    monkeypatch.setattr(manual.Linear, "backward", namespace["backward"])
    with pytest.raises(AssertionError, match="DISAGREES"):
        assert_agreement(make_pair(SQUARE, np.float64).gradients())


def test_no_accumulation_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer used twice must add both uses: the last gradient must not overwrite the first."""
    pair = make_pair(SQUARE, np.float64)
    pair.mine = manual.Sequential(pair.mine, manual.Tanh(), pair.mine)
    pair.twin = torch.nn.Sequential(pair.twin, torch.nn.Tanh(), pair.twin)
    assert_agreement(pair.gradients())
    monkeypatch.setattr(
        manual.Parameter, "accumulate", lambda self, gradient: setattr(self, "grad", gradient)
    )
    with pytest.raises(AssertionError, match="DISAGREES"):
        assert_agreement(pair.gradients())


def spoiled(how: Any) -> Any:
    """A backward whose input gradients are changed by `how`."""

    def change(right: Any) -> Any:
        def backward(self: manual.Module, *upstream: Any, **options: Any) -> Any:
            return changed(right(self, *upstream, **options))

        return backward

    def changed(gradients: Any) -> Any:
        if isinstance(gradients, tuple):
            return tuple(map(changed, gradients))
        return None if gradients is None else how(gradients)

    return change


def stingy(right: Any) -> Any:
    """A backward that leaves the parameters without what is due to them."""

    def backward(self: manual.Module, *upstream: Any) -> Any:
        gradients = right(self, *upstream)
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad = parameter.grad * parameter.data.dtype.type(1 + 1e-6)
        return gradients

    return backward


SPOILED = {
    "zeros": spoiled(np.zeros_like),
    "sign": spoiled(np.negative),
    "a millionth more": spoiled(lambda g: g * g.dtype.type(1 + 1e-6)),
    "parameters a millionth more": stingy,
}


def applies(how: str, case: Case) -> bool:
    """Whether this spoils anything of the case."""
    module, inputs = case.build(np.float64)
    floating = any(is_floating(x) for x in flat(inputs))
    trains = any(p.requires_grad for p in module.parameters())
    return case.proves and not case.pytorch_is_off and (trains if "parameters" in how else floating)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "case"),
    [
        pytest.param(how, case, id=f"{how}-{case.name}")
        for how in SPOILED
        for case in CASES
        if applies(how, case)
    ],
)
def test_every_case_notices(how: str, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each case whose gradient is not zero tells a spoiled one from the right one."""
    assert agrees(case)
    made = type(case.build(np.float64)[0])
    monkeypatch.setattr(made, "backward", SPOILED[how](made.backward))
    assert not agrees(case)


def agrees(case: Case) -> bool:
    return make_pair(case, np.float64).gradients().agrees
