"""What the symbols of schedules stand for: settings, and the rate of every step."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import manual

from ..derivations.docstrings import Case
from ..derivations.meaning import Meaning
from .draws import drawn

B = 0.7  # the optimizer's own rate


def optimizer() -> manual.SGD:
    return manual.SGD([manual.Parameter(drawn(1))], lr=B)


def of_steps(
    cls: Any,
    arguments: tuple[Any, ...],
    symbols: Mapping[str, Any],
    count: int = 9,
    options: tuple[str, ...] = (),
    ranges: Mapping[str, Any] = {},
    **settings: Any,
) -> Case:
    """A schedule whose formulas hold at every step t, from 0 on."""
    made = optimizer()
    schedule = cls(made, *arguments, **settings)
    rates = [made.param_groups[0]["lr"]]
    for _ in range(count - 1):
        schedule.step()
        rates.append(made.param_groups[0]["lr"])
    values = {"η": np.array(rates), "b": B, **symbols}
    meaning = Meaning(values, {"t": range(count), **ranges})
    return Case(cls, [meaning], ("η",), (cls.__name__,), frozenset(options))


def cases() -> Iterator[Case]:
    yield of_steps(manual.StepLR, (3, 0.6), {"k": 3, "γ": 0.6})
    stones = {"γ": 0.6, "M": np.array([2, 3, 6])}
    yield of_steps(manual.MultiStepLR, ([2, 3, 6], 0.6), stones, ranges={"i": range(3)})
    yield of_steps(manual.ConstantLR, (0.6, 4), {"f": 0.6, "T": 4})
    yield of_steps(manual.LinearLR, (0.4, 0.9, 5), {"f₀": 0.4, "f₁": 0.9, "T": 5})
    yield of_steps(manual.ExponentialLR, (0.6,), {"γ": 0.6})
    yield of_steps(manual.PolynomialLR, (5, 1.7), {"T": 5, "p": 1.7})

    def rate(t: Any) -> float:
        return 0.9 + math.sin(t)

    yield of_steps(manual.LambdaLR, (rate,), {"λ": rate})
    yield of_steps(manual.MultiplicativeLR, (rate,), {"λ": rate})
    yield of_steps(manual.CosineAnnealingLR, (4, 0.1), {"T": 4, "m": 0.1})
    yield restarts()
    height = {"base_lr": 0.2, "max_lr": 0.9, "u": 2, "d": 3, "γ": 0.8}
    for mode in ("triangular", "triangular2", "exp_range"):
        arguments = (0.2, 0.9, 2, 3, mode, 0.8)
        yield of_steps(manual.CyclicLR, arguments, height, 12, (mode,), cycle_momentum=False)
    for strategy in ("cos", "linear"):
        symbols = {"max_lr": 0.9, "N": 9, "pct_start": 0.4}
        symbols |= {"div_factor": 5.0, "final_div_factor": 7.0}
        settings: dict[str, Any] = {"total_steps": 9, "pct_start": 0.4, "div_factor": 5.0}
        settings |= {"final_div_factor": 7.0, "cycle_momentum": False}
        settings |= {"anneal_strategy": strategy}
        yield of_steps(manual.OneCycleLR, (0.9,), symbols, 9, (strategy,), **settings)
    yield plateau()


def restarts() -> Case:
    made = optimizer()
    schedule = manual.CosineAnnealingWarmRestarts(made, 2, 2, 0.1)
    meanings = []
    for _ in range(9):
        values = {"T_cur": schedule.T_cur, "T_i": schedule.T_i, "b": B, "m": 0.1}
        meanings.append(Meaning({**values, "η": made.param_groups[0]["lr"]}))
        schedule.step()
    cls = manual.CosineAnnealingWarmRestarts
    return Case(cls, meanings, ("η",), (cls.__name__,))


def plateau() -> Case:
    """A metric that never improves: a cut at every step, down to the least rate."""
    made = optimizer()
    schedule = manual.ReduceLROnPlateau(made, factor=0.6, patience=-1, min_lr=0.2)
    steps: list[tuple[dict[str, float], dict[str, float]]] = []
    for _ in range(4):
        schedule.step(1.0)
        steps.append(({}, {"η": made.param_groups[0]["lr"]}))
    meaning = Meaning({"η": B, "f": 0.6, "min_lr": 0.2})
    return Case(type(schedule), [(meaning, tuple(steps))], (), ("ReduceLROnPlateau",))


CASES = list(cases())
