"""Who is closer to the truth? The judge is the same by-hand code in extended precision.

Two results that differ say nothing about which is right. `np.longdouble` has 11 more bits than
float64 (where the processor has them: x86), so that its rounding is no part of the answer. And so
that a wrong formula cannot judge itself right, `differences` holds the judge's gradients to central
differences of its own forward pass, without PyTorch.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manual import Module, no_grad
from manual.arrays import is_floating

from ..twin import to_numpy
from .distance import Report, measure
from .one_pass import Quantities, flat, one_pass
from .tolerance import EPS

JUDGE = np.dtype(np.longdouble)
CAN_JUDGE = EPS[JUDGE] < EPS[np.dtype(np.float64)]  # on some platforms it is float64 itself
# By hand may be further from the judge than PyTorch by this factor, and an error of less than
# NEGLIGIBLE eps counts as that much: two right sums in another order differ so.
FACTOR = 2.0
NEGLIGIBLE = 2.0
CURVED = 1e4


def extended(value: Any) -> Any:
    """Copies of floating arrays in the judge's precision, also in nested tuples; else as it is."""
    if isinstance(value, tuple):
        return tuple(map(extended, value))
    return np.array(value, JUDGE) if is_floating(value) else value


def truth(module: Module, inputs: Sequence[Any], upstream: Sequence[Any]) -> Quantities:
    """Outputs and gradients of a copy of the module, from the same numbers, in extended precision.

    Raises:
        RuntimeError: longdouble has no more digits than float64 here, so that it cannot judge.
    """
    if not CAN_JUDGE:
        raise RuntimeError("longdouble is float64 on this platform: it cannot judge")
    judge = copy.deepcopy(module).to(JUDGE)
    xs, gs = [extended(x) for x in inputs], [extended(g) for g in upstream]
    return one_pass(judge, xs, gs).quantities


@dataclass(frozen=True)
class Judgement:
    """How far both results are from the judge, in eps of their own dtype."""

    kind: str
    name: str
    mine: float
    theirs: float

    @property
    def stands(self) -> bool:
        """By hand is at least about as close as PyTorch."""
        return self.mine <= FACTOR * max(self.theirs, NEGLIGIBLE)

    @property
    def verdict(self) -> str:
        if not self.stands:
            return "FURTHER than PyTorch"
        closer = self.theirs > FACTOR * max(self.mine, NEGLIGIBLE)
        return "closer than PyTorch" if closer else "as close"


def judge(mine: Quantities, theirs: Quantities, truth: Quantities) -> list[Judgement]:
    """Each quantity of the judge's, and how far by hand and PyTorch are from it."""
    return [
        Judgement(*key, *(distance_from_judge(side.get(key), right) for side in (mine, theirs)))
        for key, right in truth.items()
    ]


def distance_from_judge(values: Any, right: Any) -> float:
    """How far a result is from the judge's, in eps of its dtype; infinite if none or misshapen."""
    if values is None:
        return np.inf
    values = np.asarray(to_numpy(values))
    row = measure("", "", extended(values), right, np.inf)
    return row.distance * EPS[JUDGE] / EPS[values.dtype]


def differences(module: Module, inputs: Sequence[Any], upstream: Sequence[Any]) -> Report:
    """By-hand gradients against central differences, both in extended precision.

    (f(x + h) − f(x − h))/2h differs from f′ by about h² f‴/6, from truncation, and eps f/h, from
    rounding; h = ∛eps makes both about eps^⅔, 2e-13. For functions as curved as those here CURVED
    times that is allowed, which no wrong formula comes near.
    """
    step = EPS[JUDGE] ** (1 / 3)
    allowed = CURVED * EPS[JUDGE] ** (2 / 3) / EPS[JUDGE]
    right = truth(module, inputs, upstream)
    start = copy.deepcopy(module).to(JUDGE)
    xs, gs = [extended(x) for x in inputs], [extended(g) for g in upstream]

    def loss() -> Any:
        again = copy.deepcopy(start)  # the same masks every time
        with no_grad():
            outputs = flat(again(*xs))
        return sum(
            ((y * g).sum() for y, g in zip(outputs, gs, strict=True) if g is not None),
            JUDGE.type(0),
        )

    def slopes(values: np.ndarray) -> np.ndarray:
        gradient = np.empty_like(values)
        h = step * (
            np.abs(values).max(initial=0) or 1
        )  # small weights may be curved on their scale
        for index in np.ndindex(values.shape):
            at = values[index]
            values[index] = at + h
            above = loss()
            values[index] = at - h
            gradient[index] = (above - loss()) / (2 * h)
            values[index] = at
        return gradient

    leaves = {f"input {i}": x for i, x in enumerate(flat(xs))}
    leaves |= {name: parameter.data for name, parameter in start.named_parameters()}
    rows = []
    for (kind, name), gradient in right.items():
        if kind == "output":
            continue
        rows.append(measure(kind, name, gradient, slopes(leaves[name]), allowed))
    return Report(rows)
