"""The docstrings' notation, read and computed as it is written.

A formula is a chain `a = b = c` of sides, or an assignment `a ← b`. Products are written side by
side; what stands closer binds closer, so 1/2σ is 1/(2σ), and 1/2 σ is σ/2. A function without
brackets takes what stands next to it: log x + 1 is (log x) + 1. Σᵢ takes the rest of its product.

    e^xᵢ  x²  Wᵀ  √v  |x|  |v|_p  (z)₊  ⌊a⌋  ½         as on paper; (z)₊ is max(z, 0)
    [i = j]                                          1 where it is true, else 0
    a where x > 0, b where x = 0, else c             cases; without else, it is only said of those
    Σᵢ xᵢ yᵢ,  Σ_{c ≠ t} x_c,  Σ_{p, k: p + k = q}     over the range of each index
    ∂y/∂x,  u′,  d/dx x²                             taken from the definition of what is derived

An index without Σ stands for each of its values. A name that is not known yet is defined by its
first side; every other side is an assertion.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np

Node = tuple[Any, ...]  # its kind, then its parts

SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-aehijklmnoprstuvx")
SUPERSCRIPTS = str.maketrans(
    "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", "0123456789+−()abcdefghijklmnoprstuvwxyz"
)
SUB, SUPER = (re.escape("".join(map(chr, table))) for table in (SUBSCRIPTS, SUPERSCRIPTS))
TOKEN = re.compile(
    rf"""(?P<space>\ *)(?:
      (?P<number>\d+(?:\.\d+)?(?:e-?\d+)?|½)
    | (?P<by>d/d(?=[a-z]\b))
    | (?P<name>(?:[A-Za-z]+|(?![ΣΠ])[Α-Ωα-ω]|[ĝḡ])[\u0300-\u0304]?∞?′*)
    | (?P<sub>_\{{|_[A-Za-z0-9]+|[{SUB}]+)
    | (?P<sup>[{SUPER}ᵀ]+)
    | (?P<sign>[^\sA-Za-z0-9])
    )""",
    re.VERBOSE,
)
RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": lambda a, b: a == b,
    "≠": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "≤": lambda a, b: a <= b,
    "≥": lambda a, b: a >= b,
    "∈": lambda a, b: a in b,
    "∉": lambda a, b: a not in b,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "log": np.log,
    "exp": np.exp,
    "tanh": np.tanh,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "sin": np.sin,
    "cos": np.cos,
    "sign": np.sign,
    "max": max,
    "min": min,
    "erf": math.erf,
    "σ": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
    "Φ": lambda x: (1 + math.erf(x / math.sqrt(2))) / 2,
    "φ": lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi),
}
CONSTANTS = {"e": math.e, "π": math.pi, "∞": math.inf}
WORDS = ("where", "else", "and", "or", "for")


class UnreadableError(Exception):
    """This is no formula, or it has a name that nothing stands for."""


class IndexNeededError(Exception):
    """An index of the formula has no value yet."""


class NotSaidError(Exception):
    """The formula says nothing of this case."""


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    spaced: bool


def tokens(text: str) -> list[Token]:
    found, at = [], 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if match is None:
            raise UnreadableError(f"{text!r} at {text[at:]!r}")
        kind = match.lastgroup or ""
        found.append(Token(kind, match[kind], bool(match["space"])))
        at = match.end()
    return [*found, Token("end", "", True)]


class Parser:
    """Recursive descent, one method for each strength of binding."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.at, self.bars = text, tokens(text), 0, 0

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def has(self, *texts: str) -> bool:
        """Take the next token, if it is one of these."""
        if self.next.text in texts and self.next.kind != "end":
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.has(text):
            raise UnreadableError(f"{self.text!r}: {self.next.text!r}, expected {text!r}")

    def chain(self) -> tuple[str, list[Node]]:
        """All of the text: "=" or "←", and the sides."""
        sides, relation = [self.cases()], "="
        while self.next.text in ("=", "←"):
            relation = self.take().text
            sides.append(self.cases())
        if self.next.kind != "end":
            raise UnreadableError(f"{self.text!r}: {self.next.text!r} is too much")
        return relation, sides

    def cases(self) -> Node:
        value = self.sum()
        if not self.has("where", "for"):
            return value
        listed, otherwise = [(value, self.condition())], None
        while self.has(","):
            if self.has("else"):
                otherwise = self.cases()
                break
            value = self.sum()
            self.expect("where")
            listed.append((value, self.condition()))
        return "cases", listed, otherwise

    def condition(self) -> Node:
        parts = [self.relation()]
        kind = self.next.text
        while self.has("and") if kind == "and" else self.has("or"):
            parts.append(self.relation())
        return ("all" if kind == "and" else "any"), parts

    def relation(self) -> Node:
        parts: list[Any] = [self.sum()]
        while self.next.text in RELATIONS:
            parts += [self.take().text, self.sum()]
        if len(parts) == 1:
            raise UnreadableError(f"{self.text!r}: no relation before {self.next.text!r}")
        return "relation", parts

    def sum(self) -> Node:
        negative = self.has("−")
        if not negative:
            self.has("+")
        value = ("negative", self.product()) if negative else self.product()
        while self.next.text in ("+", "−"):
            value = ("+" if self.take().text == "+" else "-", value, self.product())
        return value

    def product(self) -> Node:
        value = self.close()
        while True:
            if self.has("·"):
                value = "·", value, self.close()
            elif self.has("∘"):
                value = "∘", value, self.close()
            elif self.has("/"):
                value = "/", value, self.close()
            elif self.begins():
                value = "product", value, self.close()
            else:
                return value

    def begins(self) -> bool:
        """Whether a factor begins here."""
        token = self.next
        if token.kind in ("number", "name", "by"):
            return token.text not in WORDS
        return token.text in ("(", "[", "√", "Σ", "Π", "∂", "⌊", "⌈") or (
            token.text in ("|", "‖") and not self.bars
        )

    def close(self) -> Node:
        """Factors without a space between."""
        value = self.power()
        while self.begins() and not self.next.spaced:
            value = "product", value, self.power()
        return value

    def power(self) -> Node:
        value = self.atom()
        while True:
            token = self.next
            if token.kind == "sup":
                self.take()
                if token.text == "ᵀ":
                    value = "transposed", value
                else:
                    value = "power", value, Parser(token.text.translate(SUPERSCRIPTS)).whole()
            elif token.text == "^":
                self.take()
                negative = self.has("−")
                if not negative:
                    self.has("+")
                exponent = self.power()
                value = "power", value, ("negative", exponent) if negative else exponent
            elif token.text == "₊":
                self.take()
                value = "positive", value
            else:
                return value

    def whole(self) -> Node:
        value = self.sum()
        if self.next.kind != "end":
            raise UnreadableError(f"{self.text!r}: {self.next.text!r} is too much")
        return value

    def atom(self) -> Node:
        token = self.take()
        if token.kind == "number":
            return "number", 0.5 if token.text == "½" else float(token.text)
        if token.kind == "name" and token.text not in WORDS:
            return self.name(token.text)
        if token.kind == "by":
            x = self.take().text
            return "slope", ("name", x, (), None, x), self.product()
        if token.text == "(":
            value = self.apart(self.cases)
            self.expect(")")
            return value
        if token.text == "[":
            value = self.apart(self.condition)
            self.expect("]")
            return "truth", value
        if token.text in ("⌊", "⌈"):
            value = self.apart(self.sum)
            self.expect("⌋" if token.text == "⌊" else "⌉")
            return ("floor" if token.text == "⌊" else "ceiling"), value
        if token.text in ("|", "‖"):
            self.bars += 1
            value = self.sum()
            self.bars -= 1
            self.expect(token.text)
            order: Any = None
            if self.next.kind == "sub" and self.next.text.startswith("_"):
                order = Parser(self.take().text[1:]).whole()
            return "size", value, order
        if token.text == "√":
            return "root", self.atom()
        if token.text in ("Σ", "Π"):
            return self.over(token.text)
        if token.text == "∂":
            above = self.atom()
            self.expect("/")
            self.expect("∂")
            below = self.atom()
            if above[0] != "name" or below[0] != "name":
                raise UnreadableError(f"{self.text!r}: a derivative is of a name by a name")
            return "derivative", above, below
        raise UnreadableError(f"{self.text!r}: {token.text!r} begins nothing")

    def apart(self, rule: Callable[[], Node]) -> Node:
        """Within brackets, where a bar may open anew."""
        bars, self.bars = self.bars, 0
        value = rule()
        self.bars = bars
        return value

    def name(self, base: str) -> Node:
        start, pieces = self.at - 1, []
        while self.next.kind == "sub" and not self.next.text.startswith("_{"):
            if self.next.text == "₊":  # the positive part
                break
            pieces += pieces_of(self.take().text)
        arguments = None
        if self.next.text == "ᵀ" and self.tokens[self.at + 1] == Token("sign", "(", False):
            base += self.take().text  # Fᵀ(g): the backward of what is no matrix
        if self.next.text in ("[", "(") and not self.next.spaced:
            end = "]" if self.take().text == "[" else ")"
            arguments = [self.apart(self.sum)]
            while self.has(","):
                arguments.append(self.apart(self.sum))
            self.expect(end)
        elif base in FUNCTIONS and self.begins_argument():
            exponent = None
            if self.next.kind == "sup":
                exponent = Parser(self.take().text.translate(SUPERSCRIPTS)).whole()
            value: Node = ("name", base, tuple(pieces), [self.close()], "")
            return value if exponent is None else ("power", value, exponent)
        text = "".join(t.text for t in self.tokens[start : self.at])
        return "name", base, tuple(pieces), arguments, text

    def begins_argument(self) -> bool:
        """Whether a function's name is followed by what it is applied to."""
        if self.next.kind == "sup":
            after = self.tokens[self.at + 1]
            return after.spaced and (after.kind in ("name", "number"))
        return self.next.spaced and self.begins() and self.next.text not in ("[", "(")

    def over(self, kind: str) -> Node:
        token = self.take()
        if token.kind != "sub":
            raise UnreadableError(f"{self.text!r}: {kind} over {token.text!r}, expected an index")
        condition = None
        if token.text == "_{":
            names = [self.take().text]
            while self.has(","):
                names.append(self.take().text)
            if not self.has(":"):
                self.at -= 1  # the name begins the condition
            condition = self.condition()
            self.expect("}")
        else:
            names = [unit for _, units in pieces_of(token.text) for unit in units]
        return kind, names, condition, self.product()


def pieces_of(subscript: str) -> list[tuple[str, list[str]]]:
    """A subscript's parts, as written and as indices: ₁ₙ₋₁ -> ("₁", ["1"]), ("ₙ₋₁", ["n-1"])."""
    if subscript.startswith("_"):
        return [(subscript, re.findall(r"\d+|[A-Za-z]", subscript))]
    return [
        (part, [part.translate(SUBSCRIPTS)])
        for part in re.findall(r"(?:[₀-₉]+|[^₊₋])(?:[₊₋][₀-₉]+)?", subscript)
    ]


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
        return np.array(values).reshape(shape)

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
        if place or not np.ndim(now):
            return slope(partial(self.value_at, above, name, place), float(now))
        each = [
            slope(partial(self.value_at, above, name, at), float(now[at]))
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
        if kind in ("Σ", "Π"):
            return self.total(kind, *parts)
        if kind == "truth":
            return float(self.holds(parts[0]))
        if kind == "derivative":
            return self.derivative(*parts)
        if kind == "slope":
            return self.slope_of(parts[1], parts[0])
        values = [None if part is None else self.value(part) for part in parts]
        return OPERATIONS[kind](*values)

    def total(self, kind: str, names: list[str], condition: Any, body: Node) -> Any:
        terms = []
        for given in self.each(names):
            within = self.given(**given)
            if condition is None or within.holds(condition):
                terms.append(within.value(body))
        return sum(terms) if kind == "Σ" else math.prod(terms)

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


def size(a: Any, order: Any) -> Any:
    a = np.abs(a)
    return a if not np.ndim(a) else np.sum(a ** (order or 2)) ** (1 / (order or 2))


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
    "size": size,
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
    if a.shape != b.shape and a.ndim and b.ndim:
        return False
    return bool(np.all((a == b) | (np.abs(a - b) <= APART * (1 + np.abs(a) + np.abs(b)))))


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
        return base + "".join(part for part, _ in kept), parameters

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
