"""One step in plain text of at most 100 columns."""

import textwrap
from collections.abc import Sequence
from typing import Any
from unicodedata import combining

import numpy as np

from manual.article.description import Description, DescriptionError
from manual.article.names import MOST, Names, shown_of

from .rows import WIDEST, Row, both_after, nine_digits, rows_of, small, the_slip

ROWS, COLUMNS = 4, 6  # of a matrix, at most, on the terminal
SIGNS = (
    "i input, t target; net what a neuron adds up, out what it gives on; E the error; ∂E/∂w how "
    "much E grows for each bit that w grows; η learning rate; ⁺ after the step"
)
KEPT = "\u00a0"  # a space at which no line is broken


def text(d: Description, steps: int, scalar: bool) -> str:
    """The walkthrough in plain text of at most 100 columns.

    Args:
        scalar: neuron by neuron, which needs a single sample; else in matrices.
    Raises:
        DescriptionError: there are more samples, or a layer is too wide to be written out.
    """
    check_showable(d, scalar)
    mine, theirs, now = both_after(d, steps)
    rows = rows_of(now, mine, theirs, scalar, first=steps == 0)
    lines = [title(now, steps), "", *textwrap.wrap(SIGNS, 100), ""]
    section, said = "", set[str]()
    for row in rows:
        if row.equation.section != section:
            section = row.equation.section
            lines += [section, "=" * len(section), ""]
        lines += scalar_lines(row) if scalar else matrix_lines(row)
        if row.equation.why not in said and row.equation.kind not in said:
            lines += [f"    {line}" for line in textwrap.wrap(row.equation.why, 92)]
        said |= {row.equation.why, row.equation.kind}
        lines.append("")
    worst = max(rows, key=lambda row: row.difference)
    lines.append(f"largest difference by hand − autograd: {small(worst.difference)}")
    if scalar and left_out(now):
        lines.append(left_out(now))
    return "\n".join(lines)


def check_showable(d: Description, scalar: bool) -> None:
    """Raise DescriptionError unless the network can be written out."""
    if scalar and len(d.x) > 1:
        raise DescriptionError(
            f"neuron by neuron only one sample can be followed, not {len(d.x)}: see --view matrices"
        )
    Names(d)
    check_widths(d.sizes)


def check_widths(sizes: Sequence[int]) -> None:
    """Raise DescriptionError for a layer that is too wide to be written out."""
    if max(sizes) > WIDEST:
        raise DescriptionError(f"a layer of {max(sizes)}: at most {WIDEST} are written out")


def title(d: Description, steps: int) -> str:
    """What is shown, in a line."""
    sizes = "-".join(map(str, d.sizes))
    names = ", ".join(dict.fromkeys(d.activations))
    when = f"after {steps:,} steps" if steps else "from the first weights"
    count = f"{len(d.x)} sample{'s' if len(d.x) > 1 else ''}"
    return f"One step of a {sizes} network ({names}; {d.loss}; η = {d.lr:g}; {count}), {when}"


def left_out(d: Description) -> str:
    """What the view of single neurons does not show."""
    if max(d.sizes) <= MOST:
        return ""
    shown = len(shown_of(max(d.sizes)))
    return (
        f"Left out: of a layer of more than {MOST} neurons the first and last, {shown}, are shown"
    )


def formula_lines(row: Row) -> list[str]:
    """A quantity's formula, and the numbers in it if that is not the same."""
    name = row.equation.result.name
    formula = joined([t if isinstance(t, str) else t.name for t in row.equation.formula])
    numbers = joined(
        [
            n
            if isinstance(n, str)
            else bracketed(float(n))
            if in_brackets(row, i)
            else nine_digits(n)
            for i, n in enumerate(row.numbers)
        ]
    )
    lines = [f"{name} = {formula}"]
    if numbers != formula:
        lines.append(f"{' ' * width(name)} = {numbers}")
    return lines


def scalar_lines(row: Row) -> list[str]:
    """A quantity that is a number: its formula, the numbers in it, its value beside autograd's."""
    name = row.equation.result.name
    pad = " " * width(name)
    lines = formula_lines(row)
    by_hand = f"{pad} = {nine_digits(float(row.mine))}"
    lines.append(
        f"{by_hand:36}autograd {nine_digits(float(row.theirs)):>16}   "
        f"difference {small(row.difference):>8}"
    )
    if row.printed:
        lines[-1] = f"{lines[-1]:96}".rstrip()
        lines.append(f"{pad}   the article: {row.printed.printed.replace('-', '−')}")
    slip = the_slip(row)
    lines = [part for line in lines for part in wrapped(line, len(name) + 5)]
    return lines + [f"    {line}" for line in textwrap.wrap(slip, 92)]


def wrapped(line: str, indent: int) -> list[str]:
    """The line in lines of at most 100 columns, which end before what a sum or a list goes on with.

    Within a product or a bracket there is no break, if it can be helped.
    """
    together = line.replace(" ", KEPT).replace(f"{KEPT}+{KEPT}", f"{KEPT}+ ")
    together = together.replace(f",{KEPT}", ", ")
    lines = textwrap.wrap(together, 100, subsequent_indent=" " * indent)
    return [part.replace(KEPT, " ").rstrip() for part in lines] or [""]


def width(text: str) -> int:
    """How many columns it takes: a hat over a letter takes none."""
    return sum(not combining(letter) for letter in text)


def in_brackets(row: Row, index: int) -> bool:
    """Whether a number in a formula needs brackets if it is negative: beside an operator."""
    before = row.numbers[index - 1] if index else "("
    after = row.numbers[index + 1] if index + 1 < len(row.numbers) else ")"
    raised = isinstance(after, str) and after.startswith(("²", "^"))
    return raised or (isinstance(before, str) and not before.endswith(("(", "^", ",")))


def bracketed(value: float) -> str:
    return f"({nine_digits(value)})" if value < 0 else nine_digits(value)


def joined(parts: Sequence[str]) -> str:
    """A formula in a line: spaces between its parts, but none inside brackets and before powers."""
    line = " ".join(parts)
    for before, now in (
        ("( ", "("),
        (" )", ")"),
        (" ^", "^"),
        ("^ ", "^"),
        (" ,", ","),
        (" ²", "²"),
        ("−( ", "−("),
        ("] )", "])"),
    ):
        line = line.replace(before, now)
    return line


def matrix_lines(row: Row) -> list[str]:
    """A quantity that is a matrix: its formula in a line, below it the matrices side by side."""
    name = row.equation.result.name
    formula = joined([t if isinstance(t, str) else t.name for t in row.equation.formula])
    lines = [f"{name} = {formula}"]
    blocks: list[list[str]] = []
    for part in row.numbers:
        blocks.append([part] if isinstance(part, str) else block(part))
    result = [["="], block(row.mine)]
    if any(not isinstance(part, str) for part in row.numbers):
        beside = side_by_side([*blocks, *result])
        if max(map(len, beside)) <= 96:
            lines += [f"    {line}" for line in beside]
        else:
            below = side_by_side(blocks)
            if max(map(len, below)) <= 96:
                lines += [f"    {line}" for line in below]
            lines += [f"    {line}" for line in side_by_side(result)]
    else:
        lines += [f"    {line}" for line in side_by_side(result)]
    lines.append(f"    autograd: {agreement(row)}")
    return lines


def agreement(row: Row) -> str:
    if row.difference == 0:
        return "the same to the last bit"
    return f"largest difference {small(row.difference)}"


def block(value: Any, rows: int = ROWS, columns: int = COLUMNS) -> list[str]:
    """A number, or a matrix in brackets; of a large one the first rows and columns.

    Of more than two axes, all but the last are counted through.
    """
    array = np.asarray(value)
    if array.ndim == 0:
        return [nine_digits(float(array)) if array.dtype.kind == "f" else str(int(array))]
    array = array.reshape(-1, array.shape[-1])
    shown = array[:rows, :columns]
    cells = [[f"{float(v) + 0.0:.5g}".replace("-", "−") for v in line] for line in shown]
    if array.shape[1] > columns:
        cells = [[*line, "…"] for line in cells]
    if array.shape[0] > rows:
        cells.append(["⋮"] * len(cells[0]))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [" ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in cells]
    if len(lines) == 1:
        return [f"[{lines[0]}]"]
    marks = [("⎡", "⎤"), *[("⎢", "⎥")] * (len(lines) - 2), ("⎣", "⎦")]
    return [f"{left}{line}{right}" for (left, right), line in zip(marks, lines, strict=True)]


def side_by_side(blocks: Sequence[Sequence[str]]) -> list[str]:
    """Blocks of lines beside each other, each in the middle of the highest."""
    height = max(map(len, blocks))
    columns = []
    for lines in blocks:
        width = max(map(len, lines))
        top = (height - len(lines)) // 2
        padded = [" " * width] * top + [line.ljust(width) for line in lines]
        columns.append(padded + [" " * width] * (height - len(padded)))
    return [" ".join(parts).rstrip() for parts in zip(*columns, strict=True)]
