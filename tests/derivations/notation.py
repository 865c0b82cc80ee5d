"""The docstrings' notation, read and computed as it is written.

A formula is a chain `a = b = c` of sides, or an assignment `a ← b`. Products are written side by
side; what stands closer binds closer, so 1/2σ is 1/(2σ), and 1/2 σ is σ/2. A function without
brackets takes what stands next to it: log x + 1 is (log x) + 1. Σᵢ takes the rest of its product.

    e^xᵢ  x²  Wᵀ  √v  |x|  ‖v‖  (z)₊  ⌊a⌋  ½         as on paper; (z)₊ is max(z, 0)
    [i = j]                                          1 where it is true, else 0
    a where x > 0, b where x = 0, else c             cases; without else, it is only said of those
    Σᵢ xᵢ yᵢ,  Σ_{c ≠ t} x_c,  Σ_{p, k: p + k = q}     over the range of each index
    ∂y/∂x,  u′,  d/dx x²                             taken from the definition of what is derived

An index without Σ stands for each of its values. A name that is not known yet is defined by its
first side; every other side is an assertion.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Node = tuple[Any, ...]  # its kind, then its parts

SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-aehijklmnoprstuvx")
SUPERSCRIPTS = str.maketrans(
    "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", "0123456789+−abcdefghijklmnoprstuvwxyz"
)
SUB, SUPER = (re.escape("".join(map(chr, table))) for table in (SUBSCRIPTS, SUPERSCRIPTS))
TOKEN = re.compile(
    rf"""(?P<space>\ *)(?:
      (?P<number>\d+(?:\.\d+)?(?:e-?\d+)?|½)
    | (?P<by>d/d(?=[a-z]\b))
    | (?P<name>(?:[A-Za-z]+|(?!Σ)[Α-Ωα-ω]|[ĝḡ])[\u0300-\u0304]?∞?′*)
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
        return token.text in ("(", "[", "√", "Σ", "∂", "⌊", "⌈") or (
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
            return "size", value
        if token.text == "√":
            return "root", self.atom()
        if token.text == "Σ":
            return self.over()
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

    def over(self) -> Node:
        token = self.take()
        if token.kind != "sub":
            raise UnreadableError(f"{self.text!r}: Σ over {token.text!r}, expected an index")
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
        return "Σ", names, condition, self.product()


def pieces_of(subscript: str) -> list[tuple[str, list[str]]]:
    """A subscript's parts, as written and as indices: ₁ₙ₋₁ -> ("₁", ["1"]), ("ₙ₋₁", ["n-1"])."""
    if subscript.startswith("_"):
        return [(subscript, re.findall(r"\d+|[A-Za-z]", subscript))]
    return [
        (part, [part.translate(SUBSCRIPTS)])
        for part in re.findall(r"(?:[₀-₉]+|[^₊₋])(?:[₊₋][₀-₉]+)?", subscript)
    ]
