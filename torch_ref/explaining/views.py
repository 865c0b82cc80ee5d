"""What a page shows of a quantity, and the templates that show it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from manual.article.formulas import Rest, Term

from .code_lines import CodeLine
from .mathml import five_digits, formula, linked, math, matrix, name, number, operator
from .mathml import row as mrow
from .rows import Row, nine_digits
from .terminal import in_brackets

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Result:
    """A number beside a formula.

    Attributes:
        label: what it is; "" of what the formula gives.
        side: "mine" or "theirs" of a quantity's value on one of the two sides.
    """

    label: str
    value: str
    side: str = ""


@dataclass(frozen=True)
class View:
    """One quantity as a page shows it.

    Attributes:
        anchor: its address within the page, and `quantity`, what marks it wherever it stands: the
            same, but for what both halves of a page compute.
        kind: of `kind_of`, or "".
        said: what is said of it when it is chosen.
        name, formula, numbers: as MathML; a formula in pieces, between which a line may end.
        matrix: its value as MathML, if that is no number.
        why: a sentence, or nothing.
        lines: of code that compute it.
        slip: why the article's figure is another.
    """

    anchor: str
    quantity: str
    kind: str
    said: str
    name: Markup
    formula: list[Markup]
    numbers: list[Markup]
    matrix: Markup | None
    results: list[Result]
    why: Markup | None = None
    lines: Sequence[CodeLine] = ()
    slip: Markup | None = None


class Sentence:
    """A sentence in plain text as HTML: the quantities that it names become links to them."""

    def __init__(self, names: Iterable[str]) -> None:
        found = sorted({name for name in names if len(name) > 1}, key=len, reverse=True)
        self.names = re.compile(rf"(?<![\w/])({'|'.join(map(re.escape, found))})(?![\w⁺/])")

    def __call__(self, text: str) -> Markup:
        parts = self.names.split(text)  # every second one is a name
        return Markup("").join(
            Markup(math(linked(name(part), part))) if place % 2 else part
            for place, part in enumerate(parts)
        )


def math_of(text: str, matrix: bool = False) -> Markup:
    """A quantity's name."""
    return Markup(math(name(text, matrix)))


def formula_of(row: Row) -> list[Markup]:
    """A quantity's formula: each name in it leads to that quantity, if it has a place."""

    def shown(term: Term, place: int) -> str:
        return leading(name(term.name, term.is_matrix), term)

    breaks = any(isinstance(part, Term) and part.is_matrix for part in row.equation.formula)
    return [Markup(piece) for piece in formula(row.equation.formula, shown, breaks)]


def leading(inside: str, term: Term) -> str:
    """What stands for a term: a link to it, but for what is computed nowhere else."""
    if term.plain is not None or isinstance(term, Rest):
        return inside
    return linked(inside, term.name)


def numbers_of(row: Row) -> list[Markup]:
    """The formula with the numbers in it, if there are any."""
    if len(row.numbers) == 1 or all(isinstance(part, str) for part in row.numbers):
        return []  # a single number is what it gives
    terms = row.equation.formula

    def shown(value: Any, place: int) -> str:
        inside, term = filled(value, in_brackets(row, place)), terms[place]
        return inside if isinstance(term, str) else leading(inside, term)

    breaks = any(np.ndim(n) > 0 for n in row.numbers if not isinstance(n, str))
    return [Markup(piece) for piece in formula(row.numbers, shown, breaks)]


def filled(value: Any, brackets: bool) -> str:
    """A quantity's number in a formula; negative ones in brackets, after an operator."""
    if np.ndim(value) == 0 and np.asarray(value).dtype.kind == "f":
        element = number(nine_digits(float(value)))
        return mrow([operator("("), element, operator(")")]) if brackets and value < 0 else element
    return matrix(value, five_digits)
