"""Tests of the tests: a wrong backward must not pass. Each mistake is planted into the source."""

import inspect
import textwrap

import numpy as np
import pytest
import torch

import manual
from manual import linear

from .conftest import assert_agreement, make_pair, named

MISTAKES = {
    "sign": ("return g @ self.weight.data", "return -g @ self.weight.data"),
    "transpose on a square layer": ("samples_g.T @ x.reshape(-1, self.in_features)", "x.T @ g"),
    "missing batch sum": ("samples_g.sum(axis=0)", "samples_g[0]"),
    "bias mean for sum": ("samples_g.sum(axis=0)", "samples_g.mean(axis=0)"),
    "input gradient through the transpose": ("g @ self.weight.data", "g @ self.weight.data.T"),
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
