"""A class as one self-contained HTML page: its derivation, source and example, and its step."""

import copy
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from manual.layers.activations import Elementwise, Threshold
from manual.layers.prelu import PReLU

from ..safe_files import write_whole
from .derivation import (
    class_named,
    derivations_of,
    example_lines,
    over_steps,
    sources_of,
    twin_line,
)
from .example import Run, run_example
from .examples import EXAMPLES
from .function_curve import function_curve
from .mathml import five_digits, math, matrix, operator
from .quantities import anchor_of
from .rows import nine_digits, small
from .steps.kinds import step_of
from .steps.parts import Shown, Worked
from .steps.text import section_of
from .views import TEMPLATES, Result, View, formula_of, math_of, numbers_of

OF_ONE_NUMBER = (Elementwise, PReLU, Threshold)


def class_page(name: str) -> str:
    """The HTML page on a by-hand class.

    Raises:
        DescriptionError: there is no public class of that name.
    """
    cls = class_named(name)
    run = run_example(cls) if cls in EXAMPLES else None
    one_number = run is not None and issubclass(cls, OF_ONE_NUMBER)
    return TEMPLATES.get_template("class.html").render(
        heading=cls.__name__,
        twin=twin_line(cls),
        derivations=list(derivations_of(cls)),
        curve=function_curve(copy.deepcopy(run.module)) if run and one_number else None,
        step=None if run is None else step_parts(run),
        example="\n".join(over_steps(cls) if run is None else example_lines(run)),
        sources=list(sources_of(cls)),
    )


def step_parts(run: Run) -> dict[str, Any] | None:
    """The step of an example, by the parts of the pass; None if it has none."""
    step = step_of(run)
    if step is None:
        return None
    numbered = groupby(enumerate(step.rows), lambda pair: section_of(pair[1]))
    sections = [
        (section, [shown(row) if isinstance(row, Shown) else worked(row, i) for i, row in rows])
        for section, rows in numbered
    ]
    return {"title": step.title, "sections": sections}


def shown(row: Shown) -> dict[str, Any]:
    """Arrays beside each other, after their name; a line may end between them."""
    inside = [
        operator(a) if isinstance(a, str) else matrix(flat(a), five_digits) for a in row.arrays
    ]
    return {"name": row.name, "arrays": [Markup(math(part)) for part in inside]}


def flat(values: np.ndarray) -> np.ndarray:
    """A matrix: of more than two axes, all but the last are counted through."""
    return values.reshape(-1, values.shape[-1]) if values.ndim > 2 else values


def worked(row: Worked, place: int) -> View:
    """One quantity: its formula, the numbers in it, what it gives; the layer's and autograd's."""
    name = row.equation.result.name
    results = [Result("", nine_digits(row.mine))]
    if row.both is not None:
        results += [
            Result("by hand", nine_digits(row.both.mine), "mine"),
            Result("autograd", nine_digits(row.both.theirs), "theirs"),
            Result("apart", small(abs(row.both.mine - row.both.theirs))),
        ]
    return View(
        f"s{place}",
        anchor_of(name),
        "",
        name,
        math_of(name),
        formula_of(row),
        numbers_of(row),
        None,
        results,
    )


def write_class_page(path: Path, name: str) -> None:
    """Write the page, whole or not at all.

    Raises:
        DescriptionError: there is no public class of that name.
        InputError: it cannot be written.
    """
    text = class_page(name)
    write_whole(path, lambda new: new.write_text(text, encoding="utf-8"), f"--html {path}")
