"""A class as one self-contained HTML page: its derivation, source and example, and its step."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from ..safe_files import write_whole
from .derivation import class_named, derivations_of, example_lines, sources_of, twin_line
from .example import Run, run_example
from .examples import EXAMPLES
from .mathml import math, matrix, operator
from .mathml import row as mrow
from .page import card, document, formula_and_numbers, sides
from .rows import nine_digits, small
from .steps.kinds import step_of
from .steps.parts import Shown, Worked
from .steps.text import section_of


def class_page(name: str) -> str:
    """The HTML page on a by-hand class.

    Raises:
        DescriptionError: there is no public class of that name.
    """
    cls = class_named(name)
    run = run_example(cls) if cls in EXAMPLES else None
    steps = [] if run is None else step_parts(run)
    parts = [
        f'<p class="soft">{escape(twin_line(cls))}</p><nav aria-label="Sections">'
        + ('<a href="#steps">Followed through</a>' if steps else "")
        + ("" if run is None else '<a href="#example">An example</a>')
        + '<a href="#source">Source</a></nav></header><main>',
        *(
            (f"<h3>From {escape(place)}</h3>" if place else "")
            + f'<pre tabindex="0">{escape(text)}</pre>'
            for place, text in derivations_of(cls)
        ),
        *(steps or ['<div id="steps"></div>']),
        *([] if run is None else ['<h2 id="example">An example</h2>', preformatted(run)]),
        '<h2 id="source">Source</h2>',
        *(
            f'<h3>{escape(place)}</h3><pre tabindex="0">{escape(code)}</pre>'
            for place, code in sources_of(cls)
        ),
        "</main>",
    ]
    return document(cls.__name__, parts)


def preformatted(run: Run) -> str:
    return f'<pre tabindex="0">{escape(chr(10).join(example_lines(run)))}</pre>'


def step_parts(run: Run) -> list[str]:
    """The step of an example, under a heading for each part of the pass; nothing if it has none."""
    step = step_of(run)
    if step is None:
        return []
    parts, section = [f'<h2 id="steps">Followed through: {escape(step.title)}</h2>'], ""
    for index, row in enumerate(step.rows):
        if section_of(row) != section:
            section = section_of(row)
            parts.append(f"<h3>{escape(section)}</h3>")
        parts.append(shown(row) if isinstance(row, Shown) else worked(row, f"s{index}"))
    return parts


def shown(row: Shown) -> str:
    """Arrays beside each other, after their name."""
    inside = [operator(a) if isinstance(a, str) else matrix(flat(a), ".5g") for a in row.arrays]
    return (
        f'<div class="step"><div class="formula"><span>{escape(row.name)}</span> '
        f"{math(mrow(inside))}</div></div>"
    )


def flat(values: np.ndarray) -> np.ndarray:
    """A matrix: of more than two axes, all but the last are counted through."""
    return values.reshape(-1, values.shape[-1]) if values.ndim > 2 else values


def worked(row: Worked, identity: str) -> str:
    """One quantity: its formula, the numbers in it, what it gives; the layer's and autograd's."""
    results: Sequence[str] = [f"<span>gives <b>{nine_digits(row.mine)}</b></span>"]
    if row.both is not None:
        apart = small(abs(row.both.mine - row.both.theirs))
        values = sides(row.both.mine, row.both.theirs, identity)
        results = [*results, *values, f"<span>apart <b>{apart}</b></span>"]
    return card(identity, formula_and_numbers(row), results)


def write_class_page(path: Path, name: str) -> None:
    """Write the page, whole or not at all.

    Raises:
        DescriptionError: there is no public class of that name.
        InputError: it cannot be written.
    """
    text = class_page(name)
    write_whole(path, lambda new: new.write_text(text, encoding="utf-8"), f"--html {path}")
