"""What the formulas of one step are made of, in either view."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..arrays import Array

Values = dict[str, Array]  # z1, a1, dz1, da1, dW1, W1, W1_new, …, L, L_new: by hand or by autograd
FORWARD, LOSS, BACKWARD, UPDATE = "Forward pass", "Loss", "Backward pass", "Update"
AGAIN = "Forward pass with the new weights"


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

    @property
    def is_matrix(self) -> bool:
        return self.plain is None and self.index is None


@dataclass(frozen=True)
class Rest(Term):
    """What is left out of the middle of a long sum, as one number: the sum of each part's value."""

    parts: tuple["Parts", ...] = ()
    value_of: Callable[["Parts", Values], float] = lambda part, values: 0.0

    def value(self, values: Values) -> Any:
        return sum(self.value_of(part, values) for part in self.parts)

    @property
    def is_matrix(self) -> bool:
        return False


Parts = tuple[Term | str, ...]


@dataclass(frozen=True)
class Equation:
    """One quantity: its name, its formula of terms and signs, and the part of the pass it is of.

    Attributes:
        source: the function of this package where the formula stands as code, and after a colon a
            piece of the line that computes it, which no other line of the function has.
        why: one sentence: which rule gives the formula.
        kind: what equations of the same form have in common.
        about: the neuron that it is a step of; "" for none.
    """

    result: Term
    formula: Parts
    section: str
    source: str = ""
    why: str = ""
    kind: str = ""
    about: str = ""


def call(name: str) -> str:
    """How an activation is written as a function."""
    return {"Sigmoid": "σ", "Tanh": "tanh"}.get(name, name)


def value_source(name: str) -> str:
    """The function that computes an activation."""
    return "special.sigmoid" if name == "Sigmoid" else f"{name}.value"


def renewed(term: Term, new: bool) -> Term:
    """The quantity after the update, if it is that one."""
    return Term(f"{term.name}⁺", f"{term.key}_new", term.index) if new else term


class StepFormulas(ABC):
    """The formulas of one step; a subclass gives those of each part of it."""

    @abstractmethod
    def forward_pass(self, section: str = FORWARD) -> Iterator[Equation]: ...

    @abstractmethod
    def loss(self, section: str = LOSS) -> Iterator[Equation]: ...

    @abstractmethod
    def backward_pass(self) -> Iterator[Equation]: ...

    @abstractmethod
    def update(self) -> Iterator[Equation]: ...

    def step(self) -> Iterator[Equation]:
        """All of them, in their order; the loss once more with the new weights."""
        yield from self.forward_pass()
        yield from self.loss()
        yield from self.backward_pass()
        yield from self.update()
        yield from self.forward_pass(AGAIN)
        yield from self.loss(AGAIN)
