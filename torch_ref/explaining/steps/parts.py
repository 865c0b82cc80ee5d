"""What a step is made of: formulas that are written down and computed at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import exp, sqrt, tanh
from typing import Any

import numpy as np

from manual.article.formulas import BACKWARD, FORWARD, Equation, Parts, Term

from ..example import Both
from ..rows import Row, nine_digits

SUM, PRODUCT, ALONE = range(3)  # how firmly a formula's parts hold together
Index = tuple[int, ...]


@dataclass(frozen=True)
class Formula:
    """A formula and the number it gives: each operation writes a sign and computes.

    Attributes:
        parts: its terms, each with its name and its number, and the signs between them.
        value: computed from the terms' numbers in float64.
        binding: SUM, PRODUCT or ALONE, which needs no brackets anywhere.
    """

    parts: Parts
    value: float
    binding: int = ALONE

    def within(self, binding: int) -> Parts:
        """Its parts, in brackets where it holds together less firmly than that."""
        return self.parts if self.binding >= binding else ("(", *self.parts, ")")

    def __add__(self, other: "Formula") -> "Formula":
        return Formula((*self.parts, "+", *other.parts), self.value + other.value, SUM)

    def __sub__(self, other: "Formula") -> "Formula":
        return Formula((*self.parts, "−", *other.within(PRODUCT)), self.value - other.value, SUM)

    def __mul__(self, other: "Formula") -> "Formula":
        parts = (*self.within(PRODUCT), "·", *other.within(PRODUCT))
        return Formula(parts, self.value * other.value, PRODUCT)

    def __truediv__(self, other: "Formula") -> "Formula":
        parts = (*self.within(PRODUCT), "/", *other.within(ALONE))
        return Formula(parts, self.value / other.value, PRODUCT)

    def __neg__(self) -> "Formula":
        return Formula(("−", *self.within(PRODUCT)), -self.value, SUM)

    def squared(self) -> "Formula":
        return Formula((*self.within(ALONE), "²"), self.value**2)

    def to_the(self, power: float) -> "Formula":
        return Formula((*self.within(ALONE), "^", *constant(power).parts), self.value**power)


def number(name: str, value: Any) -> Formula:
    """A number by itself."""
    return Formula((Term(name, plain=float(value)),), float(value))


def constant(value: float) -> Formula:
    """A number that is its own name."""
    return number(nine_digits(value), value)


def entry(name: str, values: np.ndarray, index: Index) -> Formula:
    """An element of an array, named as NumPy would write it."""
    return number(at(name, index), values[index])


def at(name: str, index: Index) -> str:
    return f"{name}[{','.join(map(str, index))}]"


def total(formulas: Iterable[Formula]) -> Formula:
    """Their sum; 0 of none."""
    terms = list(formulas)
    return reduce(Formula.__add__, terms) if terms else constant(0)


def mean(formulas: Sequence[Formula]) -> Formula:
    return total(formulas) / constant(len(formulas))


def largest(formulas: Sequence[Formula]) -> Formula:
    parts: list[Term | str] = ["max("]
    for formula in formulas:
        parts += [",", *formula.parts] if len(parts) > 1 else formula.parts
    return Formula((*parts, ")"), max(formula.value for formula in formulas))


def square_root(inside: Formula) -> Formula:
    return Formula(("√(", *inside.parts, ")"), sqrt(inside.value))


def exponential(power: Formula) -> Formula:
    """e to the power of a single number."""
    assert len(power.parts) == 1
    return Formula(("e^", *power.parts), exp(power.value))


def logistic(z: Formula) -> Formula:
    return Formula(("σ(", *z.parts, ")"), 1 / (1 + exp(-z.value)))


def hyperbolic(z: Formula) -> Formula:
    return Formula(("tanh(", *z.parts, ")"), tanh(z.value))


@dataclass(frozen=True)
class Worked(Row):
    """One quantity worked out: `mine` is what its formula gives.

    Attributes:
        both: what the layer and autograd have for it, where they show it.
    """

    both: Both | None = None


@dataclass(frozen=True)
class Shown:
    """Arrays beside each other, with signs between them: what the next formulas are about."""

    name: str
    arrays: tuple[Any, ...]  # and signs
    section: str


@dataclass
class Step:
    """One step of a layer, followed through: its forward pass, then its backward pass.

    Attributes:
        title: which element is followed.
        rows: in the order in which they can be worked out.
    """

    title: str
    rows: list[Worked | Shown] = field(default_factory=list)
    section: str = FORWARD

    def backward(self) -> None:
        """What follows is of the backward pass."""
        self.section = BACKWARD

    def work(self, name: str, formula: Formula, both: Both | None = None) -> Formula:
        """Write a quantity down; returns it as a number by that name, for later formulas."""
        result = Term(name, plain=formula.value)
        equation = Equation(result, formula.parts, self.section)
        numbers = tuple(p if isinstance(p, str) else p.value({}) for p in formula.parts)
        theirs = None if both is None else both.theirs
        self.rows.append(Worked(equation, numbers, formula.value, theirs, both=both))
        return number(name, formula.value)

    def show(self, name: str, *arrays: Any) -> None:
        """Write arrays down."""
        self.rows.append(Shown(name, arrays, self.section))

    @property
    def worked(self) -> list[Worked]:
        return [row for row in self.rows if isinstance(row, Worked)]
