"""The shared fixtures: a by-hand module beside its twin, and the one assertion of agreement."""

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import pytest
import torch

import manual
from torch_ref.parity.distance import Report, Running, compare
from torch_ref.parity.judge import CAN_JUDGE, Judgement, differences, judge, truth
from torch_ref.parity.one_pass import Passed, Quantities, carried, one_pass
from torch_ref.parity.tolerance import Allowed, Shadow, Shadows
from torch_ref.twin import all_in, to_numpy, to_torch, twin_of

from .cases import CASES, Case

torch.set_num_threads(1)

NO_JUDGE = "longdouble is no wider than float64 here: nothing can be judged"
DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]
OPTIMIZERS = {
    "SGD": lambda parameters: manual.SGD(
        parameters, lr=0.01, momentum=0.9, weight_decay=0.01, nesterov=True
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

    @property
    def scale(self) -> float:
        """The upstream gradients'."""
        return max(
            (float(np.abs(g).max(initial=0)) for g in self.upstream if g is not None), default=0
        )

    def by_hand(self) -> Passed:
        return one_pass(self.mine, self.inputs, self.upstream)

    def by_autograd(self) -> Passed:
        return one_pass(self.twin, self.inputs, self.upstream)

    def gradients(self) -> Report:
        """Outputs, input gradients and parameter gradients of one pass.

        Where PyTorch is known to be off, a gradient may differ from its own only if by hand is the
        closer of the two to a judge whom central differences confirm.
        """
        off_here = self.case.pytorch_is_off and self.dtype == np.float64
        if off_here and not CAN_JUDGE:
            pytest.skip(NO_JUDGE)
        mine, theirs = self.by_hand(), self.by_autograd()
        report = compare(mine.quantities, theirs.quantities, mine.allowed, self.scale)
        if not off_here:
            return report
        off = [row for row in report.rows if not row.agrees]
        assert off, f"PyTorch is not off any more: {self.case.pytorch_is_off}"
        right = truth(self.mine, self.inputs, self.upstream)
        judged = judge(mine.quantities, theirs.quantities, right)
        verdicts = {(j.kind, j.name): j.verdict for j in judged}
        assert {verdicts[row.kind, row.name] for row in off} == {"closer than PyTorch"}
        if self.case.smooth:
            assert differences(self.mine, self.inputs, self.upstream).agrees
        return Report([row for row in report.rows if row.agrees])

    @property
    def dtype(self) -> Any:
        return self.upstream[0].dtype

    def training(self, optimizer: manual.Optimizer, steps: int = 5) -> Report:
        """Weights and optimizer state after some steps, each with the same upstream gradients."""
        return Training(self, optimizer).run(steps)


class Training:
    """A pair trained side by side, with the by-hand side's shadows.

    Args:
        theirs: the twin's optimizer; by default the twin of the one by hand.
    """

    def __init__(self, pair: Pair, mine: manual.Optimizer, theirs: Any = None) -> None:
        self.pair, self.mine = pair, mine
        self.theirs = theirs or twin_of(mine, pair.twin.parameters())
        self.shadows = Shadows(pair.mine, mine)
        self.running = Running()

    def step(self, upstream: Any = None) -> Report:
        """One step of both sides; weights and state after it."""
        pair = self.pair
        upstream = pair.upstream if upstream is None else upstream
        passed = one_pass(pair.mine, pair.inputs, upstream)
        self.mine.step()
        with all_in(pair.dtype):
            one_pass(pair.twin, pair.inputs, upstream)
            self.theirs.step()

        def shadow_step(shadow: Shadow) -> Quantities:
            one_pass(shadow.module, pair.inputs, upstream)
            shadow.step()
            return carried(shadow.parameters, shadow.optimizer)

        mine = carried(pair.mine.named_parameters(), self.mine)
        theirs = carried(pair.twin.named_parameters(), self.theirs)
        allowed = self.shadows.follow(passed.allowed, mine, self.running.scales, shadow_step)
        return self.running.compare(mine, theirs, allowed)

    def run(self, steps: int) -> Report:
        """The report after the last of so many steps."""
        report = Report([])
        for _ in range(steps):
            report = self.step()
        return report


class Held(manual.Module):
    """A module of nothing but parameters."""

    def __init__(self, parameters: Iterable[manual.Parameter]) -> None:
        super().__init__()
        for i, parameter in enumerate(parameters):
            setattr(self, str(i), parameter)


class Updates:
    """Parameters updated on both sides from equal gradients: only the update's own rounding shows.

    Args:
        mine, theirs: optimizers of either side, of the same parameters in the same order.
    """

    def __init__(self, mine: manual.Optimizer, theirs: torch.optim.Optimizer) -> None:
        self.mine, self.theirs = mine, theirs
        groups: list[dict[str, Any]] = mine.param_groups
        self.held = Held(p for group in groups for p in group["params"])
        self.twins = [q for group in theirs.param_groups for q in group["params"]]
        self.shadows = Shadows(self.held, mine)
        self.running = Running()

    def step(self, gradients: Sequence[Any]) -> Report:
        """One step of both sides, from these gradients; None for a parameter without one."""

        def update(module: manual.Module) -> None:
            for parameter, gradient in zip(module.parameters(), gradients, strict=True):
                parameter.grad = gradient

        def shadow_step(shadow: Shadow) -> Quantities:
            update(shadow.module)
            shadow.step()
            return carried(shadow.parameters, shadow.optimizer)

        update(self.held)
        self.mine.step()
        for twin, gradient in zip(self.twins, gradients, strict=True):
            twin.grad = None if gradient is None else to_torch(gradient)
        with all_in(next(self.held.parameters()).data.dtype):
            self.theirs.step()
        mine = carried(self.held.named_parameters(), self.mine)
        theirs = carried(((str(i), q) for i, q in enumerate(self.twins)), self.theirs)
        allowed = self.shadows.follow(Allowed(), mine, self.running.scales, shadow_step)
        return self.running.compare(mine, theirs, allowed)


def make_pair(case: Case, dtype: Any, seed: int = 0) -> Pair:
    mine, inputs = case.build(dtype, seed)
    return Pair(case, mine, case.reference(dtype, mine), inputs, case.upstream(dtype, seed))


def judged(case: Case, dtype: Any, draws: int = 8) -> list[Judgement]:
    """How close both sides are to the judge, over several draws of weights, inputs and upstream.

    Where the one number of one draw happens to be near zero, a single rounding is all its digits,
    and it is luck which side has more of them: together the draws have the size of the largest.

    Of a module made of others the worst draw is the one that magnifies rounding most, and again it
    is luck whose: there the middle one counts, of all draws and of all gradients together. The
    parts are judged by themselves.
    """
    sides: tuple[list[Quantities], ...] = ([], [], [])
    each: dict[str, list[Judgement]] = {}
    for seed in range(draws):
        pair = make_pair(case, dtype, seed)
        right = truth(pair.mine, pair.inputs, pair.upstream)
        results = pair.by_hand().quantities, pair.by_autograd().quantities, right
        for side, quantities in zip(sides, results, strict=True):
            side.append({key: to_numpy(quantities[key]) for key in right})
        for one in judge(*results):
            each.setdefault(one.kind, []).append(one)
    if any(pair.mine.children()):
        return [
            Judgement(kind, "all", median(j.mine for j in ones), median(j.theirs for j in ones))
            for kind, ones in each.items()
        ]
    together = [{key: np.stack([one[key] for one in side]) for key in side[0]} for side in sides]
    return judge(*together)


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


def input_names(made: type[manual.Module]) -> list[str]:
    """The inputs of its forward; what has a default, such as an output's size, is none."""
    _, *inputs = inspect.signature(made.forward).parameters.values()
    return [p.name for p in inputs if p.default is p.empty]


def assert_agreement(report: Report) -> None:
    """The one assertion of agreement: every row of the report."""
    assert report.rows, "nothing was compared"
    assert report.agrees, f"by hand and autograd disagree\n{report}"


FEW = 2  # cases of each class, in the fast subset


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The fast subset has a few cases of each class."""
    by_class: dict[str, list[str]] = {}
    for case in CASES:
        by_class.setdefault(case.class_name, []).append(case.name)
    rest = {name for names in by_class.values() for name in names[FEW:]}
    for item in items:
        callspec = getattr(item, "callspec", None)
        own = callspec.params.get("case") if callspec else None
        if isinstance(own, Case) and own.name in rest:
            item.add_marker(pytest.mark.slow)


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
