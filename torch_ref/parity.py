"""Measure two results against each other.

The distance of an array from its reference is max|a − b| / max|reference|, in units of the dtype's
eps (the gap between 1 and the next number): a distance of a few eps is rounding.
"""

import math
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from manual import Module, Optimizer
from manual.module import FLOATS, as_tuple

from .twin import all_in, to_numpy, to_torch

Quantities = dict[tuple[str, str], Any]  # arrays by kind and name

EPS = {dtype: float(np.finfo(dtype).eps) for dtype in FLOATS}
ELEMENTWISE = 16  # roundings of an elementwise chain such as a sigmoid, its derivative and a loss


def tolerance(terms: int, steps: int = 1) -> float:
    """The largest distance, in eps, that rounding alone explains.

    A sum of n terms is rounded n times, by half an eps each on both sides: n eps in the worst case.
    Over several steps these errors are independent and add up as a random walk does, by √steps.

    Args:
        terms: the lengths of the sums that stand one behind another, added up.
        steps: the optimizer steps since both sides were at the same weights.
    """
    return (terms + ELEMENTWISE) * math.sqrt(steps)


def terms_of(network: Module) -> int:
    """The lengths of the sums in one step, over each parameter's longest axis; add the batch's."""
    return sum(max(p.shape, default=1) for p in network.parameters())


@dataclass(frozen=True)
class Row:
    """One quantity of a report. `distance` and `tolerance` are in eps."""

    kind: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    tolerance: float
    largest_difference: float = math.inf
    distance: float = math.inf
    scale: float = 0.0
    worst: tuple[int, ...] = ()
    mine: float = math.nan
    reference: float = math.nan
    proves: bool = True
    problem: str = ""

    @property
    def agrees(self) -> bool:
        return not self.problem and self.distance <= self.tolerance

    @property
    def relative(self) -> float:
        """The distance as a plain ratio."""
        return self.distance * EPS[self.dtype]

    @property
    def verdict(self) -> str:
        if self.problem:
            return self.problem
        if not self.agrees:
            return "DISAGREES"
        return "agrees" if self.proves else "agrees, proves nothing"


def measure(
    kind: str,
    name: str,
    mine: Any,
    reference: Any,
    tolerance: float,
    scale: float = 0.0,
    zero_scale: float = 1.0,
) -> Row:
    """One row: how far `mine` is from `reference`. Shapes and dtypes must match exactly.

    NaN and infinities agree only with the same, position by position.

    Args:
        kind: "output", "gradient", "weight", … A gradient that is zero everywhere proves nothing.
        mine, reference: arrays or tensors.
        tolerance: in eps.
        scale: divide by this where it is larger than the reference.
        zero_scale: divide by this where all that is zero.
    """
    missing = [side for side, v in (("by hand", mine), ("autograd", reference)) if v is None]
    mine, reference = np.asarray(to_numpy(mine)), np.asarray(to_numpy(reference))
    shape, dtype = reference.shape, reference.dtype
    problem = ""
    if missing:
        problem = f"missing {' and '.join(missing)}"
    elif mine.shape != shape:
        problem = f"shape {mine.shape}, expected {shape}"
    elif mine.dtype != dtype:
        problem = f"{mine.dtype}, expected {dtype}"
    if problem:
        return Row(kind, name, shape, dtype, tolerance, problem=problem)
    if mine.size == 0:
        return Row(kind, name, shape, dtype, tolerance, 0.0, 0.0, proves=False)
    finite = np.isfinite(reference)
    size = np.abs(reference)
    if finite.all() and np.isfinite(mine).all():
        difference = np.abs(mine - reference)
    else:
        same = (mine == reference) | (np.isnan(mine) & np.isnan(reference))
        with np.errstate(invalid="ignore"):
            difference = np.where(same, 0, np.abs(mine - reference))
        difference[~same & ~(finite & np.isfinite(mine))] = math.inf
        size = np.where(finite, size, 0)
    worst = np.unravel_index(difference.argmax(), shape)
    largest, size_here = float(difference[worst]), float(size.max())
    scale = max(scale, size_here)
    return Row(
        kind,
        name,
        shape,
        dtype,
        tolerance,
        largest,
        largest / (scale or zero_scale or 1.0) / EPS[dtype],
        scale,
        tuple(map(int, worst)),
        float(mine[worst]),
        float(reference[worst]),
        proves="gradient" not in kind or size_here > 0 or not finite.all(),
    )


def by_hand(module: Module, inputs: Sequence[Any], upstream: Sequence[Any]) -> Quantities:
    """Outputs and all gradients of one forward and backward pass by hand.

    Args:
        upstream: the gradient of each output.
    """
    module.zero_grad()
    outputs = as_tuple(module(*inputs))
    found: Quantities = {("output", str(i)): output for i, output in enumerate(outputs)}
    gradients = as_tuple(module.backward(*upstream))
    found |= {("input gradient", str(i)): g for i, g in enumerate(gradients) if g is not None}
    found |= {("gradient", n): p.grad for n, p in module.named_parameters() if p.requires_grad}
    return found


def by_autograd(
    twin: torch.nn.Module, inputs: Sequence[Any], upstream: Sequence[Any]
) -> Quantities:
    """The same by PyTorch; inputs and upstream gradients are arrays here too."""
    twin.zero_grad()
    tensors = [to_torch(x) for x in inputs]
    floating = [t.requires_grad_() for t in tensors if torch.is_tensor(t) and t.is_floating_point()]
    try:
        outputs = as_tuple(twin(*tensors))
    except RuntimeError as error:  # a loss that PyTorch does not differentiate by its target
        if "not differentiable with respect to argument 'target'" not in str(error):
            raise
        floating.pop().requires_grad_(False)
        outputs = as_tuple(twin(*tensors))
    found: Quantities = {("output", str(i)): output for i, output in enumerate(outputs)}
    torch.autograd.backward(outputs, [to_torch(g) for g in upstream])
    found |= {
        ("input gradient", str(i)): t.grad for i, t in enumerate(floating) if t.grad is not None
    }
    found |= {("gradient", n): p.grad for n, p in twin.named_parameters() if p.requires_grad}
    return found


def after_steps(
    run: Any,
    module: Any,
    optimizer: Any,
    inputs: Sequence[Any],
    upstream: Sequence[Any],
    steps: int,
) -> Quantities:
    """Weights and optimizer state after some steps, each with the same upstream gradients.

    Args:
        run: `by_hand` or `by_autograd`, with a module and an optimizer of that side.
    """
    dtype = to_numpy(next(module.parameters()).data).dtype
    with all_in(dtype) if run is by_autograd else nullcontext():
        for _ in range(steps):
            run(module, inputs, upstream)
            optimizer.step()
    return carried(module.named_parameters(), optimizer)


def carried(parameters: Iterable[tuple[str, Any]], optimizer: Any) -> Quantities:
    """Weights and the optimizer's arrays beside them, of either side."""
    found: Quantities = {}
    by_hand = isinstance(optimizer, Optimizer)
    for name, parameter in parameters:
        found["weight", name] = parameter.data
        state = optimizer.state_of(parameter) if by_hand else optimizer.state[parameter]
        for moment in sorted(state):
            if getattr(state[moment], "ndim", 0):
                found["state", f"{moment} {name}"] = state[moment]
    return found


class Running:
    """Compares the same quantities step after step, relative to the largest value each has had.

    Near a minimum a gradient is a small difference of numbers that are not small, and its rounding
    is theirs: relative to itself alone it would grow without bound on both sides.
    """

    def __init__(self, zero_scale: float = 1.0) -> None:
        self.scales: dict[tuple[str, str], float] = {}
        self.zero_scale = zero_scale

    def compare(self, mine: Quantities, reference: Quantities, tolerance: float) -> "Report":
        """A row for each quantity that either side has."""
        rows = []
        for key in [*mine, *(key for key in reference if key not in mine)]:
            scale = self.scales.get(key, 0.0)
            both = mine.get(key), reference.get(key)
            rows.append(measure(*key, *both, tolerance, scale, self.zero_scale))
            self.scales[key] = rows[-1].scale
        return Report(rows)


def compare(
    mine: Quantities, reference: Quantities, tolerance: float, zero_scale: float = 1.0
) -> "Report":
    """A row for each quantity that either side has, once.

    Args:
        zero_scale: the scale of the upstream gradients, for a reference that is all zeros.
    """
    return Running(zero_scale).compare(mine, reference, tolerance)


@dataclass
class Report:
    """One row for each quantity that was compared."""

    rows: list[Row] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        return all(row.agrees for row in self.rows)

    @property
    def worst(self) -> Row:
        """The row with the largest distance in units of its tolerance."""
        return max(self.rows, key=lambda row: row.distance / row.tolerance)

    def __str__(self) -> str:
        header = ("kind", "name", "shape", "largest diff", "eps", "worst at", "by hand", "autograd")
        cells = [
            (
                row.kind,
                row.name,
                "x".join(map(str, row.shape)) or "scalar",
                f"{row.largest_difference:.1e}",
                f"{row.distance:.2g}",
                ",".join(map(str, row.worst)) or "-",
                f"{row.mine:.5g}",
                f"{row.reference:.5g}",
                row.verdict,
            )
            for row in self.rows
        ]
        return table([(*header, "verdict"), *cells], left=(0, 1, 8))


def table(rows: Iterable[Sequence[str]], left: Sequence[int] = (0,)) -> str:
    """Lines of columns, as wide as they must be; columns in `left` start flush, others end so."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
