"""What formulas come to: the values of their symbols, derivatives of what they define, equality."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np

from .notation import CONSTANTS, FUNCTIONS, RELATIONS, Node, Parser, UnreadableError


class IndexNeededError(Exception):
    """An index of the formula has no value yet."""


class NotSaidError(Exception):
    """The formula says nothing of this case."""


class Changed(dict[Any, Any]):
    """What a text defines for each index, but for one place."""

    def __init__(self, meaning: "Meaning", name: str, place: tuple[int, ...], value: Any) -> None:
        super().__init__({place[0] if len(place) == 1 else place: value})
        self.meaning, self.name = meaning, name

    def __missing__(self, place: Any) -> Any:
        parameters, side = self.meaning.definitions[self.name]
        places = place if isinstance(place, tuple) else (place,)
        return self.meaning.given(**dict(zip(parameters, places, strict=True))).value(side)


class Latest(float):
    """The present value of what changes from step to step; `each` has that of every step."""

    each: dict[int, float]

    def __new__(cls, step: int, value: float, before: Any = None) -> "Latest":
        new = super().__new__(cls, value)
        new.each = {**getattr(before, "each", {}), step: float(value)}
        return new


@dataclass(frozen=True)
class Meaning:
    """What the names of some formulas stand for.

    Attributes:
        values: numbers, arrays, dicts of indices or functions, by name; also "∂L/∂x" and "f′(x)".
        ranges: the values of each index.
        definitions: what the text has defined so far: parameters and the side.
        bound: indices and arguments at the moment.
        moved: whether something is moved to see what follows it, so that definitions count.
    """

    values: Mapping[str, Any]
    ranges: Mapping[str, Any] = field(default_factory=dict)
    definitions: dict[str, tuple[list[str], Node]] = field(default_factory=dict)
    bound: Mapping[str, Any] = field(default_factory=dict)
    moved: bool = False

    def given(self, **bound: Any) -> "Meaning":
        return replace(self, bound={**self.bound, **bound})

    # Names

    def known(self, name: str) -> bool:
        return name in self.bound or name in self.values or name in self.definitions

    def parted(self, base: str, pieces: Any) -> tuple[str, list[str]]:
        """The longest known name that this begins with, and what is left as indices."""
        for count in range(len(pieces), -1, -1):
            name = base + "".join(part for part, _ in pieces[:count])
            if self.known(name):
                return name, [unit for _, units in pieces[count:] for unit in units]
        return base, [unit for _, units in pieces for unit in units]

    def index(self, unit: str) -> Any:
        name, shift = re.fullmatch(r"(\w+?)([+-]\d+)?", unit).groups()  # type: ignore[union-attr]
        value = int(name) if name.isdigit() else self.number(name)
        return value + int(shift or 0)

    def number(self, name: str) -> Any:
        for place in (self.bound, self.values):
            if name in place:
                return place[name]
        if name in self.ranges:
            raise IndexNeededError(name)
        raise UnreadableError(f"nothing is called {name}")

    def lookup(self, node: Node) -> Any:
        _, base, pieces, arguments, text = node
        name, units = self.parted(base, pieces)
        if not text and self.known(name):  # cos x, where cos is a number
            return times(self.lookup(("name", base, pieces, None, base)), self.value(arguments[0]))
        if text in self.values and name not in self.bound and not self.moved:
            return self.values[text]
        defined = name in self.definitions and name not in self.bound
        if defined and (self.moved or name not in self.values):
            parameters, side = self.definitions[name]
            given = [*map(self.index, units), *map(self.value, arguments or [])]
            if not given and parameters and all(p in self.ranges for p in parameters):
                return self.whole(parameters, side)
            if given and not parameters:
                return self.element(self.value(side), units, arguments, text)
            if len(given) != len(parameters):
                raise UnreadableError(f"{text}: {name} is defined with {parameters}")
            return self.given(**dict(zip(parameters, given, strict=True))).value(side)
        if self.known(name):
            return self.element(self.number(name), units, arguments, text)
        if base.endswith("′") and not units:
            return self.primed(base[:-1], arguments)
        if base in FUNCTIONS and arguments is not None and not pieces:
            return FUNCTIONS[base](*map(self.value, arguments))
        if not pieces and base in CONSTANTS and arguments is None:
            return CONSTANTS[base]
        if not pieces and arguments is None:
            return self.number(base)
        raise UnreadableError(f"nothing is called {text or base}")

    def whole(self, parameters: list[str], side: Node) -> np.ndarray:
        """The array of what is defined for each index."""
        shape = [len(self.ranges[name]) for name in parameters]
        values = [self.given(**given).value(side) for given in self.each(parameters)]
        return np.array(values).reshape(*shape, *np.shape(values[0]))

    def element(self, value: Any, units: list[str], arguments: Any, text: str) -> Any:
        place = (*map(self.index, units), *map(self.value, arguments or []))
        if callable(value):
            return value(*place)
        if not place:
            return value
        if isinstance(value, Latest):
            return value.each[place[0]]
        if isinstance(value, np.ndarray):
            whole = tuple(int(i) for i in place)
            if any(not 0 <= i < n for i, n in zip(whole, value.shape, strict=False)):
                raise IndexError(f"{text} at {whole}")
            return value[whole]
        if isinstance(value, Mapping):
            first, *rest = place
            if rest and isinstance(value.get(first), np.ndarray):  # one of several arrays
                return value[first][tuple(map(int, rest))]
            return value[first if not rest else place]
        raise UnreadableError(f"{text}: {value!r} has no parts")

    # Derivatives, from definitions

    def primed(self, name: str, arguments: Any) -> Any:
        """u′ with respect to x, or f′(a) of a function at a."""
        if arguments is not None:
            (at,) = map(self.value, arguments)
            if name in self.definitions:
                (parameter,), side = self.definitions[name]
                return slope(lambda x: self.given(**{parameter: x}).value(side), at)
            return slope(FUNCTIONS[name], at)
        if name not in self.definitions:
            raise UnreadableError(f"{name}′: {name} is not defined")
        return self.derivative(("name", name, (), None, name), ("name", "x", (), None, "x"))

    def derivative(self, above: Node, below: Node) -> Any:
        _, base, pieces, arguments, _ = below
        quotient = f"∂{above[4]}/∂"
        for count in range(len(pieces), -1, -1):
            name = quotient + base + "".join(part for part, _ in pieces[:count])
            if name in self.values:
                units = [unit for _, rest in pieces[count:] for unit in rest]
                return self.element(self.values[name], units, arguments, name)
        return self.slope_of(above, below)

    def slope_of(self, above: Node, below: Node) -> Any:
        """∂above/∂below, by moving what is below: one element, or each in turn."""
        _, base, pieces, arguments, text = below
        bare = above[0] == "name" and above[3] is None
        if bare and self.parted(above[1], above[2])[0] not in self.definitions:
            raise UnreadableError(f"∂{above[4]}/∂{text}: {above[4]} is not defined")
        name, units = self.parted(base, pieces)
        place = (*map(self.index, units), *map(self.value, arguments or []))
        place = tuple(int(i) for i in place)
        now = self.value(below)
        if not np.ndim(now):
            return slope(partial(self.value_at, above, name, place), float(now))
        each = [
            slope(partial(self.value_at, above, name, (*place, *at)), float(now[at]))
            for at in np.ndindex(now.shape)
        ]
        return np.reshape(each, now.shape)

    def value_at(self, above: Node, name: str, place: tuple[int, ...], value: float) -> Any:
        return self.moved_to(name, place, value).value(above)

    def moved_to(self, name: str, place: tuple[int, ...], value: Any) -> "Meaning":
        """With this value at a place of an array, or of what the text defines for each index."""
        if not place:
            changed: Any = value
        elif name in self.definitions and name not in self.values and name not in self.bound:
            parameters, side = self.definitions[name]
            if not parameters:
                changed = np.array(self.value(side), float)
                changed[place] = value
            elif all(self.ranges[parameter][0] == 0 for parameter in parameters):
                changed = self.whole(parameters, side)
                changed[place] = value
            else:
                changed = Changed(self, name, place, value)
        else:
            changed = np.array(self.number(name), float)
            changed[place] = value
        moved = replace(self, bound={**self.bound, name: changed}, moved=True)
        if isinstance(changed, Changed):
            changed.meaning = moved  # what follows from the change, changes too
        return moved

    # Values

    def holds(self, node: Node) -> bool:
        kind, parts = node
        if kind == "relation":
            values = [self.value(part) for part in parts[::2]]
            pairs = zip(values, parts[1::2], values[1:], strict=False)
            return all(RELATIONS[sign](a, b) for a, sign, b in pairs)
        return (all if kind == "all" else any)(self.holds(part) for part in parts)

    def value(self, node: Node) -> Any:
        kind, *parts = node
        if kind == "number":
            return parts[0]
        if kind == "name":
            return self.lookup(node)
        if kind == "cases":
            for value, condition in parts[0]:
                if self.holds(condition):
                    return self.value(value)
            if parts[1] is None:
                raise NotSaidError
            return self.value(parts[1])
        if kind == "Σ":
            return self.total(*parts)
        if kind == "truth":
            return float(self.holds(parts[0]))
        if kind == "derivative":
            return self.derivative(*parts)
        if kind == "slope":
            return self.slope_of(parts[1], parts[0])
        return OPERATIONS[kind](*map(self.value, parts))

    def total(self, names: list[str], condition: Any, body: Node) -> Any:
        terms = []
        for given in self.each(names):
            within = self.given(**given)
            if condition is None or within.holds(condition):
                terms.append(within.value(body))
        return sum(terms)

    def each(self, names: list[str]) -> Iterator[dict[str, Any]]:
        if not names:
            yield {}
            return
        if names[0] not in self.ranges:
            raise UnreadableError(f"the index {names[0]} has no range")
        for value in self.ranges[names[0]]:
            for rest in self.each(names[1:]):
                yield {names[0]: value, **rest}


def times(a: Any, b: Any) -> Any:
    """Of matrices, and of a matrix and a vector, the matrix product."""
    return a @ b if np.ndim(a) and np.ndim(b) else a * b


def power(a: Any, b: Any) -> Any:
    return np.linalg.matrix_power(a, int(b)) if np.ndim(a) == 2 else a**b


OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "negative": lambda a: -a,
    "product": times,
    "·": times,
    "∘": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "power": power,
    "transposed": np.transpose,
    "positive": lambda a: max(a, 0.0),
    "root": np.sqrt,
    "size": lambda a: np.sqrt(np.sum(np.square(a))),
    "floor": math.floor,
    "ceiling": math.ceil,
}


def slope(f: Callable[[Any], Any], x: Any) -> Any:
    """f′(x) from five points: apart from it by h⁴/30 of the fifth derivative, about 1e-13."""
    h = 1e-3
    return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)


APART = 1e-9  # of the two sides: above what `slope` loses, far below any changed sign


def equal(a: Any, b: Any) -> bool:
    a, b = np.asarray(a, float), np.asarray(b, float)
    return a.shape == b.shape and bool(
        np.all((a == b) | (np.abs(a - b) <= APART * (1 + np.abs(a) + np.abs(b))))
    )


@dataclass(frozen=True)
class Formula:
    """One formula of a text: as it is written, and read."""

    text: str
    relation: str
    sides: list[Node]

    @classmethod
    @cache
    def read(cls, text: str) -> "Formula":
        return cls(text, *Parser(text).chain())

    def left(self, meaning: Meaning) -> str:
        """The name of the quantity that the first side is, without its indices; else ""."""
        kind, *parts = self.sides[0]
        if kind == "derivative":
            (_, base, pieces, _, _), above = parts[1], parts[0][4]
            for count in range(len(pieces), -1, -1):
                name = f"∂{above}/∂{base}" + "".join(part for part, _ in pieces[:count])
                if name in meaning.values:
                    return name
            return ""
        if kind != "name":
            return ""
        return parts[3] if parts[3] in meaning.values else meaning.parted(parts[0], parts[1])[0]

    def defines(self, meaning: Meaning) -> tuple[str, list[str]] | None:
        """The name that the first side can be a definition of, and its parameters."""
        kind, *parts = self.sides[0]
        if kind != "name" or len(self.sides) < 2:
            return None
        base, pieces, arguments, text = parts
        if not text or (base.endswith("′") and base[:-1] in meaning.definitions):
            return None
        kept = list(pieces)
        parameters: list[str] = []
        while kept and all(unit in meaning.ranges for unit in kept[-1][1]):
            parameters = [*kept.pop()[1], *parameters]
        for argument in arguments or []:
            if argument[0] != "name" or argument[2] or argument[3]:
                return None
            parameters.append(argument[1])
        if text in meaning.values and arguments is not None:
            return None
        name = base + "".join(part for part, _ in kept)
        known, _ = meaning.parted(base, pieces)
        if known in meaning.values and known != name:
            return None  # it is an element of something: α₁ of α
        return name, parameters

    def check(self, meaning: Meaning) -> bool:
        """Compare every other side with the first.

        Returns:
            Whether it says anything here.
        Raises:
            AssertionError: two sides differ.
            UnreadableError: a name stands for nothing.
        """
        definition = self.defines(meaning)
        parameters = definition[1] if definition is not None else []
        if any(name not in meaning.ranges and not meaning.known(name) for name in parameters):
            return True  # a function: it is computed where it is used
        return self.compare(meaning) > 0

    def define(self, meaning: Meaning) -> None:
        """Keep the second side as the definition of the first, if there is none yet."""
        definition = self.defines(meaning)
        if definition is not None:
            name, parameters = definition
            meaning.definitions.setdefault(name, (parameters, self.sides[1]))

    def compare(self, meaning: Meaning) -> int:
        """In how many cases all sides are equal; AssertionError where two are not."""
        try:
            # the last one first: it is there that a condition may stand
            *others, first = [meaning.value(side) for side in reversed(self.sides)]
        except IndexNeededError as index:
            (name,) = index.args
            return sum(
                self.compare(meaning.given(**{name: value})) for value in meaning.ranges[name]
            )
        except NotSaidError:
            return 0
        for other in others:
            assert equal(first, other), f"{self.text}: {first} is not {other} {dict(meaning.bound)}"
        return 1
