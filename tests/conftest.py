"""The shared fixtures: a by-hand module beside its twin, and the one assertion of agreement."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

import manual
from torch_ref.judge import differences, judge, truth
from torch_ref.parity import (
    Report,
    after_steps,
    by_autograd,
    by_hand,
    compare,
    terms_of,
    tolerance,
)
from torch_ref.twin import twin_of

from .cases import CASES, Case

torch.set_num_threads(1)

DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]
OPTIMIZERS = {
    "SGD": lambda parameters: manual.SGD(
        parameters, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True
    ),
    "Adam": lambda parameters: manual.Adam(parameters, lr=0.01, weight_decay=0.01),
}


@dataclass
class Pair:
    """A by-hand module and its twin with the same weights, inputs and upstream gradients."""

    case: Case
    mine: manual.Module
    twin: torch.nn.Module
    inputs: tuple[Any, ...]
    upstream: tuple[Any, ...]

    def allowed(self, steps: int = 1) -> float:
        """A loss sums over all elements of its input, a layer over its parameters' and one axis."""
        x = self.inputs[0]
        alone = np.ndim(self.upstream[0]) == 0
        longest = np.size(x) if alone else max(np.shape(x), default=1)
        return tolerance(terms_of(self.mine) + longest, steps)

    @property
    def scale(self) -> float:
        """The upstream gradients'."""
        return max((float(np.abs(g).max(initial=0)) for g in self.upstream), default=0)

    def gradients(self) -> Report:
        """Outputs, input gradients and parameter gradients of one pass.

        Where PyTorch is known to be off, a gradient may differ from its own only if by hand is the
        closer of the two to a judge whom central differences confirm.
        """
        right = None
        if self.case.pytorch_is_off and self.dtype == np.float64:
            right = truth(self.mine, self.inputs, self.upstream)
        mine = by_hand(self.mine, self.inputs, self.upstream)
        theirs = by_autograd(self.twin, self.inputs, self.upstream)
        report = compare(mine, theirs, self.allowed(), self.scale)
        if right is None:
            return report
        off = [row for row in report.rows if not row.agrees]
        assert off, f"PyTorch is not off any more: {self.case.pytorch_is_off}"
        verdicts = {(j.kind, j.name): j.verdict for j in judge(mine, theirs, right)}
        assert {verdicts[row.kind, row.name] for row in off} == {"closer than PyTorch"}
        if self.case.smooth:
            assert differences(self.mine, self.inputs, self.upstream).agrees
        return Report([row for row in report.rows if row.agrees])

    @property
    def dtype(self) -> Any:
        return self.upstream[0].dtype

    def training(self, mine: manual.Optimizer, steps: int = 5) -> Report:
        """Weights and optimizer state after some steps."""
        theirs = twin_of(mine, self.twin.parameters())
        sides = ((by_hand, self.mine, mine), (by_autograd, self.twin, theirs))
        found = [after_steps(*side, self.inputs, self.upstream, steps) for side in sides]
        return compare(*found, self.allowed(steps))


def make_pair(case: Case, dtype: Any) -> Pair:
    mine, inputs = case.build(dtype)
    return Pair(case, mine, twin_of(mine), inputs, case.upstream(dtype))


def named(name: str) -> Case:
    """The case of this name."""
    return next(case for case in CASES if case.name == name)


def public(base: type) -> dict[str, type]:
    """The classes of `manual` that are of this kind, by name, but for the base itself."""
    named_classes = {name: getattr(manual, name) for name in manual.__all__}
    return {
        name: made
        for name, made in named_classes.items()
        if isinstance(made, type) and issubclass(made, base) and made is not base
    }


def assert_agreement(report: Report) -> None:
    """The one assertion of agreement: every row of the report."""
    assert report.rows, "nothing was compared"
    assert report.agrees, f"by hand and autograd disagree\n{report}"


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(params=DTYPES, ids=str)
def dtype(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def pair(case: Case, dtype: Any) -> Pair:
    """Every case in both dtypes."""
    return make_pair(case, dtype)
