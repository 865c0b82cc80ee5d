"""A step in plain text of at most 100 columns."""

from collections.abc import Sequence

import numpy as np

from ..example import Run
from ..rows import nine_digits, small
from ..terminal import block, formula_lines, side_by_side, width, wrapped
from .kinds import step_of
from .parts import Shown, Worked


def step_lines(run: Run) -> list[str]:
    """The example's step; no lines for a class that has none."""
    step = step_of(run)
    if step is None:
        return []
    heading = f"Followed through: {step.title}"
    lines, section = ["", heading, "=" * len(heading)], ""
    for row in step.rows:
        if section_of(row) != section:
            section = section_of(row)
            lines += ["", section, "-" * len(section)]
        lines += ["", *(shown_lines(row) if isinstance(row, Shown) else worked_lines(row))]
    return lines


def section_of(row: Worked | Shown) -> str:
    return row.section if isinstance(row, Shown) else row.equation.section


def shown_lines(row: Shown) -> list[str]:
    """Arrays side by side behind their name; below it, where they are too wide.

    A list by itself is shown whole.
    """
    first = row.arrays[0]
    if len(row.arrays) == 1 and np.ndim(first) == 1:
        listed = ", ".join(f"{float(value):.5g}" for value in first).replace("-", "−")
        return wrapped(f"{row.name} = {listed}", width(row.name) + 3)
    blocks: Sequence[Sequence[str]] = [
        [part] if isinstance(part, str) else block(part) for part in row.arrays
    ]
    lines = side_by_side([[f"{row.name}: "], *blocks])
    if max(map(len, lines)) <= 100:
        return lines
    return [f"{row.name}:", *(f"    {line}" for line in side_by_side(blocks))]


def worked_lines(row: Worked) -> list[str]:
    """The formula, the numbers in it, what it gives; and what the layer and autograd have."""
    name = row.equation.result.name
    lines = formula_lines(row)
    pad = " " * width(name)
    last = f"{pad} = {nine_digits(row.mine)}"
    if row.both is not None:
        mine, theirs = nine_digits(row.both.mine), nine_digits(row.both.theirs)
        apart = small(abs(row.both.mine - row.both.theirs))
        last = f"{last:34}by hand {mine:>15}  autograd {theirs:>15}  apart {apart:>7}"
    return [part for line in [*lines, last] for part in wrapped(line, width(name) + 3)]
