"""PyTorch's own rule on a problem, and how far rounding alone may take a right one from it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ...parity.distance import Report, compare
from ...parity.tolerance import EPS, Allowed, Moves
from ...twin import all_in, to_numpy, to_torch
from ..candidates.base import call_code
from ..layouts import Array
from .formulas import FORMULAS, play, rounded
from .problem import FLOAT, Problem

Paths = dict[
    str, Array
]  # of each tensor, its values at the start and after each step, as one array


def optimizer_of(
    rule: type[torch.optim.Optimizer], options: Mapping[str, Any], parameters: Any
) -> torch.optim.Optimizer:
    """PyTorch's optimizer; what it does not take is refused in its own words."""
    made: torch.optim.Optimizer = call_code(rule.__name__, partial(rule, parameters, **options))
    return made


def options_of(rule: type[torch.optim.Optimizer], options: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a rule, those that were not given at their defaults."""
    of_speed = ("foreach", "capturable", "differentiable", "fused")
    defaults = optimizer_of(rule, options, [torch.nn.Parameter(torch.zeros(1, 1))]).defaults
    return {name: value for name, value in defaults.items() if name not in of_speed}


def reference_path(
    rule: type[torch.optim.Optimizer],
    options: Mapping[str, Any],
    problem: Problem,
    moves: Moves | None = None,
) -> tuple[Paths, dict[tuple[str, str], list[Array]]]:
    """PyTorch's weights at the start and after each step; what it keeps of each tensor, by name."""
    parameters = {n: torch.nn.Parameter(to_torch(w.copy())) for n, w in problem.weights.items()}
    paths = {name: [w] for name, w in problem.weights.items()}
    states: dict[tuple[str, str], list[Array]] = {}
    with all_in(FLOAT):
        optimizer = optimizer_of(rule, options, list(parameters.values()))
        for gradients in problem.gradients:
            for parameter, g in zip(parameters.values(), gradients, strict=True):
                parameter.grad = to_torch(rounded(moves, g))
            call_code(rule.__name__, optimizer.step)
            for name, parameter in parameters.items():
                paths[name].append(to_numpy(parameter).copy())
                for key, value in optimizer.state[parameter].items():
                    if torch.is_tensor(value) and value.shape == parameter.shape:
                        states.setdefault((key, name), []).append(to_numpy(value).copy())
    return stacked(paths), states


def stacked(paths: Mapping[str, list[Array]]) -> Paths:
    return {name: np.stack(values) for name, values in paths.items()}


def formula_path(
    name: str,
    options: Mapping[str, Any],
    problem: Problem,
    moves: Moves | None = None,
) -> Paths:
    """The same by formula, with what `options` turns in it."""
    weights, _ = play(FORMULAS[name], options, problem, moves)
    return stacked({key: [problem.weights[key], *values] for key, values in weights.items()})


def allowed_for(path: Callable[[Moves | None], Paths], unmoved: Paths) -> Allowed:
    """What a path may differ by: as far as it goes when all that is rounded in it is moved.

    See tolerance.py; the shadows are moved in opposite directions, and added up.
    """
    explained: dict[tuple[str, str], float] = {}
    for sign in (1, -1):
        for name, values in path(Moves(sign)).items():
            key = ("weight", name)
            explained[key] = explained.get(key, 0.0) + apart(values, unmoved[name])
    return Allowed(explained=explained)


def apart(one: Array, other: Array) -> float:
    """The distance of two paths in eps, where both are numbers; infinite where only one is."""
    finite = np.isfinite(one)
    if not (finite == np.isfinite(other)).all():
        return np.inf
    size = float(np.abs(other[finite]).max(initial=0)) or 1.0
    return float(np.abs(one[finite] - other[finite]).max(initial=0)) / size / EPS[FLOAT]


def measured(mine: Paths, theirs: Paths, allowed: Allowed) -> Report:
    """A row for each tensor. Where rounding decides, as a root of a variance that is zero but for
    rounding may be no number, nothing is proved."""
    with np.errstate(all="ignore"):
        report = compare(
            {("weight", n): v for n, v in mine.items()},
            {("weight", n): v for n, v in theirs.items()},
            allowed,
        )
    boundless = "rounding decides, without a bound"
    report.rows = [
        row
        if row.agrees or row.problem or row.tolerance < math.inf
        else replace(row, excuse=boundless, proves=False)
        for row in report.rows
    ]
    return report
