"""Measure two results against each other.

The distance of an array from its reference is max|a − b| / max|reference|, in units of the dtype's
eps (the gap between 1 and the next number): a distance of a few eps is rounding.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..twin import to_numpy
from .one_pass import Quantities
from .tolerance import EPS


@dataclass(frozen=True)
class Comparison:
    """One quantity of a report. `distance` and `tolerance` are in eps.

    Attributes:
        excuse: why a difference is none that counts, if it is not.
    """

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
    excuse: str = ""

    @property
    def agrees(self) -> bool:
        close = self.distance <= self.tolerance and self.distance < math.inf
        return not self.problem and (close or bool(self.excuse))

    @property
    def share(self) -> float:
        """The distance as a share of what is allowed."""
        return self.distance / self.tolerance if self.distance < math.inf else math.inf

    @property
    def relative(self) -> float:
        """The distance as a plain ratio."""
        return self.distance * self.eps

    @property
    def eps(self) -> float:
        """Of the dtype."""
        return EPS[self.dtype]

    @property
    def verdict(self) -> str:
        if self.problem:
            return self.problem
        if not self.agrees:
            return "DISAGREES"
        if self.excuse:
            return self.excuse.partition(",")[0]
        return "agrees" if self.proves else "agrees, proves nothing"


def measure(
    kind: str,
    name: str,
    mine: Any,
    reference: Any,
    tolerance: float,
    scale: float = 0.0,
    zero_scale: float = 1.0,
) -> Comparison:
    """One row: how far `mine` is from `reference`. Shapes and dtypes must match exactly.

    NaN and infinities agree only with the same, position by position.

    Args:
        kind: "output", "gradient", "weight", … A gradient that is zero everywhere proves nothing.
        mine, reference: arrays or tensors.
        tolerance: in eps.
        scale: divide by this where it is larger than the reference.
        zero_scale: of what a gradient is made of: it divides by this where all that is zero, and
            where neither side is more than rounding may leave of a zero.
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
        return Comparison(kind, name, shape, dtype, tolerance, problem=problem)
    if mine.size == 0:
        return Comparison(kind, name, shape, dtype, tolerance, 0.0, 0.0, proves=False)
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
    divisor = scale or zero_scale or 1.0
    # Both may be what rounding leaves of a gradient that is zero: then neither is a scale.
    noise = tolerance * EPS[dtype] * zero_scale
    zero = "gradient" in kind and max(scale, float(np.abs(mine).max())) <= noise
    if zero:
        divisor = zero_scale or 1.0
    return Comparison(
        kind,
        name,
        shape,
        dtype,
        tolerance,
        largest,
        largest / divisor / EPS[dtype],
        scale,
        tuple(map(int, worst)),
        float(mine[worst]),
        float(reference[worst]),
        proves="gradient" not in kind or (size_here > 0 and not zero) or not finite.all(),
    )


class Running:
    """Compares the same quantities step after step, relative to the largest value each has had.

    Near a minimum a gradient is a small difference of numbers that are not small, and its rounding
    is theirs: relative to itself alone it would grow without bound on both sides.
    """

    def __init__(self, zero_scale: float = 1.0) -> None:
        self.scales: dict[tuple[str, str], float] = {}
        self.zero_scale = zero_scale

    def compare(
        self, mine: Quantities, reference: Quantities, allowed: Callable[[str, str], float]
    ) -> "Report":
        """A report with a row for each quantity that either side has.

        Args:
            allowed: the largest distance that agrees, by kind and name; see tolerance.py.
        """
        rows = []
        for key in [*mine, *(key for key in reference if key not in mine)]:
            scale = self.scales.get(key, 0.0)
            both = mine.get(key), reference.get(key)
            rows.append(measure(*key, *both, allowed(*key), scale, self.zero_scale))
            self.scales[key] = rows[-1].scale
        return Report(rows)


def compare(
    mine: Quantities,
    reference: Quantities,
    allowed: Callable[[str, str], float],
    zero_scale: float = 1.0,
) -> "Report":
    """A report with a row for each quantity that either side has.

    Args:
        zero_scale: the scale of the upstream gradients, for a reference that is all zeros.
    """
    return Running(zero_scale).compare(mine, reference, allowed)


@dataclass
class Report:
    """One row for each quantity that was compared."""

    rows: list[Comparison] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        return all(row.agrees for row in self.rows)

    @property
    def worst(self) -> Comparison:
        """The row with the largest distance in units of its tolerance."""
        return max(self.rows, key=lambda row: row.share)

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
