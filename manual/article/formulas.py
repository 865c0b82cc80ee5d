"""What the formulas of one step are made of, in either view."""

from dataclasses import dataclass
from typing import Any

from ..arrays import Array

Values = dict[str, Array]  # z1, a1, dz1, da1, dW1, W1, W1_new, …, L, L_new: by hand or by autograd
FORWARD, LOSS, BACKWARD, UPDATE = "Forward pass", "Loss", "Backward pass", "Update"


@dataclass(frozen=True)
class Term:
    """A quantity in a formula: its name there, and where its value is found.

    `key` and `index` name an entry of `Values`; `plain` is a number that stands for itself.
    """

    name: str
    key: str = ""
    index: tuple[int, ...] | None = None
    transposed: bool = False
    plain: float | None = None

    def value(self, values: Values) -> Any:
        if self.plain is not None:
            return self.plain
        array = values[self.key]
        if self.index is not None:
            return float(array[self.index])
        return array.T if self.transposed else array


Parts = tuple[Term | str, ...]


@dataclass(frozen=True)
class Equation:
    """One quantity: its name, its formula of terms and signs, and the part of the pass it is of.

    Attributes:
        source: the function of this package where the formula stands as code.
    """

    result: Term
    formula: Parts
    section: str
    source: str = ""


def call(name: str) -> str:
    """How an activation is written as a function."""
    return {"Sigmoid": "σ", "Tanh": "tanh"}.get(name, name)
